"""Agreement by hand, and every way in which there is none to tell."""

import numpy as np
import pytest

from core.statistics.agreement.alpha import LEVELS, alpha
from core.statistics.agreement.annotators import dissent, leave_one_out, others_majority, pairwise, self_agreement, speed
from core.statistics.agreement.chance import brennan_prediger, fleiss, gwet, percent
from core.statistics.agreement.coefficient import ALIKE, FEW_DEFINED, NO_PAIRS, Coefficient, estimate
from core.statistics.agreement.disputed import disputed
from core.statistics.agreement.drift import drift
from core.statistics.agreement.growth import growth, met
from core.statistics.agreement.icc import FORMS, NOT_BY_ALL, icc
from core.statistics.agreement.kappa import cohen, conger
from core.statistics.agreement.measures import measures
from core.statistics.agreement.ratings import counts, weights
from core.statistics.agreement.words import krippendorff_words, landis_koch
from core.statistics.bootstrap import ONE_GROUP, resampled_means
from core.statistics.paired import NO_VARIATION

NAN = np.nan


def noisy(items=200, annotators=3, q=2, accuracy=0.85, missing=0.0, seed=0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, q, items)
    wrong = (truth[:, None] + rng.integers(1, q, (items, annotators))) % q
    values = np.where(rng.random((items, annotators)) < accuracy, truth[:, None], wrong).astype(float)
    values[rng.random(values.shape) < missing] = NAN
    return values


def test_labels_are_counted_by_category():
    assert counts(np.array([[1, 2], [NAN, 0]]), 3).tolist() == [[0, 1, 1], [1, 0, 0]]
    for wrong in (3.0, -1.0, 0.5):
        with pytest.raises(ValueError, match="codes 0 to 2"):
            counts(np.array([[wrong]]), 3)


def test_partial_credit():
    assert weights(3, "identity").tolist() == np.eye(3).tolist()
    assert weights(3, "linear")[0].tolist() == [1, 0.5, 0] and weights(3, "quadratic")[0].tolist() == [1, 0.75, 0]


@pytest.mark.parametrize("level", LEVELS)
def test_alpha_without_variation_or_pairs_is_undefined(level):
    for values, items in ((np.full((6, 3), 2.0), 6), (np.full((6, 3), 7.3), 6)):
        found = estimate(alpha(values, level))
        assert (found.value, found.low, found.high) == (None, None, None) and found.note == NO_VARIATION
        assert found.items == items
    for values in (np.array([[1.0, NAN], [NAN, 2.0]]), np.zeros((0, 3)), np.full((4, 2), NAN), np.zeros((5, 1))):
        found = estimate(alpha(values, level))
        assert found.value is None and found.note == NO_PAIRS and found.items == 0


def test_every_coefficient_names_why_it_has_no_value():
    constant, single = np.zeros((8, 2)), np.array([[0.0, NAN], [NAN, 1.0]])
    for make in (fleiss, cohen, conger):
        assert estimate(make(constant, 3)).note == NO_VARIATION and estimate(make(constant, 3)).value is None
    for make in (percent, fleiss, gwet, brennan_prediger, cohen, conger):
        assert estimate(make(single, 2)).note == NO_PAIRS
    for form in FORMS:
        assert estimate(icc(constant, form)).note == NO_VARIATION
        assert estimate(icc(single, form)).note == (NO_PAIRS if form[0] == "1" else NOT_BY_ALL)
        assert estimate(icc(np.ones((5, 1)), form)).note == NO_PAIRS
    assert estimate(gwet(constant, 1)).value is None and estimate(brennan_prediger(constant, 1)).value is None
    # these do not rest on the labels' shares: agreement of all on one of three offered categories is full agreement
    for make in (percent, gwet, brennan_prediger):
        assert estimate(make(constant, 3)).value == 1 and estimate(make(constant, 3)).note == ALIKE


