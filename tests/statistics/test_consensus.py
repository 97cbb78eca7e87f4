"""One label from several, preferences, strengths, and machines beside people."""

import numpy as np
import pytest

from core.statistics.bradley_terry import APART, OPEN, bradley_terry
from core.statistics.calibration import calibration
from core.statistics.ceiling import ceiling, ceiling_pearson, majority_baseline
from core.statistics.consensus import majority
from core.statistics.corrected import combined
from core.statistics.correlation import mean_absolute_error, pearson, spearman
from core.statistics.dawid_skene import dawid_skene, identified
from core.statistics.paired import NO_VARIATION
from core.statistics.prediction_powered import BEYOND, prediction_powered
from core.statistics.proportion import effective, wilson, wilson_grouped
from core.statistics.roc import ONE_KIND, roc
from core.statistics.rogan_gladen import rogan_gladen
from core.statistics.sign import position_bias, sign_test
from core.statistics.threshold import fit_threshold, half

NAN = np.nan


def test_majority_and_ties():
    found = majority(np.array([[0, 0, 1], [0, 1, NAN], [NAN, NAN, NAN], [2, NAN, NAN]], float), 3)
    assert np.array_equal(found.labels, [0, NAN, NAN, 2], equal_nan=True) and (found.ties, found.unlabelled) == (1, 1)
    assert np.allclose(found.share, [2 / 3, 0.5, NAN, 1], equal_nan=True)


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


def test_dawid_skene_of_two_labels_an_item_tells_no_ability():
    rng = np.random.default_rng(0)
    truth = rng.random(300) < 0.5
    three = np.where(rng.random((300, 3)) < [0.95, 0.7, 0.8], truth[:, None], ~truth[:, None]).astype(float)
    # whatever the truth, the two would come out alike
    assert not identified(three[:, :2]) and np.isnan(dawid_skene(three[:, :2], 2).ability).all()
    pairs = three.copy()
    pairs[np.arange(300), rng.integers(0, 3, 300)] = NAN  # each item lacks another of the three
    assert not identified(pairs) and np.isnan(dawid_skene(pairs, 2).ability).all()
    assert identified(three) and dawid_skene(three, 2).ability == pytest.approx([0.95, 0.7, 0.8], abs=0.08)


def test_dawid_skene_with_little():
    nobody = dawid_skene(np.full((2, 2), NAN), 2)
    assert np.isnan(nobody.labels).all() and np.isnan(nobody.ability).all()
    one = dawid_skene(np.array([[1.0, NAN]]), 2)
    assert one.labels.tolist() == [1] and np.isnan(one.ability).all()


def test_sign_test_and_position():
    found = sign_test([1, 1, 1, -1, 0, NAN])
    assert (found.wins, found.losses, found.ties, found.p) == (3, 1, 1, 0.625)
    assert found.share.mean == 0.75 and found.difference.mean == pytest.approx(0.4)
    assert sign_test([0, 0]).p == 1 and sign_test([0, 0]).share.mean is None
    assert position_bias([1] * 10 + [0] * 2 + [NAN]).p == pytest.approx(0.03857, abs=5e-6)


def test_strengths_of_two_systems_are_the_log_odds():
    found = bradley_terry(np.arange(40), [0] * 40, [1] * 40, [1] * 30 + [0] * 10, 2)
    assert found.strengths[0].mean == pytest.approx(np.log(3) / 2) and found.strengths[1].mean == pytest.approx(-np.log(3) / 2)
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


def test_a_system_that_hardly_loses_has_no_upper_bound():
    found = bradley_terry(np.arange(10), [0] * 10, [1] * 10, [1] * 9 + [0], 2)
    better, worse = found.strengths
    assert better.mean == pytest.approx(np.log(9) / 2) and 0 < better.low < better.mean and better.high is None
    assert worse.low is None and worse.high == pytest.approx(-better.low) and better.note == worse.note == OPEN
    assert 300 < found.undefined < 400  # of 1,000 resamples, 35% of which lack the one defeat


