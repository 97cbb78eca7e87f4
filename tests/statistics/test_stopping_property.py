"""A comparison that is looked at all the time: seldom wrong where nothing differs, and soon right where something does."""

import numpy as np
import pytest

from core.statistics.stopping import ALIKE, BETTER, ON, WORSE, pairs_to_go, sequential_difference


def looks(first, second, margin=0.02, every=20):
    """The verdict at the first look that stops, and when."""
    for n in range(every, len(first) + 1, every):
        told = sequential_difference(first[:n], second[:n], margin)
        if told.verdict != ON:
            return told.verdict, n
    return ON, len(first)


@pytest.mark.parametrize("kind", ["thumbs", "scores"])
def test_without_a_difference_it_is_called_better_or_worse_seldom_at_any_look(kind):
    rng, wrong, runs = np.random.default_rng(7), 0, 200
    for _ in range(runs):
        if kind == "thumbs":
            first, second = (rng.random(300) < 0.8).astype(float), (rng.random(300) < 0.8).astype(float)
        else:
            first, second = rng.beta(5, 1, 300), rng.beta(5, 1, 300)
        # the interval never widens: the last look tells what any look before would have
        wrong += sequential_difference(first, second, 0.0).verdict in (BETTER, WORSE)
    assert wrong / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_a_difference_is_told_with_its_sign_and_later_where_it_is_smaller():
    rng = np.random.default_rng(1)
    first, large, small = ((rng.random(2000) < share).astype(float) for share in (0.5, 0.8, 0.6))
    assert looks(first, large)[0] == BETTER and looks(large, first)[0] == WORSE
    assert looks(first, large)[1] < looks(first, small)[1]


def test_what_hardly_differs_is_told_to_be_alike_within_the_margin():
    rng = np.random.default_rng(2)
    same = rng.beta(9, 1, 3000)
    assert looks(same, np.clip(same + rng.normal(0, 0.02, 3000), 0, 1), margin=0.05)[0] == ALIKE


def test_how_many_more_is_told_roughly():
    rng = np.random.default_rng(3)
    first, second = (rng.random(4000) < 0.5).astype(float), (rng.random(4000) < 0.6).astype(float)
    told = sequential_difference(first[:100], second[:100], 0.02)
    more = pairs_to_go(first[:100], second[:100], 0.02)
    assert told.verdict == ON and more is not None
    _, stopped = looks(first, second)
    assert 0.2 < (100 + more) / stopped < 5
    assert pairs_to_go(first[:9], second[:9], 0.02) is None  # too few to say
    assert pairs_to_go(first[:50], first[:50], 0.0) is None  # nothing differs, and no margin lets it stop


def test_pairs_are_made_in_order_and_the_others_wait():
    told = sequential_difference(np.zeros(5), np.ones(9), 0.05)
    assert (told.pairs, told.difference.mean) == (5, 1.0)
    assert sequential_difference(np.zeros(0), np.ones(3), 0.05)[::2] == (ON, 0)
    with pytest.raises(ValueError, match="have to lie"):
        sequential_difference(np.zeros(3), np.full(3, 2.0), 0.05)
