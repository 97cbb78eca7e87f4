"""SQL from a person: whatever it asks for, it ends in time and in bytes, and the app that asked lives on."""

import csv
import io
import json
import math
import os
import signal
import threading
import time
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from core.agents.tools import TOOLS, ToolDesk, use
from core.errors import WorkbenchError
from core.report import tables
from core.report.table import Column, rows_csv
from core.store import sql_process
from core.store.database import Store

LONG = "repeat(chr(65 + (a % 26)::INT), 40000)"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("store"))
    store.fold()
    return store


@pytest.fixture(autouse=True)
def the_store_answers_all_the_same(store):
    yield
    assert store.sql("SELECT 6 * 7 AS answer") == (["answer"], [(42,)], False, 0)


@pytest.mark.parametrize(
    ("text", "told"),
    [("PIVOT trials ON status USING count(*)", "PIVOT has to name the values"), ("-- nothing", "There is no statement")],
)
def test_a_refusal_says_what_the_query_lacks(store, text, told):
    with pytest.raises(WorkbenchError, match=told):
        store.sql(text)
    assert store.sql("PIVOT trials ON status IN ('ok') USING count(*)").rows == []


@pytest.mark.slow
@pytest.mark.parametrize("text", [
    f"SELECT max(levenshtein({LONG}, {LONG} || 'x')) FROM range(100) t(a)",
    " UNION ALL ".join(["SELECT 1"] * 5200),
    "SELECT " + "(" * 20_000 + "1" + ")" * 20_000,
    "SELECT " + "NOT " * 20_000 + "true",
    "SELECT " + "[" * 5_000 + "]" * 5_000,
    "SELECT repeat('x', 8000000000)",
    "SELECT list(repeat('x', 1000000)) FROM range(10000)",
    "SELECT string_agg(repeat('x', 1000000), '') FROM range(5000)",
    "SELECT repeat('x', 4000000000) FROM range(4)",
    "WITH RECURSIVE r AS (SELECT [1] AS n UNION ALL SELECT [n] FROM r) SELECT * FROM r",
    "SELECT md5(string_agg(md5(a::VARCHAR), '' ORDER BY md5(a::VARCHAR))) FROM range(10000000000) t(a)",
    "SELECT '" + "x" * 200_000 + "'",
    "SELECT NULL::INT" + "[]" * 3_000,
])  # fmt: skip
def test_what_asks_for_too_much_ends_in_words_and_in_time(store, text):
    started = time.monotonic()
    with pytest.raises(WorkbenchError) as refused:
        store.sql(text, seconds=1.0)
    assert time.monotonic() - started < 40
    assert refused.value.what and "Traceback" not in str(refused.value)


@pytest.mark.parametrize("text", [
    "SELECT repeat('x', 100000) AS cell FROM range(5000)",
    "SELECT [repeat('x', 1000000)] AS cell FROM range(50)",
    "SELECT encode(repeat('\U0001f600', 100000)) AS cell FROM range(50)",
    "SELECT range(1000000) AS cell FROM range(2)",
    "SELECT map([1], [repeat('x', 100000)]) AS cell",
])  # fmt: skip
def test_long_cells_are_cut_and_counted(store, text):
    result = store.sql(text)
    assert result.rows and result.cut_cells >= len(result.rows)
    for (cell,) in result.rows:
        assert len(cell) == sql_process.CELL + 1 and cell.endswith("…")
    assert len(json.dumps(result.rows, ensure_ascii=False)) < sql_process.SIZE * 1.1


def test_rows_end_where_their_bytes_do(store):
    result = store.sql("SELECT repeat('x', 9000) AS a FROM range(10000)")
    assert result.truncated and result.cut_cells == 0
    assert 0.9 * sql_process.SIZE < sum(len(cell) for (cell,) in result.rows) <= sql_process.SIZE


def test_values_arrive_as_they_are(store):
    [row] = store.sql(
        "SELECT 9007199254740993 AS a, 1.5 AS b, 'NaN'::DOUBLE AS c, NULL AS d, TIMESTAMP '2026-01-02 03:04:05.5' AS e,"
        " DATE '2026-01-02' AS f, [1, 2] AS g, {'time': 'x'} AS h, true AS i, sum(9223372036854775807 + 0::HUGEINT) AS j,"
        " 'a\u2028b\nc' AS k, '\\x00'::BLOB AS l, 0.1234567890123456789::DECIMAL(19, 19) AS m, 2::DECIMAL(38, 0) ** 100 AS n"
    ).rows
    a, b, c, d, e, *rest = row
    assert (a, b, d, e.isoformat()) == (9007199254740993, 1.5, None, "2026-01-02T03:04:05.500000") and c != c
    assert rest[:6] == ["2026-01-02", "[1, 2]", '{"time": "x"}', True, 9223372036854775807, "a\u2028b\nc"]
    assert rest[6] == "\\x00" and rest[7] == "0.1234567890123456789" and isinstance(rest[8], float)


