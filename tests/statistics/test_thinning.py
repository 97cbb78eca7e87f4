"""Rankings carried from samples to the whole: of questions whose rivals are thinned out, the whole lies inside about as often as said."""

import numpy as np
import pytest

from core.statistics.thinning import thinned

DEPTH, WHOLE = 10, 1000
GAINS = np.stack([1 / np.log2(2 + np.arange(DEPTH)), np.ones(DEPTH)])
SHARES, COUNTS = (np.repeat(each, [6, 6, 4, 2, 1]) for each in ([0.01, 0.02, 0.05, 0.1, 0.2], [10, 20, 50, 100, 200]))


def means(above: np.ndarray) -> np.ndarray:
    """Of nDCG and recall, of questions with so many chunks above their evidence."""
    return np.stack([np.where(above < DEPTH, 1 / np.log2(2 + above), 0), above < DEPTH]).mean(axis=1)


@pytest.mark.parametrize(("shape", "mean"), [(0.3, 20.0), (0.2, 200.0)])
def test_the_interval_holds_the_whole_about_as_often_as_it_says(shape, mean):
    rng, inside, rounds = np.random.default_rng(0), np.zeros(2), 20
    for _ in range(rounds):
        rivals = rng.gamma(shape, mean / shape, 5000)
        y = [means(rng.poisson(share * rng.choice(rivals, count))) for share, count in zip(SHARES, COUNTS, strict=True)]
        whole = means(rng.poisson(rng.choice(rivals, WHOLE)))
        made = thinned(SHARES, y, COUNTS, GAINS, WHOLE)
        inside += [told.low <= value <= told.high for told, value in zip(made, whole, strict=True)]
        assert all(told.low < told.value < told.high and told.high - told.low < 0.5 for told in made)
    assert (inside / rounds >= 0.8).all(), "fewer than 16 of 20 rounds would be at 95% in one of 3,000"


def test_where_nothing_stands_above_the_whole_is_as_the_samples():
    [ndcg, recall] = thinned(SHARES, np.full((19, 2), [0.7, 0.9]), COUNTS, GAINS, WHOLE)
    assert (ndcg.value, recall.value) == pytest.approx((0.7, 0.9), abs=0.02)


def test_too_few_samples_or_shares_are_refused():
    with pytest.raises(ValueError, match="of 3 shares"):
        thinned([0.1] * 3 + [0.2] * 3, np.ones((6, 2)), [5] * 6, GAINS, WHOLE)
