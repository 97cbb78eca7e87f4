"""One odd record never takes the store down: it is refused where we would write it, and left out and named where others did."""

import gzip
import json
import os
import time
from pathlib import Path

import pytest

from core.annotation import versions
from core.errors import WorkbenchError
from core.files.ids import new_id
from core.labs.experiments import book
from core.store import rows
from core.store.database import Store
from core.store.journal import Record, checksum
from core.workbench import Workbench
from tests.store.test_store_fault import drain

pytestmark = pytest.mark.slow

TRIAL = {"chunks": [["a", 0, 5]], "rankings": {"q": [[0], [0.5]]}, "status": "ok", "seed": 1}
ANSWER = {"question": "why?", "text": "so", "finish_reason": "stop", "prompt_tokens": 3}
STUDY = {
    "study": "s",
    "round": "main",
    "version": 1,
    "hash": "",
    "created": "2026-01-01T00:00:00+00:00",
    "design": {"kind": "rating", "items": [{"id": "i", "responses": [{"text": "a"}]}]},
}
EXPERIMENT = {"experiment": "e", "created": "2026-01-01T00:00:00+00:00", "document": {"id": "e", "factors": []}}
LABEL = {"study": "s", "round": "main", "item": "i", "annotator": "Ann", "created": "2026-01-01T00:00:00+00:00"}
DEEP = "[" * 900 + "]" * 900

# name -> (kind, payload as JSON, whether our own writers could be asked to write it)
ODD = {
    "a count beyond 64 bits": ("answer", {**ANSWER, "prompt_tokens": 10**30}),
    "a count of 5 billion": ("answer", {**ANSWER, "answer_tokens": 5_000_000_000}),
    "a seed beyond 64 bits": ("trial", {**TRIAL, "seed": 2**80}),
    "the year 1, before it in UTC": ("trial", {**TRIAL, "created": "0001-01-01T00:00:00+14:00"}),
    "the year 9999, after it in UTC": ("trial", {**TRIAL, "created": "9999-12-31T23:59:59-14:00"}),
    "the year 9999": ("answer", {**ANSWER, "created": "9999-12-31T00:00:00"}),
    "a text for a number": ("answer", {**ANSWER, "prompt_tokens": "many"}),
    "a list for a text": ("answer", {**ANSWER, "question": ["why?"]}),
    "a config that is a list": ("trial", {**TRIAL, "config": [1]}),
    "deep": ("answer", {**ANSWER, "hits": json.loads("[" * 300 + "]" * 300)}),
    "questions without a fingerprint": ("questions", {"queries": []}),
    "a fingerprint that is a list": ("questions", {"fingerprint": [1], "queries": []}),
    "a study that is a number": ("study", {**STUDY, "study": 5}),
    "a design that is a list": ("study", {**STUDY, "design": []}),
    "an item that is a number": ("study", {**STUDY, "design": {"kind": "rating", "items": [7]}}),
    "an experiment that is a number": ("experiment", {**EXPERIMENT, "experiment": 5, "document": {"id": 5}}),
    "an experiment of another name": ("experiment", {**EXPERIMENT, "document": {"id": "f"}}),
    "a document that is a list": ("experiment", {**EXPERIMENT, "document": ["e"]}),
    "factors that are a number": ("experiment", {**EXPERIMENT, "document": {"id": "e", "factors": 3}}),
    "a tag that is a number": ("experiment", {**EXPERIMENT, "document": {"id": "e", "tags": [3]}}),
    "samples that are none": ("samples", {"samples": {"a": 1}}),
    "an index point of nothing": ("index", {"status": "ok"}),
}  # fmt: skip
ODD_LABELS = {
    "the year 1": {**LABEL, "created": "0001-01-01T00:00:00+14:00"},
    "a study that is a list": {**LABEL, "study": ["s"]},
    "an item that is a number": {**LABEL, "item": 5},
    "a rubric that is a text": {**LABEL, "rubric": "one"},
    "a rubric beyond 32 bits": {**LABEL, "rubric": 2**40},
    "nobody": {key: value for key, value in LABEL.items() if key != "annotator"},
    "a round of its own": {**LABEL, "round": "final"},
    "spans of another shape": {**LABEL, "spans": [[1, 2]]},
}


