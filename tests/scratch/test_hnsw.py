"""The teaching HNSW and the drawings' data on graphs small enough to check by hand."""

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.scratch.indexes import inside, ivf, pq
from core.scratch.indexes.hnsw import HNSW, select
from core.scratch.indexes.inside import Graph, Layer, Reason
from core.scratch.indexes.kmeans import kmeans


def line(places, links, width=3, entry=0):
    """A graph of one layer over places on a line."""
    table = np.full((len(places), width), -1, np.int32)
    for node, to in enumerate(links):
        table[node, : len(to)] = to
    layer = Layer(np.arange(len(places), dtype=np.int32), table)
    return Graph(np.zeros(len(places), np.int32), (layer,), entry, "l2"), np.array(places, np.float32)[:, None]


ORIGIN = np.zeros(1, np.float32)


def test_selection_links_in_all_directions():
    vectors = np.array([[1, 0], [1.2, 0.1], [-2, 0], [0, -3]], np.float32)
    away = (vectors**2).sum(1)
    nodes = np.arange(4, dtype=np.int32)
    assert select(vectors, nodes, away, 3, "l2").tolist() == [0, 2, 3]  # 1 is nearer to 0 than to the origin
    assert select(vectors, nodes[::-1], away[::-1], 2, "l2").tolist() == [0, 2]


def test_a_walk_by_hand():
    #         0   1  2  3  4
    graph, vectors = line([10, 3, 5, 1, 20], [[2, 1, 4], [0], [3], [2], []])
    walk = inside.walk(graph, vectors, ORIGIN, ef=1, depth=1)
    assert [hop.node for hop in walk.hops] == [0, 1]
    assert walk.hops[0].compared.tolist() == [2, 1, 4] and walk.hops[0].scores.tolist() == [-5, -3, -20]
    assert [(hop.best, hop.best_score) for hop in walk.hops] == [(1, -3), (1, -3)]
    assert (walk.ranking.tolist(), walk.scores.tolist()) == ([1], [-3])
    assert (walk.num_hops, walk.num_distances, walk.entered) == (2, 4, 0)  # 1 has only links to what was seen
    wider = inside.walk(graph, vectors, ORIGIN, ef=2, depth=1)
    assert [hop.node for hop in wider.hops] == [0, 1, 2, 3] and wider.ranking.tolist() == [3]


def reasons(graph, vectors, ef=1, depth=1, **more):
    return [(m.id, m.reason, m.in_degree, m.found_at_ef) for m in inside.why_missed(graph, vectors, ORIGIN, ef, depth, **more)]


def test_each_reason_for_a_miss():
    assert reasons(*line([10, 3, 5, 1], [[1, 2], [0], [3], [2]])) == [(3, Reason.PASSED, 1, 2)]
    assert reasons(*line([10, 3, 5, 1], [[1, 2], [0], [3], [2]]), ef=2) == []
    assert reasons(*line([10, 3, 5, 1], [[1, 2], [0], [3], [2]]), cap=1) == [(3, Reason.PASSED, 1, None)]
    far = line([10, 3, 5, 1, 6], [[1, 2], [0], [4], [4], [3]])
    assert reasons(*far) == [(3, Reason.FAR, 1, 4)]  # 3 is met from 4 only, which is met at ef 4
    assert reasons(*line([10, 3, 1], [[1], [0], [1]])) == [(2, Reason.NO_LINK, 0, None)]
    assert reasons(*line([10, 3, 1, 2], [[1], [0], [3], [2]])) == [(2, Reason.UNREACHABLE, 1, None)]
    assert reasons(*line([10, 3, 3], [[2], [0], [0]])) == [(1, Reason.TIED, 0, None)]


def test_a_miss_says_its_rank_and_score():
    graph, vectors = line([3, 1, 2], [[2], [0], [0]])
    (miss,) = inside.why_missed(graph, vectors, ORIGIN, ef=2, depth=2)
    assert (miss.id, miss.rank, miss.score) == (1, 1, -1.0)
    assert str(miss.reason) == "no link leads to it on layer 0"


def test_layers_and_degrees_by_hand():
    upper = Layer(np.array([1, 3], np.int32), np.array([[3], [1]], np.int32))
    lower = line([10, 3, 5, 1], [[1, 2], [0], [3, 1], []])[0].layers[0]
    graph = Graph(np.array([0, 1, 0, 1], np.int32), (lower, upper), 3, "l2")
    assert inside.layers(graph) == ((0, 4, 5, 3), (1, 2, 2, 1))
    degrees = inside.degrees(graph, 0)
    assert degrees.out.tolist() == [1, 1, 2, 0]  # one node without links, one with one, two with two
    assert degrees.into.tolist() == [0, 3, 1]  # 1 is linked to twice, the others once
    assert inside.degrees(graph, 1).into.tolist() == [0, 2]
    walk = inside.walk(graph, np.array([[10], [3], [5], [1]], np.float32), ORIGIN, 4, 1)
    assert [(hop.layer, hop.node) for hop in walk.hops] == [(1, 3), (0, 3)]  # 3 leads nowhere on layer 0


