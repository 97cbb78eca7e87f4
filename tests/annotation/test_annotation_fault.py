"""What labels survive: crowds, kills, power cuts and files that rot; and what an import says of bad files."""

import errno
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from core.__main__ import main
from core.annotation import checking, exports, imports, label_files, latest, rounds, saving, worklist
from core.annotation.labels import blank
from core.errors import WorkbenchError
from core.files.ids import new_id
from core.progress import drain
from core.store.database import Store
from core.store.segments import SEGMENT, Segments, encode_line
from core.workbench import Workbench
from tests.support.annotated import rating

ROOT = Path(__file__).parents[2]
PAYLOAD = {
    "study": "toy", "hash": "h", "round": "main", "annotator": "Ann", "complete": True, "sentences": [["supported"]], "spans": [],
    "helpful": [3], "preference": None, "cannot_judge": False, "comment": "", "seconds": 1.0, "rubric": 1, "shown": "", "order": [0],
    "replaces": "", "restores": "", "withdrawn": False, "origin": "", "created": "2026-01-01T00:00:00+00:00",
}  # fmt: skip
WRITER = f"""
import sys
from core.store.database import Store
store, number = Store(sys.argv[1]), 0
while True:
    print(store.add_label({{**{PAYLOAD!r}, "item": f"{{sys.argv[2]}}-{{number}}"}}), flush=True)
    number += 1
"""


def annotate(home: str, who: str, count: int, told) -> None:
    """One annotator in a process of their own."""
    store = Store(home)
    told.put([store.add_label({**PAYLOAD, "annotator": who, "item": f"i{n}"}) for n in range(count)])


@pytest.mark.slow
def test_six_annotators_label_six_hundred_items_at_once(tmp_path):
    people, each = 6, 100
    spawn = multiprocessing.get_context("spawn")
    told = spawn.Queue()
    crowd = [spawn.Process(target=annotate, args=(str(tmp_path), f"p{n}", each, told)) for n in range(people)]
    for one in crowd:
        one.start()
    ids = [label_id for _ in crowd for label_id in told.get(timeout=600)]
    for one in crowd:
        one.join()
    store = Store(tmp_path)
    assert len(set(ids)) == len(ids) == people * each
    assert sorted(row["id"] for row in store.query("SELECT id FROM labels")) == sorted(ids)
    assert len(store.labels.current("toy")) == people * each
    report = drain(store.verify())
    assert report.ok and report.journal["label"] == report.database["label"] == people * each


@pytest.mark.slow
def test_kill_loses_nothing_that_was_acknowledged(tmp_path):
    acknowledged, dice = [], random.Random(0)
    for life in range(3):
        child = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, str(life)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(dice.randrange(5, 30)):
            acknowledged.append(child.stdout.readline().strip())
        child.send_signal(signal.SIGKILL)
        acknowledged += [line.strip() for line in child.stdout if line.endswith("\n")]
        child.wait()
    store = Store(tmp_path)
    assert set(acknowledged) <= {one["id"] for one in store.labels.all("toy")}
    assert set(acknowledged) <= {row["id"] for row in store.query("SELECT id FROM labels")}
    assert drain(store.verify()).ok


def some(home, count=5) -> tuple[list[str], Path]:
    store = Store(home)
    ids = [store.add_label({**PAYLOAD, "item": f"i{n}"}) for n in range(count)]
    [path] = store.labels.paths()
    return ids, path


@pytest.mark.slow
def test_a_torn_last_line_is_told_and_nothing_is_written_behind_it(tmp_path):
    ids, path = some(tmp_path)
    with open(path, "ab") as file:
        file.write(path.read_bytes()[:50])
    store = Store(tmp_path)
    assert len(store.labels.current("toy")) == 5 and store.labels.torn() == []  # its writer may still be at it
    os.utime(path, (time.time() - 60,) * 2)
    assert [row["id"] for row in store.query("SELECT id FROM labels ORDER BY id")] == ids
    assert any("cut off" in notice and str(path) in notice for notice in store.notices)
    new = store.add_label({**PAYLOAD, "item": "later"})
    assert len(store.labels.paths()) == 2 and store.labels.get(new)["item"] == "later"
    report = drain(store.verify())
    assert report.ok and report.leftovers == (str(path),) and report.journal["label"] == 6


