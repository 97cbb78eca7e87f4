"""Hit rates of caches: predicted against replayed, replay against definitions, and Zipf's law against what was planted."""

from functools import lru_cache

import numpy as np
import pytest

from core.statistics.cache_model import Zipf, che, lru_hits, stack_distances, zipf

ITEMS, ASKED, WARM = 3000, 60_000, 20_000


def questions(exponent: float, seed: int = 0, n: int = ASKED) -> list[int]:
    popularity = Zipf(exponent, exponent, exponent, ITEMS).popularity()
    return np.random.default_rng(seed).choice(ITEMS, n, p=popularity).tolist()


@pytest.mark.parametrize("exponent", [0.6, 0.9, 1.2])
def test_predicted_and_replayed_hit_rates_agree(exponent):
    """Within 1 point of the popularities, 3 points of a law fitted to the first third; sizes of 1, 5 and 20% of the items."""
    keys = questions(exponent)
    law, distances = zipf(np.bincount(keys[:WARM])), stack_distances(keys)[WARM:]
    rates = Zipf(exponent, exponent, exponent, ITEMS).popularity()
    for size in (30, 150, 600):
        replayed = (distances <= size).mean()
        assert che(rates, size).hit_rate == pytest.approx(replayed, abs=0.01), size
        assert che(law.popularity(), size).hit_rate == pytest.approx(replayed, abs=0.03), size


@pytest.mark.parametrize("exponent", [0.6, 1.2])
def test_predicted_and_replayed_hit_rates_agree_with_a_lifetime(exponent):
    keys, rates = questions(exponent), Zipf(exponent, exponent, exponent, ITEMS).popularity() * 2.0
    times = np.cumsum(np.random.default_rng(1).exponential(0.5, ASKED))  # two questions a second
    for size in (30, 600):
        characteristic = che(rates, size).characteristic_s
        for factor in (0.3, 1.0, 1.5, 4.0):
            replayed = lru_hits(keys, size, times, characteristic * factor)[WARM:].mean()
            assert che(rates, size, characteristic * factor).hit_rate == pytest.approx(replayed, abs=0.01), (size, factor)


def test_a_replay_of_one_size_hits_where_the_stack_distance_says():
    keys = questions(0.9, n=5000)
    distances = stack_distances(keys)
    for size in (1, 7, 100, ITEMS):
        assert (lru_hits(keys, size) == (distances <= size)).all()
        cached = lru_cache(size)(lambda key: key)
        for key in keys:
            cached(key)
        assert cached.cache_info().hits == (distances <= size).sum(), "the standard library's"


def test_a_stack_distance_counts_the_keys_asked_since():
    keys = [str(key) for key in np.random.default_rng(0).integers(0, 12, 200)]
    for place, distance in enumerate(stack_distances(keys)):
        before = [at for at in range(place) if keys[at] == keys[place]]
        assert distance == (len(set(keys[before[-1] : place])) if before else np.inf)


def test_a_lifetime_counts_from_the_writing_and_frees_the_room():
    assert lru_hits("aaaa", 1, [0, 4, 8, 12], 10).tolist() == [False, True, True, False]
    assert lru_hits("abca", 2, [0, 8, 10, 10], 10).tolist() == [False] * 4, "a has expired, so b and c have room"
    assert lru_hits("abcb", 2, [0, 8, 10, 10], 10).tolist() == [False, False, False, True]
    # asked at 2 and 14: the larger cache held a from 0 to 10, the smaller one wrote it again at 6
    keys, times = "abaa", [0, 2, 6, 14]
    assert lru_hits(keys, 1, times, 10).tolist() == [False, False, False, True]
    assert lru_hits(keys, 2, times, 10).tolist() == [False, False, True, False]


@pytest.mark.parametrize("ttl_s", [3.0, 30.0])
def test_a_replay_with_a_lifetime_is_the_plain_definition(ttl_s):
    rng = np.random.default_rng(3)
    keys, times, size = (rng.zipf(1.4, 3000) % 60).tolist(), np.cumsum(rng.exponential(1.0, 3000)).tolist(), 8
    entries, hits = [], []  # (key, written at), least recently used first
    for key, now in zip(keys, times, strict=True):
        entries = [entry for entry in entries if entry[1] + ttl_s > now]
        own = [entry for entry in entries if entry[0] == key]
        hits.append(bool(own))
        rest = [entry for entry in entries if entry[0] != key]
        entries = [*(rest if own else rest[-(size - 1) :]), *(own or [(key, now)])]
    assert (lru_hits(keys, size, times, ttl_s) == hits).all() and 0.2 < np.mean(hits) < 0.9


