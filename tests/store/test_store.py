"""The store: the database says what the journal says, however it came to be, and SQL from a page stays inside it."""

import os
import shutil
import threading
import time
import zipfile
from pathlib import Path

import pytest

from core.errors import WorkbenchError
from core.progress import drain
from core.store import database, tables
from core.store.batches import batches
from core.store.database import Store
from core.store.journal import Journal

SAMPLES = Path(__file__).parents[1] / "records"
QUERIES = [
    {"id": "q1", "text": "one?", "answerable": True, "group": "easy", "answers": ["1"], "gold": [["a", 0, 5, 1, 0]]},
    {"id": "q2", "text": "two\x00?", "answerable": False, "group": "", "answers": [], "gold": []},
]
QUESTIONS = {"fingerprint": "set", "dataset": "toy", "documents": 2, "queries": QUERIES}
ANSWER = {
    "question": "why?",
    "text": "because \ud800 [1]",
    "cited": [1],
    "finish_reason": "stop",
    "hits": [{"rank": 1}],
    "config": {"corpus": {"dataset": "toy"}},
}

POINT = {
    "dataset": "toy", "vectors": "v", "queries": "q", "part": "faiss_hnsw", "metric": "cosine", "build": {"m": 16},
    "query": {"ef_search": 24}, "k": 2, "n": 100, "dim": 8, "num_queries": 3, "status": "ok", "reason": "", "build_s": 0.5,
    "memory_bytes": 6400, "disk_bytes": None, "machine": "a machine", "threads": 2, "code_version": "c",
    "ids": {"shape": [3, 2], "int32": "eJxjYGBgYARiJiBmBmIWIP4PBAAKhgQH"}, "recalls": [1.0, 0.5, None],
    "single_us": [10.0, 30.0], "batch_s": [0.5, 1.5, 0.75], "config": {"corpus": {"dataset": "toy"}},
}  # fmt: skip


def trial(**changes):
    return {
        "config": {"corpus": {"dataset": "toy"}, "chunking": {"part": "fixed", "size": 64}, "fusion": {"part": "rrf"}},
        "questions_fingerprint": "set",
        "config_fingerprint": "recipe",
        "seed": 7,
        "status": "ok",
        "threads": 2,
        "timings_ms": {"chunks": 1.5, "dense": 2},
        "cached": {"chunks": True},
        "created": "2025-01-02T03:04:05+02:00",
        "chunks": [["a", 0, 5], ["b", 5, 9]],
        "rankings": {"q1": [[1, 0], [0.5, 0.25]], "q2": [[], []]},
        **changes,
    }


def derive(trial, questions):
    found = [len(trial["rankings"][query["id"]][0]) for query in questions["queries"]]
    return {"found": [float(n) if n else None for n in found], "nan": [float("nan")] * len(found)}


def contents(store):
    store.fold()
    with store.file.reader() as connection:
        return {name: sorted(map(repr, connection.execute(f"FROM {name}").fetchall())) for name in tables.TABLES}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path, derive, "1")


def test_a_trial_becomes_rows(store):
    store.add("questions", QUESTIONS)
    trial_id = store.add("trial", trial())
    [row] = store.query("SELECT * FROM trials WHERE id = ?", [trial_id])
    assert (row["dataset"], row["chunking"], row["fusion"], row["sparse"]) == ("toy", "fixed", "rrf", None)
    assert (row["num_queries"], row["total_ms"], row["seed"], row["scored"]) == (2, 3.5, 7, True)
    assert str(row["created"]) == "2025-01-02 01:04:05"
    assert store.query("SELECT config->>'$.chunking.size' AS size FROM trials") == [{"size": "64"}]
    assert store.query("SELECT value FROM settings WHERE setting = 'chunking.size'") == [{"value": "64"}]
    assert [tuple(hit.values()) for hit in store.query("SELECT * FROM hits ORDER BY rank")] == [
        (trial_id, "q1", 1, "b", 5, 9, 0.5),
        (trial_id, "q1", 2, "a", 0, 5, 0.25),
    ]
    assert [tuple(row.values()) for row in store.query("SELECT * EXCLUDE trial_id FROM scores ORDER BY ALL")] == [
        ("q1", "found", 2.0),
        ("q1", "nan", None),
        ("q2", "found", None),
        ("q2", "nan", None),
    ]
    assert [tuple(row.values())[1:] for row in store.query("SELECT * FROM stages ORDER BY stage")] == [
        ("chunks", 1.5, True),
        ("dense", 2.0, None),
    ]
    frame = store.frame("SELECT * FROM questions ORDER BY position")
    assert list(frame["text"]) == ["one?", "two\x00?"] and list(frame["answerable"]) == [True, False]
    assert store.questions("set") == QUESTIONS


