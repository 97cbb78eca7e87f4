"""Against scikit-learn and faiss."""

import numpy as np
import pytest

from core.config import TransformConfig
from core.embedding.transform import fit, principal
from core.labs.encoders.diagnostics import separation
from core.labs.encoders.maps import flat_map
from core.progress import drain

rng = np.random.default_rng(5)
SPREAD = rng.normal(size=(32, 32)) * np.geomspace(1, 0.05, 32)
CHUNKS = (rng.normal(size=(1500, 32)) @ SPREAD + 0.5).astype(np.float32)
QUERIES = (rng.normal(size=(40, 32)) @ SPREAD + 0.5).astype(np.float32)


@pytest.fixture(autouse=True)
def one_thread():
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # its threads wait for each other on a busy machine
    yield
    faiss.omp_set_num_threads(threads)


@pytest.mark.parametrize("projection", ["pca", "whitening"])
def test_projections_are_those_of_scikit_learn(projection):
    from sklearn.decomposition import PCA

    peer = PCA(12, whiten=projection == "whitening", svd_solver="full").fit(CHUNKS.astype(np.float64))
    found = fit(TransformConfig(projection=projection, dimensions=12), CHUNKS)
    if projection == "whitening":  # they divide by n - 1, Su et al. by n
        found_queries = found.queries(QUERIES) * np.sqrt(1499 / 1500)
    else:
        found_queries = found.queries(QUERIES)
    theirs = peer.transform(QUERIES.astype(np.float64))
    sign = np.sign((theirs * found_queries).sum(0))
    assert np.allclose(found_queries * sign, theirs, atol=1e-3)
    assert np.allclose(principal(CHUNKS).variance[:12] * 1500 / 1499, peer.explained_variance_)


def test_the_signs_of_directions_do_not_depend_on_the_solver():
    basis = principal(CHUNKS)
    assert (basis.directions[np.abs(basis.directions).argmax(0), np.arange(32)] > 0).all()


def test_pq_distances_are_those_of_the_faiss_index():
    import faiss

    found = fit(TransformConfig(quantise="pq", code_bytes=8), CHUNKS)
    index = faiss.IndexPQ(32, 8, 8)
    index.train(CHUNKS)
    index.add(CHUNKS)
    squared, ids = index.search(QUERIES, 5)
    ours = ((QUERIES[:, None] - found.chunks[ids]) ** 2).sum(2)  # [40, 5] asymmetric distances
    assert np.allclose(ours, squared, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_opq_loses_less_than_pq_and_no_more_than_faiss_from_a_random_rotation():
    import faiss

    def loss(chunks):
        return float(((chunks - CHUNKS) ** 2).sum(1).mean())

    ours = loss(fit(TransformConfig(quantise="opq", code_bytes=4), CHUNKS).chunks)
    rotation = faiss.OPQMatrix(32, 4)
    rotation.niter = 12
    rotation.train(CHUNKS)
    quantiser = faiss.ProductQuantizer(32, 4, 8)
    quantiser.train(rotation.apply(CHUNKS))
    theirs = loss(rotation.reverse_transform(quantiser.decode(quantiser.compute_codes(rotation.apply(CHUNKS)))))
    assert ours < 0.9 * loss(fit(TransformConfig(quantise="pq", code_bytes=4), CHUNKS).chunks)
    assert ours < 1.03 * theirs


def test_int8_is_as_good_as_the_scalar_quantiser_of_faiss():
    import faiss

    peer = faiss.ScalarQuantizer(32, faiss.ScalarQuantizer.QT_8bit)
    peer.train(CHUNKS)
    theirs = ((peer.decode(peer.compute_codes(CHUNKS)) - CHUNKS) ** 2).mean()
    ours = ((fit(TransformConfig(quantise="int8"), CHUNKS).chunks - CHUNKS) ** 2).mean()
    assert ours < 1.02 * theirs


def test_auc_is_that_of_scikit_learn():
    from sklearn.metrics import roc_auc_score

    pairs = np.stack([np.arange(40), rng.integers(1500, size=40)], axis=1)
    found = separation(np.rint(QUERIES), np.rint(CHUNKS[:, :32]), pairs, random_pairs=800)
    truth = np.r_[np.ones(len(found.gold)), np.zeros(len(found.random))]
    assert found.auc == pytest.approx(roc_auc_score(truth, np.r_[found.gold, found.random]), abs=1e-9)


@pytest.mark.slow
def test_tsne_keeps_neighbourhoods_and_is_the_same_again():
    from sklearn.manifold import trustworthiness

    clusters = (rng.normal(size=(6, 32))[rng.integers(6, size=300)] * 3 + rng.normal(size=(300, 32))).astype(np.float32)
    found, again = (drain(flat_map(clusters, clusters[:20] + 0.01, "tsne")) for _ in range(2))
    assert trustworthiness(clusters, found.chunk_xy, n_neighbors=10, metric="cosine") > 0.85
    assert (found.chunk_xy == again.chunk_xy).all() and (found.query_xy == again.query_xy).all()
    # a question lands beside the chunk it almost equals
    near = np.linalg.norm(found.query_xy[:, None] - found.chunk_xy[None], axis=2).argmin(1)
    assert (near == np.arange(20)).mean() > 0.8