def test_the_chances_that_items_are_held_add_up_to_the_size():
    rates = np.random.default_rng(0).gamma(0.5, 1.0, 500)
    for ttl_s in (np.inf, 40.0):
        predicted = che(rates, 60, ttl_s)
        assert predicted.by_item.sum() == pytest.approx(60)
        assert predicted.hit_rate == pytest.approx(rates @ predicted.by_item / rates.sum())
    plain = che(rates, 60)
    assert plain.by_item == pytest.approx(1 - np.exp(-rates * plain.characteristic_s))


def test_items_asked_equally_often_are_held_by_their_share():
    assert che(np.full(200, 3.0), 50).hit_rate == pytest.approx(0.25)


def test_where_all_have_room_only_the_lifetime_counts():
    rates = np.array([0.0, 0.5, 2.0])
    predicted = che(rates, 3, 4.0)
    assert predicted.characteristic_s == np.inf and predicted.by_item == pytest.approx([0, 2 / 3, 8 / 9])
    assert che(rates, 3).by_item.tolist() == [0, 1, 1]


def test_a_lifetime_changes_the_hit_rate_steadily():
    rates = Zipf(0.9, 0.9, 0.9, 500).popularity()
    characteristic = che(rates, 50).characteristic_s
    predicted = [che(rates, 50, characteristic * factor).hit_rate for factor in np.geomspace(0.01, 1e4, 200)]
    assert (np.diff(predicted) > -1e-9).all() and max(np.diff(predicted)) < 0.03
    assert predicted[-1] == pytest.approx(che(rates, 50).hit_rate, abs=1e-3)


@pytest.mark.parametrize(
    "exponent, asked",
    [(0.9, 1000), *(pytest.param(*each, marks=pytest.mark.slow) for each in ((0.6, 1000), (1.2, 1000), (0.9, 6000)))],
)
def test_a_law_fitted_to_few_counts_predicts_what_was_planted(exponent, asked):
    """A third of the questions, so that most were never asked; a law ranked by its own counts is 12 to 17 points off there."""
    popularity = Zipf(exponent, exponent, exponent, ITEMS).popularity()
    laws = [zipf(np.random.default_rng(seed).multinomial(asked, popularity)) for seed in range(8)]
    assert np.mean([law.exponent for law in laws]) == pytest.approx(exponent, abs=0.03)
    assert np.median([law.items for law in laws]) == pytest.approx(ITEMS, rel=0.25)
    assert np.mean([law.low <= exponent <= law.high for law in laws]) >= 0.9
    gaps = [abs(che(law.popularity(), 150).hit_rate - che(popularity, 150).hit_rate) for law in laws]
    assert max(gaps) < 0.05 and np.mean(gaps) < (0.03 if asked == 1000 else 0.01)


def test_questions_asked_equally_often_have_no_exponent():
    law = zipf(np.random.default_rng(0).multinomial(1500, np.full(500, 1 / 500)))
    assert law.exponent < 0.25 and law.low == 0.0 and law.items == pytest.approx(500, rel=0.1)


def test_a_number_of_items_that_is_told_is_held_to():
    popularity = Zipf(1.0, 1.0, 1.0, 400).popularity()
    laws = [zipf(np.random.default_rng(seed).multinomial(300, popularity), 400) for seed in range(10)]
    assert all(law.items == 400 and law.low < law.exponent < law.high for law in laws)
    assert np.mean([law.exponent for law in laws]) == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("exponent", [0.8, 1.2])
def test_counts_that_follow_the_law_exactly_have_its_exponent(exponent):
    law = zipf(np.round(1e6 * Zipf(exponent, exponent, exponent, 60).popularity()))
    assert law.exponent == pytest.approx(exponent, abs=0.03) and law.low < exponent < law.high and law.items == 60


def test_popularities_that_scatter_about_the_law_are_predicted_too():
    """Each half as much again, up or down: no law fits, and the hit rate is 5 points off at most."""
    rng = np.random.default_rng(9)
    popularity = Zipf(0.9, 0.9, 0.9, ITEMS).popularity() * np.exp(0.5 * rng.standard_normal(ITEMS))
    popularity /= popularity.sum()
    law = zipf(rng.multinomial(5000, popularity))
    for size in (30, 150, 600):
        assert che(law.popularity(), size).hit_rate == pytest.approx(che(popularity, size).hit_rate, abs=0.05)


@pytest.mark.parametrize("counts, items", [([], None), ([5], None), ([3, 3, 3], None), ([4, 3, 2], 2)])
def test_counts_without_a_law_are_refused(counts, items):
    with pytest.raises(ValueError):
        zipf(counts, items)


@pytest.mark.parametrize(
    "rates, size, ttl_s", [([], 1, 1), ([0, 0], 1, 1), ([-1, 2], 1, 1), ([1, 2], 0, 1), ([1, 2], 1, 0), ([np.nan], 1, 1)]
)
def test_a_cache_that_cannot_be_is_refused(rates, size, ttl_s):
    with pytest.raises(ValueError):
        che(np.array(rates, float), size, ttl_s)