def test_wrong_use_is_refused():
    for call in (
        lambda: alpha(np.zeros((2, 2)), "cardinal"),
        lambda: alpha(np.array([[-1.0, 1.0]]), "ratio"),
        lambda: alpha(np.arange(500.0).reshape(-1, 2), "ordinal"),
        lambda: cohen(np.zeros((4, 3)), 2),
        lambda: icc(np.zeros((4, 3)), "4,1"),
    ):
        with pytest.raises(ValueError):
            call()


def test_interval_alpha_takes_any_number_of_different_values():
    values = np.random.default_rng(0).normal(size=(500, 1)) + np.random.default_rng(1).normal(size=(500, 3)) * 0.5
    assert estimate(alpha(values, "interval")).value == pytest.approx(estimate(icc(values, "1,1")).value, abs=0.01)
    shifted = estimate(alpha(values + 1e6, "interval"))
    assert shifted.value == pytest.approx(estimate(alpha(values, "interval")).value, abs=1e-6)


def test_the_first_form_of_icc_takes_other_people_for_each_item():
    rng = np.random.default_rng(0)
    three = rng.normal(0, 1, (100, 1)) + rng.normal(0, 0.7, (100, 3))
    spread = np.full((100, 5), NAN)
    np.put_along_axis(spread, rng.random((100, 5)).argsort(axis=1)[:, :3], three, axis=1)
    for form in ("1,1", "1,k"):
        assert estimate(icc(spread, form))[1:] == pytest.approx(estimate(icc(three, form))[1:])
    assert estimate(icc(spread, "2,1")).note == NOT_BY_ALL and estimate(icc(spread, "2,1")).value is None
    # unequal numbers: mean squares by hand (Donner 1986), the fourth item counts in nothing
    found = estimate(icc(np.array([[1, 2, NAN], [4, 4, 7], [6, NAN, 8], [NAN, 9, NAN]]), "1,1"))
    items, noise, usual = (2 * 1.5**2 + 3 * 5**2 + 2 * 7**2 - 32**2 / 7) / 2, 8.5 / 4, (7 - 17 / 7) / 2
    assert found.value == pytest.approx((items - noise) / (items + (usual - 1) * noise)) and found.labels == 7


def test_ordinal_alpha_sums_only_the_pairs_of_values_that_occur():
    rng = np.random.default_rng(0)
    values = np.clip(rng.normal(10, 4, (300, 1)) + rng.normal(0, 2, (300, 3)), 0, 19).round()
    values[rng.random(values.shape) < 0.2] = NAN
    made = alpha(values, "ordinal")
    q = len(np.unique(values[~np.isnan(values)]))
    assert made.contributions.shape[1] < q * (q + 1) / 2
    codes, rows = values.astype(object), made.rows  # by hand: all pairs, Krippendorff's delta of the pooled ranks
    n = np.array([(values[rows] == v).sum() for v in range(20)])
    rank = n.cumsum() - n / 2
    given = [[int(v) for v in codes[row] if v == v] for row in rows]
    observed = sum((rank[a] - rank[b]) ** 2 / (len(one) - 1) for one in given for a in one for b in one)
    pooled = np.concatenate(given)
    expected = ((rank[pooled][:, None] - rank[pooled]) ** 2).sum() / (len(pooled) - 1)
    assert estimate(made, resamples=0).value == pytest.approx(1 - observed / expected)
    with pytest.raises(ValueError, match="fewer different values"):
        alpha(np.tile(np.arange(200.0), (4000, 1)), "ordinal")


def test_mostly_empty_rows_are_resampled_as_full_ones():
    values = np.zeros((400, 60))
    values[np.arange(400), np.arange(400) % 60] = np.linspace(0.1, 3, 400)
    narrow = [resampled_means(values[:, part], 50, 3) for part in (slice(0, 20), slice(20, 40), slice(40, 60))]
    assert resampled_means(values, 50, 3) == pytest.approx(np.hstack(narrow))