def test_intervals_of_a_strong_system_hold_its_strength():
    rng, true, held = np.random.default_rng(3), np.log(0.97 / 0.03) / 2, []
    for seed in range(150):
        won = (rng.random(20) < 0.97) * 1.0
        first = bradley_terry(np.arange(20), [0] * 20, [1] * 20, won, 2, resamples=200, seed=seed)
        if not first.note:
            low, high = first.strengths[0].low, first.strengths[0].high
            held.append((low is None or low <= true) and (high is None or true <= high))
    assert len(held) > 50 and np.mean(held) > 0.94


def test_strengths_along_a_chain_of_twenty():
    first = np.repeat(np.arange(19), 10)
    found = bradley_terry(np.arange(190), first, first + 1, np.tile([1.0] * 8 + [0.0] * 2, 19), 20, resamples=20)
    assert np.diff([one.mean for one in found.strengths]) == pytest.approx(-np.log(4), abs=1e-8)


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
    same = roc(np.full(100, 0.3), positive).auc
    assert same[:3] == (0.5, None, None) and "all scores are equal" in same.note
    assert roc(scores, np.ones(100)).auc.note == ONE_KIND and roc(scores, np.ones(100)).auc.mean is None
    perfect = roc(positive * 1.0, positive).auc
    assert perfect.mean == perfect.high == 1 and "separated" in perfect.note and perfect.low == wilson(50, 50).low
    reverse = roc(-positive * 1.0, positive, np.arange(100) // 5).auc
    assert reverse[:3] == (0, 0, wilson(0, 10).high), "of ten groups of either kind"
    assert roc(np.r_[scores, NAN], np.r_[positive, 1]).auc.total == 101
    assert roc([0.1, 0.2, 0.3], [0, 0, 1]).auc.low is None


def test_the_area_of_few_labels_that_are_nearly_separated_is_held():
    rng, truth, held = np.random.default_rng(8), 0.98305, []  # of normal scores three standard deviations apart
    for _ in range(200):
        positive = np.arange(20) < 12
        auc = roc(rng.normal(3.0 * positive, 1), positive).auc
        held.append(auc.low <= truth <= auc.high)
    assert np.mean(held) > 0.93, "half of them are separated, which says nothing of 1"


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
    assert calibration(scores[:9], np.tile([1, 0], 5)[:9]).error[1:3] == (None, None), "of nine a bootstrap says nothing"
    with pytest.raises(ValueError, match="from 0 to 1"):
        calibration([1.2], [1])


@pytest.mark.parametrize("off", [0.0, 0.4])
def test_the_interval_of_the_calibration_error_holds_the_true_one_though_what_is_found_is_larger(off):
    """Scores from 0 to 1, drawn evenly, of which 0.5 alone is right: in five bins the error is 0.24 times what they are off."""
    rng, held, larger = np.random.default_rng(7), [], []
    for seed in range(100):
        scores = rng.random(100)
        error = calibration(scores, rng.random(100) < scores + off * (0.5 - scores), 5, 200, seed).error
        held.append(error.low <= 0.24 * off <= error.high)
        larger.append(error.mean > 0.24 * off)
        assert 0 <= error.low <= error.mean <= error.high <= 1
    assert np.mean(larger) > 0.75 and np.mean(held) >= 0.9, "by percentiles of resamples 0.0 and 0.78"


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
    by_hand = np.corrcoef(complete.T.ravel(), np.concatenate([np.delete(complete, a, 1).mean(1) for a in range(3)]))[0, 1]
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


def test_a_threshold_lies_half_way_between_two_scores_and_of_equals_in_the_middle():
    positive = np.repeat([1.0, 0.0], 6)
    seen, scores = half(positive, 0), np.zeros(12)
    for yes, no, cut in (([9, 8, 6], [3, 2, 1], 4.5), ([6, 4, 2], [5, 3, 1], 3.5)):  # apart; and in turn, where three are equal
        scores[seen & (positive == 1)], scores[seen & (positive == 0)] = yes, no
        assert fit_threshold(scores, positive).threshold == cut


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


def test_a_share_stays_within_0_and_1():
    rng = np.random.default_rng(0)
    said = np.r_[np.ones(36), np.zeros(4)]
    scored = said + rng.normal(0, 0.1, 40)
    found = prediction_powered((rng.random(400) < 0.98) + rng.normal(0, 0.1, 400), scored, said)
    assert 0.9 < found.low < found.value <= found.high == 1
    assert prediction_powered(rng.normal(1.1, 0.1, 400), scored, said).note == BEYOND
    assert found.human_only[:3] == wilson(36, 40)[:3]
    alone = prediction_powered(rng.random(400), rng.random(20), np.ones(20)).human_only
    assert alone.mean == alone.high == 1 and alone.low == pytest.approx(wilson(20, 20).low) and alone.low < 0.85
    stars = prediction_powered(rng.normal(4, 1, 400), said + rng.normal(4, 0.1, 40), said * 4 + 1)
    assert stars.value > 1 and stars.human_only.mean == pytest.approx(4.6)


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


def sentences(answers=60, each=5, seed=0):
    """Scores, labels and answers of sentences; those of one answer are alike in both."""
    rng = np.random.default_rng(seed)
    human = rng.random((answers, each)) < rng.beta(1.2, 0.8, answers)[:, None]
    score = 1 / (1 + np.exp(-rng.normal(human * 1.2 + rng.normal(0, 0.7, answers)[:, None] - 0.6, 1)))
    return score.ravel(), human.ravel().astype(float), np.repeat(np.arange(answers), each)


def test_sentences_of_one_answer_widen_every_interval_and_move_no_value():
    score, human, answers = sentences()
    people = np.column_stack([human, human, 1 - human])
    people[answers % 3 > 0, 2] = human[answers % 3 > 0]

    def spread(one):
        return one.high - one.low

    for method, value in (
        (lambda g: pearson(score, human, groups=g), "value"),
        (lambda g: spearman(score, human, groups=g), "value"),
        (lambda g: mean_absolute_error(score, human, groups=g), "mean"),
        (lambda g: roc(score, human, groups=g).auc, "mean"),
        (lambda g: ceiling(people, 2, groups=g).share, "value"),
        (lambda g: majority_baseline(human, groups=g), "mean"),
        (lambda g: calibration(score, human, groups=g).brier, "mean"),
        (
            lambda g: prediction_powered(
                score[:90],
                score[90:],
                human[90:],
                groups=None if g is None else g[90:],
                other_groups=None if g is None else g[:90],
            ),
            "value",
        ),
    ):
        alone, grouped, own = method(None), method(answers), method(np.arange(300))
        assert getattr(alone, value) == pytest.approx(getattr(grouped, value)) and spread(grouped) > 1.1 * spread(alone)
        assert spread(own) == pytest.approx(spread(alone), rel=1e-9)
    with_groups = calibration(score, human, groups=answers)
    assert with_groups.error.mean == pytest.approx(calibration(score, human).error.mean)
    assert sum(b.share.n for b in with_groups.bins) == 300


@pytest.mark.slow
def test_the_interval_of_auc_by_answers_is_that_of_their_bootstrap():
    score, human, answers = sentences(150)
    found, rng = roc(score, human, groups=answers).auc, np.random.default_rng(1)
    shaped = score.reshape(150, 5), human.reshape(150, 5)
    drawn = [rng.integers(0, 150, 150) for _ in range(1000)]
    plain = [roc(shaped[0][rows].ravel(), shaped[1][rows].ravel()).auc.mean for rows in drawn]
    assert (found.low, found.high) == pytest.approx(np.quantile(plain, [0.025, 0.975]), abs=0.012)
    assert roc(score[:10], human[:10], groups=np.zeros(10)).auc.low is None


def test_rho_of_a_resample_is_ranked_anew():
    rng = np.random.default_rng(2)
    x = rng.integers(0, 6, 80).astype(float)
    y = np.round(x + rng.normal(0, 2, 80))
    plain = [spearman(x[rows], y[rows], resamples=0).value for rows in rng.integers(0, 80, (1500, 80))]
    found = spearman(x, y, resamples=4000)
    assert (found.low, found.high) == pytest.approx(np.quantile(plain, [0.025, 0.975]), abs=0.02)


def test_as_many_rows_as_tell_the_same():
    assert effective(np.tile([1, 0], 30)) == 60 and effective(np.tile([1, 0], 30), np.arange(60)) == 60
    copies = effective(np.repeat(np.tile([1, 0], 30), 4), np.repeat(np.arange(60), 4))
    assert copies == pytest.approx(60, rel=0.07)  # four copies tell nothing more
    assert effective(np.ones(60), np.arange(60) // 6) == 10 and effective(np.array([1, 0, 1]), np.zeros(3)) == 1
    assert effective(np.tile([1, 0], 30), np.arange(60) // 2) == 60  # never more than there are
    assert wilson_grouped(np.ones(60), np.arange(60) // 6)[:3] == pytest.approx(wilson(10, 10)[:3])
    assert wilson_grouped(np.zeros(0)).mean is None


def test_an_answer_is_never_in_both_halves():
    score, human, answers = sentences(61)
    first = half(human, 0, answers)
    assert all(len(set(first[answers == one])) == 1 for one in range(61))
    assert abs(first.sum() - 152) < 20 and human[first].mean() == pytest.approx(human[~first].mean(), abs=0.08)
    assert (half(human, 3) == half(human, 3, np.arange(305))).all()
    found = fit_threshold(score, human, groups=answers)
    assert found.fitted_on == first.sum() and found.kappa.drawn == 61 - len(set(answers[first]))


def test_a_corrected_rate_counts_answers():
    score, human, answers = sentences(80)
    said = (score > 0.5).astype(float)
    alone = rogan_gladen(said[:200], said[200:], human[200:])
    grouped = rogan_gladen(said[:200], said[200:], human[200:], groups=answers[200:], other_groups=answers[:200])
    assert alone.value == grouped.value and grouped.high - grouped.low > 1.1 * (alone.high - alone.low)
    own = rogan_gladen(said[:200], said[200:], human[200:], groups=np.arange(200), other_groups=np.arange(200))
    assert own == alone


def test_strata_are_added_by_their_shares():
    machine, human = np.repeat([1, 0, 1, 0], [45, 5, 10, 40]), np.repeat([1, 1, 0, 0], [45, 5, 10, 40])
    one = rogan_gladen(np.repeat([1, 0], [620, 380]), machine, human)
    two = rogan_gladen(np.repeat([1, 0], [300, 700]), machine, human)
    found = combined([("a", 0.8, one), ("b", 0.2, two)])
    assert found.value == pytest.approx(0.8 * one.value + 0.2 * two.value) and (found.n_human, found.n_machine) == (200, 2000)
    assert found.value - found.low == pytest.approx(np.hypot(0.8 * (one.value - one.low), 0.2 * (two.value - two.low)))
    assert found.human_only.mean == 0.5 and found.machine_only.mean == pytest.approx(0.8 * 0.62 + 0.2 * 0.3)
    assert combined([("a", 1.0, one)]) is one
    refused = combined([("a", 0.8, one), ("b", 0.2, rogan_gladen(np.array([1.0]), human, 1 - human))])
    assert refused.value is None and refused.note.startswith("b: refused") and refused.human_only.mean == 0.5


def test_units_without_a_verdict_are_halved_too():
    positive = np.r_[np.tile([1.0, 0.0], 50), np.full(40, NAN)]
    first = half(positive, 0)
    assert first[:100].sum() == 50 and first[100:].sum() == 20
    scores = np.random.default_rng(0).random(140)
    assert fit_threshold(scores, positive) == fit_threshold(scores[:100], positive[:100])
