import numpy as np
import pytest

from core.config import TransformConfig
from core.embedding.transform import fit, identity_transform, principal
from core.errors import WorkbenchError
from core.index.exact import Exact
from core.index.rescore import Rescored
from core.records import Candidates

rng = np.random.default_rng(3)
MIXED = rng.normal(size=(24, 24)) * np.linspace(2, 0.2, 24)
CHUNKS = (rng.normal(size=(400, 24)) @ MIXED + 5).astype(np.float32)
QUERIES = (rng.normal(size=(30, 24)) @ MIXED + 5).astype(np.float32)


def made(vectors=CHUNKS, **settings):
    return fit(TransformConfig(**settings), vectors)


def test_no_step_gives_the_vectors_themselves():
    found = made(dimensions=7, code_bytes=5, rescore=4)  # settings of steps not taken
    assert found.chunks is found.full and (found.chunks == CHUNKS).all()
    assert (found.queries(QUERIES) == QUERIES).all() and found.bytes_per_vector == 96 and found.bytes_fixed == 0
    assert identity_transform(TransformConfig()) and not identity_transform(TransformConfig(quantise="int8"))


def test_centre_subtracts_the_chunks_mean_from_the_questions_too():
    found = made(centre=True)
    assert np.allclose(found.chunks.mean(0), 0, atol=1e-5)
    assert np.allclose(found.queries(QUERIES), QUERIES - CHUNKS.mean(0), atol=1e-5)


def test_all_but_the_top_leaves_nothing_along_the_top_directions():
    found, basis = made(remove_top=3), principal(CHUNKS)
    assert found.dim == 24
    assert np.abs(found.chunks @ basis.directions[:, :3]).max() < 1e-4
    rest = (CHUNKS - basis.mean) @ basis.directions[:, 3:]
    assert np.allclose(found.chunks @ basis.directions[:, 3:], rest, atol=1e-4)


def test_pca_keeps_the_variance_and_follows_the_directions_removed():
    basis = principal(CHUNKS)
    found = made(projection="pca", dimensions=5, remove_top=2)
    assert np.allclose(found.chunks.var(0), basis.variance[2:7], rtol=1e-4)
    whole = made(projection="pca")
    near = np.linalg.norm(whole.chunks[:20, None] - whole.chunks[None, :20], axis=2)
    assert np.allclose(near, np.linalg.norm(CHUNKS[:20, None] - CHUNKS[None, :20], axis=2), atol=1e-4)  # a rotation


def test_whitening_makes_the_covariance_the_identity():
    found = made(projection="whitening", dimensions=10)
    assert np.allclose(np.cov(found.chunks.T, bias=True), np.eye(10), atol=1e-4)
    found = made(projection="whitening", dimensions=10, remove_top=3)
    assert np.allclose(np.cov(found.chunks.T, bias=True), np.eye(10), atol=1e-4)


def test_whitening_leaves_null_directions_out():
    flat = np.concatenate([CHUNKS[:, :6], CHUNKS[:, :6] @ rng.normal(size=(6, 18))], axis=1).astype(np.float32)
    few = made(CHUNKS[:9], projection="whitening")
    assert few.dim == 8 and np.allclose(few.chunks.var(0), 1, atol=1e-3)  # nine points span eight directions
    assert made(flat, projection="whitening").dim == 6
    noisy = flat + rng.normal(size=flat.shape) * 1e-6 * np.sqrt(principal(flat).variance[0])
    assert made(noisy.astype(np.float32), projection="whitening").dim == 6


def test_cut_takes_the_first_numbers_then_normalises():
    found = made(cut=4, normalise=True)
    assert found.dim == 4 and np.allclose(np.linalg.norm(found.chunks, axis=1), 1, atol=1e-6)
    assert np.allclose(found.chunks, CHUNKS[:, :4] / np.linalg.norm(CHUNKS[:, :4], axis=1, keepdims=True), atol=1e-6)
    both = made(projection="whitening", dimensions=6, cut=4)
    assert np.allclose(both.chunks, made(projection="whitening", dimensions=4).chunks, atol=1e-6)


def test_one_basis_serves_every_setting():
    basis = principal(CHUNKS)
    for settings in ({"projection": "pca", "dimensions": 6}, {"projection": "whitening"}, {"remove_top": 2}, {"centre": True}):
        config = TransformConfig(**settings, quantise="int8")
        assert (fit(config, CHUNKS, basis).chunks == fit(config, CHUNKS).chunks).all()


