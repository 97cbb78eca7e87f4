"""Measuring query settings: what is found against exact search, what is timed, and that the raw values come back whole."""

import json
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from core.index.exact import Exact
from core.labs.index import timing
from core.labs.index.measure import TIES
from core.labs.index.points import logit
from core.labs.index.timing import measure
from core.progress import drain
from core.store.index_points import BLOCK, IndexMeasurement, stored_measurement


class Among:
    """Exact search over the first `settings.first` rows; notes every call. -1 fails."""

    def __init__(self, vectors):
        self.inside, self.calls = Exact().build(vectors, None), []
        self.n = len(vectors)

    def search(self, queries, depth, tie_order=None, *, settings=None, among=None):
        self.calls.append((settings.first, len(queries)))
        if settings.first < 0:
            raise RuntimeError("no such setting")
        return self.inside.search(queries, depth, among=np.arange(self.n) < settings.first)


@pytest.fixture(scope="module")
def vectors():
    return np.random.default_rng(0).normal(size=(300, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def queries():
    return np.random.default_rng(1).normal(size=(120, 16)).astype(np.float32)


def settings(*first):
    return [SimpleNamespace(first=value) for value in first]


def test_settings_are_measured_side_by_side_and_a_failing_one_does_not_stop_the_others(vectors, queries):
    searcher = Among(vectors)
    truth = searcher.inside.search(queries, 10 + TIES)
    whole, half, failed = drain(measure(searcher, settings(300, 150, -1), queries, 10, truth))
    assert whole.numbers()["recall"] == 1.0 and np.array_equal(whole.chunk, truth.chunk[:, :10])
    expected = (truth.chunk[:, :10] < 150).mean(axis=1)  # of the ten nearest those that are among the first 150
    np.testing.assert_allclose(half.recall, expected)
    assert isinstance(failed, RuntimeError)
    assert (len(whole.single_us), len(whole.batch_s)) == (120, timing.REPEATS) and (whole.single_us > 0).all()
    # neither setting has all its single questions in one piece
    order = [first for first, asked in searcher.calls if asked == 1]
    assert sum(a != b for a, b in pairwise(order)) >= 3


def test_quick_asks_all_questions_once_and_some_one_at_a_time(vectors, queries):
    searcher = Among(vectors)
    [raw] = drain(measure(searcher, settings(300), queries, 10, searcher.inside.search(queries, 26), quick=True))
    assert len(raw.chunk) == 120 and len(raw.batch_s) == 1 and len(raw.single_us) <= timing.QUICK_SINGLES
    assert [asked for _, asked in searcher.calls if asked > 1] == [timing.WARM, 120]


def test_a_slow_setting_is_sampled_less_but_never_below_the_least(vectors, queries, monkeypatch):
    monkeypatch.setattr(timing, "SINGLES_S", 0.0)
    searcher = Among(vectors)
    monkeypatch.setattr(timing, "BATCH_S", 1e-9)
    [raw] = drain(measure(searcher, settings(300), queries, 10, searcher.inside.search(queries, 26)))
    assert timing.LEAST_SINGLES <= len(raw.single_us) <= BLOCK and len(raw.batch_s) == 1


def test_a_neighbour_of_equal_score_is_no_miss():
    """Rows 0 to 3 are the same vector: whichever two of them are found, nothing is missed."""
    vectors = np.array([[1, 0]] * 4 + [[0, 1], [-1, 0]], np.float32)
    searcher = Among(vectors)
    query = np.array([[1, 0.1]], np.float32)
    truth = searcher.inside.search(query, 2 + TIES)
    [raw] = drain(measure(searcher, settings(2), query, 2, truth))  # finds rows 0 and 1; exact search says 3 and 2
    assert set(raw.chunk[0]) == {0, 1} and set(truth.chunk[0, :2]) == {2, 3} and raw.recall[0] == 1.0


def test_numbers_of_raw_values_by_hand():
    raw = IndexMeasurement(
        np.zeros((10, 3), np.int32), np.array([1, 0.5, np.nan]), np.arange(1, 101, dtype=float), (2.0, 4.0, 100.0)
    )
    found = raw.numbers()
    assert found["recall"] == 0.75 and found["batch_qps"] == 10 / 4 and found["single_qps"] == pytest.approx(1e6 / 50.5)
    assert (found["p50_us"], found["p95_us"], found["p99_us"]) == pytest.approx((50.5, 95.05, 99.01))
    paused = np.append(np.tile(raw.single_us, 2)[:199], 1e7)  # blocks of 50 with means 25.5, 75.5, 25.5 and a pause of 10 s
    assert IndexMeasurement(raw.chunk, raw.recall, paused, ()).single_qps == pytest.approx(1e6 / 50.5)
    few = IndexMeasurement(raw.chunk, raw.recall, raw.single_us[:99], ())
    assert few.numbers()["p99_us"] is None and few.numbers()["p95_us"] and few.numbers()["batch_qps"] is None


def test_raw_values_survive_being_stored():
    rng = np.random.default_rng(2)
    raw = IndexMeasurement(
        rng.integers(-1, 10**6, (50, 10), dtype=np.int32), np.array([0.1, np.nan] * 25), rng.random(40).round(2), (0.5, 0.25)
    )
    back = stored_measurement(json.loads(json.dumps(raw.stored(), allow_nan=False)))
    assert back.chunk.dtype == np.int32 and np.array_equal(back.chunk, raw.chunk) and back.batch_s == raw.batch_s
    np.testing.assert_array_equal(back.recall, raw.recall)
    np.testing.assert_array_equal(back.single_us, raw.single_us)
    assert back.numbers() == raw.numbers()


def test_logit_keeps_the_ends_finite_and_the_order():
    assert logit(0.5, 1000) == pytest.approx(0) and logit(0.9, 10**6) == pytest.approx(np.log(9))
    values = [logit(recall, 1000) for recall in (0, 0.001, 0.5, 0.999, 1)]
    assert values == sorted(values) and len(set(values)) == 5 and np.isfinite(values).all()
    assert logit(1, 10_000) > logit(1, 1000)  # nothing missed of more is more


def test_fewer_vectors_than_asked_for_and_none(queries):
    searcher = Among(np.eye(16, dtype=np.float32)[:3])
    truth = searcher.inside.search(queries, 10 + TIES)
    [raw] = drain(measure(searcher, settings(3), queries, 10, truth))
    assert raw.numbers()["recall"] == 1.0 and raw.chunk.shape[1] <= 10
    with pytest.raises(ValueError, match="questions"):
        drain(measure(searcher, settings(3), queries[:0], 10, truth))
