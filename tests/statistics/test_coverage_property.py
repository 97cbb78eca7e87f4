"""2,000 simulated studies: intervals hold the truth as often as they say; power by formula is power by simulation."""

import numpy as np
import pytest

from core.statistics.agreement.alpha import alpha
from core.statistics.agreement.coefficient import estimate
from core.statistics.bootstrap import mean_interval
from core.statistics.correlation import pearson
from core.statistics.detection import detection
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
    Profile,
    alpha_half_width,
    alpha_planned,
    alpha_simulated,
    assumed_profile,
    rate_half_width,
    rate_simulated,
)
from core.statistics.prediction_powered import prediction_powered
from core.statistics.proportion import unit_interval_grouped, unit_intervals
from core.statistics.rogan_gladen import rogan_gladen

pytestmark = pytest.mark.slow  # thousands of simulated studies

STUDIES = 2000
POINTS = 0.02


def verdicts(rng, n, rate=0.7, sensitivity=0.85, specificity=0.8):
    human = rng.random(n) < rate
    machine = rng.random(n) < np.where(human, sensitivity, 1 - specificity)
    return machine * 1.0, human * 1.0


def powered(*columns):
    return prediction_powered(*columns, resamples=100)  # these only tell whether it refuses


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


@pytest.mark.parametrize("labels", [4, 6, 8, 12, 40])
def test_chance_is_refused_as_often_as_it_says(labels):
    rng, accepted, studies = np.random.default_rng(5), 0, 400
    for seed in range(studies):
        score, human = rng.random(labels) ** 6, (rng.random(labels) < 0.8) * 1.0
        accepted += prediction_powered(rng.random(50) ** 6, score, human, resamples=200, seed=seed).value is not None
    assert accepted / studies <= 0.025 + 2 * np.sqrt(0.025 * 0.975 / studies)


def test_chance_is_refused_for_sentences_of_one_answer_too():
    rng, accepted, answers = np.random.default_rng(6), 0, np.arange(24) // 3
    for seed in range(300):
        tone, truth = rng.normal(size=8).repeat(3), rng.normal(size=8).repeat(3)
        score, human = tone + rng.normal(size=24), (truth + rng.normal(size=24) > -0.5) * 1.0
        found = prediction_powered(rng.normal(size=50), score, human, resamples=200, seed=seed, groups=answers)
        accepted += found.value is not None
    assert accepted / 300 < 0.045


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


def judged_answers(rng, answers, each=5, people=3):
    """Labels [sentences, people] and the answer of each sentence. Answers differ in how faithful and how hard to judge they are."""
    truth = rng.random((answers, each)) < rng.beta(1.2, 0.8, answers)[:, None]
    right = rng.random((answers, each, people)) < rng.beta(6, 1.5, answers)[:, None, None]
    labels = np.where(right, truth[:, :, None], ~truth[:, :, None]).astype(float)
    return labels.reshape(-1, people), np.repeat(np.arange(answers), each)


def test_sentences_of_one_answer_have_to_be_drawn_together():
    """With each sentence on its own the interval of alpha is too short, and holds the truth too seldom."""
    rng = np.random.default_rng(0)
    truth = estimate(alpha(judged_answers(rng, 200_000)[0]), resamples=0).value
    held = {"answers": 0, "sentences": 0}
    for seed in range(500):
        labels, answers = judged_answers(rng, 100)
        for unit, groups in (("answers", answers), ("sentences", None)):
            found = estimate(alpha(labels), 400, seed=seed, groups=groups)
            held[unit] += found.low <= truth <= found.high
    assert held["answers"] / 500 > 0.92 and held["sentences"] / 500 < 0.89


