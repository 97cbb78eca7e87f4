"""Studies and their labels as they are checked, kept and told on the command line."""

import csv
import io
import json
import shutil
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from core.__main__ import main
from core.annotation import checking, exports, imports, latest, rounds, standing, tokens, versions, worklist
from core.annotation.formats import exchange, label_studio
from core.annotation.label_table import table
from core.annotation.labels import complete
from core.annotation.rubric import FOLDER
from core.annotation.study import study_hash
from core.errors import WorkbenchError
from core.workbench import Workbench
from tests.support.annotated import frozen_study, judge, pairs, rating
from tests.support.studies import add_answers, some


def test_a_changed_study_or_label_is_noticed(workbench):
    frozen = frozen_study(workbench)
    judge(workbench, frozen, "Ann", worklist.Worklist(workbench, frozen, "Ann").next_open())
    assert checking.check(workbench, "toy").ok
    record = workbench.store.journal.read(frozen.id).payload
    changed = {**record, "design": {**record["design"], "hypothesis": "known afterwards"}}
    workbench.store.add("study", {**changed, "version": 2})
    payload = workbench.store.labels.all("toy")[0]
    workbench.store.add_label({**payload, "hash": "another", "id": ""})
    workbench.store.add_label({**payload, "created": "2001-01-01T00:00:00+00:00"})
    workbench.store.add_label({**payload, "sentences": [["purple"]]})
    found = " ".join(checking.check(workbench, "toy").findings)
    for said in ("does not match its hash", "changed after", "never frozen", "older than", "do not fit"):
        assert said in found


def test_times_of_labels_are_compared_whatever_zone_a_file_says_them_in(workbench):
    frozen = frozen_study(workbench)
    judge(workbench, frozen, "Ann", worklist.Worklist(workbench, frozen, "Ann").next_open())
    payload, since = workbench.store.labels.all("toy")[0], datetime.fromisoformat(frozen.created)
    west, east = (timezone(timedelta(hours=hours)) for hours in (-5, 5))
    # after the study was frozen; in the west the clock says four hours before
    for hour, zone in ((1, west), (2, UTC), (3, east)):
        workbench.store.add_label({**payload, "created": (since + timedelta(hours=hour)).astimezone(zone).isoformat(), "id": ""})
    assert checking.check(workbench, "toy").ok
    workbench.store.add_label({**payload, "created": (since - timedelta(hours=1)).astimezone(east).isoformat(), "id": ""})
    assert "1 labels are older than the study" in " ".join(checking.check(workbench, "toy").findings)


def test_an_imported_label_that_is_older_than_the_plan_is_told(workbench, tmp_path):
    """As of a project on a server that was made of a draft: its labels could have shaped the plan."""
    frozen = frozen_study(workbench)
    mine = worklist.Worklist(workbench, frozen, "Ann").items[:2]
    now = datetime.fromisoformat(frozen.created)
    rows = [
        {"item": item, "annotator": "Ann", "created": (now + timedelta(hours=hours)).isoformat(), "helpful": [3]}
        for item, hours in zip(mine, (-1, 1), strict=True)
    ]
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert imports.import_labels(workbench, "toy", tmp_path / "labels.jsonl").added == 2
    told = checking.check(workbench, "toy")
    assert not told.ok and ["1 labels are older than the study" in each for each in told.findings] == [True]


def test_a_draft_goes_to_no_server(workbench):
    rounds.save(workbench, rating())
    with pytest.raises(WorkbenchError, match="draft") as caught:
        exports.push(workbench, "toy", "http://127.0.0.1:9")
    assert "Freeze" in caught.value.todo


def test_tokens_are_kept_as_hashes(workbench):
    frozen = frozen_study(workbench, tokens=True)
    token = tokens.issue_token(workbench, "toy", "Ann")
    assert tokens.may_label(workbench, frozen, "Ann", f" {token}\n") and token not in tokens._tokens(workbench).read_text()
    assert not tokens.may_label(workbench, frozen, "Ann", "") and not tokens.may_label(workbench, frozen, "Ben", token)
    assert not tokens.may_label(workbench, frozen, "Zoe", token)
    again = tokens.issue_token(workbench, "toy", "Ann")
    assert not tokens.may_label(workbench, frozen, "Ann", token) and tokens.may_label(workbench, frozen, "Ann", again)
    open_study = frozen._replace(study=frozen.study.model_copy(update={"tokens": False}))
    assert tokens.may_label(workbench, open_study, "Ben") and not tokens.may_label(workbench, open_study, "Zoe")


def test_ratings_make_pairs_where_they_differ_by_a_star(workbench):
    frozen = frozen_study(workbench, count=40, annotators=("Ann", "Ben"))
    for who in ("Ann", "Ben"):
        for item in frozen.study.items:
            judge(workbench, frozen, who, item.id, helpful=(5 if "system 1" in item.responses[0].system else 4 - (who == "Ben"),))
    found = exchange.dpo_pairs(frozen.study, latest.labels(workbench, "toy"))
    assert len(found) == 20 and all("<b>1</b>" in pair["chosen"] and "<b>0</b>" in pair["rejected"] for pair in found)