def test_a_line_that_is_still_being_written_is_read_once_it_is_whole(tmp_path):
    _, path = some(tmp_path)
    data = path.read_bytes()
    cut = len(data) - 30
    path.write_bytes(data[:cut])
    store = Store(tmp_path)
    assert len(store.labels.current("toy")) == 4 and store.query("SELECT count(*) AS n FROM labels") == [{"n": 4}]
    with open(path, "ab") as file:
        file.write(data[cut:])
    assert len(store.labels.current("toy")) == 5 and store.query("SELECT count(*) AS n FROM labels") == [{"n": 5}]


@pytest.mark.slow
@pytest.mark.parametrize("at", [b'"sha256":"', b'"study":"', b'"helpful":['])
def test_a_flipped_bit_costs_one_label_and_is_seen(tmp_path, at):
    _, path = some(tmp_path)
    data = bytearray(path.read_bytes())
    third = data.index(b"\n", data.index(b"\n") + 1)
    data[data.index(at, third) + len(at)] ^= 1
    path.write_bytes(data)
    store = Store(tmp_path)
    assert len(store.labels.current("toy")) == 4 == store.query("SELECT count(*) AS n FROM labels")[0]["n"]
    report = drain(store.verify())
    assert not report.ok and any("line 3" in damage.reason for damage in report.damaged) and store.labels.damaged
    assert drain(store.rebuild()) == 4


@pytest.mark.parametrize("odd", [{"complete": []}, {"complete": "yesterday"}, {"rubric": "1"}])
def test_a_label_that_no_table_can_hold_is_left_out_and_named(tmp_path, odd):
    _, path = some(tmp_path)
    other = path.with_name(f"{new_id()}{SEGMENT}")
    other.write_bytes(encode_line(new_id(), {**PAYLOAD, "item": "i9", **odd}))
    store = Store(tmp_path)
    assert store.query("SELECT count(*) AS n FROM labels") == [{"n": 5}]
    assert any(next(iter(odd)) in reason and other.name in place for place, reason in store.labels.damaged.items())
    report = drain(store.verify())
    assert not report.ok and not report.missing and [Path(d.path).name.split(":")[0] for d in report.damaged] == [other.name]


def harm_lines(path, how):
    """Lines are whole, and some are missing."""
    lines = path.read_bytes().splitlines(keepends=True)
    kept = {
        "half": lines[:3],
        "first": lines[1:],
        "middle": lines[:2] + lines[3:],
        "swapped": [lines[1], lines[0], *lines[2:]],
        "all": [],
    }[how]
    path.write_bytes(b"".join(kept))
    return len(lines) - len(kept)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["half", "first", "middle", "swapped", "all", "gone"])
def test_labels_that_were_taken_out_are_missed(study, how):
    """Also where no database says that they were there."""
    workbench, frozen = study
    for _ in range(6):
        item = frozen.study.item(worklist.Worklist(workbench, frozen, "Ann").next_open())
        saving.label(workbench, frozen, blank(frozen.study, "main", item, "Ann").model_copy(update={"helpful": (4,)}))
    [path] = workbench.store.labels.paths()
    assert checking.check(workbench, frozen.study.id).ok
    if how == "gone":
        path.unlink()
    else:
        missing = harm_lines(path, how)
    found = checking.check(Workbench(workbench.home), frozen.study.id)
    assert not found.ok and str(path) in found.findings[-1] and "missing" in found.findings[-1] or how == "gone"
    if how == "half":
        assert f"{missing} of 6 labels are missing" in found.findings[-1]
    assert "gone, with 6 labels" in found.findings[-1] or how != "gone"
    report = drain(Store(workbench.home).verify())
    assert not report.ok and any(str(path) == damage.path for damage in report.damaged)


