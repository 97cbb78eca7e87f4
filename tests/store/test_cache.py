"""The stage cache: whole or absent, damaged entries dropped, oldest out first."""

import json
import os
import time

import numpy as np
import pytest

from core import files
from core.errors import WorkbenchError
from core.store.cache import StageCache


def test_round_trip_keeps_values_types_and_meta(tmp_path):
    cache = StageCache(tmp_path, 10**9)
    cache.save("stage", "key", {"a": np.arange(5, dtype=np.int32), "b": np.full((2, 3), np.nan, np.float32)}, {"n": 5})
    arrays, meta = cache.load("stage", "key")
    assert meta == {"n": 5} and arrays["a"].dtype == np.int32
    np.testing.assert_array_equal(arrays["b"], np.full((2, 3), np.nan, np.float32))
    assert cache.load("stage", "other") is None


@pytest.mark.parametrize("damage", ["truncate", "meta", "missing", "a name of the seal"])
def test_a_damaged_entry_is_dropped_not_returned_and_told(tmp_path, monkeypatch, damage):
    monkeypatch.setattr(files, "notices", [])
    cache = StageCache(tmp_path, 10**9)
    cache.save("stage", "key", {"a": np.arange(1000)})
    file = tmp_path / "stage" / "key" / "a.npy"
    if damage == "truncate":
        file.write_bytes(file.read_bytes()[:100])
    elif damage == "meta":
        (file.parent / "meta.json").write_text("{")
    elif damage == "a name of the seal":  # without which it looks like one of an earlier version
        (file.parent / "meta.json").write_text((file.parent / "meta.json").read_text().replace("crc32", "crc33"))
    else:
        file.unlink()
    assert cache.load("stage", "key") is None
    assert "computed anew" in " ".join(files.notices)
    cache.save("stage", "key", {"a": np.arange(3)})
    assert len(cache.load("stage", "key")[0]["a"]) == 3


def test_the_entry_used_longest_ago_goes_first(tmp_path):
    cache = StageCache(tmp_path, 10**9)
    for number, name in enumerate(["old", "used", "new"]):
        cache.save("s", name, {"a": np.zeros(1000)})
        os.utime(tmp_path / "s" / name / "meta.json", (number, number))
    cache.load("s", "old")
    cache.cap_bytes = 20_000
    cache.save("s", "newest", {"a": np.zeros(1000)})
    assert not cache.has("s", "used") and cache.has("s", "old") and cache.has("s", "newest")


def test_what_stands_beside_the_entries_goes_with_them(tmp_path):
    cache = StageCache(tmp_path, 10**9)
    places = ("vectors/lsa/a.npz", "index/graph", "encoders/lsa", "ranked/maxsim/a", "vectors/lsa/used.npz")
    for number, name in enumerate(places):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(1000))
        os.utime(tmp_path / name, (number, number))
    os.utime(tmp_path / "vectors" / "lsa" / "used.npz")
    kinds = ["vectors", "indexes", "fitted encoders", "rerankers' scores"]
    assert cache.sizes() == {**dict.fromkeys(kinds, 1000), "vectors": 2000}
    cache.cap_bytes = 2000
    cache.save("s", "newest", {"a": np.zeros(1)})
    assert [path for path in places if (tmp_path / path).exists()] == ["vectors/lsa/used.npz"]
    assert list(cache.sizes()) == ["vectors", "results of stages"] and sum(cache.sizes().values()) <= 2000


def test_a_killed_writer_leaves_no_entry_and_its_rest_is_swept(tmp_path):
    cache = StageCache(tmp_path, 10**9)
    stray = tmp_path / "tmp" / "dead"
    stray.mkdir(parents=True)
    (stray / "meta.json").write_text(json.dumps({"sizes": {}, "meta": {}}))
    os.utime(stray, (time.time() - 7200,) * 2)
    assert cache.load("s", "dead") is None
    cache.save("s", "live", {"a": np.zeros(1)})
    assert not stray.exists()


def test_who_saves_the_same_entry_at_the_same_moment_finds_it_there(tmp_path, monkeypatch):
    StageCache(tmp_path, 10**9).save("chunks", "key", {"a": np.arange(3)})
    late = StageCache(tmp_path, 10**9)
    monkeypatch.setattr(late, "_drop", lambda entry: None)  # it came between
    late.save("chunks", "key", {"a": np.arange(3)})
    assert late.load("chunks", "key")[0]["a"].tolist() == [0, 1, 2] and list((tmp_path / "tmp").iterdir()) == []


def test_a_full_disk_says_what_to_do(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(WorkbenchError, match=r"No space left.*GROUNDWORK_HOME"):
        StageCache(tmp_path, 10**9).save("s", "k", {"a": np.zeros(1)})
    assert not list((tmp_path / "tmp").iterdir())


def test_what_another_process_has_in_work_is_left_alone_and_may_vanish(tmp_path):
    cache = StageCache(tmp_path, 1)
    work = tmp_path / "tmp" / "at-work"
    work.mkdir(parents=True)
    (work / "meta.json").write_text("{}")
    (tmp_path / "tmp" / "vanished").symlink_to(tmp_path / "nowhere")  # listed, and gone when looked at
    cache.save("stage", "key", {"a": np.zeros(1000)})
    assert work.exists() and cache.has("stage", "key")


def test_no_byte_of_an_entry_can_change_unseen(tmp_path):
    """Each byte of each file flipped: the entry is as it was, or gone and told."""
    cache = StageCache(tmp_path, 10**9)
    chunk, score = np.arange(6, dtype=np.int32).reshape(2, 3), np.array([[0.5, np.nan]], np.float32)
    cache.save("dense", "key", {"chunk": chunk, "score": score}, {"seconds": 1.5})
    entry, gone = tmp_path / "dense" / "key", 0
    whole = {path: path.read_bytes() for path in entry.iterdir()}
    for path, data in whole.items():
        for place in range(len(data)):
            path.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
            if (found := cache.load("dense", "key")) is None:
                gone += 1
                entry.mkdir()
                [file.write_bytes(content) for file, content in whole.items()]
                continue
            assert found[1] == {"seconds": 1.5} and found[0]["chunk"].tobytes() == chunk.tobytes(), f"{path.name} at {place}"
            assert found[0]["score"].tobytes() == score.tobytes() and found[0]["chunk"].shape == (2, 3)
            path.write_bytes(data)
    assert gone > 300 and any("dense" in notice for notice in files.notices)
    cache.save("dense", "other", {"chunk": chunk[::-1]})
    for file in (tmp_path / "dense" / "other").iterdir():
        (entry / file.name).write_bytes(file.read_bytes())
    assert cache.load("dense", "key") is None, "another entry's files, whole as they are"