@pytest.mark.slow
def test_what_annotators_do_is_in_the_tables(workbench):
    frozen = frozen_study(workbench)
    item = worklist.Worklist(workbench, frozen, "Ann").next_open()
    judge(workbench, frozen, "Ann", item, "partly")
    judge(workbench, frozen, "Ann", item)
    found = workbench.store.query("SELECT * FROM sentence_labels")
    assert [row["label"] for row in found] == ["supported"] * 2 and found[0]["item"] == item
    assert workbench.store.query("SELECT count(*) AS n FROM labels") == [{"n": 2}]
    assert len(workbench.store.query("SELECT * FROM study_items")) == len(frozen.study.items)
    for _, statement in workbench.store.examples:
        workbench.sql(statement)


def test_studies_and_labels_of_every_version_load_and_keep_their_hash(workbench):
    for folder, pattern in (("copied", "*.study.jsonl.gz"), ("labels", "*.label.jsonl")):
        (workbench.store.journal.folder / folder).mkdir(parents=True)
        for path in (Path(__file__).parents[1] / "records").rglob(pattern):
            shutil.copy(path, workbench.store.journal.folder / folder)
    checked = [checking.check(workbench, one.study.id) for one in versions.studies(workbench)]
    assert checked and all(one.ok and one.labels >= 2 for one in checked) and not workbench.store.notices
    for one in versions.studies(workbench):
        assert study_hash(one.study, one.round) == one.hash, "an export of it can be checked too"
    assert workbench.store.query("SELECT count(*) AS n FROM sentence_labels WHERE label = 'partly'")[0]["n"] >= 2


def test_the_adjudicators_word_decides_a_pair(workbench, tmp_path):
    frozen = rounds.freeze(
        workbench,
        pairs(per_item=3).model_copy(
            update={"items": tuple(item.model_copy(update={"round": "main"}) for item in pairs().items)}
        ),
        "main",
    )
    first, second, third = (item.id for item in frozen.study.items[:3])
    for who, choice in zip(frozen.study.annotators, "aab", strict=True):
        for item in (first, second):
            judge(workbench, frozen, who, item, preference=choice)
        judge(workbench, frozen, who, third, preference="a", cannot_judge=True)
    last = rounds.open_adjudication(workbench, "ab", ["Dora"])
    judge(workbench, last, "Dora", first, preference="b")
    judge(workbench, last, "Dora", second, cannot_judge=True)
    [pair] = exchange.dpo_pairs(last.study, latest.labels(workbench, "ab"))
    assert pair["item"] == first and pair["chosen"] == last.study.item(first).responses[1].text
    assert (pair["votes"], pair["against"]) == (1, 0)


def test_damaged_labels_are_told_by_check_and_export(workbench, tmp_path):
    frozen = frozen_study(workbench)
    for item in worklist.items_of(frozen, "Ann")[:3]:
        judge(workbench, frozen, "Ann", item)
    [path] = workbench.store.labels.paths()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    again = Workbench(workbench.home)
    found = checking.check(again, "toy")
    assert not found.ok and "1 label records cannot be read" in found.findings[0]
    counts = exports.export(again, "toy", folder=tmp_path / "out").counts
    assert counts["labels"] == 2 and counts["unreadable label records, of this study or others"] == 1


