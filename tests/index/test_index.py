import itertools
import threading

import numpy as np
import pytest

from core import registry
from core.errors import WorkbenchError
from core.index.common import asked, build_settings, checked, ordered, rounded
from core.index.exact import Exact
from core.index.faiss_hnsw import FaissHNSW
from core.index.faiss_ivf_pq import FaissIVFPQ
from core.index.faiss_tools import lists
from core.models.threads import Gate, one_thread, search_threads

rng = np.random.default_rng(5)
VECTORS = rng.normal(size=(300, 16)).astype(np.float32)
QUERIES = rng.normal(size=(40, 16)).astype(np.float32)


def naive(metric, vectors, queries):
    v, q = vectors.astype(np.float64), queries.astype(np.float64)
    if metric == "dot":
        return q @ v.T
    if metric == "l2":
        return -np.linalg.norm(q[:, None] - v, axis=2)
    return (q / np.linalg.norm(q, axis=1)[:, None]) @ (v / np.linalg.norm(v, axis=1)[:, None]).T


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_exact_finds_the_nearest_with_their_scores(metric):
    found = Exact(metric=metric).build(VECTORS, None).search(QUERIES, 10)
    wanted = naive(metric, VECTORS, QUERIES)
    assert (found.chunk == np.argsort(-wanted, axis=1)[:, :10]).all()
    assert np.allclose(found.score, -np.sort(-wanted, axis=1)[:, :10], atol=2e-6)


def test_equal_vectors_tie_wherever_they_stand_and_the_larger_tie_order_is_first(monkeypatch):
    vectors = np.concatenate([VECTORS, VECTORS[::-1]])  # chunk i and chunk 599 - i are the same text
    tie_order = rng.permutation(600).astype(np.int32)
    searcher = Exact().build(vectors, None)
    whole = searcher.search(QUERIES, 7, tie_order)  # an odd depth cuts through a pair
    assert (whole.score[:, 0:6:2] == whole.score[:, 1:6:2]).all()
    assert (whole.chunk[:, 0:6:2] == 599 - whole.chunk[:, 1:6:2]).all()
    assert (tie_order[whole.chunk[:, 0:6:2]] > tie_order[whole.chunk[:, 1:6:2]]).all()
    assert (tie_order[whole.chunk[:, 6]] > tie_order[599 - whole.chunk[:, 6]]).all()
    monkeypatch.setattr("core.index.exact._BLOCK", 1200)  # two queries at a time
    assert (searcher.search(QUERIES, 7, tie_order).chunk == whole.chunk).all()


def test_zero_questions_and_depths_beyond_the_corpus():
    found = Exact().build(VECTORS[:4], None).search(np.zeros((1, 16), np.float32), 10)
    assert found.chunk.shape == (1, 4) and (found.score == 0).all()
    assert Exact().build(VECTORS[:4], None).search(np.zeros((0, 16), np.float32), 10).chunk.shape == (0, 4)
    zero = np.concatenate([VECTORS[:3], np.zeros((1, 16), np.float32)])
    assert Exact(metric="dot").build(zero, None).search(QUERIES, 10).chunk.shape == (40, 4)
    with pytest.raises(WorkbenchError, match="zero"):
        Exact().build(zero, None)


def test_normalised_vectors_are_not_copied_and_others_become_so():
    normal = checked(VECTORS, "cosine")
    assert np.allclose(np.linalg.norm(normal, axis=1), 1, atol=1e-6)
    assert checked(normal, "cosine") is normal and checked(VECTORS, "dot") is VECTORS
    mixed = asked(np.concatenate([normal[:1], 3 * VECTORS[:2], np.zeros((1, 16), np.float32)]), "cosine", 16)
    assert (mixed[0] == normal[0]).all() and np.allclose(np.linalg.norm(mixed, axis=1), [1, 1, 1, 0], atol=1e-6)
    for row in range(3):
        assert (asked(3 * VECTORS[row : row + 1], "cosine", 16) == asked(3 * VECTORS[:3], "cosine", 16)[row]).all()


def naive_order(ids, scores, tie_order):
    rows = []
    for row, values in zip(ids, scores, strict=True):
        there = [(-value, -(i if tie_order is None else tie_order[i]), i) for i, value in zip(row, values, strict=True) if i >= 0]
        rows.append([(i, -value) for value, _, i in sorted(there)] + [(-1, np.nan)] * (len(row) - len(there)))
    return np.array(rows).reshape(*ids.shape, 2)