@pytest.mark.parametrize("quantise, bytes_per_vector", [("float16", 48), ("int8", 24), ("binary", 3), ("pq", 6), ("opq", 6)])
def test_quantised_vectors_are_near_and_the_questions_stay_exact(quantise, bytes_per_vector):
    found = made(quantise=quantise, code_bytes=6)
    error = ((found.chunks - found.full) ** 2).sum(1).mean() / ((found.full - found.full.mean(0)) ** 2).sum(1).mean()
    assert error < {"float16": 1e-5, "int8": 1e-4, "binary": 0.45, "pq": 0.2, "opq": 0.2}[quantise]
    assert found.bytes_per_vector == bytes_per_vector and (found.queries(QUERIES) == QUERIES).all()
    assert (found.stored(found.full) == found.chunks).all()
    assert (made(quantise=quantise, code_bytes=6).chunks == found.chunks).all()  # the same again


def test_int8_has_256_levels_and_ends_at_the_range():
    found = made(quantise="int8")
    step = np.ptp(CHUNKS, axis=0) / 255
    assert (np.abs(found.chunks - CHUNKS) <= step * 0.501 + 1e-5).all()
    assert max(len(np.unique(column)) for column in found.chunks.T) <= 256
    beyond = found.stored(CHUNKS.max(0, keepdims=True) + 100)
    assert np.allclose(beyond, CHUNKS.max(0), atol=1e-4)


def test_binary_has_two_levels_each_the_mean_of_its_side():
    found = made(quantise="binary")
    for column, original in zip(found.chunks.T, CHUNKS.T, strict=True):
        above = original > original.mean()
        assert np.allclose(np.unique(column), [original[~above].mean(), original[above].mean()], rtol=1e-5)


def test_odd_dimensions_take_whole_bytes():
    assert made(cut=9, quantise="binary").bytes_per_vector == 2


@pytest.mark.parametrize(
    "settings, vectors, named, todo",
    [
        ({"cut": 25}, CHUNKS, "transform.cut", "1 to 24"),
        ({"projection": "pca", "dimensions": 4, "cut": 5}, CHUNKS, "transform.cut", "1 to 4"),
        ({"projection": "pca", "dimensions": 25}, CHUNKS, "transform.dimensions", "1 to 24"),
        ({"projection": "pca", "dimensions": 9}, CHUNKS[:9], "transform.dimensions", "1 to 8"),
        ({"projection": "pca", "dimensions": 23, "remove_top": 2}, CHUNKS, "transform.dimensions", "1 to 22"),
        ({"remove_top": 24}, CHUNKS, "transform.remove_top", "0 to 23"),
        ({"remove_top": 1}, CHUNKS[[0] * 9], "transform.remove_top", "0"),
        ({"projection": "whitening"}, CHUNKS[[0] * 9], "transform.projection", "none"),
        ({"centre": True}, CHUNKS[[0] * 9], "transform.centre", "False"),
        ({"projection": "pca"}, CHUNKS[:1], "transform.projection", "none"),
        ({"quantise": "pq", "code_bytes": 5}, CHUNKS, "transform.code_bytes", "1, 2, 3, 4, 6, 8, 12, 24"),
        ({"quantise": "opq", "code_bytes": 32}, CHUNKS, "transform.code_bytes", "1, 2, 3, 4, 6, 8, 12, 24"),
        ({"quantise": "pq", "code_bytes": 6}, CHUNKS[:255], "transform.quantise", "none, float16, int8, binary"),
        ({"quantise": "float16"}, CHUNKS * 1e5, "transform.quantise", "transform.normalise"),
    ],
)
def test_what_the_vectors_rule_out_is_named_with_what_is_allowed(settings, vectors, named, todo):
    with pytest.raises(WorkbenchError) as raised:
        made(vectors, **settings)
    assert raised.value.where == named and todo in raised.value.todo


def test_broken_vectors_are_refused():
    broken = CHUNKS.copy()
    broken[7, 3] = np.nan
    with pytest.raises(WorkbenchError, match="NaN") as raised:
        made(broken, centre=True)
    assert raised.value.where == "vector 7"
    with pytest.raises(WorkbenchError, match=r"\(30, 5\).*24"):
        made(centre=True).queries(QUERIES[:, :5])


@pytest.mark.parametrize("normalise", [False, True])
def test_a_chunk_at_the_mean_is_counted_and_never_a_zero_vector(normalise):
    vectors = np.concatenate([CHUNKS, -CHUNKS, np.zeros((1, 24), np.float32)]) + np.float32(1)  # the last is their mean
    found = made(vectors, centre=True, normalise=normalise)
    assert found.lost == 1
    length = np.linalg.norm(found.full[-1])
    assert length == 1 if normalise else 0 < length < 1e-4
    assert not found.queries(vectors[-1:]).any()


def test_many_rows_go_through_in_blocks(monkeypatch):
    settings = {"projection": "whitening", "normalise": True, "quantise": "binary"}
    whole = made(**settings)
    monkeypatch.setattr("core.embedding.transform._BLOCK_ROWS", 37)
    blocks = made(**settings)
    assert np.allclose(blocks.full, whole.full, atol=1e-5) and np.allclose(blocks.chunks, whole.chunks, atol=1e-5)


