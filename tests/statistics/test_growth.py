"""Curves carried from samples of 1, 5 and 20% to the whole: exact without noise, and inside their interval as often as it says."""

import numpy as np
import pytest

from core.statistics.growth import FAMILY, grown

SIZES = np.array([100.0, 200.0, 500.0, 1000.0, 2000.0])
WHOLE = 10_000.0
CURVES = {"logarithm": lambda n: 20 + 3 * np.log(n), "root": lambda n: 20 + 0.5 * np.sqrt(n), "line": lambda n: 20 + 0.01 * n}


@pytest.mark.parametrize(("name", "power"), [("logarithm", 0), ("root", 0.5), ("line", 1)])
def test_without_noise_the_curve_is_found_and_the_whole_is_told_exactly(name, power):
    made = grown(SIZES, CURVES[name](SIZES), WHOLE, FAMILY, relative=True)
    assert made.power == pytest.approx(power) and made.powers == pytest.approx((power, power))
    assert (made.value, made.low, made.high) == pytest.approx((CURVES[name](WHOLE),) * 3)


def test_what_does_not_vary_is_told_without_width():
    made = grown(SIZES, np.ones(5), WHOLE, FAMILY)
    assert (made.value, made.low, made.high) == pytest.approx((1, 1, 1)) and made.powers == (0, 1.25)


@pytest.mark.parametrize("name", list(CURVES))
def test_the_interval_holds_the_whole_about_as_often_as_it_says(name):
    rng, inside, widths, rounds = np.random.default_rng(1), 0, [], 200
    for _ in range(rounds):
        y, whole = (CURVES[name](n) * (1 + 0.01 * rng.normal(size=np.shape(n))) for n in (SIZES, WHOLE))
        made = grown(SIZES, y, WHOLE, FAMILY, relative=True)
        inside += made.low <= whole <= made.high
        widths.append((made.high - made.low) / CURVES[name](WHOLE))
    assert 0.93 <= inside / rounds <= 0.995 and np.median(widths) < 1


def test_too_few_samples_or_sizes_are_refused():
    with pytest.raises(ValueError, match="5 samples of 3 sizes"):
        grown([1, 2, 3, 4], [1, 2, 3, 4], 9, FAMILY)
    with pytest.raises(ValueError, match="of 3 sizes"):
        grown([1, 1, 1, 2, 2], [1, 2, 3, 4, 5], 9, FAMILY)