def test_every_version_of_every_record_folds(store, tmp_path):
    for path in SAMPLES.rglob("*.jsonl.gz"):
        (tmp_path / "journal" / "copied").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "journal" / "copied")
    counts = {name: store.query(f"SELECT count(*) AS n FROM {name}")[0]["n"] for name in tables.TABLES}
    assert (
        counts["trials"] >= 1
        and counts["trial_notes"] >= 1
        and counts["answers"] >= 1
        and counts["index_points"] >= 1
        and counts["samples"] >= 2
        and counts["question_sets"] >= 1
    )
    assert counts["gold"] >= 3 and counts["scores"] >= 3 and not store.notices


@pytest.mark.slow
def test_rebuilding_gives_what_folding_gave(store):
    store.add("trial", trial(seed=1))  # before its questions
    assert store.query("SELECT scored FROM trials") == [{"scored": False}]
    store.add("questions", QUESTIONS)
    store.add("trial", trial(sweep="s", questions_fingerprint="unknown"))
    assert store.fold() == 2 and store.fold() == 0
    store.add("answer", ANSWER)
    store.add("trial", trial(status="failed", reason="no model", rankings={}, chunks=[]))
    Journal(store.journal.folder).add("questions", QUESTIONS)  # by someone who did not know of the first
    before = contents(store)
    assert before["scores"] and len(before["question_sets"]) == 1 and len(before["questions"]) == 2
    assert drain(store.rebuild()) == 6
    assert contents(store) == before == contents(Store(store.home, derive, "1"))
    assert drain(store.verify()).ok and not store.notices


@pytest.mark.slow
def test_the_last_note_of_a_trial_names_it_whichever_came_first(store, tmp_path):
    note = {"trial": "", "name": "first", "note": "", "tags": []}
    known = store.add("trial", trial())
    first = store.add("trial_note", note | {"trial": known})
    store.add("trial_note", note | {"trial": known, "name": "second", "note": "why", "tags": ["a", "b"]}, after=first)
    [row] = store.query("SELECT name, note, tags FROM trials")
    assert row == {"name": "second", "note": "why", "tags": ["a", "b"]}
    assert len(store.query("SELECT * FROM trial_notes")) == 2  # nothing is overwritten
    source = Store(tmp_path / "elsewhere", derive, "1")
    other = source.add("trial", trial(seed=2))
    store.add("trial_note", note | {"trial": other})
    store.fold()
    shutil.copy(source.journal.listing()[other].path, store.journal.listing()[known].path.parent)  # a merge, later
    names = {row["id"]: row["name"] for row in store.query("SELECT id, name FROM trials")}
    assert names == {known: "second", other: "first"}
    before = contents(store)
    drain(store.rebuild())
    assert contents(store) == before
    bad = store.journal.add("trial_note", note | {"trial": known, "name": 5})
    assert store.query("SELECT name FROM trials WHERE id = ?", [known]) == [{"name": "second"}] and bad in store.notices[-1]