@pytest.mark.slow
def test_levels_thin_out_by_m_and_the_seed_repeats_them():
    vectors = np.random.default_rng(0).normal(size=(1000, 4)).astype(np.float32)
    first, again, other = (HNSW(4, 4, 8, "l2", seed=seed) for seed in (1, 1, 2))
    for index in (first, again, other):
        index.add(vectors)
    assert first.levels == again.levels != other.levels
    assert all((first.links[0][n] == again.links[0][n]).all() for n in range(1000))
    assert abs(np.mean(np.array(first.levels) >= 1) - 1 / 4) < 0.05
    assert first.levels[first.entry_point] == max(first.levels)


def test_few_vectors_and_equal_ones():
    index = HNSW(3, 4, 10, "cosine")
    assert index.search(np.ones((2, 3)), 2, 10).chunk.tolist() == [[-1, -1], [-1, -1]]
    assert inside.walk(inside.from_hnsw(index), index.vectors, np.ones(3, np.float32), 5, 2).num_distances == 0
    index.add(np.array([[0, 0, 2]]))
    found = index.search(np.array([[0, 0, 5]]), 2, 10)
    assert found.chunk.tolist() == [[0, -1]] and found.score[0, 0] == pytest.approx(1) and np.isnan(found.score[0, 1])
    index.add(np.tile([[0, 0, 1.0]], (50, 1)))
    assert len(set(index.search(np.array([[0, 0, 1]]), 10, 60).chunk[0])) == 10


def test_hnsw_search_is_the_same_when_added_in_parts():
    vectors = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    whole, parts = HNSW(4, 4, 20, "l2"), HNSW(4, 4, 20, "l2")
    whole.add(vectors)
    for part in np.array_split(vectors, 7):
        parts.add(part)
    assert (whole.search(vectors, 5, 10).chunk == parts.search(vectors, 5, 10).chunk).all()


def test_where_a_neighbour_was_missed_by_ivf():
    vectors = np.array([[0], [1], [10], [11], [12], [30]], np.float32)
    index = ivf.build(vectors, 3, "l2", centroids=np.array([[0.5], [11], [30]], np.float32))
    lists = inside.from_ivf(index)
    assert inside.list_sizes(lists).tolist() == [2, 3, 1]
    assert inside.imbalance(lists) == pytest.approx(3 * (4 + 9 + 1) / 36)
    placed = inside.where(lists, vectors, np.array([5.6], np.float32), nprobe=1, depth=3)
    assert [(p.id, p.list_rank, p.probed) for p in placed] == [(2, 2, False), (1, 1, True), (3, 2, False)]
    assert [p.says for p in placed[:2]] == [
        "missed: its list is the 2nd nearest, nprobe is 1",
        "compared: its list is the 1st nearest, nprobe is 1",
    ]
    assert [inside._ordinal(n) for n in (1, 2, 3, 4, 11, 12, 23, 111)] == "1st 2nd 3rd 4th 11th 12th 23rd 111th".split()


def test_empty_clusters_are_filled():
    vectors = np.array([[0], [0], [0], [0], [10], [20]], np.float32)
    found = kmeans(vectors, 3, seed=1)
    assert sorted(found.centroids.ravel()) == [0, 10, 20] and found.objective[-1] == 0
    assert kmeans(np.zeros((5, 2), np.float32), 3).objective[-1] == 0  # fewer different vectors than clusters


@pytest.mark.parametrize(
    ("call", "setting", "allowed"),
    [
        (lambda v: kmeans(v, 21), "clusters", "1 to 20"),
        (lambda v: ivf.build(v, 0, "l2"), "nlist", "1 to 20"),
        (lambda v: ivf.build(v, 4, "l2").search(v, 3, 5), "nprobe", "1 to 4"),
        (lambda v: pq.train(v, 4, nbits=2), "m = 4", "1, 2, 3, 6"),
        (lambda v: pq.train(v, 3, nbits=5), "nbits", "1 to 4"),
        (lambda v: HNSW(6, m=1), "m = 1", "2 and more"),
        (lambda v: HNSW(6).add(v * np.nan), "NaN", "encoder"),
    ],
)
def test_impossible_settings_are_named(call, setting, allowed):
    vectors = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    with pytest.raises(WorkbenchError, match=setting) as error:
        call(vectors)
    assert allowed in error.value.todo