@pytest.mark.parametrize("seed", range(40))
def test_ordered_is_a_naive_sort(seed):
    draw = np.random.default_rng(seed)
    n, depth = draw.integers(1, 6), draw.integers(1, 12)
    ids = np.stack([draw.permutation(30)[:depth] for _ in range(n)])
    scores = draw.choice([-1.5, -0.0, 0.0, 0.25, 0.5, 3e-9], (n, depth)).astype(np.float32)
    if seed % 4 == 0:
        scores = -np.sort(-draw.normal(size=(n, depth)).astype(np.float32), axis=1)  # in order already
    missing = draw.random((n, depth)) < (0.3 if seed % 2 else 0)
    ids[missing], scores[missing] = -1, draw.choice([np.nan, -np.inf, -3.4e38, 3.4e38])
    given = ids.copy(), scores.copy()
    for tie_order in (None, draw.permutation(30).astype(np.int32)):
        found, wanted = ordered(ids, scores, tie_order), naive_order(ids, scores, tie_order)
        assert found.chunk.dtype == np.int32 and found.score.dtype == np.float32
        assert (found.chunk == wanted[..., 0]).all() and np.array_equal(found.score, wanted[..., 1], equal_nan=True)
    assert (ids == given[0]).all() and np.array_equal(scores, given[1], equal_nan=True)


def test_rounding_is_to_20_bits_after_the_point():
    values = np.random.default_rng(0).uniform(-1, 1, 10_000).astype(np.float32)
    assert (rounded(values.copy()) == np.rint(values * np.float32(2**20)) / np.float32(2**20)).all()


def test_query_settings_are_no_part_of_a_build():
    assert build_settings(FaissHNSW(ef_search=7, m=5)) == FaissHNSW(m=5)
    assert build_settings(FaissIVFPQ(nprobe=7, rescore=3, m=4)) == FaissIVFPQ(m=4)


@pytest.mark.parametrize("num, wanted", [(1, 1), (2, 2), (16, 16), (300, 69), (16_407, 512), (1_000_000, 4000)])
def test_automatic_lists(num, wanted):
    assert lists(0, num) == wanted


@pytest.mark.parametrize("dim, pieces", [(384, 32), (768, 32), (100, 25), (7, 7), (37, 1)])
def test_automatic_pieces_divide_the_dimension(dim, pieces):
    assert FaissIVFPQ()._pieces(dim) == pieces


def test_one_thread_holds_inside_and_only_there():
    import faiss

    before = faiss.omp_get_max_threads(), search_threads()
    with one_thread():
        assert (faiss.omp_get_max_threads(), search_threads()) == (1, 1)
    assert (faiss.omp_get_max_threads(), search_threads()) == before


def test_a_gate_lets_a_change_be_alone():
    gate, inside, clashes = Gate(), [], []

    def search():
        for _ in range(300):
            gate.enter()
            inside.append(1)
            clashes.extend(["change"] * ("change" in inside))
            inside.remove(1)
            gate.leave()

    threads = [threading.Thread(target=search) for _ in range(3)]
    [thread.start() for thread in threads]
    for _ in itertools.repeat(None, 30):
        with gate.closed():
            clashes.extend(inside)
            inside.append("change")
            inside.remove("change")
    [thread.join(120) for thread in threads]
    assert not clashes and not inside and not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("name", ["faiss_flat", "faiss_hnsw", "faiss_ivf", "faiss_sq"])
@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_one_question_is_answered_as_in_a_batch_by_faiss_with_ties_and_after_changes(name, metric):
    rng = np.random.default_rng(8)
    rows = rng.integers(-3, 4, (60, 16)).astype(np.float32)
    rows[:, 0] = 5
    searcher = registry.find("index", name)(metric=metric).build(np.concatenate([rows, rows, rows]), None)
    for change in (lambda: None, lambda: searcher.remove(np.arange(7)), lambda: searcher.update(np.arange(9, 12), rows[:3])):
        change()
        for order in (None, rng.permutation(180).astype(np.int32)):
            together = searcher.search(rows[20:40], 9, order)
            for row, question in enumerate(rows[20:40]):
                alone = searcher.search(question[None], 9, order)
                assert np.array_equal(alone.chunk[0], together.chunk[row])
                assert np.allclose(alone.score[0], together.score[row], atol=1e-5)


@pytest.mark.parametrize(("name", "knobs"), [("faiss_hnsw", {"dimensions": 4}), ("faiss_ivf_pq", {"opq": True})])
@pytest.mark.parametrize("begins", [0, 1])
def test_too_few_vectors_for_an_index_of_turned_ones_are_filtered_and_removed_as_others(name, knobs, begins):
    vectors = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    searcher = registry.find("index", name)(**knobs).build(vectors[:begins], None)
    searcher.add(vectors[begins:])
    may = np.array([False, True, True, False, True])
    assert {1, 2, 4} == set(searcher.search(vectors, 5, among=may).chunk.ravel().tolist()) - {-1}
    searcher.remove(np.array([0, 2]))
    assert {1, 3, 4} == set(searcher.search(vectors, 5).chunk.ravel().tolist()) - {-1}