def test_costs_have_their_spread(store):
    changes = {
        "latency_ms": {"total": [1.0, 2.0, 3.0, 4.0, 9.0]},
        "costs": {"latency_ms": 3.0, "chunks": 2},
        "chunk_tokens": [10, 30],
        "rankings": {"q1": [[1, 0], [0.5, 0.25]], "q2": [[0], [1.0]]},
        "spent": {"answer_s": [0.5, 1.0, 4.0], "answer_tokens": [100.0, 300.0, 500.0]},
    }
    config = trial()["config"] | {"evaluation": {"k": 1}}
    store.add("trial", trial(**changes, config=config))
    rows = {row["cost"]: row for row in store.query("SELECT * EXCLUDE trial_id FROM trial_costs")}
    assert rows["latency_ms"] == {"cost": "latency_ms", "value": 3.0, "low": 2.0, "high": 4.0, "n": 5}
    assert rows["chunks"] == {"cost": "chunks", "value": 2.0, "low": None, "high": None, "n": None}
    assert rows["context_at_k"]["value"] == 20.0 and rows["context_at_k"]["n"] == 2  # the first chunk of each: 30 and 10
    assert rows["context_at_k"]["low"] < 20 < rows["context_at_k"]["high"]
    assert rows["answer_s"] == {"cost": "answer_s", "value": 1.0, "low": 0.75, "high": 2.5, "n": 3}
    assert rows["answer_tokens"]["value"] == 300.0 and 0 < rows["answer_tokens"]["low"] < 300


@pytest.mark.slow
def test_an_index_point_becomes_a_row_derived_from_its_raw_values(store):
    store.add("index", POINT)
    failed = {**{name: POINT[name] for name in ("dataset", "part", "k")}, "status": "failed", "reason": "nlist is too large"}
    store.add("index", failed)
    first, second = store.query("SELECT *, build->>'m' AS m FROM index_points ORDER BY id")
    assert (first["recall"], first["batch_qps"], first["single_qps"], first["p50_us"]) == (0.75, 4.0, 50_000.0, 20.0)
    assert (first["p99_us"], first["m"], first["memory_bytes"], first["disk_bytes"]) == (None, "16", 6400, None)
    assert (second["status"], second["recall"], second["reason"]) == ("failed", None, "nlist is too large")
    before = contents(store)
    assert drain(store.rebuild()) == 2 and contents(store) == before and drain(store.verify()).journal == {"index": 2}
    broken = store.journal.add("index", {**POINT, "ids": {"shape": [3, 3], "int32": POINT["ids"]["int32"]}})
    store.fold()
    assert broken in store.notices[0] and len(store.query("SELECT id FROM index_points")) == 2


def test_questions_are_kept_once(store):
    first = store.add("questions", QUESTIONS)
    assert store.add("questions", dict(QUESTIONS)) == first == Store(store.home).add("questions", QUESTIONS)
    assert store.add("questions", {**QUESTIONS, "fingerprint": "other"}) != first


@pytest.mark.slow
def test_other_code_or_an_older_schema_makes_the_database_anew(store, monkeypatch):
    store.add("questions", QUESTIONS)
    store.add("trial", trial())
    store.fold()
    newer = Store(store.home, lambda trial, questions: {"new": [1.0, 2.0]}, "2")
    assert newer.query("SELECT DISTINCT metric FROM scores") == [{"metric": "new"}]
    assert "other code" in newer.notices[0]
    monkeypatch.setattr(tables, "SCHEMA", tables.SCHEMA + 1)
    newest = Store(store.home, derive, "2")
    assert newest.query("SELECT count(*) AS n FROM trials") == [{"n": 1}] and "older version" in newest.notices[0]
    monkeypatch.undo()
    with pytest.raises(WorkbenchError, match="newer version"):
        Store(store.home, derive, "2").query("SELECT 1")


@pytest.mark.parametrize("bad", [
    {"rankings": {"q1": [[5], [1.0]]}, "seed": 1}, {"chunks": [["a", 0, 2**40]]}, {"rankings": 5},
    {"timings_ms": {"a": "b"}}, {"rankings": {"q1": [[-1], [1.0]]}}, {"rankings": {"q1": [[1], [1.0, 2.0]]}},
])  # fmt: skip
def test_a_payload_that_does_not_hold_together_is_left_out_and_named(store, bad):
    good = store.add("trial", trial())
    with pytest.raises(WorkbenchError, match="cannot be recorded"):
        store.add("trial", trial(**bad))
    broken = store.journal.add("trial", trial(**bad))  # as another version may have
    assert store.query("SELECT id FROM trials") == [{"id": good}]
    assert broken in store.notices[0] and store.fold() == 0 and len(store.notices) == 1