def test_the_interval_is_that_of_a_plain_bootstrap():
    values = noisy(items=80, missing=0.1)
    ours, rng = estimate(alpha(values), resamples=4000), np.random.default_rng(1)
    plain = [estimate(alpha(values[rng.integers(0, 80, 80)]), resamples=0).value for _ in range(2000)]
    assert (ours.low, ours.high) == pytest.approx(np.quantile(plain, [0.025, 0.975]), abs=0.02)
    assert ours == estimate(alpha(values), resamples=4000) != estimate(alpha(values), resamples=4000, seed=1)


def test_resamples_without_variation_are_counted():
    values = np.zeros((12, 2))
    values[0] = 1  # some 35% of the resamples miss this item
    found = estimate(alpha(values))
    assert found.value == 1 and 500 < found.undefined < 900 and found.resamples == 2000
    assert estimate(alpha(values), resamples=0).low is None
    half = Coefficient("half", np.eye(12), lambda sums: np.where(np.isclose(sums[..., 0], 1), 1.0, NAN), 12, 24)
    found = estimate(half)  # a value only where the first of twelve items is drawn exactly once: in 38%
    assert (found.value, found.low, found.note) == (1, None, FEW_DEFINED) and found.undefined > 1000


def test_all_measures_of_a_level():
    values = noisy(annotators=2)
    names = [found.name for found in measures(values, "nominal", 2, resamples=100)]
    assert names[0] == "Krippendorff's alpha, nominal" and "Cohen's kappa" in names and "Gwet's AC1" in names
    assert not any("ICC" in name or "weights" in name for name in names)
    ordinal = [found.name for found in measures(noisy(q=5), "ordinal", 5, resamples=100)]
    assert "Gwet's AC2, quadratic weights" in ordinal and "Conger's kappa, linear weights" in ordinal
    numbers = [found.name for found in measures(noisy(q=5) / 3, "interval", None, resamples=100)]
    assert numbers == ["Krippendorff's alpha, interval", *(f"ICC({form})" for form in FORMS)]


def test_words_follow_their_sources():
    for value, word in (
        (-0.1, "poor"),
        (0.0, "slight"),
        (0.2, "slight"),
        (0.21, "fair"),
        (0.6, "moderate"),
        (0.61, "substantial"),
        (0.81, "almost perfect"),
        (1.0, "almost perfect"),
    ):
        assert landis_koch(value) == word
    assert [krippendorff_words(v)[:3] for v in (0.66, 0.667, 0.79, 0.8)] == ["not", "ten", "ten", "rel"]


def test_pairs_and_who_to_leave_out():
    values = noisy(annotators=4, accuracy=0.95)
    values[:, 3] = np.random.default_rng(5).integers(0, 2, 200)  # guesses
    values[100:, 0] = NAN
    matrix, shared, notes = pairwise(values, lambda v: cohen(v, 2))
    assert shared[0, 1] == 100 and shared[1, 2] == 200 and np.isnan(matrix.diagonal()).all() and not notes
    assert matrix[1, 2] == pytest.approx(estimate(cohen(values[:, 1:3], 2)).value) == matrix[2, 1]
    assert matrix[1, 2] > 0.7 > 0.3 > matrix[1, 3]
    left = leave_one_out(values, alpha)
    assert max(left, key=lambda one: one.change).annotator == 3 and left[3].change > 0.2 > left[1].change
    values[:, 2], values[:, 3] = 1, NAN
    matrix, shared, notes = pairwise(values, lambda v: alpha(v))
    assert notes[2, 3] == NO_PAIRS and np.isnan(matrix[2, 3]) and shared[2, 3] == 0
    assert leave_one_out(np.ones((5, 2)), alpha)[0] == (0, None, None, NO_PAIRS)


