"""Random tables: our coefficients against krippendorff, statsmodels, scikit-learn, scipy and plain loops."""

import warnings

import krippendorff
import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from statsmodels.stats import inter_rater
from statsmodels.stats.contingency_tables import mcnemar as peer_mcnemar

from core.statistics.agreement.alpha import LEVELS, alpha
from core.statistics.agreement.chance import brennan_prediger, fleiss, gwet
from core.statistics.agreement.coefficient import estimate
from core.statistics.agreement.kappa import cohen, conger
from core.statistics.agreement.ratings import counts
from core.statistics.calibration import calibration
from core.statistics.correlation import pearson, spearman
from core.statistics.power_difference import Means, means_power
from core.statistics.roc import roc
from core.statistics.sign import sign_test


def random_table(seed: int, missing: float = 0.2) -> tuple[np.ndarray, int]:
    """Labels around a true one, of few or many items, annotators and categories."""
    rng = np.random.default_rng(seed)
    items, annotators, q = rng.integers(3, 40), rng.integers(2, 7), int(rng.integers(2, 6))
    truth = rng.choice(q, items, p=rng.dirichlet(np.ones(q)))
    kept = rng.random((items, annotators)) < rng.random()
    values = np.where(kept, truth[:, None], rng.integers(0, q, (items, annotators))).astype(np.float64)
    values[rng.random(values.shape) < missing] = np.nan
    return values, q


def value(coefficient):
    return estimate(coefficient, resamples=0).value


@pytest.mark.parametrize("level", LEVELS)
def test_alpha_is_that_of_krippendorff_on_200_tables(level):
    compared = 0
    for seed in range(200):
        values, _ = random_table(seed)
        values += 1  # a ratio scale
        ours = value(alpha(values, level))
        if ours is None:
            continue
        theirs = krippendorff.alpha(reliability_data=values.T, level_of_measurement=level)
        assert ours == pytest.approx(theirs, abs=1e-9), seed
        compared += 1
    assert compared > 180


def test_alpha_is_undefined_where_krippendorff_gives_up():
    with pytest.raises(ValueError, match="one value"):
        krippendorff.alpha(reliability_data=np.ones((3, 9)))
    assert value(alpha(np.ones((9, 3)))) is None


def test_fleiss_is_that_of_statsmodels_on_200_tables():
    compared = 0
    for seed in range(200):
        values, q = random_table(seed, missing=0)
        ours, uniform = value(fleiss(values, q)), value(brennan_prediger(values, q))
        assert uniform == pytest.approx(inter_rater.fleiss_kappa(counts(values, q), method="unif"), abs=1e-9)
        if ours is not None:
            assert ours == pytest.approx(inter_rater.fleiss_kappa(counts(values, q)), abs=1e-9), seed
            compared += 1
    assert compared > 180


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:(invalid value|divide by zero):RuntimeWarning")  # of statsmodels
@pytest.mark.parametrize(("weighting", "theirs"), [("identity", None), ("linear", "linear"), ("quadratic", "quadratic")])
def test_cohen_is_that_of_statsmodels_and_sklearn_on_200_tables(weighting, theirs):
    compared = 0
    for seed in range(200):
        values, q = random_table(seed, missing=0)
        pair = values[:, :2]
        ours = value(cohen(pair, q, weighting))
        if ours is None:
            continue
        table = np.zeros((q, q))
        np.add.at(table, tuple(pair.T.astype(int)), 1)
        peer = inter_rater.cohens_kappa(table, wt=theirs)
        assert ours == pytest.approx(peer.kappa, abs=1e-9), seed
        assert ours == pytest.approx(sklearn.metrics.cohen_kappa_score(*pair.T, labels=range(q), weights=theirs))
        compared += 1
    assert compared > 180


def test_conger_is_the_mean_of_all_pairs():
    """Conger 1980: with complete labels, observed and chance agreement are both means over the pairs of annotators."""
    for seed in range(50):
        values, q = random_table(seed, missing=0)
        pairs = [(a, b) for a in range(values.shape[1]) for b in range(a)]
        observed = np.mean([(values[:, a] == values[:, b]).mean() for a, b in pairs])
        shares = [np.bincount(column.astype(int), minlength=q) / len(values) for column in values.T]
        chance = np.mean([shares[a] @ shares[b] for a, b in pairs])
        ours = value(conger(values, q))
        assert (ours is None) == (chance > 1 - 1e-12)
        assert ours is None or ours == pytest.approx((observed - chance) / (1 - chance), abs=1e-9)


