"""2,000 simulated studies: intervals hold the truth as often as they say; power by formula is power by simulation."""

import numpy as np
import pytest

from core.statistics.agreement.alpha import alpha
from core.statistics.agreement.coefficient import estimate
from core.statistics.power_difference import (
    Means,
    Proportions,
    items_needed,
    means_from_pilot,
    means_power,
    means_simulated,
    proportions_power,
    proportions_simulated,
)
from core.statistics.power_width import (
    alpha_half_width,
    alpha_simulated,
    assumed_profile,
    pilot_profile,
    rate_half_width,
    rate_simulated,
)
from core.statistics.prediction_powered import prediction_powered
from core.statistics.rogan_gladen import rogan_gladen

STUDIES = 2000
POINTS = 0.02


def verdicts(rng, n, rate=0.7, sensitivity=0.85, specificity=0.8):
    human = rng.random(n) < rate
    machine = rng.random(n) < np.where(human, sensitivity, 1 - specificity)
    return machine * 1.0, human * 1.0


def powered(*columns):
    return prediction_powered(*columns, resamples=200)  # these only tell whether it refuses


def coverage(method, draw, truth) -> tuple[float, float, float]:
    """(share of intervals that hold the truth, mean estimate, mean width as a share of that from people alone)."""
    rng, found = np.random.default_rng(11), []
    for _ in range(STUDIES):
        (unlabelled, _), (machine, human) = draw(rng, 2000), draw(rng, 300)
        found.append(method(unlabelled, machine, human))
    assert not any(one.note for one in found)
    held = np.mean([one.low <= truth <= one.high for one in found])
    widths = [(one.high - one.low) / (one.human_only.high - one.human_only.low) for one in found]
    return held, np.mean([one.value for one in found]), np.mean(widths)


def test_rogan_gladen_covers_the_truth():
    held, mean, _ = coverage(rogan_gladen, verdicts, 0.7)
    assert 0.94 <= held <= 0.96 and mean == pytest.approx(0.7, abs=0.003)


@pytest.mark.parametrize("rate", [0.5, 0.9])
def test_rogan_gladen_covers_other_rates(rate):
    held, mean, _ = coverage(rogan_gladen, lambda rng, n: verdicts(rng, n, rate, 0.9, 0.9), rate)
    assert 0.94 <= held <= 0.96 and mean == pytest.approx(rate, abs=0.004)


def test_prediction_powered_covers_the_truth_and_is_narrower_than_people_alone():
    held, mean, width = coverage(powered, verdicts, 0.7)
    assert 0.94 <= held <= 0.96 and mean == pytest.approx(0.7, abs=0.003) and width < 0.9


def test_prediction_powered_takes_scores_on_a_scale_of_their_own():
    def scores(rng, n):
        human = np.clip(rng.normal(0.6, 0.2, n), 0, 1)
        return 30 - 4 * (1 - human) + rng.normal(0, 0.4, n), human

    truth = scores(np.random.default_rng(0), 4_000_000)[1].mean()
    held, mean, width = coverage(powered, scores, truth)
    assert 0.94 <= held <= 0.96 and mean == pytest.approx(truth, abs=0.002) and width < 0.65


def test_the_interval_of_alpha_covers_that_of_the_population():
    profile = assumed_profile(0.6, [0.7, 0.3], 3)
    patterns = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 1], [1, 1, 1]], float)
    rng = np.random.default_rng(4)
    found = [estimate(alpha(patterns[rng.choice(4, 150, p=profile.shares)]), resamples=500) for _ in range(600)]
    # 4 standard errors of a share of 600, and a point for the percentile method's shortfall
    assert abs(np.mean([one.low <= 0.6 <= one.high for one in found]) - 0.95) < 4 * 0.0089 + 0.01


@pytest.mark.parametrize(
    ("design", "items"),
    [
        (Proportions(0.7, 0.6, 0.3), 150),
        (Proportions(0.8, 0.7, 0.25, accuracy=0.9, annotators=3), 300),
        (Proportions(0.8, 0.7, 0.25, accuracy=0.85, annotators=2), 400),
        (Proportions(0.6, 0.8, 0.4, accuracy=0.95), 60),
        (Proportions(0.9, 0.8, 0.12), 40),
        (Proportions(0.5, 0.5, 0.3), 120),
        (Proportions(0.9, 0.85, 0.05), 5),
    ],
)
def test_power_for_two_rates(design, items):
    assert proportions_power(design, items) == pytest.approx(
        proportions_simulated(design, items, studies=8000), abs=POINTS
    )