def test_no_chunks_and_no_questions():
    assert made(CHUNKS[:0], centre=True).chunks.shape == (0, 24)
    assert made(projection="pca", dimensions=3).queries(QUERIES[:0]).shape == (0, 3)


class Growing:
    """A searcher of the protocol, by exact search."""

    def __init__(self, vectors, metric):
        self.vectors, self.metric, self.alive = vectors, metric, np.ones(len(vectors), bool)

    def search(self, queries, depth, tie_order=None, *, settings=None, among=None):
        rows = np.flatnonzero(self.alive if among is None else self.alive & among)
        found = Exact(metric=self.metric).build(self.vectors[rows], None).search(queries, depth)
        pad = ((0, 0), (0, depth - found.chunk.shape[1]))
        chunk = np.where(found.chunk >= 0, rows[found.chunk], -1)
        return Candidates(np.pad(chunk, pad, constant_values=-1), np.pad(found.score, pad, constant_values=np.nan))

    def add(self, vectors):
        ids = np.arange(len(vectors), dtype=np.int32) + len(self.vectors)
        self.vectors = np.concatenate([self.vectors, vectors])
        self.alive = np.append(self.alive, np.ones(len(vectors), bool))
        return ids

    def remove(self, ids):
        self.alive[ids] = False

    def update(self, ids, vectors):
        self.vectors[ids] = vectors

    size = property(lambda self: int(self.alive.sum()))
    memory_bytes = disk_bytes = 0


def recall(found, exact):
    return np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found.chunk, exact.chunk, strict=True)])


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_rescoring_gives_exact_scores_and_most_of_the_loss_back(metric):
    stored = made(quantise="binary")
    exact = Exact(metric=metric).build(CHUNKS, None).search(QUERIES, 10)
    coarse = Growing(stored.chunks, metric)
    lost = recall(coarse.search(QUERIES, 10), exact)
    some = recall(Rescored(coarse, stored.full, 5, metric).search(QUERIES, 10), exact)
    every = Rescored(coarse, stored.full, 40, metric).search(QUERIES, 10)
    assert lost < 0.75 and some > lost + 0.1
    assert (every.chunk == exact.chunk).all() and np.allclose(every.score, exact.score, rtol=1e-4, atol=1e-4)


def test_rescoring_breaks_ties_by_the_rule_and_pads():
    vectors = np.concatenate([CHUNKS[:3], CHUNKS[:1]])
    searcher = Rescored(Growing(vectors, "dot"), vectors, 2, "dot")
    order = np.array([0, 1, 2, 3])
    assert searcher.search(CHUNKS[:1] * 9, 6, order).chunk[0].tolist()[4:] == [-1, -1]
    ahead = [row.tolist().index(3) < row.tolist().index(0) for row in searcher.search(QUERIES, 6, order).chunk]
    behind = [row.tolist().index(3) > row.tolist().index(0) for row in searcher.search(QUERIES, 6, order[::-1]).chunk]
    assert all(ahead) and all(behind)
    assert np.isnan(searcher.search(QUERIES, 6).score[:, 4:]).all()


def test_rescoring_follows_the_life_of_the_index():
    stored = made(quantise="int8")
    before = stored.full.copy()
    searcher = Rescored(Growing(stored.chunks, "l2"), stored.full, 2, "l2", stored.stored)
    searcher.update(np.array([3]), CHUNKS[3:4] + 90)
    assert searcher.search(CHUNKS[3:4] + 90, 1).score[0, 0] == 0
    ids = searcher.add(QUERIES)
    assert (searcher.search(QUERIES, 1).chunk[:, 0] == ids).all() and (searcher.search(QUERIES, 1).score == 0).all()
    searcher.update(ids[:1], QUERIES[:1] + 50)
    searcher.remove(ids[1:2])
    assert (searcher.search(QUERIES, 1).chunk[:2, 0] < 400).all() and searcher.size == 429
    assert searcher.search(QUERIES[:1] + 50, 1).chunk[0, 0] == ids[0]
    only = np.arange(430) < 5
    assert searcher.search(QUERIES, 3, among=only).chunk.max() < 5
    assert (before == stored.full).all()  # the caller's vectors are not written to


def test_opq_of_fewer_chunks_than_dimensions_is_refused_before_faiss_aborts_the_process():
    vectors = np.random.default_rng(0).normal(size=(300, 384)).astype(np.float32)
    with pytest.raises(WorkbenchError, match=r"transform\.quantise = opq"):
        fit(TransformConfig(quantise="opq", code_bytes=32), vectors)