def run(capsys, *arguments):
    code = main([*map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_study_by_the_command_line(workbench, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(workbench.home))
    add_answers(workbench)
    (tmp_path / "study.yaml").write_text(
        "id: mine\nquestion: Which is faithful?\nannotators: [Ann, Ben]\ndraw: {count: 10, pilot: 0}\n"
    )
    code, draft = run(capsys, "annotate", "draft", tmp_path / "study.yaml")
    assert code == 0 and (draft["round"], draft["items"], draft["hash"]) == ("draft", 10, "")
    assert len(run(capsys, "annotate", "freeze", "mine", "main")[1]["hash"]) == 64
    frozen = versions.load(workbench, "mine")
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["item", "annotator", "sentence", "value"])
    for item in frozen.study.items:
        writer.writerows([item.id, who, 1, "supported"] for who in ("Ann", "Ben"))
    (tmp_path / "short.csv").write_text(table.getvalue())
    assert run(capsys, "annotate", "import", "mine", tmp_path / "short.csv")[1]["added"] == 20
    assert run(capsys, "annotate", "progress", "mine")[1][0]["partial"] == 10  # nobody said how helpful
    assert run(capsys, "annotate", "check", "mine")[1]["ok"]
    assert run(capsys, "annotate", "export", "mine", "--folder", tmp_path / "out", "--format", "csv")[0] == 0
    code, found = run(capsys, "agreement", tmp_path / "out" / "labels.csv", "--resamples", 100)
    assert found["labels"] == 20 and found["measures"][0]["value"] is None and found["measures"][0]["note"]  # one label only
    assert run(capsys, "annotate", "list")[1][0]["study"] == "mine" and run(capsys, "annotate", "show", "mine")[0] == 0
    assert [version["round"] for version in run(capsys, "annotate", "history", "mine")[1]][-1] == "main"
    assert len(run(capsys, "annotate", "items", "mine")[1]) == run(capsys, "annotate", "show", "mine")[1]["items"]
    assert {row["annotator"] for row in run(capsys, "annotate", "loads", "mine", "main")[1]} >= {"Ann"}
    assert run(capsys, "annotate", "attention", "mine")[1] == {} and run(capsys, "annotate", "pilot", "mine")[1] == {}
    assert isinstance(run(capsys, "annotate", "token", "mine", "Ann")[1], str)
    assert run(capsys, "annotate", "adjudicate", "mine", "Dora")[0] == 1
    workbench.store.add("study", {**workbench.store.journal.read(frozen.id).payload, "hash": "0" * 64, "version": 2})
    assert run(capsys, "annotate", "check", "mine")[0] == 1


def test_somebody_leaves_and_a_plan_is_frozen_by_the_command_line(workbench, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(workbench.home))
    pilot = rounds.freeze(workbench, rating(), "pilot")
    some(workbench, pilot, "Ben", 1)
    rounds.plan(workbench, pilot.study.model_copy(update={"hypothesis": "A is better."}))
    code, told = run(capsys, "annotate", "hand-over", "toy", "Ben")
    assert (
        code == 0
        and (told["round"], told["version"], told["kept"]) == ("pilot", 2, 1)
        and sum(told["given"].values()) + told["short"]
    )
    assert run(capsys, "annotate", "hand-over", "toy", "Ben")[0] == 1
    assert run(capsys, "annotate", "close", "toy")[1]["version"] == 3
    assert len(run(capsys, "annotate", "check", "toy")[1]["notes"]) == 2
    code, main_round = run(capsys, "annotate", "freeze", "toy", "main")
    assert code == 0 and main_round["hypothesis"] == "A is better." and main_round["annotators"] == ["Ann", "Cy"]


def test_qags_gives_its_published_agreement(datasets_root, workbench, monkeypatch, capsys):
    path = datasets_root / "qags/mturk_cnndm.jsonl"
    code, found = run(capsys, "agreement", path, "--resamples", 200)
    alpha = found["measures"][0]
    assert code == 0 and (found["units"], found["annotators"], found["labels"]) == (714, 162, 2142)
    assert round(alpha["value"], 4) == 0.5135 and alpha["low"] < 0.5135 < alpha["high"]
    for _ in range(2):
        frozen = imports.import_qags(workbench, path)
    found = latest.labels(workbench, "qags")
    assert len(found) == 705 and all(complete(frozen.study, one) for one in found)
    assert checking.check(workbench, "qags").ok and table(frozen.study, found).values.shape == (714, 162)
    people = standing.progress(workbench, frozen)  # who judged what was decided where it was labelled
    assert sum(each.assigned for each in people) == sum(each.done for each in people) == 705
    done = worklist.Worklist(workbench, frozen, people[0].annotator)
    assert set(done.items) == {one.item for one in found if one.annotator == people[0].annotator} and done.next_open() is None
    assert standing.standing(workbench, frozen).step == "Adjudicate"


def test_the_label_config_in_use_is_that_of_the_rubric():
    from xml.etree import ElementTree

    text = (FOLDER / "label_studio.xml").read_text("utf-8")
    assert text == label_studio.config_xml(rating())
    assert {one.get("value") for one in ElementTree.fromstring(text).iter("Label")} == {*rating().names, "error"}
    two = ElementTree.fromstring(label_studio.config_xml(pairs()))
    names = [one.get("name") for one in two.iter() if one.get("name")]
    assert len(names) == len(set(names)) and {"preference", "sentence_2", "helpful_2", "error_2"} <= set(names)
    assert all(one.get("toName") in names for one in two.iter() if one.get("toName"))


def test_a_pilot_is_revised_planned_from_and_asked_for_its_values(workbench, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(workbench.home))
    frozen = rounds.freeze(workbench, rating(count=12, pilot=4), "pilot")
    first = frozen.study.round_items("pilot")[0].id
    for who in frozen.study.people("pilot"):
        for item in worklist.items_of(frozen, who):
            judge(workbench, frozen, who, item, "partly" if item == first else "supported")
    values = run(capsys, "annotate", "pilot", "toy")[1]["rate"]
    assert values["rate"] == 0.75 and "in the pilot" in values["from"]
    (tmp_path / "plan.yaml").write_text("stop: {kind: alpha, value: 0.7}\n")
    assert run(capsys, "annotate", "plan", "toy", tmp_path / "plan.yaml")[1]["stop"]["value"] == 0.7
    assert run(capsys, "annotate", "revise", "toy", tmp_path / "plan.yaml")[0] == 1
    (tmp_path / "rubric.yaml").write_text("changed: Clearer.\nguidelines: Read it twice.\n")
    assert run(capsys, "annotate", "revise", "toy", tmp_path / "rubric.yaml")[1]["version"] == 2
    assert run(capsys, "annotate", "answers")[0] == 0
