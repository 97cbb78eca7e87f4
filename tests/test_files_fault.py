"""Files that rot, in every kind of file that a run reads back: the same numbers as undisturbed or an error in words,
never other numbers and never a traceback. Also caches that may only be read, and disks that are full."""

import errno
import os
import random
import shutil
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from core import files
from core.config import TrialConfig, with_settings
from core.embedding import vectors
from core.errors import WorkbenchError
from core.files import DiskError
from core.models import identity, loading
from core.progress import drain
from core.workbench import Workbench
from tests.support.small_corpora import THINGS, WAYS, small_bert, with_towns

TEXTS = {
    f"{thing}.txt": f"{thing.capitalize()} {way}. Of {thing} number {n} little else is known. " * 3
    for n, (thing, way) in enumerate(zip(THINGS, WAYS * 3, strict=True))
}
ASKED = [
    {
        "id": thing,
        "question": f"What {WAYS[n % 4].split()[0]} {thing}?",
        "document": f"{thing}.txt",
        "answers": [f"{thing.capitalize()} {WAYS[n % 4]}"],
    }
    for n, thing in enumerate(THINGS)
]
RECIPES = {
    "hybrid": {"embedding": {"part": "lsa", "dimensions": 8}, "index": {"part": "faiss_hnsw"}, "fusion": "rrf"},
    "trained": {"embedding": {"part": "trained", "name": "small"}, "index": {"part": "exact"}, "fusion": "dense_only"},
}
SHARED = {
    "corpus.dataset": "towns",
    "chunking.size_tokens": 16,
    "chunking.overlap_tokens": 0,
    "evaluation.resamples": 200,
    "retrieval.candidates": 5,
}


def config(name: str) -> TrialConfig:
    return with_settings(TrialConfig(**RECIPES[name]), SHARED)


def fresh(home: Path) -> Workbench:
    """A workbench that remembers nothing of earlier ones, as after a restart."""
    vectors._stores.clear()
    loading._loaded.clear()
    identity._file_hash.cache_clear()
    files.notices.clear()
    return Workbench(home)


def numbers(home: Path, name: str) -> dict[str, list[float]]:
    found = fresh(home).evaluate(config(name))
    return {metric: np.nan_to_num(values, nan=-1).tolist() for metric, values in found.values.items()}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """A copy of a home with everything cached, and what its recipes measure."""
    base = tmp_path_factory.mktemp("damaged")
    home = base / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDWORK_HOME", str(home))
        with_towns(home, TEXTS, ASKED)
        small_bert(home / "encoders" / "small")
        files.seal_folder(home / "encoders" / "small")
        wanted = {name: numbers(home, name) for name in RECIPES}
    assert all(0 < np.mean(found["mrr"]) < 1 for found in wanted.values()), "numbers that damage could change"
    shutil.copytree(home, base / "copy")
    return base / "copy", wanted


@pytest.fixture
def home(pristine, monkeypatch):
    """Always at the same place: a corpus is known by the paths and times of its files."""
    place = pristine[0].parent / "home"
    monkeypatch.setenv("GROUNDWORK_HOME", str(place))
    restored(pristine[0], place)
    return place


def restored(source: Path, place: Path, *parts: str) -> None:
    for part in parts or [path.name for path in source.iterdir()]:
        shutil.rmtree(place / part, ignore_errors=True)
        shutil.copytree(source / part, place / part) if (source / part).is_dir() else shutil.copy2(source / part, place)


def harmed(data: bytes, harm: str, draw: random.Random) -> bytes:
    place = draw.randrange(len(data))
    if harm == "cut":
        return data[:place]
    if harm == "zeros":
        return data[:place] + bytes(min(32, len(data) - place)) + data[place + 32 :]
    return data[:place] + bytes([data[place] ^ 1 << draw.randrange(8)]) + data[place + 1 :]


