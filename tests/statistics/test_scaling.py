"""The law of scaling: planted parameters come back, the next size is predicted, and what does not determine it is refused."""

from itertools import product

import numpy as np
import pytest

from core.statistics.scaling import ScalingLaw, scaling_law

PLANTED = ScalingLaw(1.7, 400.0, 0.34, 410.0, 0.28)  # of Hoffmann et al. 2022, section 3.3, rounded
SIZES, DATA = np.geomspace(1e5, 1e9, 6), np.geomspace(1e6, 1e10, 6)
GRID = np.array(list(product(SIZES, DATA)))


def test_a_law_without_noise_comes_back():
    made = scaling_law(*GRID.T, PLANTED.loss(*GRID.T), resamples=5)
    assert made.law.alpha == pytest.approx(0.34, abs=0.01) and made.law.beta == pytest.approx(0.28, abs=0.01)
    assert made.law.e == pytest.approx(1.7, abs=0.03)


@pytest.mark.slow
def test_parameters_and_the_next_loss_lie_in_their_intervals():
    hits = np.zeros(2)
    for seed in range(1, 4):
        noise = np.exp(np.random.default_rng(seed).normal(0, 0.005, len(GRID)))
        made = scaling_law(*GRID.T, PLANTED.loss(*GRID.T) * noise, resamples=60, seed=seed)
        low, high = made.intervals["alpha"]
        expected, least, most = made.predicted(1e10, 1e11)
        hits += low <= 0.34 <= high, least <= float(PLANTED.loss(1e10, 1e11)) <= most
        assert expected == pytest.approx(float(PLANTED.loss(1e10, 1e11)), rel=0.05)
    assert hits.min() >= 2


@pytest.mark.parametrize("table", [GRID[:4], np.column_stack([np.full(9, 1e6), np.geomspace(1e6, 1e8, 9)])])
def test_what_does_not_determine_a_law_is_refused(table):
    with pytest.raises(ValueError, match="two sizes"):
        scaling_law(*table.T, PLANTED.loss(*table.T))
