"""Pool and judging against the plainest possible code."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evaluation.judged import NOT_FOUND, Relevance, _ranks, judge
from core.retrieval.pool import make_pool, rankings
from core.retrieval.rrf import ReciprocalRank
from core.retrieval.top import best


@st.composite
def scored(draw):
    queries, chunks = draw(st.integers(1, 6)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scores = {name: rng.integers(-3, 3, (queries, chunks)).astype(np.float32) for name in ("sparse", "dense")}
    for values in scores.values():
        values[rng.random(values.shape) < draw(st.sampled_from([0, 0.3, 0.9]))] = -np.inf
    return scores, draw(st.integers(1, 14)), rng.permutation(chunks).astype(np.int32)


@settings(max_examples=150)
@given(scored())
def test_pool_is_the_union_with_scores_and_ranks(case):
    scores, depth, order = case
    found = {name: best(values, depth, order) for name, values in scores.items()}
    pool = make_pool(found, order)
    for row in range(len(pool)):
        real = pool.chunk[row][pool.chunk[row] >= 0]
        assert set(real) == {c for f in found.values() for c in f.chunk[row] if c >= 0}
        assert (np.diff(order[real]) > 0).all() and (pool.chunk[row][len(real) :] == -1).all()
        for name, f in found.items():
            ranked = {int(c): (r, float(s)) for r, (c, s) in enumerate(zip(f.chunk[row], f.score[row], strict=True), 1)}
            for column, chunk in enumerate(pool.chunk[row]):
                rank, score = ranked.get(int(chunk), (0, np.nan)) if chunk >= 0 else (0, np.nan)
                assert pool.rank[name][row, column] == rank
                assert np.array_equal(pool.score[name][row, column], np.float32(score), equal_nan=True)


@settings(max_examples=100)
@given(scored(), st.integers(1, 12))
def test_counted_ranks_are_the_places_in_the_sorted_ranking(case, top_k):
    scores, depth, order = case
    pool = make_pool({name: best(values, depth, order) for name, values in scores.items()}, order)
    fused = ReciprocalRank(constant=0).fuse(pool)
    row, column = np.nonzero(pool.chunk >= 0)
    ranks = _ranks(fused, row, column)
    ranked = rankings(pool, fused, pool.chunk.shape[1])
    for r, c, rank in zip(row, column, ranks, strict=True):
        assert ranked.chunk[r, rank - 1] == pool.chunk[r, c]
    # every chunk relevant: judged finds exactly those down to top_k
    pairs = pool.chunk[row, column]
    number = np.arange(len(row), dtype=np.int32)
    order_ = np.lexsort((pairs, row))
    all_relevant = Relevance(
        len(pool),
        row[order_].astype(np.int32),
        np.ones(len(row), np.int32),
        row[order_].astype(np.int32),
        pairs[order_],
        number,
        number,
    )
    judged = judge(pool, fused, all_relevant, top_k)
    assert (judged.hit_rank <= top_k).all()
    for r in range(len(pool)):
        found = min(int((pool.chunk[r] >= 0).sum()), top_k)
        assert judged.hit_rank[judged.hit_row == r].tolist() == list(range(1, found + 1))
        assert judged.first_rank[r] == (1 if found else NOT_FOUND)