# what stands above a kind of file is taken away, or the file would not be read at all
KINDS = {
    "cache/corpus": (), "cache/chunks": (), "cache/sparse": (), "cache/dense": (),
    "cache/vectors": ("cache/dense",), "cache/index": ("cache/dense",), "cache/encoders": ("cache/dense",),
    "corpora": ("cache/corpus",), "encoders": ("cache/dense", "cache/vectors", "cache/chunks"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_no_damage_is_believed(kind, pristine, home):
    source, wanted = pristine
    draw, told = random.Random(zlib.crc32(kind.encode())), 0
    locks = ".lock", ".gate"  # nothing reads them
    files_there = (path for path in (source / kind).rglob("*") if path.is_file() and path.suffix not in locks)
    inside = sorted(path.relative_to(source) for path in files_there)
    recipe = "trained" if kind == "encoders" else "hybrid"
    cases = [(path, harm) for path in inside for harm in ("flip", "flip", "cut", "zeros")]
    assert cases
    for path, harm in draw.sample(cases, min(len(cases), 5 if kind == "encoders" else 16)):
        restored(source, home, *({"cache", "corpora", kind.split("/")[0]}))
        for above in KINDS[kind]:
            shutil.rmtree(home / above)
        data, kept = (source / path).read_bytes(), (source / path).stat()
        (home / path).write_bytes(harmed(data, harm, draw))
        os.utime(home / path, ns=(kept.st_atime_ns, kept.st_mtime_ns))
        try:
            assert numbers(home, recipe) == wanted[recipe], f"{harm} in {path}"
            told += bool(files.notices)
        except WorkbenchError as error:
            assert str(home) in error.where and error.todo, f"{harm} in {path}: {error}"
            told += 1
    assert told, "damage that was found is told"


@pytest.mark.slow
def test_what_was_damaged_is_whole_again_at_the_next_start(pristine, home):
    for entry in (home / "cache" / "sparse").rglob("score.npy"):
        entry.write_bytes(harmed(entry.read_bytes(), "zeros", random.Random(3)))
    assert numbers(home, "hybrid") == pristine[1]["hybrid"] and "damaged" in files.notices[0]
    assert numbers(home, "hybrid") == pristine[1]["hybrid"] and not files.notices


@pytest.mark.slow
def test_a_damaged_text_of_own_documents_is_read_again_by_adding_it_again(pristine, home):
    shutil.rmtree(home / "cache" / "corpus")
    parsed = next((home / "corpora" / "towns").rglob("*.parsed.json"))
    parsed.write_text(parsed.read_text().replace("little", "litter"))
    with pytest.raises(WorkbenchError, match="damaged") as error:
        numbers(home, "hybrid")
    assert "ingest" in error.value.todo
    assert [one.name for one in fresh(home).datasets() if one.kind == "own"] == ["silent", "towns"]
    drain(fresh(home).library.ingest("towns", [(name, text.encode()) for name, text in TEXTS.items()]))
    assert numbers(home, "hybrid") == pristine[1]["hybrid"]


# A cache that may only be read, and full disks -------------------------------------------------------------------------


@contextmanager
def refusing(monkeypatch, number: int, below: Path, after: int = 0):
    """The system refuses, from the operation `after` on, whatever writes below a folder: as root, modes refuse nothing."""
    import builtins
    import io

    seen = [0]

    def guard(module, name, writes=lambda *a, **k: True):
        real = getattr(module, name)

        def guarded(path, *arguments, **keywords):
            inside = isinstance(path, str | os.PathLike) and os.fspath(path).startswith(str(below))
            if inside and writes(*arguments, **keywords):
                seen[0] += 1
                if seen[0] > after:
                    raise OSError(number, os.strerror(number), os.fspath(path))
            return real(path, *arguments, **keywords)

        patch.setattr(module, name, guarded)

    with monkeypatch.context() as patch:
        for name in ("mkdir", "rename", "replace", "utime", "unlink", "rmdir"):
            guard(os, name)
        for module in (builtins, io):
            guard(module, "open", lambda mode="r", *a, **k: set(mode) & set("wax+"))
        yield seen


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_cache_that_may_only_be_read_serves_what_it_holds(pristine, home, monkeypatch, name, number):
    with refusing(monkeypatch, number, home / "cache"):
        assert numbers(home, name) == pristine[1][name] and not files.notices


def test_what_a_read_only_cache_lacks_is_computed_and_told_as_not_kept(pristine, home, monkeypatch):
    for above in ("dense", "sparse", "chunks", "vectors", "encoders", "corpus"):
        shutil.rmtree(home / "cache" / above)
    with refusing(monkeypatch, errno.EACCES, home / "cache"):
        assert numbers(home, "hybrid") == pristine[1]["hybrid"]
        assert files.notices and all("not kept" in notice for notice in files.notices)
    assert not (home / "cache" / "dense").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_refuses_at_any_operation_of_a_first_run_says_so(pristine, home, monkeypatch, number):
    shutil.rmtree(home / "cache")
    with refusing(monkeypatch, number, home / "cache", after=10**9) as seen:
        assert numbers(home, "hybrid") == pristine[1]["hybrid"]
    total, said = seen[0], 0
    assert total > 20
    for after in random.Random(number).sample(range(total), 6):
        shutil.rmtree(home / "cache")
        with refusing(monkeypatch, number, home / "cache", after=after):
            try:
                assert numbers(home, "hybrid") == pristine[1]["hybrid"]
            except DiskError as error:
                said += 1
                assert os.strerror(number) in error.what and " free" in error.what and error.todo
                assert ("Free some space" in error.todo) == (number == errno.ENOSPC)
        assert numbers(home, "hybrid") == pristine[1]["hybrid"], "what was left behind does no harm"
    assert said


@pytest.mark.slow
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_a_disk_that_refuses_while_documents_are_added_says_so(home, monkeypatch, number):
    place, some = home / "corpora" / "more", [("a.txt", b"alpha"), ("b.txt", b"beta")]
    asked = ("questions.jsonl", b'{"question": "What?", "document": "a.txt", "answer": "alpha"}')
    with refusing(monkeypatch, number, place, after=10**9) as seen:
        drain(fresh(home).library.ingest("more", some, asked))
    for after in range(0, seen[0], 6):
        shutil.rmtree(place)
        with refusing(monkeypatch, number, place, after=after):
            try:
                statuses = drain(fresh(home).library.ingest("more", some, asked))
                assert number != errno.ENOSPC or all(one.status == "ok" for one in statuses)
            except DiskError as error:
                assert os.strerror(number) in error.what and error.todo
                assert ("Free some space" in error.todo) == (number == errno.ENOSPC)
        assert all(one.status == "ok" for one in drain(fresh(home).library.ingest("more", some, asked)))


def test_words_for_what_the_disk_refuses(tmp_path):
    full = files.disk_error(OSError(errno.ENOSPC, "x"), "The index", tmp_path / "a" / "b", 3_200_000)
    assert "No space left on device" in full.what and " free, 3.2 MB needed)" in full.what and "Free some space" in full.todo
    denied = files.disk_error(OSError(errno.EACCES, "x"), "The index", tmp_path)
    assert denied.forbidden and "permission" in denied.todo and "free" not in denied.what + denied.todo
    wrapped = RuntimeError("lance error: No space left on device (os error 28)")
    with pytest.raises(DiskError, match="The index could not be written"), files.disk_reported("The index", tmp_path):
        raise wrapped
    for words in ("211500 requested and 13280 written", "database or disk is full"):  # numpy's, and SQLite's
        assert files.errno_of(OSError(words)) == errno.ENOSPC
    with pytest.raises(ZeroDivisionError), files.disk_reported("The index", tmp_path):
        raise ZeroDivisionError


def test_a_file_is_the_new_one_or_the_old_one(tmp_path, monkeypatch):
    target = tmp_path / "state.json"
    files.write_whole(target, "old")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "x")))
        with pytest.raises(DiskError, match="Input/output error") as error:
            files.write_whole(target, lambda file: file.write(b"new"), "The state")
    assert error.value.what.startswith("The state could not") and "system's log" in error.value.todo
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["state.json"]
