"""The FAISS parts find what FAISS finds when it is called as its documentation says."""

import faiss
import numpy as np
import pytest

from core.errors import WorkbenchError
from core.index.exact import Exact
from core.index.faiss_flat import FaissFlat
from core.index.faiss_hnsw import FaissHNSW
from core.index.faiss_ivf import FaissIVF
from core.index.faiss_ivf_pq import FaissIVFPQ
from core.index.faiss_sq import FaissSQ

DIM = 32
rng = np.random.default_rng(17)
CENTRES = rng.normal(size=(40, DIM))
VECTORS = (CENTRES[rng.integers(40, size=3000)] + 0.7 * rng.normal(size=(3000, DIM))).astype(np.float32)
QUERIES = (CENTRES[rng.integers(40, size=100)] + 0.7 * rng.normal(size=(100, DIM))).astype(np.float32)
NORMAL = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
ASKED = QUERIES / np.linalg.norm(QUERIES, axis=1, keepdims=True)


def recall(found, wanted):
    return np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, wanted, strict=True)])


def test_flat_finds_what_exact_finds():
    for metric in ("cosine", "dot", "l2"):
        found = FaissFlat(metric=metric).build(VECTORS, None).search(QUERIES, 10)
        wanted = Exact(metric=metric).build(VECTORS, None).search(QUERIES, 10)
        assert (found.chunk == wanted.chunk).all() and np.allclose(found.score, wanted.score, rtol=1e-5, atol=3e-6)


def test_ivf_is_the_library_s():
    searcher = FaissIVF(nlist=60, metric="l2").build(VECTORS, None)
    bare = faiss.index_factory(DIM, "IVF60,Flat")
    bare.cp.max_points_per_centroid = 64
    bare.train(VECTORS)
    bare.add(VECTORS)
    for nprobe in (1, 4, 60):
        distances, places = bare.search(QUERIES, 5, params=faiss.SearchParametersIVF(nprobe=nprobe))
        found = searcher.search(QUERIES, 5, settings=FaissIVF(nlist=60, metric="l2", nprobe=nprobe))
        assert (found.chunk == places).all() and np.allclose(found.score, -np.sqrt(distances), atol=1e-5)
    assert (found.chunk == Exact(metric="l2").build(VECTORS, None).search(QUERIES, 5).chunk).all()  # all lists: exact


def test_hnsw_is_the_library_s_and_every_build_is_the_same_graph():
    part = FaissHNSW(m=8, ef_construction=40)
    searcher, again = part.build(VECTORS, None), part.build(VECTORS, None)
    bare = faiss.IndexHNSWFlat(DIM, 8, faiss.METRIC_INNER_PRODUCT)
    bare.hnsw.efConstruction = 40
    faiss.omp_set_num_threads(1)
    bare.add(NORMAL)
    links = [faiss.vector_to_array(index.hnsw.neighbors) for index in (searcher._index, again._index, bare)]
    assert (links[0] == links[1]).all() and (links[0] == links[2]).all()
    wanted = Exact().build(VECTORS, None).search(QUERIES, 10).chunk
    found = {ef: searcher.search(QUERIES, 10, settings=FaissHNSW(ef_search=ef)).chunk for ef in (10, 40, 200)}
    for ef in found:
        places = bare.search(ASKED, 10, params=faiss.SearchParametersHNSW(efSearch=ef))[1]
        assert recall(found[ef], places) > 0.999
    assert recall(found[10], wanted) < recall(found[40], wanted) <= recall(found[200], wanted) > 0.98