def test_corrected_rates_of_sentences_hold_the_truth():
    def draw(rng, answers, each=5):
        human = rng.random((answers, each)) < rng.beta(1.2, 0.8, answers)[:, None]
        score = rng.normal(human * 1.2 + rng.normal(0, 0.7, answers)[:, None], 1)
        return score.ravel(), human.ravel().astype(float), np.repeat(np.arange(answers), each)

    rng, held = np.random.default_rng(5), {"prediction-powered": [], "rogan-gladen": [], "as if independent": []}
    truth = 1.2 / 2
    for _ in range(500):
        (unlabelled, _, others), (score, human, groups) = draw(rng, 300), draw(rng, 100)
        together = {"groups": groups, "other_groups": others}
        verdicts = (unlabelled > 0.6) * 1.0, (score > 0.6) * 1.0, human
        found = {
            "prediction-powered": prediction_powered(unlabelled, score, human, 20, **together),
            "rogan-gladen": rogan_gladen(*verdicts, **together),
            "as if independent": prediction_powered(unlabelled, score, human, 20),
        }
        for name, one in found.items():
            held[name].append(one.low <= truth <= one.high)
    shares = {name: np.mean(values) for name, values in held.items()}
    assert 0.92 < shares["prediction-powered"] < 0.98 and 0.92 < shares["rogan-gladen"] < 0.98
    assert shares["as if independent"] < 0.88


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
    assert proportions_power(design, items) == pytest.approx(proportions_simulated(design, items, studies=8000), abs=POINTS)


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
    for power in (lambda n: proportions_power(Proportions(0.7, 0.6, 0.3), n), lambda n: means_power(Means(0.2, 1.0), n)):
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


@pytest.mark.parametrize("design", [(0.8, 100), (0.1, 50, 3, 0.5), (0.9, 30, 5, 0.0), (0.05, 200, 2, 0.3), (0.5, 20, 4, 1.0)])
def test_half_width_of_a_rate(design):
    width, held = rate_simulated(*design)
    assert rate_half_width(*design) == pytest.approx(width, abs=POINTS)
    assert 0.92 < held < 0.98  # counts are whole numbers: the share swings around 0.95


@pytest.mark.parametrize(
    "assumed", [(0.5, [0.8, 0.2], 3), (0.7, [0.4, 0.3, 0.2, 0.1], 3), (0.3, [0.7, 0.3], 2), (0.8, [0.5, 0.5], 5)]
)
def test_half_width_of_alpha(assumed):
    profile = assumed_profile(*assumed)
    for items in (150, 400):  # of 30 items and more the label is a rare one
        formula = alpha_half_width(profile, items)
        assert formula == pytest.approx(alpha_simulated(profile, items), abs=POINTS), items
    large = profile.coefficient.value(1e6 * profile.shares @ profile.coefficient.contributions)
    assert profile.shares.sum() == pytest.approx(1) and large == pytest.approx(assumed[0], abs=1e-4)


@pytest.mark.parametrize("agreement", [0.0, 0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("frequent", [0.5, 0.8, 0.95, 0.97])
def test_the_planned_half_width_of_alpha_is_that_of_simulated_studies(agreement, frequent):
    for categories, annotators in ((2, 2), (4, 3), (4, 5)):
        rare = 1 - frequent
        profile = assumed_profile(agreement, [frequent, *[rare / (categories - 1)] * (categories - 1)], annotators)
        planned = alpha_planned(profile, rare)
        for items in (5, 10, 30, 62, 150, 400, 1000, 1100):
            found, seen = planned(items), alpha_simulated(profile, items, studies=2000)
            assert (found is None) == (seen is None) and (seen is None or abs(found - seen) < POINTS), items
        needed = items_needed(lambda n, width=planned: -1e9 if (one := width(n)) is None else -one, -0.1)
        assert planned(needed) <= 0.1 and (planned(needed - 1) is None or planned(needed - 1) > 0.1)


def test_a_plan_of_alpha_waits_for_variation():
    profile = assumed_profile(0.9, [0.95, 0.05], 2)
    assert alpha_half_width(profile, 60) < 0.3 and alpha_simulated(profile, 60) is None  # 5% have one label only
    assert alpha_half_width(profile, 100) < alpha_simulated(profile, 100) - 0.02
    many = assumed_profile(0.6, [0.6, *[0.05] * 8], 8)  # 12,870 patterns, drawn item by item
    assert len(many.shares) > 3000
    assert alpha_simulated(many, 300, studies=500) == pytest.approx(alpha_half_width(many, 300), abs=POINTS)


def test_an_assumed_share_is_that_of_labels():
    for frequent, agreement in ((0.8, 0.5), (0.95, 0.3), (0.6, 0.0)):
        profile = assumed_profile(agreement, [frequent, *[(1 - frequent) / 3] * 3], 3)
        sums = profile.shares @ profile.coefficient.contributions
        assert sums[1] / sums[1:].sum() == pytest.approx(frequent, abs=1e-6)


def test_half_width_from_labels_is_that_of_their_bootstrap():
    profile, rng = assumed_profile(0.6, [0.7, 0.3], 3), np.random.default_rng(3)
    patterns = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 1], [1, 1, 1]], float)
    pilot = alpha(patterns[rng.choice(4, 200, p=profile.shares)])
    found = estimate(pilot, resamples=4000)
    labelled, same = Profile(pilot, np.full(200, 1 / 200)), Profile(alpha(np.ones((9, 2))), np.full(9, 1 / 9))
    assert alpha_half_width(labelled, 200) == pytest.approx((found.high - found.low) / 2, rel=0.06)
    assert alpha_half_width(labelled, 800) == pytest.approx((found.high - found.low) / 4, rel=0.06)
    assert alpha_half_width(same, 50) is None and alpha_simulated(same, 50) is None
    with pytest.raises(ValueError, match="two categories"):
        assumed_profile(0.5, [1.0], 3)