def test_the_majority_of_the_others_and_dissent():
    values = np.array([[0, 0, 1], [1, 1, 1], [0, 1, NAN], [2, NAN, NAN]], float)
    expected = np.array([[NAN, NAN, 0], [1, 1, 1], [1, 0, NAN], [NAN, NAN, NAN]])
    assert np.array_equal(others_majority(values, 3), expected, equal_nan=True)
    first, _, third = dissent(values, 3)
    assert (first.labels, first.against, first.agreed.n, first.agreed.mean) == (4, 1, 2, 0.5)
    assert (third.labels, third.against, third.agreed.n) == (2, 1, 2)
    assert dissent(np.array([[0.0, NAN]]), 2)[0].agreed.mean is None


def test_self_agreement_and_speed():
    a, b, everybody = self_agreement(["a", "b", "a", "b"], [1, 0, 2, 1], [1, 0, 1, 1])
    assert (a.share.mean, b.share.mean, everybody.share.mean, everybody.annotator) == (0.5, 1.0, 0.75, None)
    assert b.share.low < 0.5  # of two items
    [quick, slow] = speed(["x", "y", "x", "y", "x"], [1, 9, 2, 11, 600])
    assert (quick.annotator, quick.labels, quick.median, slow.median) == ("x", 3, 2.0, 10.0)
    assert self_agreement([], [], [])[0].share.mean is None and speed([], []) == []


def test_drift_is_found_in_the_one_who_drifts():
    values = noisy(items=240, annotators=4, accuracy=0.95)
    values[120:, 0] = np.random.default_rng(3).integers(0, 2, 120)
    order = np.tile(np.arange(240.0)[:, None], 4)
    found = drift(values, order, seed=1)
    assert found[0].trend < -0.2 and found[0].p_holm < 0.01 and found[0].p <= found[0].p_holm
    first, _, last = found[0].parts
    assert (first.n, last.n) == (80, 80) and first.low > last.high
    assert drift(values, -order, seed=1)[0].trend == pytest.approx(-found[0].trend)
    steady = drift(noisy(items=240, annotators=4), order)
    assert min(one.p_holm for one in steady) > 0.05
    short = drift(values[:5], order[:5])[0]
    assert short.p is None and "5 items" in short.note
    same = drift(np.ones((36, 2)), order[:36, :2])[0]
    assert same.note == NO_VARIATION and all(part.mean == part.high == 1 and part.low < 0.8 for part in same.parts), (
        "of 12 labels"
    )


def test_most_disputed_items_come_first():
    values = np.array([[0, 0, 1, 0], [0, 1, NAN, NAN], [0, 0, 0, 0], [0, 1, 2, NAN], [0, 1, 0, 1]], float)
    found = disputed(values, 3)
    assert [one.item for one in found] == [3, 4, 1, 0] and found[0].entropy == pytest.approx(np.log2(3))
    assert found[1] == (4, 1.0, (2, 2, 0)) and found[2].entropy == 1.0