@pytest.mark.parametrize("metric", ["cosine", "l2", "dot"])
def test_a_graph_of_principal_directions_is_the_library_s_and_rescoring_makes_up_for_the_rest(metric, tmp_path):
    exact, short = (rows if metric != "dot" else unit for rows, unit in ((VECTORS, NORMAL), (QUERIES, ASKED)))
    part = FaissHNSW(metric=metric, dimensions=10, ef_search=200)
    searcher, again = (part.build(exact, tmp_path) for _ in range(2))  # the second from the disk
    wanted, share = Exact(metric=metric).build(exact, None).search(short, 10), {}
    for times in (1, 4, 20):
        settings = part.model_copy(update={"rescore": times})
        found = searcher.search(short, 10, settings=settings)
        assert (found.chunk == again.search(short, 10, settings=settings).chunk).all()
        share[times] = recall(found.chunk, wanted.chunk)
    assert share[1] < share[4] < share[20] > 0.95
    same = found.chunk == wanted.chunk
    assert same.mean() > 0.8 and np.allclose(found.score[same], wanted.score[same], rtol=1e-5, atol=2e-5)

    learnt = NORMAL if metric == "cosine" else exact
    by_variance = np.linalg.svd(learnt, full_matrices=False)[2][:10].T  # what the projection should be, from another algorithm
    held, asked = learnt @ by_variance, (ASKED if metric == "cosine" else short) @ by_variance
    if metric == "cosine":
        held, asked = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (held, asked))
    bare = faiss.IndexHNSWFlat(10, 32, faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT)
    bare.hnsw.efConstruction = 100
    bare.add(held)
    places = bare.search(asked, 10, params=faiss.SearchParametersHNSW(efSearch=200))[1]
    assert recall(searcher.search(short, 10, settings=part).chunk, places) > 0.98

    searcher.add(100 * exact[:1] if metric == "dot" else exact[:1])
    assert 3000 in searcher.search(exact[:1], 2, settings=settings).chunk
    with pytest.raises(WorkbenchError, match="33"):
        FaissHNSW(dimensions=33).build(exact, None)


@pytest.mark.parametrize("opq", [False, True])
def test_rescoring_gives_exact_scores_and_more_of_the_neighbours(opq):
    searcher = FaissIVFPQ(nlist=20, nprobe=20, m=4, nbits=4, opq=opq).build(VECTORS, None)
    wanted = Exact().build(VECTORS, None).search(QUERIES, 10)
    share = {}
    for times in (1, 4, 40):
        found = searcher.search(QUERIES, 10, settings=FaissIVFPQ(opq=opq, nprobe=20, rescore=times))
        share[times] = recall(found.chunk, wanted.chunk)
        score = np.einsum("qkd,qd->qk", NORMAL[found.chunk], ASKED)
        assert np.allclose(found.score, score, atol=2e-6) is (times > 1)
    assert share[1] < share[4] < share[40] > 0.95


def test_rescoring_is_that_of_the_library():
    searcher = FaissSQ(bits="4bit", metric="l2").build(VECTORS, None)
    refined = faiss.IndexRefineFlat(searcher._index, faiss.swig_ptr(VECTORS))
    distances, places = refined.search(QUERIES, 10, params=faiss.IndexRefineSearchParameters(k_factor=3))
    found = searcher.search(QUERIES, 10, settings=FaissSQ(bits="4bit", metric="l2", rescore=3))
    assert (found.chunk == places).all() and np.allclose(found.score, -np.sqrt(distances), atol=1e-5)


def test_codes_take_the_bytes_they_should():
    numbers = {bits: FaissSQ(bits=bits).build(NORMAL, None).memory_bytes / 3000 for bits in ("8bit", "4bit", "fp16")}
    assert np.allclose(list(numbers.values()), [DIM, DIM / 2, 2 * DIM], rtol=0.02)
    assert np.isclose(FaissFlat().build(VECTORS, None).memory_bytes / 3000, 4 * DIM, rtol=0.01)


def test_a_filter_sees_every_vector_of_the_lists_it_looks_into():
    among = rng.random(3000) < 0.02
    searcher = FaissIVF(nlist=20).build(VECTORS, None)
    found = searcher.search(QUERIES, 10, settings=FaissIVF(nlist=20, nprobe=20), among=among)
    assert (found.chunk == Exact().build(VECTORS, None).search(QUERIES, 10, among=among).chunk).all()
