import json

import numpy as np
import pytest

from core.index.chroma import Chroma
from core.index.exact import Exact

rng = np.random.default_rng(7)
VECTORS = rng.normal(size=(3000, 32)).astype(np.float32)
QUERIES = rng.normal(size=(50, 32)).astype(np.float32)


def recall(found, exact):
    return np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found.chunk, exact.chunk, strict=True)])


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_chroma_gives_the_scores_of_exact(metric, tmp_path):
    few = VECTORS[:90]  # searched exactly at this size
    tie_order = np.arange(90, dtype=np.int32)
    exact = Exact(metric=metric).build(few, None).search(QUERIES, 10, tie_order)
    found = Chroma(metric=metric).build(few, tmp_path).search(QUERIES, 10, tie_order)
    assert (found.chunk == exact.chunk).all()
    assert np.allclose(found.score, exact.score, atol=1e-4)


@pytest.mark.slow
def test_ef_search_takes_effect_and_finished_collections_are_reused(tmp_path):
    exact = Exact().build(VECTORS, None).search(QUERIES, 5)
    narrow = Chroma(ef_search=5, ef_construction=20).build(VECTORS, tmp_path)
    wide = Chroma(ef_search=500, ef_construction=20).build(VECTORS, tmp_path)
    few, many = recall(narrow.search(QUERIES, 5), exact), recall(wide.search(QUERIES, 5), exact)
    assert few < 0.8 * many and many > 0.9
    again = Chroma(ef_search=500, ef_construction=20).build(VECTORS, tmp_path)
    assert (again.search(QUERIES, 5).chunk == wide.search(QUERIES, 5).chunk).all()
    assert len(list(tmp_path.glob("*/*/chroma.sqlite3"))) == 2


def test_a_build_that_was_killed_is_replaced(tmp_path):
    part = Chroma()
    part.build(VECTORS[:50], tmp_path)
    ready = next(tmp_path.glob("*/ready.json"))
    first = json.loads(ready.read_text())["store"]
    ready.unlink()  # as if killed before it was finished
    assert part.build(VECTORS[:50], tmp_path).search(QUERIES, 5).chunk.shape == (50, 5)
    assert json.loads(ready.read_text())["store"] != first
    assert not (ready.parent / first).exists()


def test_changes_go_to_a_copy_and_a_damaged_database_is_built_again(tmp_path):
    first = Chroma().build(VECTORS[:300], tmp_path)
    before = first.search(QUERIES, 5).chunk
    first.remove(np.unique(before[:, 0]))
    first.add(QUERIES)
    assert not np.isin(before[:, 0], first.search(QUERIES, 5).chunk).any()
    assert (Chroma().build(VECTORS[:300], tmp_path).search(QUERIES, 5).chunk == before).all()
    database = next(tmp_path.glob("*/*/chroma.sqlite3"))
    store = json.loads(next(tmp_path.glob("*/ready.json")).read_text())["store"]
    database.write_bytes(database.read_bytes()[:1000])
    import chromadb

    chromadb.api.client.SharedSystemClient.clear_system_cache()  # as a fresh process
    assert (Chroma().build(VECTORS[:300], tmp_path).search(QUERIES, 5).chunk == before).all()
    assert json.loads(next(tmp_path.glob("*/ready.json")).read_text())["store"] != store


def test_other_vectors_in_the_same_folder_are_not_taken_for_these(tmp_path):
    Chroma().build(VECTORS[:50], tmp_path)
    exact = Exact().build(VECTORS[50:100], None).search(QUERIES, 5)
    assert (Chroma().build(VECTORS[50:100], tmp_path).search(QUERIES, 5).chunk == exact.chunk).all()


def test_without_a_folder_it_is_a_temporary_one():
    searcher = Chroma().build(VECTORS[:50], None)
    assert "groundwork-index-" in str(searcher._path) and searcher.search(QUERIES, 5).chunk.shape == (50, 5)