def grouped(rng, many):
    """Answers of so many groups that differ: (a score, whether it is right, the group of each)."""
    groups = np.repeat(np.arange(many), rng.integers(2, 12, many))
    ability = rng.normal(0, 0.6, many)[groups] + rng.normal(0, 0.8, len(groups))
    return ability, ability + rng.normal(0, 1, len(groups)) > 0, groups


@pytest.mark.parametrize("groups", [3, 6, 12])
def test_intervals_over_few_groups_hold_the_truth(groups):
    rng, studies = np.random.default_rng(3), 600
    held = {"mean": 0, "share": 0, "balanced accuracy": 0, "Pearson": 0}
    for _ in range(studies):
        score, right, of = grouped(rng, groups)
        found = {
            "mean": (mean_interval(score, of, 400), 0.0),
            "share": (unit_interval_grouped(right.astype(float), of), 0.5),
            "balanced accuracy": (detection(score > 0, right, 400, groups=of).balanced_accuracy, 0.75),  # 1/2 + arctan(1)/π
            "Pearson": (pearson(score, score + rng.normal(0, 1, len(of)), 400, groups=of), np.sqrt(0.5)),
        }
        assert all("only" in one.note and "group" in one.note or one.low is None and one.note for one, _ in found.values())
        for name, (one, truth) in found.items():
            held[name] += one.low is None or one.low <= truth <= one.high
    # by percentiles over 3 groups 0.7 to 0.8
    assert all(hits / studies >= 0.92 for hits in held.values()), {name: hits / studies for name, hits in held.items()}


@pytest.mark.parametrize(("rate", "groups"), [(0.9, 20), (0.97, 25), (0.99, 40), (0.02, 30)])
def test_shares_near_the_ends_hold_the_truth_over_groups_too(rate, groups):
    """Groups of which each is nearly all of one kind: a bootstrap over them misses in a quarter of these studies and more."""
    rng, held = np.random.default_rng(1), {"share": 0, "measure": 0}
    for _ in range(300):
        own, of = rng.beta(rate, 1 - rate, groups), np.repeat(np.arange(groups), rng.integers(1, 7, groups))
        yes = (rng.random(len(of)) < own[of]) * 1.0
        part = np.where(yes, 1, rng.uniform(0, 0.5, len(of)))  # no longer 0 and 1 alone, most of it still at one end
        for name, found, truth in (
            ("share", unit_interval_grouped(yes, of, 200), rate),
            ("measure", unit_interval_grouped(part, of, 200), rate + (1 - rate) / 4),
        ):
            held[name] += found.low <= truth <= found.high
    assert held["share"] / 300 >= 0.9 and held["measure"] / 300 >= 0.85, held


def test_groups_of_one_value_each_have_the_interval_of_single_values_and_whole_agreement_is_not_certain():
    rng = np.random.default_rng(2)
    for values in (np.ones(40), (rng.random(40) < 0.5) * 1.0, np.where(np.arange(40) < 2, 0.3, 1.0), rng.random(40)):
        [alone], grouped_ones = unit_intervals(values), unit_interval_grouped(values, np.arange(40))
        assert grouped_ones[:3] == pytest.approx(alone[:3])
    twice = unit_interval_grouped(np.ones(60), np.arange(60) // 2)
    assert twice.mean == twice.high == 1.0 and twice.low < 0.9, "of 30 groups, though they say the same"
