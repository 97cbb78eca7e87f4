"""Bad input to every index: an error that names the setting and what is allowed, or a rebuilt file."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from core import files, registry
from core.errors import WorkbenchError
from core.index.common import SavedIndex
from core.index.faiss_hnsw import FaissHNSW
from core.index.faiss_ivf_pq import FaissIVFPQ

NAMES = list(registry.parts("index"))
rng = np.random.default_rng(23)
VECTORS = rng.normal(size=(300, 12)).astype(np.float32)
QUERIES = rng.normal(size=(5, 12)).astype(np.float32)


def part(name, **knobs):
    return registry.find("index", name)(**knobs)


def with_rows(value, *rows):
    vectors = VECTORS.copy()
    vectors[list(rows)] = value
    return vectors


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value, problem", [(np.nan, "NaN"), (np.inf, "NaN or infinity"), (0, "zero")])
def test_vectors_that_no_index_can_hold(name, value, problem, tmp_path):
    with pytest.raises(WorkbenchError, match=problem) as error:
        part(name).build(with_rows(value, 7, 9), tmp_path)
    assert "2 of 300" in error.value.what and error.value.where == "vector 7" and error.value.todo


@pytest.mark.parametrize("name", NAMES)
def test_zero_vectors_are_for_dot_and_l2(name, tmp_path):
    for metric in ("dot", "l2"):
        found = part(name, metric=metric).build(with_rows(0, 7), tmp_path / metric).search(QUERIES, 5)
        assert found.chunk.shape == (5, 5)


@pytest.mark.parametrize("name", NAMES)
def test_other_dimensions(name, tmp_path):
    searcher = part(name).build(VECTORS, tmp_path)
    with pytest.raises(WorkbenchError, match="12 dimensions"):
        searcher.search(QUERIES[:, :11], 5)
    with pytest.raises(WorkbenchError):
        searcher.search(QUERIES[0], 5)
    for change in (
        lambda: searcher.add(QUERIES[:, :11]),
        lambda: searcher.update([1], QUERIES[:1, :11]),
        lambda: searcher.update([1, 2], QUERIES[:1]),
        lambda: searcher.add(with_rows(np.nan, 3)),
    ):
        with pytest.raises(WorkbenchError):
            change()
    with pytest.raises(WorkbenchError, match="table"):
        part(name).build(VECTORS[0], tmp_path / "row")
    assert searcher.size == 300 and searcher.search(QUERIES, 5).chunk.shape == (5, 5)


@pytest.mark.parametrize("name", NAMES)
def test_questions_with_nan(name, tmp_path):
    searcher = part(name).build(VECTORS, tmp_path)
    for number in (1, 5):
        questions = QUERIES[:number].copy()
        questions[number - 1, 3] = np.nan
        with pytest.raises(WorkbenchError, match="NaN"):
            searcher.search(questions, 5)


@pytest.mark.parametrize("name", NAMES)
def test_ids_that_are_not_there_and_filters_of_another_length(name, tmp_path):
    searcher = part(name).build(VECTORS, tmp_path)
    searcher.remove([5])
    for change in (
        lambda: searcher.remove([5]),
        lambda: searcher.remove([300]),
        lambda: searcher.remove([-1]),
        lambda: searcher.update([5], QUERIES[:1]),
        lambda: searcher.update([3, 3], QUERIES[:2]),
    ):
        with pytest.raises(WorkbenchError):
            change()
    for among in (np.ones(299, bool), np.ones(300)):
        with pytest.raises(WorkbenchError, match="filter"):
            searcher.search(QUERIES, 5, among=among)
    assert searcher.size == 299


@pytest.mark.parametrize("name", [name for name in NAMES if "nlist" in registry.find("index", name).model_fields])
def test_more_lists_than_vectors(name, tmp_path):
    with pytest.raises(WorkbenchError, match="nlist = 301") as error:
        part(name, nlist=301).build(VECTORS, tmp_path)
    assert error.value.where == "index.nlist" and "1 to 300" in error.value.todo


def test_pieces_that_do_not_divide_and_too_few_vectors_for_the_codewords():
    with pytest.raises(WorkbenchError, match="m = 5") as error:
        FaissIVFPQ(m=5).build(VECTORS, None)
    assert error.value.where == "index.m" and error.value.todo.endswith("0 (automatic), 1, 2, 3, 4, 6, 12.")
    with pytest.raises(WorkbenchError, match="nbits = 9") as error:
        FaissIVFPQ(nbits=9).build(VECTORS, None)
    assert error.value.where == "index.nbits" and "1 to 8" in error.value.todo
    assert FaissIVFPQ().build(VECTORS[:40], None).search(QUERIES, 5).chunk.shape == (5, 5)


@pytest.mark.parametrize("opq", [False, True])
def test_all_vectors_equal(opq):
    found = FaissIVFPQ(opq=opq, nprobe=69).build(np.ones((300, 12), np.float32), None).search(QUERIES, 5)
    assert (found.chunk >= 0).all() and (found.score == found.score[:, :1]).all()


def damages(path):
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    return {"empty": b"", "half": whole[: len(whole) // 2], "a bit": bytes(flipped), "another": b"not an index"}


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_built_anew(name, tmp_path):
    chosen = part(name)
    wanted = chosen.build(VECTORS, tmp_path).search(QUERIES, 10)
    saved = [path for path in tmp_path.rglob("*.index") if path.is_file()]
    for file in saved:
        for what, content in damages(file).items():
            file = next(path for path in tmp_path.rglob("*.index"))
            file.write_bytes(content)
            found = part(name).build(VECTORS, tmp_path).search(QUERIES, 10)
            assert (found.chunk == wanted.chunk).all(), what
    if not saved:
        pytest.skip("this part keeps no single file")


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_other_vectors_is_built_anew(name, tmp_path):
    part(name).build(VECTORS, tmp_path)
    others = VECTORS[::-1].copy()  # a stale index would find the row counted from the other end
    found = part(name).build(others, tmp_path).search(others[:50], 1)
    assert (found.chunk[:, 0] == np.arange(50)).mean() > 0.9


def test_of_another_engine_and_a_damaged_note(tmp_path):
    wanted = FaissHNSW().build(VECTORS, tmp_path).search(QUERIES, 10).chunk
    note = next(tmp_path.rglob("ready.json"))
    before = json.loads(note.read_text())
    for content in ({**before, "engine": "faiss 0.1"}, {**before, "file": "../gone"}, [], {}):
        note.write_text(json.dumps(content))
        assert (FaissHNSW().build(VECTORS, tmp_path).search(QUERIES, 10).chunk == wanted).all()
        assert json.loads(note.read_text())["engine"] == before["engine"]
    note.write_text('{"file": ')
    assert (FaissHNSW().build(VECTORS, tmp_path).search(QUERIES, 10).chunk == wanted).all()


@pytest.mark.parametrize("name", ["faiss_hnsw", "chroma"])
def test_a_note_with_one_character_changed_is_told_and_no_stale_one(name, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(files, "tell", told.append)
    part(name).build(VECTORS[:50], tmp_path)
    note = next(tmp_path.rglob("ready.json"))
    text = note.read_text()
    note.write_text(text.replace(json.loads(text)["engine"], json.loads(text)["engine"].upper()))
    part(name).build(VECTORS[:50], tmp_path)
    assert len(told) == 1 and "damaged and is built anew" in told[0]
    known = {key: value for key, value in json.loads(text).items() if key != "crc32"}
    note.write_text(files.sealed(known | {"engine": "of an earlier version"}))
    part(name).build(VECTORS[:50], tmp_path)
    assert len(told) == 1


def test_a_build_that_was_killed_leaves_no_half_file(tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        FaissHNSW().build(VECTORS, tmp_path)
    monkeypatch.undo()
    assert not list(tmp_path.rglob("*.index"))
    (tmp_path / next(tmp_path.glob("faiss_hnsw-*")) / "left.index").write_bytes(b"by a process that could not clean up")
    FaissHNSW().build(VECTORS, tmp_path)
    assert len(list(tmp_path.rglob("*.index"))) == 1


@pytest.mark.parametrize("name", ["faiss_hnsw", "faiss_disk", "hnswlib"])
def test_the_size_of_an_index_is_that_of_its_file_and_note(name, tmp_path):
    searcher = part(name).build(VECTORS, tmp_path)
    saved = [path for path in tmp_path.rglob("*") if path.suffix == ".index" or path.name == "ready.json"]
    assert len(saved) == 2 and searcher.disk_bytes == sum(path.stat().st_size for path in saved)


def test_settings_of_another_part():
    with pytest.raises(WorkbenchError, match="cannot search"):
        FaissHNSW().build(VECTORS, None).search(QUERIES, 5, settings=FaissIVFPQ())


def test_opq_of_fewer_vectors_than_dimensions_is_refused_before_faiss_aborts_the_process():
    vectors = np.random.default_rng(0).normal(size=(48, 64)).astype(np.float32)
    with pytest.raises(WorkbenchError, match=r"index\.opq") as refused:
        FaissIVFPQ(opq=True).build(vectors, None)
    assert "False" in refused.value.todo


def test_of_two_that_build_the_same_at_once_the_second_takes_what_the_first_has_written(tmp_path):
    first, second = (SavedIndex(tmp_path, FaissHNSW(), VECTORS, "an engine") for _ in range(2))
    assert first.file() is None and second.file() is None
    with ThreadPoolExecutor(1) as pool:
        later = []

        def write(path):
            later.append(pool.submit(second.write, lambda path: path.write_text("the second")))
            time.sleep(0.3)
            path.write_text("the first")

        path = first.write(write)
        assert later[0].result() == path == first.file() and path.read_text() == "the first"
