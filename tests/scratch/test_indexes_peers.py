"""The indexes written to be read, against FAISS and hnswlib."""

from typing import NamedTuple

import numpy as np
import pytest

from core.scratch.indexes import inside, ivf, pq
from core.scratch.indexes.distance import pairwise
from core.scratch.indexes.hnsw import HNSW
from core.scratch.indexes.kmeans import kmeans

pytestmark = pytest.mark.slow

DIM = 32


def clustered(n, seed, dim=DIM):
    """Vectors around 100 centres that are the same for every seed, so that queries fall where vectors are."""
    rng, centres = np.random.default_rng(seed), np.random.default_rng(99).normal(size=(100, dim))
    return (centres[rng.integers(100, size=n)] + 0.7 * rng.normal(size=(n, dim))).astype(np.float32)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def exact(vectors, queries, metric, depth=10):
    return np.argsort(pairwise(queries, vectors, metric), axis=1, kind="stable")[:, :depth]


def shared(found, true):
    """Share of the true ones that were found, on average."""
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, true, strict=True)]))


@pytest.fixture(scope="module")
def faiss():
    library = pytest.importorskip("faiss")
    threads = library.omp_get_max_threads()
    library.omp_set_num_threads(1)  # with more, a build differs from run to run
    yield library
    library.omp_set_num_threads(threads)


class Pair(NamedTuple):
    ours: HNSW
    theirs: object
    vectors: np.ndarray


def built(metric, n, m, ef_construction):
    hnswlib = pytest.importorskip("hnswlib")
    vectors = clustered(n, seed=1)
    if metric == "cosine":
        vectors = unit(vectors)
    ours = HNSW(DIM, m, ef_construction, metric)
    ours.add(vectors)
    theirs = hnswlib.Index({"cosine": "cosine", "dot": "ip", "l2": "l2"}[metric], DIM)
    theirs.init_index(n, M=m, ef_construction=ef_construction, random_seed=1)
    theirs.set_num_threads(1)
    theirs.add_items(vectors)
    return Pair(ours, theirs, vectors)


def recalls(pair, queries, ef):
    true = exact(pair.vectors, queries, pair.ours.metric)
    pair.theirs.set_ef(ef)
    return shared(pair.ours.search(queries, 10, ef).chunk, true), shared(pair.theirs.knn_query(queries, 10)[0], true)


@pytest.fixture(scope="module")
def four_thousand():
    return built("cosine", 4_000, m=8, ef_construction=64)


@pytest.mark.parametrize("ef", [10, 20, 40, 80])
def test_hnsw_finds_what_hnswlib_finds_on_4_000_vectors(four_thousand, ef):
    ours, theirs = recalls(four_thousand, unit(clustered(500, seed=2)), ef)
    assert abs(ours - theirs) <= 0.01
    assert ours > {10: 0.7, 20: 0.85, 40: 0.95, 80: 0.98}[ef]


@pytest.mark.parametrize("metric", ["dot", "l2"])
def test_hnsw_finds_what_hnswlib_finds_by_other_metrics(metric):
    pair = built(metric, 1500, m=6, ef_construction=40)
    for ef in (10, 40):
        ours, theirs = recalls(pair, clustered(500, seed=2), ef)
        assert abs(ours - theirs) <= 0.02 and ours > 0.8


def test_walk_over_our_graph_is_the_search(four_thousand):
    graph = inside.from_hnsw(four_thousand.ours)
    queries = unit(clustered(50, seed=3))
    found = four_thousand.ours.search(queries, 10, 20)
    for query, ids, scores in zip(queries, found.chunk, found.score, strict=True):
        walk = inside.walk(graph, four_thousand.ours.vectors, query, 20, 10)
        assert walk.ranking.tolist() == ids.tolist()
        assert np.allclose(walk.scores, scores, atol=1e-5)


