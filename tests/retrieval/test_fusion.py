import numpy as np
import pytest

from core.records import Candidates
from core.registry import parts
from core.retrieval.convex import Convex
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


def test_weights_at_the_ends_give_the_single_retrievers_order(pool):
    for weight, name in ((0.0, "sparse_only"), (1.0, "dense_only")):
        alone = parts("fusion")[name]().fuse(pool)
        for part in (Convex(weight=weight), ReciprocalRank(weight=weight)):
            fused = part.fuse(pool)[0]
            known = alone[0] > -np.inf
            assert (np.argsort(fused[known]) == np.argsort(alone[0][known])).all()
            assert fused[~known].max() <= fused[known].min()
