import numpy as np
import pytest

from core.index.exact import Exact

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


def test_zero_vectors_and_depths_beyond_the_corpus():
    vectors = np.concatenate([VECTORS[:3], np.zeros((1, 16), np.float32)])
    found = Exact().build(vectors, None).search(np.zeros((1, 16), np.float32), 10)
    assert found.chunk.shape == (1, 4) and (found.score == 0).all()
    assert Exact().build(vectors, None).search(np.zeros((0, 16), np.float32), 10).chunk.shape == (0, 4)
