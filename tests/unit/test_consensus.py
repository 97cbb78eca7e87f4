"""One label from several, preferences, strengths, and machines beside people."""

import numpy as np
import pytest

from core.statistics.bradley_terry import APART, bradley_terry
from core.statistics.calibration import calibration
from core.statistics.ceiling import ceiling, ceiling_pearson, majority_baseline
from core.statistics.consensus import majority, rate
from core.statistics.correlation import mean_absolute_error, pearson, spearman
from core.statistics.dawid_skene import dawid_skene
from core.statistics.paired import NO_VARIATION
from core.statistics.prediction_powered import prediction_powered
from core.statistics.roc import ONE_KIND, roc
from core.statistics.rogan_gladen import rogan_gladen
from core.statistics.sign import position_bias, sign_test
from core.statistics.threshold import fit_threshold, half

NAN = np.nan


def test_majority_and_ties():
    found = majority(np.array([[0, 0, 1], [0, 1, NAN], [NAN, NAN, NAN], [2, NAN, NAN]], float), 3)
    assert np.array_equal(found.labels, [0, NAN, NAN, 2], equal_nan=True) and (found.ties, found.unlabelled) == (1, 1)
    assert np.allclose(found.share, [2 / 3, 0.5, NAN, 1], equal_nan=True)


def test_rate_of_a_system():
    found = rate([1, 1, 0, NAN, 1])
    assert found.wilson.mean == found.bootstrap.mean == 0.75 and (found.wilson.n, found.wilson.total) == (4, 5)
    assert rate([1.0] * 20).wilson.low < 0.9 and rate([1.0] * 20).bootstrap.low == 1
    assert rate([NAN]).wilson.mean is None