def test_one_node_in_m_goes_up(four_thousand):
    sizes = inside.layers(inside.from_hnsw(four_thousand.ours))
    assert sizes[0].nodes == 4_000 and 0.8 < sizes[1].nodes / (4_000 / 8) < 1.2
    assert sizes[0].most_links == 16 and sizes[1].most_links == 8


@pytest.mark.parametrize("metric", ["dot", "l2"])
def test_walk_over_a_faiss_graph_finds_what_faiss_finds(faiss, metric):
    vectors, queries = unit(clustered(2500, seed=1)), unit(clustered(50, seed=2))
    index = faiss.IndexHNSWFlat(DIM, 16, faiss.METRIC_INNER_PRODUCT if metric == "dot" else faiss.METRIC_L2)
    index.hnsw.efConstruction = 40
    index.add(vectors)
    graph = inside.from_faiss(index)
    assert len(graph.layers) == index.hnsw.max_level + 1 and len(graph.layers[0].nodes) == 2500
    for ef in (1, 4, 10, 16, 64):  # also a queue shorter than the results asked for
        index.hnsw.efSearch = ef
        faiss.cvar.hnsw_stats.reset()
        theirs = index.search(queries, 10)[1]
        walks = [inside.walk(graph, vectors, query, ef, 10) for query in queries]
        assert shared([w.ranking for w in walks], theirs) >= 0.98
        hops = [hop for w in walks for hop in w.hops]
        assert abs(len(hops) / faiss.cvar.hnsw_stats.nhops - 1) < 0.01
        # on the upper layers FAISS compares a node again each time it is linked to
        upper = sum(len(links_of(graph, hop)) for hop in hops if hop.layer)
        lowest = sum(len(hop.compared) for hop in hops if not hop.layer)
        assert abs((upper + lowest) / faiss.cvar.hnsw_stats.ndis - 1) < 0.01


def links_of(graph, hop):
    nodes, links = graph.layers[hop.layer]
    row = links[np.searchsorted(nodes, hop.node)]
    return row[row >= 0]


@pytest.mark.parametrize("k", [20, 100, 300])
@pytest.mark.parametrize("spherical", [False, True])
def test_kmeans_is_as_good_as_faiss(faiss, k, spherical):
    vectors = clustered(4000, seed=1)
    vectors = unit(vectors) if spherical else vectors
    theirs = faiss.Kmeans(DIM, k, niter=25, seed=1, spherical=spherical, max_points_per_centroid=10**6)
    theirs.train(vectors)
    reached = float(pairwise(vectors, theirs.centroids, "l2").min(1).sum())
    assert kmeans(vectors, k, spherical=spherical).objective[-1] <= 1.03 * reached


@pytest.mark.parametrize("metric", ["dot", "l2"])
def test_ivf_is_faiss_on_the_same_centroids(faiss, metric):
    vectors, queries = clustered(3000, seed=1), clustered(100, seed=2)
    quantiser = faiss.IndexFlatIP(DIM) if metric == "dot" else faiss.IndexFlatL2(DIM)
    theirs = faiss.IndexIVFFlat(quantiser, DIM, 50, faiss.METRIC_INNER_PRODUCT if metric == "dot" else faiss.METRIC_L2)
    theirs.train(vectors)
    theirs.add(vectors)
    lists = inside.from_faiss_ivf(theirs)
    ours = ivf.build(vectors, 50, metric, centroids=lists.centroids)
    assert (inside.from_ivf(ours).cell == lists.cell).mean() > 0.999
    assert inside.list_sizes(lists).tolist() == [theirs.invlists.list_size(i) for i in range(50)]
    assert inside.imbalance(lists) == pytest.approx(theirs.invlists.imbalance_factor())
    for nprobe in (1, 4, 50):
        theirs.nprobe = nprobe
        distance, ids = theirs.search(queries, 10)
        found = ours.search(queries, 10, nprobe)
        assert (found.chunk == ids).mean() > 0.999
        held = ids >= 0
        scores = distance if metric == "dot" else -np.sqrt(np.maximum(distance, 0))
        assert np.allclose(found.score[held], scores[held], atol=1e-3)
    true = exact(vectors, queries, metric)
    for query, theirs_found, expected in zip(queries, ours.search(queries, 10, 4).chunk, true, strict=True):
        placed = inside.where(lists, vectors, query, 4, 10)
        assert [p.id for p in placed] == expected.tolist()
        assert {p.id for p in placed if p.probed} == set(expected) & set(theirs_found)


