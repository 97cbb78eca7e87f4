"""The journal: what is acknowledged is there, whole, once, and damage is seen rather than suffered."""

import errno
import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.files import ids
from core.files.ids import id_time, is_id, new_id
from core.progress import drain
from core.store import journal as module
from core.store.journal import Journal

SAMPLES = Path(__file__).parents[1] / "records"


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal")


def test_ids_rise_and_tell_their_time(monkeypatch):
    made = [new_id() for _ in range(2000)]
    assert made == sorted(made) and len(set(made)) == 2000
    assert abs(id_time(made[0]).timestamp() - time.time()) < 5
    monkeypatch.setattr(ids.time, "time_ns", lambda: 0)  # the clock is set back
    assert new_id() > made[-1]


def test_an_id_follows_the_one_it_is_to_follow_whatever_the_clock_says(monkeypatch):
    monkeypatch.setattr(ids.time, "time_ns", lambda: 10**18 * 3)  # where the clock is far ahead
    monkeypatch.setattr(ids, "_last", 0)
    ahead = new_id()
    monkeypatch.undo()
    after = new_id(ahead)
    assert ahead < after < new_id(after) and id_time(after) == id_time(ahead)
    assert new_id() < ahead, "the others keep to the clock"
    assert new_id("row-1") and not is_id("row-1") and not is_id(ahead) and is_id(new_id())


def test_the_opening_of_a_record_is_read_alone(journal):
    record_id = journal.add("study", {"study": "toy", "round": "main", "design": {"long": ',"design":' * 9999}})
    assert journal.opening(journal.listing()[record_id].path, "design") == {"study": "toy", "round": "main"}
    record_id = journal.add("study", {"study": "toy"})
    path = journal.listing()[record_id].path
    assert journal.opening(path, "design") == {"study": "toy"}
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:40])
    assert journal.opening(path, "design") is None and str(path) in journal.damaged


def test_ids_of_processes_do_not_meet():
    code = "from core.files.ids import new_id; print(*(new_id() for _ in range(500)))"
    children = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    ids = [record_id for child in children for record_id in child.communicate()[0].split()]
    assert len(ids) == len(set(ids)) == 1000


def test_what_is_added_is_read_back(journal):
    payload = {"text": "Ω \x00 \ud800", "scores": np.array([0.1, 1e-300]), "n": np.int64(3), "none": None}
    record_id = journal.add("trial", payload)
    assert journal.read(record_id).payload == {"text": "Ω \x00 \ud800", "scores": [0.1, 1e-300], "n": 3, "none": None}
    assert journal.read(record_id)[:2] == (record_id, "trial")
    other = journal.add("answer", {})
    assert [record.id for record in journal.records()] == [record_id, other]
    assert [record.id for record in journal.records(since=record_id)] == [other]


def test_another_writer_is_seen_at_once(journal):
    journal.listing()
    for _ in range(5):
        record_id = Journal(journal.folder).add("trial", {})
        assert record_id in journal.listing()
    assert journal.listing() is journal.listing()


def test_a_folder_is_listed_again_whatever_its_times_say(journal, monkeypatch):
    journal.add("trial", {})
    [day] = journal.folder.iterdir()
    journal.listing()
    assert journal._days[day][0] == 0  # just changed: within the clock's grain another record could hide
    before, now = day.stat(), time.time_ns()
    monkeypatch.setattr(ids.time, "time_ns", lambda: now + 2_000_000_000)
    journal.listing()
    assert journal._days[day][0] == before.st_ctime_ns
    time.sleep(0.02)
    record_id = Journal(journal.folder).add("trial", {})
    os.utime(day, ns=(before.st_atime_ns, before.st_mtime_ns))  # as copying tools do
    assert record_id in journal.listing()


@pytest.mark.parametrize("payload", [{"a": float("nan")}, {"a": {1, 2}}, {"a": np.array([np.inf])}])
def test_what_is_not_plain_is_refused(journal, payload):
    with pytest.raises(WorkbenchError):
        journal.add("trial", payload)
    assert not list(journal.folder.rglob("*.gz"))


@pytest.mark.parametrize(
    "payload", [{"a": [0.1, -0.0, 1e-7]}, {"a": 2**70}, {"ä": "\ud800 ü"}, {"a": np.arange(3)}, {"a": (1, 2)}]
)
def test_odd_values_are_read_back_as_they_were(journal, payload):
    back = journal.read(journal.add("trial", payload)).payload
    assert json.dumps(back) == json.dumps(payload, default=lambda array: array.tolist())


