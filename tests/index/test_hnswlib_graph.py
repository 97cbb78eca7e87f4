import numpy as np
import pytest

from core.errors import WorkbenchError
from core.index import hnswlib_graph
from core.index.exact import Exact
from core.index.hnswlib_graph import Hnswlib
from core.models.threads import one_thread

rng = np.random.default_rng(3)
VECTORS = rng.normal(size=(3000, 24)).astype(np.float32)
QUERIES = rng.normal(size=(60, 24)).astype(np.float32)


def recall(found, wanted):
    return np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found.chunk, wanted.chunk, strict=True)])


def test_more_of_each_knob_finds_more_and_ef_holds_for_its_call_only():
    wanted = Exact().build(VECTORS, None).search(QUERIES, 10)
    thin = Hnswlib(m=2, ef_construction=10, ef_search=10).build(VECTORS, None)
    dense = Hnswlib(m=24, ef_construction=200, ef_search=10).build(VECTORS, None)
    few, more = recall(thin.search(QUERIES, 10), wanted), recall(dense.search(QUERIES, 10), wanted)
    wide = recall(dense.search(QUERIES, 10, settings=Hnswlib(ef_search=500)), wanted)
    assert few < more - 0.2 and more < wide - 0.05 and wide > 0.99
    assert recall(dense.search(QUERIES, 10), wanted) == more
    assert dense.memory_bytes > thin.memory_bytes > VECTORS.nbytes


def test_the_same_seed_builds_the_same_graph_and_another_one_another():
    one, two, other = (Hnswlib(ef_search=10, m=4, seed=seed).build(VECTORS, None).search(QUERIES, 10) for seed in (1, 1, 2))
    assert (one.chunk == two.chunk).all() and (one.chunk != other.chunk).any()


def test_one_thread_is_asked_for(monkeypatch):
    searcher, used = Hnswlib().build(VECTORS[:50], None), []

    class Watched:
        def __init__(self, graph):
            self.graph = graph

        def __getattr__(self, name):
            return getattr(self.graph, name)

        def knn_query(self, queries, depth, num_threads=-1):
            used.append(num_threads)
            return self.graph.knn_query(queries, depth, num_threads)

    monkeypatch.setattr(searcher, "_graph", Watched(searcher._graph))
    with one_thread():
        searcher.search(QUERIES, 5)
    assert used == [1]


@pytest.mark.parametrize("near", [False, True])
def test_a_filter_finds_as_many_as_there_are_even_far_from_the_question(near, monkeypatch):
    monkeypatch.setattr(hnswlib_graph, "_EXACT", 0)  # through the graph
    similar = VECTORS @ QUERIES[0]
    among = similar > np.quantile(similar, 0.9) if near else similar < np.quantile(similar, 0.1)
    searcher = Hnswlib(metric="dot", ef_search=50).build(VECTORS, None)
    found = searcher.search(QUERIES[:1], 10, among=among)
    wanted = Exact(metric="dot").build(VECTORS, None).search(QUERIES[:1], 10, among=among)
    assert (found.chunk >= 0).all() and among[found.chunk].all() and recall(found, wanted) >= 0.9


def test_a_graph_torn_by_deletions_gives_fewer_results_and_no_error():
    searcher = Hnswlib(m=2, ef_construction=10, ef_search=1).build(VECTORS[:500], None)
    searcher.remove(np.arange(0, 480))
    found = searcher.search(QUERIES, 20)
    assert found.chunk.shape == (60, 20) and set(found.chunk.ravel()) <= {-1, *range(480, 500)}
    assert (found.chunk >= 0).sum() > 60


def test_what_was_removed_is_named_when_it_is_changed():
    searcher = Hnswlib().build(VECTORS[:20], None)
    searcher.remove([3])
    with pytest.raises(WorkbenchError, match="Id 3"):
        searcher.update([3], VECTORS[:1])


def test_a_saved_graph_belongs_to_its_build_settings(tmp_path):
    Hnswlib(ef_search=10).build(VECTORS[:300], tmp_path)
    Hnswlib(ef_search=99).build(VECTORS[:300], tmp_path)
    assert len(list(tmp_path.glob("*/*.index"))) == 1
    Hnswlib(m=8).build(VECTORS[:300], tmp_path)
    assert len(list(tmp_path.glob("*/*.index"))) == 2


def test_a_flipped_bit_is_seen_and_the_graph_built_again(tmp_path):
    before = Hnswlib().build(VECTORS[:300], tmp_path).search(QUERIES, 10)
    file = next(tmp_path.glob("*/*.index"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 64
    file.write_bytes(content)
    assert (Hnswlib().build(VECTORS[:300], tmp_path).search(QUERIES, 10).chunk == before.chunk).all()
    assert not file.exists()