def test_segments_of_older_versions_load(tmp_path):
    """Without a chain, and without a word on how far they went."""
    sample = next(iter((ROOT / "tests/records").rglob("*.label.jsonl")))
    store = Store(tmp_path)
    store.labels.folder.mkdir(parents=True)
    shutil.copy(sample, store.labels.folder)
    assert store.query("SELECT count(*) AS n FROM labels")[0]["n"] == len(sample.read_bytes().splitlines())
    assert drain(store.verify()).ok and not store.labels.cut() and not store.labels.gaps


def test_a_full_disk_is_told_and_the_next_label_is_whole(tmp_path, monkeypatch):
    store = Store(tmp_path)
    kept, write = store.add_label({**PAYLOAD, "item": "a"}), os.write

    def full(handle, data):
        write(handle, data[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("core.store.segments.os.write", full)
    with pytest.raises(WorkbenchError, match="No space"):
        store.add_label({**PAYLOAD, "item": "b"})
    monkeypatch.undo()
    second = store.add_label({**PAYLOAD, "item": "c"})
    assert [one["id"] for one in Store(tmp_path).labels.all("toy")] == [kept, second]


def test_labels_that_come_together_are_kept_together(tmp_path, monkeypatch):
    store = Store(tmp_path)
    kept, write = store.add_label({**PAYLOAD, "item": "a"}), os.write

    def half(handle, data):
        write(handle, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("core.store.segments.os.write", half)
    with pytest.raises(WorkbenchError, match="Free some space"):
        store.labels.add([{**PAYLOAD, "item": f"i{n}"} for n in range(9)])
    fresh = Store(tmp_path)
    for _ in range(3):
        monkeypatch.setattr("core.store.segments.os.write", lambda *_: (_ for _ in ()).throw(OSError(errno.EACCES, "Denied")))
        with pytest.raises(WorkbenchError, match="Ask for permission"):
            fresh.add_label({**PAYLOAD, "item": "b"})
    monkeypatch.undo()
    assert [one["id"] for one in Store(tmp_path).labels.all("toy")] == [kept]
    assert len(store.labels.paths()) == 1, "what was refused leaves no file"


@pytest.mark.slow
def test_a_whole_line_that_lost_its_end_is_kept(tmp_path):
    ids, path = some(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    os.utime(path, (time.time() - 60,) * 2)
    store = Store(tmp_path)
    assert [one["id"] for one in store.labels.all("toy")] == ids and store.labels.torn() == []
    assert [row["id"] for row in store.query("SELECT id FROM labels ORDER BY id")] == ids
    assert drain(store.verify()).ok and not store.notices


def test_a_segment_that_is_gone_is_missed_by_whoever_has_read_it(tmp_path):
    ids, path = some(tmp_path)
    store = Store(tmp_path)
    store.fold()
    assert len(store.labels.current("toy")) == 5
    path.unlink()
    assert store.labels.current("toy") == {} and store.labels.all("toy") == []
    assert drain(store.verify()).extra == tuple(ids)


def test_many_writers_are_folded_in_at_once(tmp_path):
    for n in range(3):
        Store(tmp_path).add_label({**PAYLOAD, "item": f"i{n}"})
    store, taken = Store(tmp_path), []
    insert = store.folding.insert_labels
    store.fold()
    store.folding.insert_labels = lambda connection, files: taken.append(len(files)) or insert(connection, files)
    for n in range(3):
        Store(tmp_path).add_label({**PAYLOAD, "item": f"j{n}"})
    assert store.query("SELECT count(*) AS n FROM labels") == [{"n": 6}] and taken == [3]


@pytest.mark.slow
def test_two_stores_merge_by_copying_and_keep_each_label_once(tmp_path):
    mine, _ = some(tmp_path / "mine")
    theirs, path = some(tmp_path / "theirs")
    store = Store(tmp_path / "mine")
    store.query("SELECT 1")
    shutil.copytree(tmp_path / "theirs/journal", tmp_path / "mine/journal", dirs_exist_ok=True)
    shutil.copy(path, store.labels.folder / f"copy-of-{path.name}")
    assert sorted(row["id"] for row in store.query("SELECT id FROM labels")) == sorted(mine + theirs)
    assert drain(store.rebuild()) == 10 and drain(store.verify()).ok


@pytest.mark.slow
def test_a_cut_off_segment_is_noticed_by_what_the_database_holds(tmp_path):
    ids, path = some(tmp_path)
    Store(tmp_path).fold()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    assert drain(Store(tmp_path).verify()).extra == (ids[-1],)


def test_a_backup_holds_the_labels(tmp_path):
    ids, _ = some(tmp_path / "home")
    drain(Store(tmp_path / "home").backup(tmp_path / "all.zip"))
    shutil.unpack_archive(tmp_path / "all.zip", tmp_path / "again")
    assert [one["id"] for one in Store(tmp_path / "again").labels.all("toy")] == ids


def test_an_unknown_label_and_one_that_is_not_plain(tmp_path):
    segments = Segments(tmp_path)
    with pytest.raises(WorkbenchError):
        segments.get("nothing")
    with pytest.raises(WorkbenchError):
        segments.add([{"seconds": float("nan")}])
    assert segments.all("toy") == [] and segments.paths() == []


# Imports -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def study(tmp_path):
    workbench = Workbench(tmp_path / "data")
    return workbench, rounds.freeze(workbench, rating(pilot=0, annotators=("Ann", "Ben")), "main")


def bad_files(item: str) -> dict[str, tuple[str, int, str]]:
    """name -> (content, line of its first problem, what is said)."""
    good = f'{{"item": "{item}", "annotator": "Ann", "value": "supported"}}\n'
    task = {"data": {"item": item}, "annotations": [{"completed_by": "Ann", "result": []}]}
    region = {"from_name": "sentence_1", "to_name": "answer_1", "type": "labels"}
    ours = json.dumps({"id": new_id(), "item": item, "annotator": "Ann", "helpful": [4]}) + "\n"
    good_region = {**region, "value": {"start": 0, "end": 5, "labels": ["partly"]}}
    twice = [{**region, "value": {"start": 0, "end": 5, "labels": [name]}} for name in ("supported", "partly")]
    labelled = {**task, "annotations": [{"completed_by": "Ann", "result": [good_region]}]}
    outside = [{**region, "value": {"start": 5000, "end": 5009, "labels": ["supported"]}}]
    return {
        "broken.jsonl": (good + "{nonsense", 2, "cannot be read: Expecting"),
        "foreign.jsonl": (good + '{"text": "hello"}', 2, "no label"),
        "schema.jsonl": (good + f'{{"item": "{item}", "annotator": "Ben", "value": "purple"}}', 2, "purple"),
        "item.jsonl": ('{"item": "<b>x</b>", "annotator": "Ann", "value": "supported"}', 1, "no item '<b>x</b>'"),
        "field.jsonl": (f'{{"item": "{item}", "annotator": "Ann", "helpful": ["many"]}}', 1, "helpful"),
        "study.jsonl": (f'{{"item": "{item}", "annotator": "Ann", "study": "other"}}', 1, "'other'"),
        "who.jsonl": (good + good.replace("Ann", "Zoe"), 2, "'Zoe' is no annotator"),
        "empty.csv": ("", 1, "columns"),
        "columns.csv": ("a,b\n1,2\n", 1, "columns"),
        "nothing.csv": ("item,annotator,value\n", 1, "no labels"),
        "cells.csv": (f'item,annotator,value,comment\n{item},Ann,supported,"two\nlines"\n{item},Ann\n', 4, "number of cells"),
        "twice.csv": (f"item,annotator,value\n{item},Ann,supported\n{item},Ann,partly\n", 3, "twice"),
        "sentence.csv": (f"item,annotator,sentence,value\n{item},Ann,9,supported\n", 2, "no sentence 9"),
        "number.csv": (f"item,annotator,part,value\n{item},Ann,helpful,lots\n", 2, "lots"),
        "part.csv": (f"item,annotator,part,value\n{item},Ann,mood,good\n", 2, "no part 'mood'"),
        "bulk.csv": (f"item,annotator,part,value\n{item},Ann,bulk,yes\n", 2, "named by its number"),
        "bulk.jsonl": (f'{{"item": "{item}", "annotator": "Ann", "part": "bulk", "value": "yes"}}', 1, "named by its number"),
        "broken.json": ('[\n{"data": {}},\n{"data": ', 3, "cannot be read"),
        "foreign.json": ('[\n{"id": 1}]', 2, "no task of a study"),
        "unknown.json": (json.dumps([{"data": {"item": "x"}}], indent=1), 2, "no item 'x'"),
        "no_list.json": (json.dumps([{**task, "annotations": 5}]), 1, "no list"),
        "nobody.json": (json.dumps([{**task, "annotations": [{"result": []}]}]), 1, "nobody is named"),
        "two.json": (json.dumps([{**task, "annotations": [{"completed_by": "Ann", "result": twice}]}]), 1, "two labels"),
        "outside.json": (
            json.dumps([{**task, "annotations": [{"completed_by": "Ann", "result": outside}]}]),
            1,
            "not in the answer",
        ),
        "again.json": ("[\n" + json.dumps(labelled) + ",\n" + json.dumps(labelled) + "]", 3, "a second time, first in line 2"),
        "shape.json": (
            json.dumps([{**task, "annotations": [{"result": [{"from_name": "whole"}]}]}]),
            1,
            "not as Label Studio writes it",
        ),
        "strange.json": (json.dumps([{**task, "annotations": [{"result": [{"from_name": "mood"}]}]}]), 1, "labelled with 'mood'"),
        "says_nothing.json": ("[\n" + json.dumps(task) + "]", 2, "says nothing"),
        "says_nothing.jsonl": (f'{{"item": "{item}", "annotator": "Ann"}}', 1, "says nothing"),
        "says_nothing.csv": (f"item,annotator,value\n{item},Ann,\n", 2, "says nothing"),
        "same_id.jsonl": (ours + ours.replace("Ann", "Ben"), 2, "stands in line 1 already"),
        "rubric.jsonl": (ours.replace("}", ', "rubric": 9}'), 1, "no version 9 of the rubric"),
        "time.jsonl": (ours.replace("}", ', "created": "yesterday"}'), 1, "'yesterday' is no time"),
        "round.jsonl": (ours.replace("}", ', "round": "pilot"}'), 1, "is not assigned to 'Ann' in the pilot round"),
        "columns_twice.csv": ("item,item,annotator,value\n", 1, "2 columns 'item'"),
    }


@pytest.mark.parametrize("name", bad_files("x"))
def test_a_bad_file_is_told_by_line_and_nothing_of_it_is_taken(study, tmp_path, name):
    workbench, frozen = study
    content, line, said = bad_files(frozen.study.items[0].id)[name]
    (tmp_path / name).write_text(content)
    with pytest.raises(label_files.ImportProblems) as caught:
        imports.import_labels(workbench, "toy", tmp_path / name)
    first = caught.value.problems[0]
    assert (first.file, first.line) == (name, line) and said in first.what and first.what.endswith(".")
    assert latest.labels(workbench, "toy") == []


def test_good_rows_are_kept_only_when_asked_for(study, tmp_path):
    workbench, frozen = study
    ids = [item.id for item in frozen.study.items]
    rows = [f"{ids[0]},Ann,supported", "nowhere,Ann,supported", f"{ids[1]},Ann,purple", f"{ids[1]},Ben,partly"]
    (tmp_path / "mixed.csv").write_text("\ufeffitem,annotator,value\n" + "\n".join(rows), "utf-8")
    with pytest.raises(label_files.ImportProblems, match="2 good labels"):
        imports.import_labels(workbench, "toy", tmp_path / "mixed.csv")
    assert latest.labels(workbench, "toy") == []
    found = imports.import_labels(workbench, "toy", tmp_path / "mixed.csv", keep_good=True)
    assert found.added == 2 and [one.line for one in found.problems] == [3, 4]
    assert {(one.item, one.annotator) for one in latest.labels(workbench, "toy")} == {(ids[0], "Ann"), (ids[1], "Ben")}


def test_files_that_are_no_text_or_not_there(study, tmp_path):
    workbench, _ = study
    (tmp_path / "latin.csv").write_bytes("item,annotator,value\nx,Jos\xe9,y".encode("latin-1"))
    with pytest.raises(WorkbenchError, match="not UTF-8") as caught:
        imports.import_labels(workbench, "toy", tmp_path / "latin.csv")
    assert caught.value.where.endswith(":2")
    for path, words in ((tmp_path / "absent.csv", "No such file"), (tmp_path, "Is a directory|no such file|No such file")):
        with pytest.raises(WorkbenchError, match=words):
            imports.import_labels(workbench, "toy", path)


def test_qags_files_that_are_not(study, tmp_path):
    workbench, _ = study
    sentence = {"sentence": "One.", "responses": [{"worker_id": 1, "response": "yes"}]}
    good = json.dumps({"article": "A.", "summary_sentences": [sentence]}) + "\n"
    for bad, said in [
        ("{", "cannot be read"),
        ("[]", "no mapping"),
        ('{"article": "A.", "summary_sentences": []}', "no sentences"),
        (good.replace("yes", "maybe"), "maybe"),
        (json.dumps({"article": "A.", "summary_sentences": [{**sentence, "responses": sentence["responses"] * 2}]}), "twice"),
    ]:
        (tmp_path / "q.jsonl").write_text(good + bad)
        with pytest.raises(label_files.ImportProblems, match=said) as caught:
            imports.import_qags(workbench, tmp_path / "q.jsonl")
        assert caught.value.problems[0].line == 2
    (tmp_path / "q.jsonl").write_text(good)
    assert len(imports.import_qags(workbench, tmp_path / "q.jsonl").study.items) == 1


def test_no_server_no_key_no_sdk_and_no_answer_are_told(study, monkeypatch, tmp_path):
    workbench, _ = study
    for name in ("LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY", "LABEL_STUDIO_PYTHON"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(WorkbenchError, match="No Label Studio server"):
        exports.push(workbench, "toy")
    with pytest.raises(WorkbenchError, match="no key"):
        exports.push(workbench, "toy", "http://127.0.0.1:9")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "secret-key")
    for program, said in (
        ("raise ModuleNotFoundError(\"No module named 'label_studio_sdk'\")", "not installed"),
        ("raise OSError('connection refused')", "connection refused"),
    ):
        python = tmp_path / "python"
        python.write_text(f"#!{sys.executable}\n{program}\n")
        python.chmod(0o755)
        monkeypatch.setenv("LABEL_STUDIO_PYTHON", str(python))
        with pytest.raises(WorkbenchError, match=said) as caught:
            imports.pull(workbench, "toy", 1, "http://127.0.0.1:9")
        assert "secret-key" not in str(caught.value)
    monkeypatch.setenv("LABEL_STUDIO_PYTHON", str(tmp_path / "nowhere"))
    with pytest.raises(WorkbenchError, match="no such interpreter"):
        exports.push(workbench, "toy", "http://127.0.0.1:9")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "secret-key\r\n")
    for program, said in (
        ("import os; raise ValueError(repr(os.environ['LABEL_STUDIO_API_KEY']))", "ValueError: '…'"),
        ('print(\'{"error": "status 401 Invalid token."}\')', "refused: status 401 Invalid token$"),
        ("pass", "no reason given"),
    ):
        python.write_text(f"#!{sys.executable}\n{program}\n")
        monkeypatch.setenv("LABEL_STUDIO_PYTHON", str(python))
        with pytest.raises(WorkbenchError) as caught:
            imports.pull(workbench, "toy", 1, "http://127.0.0.1:9")
        assert re.search(said, caught.value.what.rstrip(".")), caught.value.what
    monkeypatch.setenv("LABEL_STUDIO_PYTHON", str(tmp_path))
    with pytest.raises(WorkbenchError, match="cannot be run"):
        exports.push(workbench, "toy", "http://127.0.0.1:9")
    with pytest.raises(WorkbenchError, match="holds a password") as caught:
        exports.push(workbench, "toy", "http://me:hunter2@127.0.0.1:9")
    assert "hunter2" not in str(caught.value)


def test_a_name_is_a_name_also_where_it_looks_like_something_else(study, tmp_path, monkeypatch, capsys):
    workbench, _ = study
    frozen = rounds.freeze(workbench, rating(pilot=0, annotators=("No", "007"), id="names"), "main")
    item = worklist.Worklist(workbench, frozen, "No").next_open()
    (tmp_path / "f.csv").write_text(f"item,annotator,value\n{item},a=b,supported\n")
    monkeypatch.setenv("GROUNDWORK_HOME", str(workbench.home))
    assert main(["annotate", "import", "names", str(tmp_path / "f.csv"), "--as", "a=b=No", "--json"]) == 0
    assert [one.annotator for one in latest.labels(workbench, "names")] == ["No"]
    assert main(["annotate", "import", "names", str(tmp_path / "f.csv"), "--as", "nobody", "--json"]) == 1
    assert main(["annotate", "token", "names", "Nobody", "--json"]) == 1 and "is nobody" in capsys.readouterr().out


@pytest.mark.slow
def test_a_store_that_may_only_be_read_is_read():
    """As another user, where this is root, who may write everywhere."""
    with tempfile.TemporaryDirectory() as folder:
        workbench = Workbench(Path(folder) / "data")
        frozen = rounds.freeze(workbench, rating(pilot=0), "main")
        item = frozen.study.item(worklist.Worklist(workbench, frozen, "Ann").next_open())
        saving.label(workbench, frozen, blank(frozen.study, "main", item, "Ann").model_copy(update={"helpful": (4,)}))
        workbench.store.fold()
        paths = [Path(folder), workbench.home, *workbench.home.rglob("*")]
        for path in paths:
            path.chmod(0o555 if path.is_dir() else 0o444)
        code = f"""
import os, duckdb, pyarrow
from core.pipeline.recipe_words import words_version
from core.annotation import checking, latest, saving, versions
from core.errors import WorkbenchError
from core.workbench import Workbench
words_version()  # loads the parts, which that user may not read
if os.getuid() == 0:
    os.setuid(65534)
workbench = Workbench({str(workbench.home)!r})
frozen = versions.load(workbench, "toy")
assert len(latest.labels(workbench, "toy")) == 1 and checking.check(workbench, "toy").ok
assert workbench.store.query("SELECT count(*) AS n FROM labels") == [{{"n": 1}}]
try:
    saving.label(workbench, frozen, latest.labels(workbench, "toy")[0])
except WorkbenchError as error:
    print(error.todo)
"""
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
        for path in paths:
            path.chmod(0o755)
    assert done.stdout.startswith("Ask for permission"), done.stderr
