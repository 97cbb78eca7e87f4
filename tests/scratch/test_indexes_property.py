"""What holds of the teaching indexes whatever the vectors: few, equal, on a grid (many ties), of any metric."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.scratch.indexes import inside, ivf, pq
from core.scratch.indexes.distance import distances, pairwise
from core.scratch.indexes.hnsw import HNSW
from core.scratch.indexes.inside import Reason
from core.scratch.indexes.kmeans import kmeans

METRICS = st.sampled_from(["cosine", "dot", "l2"])


@st.composite
def tables(draw, least=1, most=60):
    """Vectors [n, dim] float32 without zero rows: gaussian, or on a coarse grid where many are equal."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = (draw(st.integers(least, most)), draw(st.sampled_from([2, 4, 6])))
    if draw(st.booleans()):
        return rng.normal(size=size).astype(np.float32)
    return (rng.integers(0, 3, size=size) + np.float32(0.5)).astype(np.float32)


@st.composite
def graphs(draw):
    vectors, metric = draw(tables()), draw(METRICS)
    index = HNSW(vectors.shape[1], draw(st.integers(2, 6)), draw(st.integers(1, 30)), metric, draw(st.integers(0, 9)))
    index.add(vectors)
    return index


@pytest.mark.slow
@settings(max_examples=60)
@given(graphs())
def test_links_keep_their_bounds_and_their_layer(index):
    graph = inside.from_hnsw(index)
    assert len(graph.layers) == max(index.levels) + 1 and graph.levels[graph.entry_point] == max(index.levels)
    for number, layer in enumerate(graph.layers):
        assert layer.nodes.tolist() == [n for n, level in enumerate(index.levels) if level >= number]
        assert layer.links.shape[1] == index.m * (1 if number else 2)
        for node, row in zip(layer.nodes.tolist(), layer.links, strict=True):
            to = row[row >= 0].tolist()
            assert len(to) == len(set(to)) == len(index.links[number][node])
            assert node not in to and set(to) <= set(layer.nodes.tolist())
        degrees, size = inside.degrees(graph, number), inside.layers(graph)[number]
        assert degrees.out.sum() == degrees.into.sum() == size.nodes
        assert degrees.out @ np.arange(len(degrees.out)) == degrees.into @ np.arange(len(degrees.into)) == size.links


@pytest.mark.slow
@settings(max_examples=60)
@given(graphs(), st.integers(1, 30), st.integers(1, 12), st.integers(0, 99))
def test_search_and_walk_find_the_same_best_first(index, ef, depth, seed):
    query = np.random.default_rng(seed).normal(size=index.vectors.shape[1]).astype(np.float32)
    if index.metric == "cosine":
        query /= np.linalg.norm(query)
    found = index.search(query[None], depth, ef)
    held = found.chunk[0] >= 0
    ids, scores = found.chunk[0][held], found.score[0][held]
    assert len(set(ids)) == len(ids) and (np.diff(scores) <= 0).all() and np.isnan(found.score[0][~held]).all()
    graph = inside.from_hnsw(index)
    ef = max(ef, depth)  # our index lengthens its queue, FAISS does not
    walk = inside.walk(graph, index.vectors, query, ef, depth)
    assert walk.ranking.tolist() == ids.tolist() and np.allclose(walk.scores, scores, atol=1e-4)
    assert walk.num_distances == 1 + sum(len(hop.compared) for hop in walk.hops)
    assert (np.diff([hop.best_score for hop in walk.hops]) >= 0).all()
    assert np.isclose(walk.hops[-1].best_score, walk.scores[0])
    # what is missed was never compared, and a reason that says "reachable" is true
    missed = inside.why_missed(graph, index.vectors, query, ef, depth, cap=128)
    met = {int(node) for hop in walk.hops if hop.layer == 0 for node in hop.compared} | {walk.entered}
    for miss in missed:
        assert miss.id not in ids and (miss.id not in met or miss.reason is Reason.TIED)
        if miss.reason in (Reason.NO_LINK, Reason.UNREACHABLE):
            assert miss.found_at_ef is None
        elif miss.reason is not Reason.TIED:
            assert miss.found_at_ef > ef  # the cap is above the number of vectors: what is reachable is found


@pytest.mark.slow
@settings(max_examples=60)
@given(graphs())
def test_ef_of_all_finds_all_that_can_be_reached(index):
    n, query = len(index.levels), index.vectors[0]
    graph = inside.from_hnsw(index)
    walk = inside.walk(graph, index.vectors, query, n, n)
    reached = np.flatnonzero(inside._reached(graph, walk.entered))
    assert sorted(walk.ranking) == reached.tolist()
    if len(reached) == n:  # connected: the search is exact
        exact = np.sort(distances(index.vectors, query, graph.metric))
        assert np.allclose(distances(index.vectors[walk.ranking], query, graph.metric), exact, atol=1e-4)


@settings(max_examples=40)
@given(tables(least=2), st.integers(1, 12), st.integers(0, 9))
def test_no_round_of_kmeans_makes_it_worse(vectors, k, seed):
    k = min(k, len(vectors))
    found = kmeans(vectors, k, seed=seed)
    assert found.centroids.shape == (k, vectors.shape[1]) and np.isfinite(found.centroids).all()
    assert (np.diff(found.objective) <= 1e-3 * (1 + found.objective[0])).all()
    assert (found.nearest == pairwise(vectors, found.centroids, "l2").argmin(1)).mean() > 0.9


@settings(max_examples=40)
@given(tables(least=4), METRICS, st.integers(1, 4), st.integers(0, 9))
def test_ivf_with_all_lists_is_exact_and_more_lists_lose_nothing(vectors, metric, nlist, seed):
    index, depth = ivf.build(vectors, nlist, metric, seed=seed), min(5, len(vectors))
    queries = index.vectors[:3]
    assert sorted(np.concatenate(index.lists).tolist()) == list(range(len(vectors)))
    exact = np.sort(pairwise(queries, index.vectors, "l2" if metric == "l2" else "dot"), 1)[:, :depth]
    found = index.search(queries, depth, nlist)
    away = found.score**2 if metric == "l2" else -found.score
    assert np.allclose(away, exact, atol=1e-3)
    fewer = index.search(queries, depth, 1)
    assert np.all(np.isnan(fewer.score) | (fewer.score <= found.score + 1e-4))
    lists = inside.from_ivf(index)
    assert 1 - 1e-9 <= inside.imbalance(lists) <= nlist + 1e-9
    for row, query in enumerate(queries):
        for placed in inside.where(lists, index.vectors, query, 1, 1):
            assert placed.probed == (placed.list_rank == 1)
            assert not placed.probed or np.isclose(fewer.score[row, 0], placed.score, atol=1e-3)


@settings(max_examples=40)
@given(tables(least=8), METRICS, st.integers(0, 9))
def test_adc_is_the_distance_to_what_a_code_stands_for(vectors, metric, seed):
    quantiser = pq.train(vectors, 2, nbits=3, seed=seed)
    codes = quantiser.encode(vectors)
    stands_for = quantiser.decode(codes)
    away = pq.adc(quantiser.tables(vectors[0], metric), codes)
    assert np.allclose(away, distances(stands_for, vectors[0], metric), atol=1e-3)
    assert np.allclose(quantiser.decode(quantiser.encode(stands_for)), stands_for, atol=1e-5)
