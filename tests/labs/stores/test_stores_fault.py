"""What goes wrong around stores: servers that die, full disks, two benchmarks, tables of others, passwords, other sizes."""

import errno
import socket
import subprocess
import sys

import numpy as np
import psutil
import pytest

from core import files
from core.errors import WorkbenchError
from core.index.postgres_pgvector import PostgresPgvector
from core.index.postgres_server import connected_to, without_secrets
from core.index.stores import PREFIX
from core.labs.stores import kill, tables
from core.labs.stores.bench import STORES, StoreRecorder, alone, running
from core.labs.stores.contention import contend
from core.labs.stores.servers import PostgresHnsw
from core.progress import drain

VECTORS = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)


def test_two_benchmarks_at_once_are_refused(home):
    home.home.mkdir(parents=True, exist_ok=True)
    with alone(home.home), pytest.raises(WorkbenchError, match="Another benchmark of stores is running"):
        drain(contend(home, 1, ("lancedb",)))
    with alone(home.home):
        pass  # the end of the first lets the next one in


def test_a_password_is_never_told(monkeypatch, tmp_path):
    pytest.importorskip("psycopg")
    secret = "pa ss/wörd"
    for dsn in (
        "postgresql://me:pa%20ss%2Fw%C3%B6rd@127.0.0.1:1/db",
        "host=127.0.0.1 port=1 user=me password='pa ss/wörd'",
        "postgresql://me:pa%20ss%2Fw%C3%B6rd@127.0.0.1:port/db",
        "host=127.0.0.1 password='pa ss/wörd' nonsense",
    ):
        monkeypatch.setenv("GROUNDWORK_POSTGRES", dsn)
        with pytest.raises(WorkbenchError) as raised:
            PostgresPgvector().build(VECTORS, tmp_path)
        said = str(raised.value)
        assert raised.value.where == "GROUNDWORK_POSTGRES" and not raised.value.__cause__
        assert secret not in said and "pa%20ss" not in said and "wörd" not in said
    assert without_secrets("no pa%20ss%2Fw%C3%B6rd here", "postgresql://me:pa%20ss%2Fw%C3%B6rd@h/d") == "no … here"


def test_a_password_is_in_no_record_and_no_file(home, monkeypatch):
    pytest.importorskip("psycopg")
    monkeypatch.setenv("THEIRS", "postgresql://me:hidden-word@127.0.0.1:1/db")
    with pytest.raises(WorkbenchError, match="PostgreSQL does not answer") as raised:
        drain(contend(home, 1, ("postgres_hnsw",), {"postgres": "THEIRS"}))
    assert raised.value.where == "THEIRS"
    written = [path.read_bytes() for path in home.home.rglob("*") if path.is_file()]
    assert b"hidden-word" not in b"".join(written) and "hidden-word" not in str(raised.value)


def test_a_disk_that_fills_in_the_middle_is_told_and_what_was_measured_stays(home, tmp_path):
    recorder = StoreRecorder(home)
    with pytest.raises(files.DiskError, match="What the store writes") as raised, running([STORES["faiss"]], tmp_path, {}):
        recorder.keep("store_measurements", STORES["faiss"], "load", {"quantity": "load", "value": 1.0, "size": 106})
        raise OSError(errno.ENOSPC, "No space left on device")
    assert raised.value.todo and str(tmp_path) in str(raised.value)
    assert [row["quantity"] for row in tables.newest(home, "store_measurements")] == ["load"]


def test_a_table_of_others_is_never_touched(postgres, tmp_path):
    part = PostgresPgvector()
    searcher = part.build(VECTORS, tmp_path)
    name = searcher._name
    with connected_to(postgres) as connection:
        connection.execute(f"COMMENT ON TABLE {name} IS 'payroll'")
        with pytest.raises(WorkbenchError, match="not Groundwork's"):
            part.build(VECTORS, tmp_path)
        assert connection.execute(f"SELECT count(*) FROM {name}").fetchone() == (50,)
        connection.execute(f"DROP TABLE {name}")
        store = PostgresHnsw("GROUNDWORK_POSTGRES 0123456789ab")
        theirs = f"{PREFIX}bench_0123456789ab_memory"
        connection.execute(f"CREATE TABLE {theirs} (salary int)")
        with pytest.raises(Exception, match="already exists"):
            store.remember(["counter"], "0")
        store.create(8)
        store.drop()  # those of its own run alone
        assert connection.execute(f"SELECT count(*) FROM {theirs}").fetchone() == (0,)
        connection.execute(f"DROP TABLE {theirs}")


