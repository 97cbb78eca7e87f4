import numpy as np

from core.records import Candidates, Chunks, Document
from core.retrieval.pool import changed, make_pool, ranking, rankings
from core.retrieval.sparse_only import SparseOnly
from core.retrieval.top import best, tie_order


def chunks_of(*spans):
    document, start, end = np.array(spans, np.int32).T
    return Chunks(document, start, end, np.ones(len(spans), np.int32))


def test_tie_order_compares_ids_as_strings():
    documents = (Document("d10", "x" * 99), Document("d9", "x" * 99))
    chunks = chunks_of((0, 0, 5), (1, 0, 5), (1, 10, 15), (1, 9, 12))
    # ascending: "d10:0-5" "d9:0-5" "d9:10-15" "d9:9-12"
    assert tie_order(documents, chunks).tolist() == [0, 1, 2, 3]
    assert tie_order(documents[::-1], chunks).tolist() == [3, 0, 1, 2]


def test_best_orders_negative_zero_and_infinite_scores():
    scores = np.array([[-1.0, 0.0, -0.0, -np.inf, 2.0, -3.5]], np.float32)
    found = best(scores, 6)
    assert found.chunk[0].tolist() == [4, 2, 1, 0, 5, -1]
    assert found.score[0, :5].tolist() == [2.0, 0.0, 0.0, -1.0, -3.5] and np.isnan(found.score[0, 5])


def test_rankings_hold_the_stated_tie_rule_and_single_rankings_agree():
    rng = np.random.default_rng(2)
    order = rng.permutation(30).astype(np.int32)
    scores = rng.integers(0, 4, (20, 30)).astype(np.float32)
    scores[3] = -np.inf  # nothing retrieved
    pool = make_pool({"sparse": best(scores, 25, order)}, order)
    fused = SparseOnly().fuse(pool)
    all_ranked = rankings(pool, fused, 10)
    for row in range(20):
        wanted = sorted((c for c in range(30) if scores[row, c] > -np.inf), key=lambda c: (-scores[row, c], -order[c]))
        one = ranking(pool, fused, row, 10)
        assert one.chunk.tolist() == wanted[:10]
        assert (all_ranked.chunk[row][all_ranked.chunk[row] >= 0] == one.chunk).all()
        assert (all_ranked.score[row][: len(one.score)] == one.score).all()


def test_empty_pools():
    nothing = Candidates(np.full((2, 3), -1, np.int32), np.full((2, 3), np.nan, np.float32))
    pool = make_pool({"sparse": nothing, "dense": nothing}, np.zeros(0, np.int32))
    assert pool.chunk.shape == (2, 0)
    assert (rankings(pool, SparseOnly().fuse(pool), 5).chunk == -1).all()
    assert len(ranking(pool, SparseOnly().fuse(pool), 1, 5).chunk) == 0


def test_changed_compares_spans_across_chunkings():
    rows = [[0, 1], [1, -1]], [[1, 0], [0, 1]]
    found = [Candidates(np.array(row, np.int32), np.zeros((2, 2), np.float32)) for row in rows]
    left = chunks_of((0, 0, 5), (0, 5, 9))
    right = chunks_of((0, 5, 9), (0, 0, 5))  # the same chunks under other numbers
    assert changed(*found).tolist() == [True, True]
    assert changed(*found, left, right).tolist() == [False, True]
    assert not changed(found[0], found[0]).any()