def foreign(home: Path, kind: str, body: str, *, schema=1, record_id: str = "") -> Path:
    """A record with a right checksum, written by somebody else."""
    record_id, data = record_id or new_id(), body.encode("utf-8", "surrogatepass")
    header = {"schema": schema, "kind": kind, "id": record_id, "sha256": checksum(schema, kind, record_id, data)}
    path = home / "journal" / "2026-01-01" / f"{record_id}.{kind}.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(header).encode() + b"\n" + data + b"\n"))
    return path


def foreign_label(home: Path, body: str, schema=1) -> Path:
    label_id = new_id()
    header = {"schema": schema, "kind": "label", "id": label_id, "sha256": checksum(schema, "label", label_id, body.encode())}
    path = home / "journal" / "labels" / f"{label_id}.label.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(json.dumps(header).encode() + b"\t" + body.encode() + b"\n")
    return path


def lives_on(home: Path, *bad: Path) -> None:
    """All else is readable, and every look-over ends and names each of the files."""
    for store in (Store(home), Store(home)):  # one that folds, one that finds it folded
        assert len(store.query("SELECT id FROM trials")) == 5
        assert store.sql("SELECT count(*) FROM labels").rows == [(2,)]
        assert len(store.labels.current("s")) == 2
        store.studies()
        store.experiments()
        told = "\n".join(store.told())
        assert not [path.name for path in bad if path.name.split(".")[0] not in told]
    report = drain(store.verify())
    assert not report.ok and {Path(damage.path).name for damage in report.damaged} == {path.name for path in bad}
    assert not report.missing and not report.extra and not report.differing
    assert drain(store.rebuild()) == 7
    assert versions.studies(Workbench(home)) == [] and book.latest(Workbench(home)) == {}


@pytest.fixture
def home(tmp_path):
    store = Store(tmp_path)
    for seed in range(5):
        store.add("trial", {**TRIAL, "seed": seed})
    store.labels.add([LABEL, {**LABEL, "item": "j"}])
    return tmp_path


@pytest.mark.parametrize("name", ODD)
def test_what_the_tables_cannot_hold_is_refused_before_it_is_acknowledged(home, name):
    kind, payload = ODD[name]
    store = Store(home)
    before = len(store.journal.listing())
    with pytest.raises((WorkbenchError, KeyError, TypeError)):
        store.add(kind, payload)
    assert len(store.journal.listing()) == before and drain(store.verify()).ok


ODD_RANKINGS = {
    "fewer scores": ([["a", 0, 5]], [[0], []]),
    "a chunk that is not there": ([["a", 0, 5]], [[1], [0.5]]),
    "a chunk below 0": ([["a", 0, 5]], [[-1], [0.5]]),
    "a chunk that is no whole number, and equals one": ([["a", 0, 5]], [[0.0], [0.5]]),
    "a chunk that is a text": ([["a", 0, 5]], [["0"], [0.5]]),
    "a span without its end": ([["a", 0, 5], ["a", 0]], [[0], [0.5]]),
    "a document that is a number": ([["a", 0, 5], [7, 0, 5]], [[1], [0.5]]),
    "an end beyond 32 bits": ([["a", 0, 5], ["b", 0, 2**40]], [[1], [0.5]]),
    "a score that is a text": ([["a", 0, 5]], [[0], ["good"]]),
    "a score beyond numbers": ([["a", 0, 5]], [[0], [10**400]]),
    "scores that are a mapping": ([["a", 0, 5]], [[], {}]),
    "scores that are none": ([["a", 0, 5]], [[], None]),
}


@pytest.mark.parametrize("name", ODD_RANKINGS)
def test_one_odd_ranking_among_many_is_refused_in_the_words_of_a_fold(tmp_path, name):
    chunks, odd = ODD_RANKINGS[name]
    payload = {**TRIAL, "chunks": chunks, "rankings": {"p": [[0], [0.25]], "q": odd, "r": [[0, 0], [1, None]]}}
    record = Record(new_id(), "trial", payload)
    [(_, reason)] = rows.gathered([record], lambda record: rows.rows(record, None))[1]
    with pytest.raises(ValueError) as refused:
        rows.check(record)
    assert str(refused.value) == reason
    rows.check(record._replace(payload={**payload, "chunks": [["a", 0, 5]], "rankings": {"p": [[0], [0.25]], "q": [[], []]}}))


def test_what_others_wrote_and_the_tables_cannot_hold_is_left_out_and_named(home):
    lives_on(home, *(foreign(home, kind, json.dumps(payload)) for kind, payload in ODD.values()))