def test_alpha_as_labels_come_in_and_the_stop_rule():
    values = noisy(items=300)
    order = np.arange(900.0).reshape(300, 3)
    found = list(growth(values, order, alpha, resamples=300))
    assert [labels for labels, _ in found] == list(range(45, 901, 45))
    assert found[-1][1] == estimate(alpha(values), resamples=300)
    narrow = [labels for labels, one in found if one.low is not None and (one.high - one.low) / 2 <= 0.1 and labels >= 90]
    assert [labels for labels, one in found if met("half_width", 0.1, one)] == narrow
    assert not any(met("half_width", 0.001, one) or met("all_labelled", 0.1, one) for _, one in found)
    last = found[-1][1]
    assert met("alpha", last.value - 0.01, last) and not met("alpha", last.value + 0.01, last)
    # full agreement on a few items gives an interval of no width: no reason to stop
    agreed = np.repeat(np.arange(40.0) % 2, 2).reshape(40, 2)
    early = dict(growth(agreed, np.arange(80.0).reshape(40, 2), alpha, checkpoints=[20, 40, 80], resamples=100))
    assert [met("half_width", 0.1, one) for one in early.values()] == [False, False, True] and early[20].note == ALIKE
    # nor are many sentences of few answers
    few = list(growth(agreed, np.arange(80.0).reshape(40, 2), alpha, [80], resamples=100, groups=np.arange(40) // 2))
    assert few[0][1].drawn == 20 and not met("half_width", 0.1, few[0][1])
    assert list(growth(np.full((3, 2), NAN), np.zeros((3, 2)), alpha)) == []


MAKERS = {
    "alpha": alpha,
    "ordinal": lambda v: alpha(v, "ordinal"),
    "interval": lambda v: alpha(v, "interval"),
    "percent": lambda v: percent(v, 2),
    "gwet": lambda v: gwet(v, 2),
    "conger": lambda v: conger(v, 2),
    "cohen": lambda v: cohen(v[:, :2], 2),
    "icc": lambda v: icc(v, "2,1"),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_sentences_of_one_answer_are_drawn_together(make):
    """The interval is that of a plain bootstrap over answers, whichever sentences a coefficient uses; the value is the same."""
    values, answers = noisy(items=120, missing=0.15, seed=3), np.repeat(np.arange(40), 3)
    values[answers < 2, 1:] = NAN  # two answers whose labels no coefficient can compare
    rng, plain = np.random.default_rng(1), []
    for _ in range(1500):
        drawn = rng.integers(0, 40, 40)
        plain.append(estimate(make(values.reshape(40, 3, 3)[drawn].reshape(120, 3)), resamples=0).value)
    ours = estimate(make(values), resamples=4000, groups=answers)
    assert ours.value == estimate(make(values), resamples=0).value
    assert (ours.low, ours.high) == pytest.approx(np.nanquantile(np.array(plain, float), [0.025, 0.975]), abs=0.025)
    rows = make(values).rows
    assert ours.drawn == len(set(answers if rows is None else answers[rows])) <= 40 < estimate(make(values)).drawn


def test_groups_of_one_change_nothing_and_one_group_has_no_interval():
    values = noisy(items=60, missing=0.1)
    names = [f"item {n}" for n in range(60)][::-1]
    for make in MAKERS.values():
        assert estimate(make(values), resamples=200, groups=names) == estimate(make(values), resamples=200)
        alone = estimate(make(values), groups=["the same"] * 60)
        assert alone.value is not None and (alone.low, alone.high, alone.note) == (None, None, ONE_GROUP)


def test_sentences_of_one_answer_do_not_make_a_trend():
    """An answer's sentences are labelled one after the other and share its difficulty: no drift, though sentences alone say so."""
    found = {True: 0, False: 0}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        values, answers = noisy(items=120, annotators=2, seed=seed), np.repeat(np.arange(20), 6)
        hard = rng.random(20)[answers] < 0.4
        values[hard, 1] = 1 - values[hard, 0]
        order = np.tile(np.arange(120.0)[:, None], 2)
        for grouped in found:
            one = drift(values, order, permutations=199, groups=answers if grouped else None)[0]
            found[grouped] += one.p < 0.05
            assert one.n == (20 if grouped else 120)
    assert found[True] <= 8 and found[False] >= 15


def test_shares_of_an_annotator_count_answers():
    values, answers = np.repeat(noisy(items=12), 5, axis=0), np.repeat(np.arange(12), 5)
    alone, grouped = dissent(values, 2)[0].agreed, dissent(values, 2, answers)[0].agreed
    assert (alone.mean, alone.n) == (grouped.mean, grouped.n) and grouped.high - grouped.low > alone.high - alone.low
    same = self_agreement(["a"] * 12, [1] * 12, [1] * 9 + [0] * 3, np.repeat(np.arange(4), 3))[0].share
    assert same.mean == 0.75 and same.low < self_agreement(["a"] * 12, [1] * 12, [1] * 9 + [0] * 3)[0].share.low