def test_a_table_that_a_killed_build_left_is_made_anew(postgres, tmp_path):
    part = PostgresPgvector(m=5, ef_construction=20)
    name = part.build(VECTORS, tmp_path)._name
    with connected_to(postgres) as connection:
        connection.execute(f"DELETE FROM {name} WHERE id > 20")
        again = part.build(VECTORS, tmp_path)
        assert again._name == name and connection.execute(f"SELECT count(*) FROM {name}").fetchone() == (50,)
        connection.execute(f"DROP TABLE {name}")


@pytest.mark.slow
def test_a_server_that_dies_is_told_and_the_next_search_finds_the_new_one(tmp_path, monkeypatch):
    if PostgresHnsw.absent({}):
        pytest.skip("no PostgreSQL")
    with PostgresHnsw.running(tmp_path / "own", {}) as where:
        monkeypatch.setenv("GROUNDWORK_POSTGRES", where.place)
        searcher = PostgresPgvector().build(VECTORS, tmp_path)
        before = searcher.search(VECTORS[:3], 5)
        where.kill()
        with pytest.raises(WorkbenchError, match="PostgreSQL"):
            searcher.search(VECTORS[:3], 5)
        where.again()
        assert (searcher.search(VECTORS[:3], 5).chunk == before.chunk).all()
        with pytest.raises(WorkbenchError, match="A store failed in the middle of the benchmark"):
            dies_within(tmp_path, where)


def dies_within(tmp_path, where):
    store = PostgresHnsw(where.place)
    with running([STORES["faiss"]], tmp_path / "stores", {}):
        store.create(8)
        where.kill()
        store.load(np.arange(50), VECTORS, np.arange(50))


def test_vectors_of_another_size_are_refused_and_change_nothing(postgres, tmp_path):
    searcher = PostgresPgvector().build(VECTORS, None)
    for change in (lambda: searcher.add(VECTORS[:, :4]), lambda: searcher.update(np.arange(2), VECTORS[:2, :4])):
        with pytest.raises(WorkbenchError, match="wanted is"):
            change()
    with pytest.raises(WorkbenchError, match="the index holds 8 dimensions"):
        searcher.search(VECTORS[:, :4], 5)
    assert searcher.size == 50
    with pytest.raises(WorkbenchError, match="2,000 dimensions"):
        PostgresPgvector().build(np.ones((2, 2001), np.float32), None)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lancedb", "qdrant"])
def test_what_a_store_confirmed_outlives_its_process(name, home):
    if STORES[name].absent({}):
        pytest.skip("not installed")
    record = drain(kill.kill(home, 2, (name,)))
    durable = record["rows"][0]
    assert durable["moments"] == 2 and durable["acknowledged"] >= 10 and durable["missing"] == 0 and durable["unreadable"] == 0
    assert len(durable["reopen_s"]) == 2
    if name == "qdrant":
        assert record["rows"][1]["missing"] > 0  # without its log: so the check can fail
    [left] = [row for row in drain(kill.kill(home, 1, ("faiss",)))["left_out"]]
    assert "memory" in left["detail"]["reason"]


@pytest.mark.slow
def test_chromas_server_ends_with_a_benchmark_that_is_killed(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from core.labs.stores.servers import ChromaStore\n"
        "with ChromaStore.running(Path(sys.argv[1]), {}) as where: print(where.place, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program, tmp_path / "chroma"], stdout=subprocess.PIPE, text=True) as benchmark:
        port = int(benchmark.stdout.readline().split()[0])
        [server] = psutil.Process(benchmark.pid).children()
        socket.create_connection(("127.0.0.1", port), 1).close()
        benchmark.kill()
        assert psutil.wait_procs([server], 20)[0]
