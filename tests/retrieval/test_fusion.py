import numpy as np
import pytest

from core.records import Candidates
from core.registry import parts
from core.retrieval.borda import Borda
from core.retrieval.comb_mnz import CombMnz
from core.retrieval.comb_sum import CombSum
from core.retrieval.convex import Convex
from core.retrieval.isr import InverseSquareRank
from core.retrieval.pool import make_pool
from core.retrieval.rrf import ReciprocalRank


def candidates(rows, depth=3):
    chunk, score = np.full((len(rows), depth), -1, np.int32), np.full((len(rows), depth), np.nan, np.float32)
    for i, row in enumerate(rows):
        for j, (c, s) in enumerate(row):
            chunk[i, j], score[i, j] = c, s
    return Candidates(chunk, score)


def by_chunk(pool, fused, row=0):
    return {int(c): float(s) for c, s in zip(pool.chunk[row], fused[row], strict=True) if c >= 0}


@pytest.fixture
def pool():
    sparse = candidates([[(0, 8.0), (1, 6.0), (2, 4.0)], [(3, 5.0)], [], [(0, 2.0), (1, 2.0)]])
    dense = candidates([[(2, 0.9), (3, 0.8), (0, 0.5)], [(1, 0.7), (3, 0.7)], [(2, 0.1), (1, 0.0)], []])
    return make_pool({"sparse": sparse, "dense": dense}, np.arange(4, dtype=np.int32))


def test_rrf_by_hand(pool):
    fused = by_chunk(pool, ReciprocalRank(weight=0.25).fuse(pool))
    wanted = {0: 0.25 / 63 + 0.75 / 61, 1: 0.75 / 62, 2: 0.25 / 61 + 0.75 / 63, 3: 0.25 / 62}
    assert fused == pytest.approx(wanted, rel=1e-6)


def test_rrf_of_mirrored_ranks_ties(pool):
    assert len({round(s, 9) for c, s in by_chunk(pool, ReciprocalRank().fuse(pool)).items() if c in (0, 2)}) == 1


def test_convex_min_max_by_hand(pool):
    part = Convex(weight=0.7)
    assert by_chunk(pool, part.fuse(pool)) == pytest.approx({0: 0.3, 1: 0.15, 2: 0.7, 3: 0.7 * 0.75})
    assert by_chunk(pool, part.fuse(pool), 1) == pytest.approx({1: 0.7, 3: 1.0})  # equal scores: 1
    assert by_chunk(pool, part.fuse(pool), 2) == pytest.approx({1: 0.0, 2: 0.7})
    assert by_chunk(pool, part.fuse(pool), 3) == pytest.approx({0: 0.3, 1: 0.3})


def test_convex_z_score_by_hand(pool):
    fused = by_chunk(pool, Convex(weight=0.0, normalisation="z_score").fuse(pool))
    assert fused == pytest.approx({0: 1.5**0.5, 1: 0.0, 2: -(1.5**0.5), 3: -(1.5**0.5)})  # 3 was not retrieved: lowest
    assert by_chunk(pool, Convex(normalisation="z_score").fuse(pool), 1) == {1: 0.0, 3: 0.0}


# the pool's first question: sparse 0 (8), 1 (6), 2 (4); dense 2 (0.9), 3 (0.8), 0 (0.5): min_max 1, 0.5, 0 and 1, 0.75, 0
def test_comb_sum_by_hand(pool):
    assert by_chunk(pool, CombSum().fuse(pool)) == pytest.approx({0: 1.0, 1: 0.5, 2: 1.0, 3: 0.75})
    shares = {0: 4 / 6, 1: 2 / 6, 2: 0.4 / 0.7, 3: 0.3 / 0.7}  # of 4 + 2 + 0 and of 0.4 + 0.3 + 0
    assert by_chunk(pool, CombSum(normalisation="sum").fuse(pool)) == pytest.approx(shares)
    assert by_chunk(pool, CombSum(normalisation="sum").fuse(pool), 1) == pytest.approx({1: 0.5, 3: 1.5})


def test_comb_sum_orders_as_convex_at_half(pool):
    assert CombSum().fuse(pool) == pytest.approx(2 * Convex(weight=0.5).fuse(pool))


def test_comb_mnz_by_hand(pool):
    assert by_chunk(pool, CombMnz().fuse(pool)) == pytest.approx({0: 2.0, 1: 0.5, 2: 2.0, 3: 0.75})
    assert by_chunk(pool, CombMnz().fuse(pool), 1) == pytest.approx({1: 1.0, 3: 4.0})


def test_borda_by_hand(pool):
    # four candidates: 4, 3, 2 points for the three that are ranked, and the one point left for the other
    assert by_chunk(pool, Borda().fuse(pool)) == pytest.approx({0: (4 + 2) / 2, 1: (3 + 1) / 2, 2: (2 + 4) / 2, 3: (1 + 3) / 2})
    assert by_chunk(pool, Borda(weight=0.25).fuse(pool)) == pytest.approx({0: 3.5, 1: 2.5, 2: 2.5, 3: 1.5})
    # two candidates; the lexical ranking has none in the third question, and both share its 2 + 1 points
    assert by_chunk(pool, Borda().fuse(pool), 2) == pytest.approx({2: (2 + 1.5) / 2, 1: (1 + 1.5) / 2})


def test_isr_by_hand(pool):
    wanted = {0: 2 * (1 + 1 / 9), 1: 1 / 4, 2: 2 * (1 / 9 + 1), 3: 1 / 4}
    assert by_chunk(pool, InverseSquareRank().fuse(pool)) == pytest.approx(wanted)
    assert by_chunk(pool, InverseSquareRank().fuse(pool), 3) == pytest.approx({0: 1.0, 1: 1 / 4})


def test_weights_at_the_ends_give_the_single_retrievers_order(pool):
    for weight, name in ((0.0, "sparse_only"), (1.0, "dense_only")):
        alone = parts("fusion")[name]().fuse(pool)
        for part in (Convex(weight=weight), ReciprocalRank(weight=weight), Borda(weight=weight)):
            fused = part.fuse(pool)[0]
            known = alone[0] > -np.inf
            assert (np.argsort(fused[known]) == np.argsort(alone[0][known])).all()
            assert fused[~known].max() <= fused[known].min()