def test_columns_of_one_name_are_told_apart_and_none_is_lost(store):
    assert store.sql('SELECT 1 AS id, 2 AS x, 3 AS id, 4 AS id, 5 AS "id (2)"').columns == [
        "id",
        "x",
        "id (3)",
        "id (4)",
        "id (2)",
    ]
    desk = ToolDesk(sql=store.sql)
    assert use(TOOLS["sql_query"], desk, {"statement": "SELECT 1 AS id, 2 AS id"}).text == "id,id (2)\n1,2"


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_a_time_with_its_zone_arrives_without_another_package(store, monkeypatch, zone):
    monkeypatch.setenv("TZ", zone)
    while sql_process._idle:
        sql_process._idle.pop().end()
    [(moment, inner, now)] = store.sql("SELECT t, [t], now() FROM (SELECT TIMESTAMPTZ '2026-07-01 12:00:00+00' AS t)").rows
    assert moment == datetime(2026, 7, 1, 12, tzinfo=UTC) and moment.isoformat()[:19] in inner.replace(" ", "T")
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)


def test_values_of_every_type_go_into_csv_and_latex(store):
    result = store.sql(
        "SELECT {'b': '\\xAA'::BLOB, 'd': 1.5::DECIMAL(9, 2), 't': DATE '2026-01-02'} AS s, ['NaN'::DOUBLE, NULL] AS l,"
        " INTERVAL 36 HOUR AS i, MAP {'a': 1} AS m, 'inf'::DOUBLE AS f, TIME '10:00' AS t, now() AS n, [] AS e, NULL AS o"
    )
    struct, *others, infinite = result.rows[0][:5]
    assert json.loads(struct) == {"b": "\\xAA", "d": 1.5, "t": "2026-01-02"}
    assert (others, infinite) == (["[NaN, null]", "1 day, 12:00:00", '{"a": 1}'], math.inf)
    rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
    assert [row["s"] for row in csv.DictReader(io.StringIO(rows_csv(rows)))] == [struct]
    content = {"columns": [Column(name)._asdict() for name in result.columns], "data": rows, "first": None}
    assert r"\begin{tabular}" in tables.latex(content, "t", "", 3, 80)


def test_maps_of_any_keys_and_arrays_arrive_as_json(store):
    [row] = store.sql(
        "SELECT MAP {DATE '2026-01-02': 1}, [MAP {1.5::DECIMAL(9, 2): [TIMESTAMP '2026-01-02']}], MAP {'\\xAA'::BLOB: 1, 'b'::BLOB: 2},"
        " MAP {true: 1, false: 2}, MAP {7: {'a': MAP {uuid(): 1}}}, array_value(1.5::DOUBLE, NULL), array_value(['a'], ['b'])"
    ).rows
    assert row[:4] == (
        '{"2026-01-02": 1}',
        '[{"1.5": ["2026-01-02 00:00:00"]}]',
        '{"\\\\xAA": 1, "b": 2}',
        '{"true": 1, "false": 2}',
    )
    assert list(json.loads(row[4])) == ["7"] and row[5:] == ("[1.5, null]", '[["a"], ["b"]]')


@pytest.mark.slow
def test_the_memory_of_the_app_is_not_taken_for_that_of_the_query(store):
    held = bytearray(700 << 20)  # written to: the app itself has more than a process of a query may
    while sql_process._idle:
        sql_process._idle.pop().end()
    store.sql("SELECT 1")
    del held
    assert sql_process._idle, "it serves the next query too"


def test_a_killed_process_is_said_and_another_takes_its_place(store):
    told = []

    def ask():
        try:
            store.sql("SELECT count(*) FROM range(1000000000) a, range(1000000) b", seconds=300)
        except WorkbenchError as error:
            told.append(error)

    store.sql("SELECT 1")
    child = sql_process._idle[-1].process
    asking = threading.Thread(target=ask)
    asking.start()
    before = (runs := psutil.Process(child.pid)).cpu_times().user
    while runs.cpu_times().user < before + 0.1:  # until it is at work
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGSEGV)
    asking.join(60)
    assert "SIGSEGV" in told[0].what and child.poll() is not None


def test_a_process_that_was_killed_while_idle_costs_no_query(store):
    store.sql("SELECT 1")
    child = sql_process._idle[-1].process
    child.kill()
    child.wait()
    assert store.sql("SELECT 1").rows == [(1,)]


def test_the_process_holds_no_key_and_ends_with_the_app(store, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    while sql_process._idle:
        sql_process._idle.pop().end()
    store.sql("SELECT 1")
    child = sql_process._idle[-1].process
    with open(f"/proc/{child.pid}/environ", "rb") as file:
        assert b"sk-secret" not in file.read()
    sql_process._idle.remove(next(one for one in sql_process._idle if one.process is child))
    child.stdin.close()  # as the system does where the app is killed
    assert child.wait(60) == 0


def test_many_at_once_wait_for_a_place(store, monkeypatch):
    monkeypatch.setattr(sql_process, "_places", threading.BoundedSemaphore(1))
    with sql_process.place(1), pytest.raises(WorkbenchError, match="other queries"):
        store.sql("SELECT 1", seconds=0.1)