@pytest.mark.parametrize("name", ODD_LABELS)
def test_odd_labels_are_refused(home, name):
    with pytest.raises(WorkbenchError, match="cannot be recorded"):
        Store(home).labels.add([{**LABEL, "item": "k"}, ODD_LABELS[name]])
    assert len(Store(home).labels.current("s")) == 2, "of labels that come together none is kept then"


def test_odd_labels_of_others_are_left_out_and_named(home):
    lives_on(home, *(foreign_label(home, json.dumps(payload)) for payload in ODD_LABELS.values()))


def test_bodies_that_are_no_payload_are_left_out_and_named(home):
    bodies = [
        "[1, 2]",
        "null",
        '"text"',
        "5",
        DEEP,
        '{"seed": NaN}',
        '{"costs": {"a": -Infinity}}',
        '{"costs": 1e999}',
        '{"seed": ' + "9" * 5000 + "}",
        "{",
        "",
    ]
    lives_on(
        home,
        *(foreign(home, "trial", body) for body in bodies),
        *(foreign_label(home, body) for body in ["[1, 2]", "null", DEEP, '{"study": NaN}', "{"]),
    )


def test_headers_that_say_nothing_known_are_left_out_and_named(home):
    """Schemas, ids and kinds."""
    body, schemas = json.dumps(TRIAL), ["one", None, 2, 0, -1, 1.5, True, [1], {"a": 1}, 10**30]
    lives_on(
        home,
        *(foreign(home, "trial", body, schema=schema) for schema in schemas),
        *(foreign_label(home, json.dumps(LABEL), schema=schema) for schema in schemas),
        *(foreign(home, "trial", body, record_id=record_id) for record_id in ["z" * 26, "nothing", "ZZ", "01"]),
        *(foreign(home, kind, body) for kind in ["novel", "label"]),
    )


@pytest.mark.parametrize("what", ["folder", "loop", "pipe"])
def test_what_is_no_file_is_left_out_and_named(home, what):
    paths = [home / "journal" / "2026-01-01" / f"{new_id()}.{kind}.jsonl.gz" for kind in ("trial", "study", "questions")]
    paths.append(home / "journal" / "labels" / f"{new_id()}.label.jsonl")
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        {"folder": path.mkdir, "pipe": lambda path=path: os.mkfifo(path), "loop": lambda path=path: path.symlink_to(path)}[what]()
    started = time.monotonic()
    lives_on(home, *paths)
    drain(Store(home).backup(home / "all.zip"))
    assert time.monotonic() - started < 300


def test_a_link_to_itself_in_place_of_a_days_folder_is_in_nobodys_way(home):
    (home / "journal" / "2026-01-02").symlink_to("2026-01-02")
    assert len(Store(home).query("SELECT id FROM trials")) == 5 and drain(Store(home).verify()).ok


def test_a_few_bytes_that_unpack_to_gigabytes_are_left_out(home, monkeypatch):
    monkeypatch.setattr("core.store.journal.LARGEST_BYTES", 1_000_000)
    path = foreign(home, "trial", json.dumps({**TRIAL, "reason": "0" * 2_000_000}))
    assert path.stat().st_size < 10_000
    lives_on(home, path)


def test_one_odd_record_among_many_costs_little(home, monkeypatch):
    """It is looked for half by half, not one by one."""
    store = Store(home)
    for seed in range(400):
        foreign(home, "trial", json.dumps({**TRIAL, "seed": seed}))
    bad = foreign(home, "trial", json.dumps({**TRIAL, "seed": 2**80}))
    tried, arrow = [], rows.arrow
    monkeypatch.setattr(rows, "arrow", lambda name, made: tried.append(name) or arrow(name, made))
    assert len(store.query("SELECT id FROM trials")) == 405
    assert len(tried) < 101 and [bad.name[:26] in notice for notice in store.told()] == [True]


def test_half_a_surrogate_pair_is_replaced_not_refused(home):
    """Broken files contain them, and models write them."""
    store = Store(home)
    answer_id = store.add("answer", {**ANSWER, "text": "a \ud800 b"})
    assert store.query("SELECT id, text FROM answers") == [{"id": answer_id, "text": "a ? b"}]
    foreign(home, "answer", '{"question": "\\udfff", "text": "x"}')
    assert len(store.query("FROM answers")) == 2 and drain(store.verify()).ok