def test_a_failing_derivation_does_not_stop_the_store(tmp_path):
    store = Store(tmp_path, lambda trial, questions: 1 / 0, "1")
    store.add("questions", QUESTIONS)
    store.add("trial", trial())
    assert store.query("SELECT scored FROM trials") == [{"scored": False}]
    assert "ZeroDivisionError" in store.notices[0]


@pytest.mark.slow
def test_verify_sees_what_is_missing_extra_and_damaged(store):
    ids = [store.add("trial", trial(seed=n)) for n in range(3)]
    assert drain(store.verify()).ok
    listing = store.journal.listing()
    listing[ids[0]].path.unlink()
    listing[ids[1]].path.chmod(0o644)
    os.truncate(listing[ids[1]].path, 30)
    report = drain(store.verify())
    assert not report.ok and report.extra == (ids[0],) and len(report.damaged) == 1 and report.journal == {"trial": 1}
    assert drain(store.rebuild()) == 1 and contents(store)["trials"]


def test_a_backup_restores_by_copying(store, tmp_path):
    store.add("questions", QUESTIONS)
    store.add("trial", trial())
    before = contents(store)
    written = {
        "papers/mine/paper.yaml": "title: Mine",
        "papers/mine/items/main.json": "{}",
        "prices.yaml": "[]",
        "chains.json": "{}",
        "serving/keys.json": "{}",
    }
    for name, text in written.items():
        (store.home / name).parent.mkdir(parents=True, exist_ok=True)
        (store.home / name).write_text(text)
    (store.home / "papers" / "mine" / ".paper.yaml.lock").write_text("not a part of it")
    path = drain(store.backup(tmp_path / "backup.zip"))
    zipfile.ZipFile(path).extractall(tmp_path / "restored")
    assert {name: (tmp_path / "restored" / name).read_text() for name in written} == written
    assert not list((tmp_path / "restored" / "papers").rglob("*.lock"))
    restored = Store(tmp_path / "restored", derive, "1")
    assert contents(restored) == before and drain(restored.verify()).ok
    assert "groundwork.duckdb" in zipfile.ZipFile(path).namelist() and not restored.notices
    with pytest.raises(WorkbenchError, match="already"):
        drain(store.backup(path))
    with pytest.raises(WorkbenchError):
        drain(store.backup(tmp_path / "no" / "such" / "folder.zip"))
    half = store.backup(tmp_path / "half.zip")
    next(half)
    half.close()
    assert [item.name for item in tmp_path.glob("*half*")] + [item.name for item in tmp_path.glob(".*")] == []


def test_what_two_records_hold_under_a_key_is_told_once(tmp_path):
    """As of two people who ran the same again, and merged their journals."""
    for question in ("first", "second"):
        batches(tmp_path).add("canary_answers", {"a": {"question": question}}, {})
    told = Store(tmp_path).recorded("canary_answers", "SELECT key FROM canary_answers ORDER BY id")
    assert [(row["key"], row["question"]) for row in told] == [("a", "first")]


@pytest.mark.slow
def test_all_threads_read_while_one_folds(store):
    store.add("questions", QUESTIONS)
    troubles, counts = [], []

    def read(number):
        try:
            for _ in range(4):
                if number == 0:
                    store.add("trial", trial())
                counts.append(store.query("SELECT count(*) AS n FROM trials")[0]["n"])
                store.sql("SELECT count(*) FROM questions")
        except Exception as error:
            troubles.append(error)

    threads = [threading.Thread(target=read, args=[number]) for number in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not troubles and store.query("SELECT count(*) AS n FROM trials") == [{"n": 4}]


@pytest.mark.slow
def test_everything_is_described_and_every_example_runs(store):
    store.add("questions", QUESTIONS)
    store.add("trial", trial())
    store.add("answer", ANSWER)
    store.add("index", POINT)
    for title, text in store.examples:
        assert store.sql(text).columns, title
    for table in store.describe():
        made = store.query("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ?", [table.name])
        assert [(row["column_name"], row["data_type"]) for row in made] == [column[:2] for column in table.columns]
        assert table.comment and all(meaning for _, _, meaning in table.columns)


# SQL written on a page


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("store"), derive, "1")
    store.add("questions", QUESTIONS)
    store.add("trial", trial())
    store.fold()
    return store