def test_unknown_ids_and_kinds(journal):
    for record_id in ("0" * 26, "nonsense", "../../etc/passwd", ""):
        with pytest.raises(WorkbenchError):
            journal.read(record_id)
    with pytest.raises(WorkbenchError):
        journal.add("thought", {})


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_nothing_half_written(journal, monkeypatch, call):
    kept = journal.add("trial", {"n": 1})

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(WorkbenchError, match="No space"):
        journal.add("trial", {"n": 2})
    monkeypatch.undo()
    files = [path for path in journal.folder.rglob("*") if path.is_file()]
    assert [path.name.split(".")[0] for path in files] == [kept]


def test_a_write_that_is_cut_short_leaves_nothing(tmp_path):
    code = f"""
import os, resource
from core.errors import WorkbenchError
from core.store.journal import Journal
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    Journal({str(tmp_path)!r}).add("trial", {{"noise": os.urandom(50_000).hex()}})
except WorkbenchError as error:
    print("refused")
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "refused" and not [path for path in tmp_path.rglob("*") if path.is_file()]


def flip(path: Path, at: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def forge(path: Path) -> None:
    """Another payload under an intact compression: only our own checksum can tell."""
    head, body = gzip.decompress(path.read_bytes()).split(b"\n")[:2]
    path.chmod(0o644)
    path.write_bytes(gzip.compress(head + b"\n" + body.replace(b"0.5", b"0.6") + b"\n"))


@pytest.mark.parametrize("harm", [
    lambda path: flip(path, 0.3), lambda path: flip(path, 0.7), lambda path: flip(path, 0.99), forge,
    lambda path: os.truncate(path, 20), lambda path: os.truncate(path, 0), lambda path: os.remove(path) or path.mkdir(),
    lambda path: shutil.move(path, path.with_name(path.name.replace(".trial.", ".answer."))),
])  # fmt: skip
def test_damage_is_reported_and_the_rest_is_read(journal, harm):
    ids = [journal.add("trial", {"score": 0.5, "n": n}) for n in range(3)]
    path = journal.listing()[ids[1]].path
    path.chmod(0o644)
    harm(path)
    assert [record.id for record in journal.records()] == [ids[0], ids[2]]
    report = drain(journal.verify())
    assert report.counts == {"trial": 2} and len(report.damaged) == 1
    assert ids[1] in report.damaged[0].path and report.damaged[0].reason
    with pytest.raises(WorkbenchError):
        journal.read(ids[1])


def test_leftovers_of_a_killed_writer_are_told_from_a_living_ones(journal):
    journal.add("trial", {})
    day = next(journal.folder.iterdir())
    (day / ".fresh.tmp").write_bytes(b"half")
    (day / ".old.tmp").write_bytes(b"half")
    os.utime(day / ".old.tmp", (0, 0))
    (day / "notes.txt").write_text("not ours")
    report = drain(journal.verify())
    assert report.leftovers == (str(day / ".old.tmp"),)
    assert [damage.path for damage in report.damaged] == [str(day / "notes.txt")]


def test_two_journals_merge_by_copying(tmp_path):
    mine, yours = Journal(tmp_path / "mine"), Journal(tmp_path / "yours")
    ids = {mine.add("trial", {"n": 1}), yours.add("trial", {"n": 2})}
    mine.listing()
    shutil.copytree(yours.folder, mine.folder, dirs_exist_ok=True)  # with the old times of the files
    assert set(mine.listing()) == ids
    shutil.copytree(yours.folder, mine.folder / "from-a-colleague" / "..", dirs_exist_ok=True)
    assert len(list(mine.records())) == 2


def test_records_of_a_newer_version_are_left_alone(journal, monkeypatch):
    monkeypatch.setattr(module, "SCHEMA", module.SCHEMA + 1)
    record_id = journal.add("trial", {})
    monkeypatch.undo()
    assert list(journal.records()) == [] and "newer version" in journal.damaged[str(journal.listing()[record_id].path)]


def test_older_records_are_upgraded_as_they_are_read(journal, monkeypatch):
    record_id = journal.add("trial", {"old": 1})
    monkeypatch.setattr(module, "SCHEMA", 3)
    monkeypatch.setitem(module.UPGRADES, ("trial", 1), lambda payload: {"new": payload["old"]})
    assert journal.read(record_id).payload == {"new": 1}


@pytest.mark.parametrize("path", sorted(SAMPLES.rglob("*.jsonl.gz")), ids=lambda path: path.name)
def test_records_of_every_version_load(path):
    record = module.decode(path.read_bytes(), path.name)
    expected = {
        "trial": "rankings",
        "trial_note": "tags",
        "questions": "queries",
        "answer": "question",
        "index": "ids",
        "samples": "samples",
        "study": "design",
        "experiment": "document",
        "decision": "verdict",
    }[record.kind]
    assert record.payload[expected]