@pytest.mark.parametrize("metric", ["dot", "l2"])
def test_pq_is_faiss_on_the_same_codebooks(faiss, metric):
    vectors, queries = clustered(2000, seed=1), clustered(50, seed=2)
    theirs = faiss.IndexPQ(DIM, 8, 6, faiss.METRIC_INNER_PRODUCT if metric == "dot" else faiss.METRIC_L2)
    theirs.train(vectors)
    theirs.add(vectors)
    books = faiss.vector_to_array(theirs.pq.centroids).reshape(8, 64, DIM // 8)
    same = pq.ProductQuantiser(books)
    codes = same.encode(vectors)
    assert np.allclose(same.decode(codes), theirs.reconstruct_n(0, len(vectors)), atol=1e-6)
    distance, ids = theirs.search(queries, 20)
    for query, row, expected in zip(queries, ids, distance, strict=True):
        ours = pq.adc(same.tables(query, metric), codes)[row]
        assert np.allclose(-ours if metric == "dot" else ours, expected, rtol=1e-4, atol=1e-3)
    found = pq.search(same, codes, queries, 20, metric)
    # two vectors with the same code tie, and each library orders those its own way
    assert np.allclose(found.score, distance if metric == "dot" else -np.sqrt(np.maximum(distance, 0)), rtol=1e-4, atol=1e-3)


def test_own_codebooks_are_as_good_as_faiss(faiss):
    vectors = clustered(2000, seed=1)
    theirs = faiss.ProductQuantizer(DIM, 8, 6)
    theirs.train(vectors)
    ours = pq.train(vectors, 8, nbits=6)
    lost = ((vectors - ours.decode(ours.encode(vectors))) ** 2).sum()
    assert lost <= 1.03 * ((vectors - theirs.decode(theirs.compute_codes(vectors))) ** 2).sum()


@pytest.mark.parametrize("metric", ["dot", "l2"])
def test_ivf_pq_is_faiss_on_the_same_centroids_and_codebooks(faiss, metric):
    vectors, queries = clustered(2000, seed=1), clustered(30, seed=2)
    quantiser = faiss.IndexFlatIP(DIM) if metric == "dot" else faiss.IndexFlatL2(DIM)
    kind = faiss.METRIC_INNER_PRODUCT if metric == "dot" else faiss.METRIC_L2
    theirs = faiss.IndexIVFPQ(quantiser, DIM, 20, 8, 6, kind)
    theirs.train(vectors)
    theirs.add(vectors)
    books = faiss.vector_to_array(theirs.pq.centroids).reshape(8, 64, DIM // 8)
    flat = ivf.build(vectors, 20, metric, centroids=quantiser.reconstruct_n(0, 20))
    ours = ivf.compress(flat, 8, quantiser=pq.ProductQuantiser(books))
    theirs.nprobe = 4
    distance, _ = theirs.search(queries, 10)
    scores = distance if metric == "dot" else -np.sqrt(np.maximum(distance, 0))
    assert np.allclose(ours.search(queries, 10, 4).score, scores, rtol=1e-3, atol=1e-2)
    if metric == "l2":  # residuals fit better than whole vectors at the same number of bytes
        whole = pq.train(vectors, 8, nbits=4)
        plain = pq.search(whole, whole.encode(vectors), queries, 10, metric).chunk
        true = exact(vectors, queries, metric)
        assert shared(ivf.compress(flat, 8, nbits=4).search(queries, 10, 20).chunk, true) > shared(plain, true)