def test_gwet_is_its_formula_on_two_annotators():
    for seed in range(50):
        values, q = random_table(seed, missing=0)
        pair = values[:, :2]
        share = np.array([(pair == k).mean() for k in range(q)])
        chance = (share * (1 - share)).sum() / (q - 1)
        assert value(gwet(pair, q)) == pytest.approx(((pair[:, 0] == pair[:, 1]).mean() - chance) / (1 - chance))


@pytest.mark.slow
def test_roc_is_that_of_sklearn_and_its_interval_that_of_the_bootstrap():
    rng = np.random.default_rng(2)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        positive = rng.random(200) < 0.4
        scores = np.round(rng.normal(positive * rng.random(), 1), 1)  # with ties
        ours = roc(scores, positive)
        assert ours.auc.mean == pytest.approx(sklearn.metrics.roc_auc_score(positive, scores))
        false, true, thresholds = sklearn.metrics.roc_curve(positive, scores, drop_intermediate=False)
        assert np.allclose(ours.false_positive, false) and np.allclose(ours.true_positive, true)
        assert np.array_equal(ours.thresholds, thresholds)
    drawn = rng.integers(0, 200, (2000, 200))
    aucs = [roc(scores[rows], positive[rows]).auc.mean for rows in drawn]
    assert (ours.auc.low, ours.auc.high) == pytest.approx(np.quantile(aucs, [0.025, 0.975]), abs=0.015)


def test_correlations_are_those_of_scipy():
    for seed in range(50):
        rng = np.random.default_rng(seed)
        x = rng.integers(0, 5, 60).astype(float)
        y = x * rng.normal() + rng.normal(size=60)
        theirs = scipy.stats.pearsonr(x, y)
        ours = pearson(x, y, resamples=500)
        assert ours.value == pytest.approx(theirs.statistic, abs=1e-9) and ours.low < ours.value < ours.high
        assert spearman(x, y, resamples=0).value == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-9)


def test_pearson_interval_is_near_fishers_on_normal_data():
    x, noise = np.random.default_rng(3).normal(size=(2, 800))
    theirs = scipy.stats.pearsonr(x, x + noise).confidence_interval()
    ours = pearson(x, x + noise, resamples=4000)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_calibration_is_that_of_sklearn():
    rng = np.random.default_rng(5)
    scores = rng.random(500)
    positive = rng.random(500) < scores**2
    found = calibration(scores, positive)
    from sklearn.calibration import calibration_curve

    share, mean = calibration_curve(positive, scores, n_bins=10)
    assert [b.share.mean for b in found.bins] == pytest.approx(share) and [b.score for b in found.bins] == pytest.approx(mean)
    weights = np.array([b.share.n for b in found.bins]) / 500
    assert found.error.mean == pytest.approx(weights @ np.abs(share - mean))
    assert found.brier.mean == pytest.approx(sklearn.metrics.brier_score_loss(positive, scores))


def test_sign_test_is_the_binomial_test():
    for wins, losses, ties in ((9, 2, 4), (0, 6, 0), (5, 5, 1)):
        found = sign_test(np.repeat([1, -1, 0], (wins, losses, ties)))
        assert found.p == pytest.approx(scipy.stats.binomtest(wins, wins + losses).pvalue)
        assert found.p == pytest.approx(peer_mcnemar([[0, wins], [losses, 0]], exact=True).pvalue)
        assert found[:3] == (wins, losses, ties)


def test_power_of_the_t_test_is_that_of_statsmodels():
    from statsmodels.stats.power import TTestPower

    for difference, items in ((0.2, 100), (0.5, 12), (0.05, 40), (1.0, 200)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = TTestPower().power(difference, items, 0.05)
        assert means_power(Means(difference, 1.0), items) == pytest.approx(theirs, abs=1e-6)