def test_sql_answers_with_columns_rows_and_a_cap(filled):
    assert filled.sql("SELECT 1 AS a, 'x' AS b") == (["a", "b"], [(1, "x")], False, 0)
    assert filled.sql("FROM range(5)", row_cap=5).truncated is False
    capped = filled.sql("SELECT range FROM range(1000000000000)", row_cap=5)
    assert capped.rows == [(0,), (1,), (2,), (3,), (4,)] and capped.truncated
    for text in ("DESCRIBE trials", "SHOW TABLES", "WITH a AS (SELECT 1) SELECT * FROM a", "SUMMARIZE scores"):
        assert filled.sql(text).rows


ESCAPES = [
    "SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM '/etc/passwd'", "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')", "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM sniff_csv('/etc/passwd')", "COPY trials TO '{out}'", "COPY (SELECT 1) TO '{out}'",
    "EXPORT DATABASE '{out}'", "ATTACH '{out}' AS other", "ATTACH ':memory:' AS other", "INSTALL fts", "LOAD json",
    "PRAGMA database_list", "SET memory_limit = '9GB'", "RESET memory_limit", "SET enable_external_access = true",
    "CREATE TABLE t AS SELECT 1", "CREATE TEMP TABLE t AS SELECT 1", "INSERT INTO meta VALUES ('a', 'b')",
    "UPDATE trials SET seed = 0", "DELETE FROM trials", "DROP TABLE trials", "CALL force_checkpoint()", "CHECKPOINT",
    "VACUUM", "EXPLAIN ANALYZE COPY trials TO '{out}'", "PREPARE p AS SELECT 1", "SELECT 1; SELECT 2",
    "SELECT 1; COPY trials TO '{out}'", "", "   ", ";", "-- nothing", "SELEC", "SELECT * FROM nowhere",
    "SELECT * FROM ESCAPES", "SELECT * FROM filled", "SELECT * FROM enable_logging()", "SELECT getenv('HOME')",
    "BEGIN", "COMMIT", "USE memory", "DETACH groundwork", "CREATE SECRET (TYPE s3)",
    "SELECT * FROM parquet_scan('{out}')",
]  # fmt: skip


@pytest.mark.parametrize("text", ESCAPES)
def test_sql_cannot_reach_outside_or_write(filled, tmp_path, text):
    before = filled.file.stamp()
    with pytest.raises(WorkbenchError):
        filled.sql(text.format(out=tmp_path / "out"))
    assert not list(tmp_path.iterdir()) and filled.file.stamp() == before


@pytest.mark.parametrize("text", [
    "SELECT count(*) FROM range(1000000000) a, range(1000000) b", "SELECT sum(hash(a)) FROM range(10000000000) t(a)",
    "SELECT pg_sleep(60)", "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
])  # fmt: skip
def test_sql_stops_at_its_deadline(filled, text):
    started = time.monotonic()
    with pytest.raises(WorkbenchError, match="stopped after"):
        filled.sql(text, seconds=0.2)
    assert time.monotonic() - started < 50, "they take longer"
    assert filled.sql("SELECT 1").rows == [(1,)]


def test_sql_that_needs_too_much_memory_is_refused(filled, monkeypatch):
    monkeypatch.setitem(database.READER, "memory_limit", "20MB")
    with pytest.raises(WorkbenchError, match="memory"):
        filled.sql("SELECT list(a) FROM range(100000000) t(a)", seconds=30)
    assert not list(filled.home.glob("*.tmp"))


@pytest.mark.slow
def test_verify_does_not_take_what_comes_meanwhile_for_missing(store):
    store.add("trial", trial())
    checking = store.verify()
    next(checking)
    store.add("trial", trial(seed=8))
    assert drain(checking).ok
