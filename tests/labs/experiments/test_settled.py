"""When a question is settled: what is claimed, and how often it is claimed where nothing is there."""

import numpy as np
import pytest

from core.labs.experiments.settled import settled


def scores(*means, n=200, spread=0.05, seed=0) -> dict[str, np.ndarray]:
    """Points of these means over the same questions, some of them hard for all."""
    rng = np.random.default_rng(seed)
    hard = rng.normal(0, 0.3, n)
    return {f"p{place}": mean + hard + rng.normal(0, spread, n) for place, mean in enumerate(means)}


def test_the_best_is_told_apart_from_all_others_or_nothing_is_claimed():
    assert settled(scores(0.5, 0.6, 0.7, 0.4)) == "p2 differs significantly from all 3 others (200 questions, at 95%)"
    assert settled(scores(0.5, 0.6, 0.7, 0.698)) == ""  # one is too near, and too far to be equal
    assert settled(scores(0.5, 0.6, 0.7, 0.4), sign=-1).startswith("p3 differs significantly")


def test_points_within_the_margin_are_equal():
    assert settled(scores(0.6, 0.6, 0.6, spread=0.01)).startswith("none differs from p")
    assert settled(scores(0.6, 0.6, 0.6, spread=0.01), margin=1e-6) == ""
    same = scores(0.6)["p0"]
    assert settled({"a": same, "b": same}) == "none differs from a by 0.01 or more (200 questions, at 95%)"


def test_of_halving_the_claim_is_of_the_points_of_the_round_and_says_so():
    told = settled(scores(0.5, 0.6, 0.7, 0.4), before=9)
    assert (
        told
        == "p2 differs significantly from all 3 others of its round; 9 have left before, on fewer questions (200 questions, at 95%)"
    )
    equal = settled(scores(0.6, 0.6, 0.6, spread=0.01), before=1)
    assert "by 0.01 or more, of its round; 1 has left before, on fewer questions (200" in equal


def test_too_little_settles_nothing():
    assert settled({}) == settled(scores(0.9)) == settled(scores(0.1, 0.9, n=19)) == ""
    gaps = scores(0.1, 0.9, n=30)
    gaps["p0"][:11] = np.nan  # 19 questions are measured by both
    assert settled(gaps) == ""


def test_what_is_unmeasured_is_left_out():
    gaps = scores(0.1, 0.9, n=40)
    gaps["p1"][:10] = np.nan
    assert settled(gaps) == "p1 differs significantly from the other (30 questions, at 95%)"


def test_many_points_can_be_told_apart_from():
    """Holm's first step over 140 tests asks for a p that 10,000 permutations cannot give."""
    assert settled(scores(0.9, *np.linspace(0.1, 0.5, 140)), looks=4).startswith("p0 differs significantly from all 140 others")


@pytest.mark.slow
@pytest.mark.parametrize("points", [2, 4])
def test_looking_again_and_again_finds_nothing_where_nothing_is(points):
    looks, false, unshared = (25, 50, 100, 200), 0, 0
    for seed in range(80):
        values = scores(*[0.6] * points, spread=0.2, seed=seed)
        parts = [{name: column[:n] for name, column in values.items()} for n in looks]
        false += any("differs significantly" in settled(part, looks=len(looks)) for part in parts)
        unshared += any("differs significantly" in settled(part) for part in parts)
    assert false <= 9  # of 80 studies 5% are 4; more than 9 have a chance of 0.6%
    assert unshared >= false
