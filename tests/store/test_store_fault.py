"""What the store survives: crowds, kills, and files that rot. benchmarks/store.py does the same at full size."""

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from unittest import mock

import pytest

from core.errors import WorkbenchError
from core.files import Busy, hold
from core.progress import drain
from core.store import backup, database_file
from core.store.database import Store
from core.store.journal import SEGMENT, Journal

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow

WRITER = """
import sys
from core.store.database import Store
store, count = Store(sys.argv[1]), int(sys.argv[2])
payload = {"config": {"corpus": {"dataset": "toy"}}, "status": "ok", "chunks": [["a", 0, 5]], "noise": "x" * 3000,
           "rankings": {"q1": [[0], [0.5]]}}
for number in range(count):
    print(store.add("trial", {**payload, "seed": number}), flush=True)
"""


def start(code, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, text=True, **options
    )


def fill(home, count=5):
    store = Store(home)
    payload = {"chunks": [["a", 0, 5]], "rankings": {"q": [[0], [0.5]]}}
    with mock.patch("os.fsync"):  # nothing is killed here
        ids = [store.add("trial", {**payload, "seed": n}) for n in range(count)]
    store.fold()
    return ids


def test_eight_write_while_one_reads(tmp_path):
    writers = [start(WRITER, tmp_path, 40) for _ in range(8)]
    store, seen = Store(tmp_path), [0]
    while any(writer.poll() is None for writer in writers):
        seen.append(store.query("SELECT count(*) AS n FROM trials")[0]["n"])
    ids = [trial_id for writer in writers for trial_id in writer.communicate()[0].split()]
    assert [writer.returncode for writer in writers] == [0] * 8 and seen == sorted(seen)
    assert {row["id"] for row in store.query("SELECT id FROM trials")} == set(ids) and len(ids) == 320
    assert drain(store.verify()).ok and not store.notices


def test_readers_in_several_processes_fold_each_record_once(tmp_path):
    reader = """
import sys
from core.store.database import Store
store = Store(sys.argv[1])
for _ in range(6):
    store.add("trial", {"status": "ok"})
    count, = store.query("SELECT count(*) AS n, count(DISTINCT id) AS d FROM trials")
    assert count["n"] == count["d"] > 0, count
"""
    readers = [start(reader, tmp_path) for _ in range(3)]
    assert [reader.wait() for reader in readers] == [0] * 3
    assert Store(tmp_path).query("SELECT count(*) AS n FROM trials") == [{"n": 18}]


def test_every_acknowledged_trial_survives_kill_nine(tmp_path):
    acknowledged = []
    for _ in range(5):
        writer = start(WRITER, tmp_path, 100_000)
        first = writer.stdout.readline()
        time.sleep(random.uniform(0, 0.1))
        writer.kill()
        acknowledged += [first.strip(), *writer.communicate()[0].split()]
    acknowledged = [trial_id for trial_id in acknowledged if len(trial_id) == 26]  # the last line may be cut
    stored = [row["id"] for row in Store(tmp_path).query("SELECT id FROM trials")]
    assert len(stored) == len(set(stored)) and set(acknowledged) <= set(stored)
    assert len(stored) - len(acknowledged) <= 10  # written, killed before they could say so
    assert drain(Store(tmp_path).verify()).ok


def test_folding_survives_kill_nine(tmp_path):
    ids = fill(tmp_path, 30)
    folder = "import sys; from core.store.database import Store; s = Store(sys.argv[1]); print(flush=True); s.fold()"
    for number in range(4):
        if number % 2:
            (tmp_path / "groundwork.duckdb").unlink(missing_ok=True)
        ids += [Journal(tmp_path / "journal").add("trial", {"seed": n}) for n in range(20)]
        process = start(folder, tmp_path)
        process.stdout.readline()
        time.sleep(random.uniform(0, 0.15))
        process.kill()
        process.communicate()
    store = Store(tmp_path)
    assert sorted(row["id"] for row in store.query("SELECT id FROM trials")) == sorted(ids)
    assert drain(store.verify()).ok
    drain(store.rebuild())
    assert not list(tmp_path.glob("*.rebuild*"))


