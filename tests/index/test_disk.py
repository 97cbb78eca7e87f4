"""The indexes that live on disk: FAISS's mapped inverted file and the LanceDB table."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.index import faiss_disk
from core.index.common import checked
from core.index.exact import Exact
from core.index.faiss_disk import FaissDisk
from core.index.lancedb_table import LanceDB

ROOT = Path(__file__).resolve().parents[2]
rng = np.random.default_rng(4)
CENTRES = rng.normal(size=(30, 32))
VECTORS = (CENTRES[rng.integers(30, size=3000)] + 0.5 * rng.normal(size=(3000, 32))).astype(np.float32)
QUERIES = (CENTRES[rng.integers(30, size=50)] + 0.5 * rng.normal(size=(50, 32))).astype(np.float32)
WANTED = Exact().build(VECTORS, None).search(QUERIES, 10)


def recall(found, wanted=WANTED):
    return np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found.chunk, wanted.chunk, strict=True)])


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("storage", ["float32", "float16", "int8"])
def test_blocks_written_by_us_are_the_index_that_faiss_builds(storage, metric, tmp_path, monkeypatch):
    import faiss

    monkeypatch.setattr(faiss_disk, "_BLOCK", 700)
    part = FaissDisk(storage=storage, metric=metric, nlist=20)
    searcher = part.build(VECTORS, tmp_path)
    theirs = part._trained(VECTORS, 20)
    theirs.add(checked(VECTORS, metric))
    ours = searcher._index
    assert ours.ntotal == 3000
    for number in range(20):
        mine, yours = ours.invlists, theirs.invlists
        size = yours.list_size(number)
        assert mine.list_size(number) == size
        read = faiss.rev_swig_ptr
        assert (read(mine.get_ids(number), size) == read(yours.get_ids(number), size)).all()
        count = size * ours.code_size
        assert (read(mine.get_codes(number), count) == read(yours.get_codes(number), count)).all()


def test_it_is_built_from_a_mapped_array_and_finds_the_same(tmp_path):
    np.save(tmp_path / "vectors.npy", VECTORS)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    one = FaissDisk(nprobe=4).build(mapped, tmp_path / "a").search(QUERIES, 10)
    two = FaissDisk(nprobe=4).build(VECTORS, tmp_path / "b").search(QUERIES, 10)
    assert (one.chunk == two.chunk).all() and recall(one) > 0.5


def test_pages_are_given_back_and_the_results_stay(tmp_path, monkeypatch):
    searcher = FaissDisk(nprobe=8).build(VECTORS, tmp_path)
    before, given = searcher.search(QUERIES, 10), []
    give_back = faiss_disk._give_back
    monkeypatch.setattr(faiss_disk, "_give_back", lambda *mapping: (given.append(mapping), give_back(*mapping)))
    monkeypatch.setattr(faiss_disk, "_MAPPED_BYTES", 100_000)
    after = searcher.search(QUERIES, 10)
    assert len(given) > 5 and given[0][1] >= VECTORS.nbytes and (before.chunk == after.chunk).all()


@pytest.mark.parametrize("storage, most, least", [("float32", 1.0, 1.0), ("float16", 0.51, 0.99), ("int8", 0.26, 0.95)])
def test_smaller_numbers_are_a_smaller_file_and_lose_little(storage, most, least, tmp_path):
    searcher = FaissDisk(storage=storage, nlist=10, nprobe=10).build(VECTORS, tmp_path)
    assert recall(searcher.search(QUERIES, 10)) >= least
    assert searcher.disk_bytes < most * VECTORS.nbytes + 3000 * 8 + 10_000


def test_a_bad_vector_is_named_by_its_place_in_the_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(faiss_disk, "_BLOCK", 100)
    vectors = VECTORS.copy()
    vectors[234] = np.nan
    with pytest.raises(WorkbenchError) as error:
        FaissDisk().build(vectors, tmp_path)
    assert error.value.where == "vector 234" and not list(tmp_path.rglob("*.index"))


@pytest.mark.slow
@pytest.mark.parametrize("part", [FaissDisk, LanceDB])
def test_more_lists_than_vectors_name_the_setting(part, tmp_path):
    with pytest.raises(WorkbenchError, match=r"index\.nlist = 90 .*1 to 60"):
        part(nlist=90).build(VECTORS[:60], tmp_path)


@pytest.mark.parametrize("part", [FaissDisk, LanceDB])
def test_one_build_serves_every_nprobe_and_moves_with_its_folder(part, tmp_path):
    searcher = part(nprobe=1, nlist=100).build(VECTORS, tmp_path / "here")
    few = recall(searcher.search(QUERIES, 10))
    assert few < recall(searcher.search(QUERIES, 10, settings=part(nprobe=30))) - 0.05
    files = {path.name for path in tmp_path.rglob("*")}
    shutil.move(tmp_path / "here", tmp_path / "there")
    again = part(nprobe=30, nlist=100).build(VECTORS, tmp_path / "there")
    assert recall(again.search(QUERIES, 10)) > 0.99
    assert {path.name for path in tmp_path.rglob("*")} == files - {"here"} | {"there"}  # nothing was built again


@pytest.mark.parametrize("kind, least", [("ivf_flat", 1.0), ("ivf_pq", 0.6), ("ivf_rq", 0.9), ("ivf_hnsw_sq", 0.97)])
def test_every_kind_of_lancedb_gives_the_scores_of_exact(kind, least, tmp_path):
    searcher = LanceDB(kind=kind, nlist=4, nprobe=4, refine=10).build(VECTORS, tmp_path)
    found = searcher.search(QUERIES, 10)
    assert recall(found) >= least
    same = found.chunk == WANTED.chunk
    assert same.mean() > 0.3 and np.allclose(found.score[same], WANTED.score[same], atol=3e-6)


def test_refine_ranks_again_by_the_vectors(tmp_path):
    searcher = LanceDB(kind="ivf_pq", nlist=4, nprobe=4).build(VECTORS, tmp_path)
    some, many = (recall(searcher.search(QUERIES, 10, settings=LanceDB(nprobe=4, refine=r))) for r in (1, 20))
    assert many > some + 0.1


def test_new_rows_of_lancedb_are_sorted_into_its_lists_when_there_are_many(tmp_path):
    searcher = LanceDB(nlist=10, nprobe=10).build(VECTORS[:2000], tmp_path)
    saved = searcher.disk_bytes
    (index,) = searcher._table.list_indices()
    searcher.add(VECTORS[2000:2100])
    assert searcher._table.index_stats(index.name).num_unindexed_rows == 100
    searcher.add(VECTORS[2100:])
    assert searcher._table.index_stats(index.name).num_unindexed_rows == 0
    assert recall(searcher.search(QUERIES, 10)) > 0.99
    assert LanceDB(nlist=10).build(VECTORS[:2000], tmp_path).disk_bytes == saved  # the changes went to a copy


def test_lancedb_asks_no_network(tmp_path, monkeypatch):
    import socket

    def refuse(*_, **__):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert LanceDB().build(VECTORS[:300], tmp_path).search(QUERIES, 5).chunk.shape == (50, 5)


@pytest.mark.parametrize("part, pattern", [(FaissDisk, "*/*.index"), (LanceDB, "*/*/**/*.lance"), (LanceDB, "*/*/**/*.manifest")])
@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_file_is_built_again(part, pattern, damage, tmp_path):
    wide = part(nlist=10, nprobe=10)
    wide.build(VECTORS, tmp_path)
    file = max(tmp_path.glob(pattern))
    content = bytearray(file.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    else:
        content[len(content) // 2] ^= 64
    file.write_bytes(content)
    assert recall(wide.build(VECTORS, tmp_path).search(QUERIES, 10)) > 0.99
    assert not file.exists()


@pytest.mark.slow
def test_the_folder_of_data_sets_is_not_taken_for_the_package(tmp_path):
    (tmp_path / "datasets" / "medquad").mkdir(parents=True)
    code = """
import sys, importlib
sys.path.insert(0, sys.argv[1])
import datasets  # as whatever looks for Hugging Face's package does
import numpy as np
from pathlib import Path
from core.index.lancedb_table import LanceDB
if sys.argv[2] == "late":
    sys.modules.pop("datasets")
    LanceDB().import_engine()
    importlib.import_module("datasets")
vectors = np.eye(8, dtype=np.float32)
searcher = LanceDB().build(vectors, Path(sys.argv[1]) / "index")
searcher.update(searcher.add(vectors[:1]), vectors[1:2])
print(searcher.search(vectors[:1], 1).chunk.tolist())
"""
    for when in ("before", "late"):
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path), when], capture_output=True, text=True, cwd=ROOT)
        assert done.stdout.strip() == "[[0]]", done.stderr