@pytest.mark.parametrize(
    ("design", "items"), [(Means(0.2, 0.8, 0.5, 3), 100), (Means(-0.3, 0.5, 1.0, 2), 40), (Means(0.0, 1.0, 0.4, 2), 30)]
)
def test_power_for_two_means(design, items):
    assert means_power(design, items) == pytest.approx(means_simulated(design, items, studies=8000), abs=POINTS)


def test_more_items_and_annotators_give_more_power():
    powers = [[proportions_power(Proportions(0.8, 0.7, 0.25, 0.85, k), n) for n in (100, 200, 400)] for k in (1, 3, 5)]
    assert (np.diff(powers, axis=0) > 0).all() and (np.diff(powers, axis=1) > 0).all()
    assert means_power(Means(0.2, 0.8, 0.5, 5), 100) > means_power(Means(0.2, 0.8, 0.5, 1), 100)
    assert proportions_power(Proportions(0.5, 0.5, 0.0), 100) == 0 and means_power(Means(1, 0, 0), 5) == 1
    with pytest.raises(ValueError, match=r"between 0\.1 and 0\.5"):
        proportions_power(Proportions(0.8, 0.7, 0.05), 100)


def test_items_needed_reach_the_power_and_no_more():
    for power in (
        lambda n: proportions_power(Proportions(0.7, 0.6, 0.3), n),
        lambda n: means_power(Means(0.2, 1.0), n),
    ):
        items = items_needed(power)
        assert power(items) >= 0.8 > power(items - 1)
    assert items == 199  # Cohen 1988, dz = 0.2
    assert items_needed(lambda n: 0.1) is None and items_needed(lambda n: 0.9) == 2


def test_spreads_are_found_in_a_pilot():
    rng = np.random.default_rng(0)
    differences = rng.normal(0.3, 0.8, (4000, 1)) + rng.normal(0, 0.5, (4000, 4))
    differences[rng.random(differences.shape) < 0.3] = np.nan
    found = means_from_pilot(differences, annotators=3)
    assert found == pytest.approx((0.3, 0.8, 0.5, 3), abs=0.04)
    assert means_from_pilot(differences[:, :1], 1).sd_label == 0


@pytest.mark.parametrize(
    "design", [(0.8, 100), (0.1, 50, 3, 0.5), (0.9, 30, 5, 0.0), (0.05, 200, 2, 0.3), (0.5, 20, 4, 1.0)]
)
def test_half_width_of_a_rate(design):
    width, held = rate_simulated(*design)
    assert rate_half_width(*design) == pytest.approx(width, abs=POINTS)
    assert 0.92 < held < 0.98  # counts are whole numbers: the share swings around 0.95


@pytest.mark.parametrize(
    "assumed", [(0.5, [0.8, 0.2], 3), (0.7, [0.4, 0.3, 0.2, 0.1], 3), (0.3, [0.7, 0.3], 2), (0.8, [0.5, 0.5], 5)]
)
def test_half_width_of_alpha(assumed):
    profile = assumed_profile(*assumed)
    for items in (50, 100, 400):
        formula = alpha_half_width(profile, items)
        assert formula == pytest.approx(alpha_simulated(profile, items), abs=POINTS), items
    large = profile.coefficient.value(1e6 * profile.shares @ profile.coefficient.contributions)
    assert profile.shares.sum() == pytest.approx(1) and large == pytest.approx(assumed[0], abs=1e-4)


def test_half_width_from_a_pilot_is_that_of_its_bootstrap():
    profile, rng = assumed_profile(0.6, [0.7, 0.3], 3), np.random.default_rng(3)
    patterns = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 1], [1, 1, 1]], float)
    pilot = alpha(patterns[rng.choice(4, 200, p=profile.shares)])
    found = estimate(pilot, resamples=4000)
    assert alpha_half_width(pilot_profile(pilot), 200) == pytest.approx((found.high - found.low) / 2, rel=0.06)
    assert alpha_half_width(pilot_profile(pilot), 800) == pytest.approx((found.high - found.low) / 4, rel=0.06)
    assert alpha_half_width(pilot_profile(alpha(np.ones((9, 2)))), 50) is None
    assert alpha_simulated(pilot_profile(alpha(np.ones((9, 2)))), 50) is None
    with pytest.raises(ValueError, match="two categories"):
        assumed_profile(0.5, [1.0], 3)
