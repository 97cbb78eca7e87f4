"""Qdrant by the URL of a server: what is asked of it over HTTP, what is found, and what is left alone."""

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.index.exact import Exact
from core.index.qdrant import Qdrant
from core.labs.stores.bench import STORES, choose

rng = np.random.default_rng(4)
VECTORS = rng.normal(size=(120, 8)).astype(np.float32)
QUERIES = rng.normal(size=(6, 8)).astype(np.float32)


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_it_finds_and_changes_as_exact_search_does(qdrant, tmp_path, metric):
    part, truth = Qdrant(server="QDRANT", metric=metric), Exact(metric=metric).build(VECTORS, None)
    searcher, among = part.build(VECTORS, tmp_path), rng.random(120) < 0.2
    for mask in (None, among):
        found, wanted = searcher.search(QUERIES, 10, among=mask), truth.search(QUERIES, 10, among=mask)
        assert (found.chunk == wanted.chunk).all() and np.allclose(found.score, wanted.score, atol=1e-5)
    for each in (searcher, truth):
        each.remove(each.add(QUERIES)[:2])
        each.update(np.arange(3), QUERIES[:3])
    assert searcher.size == truth.size == 124 and (searcher.search(QUERIES, 8).chunk == truth.search(QUERIES, 8).chunk).all()
    created = len([path for command, path, _ in qdrant.asked if command == "PUT" and path.count("/") == 2])
    again = part.build(VECTORS, tmp_path)  # what is saved is found, and was not changed
    assert (again.search(QUERIES, 10).chunk == Exact(metric=metric).build(VECTORS, None).search(QUERIES, 10).chunk).all()
    assert created == 2 == len([path for command, path, _ in qdrant.asked if command == "PUT" and path.count("/") == 2])
    del searcher
    left = [each.name for each in qdrant.local.get_collections().collections]
    assert left == [again._name], "a changed copy is dropped with its searcher"


def test_a_collection_of_others_is_never_touched_and_a_half_built_one_is_made_anew(qdrant, tmp_path):
    part = Qdrant(server="QDRANT")
    name = part.build(VECTORS, tmp_path)._name
    qdrant.local.delete(name, [1, 2, 3])
    assert part.build(VECTORS, tmp_path)._name == name and qdrant.local.count(name).count == 120
    qdrant.local.delete_collection(name)
    from qdrant_client import models

    qdrant.local.create_collection(name, models.VectorParams(size=3, distance="Dot"))
    with pytest.raises(WorkbenchError, match="not Groundwork's"):
        part.build(VECTORS, tmp_path)
    assert qdrant.local.get_collection(name).config.params.vectors.size == 3


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_a_server_that_dies_is_told_without_address_or_key(qdrant, tmp_path, monkeypatch):
    monkeypatch.setenv("QDRANT_API_KEY", "planted-key")
    searcher = Qdrant(server="QDRANT").build(VECTORS, tmp_path)
    assert {headers.get("api-key") for _, _, headers in qdrant.asked} == {"planted-key"}
    assert "planted" not in "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    qdrant.local.delete_collection(searcher._name)
    with pytest.raises(WorkbenchError, match=r"404 Collection .* not found"):
        searcher.search(QUERIES, 5)
    address = f"http://me:hidden@127.0.0.1:{qdrant.server_port}"
    qdrant.shutdown()
    qdrant.server_close()
    monkeypatch.setenv("QDRANT", address)
    for call in (lambda: searcher.search(QUERIES, 5), lambda: Qdrant(server="QDRANT").build(VECTORS, tmp_path)):
        with pytest.raises(WorkbenchError, match="no answer") as raised:
            call()
        said = f"{raised.value} {raised.value.__cause__}"
        assert raised.value.where == "QDRANT" and "hidden" not in said and "planted" not in said and address not in said
    monkeypatch.setenv("QDRANT", "ftp://me:hidden@host")
    with pytest.raises(WorkbenchError, match="cannot be read"):
        Qdrant(server="QDRANT").build(VECTORS, tmp_path)
    monkeypatch.delenv("QDRANT")
    with pytest.raises(WorkbenchError, match="holds no address"):
        Qdrant(server="QDRANT").build(VECTORS, tmp_path)


def test_as_a_store_it_keeps_rows_and_the_memory_of_agents_and_is_gone_at_the_end(qdrant):
    left = choose((), {}).left_out["qdrant_server"]
    assert "--qdrant QDRANT" in left.command
    [kind] = choose(("qdrant_server",), {"qdrant": "QDRANT"}).stores
    with kind.running(None, {"qdrant": "QDRANT"}) as where:
        store, vectors = kind(where.place), VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
        store.create(8)
        store.load(np.arange(120), vectors, np.arange(120))
        store.index()
        store.insert(500, -vectors[7], 3)
        assert store.search(-vectors[7], 1, 64) == [500] and store.search(vectors[7], 1, 64) == [7]
        assert all(row < 50 or row == 500 for row in store.search(vectors[7], 5, 64, 50))
        store.update(500, vectors[7], 3)
        store.delete(500)
        assert store.ids() == set(range(120))
        store.remember(["counter", "list"], "0")
        store.anew().write("counter", "a b")
        assert store.read("counter") == "a b" and store.read("list") == "0"
        theirs = f"{where.place.split()[1]}"
        assert any(theirs in each.name for each in qdrant.local.get_collections().collections)
    assert not qdrant.local.get_collections().collections and STORES["qdrant_server"].family == "qdrant"