@pytest.fixture(scope="module")
def four_hundred(tmp_path_factory):
    home = tmp_path_factory.mktemp("filled")
    return home, fill(home, 400)


@pytest.mark.parametrize("harm", ["truncate", "empty", "header", "middle", "text", "foreign"])
def test_a_damaged_database_is_made_again_with_a_notice(tmp_path, harm, four_hundred):
    import duckdb

    ids = four_hundred[1]
    shutil.copytree(four_hundred[0], tmp_path, dirs_exist_ok=True)
    path = tmp_path / "groundwork.duckdb"
    size = path.stat().st_size
    if harm == "truncate":
        os.truncate(path, size // 2)
    elif harm == "empty":
        os.truncate(path, 0)
    elif harm == "text":
        path.write_text("not a database\n" * 1000)
    elif harm == "foreign":
        path.unlink()
        duckdb.connect(str(path)).close()
    else:
        with open(path, "r+b") as file:
            for place in [100, 5000, 9000] if harm == "header" else range(12288 + 4000, size, 9000):
                file.seek(place)
                file.write(bytes(64))
    store = Store(tmp_path)
    rows = store.query("SELECT id, starts FROM trials JOIN rankings ON id = trial_id")
    assert sorted(row["id"] for row in rows) == ids
    assert len(store.notices) == 1 and "made again" in store.notices[0]
    assert drain(store.verify()).ok


def test_a_lost_or_damaged_log_costs_nothing(tmp_path):
    """A flipped bit in DuckDB's log silently drops what was committed after it: the journal knows better."""
    ids = fill(tmp_path, 5)
    killed = """
import os, sys, duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("SET checkpoint_threshold = '1GB'")
for id in sys.argv[2:]:
    connection.execute("INSERT INTO folded VALUES (?, 'trial')", [id])
os.kill(os.getpid(), 9)
"""
    more = [Journal(tmp_path / "journal").add("trial", {"seed": n}) for n in range(3)]
    assert start(killed, tmp_path / "groundwork.duckdb", *more).wait() == -signal.SIGKILL
    log = tmp_path / "groundwork.duckdb.wal"
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    log.write_bytes(data)
    store = Store(tmp_path)
    store.query("SELECT 1")
    drain(store.rebuild())
    assert [row["id"] for row in store.query("SELECT id FROM trials ORDER BY id")] == ids + more
    assert not log.exists() and drain(store.verify()).ok


def test_bits_that_flip_anywhere_in_the_database_are_healed(tmp_path):
    """In whichever verb they are met; what is read is right, and that it was made again is told."""
    ids, path, told = fill(tmp_path, 60), tmp_path / "groundwork.duckdb", 0
    whole, rng = path.read_bytes(), random.Random(3)
    for place in rng.sample(range(len(whole)), 5):
        data = bytearray(whole)
        data[place] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        store = Store(tmp_path)
        rows = store.query("SELECT id, scores FROM trials JOIN rankings ON id = trial_id ORDER BY id")
        assert [(row["id"], row["scores"]) for row in rows] == [(trial_id, [0.5]) for trial_id in ids]
        report = drain(Store(tmp_path).verify())
        told += len(store.told())
        assert report.ok or "Run rebuild" in report.problems[-1] or "made again" in store.told()[0], report.problems
        if not report.ok:  # in a block that the query does not read
            assert drain(Store(tmp_path).rebuild()) == 60
    assert told


@pytest.mark.parametrize("harm", ["zeros", "foreign rows"])
def test_a_log_is_never_replayed(tmp_path, harm):
    """32 zeroed bytes in it gave rows with an empty id."""
    ids = fill(tmp_path)
    code = """
import os, sys, duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("SET checkpoint_threshold = '1GB'")
connection.execute("INSERT INTO trials BY NAME SELECT 'a' || range AS id, 'toy' AS dataset FROM range(8)")
os.kill(os.getpid(), 9)
"""
    assert start(code, tmp_path / "groundwork.duckdb").wait() == -signal.SIGKILL
    log = tmp_path / "groundwork.duckdb.wal"
    data = bytearray(log.read_bytes())
    if harm == "zeros":
        data[len(data) // 2 : len(data) // 2 + 32] = bytes(32)
    log.write_bytes(data)
    assert [row["id"] for row in Store(tmp_path).query("SELECT id FROM trials ORDER BY id")] == ids
    assert drain(Store(tmp_path).verify()).ok and not log.exists()


CHANGES = (
    "UPDATE rankings SET scores = [0.25]",
    "DELETE FROM rankings WHERE trial_id = (SELECT max(trial_id) FROM rankings)",
    "UPDATE trials SET seed = seed + 1",
    "UPDATE labels SET comment = 'changed'",
    "INSERT INTO trials (id) VALUES ('')",
    "INSERT INTO stages SELECT id, 'made up', 1, false FROM trials LIMIT 1",
)


def test_verify_compares_what_the_tables_hold_not_only_ids(tmp_path):
    import duckdb

    store, ids = Store(tmp_path), fill(tmp_path)
    store.add_label({"study": "s", "round": "main", "item": "i", "annotator": "Ann"})
    assert drain(store.verify()).ok
    for change in CHANGES:
        with duckdb.connect(str(tmp_path / "groundwork.duckdb")) as connection:
            connection.execute(change)
        report = drain(Store(tmp_path).verify())
        assert not report.ok and "Run rebuild" in report.problems[-1], change
        assert report.differing or "no record" in report.problems[-1], change
        drain(store.rebuild())
        assert drain(Store(tmp_path).verify()).ok and len(store.query("FROM rankings")) == len(ids), change


@pytest.fixture
def unwritable(tmp_path, monkeypatch):
    """A store with six trials, one of which could not be folded in: the disk was full by then."""
    fill(tmp_path)
    connect = database_file.DatabaseFile._connect

    def full(self, read_only, path):
        if not read_only:
            raise database_file.stuck("No space left on device", path)
        return connect(self, read_only, path)

    monkeypatch.setattr(database_file.DatabaseFile, "_connect", full)
    store = Store(tmp_path)
    store.add("trial", {"seed": 99, "sweep": "s", "status": "ok"})
    return store


def test_what_the_database_cannot_take_in_is_asked_of_the_journal(unwritable):
    store = unwritable

    def row(record):
        return {"seed": record.payload["seed"]} if record.payload.get("sweep") == "s" else None

    assert len(store.query("SELECT id FROM trials")) == 5 and "No space left" in store.told()[0]
    assert store.stored("trial", "SELECT seed FROM trials WHERE sweep = ?", ["s"], row) == [{"seed": 99}]
    (store.home / "groundwork.duckdb").write_bytes(b"")  # not even the old answer is there
    assert store.stored("trial", "SELECT seed FROM trials WHERE sweep = ?", ["s"], row) == [{"seed": 99}]


def test_what_a_killed_writer_left_and_may_not_be_removed_keeps_nobody_from_reading(tmp_path, monkeypatch):
    """As in a folder that was copied from somebody else: the journal may be read only, and the database is made anew beside it."""
    ids, unlink = fill(tmp_path), Path.unlink
    day = next(path for path in (tmp_path / "journal").iterdir() if path.is_dir())
    left = [day / ".x.tmp", tmp_path / "groundwork.duckdb.x.rebuild"]
    for path in left:
        path.write_bytes(b"half")
        os.utime(path, (0, 0))

    def refused(path, missing_ok=False):
        if path in left:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)
    (tmp_path / "groundwork.duckdb").write_bytes(b"")
    store = Store(tmp_path)
    assert [row["id"] for row in store.query("SELECT id FROM trials ORDER BY id")] == ids and not store.stale
    with store.file.reader():  # somebody goes on reading, so that news go into a copy
        new = Store(tmp_path).add("trial", {"seed": 7})
        assert store.query("SELECT count(*) AS n FROM trials WHERE id = ?", [new]) == [{"n": 1}]


def test_a_backup_is_made_also_where_the_home_is_full(unwritable, tmp_path_factory):
    place = tmp_path_factory.mktemp("disk")
    path = drain(unwritable.backup(place / "all.zip"))
    shutil.unpack_archive(path, place / "again")
    again = Journal(place / "again" / "journal")
    assert len(again.listing()) == 6 and drain(again.verify()).counts == {"trial": 6}


def test_what_is_no_file_of_labels_or_looks_costs_a_backup_nothing_else(tmp_path):
    fill(tmp_path)
    (tmp_path / "looks").mkdir(exist_ok=True)
    os.mkfifo(tmp_path / "looks" / "pipe.jsonl")
    store = Store(tmp_path)
    path = drain(store.backup(tmp_path / "a.zip"))
    assert any("The backup is without" in note and "pipe.jsonl" in note for note in store.notices)
    shutil.unpack_archive(path, tmp_path / "again")
    assert len(Journal(tmp_path / "again" / "journal").listing()) == 5


def test_a_backup_made_while_people_label_says_of_no_label_that_it_is_missing(tmp_path, monkeypatch):
    store = Store(tmp_path / "home")
    label = {"study": "s", "round": "main", "annotator": "Ann", "sentences": [["supported"]]}
    store.add_label(label | {"item": "1"})
    read = backup.contents

    def and_meanwhile(path):
        data = read(path)
        if path.name.endswith(SEGMENT):
            store.add_label(label | {"item": "2"})
        return data

    monkeypatch.setattr(backup, "contents", and_meanwhile)
    path = drain(store.backup(tmp_path / "a.zip"))
    shutil.unpack_archive(path, tmp_path / "again")
    report = drain(Store(tmp_path / "again").verify())
    assert report.ok, report.problems
    assert report.journal == {"label": 1}


def test_a_backup_says_what_it_needs_and_what_is_free(tmp_path, monkeypatch):
    fill(tmp_path)
    store = Store(tmp_path)
    assert "free there" in next(store.backup(tmp_path / "a.zip")).message
    monkeypatch.setattr(backup.shutil, "disk_usage", lambda _: mock.Mock(free=1000))
    with pytest.raises(WorkbenchError, match=r"needs up to [\d.]+ MB, and 0.0 MB are free"):
        drain(store.backup(tmp_path / "a.zip"))
    assert not list(tmp_path.glob("*.zip")) and not list(tmp_path.glob(".*"))
    (tmp_path / "memory").mkdir()
    with open(tmp_path / "memory" / "facts.sqlite", "wb") as facts:
        facts.truncate(70_000_000)
    with pytest.raises(WorkbenchError, match=r"needs up to 7\d.\d MB"):
        drain(store.backup(tmp_path / "a.zip"))


def test_whoever_holds_the_lock_is_named(tmp_path, monkeypatch):
    fill(tmp_path)
    monkeypatch.setattr(database_file, "READ_WAIT_S", 0.3)
    monkeypatch.setattr(database_file, "FOLD_WAIT_S", 0.3)
    holder = start(
        """
import sys, time
from pathlib import Path
from core.files import hold
with hold(Path(sys.argv[1]), purpose="measuring the moon", seconds=1):
    print(flush=True); time.sleep(60)
""",
        tmp_path / "locks" / "database",
    )
    holder.stdout.readline()
    started = time.monotonic()
    with pytest.raises(WorkbenchError, match=f"process {holder.pid} .*measuring the moon since"):
        Store(tmp_path).query("SELECT 1")
    assert time.monotonic() - started < 50, "it is held for longer"
    assert Store(tmp_path).add("trial", {})  # writing needs no lock
    holder.kill()
    holder.communicate()
    monkeypatch.undo()
    assert Store(tmp_path).query("SELECT count(*) AS n FROM trials") == [{"n": 6}]


@pytest.mark.parametrize("how", ["write", "read"])
def test_another_program_in_the_database_stops_nobody(tmp_path, how):
    ids = fill(tmp_path)
    code = (
        f"import sys, time, duckdb; c = duckdb.connect(sys.argv[1], read_only={how == 'read'}); print(flush=True); time.sleep(60)"
    )
    shell = start(code, tmp_path / "groundwork.duckdb")
    shell.stdout.readline()
    store = Store(tmp_path)
    ids.append(store.add("trial", {"seed": 9}))
    assert [row["id"] for row in store.query("SELECT id FROM trials ORDER BY id")] == ids and not store.stale
    assert drain(store.verify()).ok
    if how == "write":
        assert len(store.notices) == 1 and str(shell.pid) in store.notices[0] and "a copy" in store.notices[0]
    shell.kill()
    shell.communicate()
    assert Store(tmp_path).query("SELECT count(*) AS n FROM trials") == [{"n": len(ids)}]
    assert sorted(item.name for item in tmp_path.iterdir()) == ["groundwork.duckdb", "journal", "locks"]


def test_a_long_reader_makes_nobody_stale(tmp_path):
    """Of the same process, which DuckDB would go on giving the old file, and of another one."""
    fill(tmp_path)
    store, other = Store(tmp_path), Store(tmp_path)
    with store.file.reader() as reading:
        for n in range(2):
            other.add("trial", {"seed": 10 + n})
            assert other.query("SELECT count(*) AS n FROM trials") == [{"n": 6 + n}] and not other.stale
        count = "import sys; from core.store.database import Store; print(len(Store(sys.argv[1]).query('FROM trials')))"
        assert start(count, tmp_path).communicate()[0] == "7\n"
        assert reading.execute("SELECT count(*) FROM trials").fetchone() == (5,)
    assert store.query("SELECT count(*) AS n FROM trials") == [{"n": 7}] and not store.notices
    assert drain(store.verify()).ok


def test_a_waiting_writer_is_not_overtaken_by_reader_after_reader(tmp_path):
    path, stop = tmp_path / "lock", threading.Event()

    def read():
        while not stop.is_set():
            with hold(path, purpose="reading", seconds=120, shared=True):
                time.sleep(0.02)

    readers = [threading.Thread(target=read) for _ in range(5)]
    [reader.start() for reader in readers]
    try:
        for _ in range(5):
            with hold(path, purpose="writing", seconds=60):
                pass
    finally:
        stop.set()
        [reader.join() for reader in readers]


def test_a_lock_given_up_on_is_not_kept(tmp_path):
    path = tmp_path / "lock"
    with hold(path, purpose="first", seconds=1), pytest.raises(Busy), hold(path, purpose="second", seconds=0.1):
        pass
    with hold(path, purpose="third", seconds=2):
        assert json.loads(path.read_text())["purpose"] == "third"


@pytest.mark.parametrize(
    ("said", "remedy"), [("Permission denied", "Get permission"), ("No space left on device", "Free some space")]
)
def test_the_remedy_is_of_what_the_disk_refused(tmp_path, monkeypatch, said, remedy):
    assert database_file.stuck(f"Cannot open file: {said}", tmp_path).todo.startswith(remedy)

    def refused(*_: object) -> bytes:
        raise OSError(f"Cannot open file: {said}")

    monkeypatch.setattr("core.store.database._empty", refused)
    with pytest.raises(WorkbenchError, match=f"(?i){remedy}"):
        Store(tmp_path).query("SELECT 1")