def simulated(items=400, seed=0):
    """Truth and labels of 3 good people, one who guesses, and one who calls everything of class 0 class 1."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, items, p=[0.3, 0.5, 0.2])
    good = np.where(rng.random((items, 3)) < 0.8, truth[:, None], rng.integers(0, 3, (items, 3)))
    values = np.column_stack([good, rng.integers(0, 3, items), np.where(truth == 0, 1, truth)]).astype(float)
    values[rng.random(values.shape) < 0.2] = NAN
    return truth, values


def test_dawid_skene_beats_the_majority_and_knows_who_is_good():
    truth, values = simulated()
    values[7] = NAN
    found = dawid_skene(values, 3)
    assert found.converged and np.diff(found.log_likelihoods).min() > -1e-9
    assert np.isnan(found.labels[7]) and np.isnan(found.posteriors[7]).all()
    rows = np.arange(len(truth)) != 7
    assert np.allclose(found.posteriors[rows].sum(axis=1), 1) and found.priors.sum() == pytest.approx(1)
    right = (found.labels == truth)[rows].mean()
    assert right > (majority(values, 3).labels == truth)[rows].mean() + 0.02 and right > 0.9
    assert found.ability[:3].min() > 0.75 and found.ability[3] < 0.45
    assert found.confusion[4, 0, 1] > 0.9 and found.confusion[4, 1, 1] > 0.9
    again = dawid_skene(values, 3)
    assert again.log_likelihoods == found.log_likelihoods


def test_dawid_skene_with_little():
    nobody = dawid_skene(np.full((2, 2), NAN), 2)
    assert np.isnan(nobody.labels).all() and np.isnan(nobody.ability).all()
    one = dawid_skene(np.array([[1.0, NAN]]), 2)
    assert one.labels.tolist() == [1] and one.ability[0] == 1 and np.isnan(one.ability[1])


def test_sign_test_and_position():
    found = sign_test([1, 1, 1, -1, 0, NAN])
    assert (found.wins, found.losses, found.ties, found.p) == (3, 1, 1, 0.625)
    assert found.share.mean == 0.75 and found.difference.mean == pytest.approx(0.4)
    assert sign_test([0, 0]).p == 1 and sign_test([0, 0]).share.mean is None
    assert position_bias([1] * 10 + [0] * 2 + [NAN]).p == pytest.approx(0.03857, abs=5e-6)


def test_strengths_of_two_systems_are_the_log_odds():
    found = bradley_terry(np.arange(40), [0] * 40, [1] * 40, [1] * 30 + [0] * 10, 2)
    assert found.strengths[0].mean == pytest.approx(np.log(3) / 2) and found.strengths[1].mean == pytest.approx(
        -np.log(3) / 2
    )
    assert found.chances[0, 1] == pytest.approx(0.75) and found.wins.tolist() == [[0, 30], [10, 0]]
    half_each = bradley_terry(np.arange(4), [0] * 4, [1] * 4, [1, 0.5, 0.5, 0], 2)
    assert half_each.strengths[0].mean == pytest.approx(0) and half_each.wins.tolist() == [[0, 2], [2, 0]]


def test_strengths_are_the_most_likely_ones_and_their_intervals_hold_the_truth():
    true, rng = np.array([0.9, 0.1, -0.2, -0.8]), np.random.default_rng(2)
    held = []
    for seed in range(40):
        first = rng.integers(0, 4, 300)
        second = (first + rng.integers(1, 4, 300)) % 4
        outcome = rng.random(300) < 1 / (1 + np.exp(true[second] - true[first]))
        found = bradley_terry(np.arange(300) // 2, first, second, outcome * 1.0, 4, resamples=300, seed=seed)
        held += [s.low <= t <= s.high for s, t in zip(found.strengths, true, strict=True)]
    assert 0.9 < np.mean(held) < 0.99
    strength = np.array([s.mean for s in found.strengths])
    # at the maximum, every system's wins are those that the model expects (Hunter 2004, equation 2)
    games = found.wins + found.wins.T
    assert np.nansum(games * found.chances, axis=1) == pytest.approx(found.wins.sum(axis=1), rel=1e-6)
    assert strength.mean() == pytest.approx(0, abs=1e-9)


def test_strengths_that_are_not_finite_are_not_given():
    for rows in ([(0, 1, 1), (0, 1, 1)], [(0, 1, 1), (1, 0, 1), (2, 3, 1), (3, 2, 1)], []):
        first, second, outcome = np.array(rows).reshape(-1, 3).T
        found = bradley_terry(np.arange(len(rows)), first.astype(int), second.astype(int), outcome, 4)
        assert found.note == APART and all(s.mean is None and s.note == APART for s in found.strengths)


def test_a_score_against_people():
    positive = np.repeat([0, 1], 50)
    scores = np.r_[np.linspace(0, 0.6, 50), np.linspace(0.4, 1, 50)]
    found = roc(scores, positive)
    assert 0.85 < found.auc.low < found.auc.mean < found.auc.high < 1
    assert roc(-scores, positive).auc.mean == pytest.approx(1 - found.auc.mean)
    assert roc(np.full(100, 0.3), positive).auc.mean == 0.5
    assert roc(scores, np.ones(100)).auc.note == ONE_KIND and roc(scores, np.ones(100)).auc.mean is None
    perfect = roc(positive * 1.0, positive).auc
    assert perfect.mean == 1 and "separated" in perfect.note
    assert roc(np.r_[scores, NAN], np.r_[positive, 1]).auc.total == 101
    assert roc([0.1, 0.2, 0.3], [0, 0, 1]).auc.low is None


def test_correlation_and_error():
    x = np.arange(30.0)
    assert pearson(x, 2 * x + 1).value == pytest.approx(1) and spearman(x, x**3).value == pytest.approx(1)
    assert pearson(x, -x).value == pytest.approx(-1)
    for measure in (pearson, spearman):
        assert measure(x, np.full(30, 0.1)).note == NO_VARIATION and measure(x, np.full(30, NAN)).value is None
    assert mean_absolute_error([1, 2, NAN], [2, 4, 1]).mean == 1.5


def test_calibration():
    rng = np.random.default_rng(0)
    scores = rng.random(4000)
    good = calibration(scores, rng.random(4000) < scores, resamples=300)
    assert good.error.mean < 0.03 and sum(b.share.n for b in good.bins) == 4000
    sure = calibration(np.array([0.99] * 10 + [1.0] * 10), np.tile([1, 0], 10))
    assert sure.error.mean == pytest.approx(0.495) and sure.bins[-1].share.n == 20 and sure.bins[0].score is None
    assert calibration([NAN], [1]).error.mean is None
    with pytest.raises(ValueError, match="from 0 to 1"):
        calibration([1.2], [1])


def test_human_ceiling_and_baseline():
    truth, values = simulated(items=600)
    found = ceiling(values[:, :3], 3)
    assert 0.7 < found.share.low < found.share.value < found.share.high < 0.95 and len(found.people) == 3
    hits = sum(round(p.mean * p.n) for p in found.people)
    assert found.share.value == pytest.approx(hits / sum(p.n for p in found.people))
    assert ceiling(np.array([[0, 1.0]]), 2).share.value == 0 and ceiling(np.array([[0, NAN]]), 2).share.value is None
    numbers = truth[:, None] + np.random.default_rng(1).normal(size=(600, 3))
    numbers[::3, 0] = NAN
    r = ceiling_pearson(numbers)
    assert r.low < r.value < r.high and r.items == 600
    complete = numbers[~np.isnan(numbers).any(axis=1)]
    by_hand = np.corrcoef(complete.T.ravel(), np.concatenate([np.delete(complete, a, 1).mean(1) for a in range(3)]))[
        0, 1
    ]
    assert ceiling_pearson(complete).value == pytest.approx(by_hand)
    assert majority_baseline([1, 1, 0, NAN]).mean == pytest.approx(2 / 3) and majority_baseline([NAN]).mean is None


def test_threshold_is_reported_on_what_it_has_not_seen():
    rng = np.random.default_rng(0)
    positive = rng.random(2000) < 0.3
    scores = rng.normal(positive * 2.0, 1)
    found = fit_threshold(scores, positive)
    assert found.threshold == pytest.approx(1, abs=0.35) and (found.fitted_on, found.tested_on) == (1000, 1000)
    assert found.sensitivity.mean == pytest.approx(0.84, abs=0.08) and found.kappa.value > 0.55
    assert found.accuracy.n == 1000 and found == fit_threshold(scores, positive)
    seen = half(positive * 1.0, 0)
    other = fit_threshold(np.where(seen, scores, -scores), positive)  # the unseen half says the opposite
    assert other.threshold == found.threshold and other.sensitivity.mean < 0.3
    noise = fit_threshold(rng.random(400), positive[:400])
    assert noise.kappa.low < 0.1
    assert fit_threshold([0.1, 0.2, 0.3], [1, 1, 1]).note == ONE_KIND
    equal = fit_threshold([0.2, 0.2, 0.2, 0.2], [0, 1, 0, 1])  # positive at or above: all are
    assert (equal.threshold, equal.sensitivity.mean, equal.specificity.mean) == (0.2, 1, 0)


def test_corrected_rate_by_hand():
    machine, human = np.repeat([1, 0, 1, 0], [45, 5, 10, 40]), np.repeat([1, 1, 0, 0], [45, 5, 10, 40])
    unlabelled = np.repeat([1, 0], [620, 380])
    found = rogan_gladen(unlabelled, machine, human)
    assert found.value == pytest.approx((0.62 + 0.8 - 1) / (0.9 + 0.8 - 1)) and found.skill.mean == pytest.approx(0.7)
    assert found.low < found.value < found.high and found.machine_only.mean == 0.62 and found.human_only.mean == 0.5
    assert (found.n_human, found.n_machine) == (100, 1000)
    powered = prediction_powered(unlabelled, machine, human)
    weight = np.cov(human, machine)[0, 1] / (1.1 * np.r_[machine, unlabelled].var(ddof=1))
    assert powered.value == pytest.approx(0.5 + weight * (0.62 - 0.55))
    assert powered.high - powered.low < powered.human_only.high - powered.human_only.low


def test_few_labels_of_one_kind_are_told():
    machine = human = np.repeat([1, 0], [90, 10])
    assert prediction_powered(machine, np.roll(machine, 2), human).note.startswith("people gave fewer than 15")
    assert prediction_powered(machine, np.roll(machine, 2), np.roll(np.repeat([1, 0], [80, 20]), 2)).note == ""


def test_a_machine_no_better_than_chance_is_refused():
    rng = np.random.default_rng(1)
    human, machine, unlabelled = (rng.integers(0, 2, n) for n in (100, 100, 1000))
    for method in (rogan_gladen, prediction_powered):
        for judged in (machine, 1 - human):
            found = method(unlabelled, judged, human)
            assert found.note.startswith("refused") and "chance" in found.note
            assert (found.value, found.low, found.high) == (None, None, None) and found.human_only.mean is not None
        constant = method(unlabelled, np.ones(100), human)
        assert constant.value is None and constant.note.startswith("refused")
        assert method(unlabelled, machine, np.ones(100)).value is None
        assert method(unlabelled[:0], human, human).note.startswith("undefined")
    with pytest.raises(ValueError, match="1 or 0"):
        rogan_gladen([0.5], [1], [1])
