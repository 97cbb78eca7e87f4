"""The verbs of human evaluation, from stored answers to a checked export."""

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from core import annotation_lab as lab
from core.__main__ import main
from core.annotation.labels import Span, blank, complete
from core.annotation.study import FOLDER, default_rubric, shown
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.workbench import Workbench
from tests.annotated import pairs, rating


@pytest.fixture
def workbench(tmp_path):
    return Workbench(tmp_path / "data")


def frozen_study(workbench, **changes):
    return lab.freeze(workbench, rating(pilot=0, **changes), "main")


def judge(workbench, frozen, who, item, name="supported", **changes):
    item = frozen.study.item(item)
    given = {
        "sentences": tuple((name,) * len(one.sentences) for one in item.responses),
        "helpful": (4,) * len(item.responses),
    }
    return lab.label(
        workbench, frozen, blank(frozen.study, frozen.round, item, who).model_copy(update={**given, **changes})
    )


def judge_all(workbench, frozen, **changes):
    for who in frozen.study.people(frozen.round):
        while item := lab.next_unlabelled(workbench, frozen, who):
            judge(workbench, frozen, who, item, **changes)


def add_answers(workbench, questions=6, models=("one.gguf", "two.gguf")):
    for model in models:
        config = TrialConfig().model_dump(mode="json")
        config["generation"] |= {"model": model}
        for n in range(questions):
            for seed in (0, 1):  # the second run is the latest
                workbench.store.add("answer", {
                    "question": f"What is {n}?", "text": f"{model} says {n}, run {seed}.", "finish_reason": "stop", "model": model,
                    "config": {**config, "seed": seed},
                    "hits": [{"document_id": "d", "title": "T", "start": 3, "end": 8, "text": "words", "rank": 1}]})  # fmt: skip
    workbench.store.add(
        "answer", {"question": "Lost?", "text": "x", "finish_reason": "failed: no model", "config": {}, "hits": []}
    )


def test_items_come_from_stored_answers(workbench):
    add_answers(workbench)
    found = lab.candidates(workbench)
    assert len(found) == 12 and set(lab.systems(found).values()) == {6}
    assert all(one.text.endswith("run 1.") and one.passages[0].start == 3 for one in found)
    assert lab.candidates(workbench, "no corpus") == []
    study = lab.design(workbench, {"id": "s", "annotators": ["Ann", "Ben"], "question": "Q?",
                                   "draw": {"count": 8, "pilot": 2, "duplicates": 2, "attention": True}})  # fmt: skip
    assert len(study.items) == 8 + 2 + 5 and study.rubric == default_rubric()
    ab = lab.design(workbench, {"id": "p", "kind": "pairs", "ask": ["preference"],
                                "draw": {"count": 6, "systems": sorted({one.system for one in found})}})  # fmt: skip
    assert len(ab.items) == 6 and all(len(item.responses) == 2 for item in ab.items)
    for wrong in (
        {"draw": {"count": 99}},
        {"draw": {"colour": 1}},
        {"draw": {}},
        {"draw": {"count": 1}, "kind": "pairs"},
    ):
        with pytest.raises(WorkbenchError):
            lab.design(workbench, {"id": "s", **wrong})


def test_draft_pilot_revision_main_and_adjudication(workbench):
    study = rating()
    assert lab.save(workbench, study).hash == "" == lab.save(workbench, study).hash
    assert len(lab.history(workbench, "toy")) == 1
    pilot = lab.freeze(workbench, study, "pilot")
    with pytest.raises(WorkbenchError, match="frozen"):
        lab.save(workbench, study)
    judge_all(workbench, pilot)
    with pytest.raises(WorkbenchError, match="what was changed"):
        lab.revise(workbench, "toy", study.rubric)
    revised = lab.revise(
        workbench, "toy", study.rubric.model_copy(update={"changed": "Clearer words.", "guidelines": "New."})
    )
    assert revised.hash != pilot.hash and [one.version for one in revised.study.rubrics] == [1, 2]
    other = revised.study.model_copy(update={"items": revised.study.items[1:]})
    with pytest.raises(WorkbenchError, match="pilot round was labelled"):
        lab.freeze(workbench, other, "main")
    main_round = lab.freeze(workbench, revised.study, "main")
    with pytest.raises(WorkbenchError):
        lab.freeze(workbench, revised.study, "main")
    with pytest.raises(WorkbenchError):
        lab.revise(workbench, "toy", study.rubric.model_copy(update={"changed": "late"}))
    with pytest.raises(WorkbenchError, match="agree on every item"):
        lab.open_adjudication(workbench, "toy", ["Dora"])
    judge_all(workbench, main_round)
    item = lab.labels(workbench, "toy", "main")[0]
    judge(workbench, main_round, item.annotator, item.item, "partly")
    last = lab.open_adjudication(workbench, "toy", ["Dora"])
    assert last.study.disputed == (item.item,) and lab.resume(workbench, last, "Dora") == item.item
    judge(workbench, last, "Dora", item.item)
    assert lab.progress(workbench, last)[0][:3] == ("Dora", 1, 1)
    assert lab.check(workbench, "toy") == (True, last.hash, len(workbench.store.labels.all("toy")), ())
    assert {one.rubric for one in lab.labels(workbench, "toy", "pilot")} == {1}
    assert {one.rubric for one in lab.labels(workbench, "toy", "main")} == {2}
    assert [one.study.id for one in lab.studies(workbench)] == ["toy"]


def test_a_changed_study_or_label_is_noticed(workbench):
    frozen = frozen_study(workbench)
    judge(workbench, frozen, "Ann", lab.next_unlabelled(workbench, frozen, "Ann"))
    assert lab.check(workbench, "toy").ok
    record = workbench.store.journal.read(frozen.id).payload
    changed = {**record, "design": {**record["design"], "hypothesis": "known afterwards"}}
    workbench.store.add("study", {**changed, "version": 2})
    payload = workbench.store.labels.all("toy")[0]
    workbench.store.add_label({**payload, "hash": "another", "id": ""})
    workbench.store.add_label({**payload, "created": "2001-01-01T00:00:00+00:00"})
    workbench.store.add_label({**payload, "sentences": [["purple"]]})
    found = " ".join(lab.check(workbench, "toy").findings)
    for said in ("not what its hash says", "changed after", "never frozen", "older than", "do not fit"):
        assert said in found


def test_a_label_is_blind_dated_and_replaces_the_one_before(workbench):
    frozen = frozen_study(workbench)
    item = lab.next_unlabelled(workbench, frozen, "Ann")
    first = judge(workbench, frozen, "Ann", item, spans=(Span(response=0, first=0, last=2),), seconds=2.5)
    seen = shown(frozen.study, frozen.study.item(item), "Ann")
    assert (first.shown, first.hash, first.round, first.replaces) == (seen.hash, frozen.hash, "main", "")
    second = judge(workbench, frozen, "Ann", item, "partly")
    assert second.replaces == first.id and lab.current(workbench, frozen, "Ann", item) == second
    assert [one["id"] for one in workbench.store.labels.all("toy")] == [first.id, second.id]
    other = next(one.id for one in frozen.study.items if one.id not in lab._assigned(frozen, "Ann"))
    for wrong in ({"annotator": "Zoe"}, {"item": other}, {"helpful": (9,)}, {"sentences": (("purple", None),)}):
        with pytest.raises(WorkbenchError):
            lab.label(workbench, frozen, first.model_copy(update=wrong))
    with pytest.raises(WorkbenchError, match="draft"):
        lab.label(workbench, frozen._replace(hash=""), first)


def test_undo_goes_back_step_by_step(workbench):
    frozen = frozen_study(workbench)
    item = lab.next_unlabelled(workbench, frozen, "Ann")
    names = ["supported", "partly", "contradicted"]
    for name in names[:2]:
        judge(workbench, frozen, "Ann", item, name)
    assert lab.undo(workbench, frozen, item, "Ann").sentences[0][0] == "supported"
    judge(workbench, frozen, "Ann", item, "contradicted")
    assert lab.undo(workbench, frozen, item, "Ann").sentences[0][0] == "supported"
    assert lab.undo(workbench, frozen, item, "Ann").withdrawn
    assert lab.current(workbench, frozen, "Ann", item) is None and lab.next_unlabelled(workbench, frozen, "Ann") == item
    with pytest.raises(WorkbenchError, match="nothing to undo"):
        lab.undo(workbench, frozen, item, "Ann")
    judge(workbench, frozen, "Ann", item)
    assert lab.undo(workbench, frozen, item, "Ann").withdrawn
    assert len(workbench.store.labels.all("toy")) == 8 and lab.check(workbench, "toy").ok


def test_resume_where_left_also_in_another_process(workbench):
    frozen = frozen_study(workbench)
    mine = lab._assigned(frozen, "Ann")
    judge(workbench, frozen, "Ann", mine[3])
    assert lab.resume(workbench, frozen, "Ann") == mine[4] and lab.next_unlabelled(workbench, frozen, "Ann") == mine[0]
    judge(workbench, frozen, "Ann", mine[5], helpful=(None,))
    again = Workbench(workbench.home)
    assert lab.resume(again, lab.load(again, "toy"), "Ann") == mine[5]
    assert lab.next_unlabelled(workbench, frozen, "Ann", mine[-1]) == mine[0]
    assert {one.annotator: one[1:4] for one in lab.progress(again, frozen)}["Ann"] == (1, len(mine), 1)
    judge_all(workbench, frozen)
    assert lab.resume(workbench, frozen, "Ann") is None


def test_tokens_are_kept_as_hashes(workbench):
    frozen = frozen_study(workbench, tokens=True)
    token = lab.issue_token(workbench, "toy", "Ann")
    assert lab.may_label(workbench, frozen, "Ann", f" {token}\n") and token not in lab._tokens(workbench).read_text()
    assert not lab.may_label(workbench, frozen, "Ann", "") and not lab.may_label(workbench, frozen, "Ben", token)
    assert not lab.may_label(workbench, frozen, "Zoe", token)
    again = lab.issue_token(workbench, "toy", "Ann")
    assert not lab.may_label(workbench, frozen, "Ann", token) and lab.may_label(workbench, frozen, "Ann", again)
    open_study = frozen._replace(study=frozen.study.model_copy(update={"tokens": False}))
    assert lab.may_label(workbench, open_study, "Ben") and not lab.may_label(workbench, open_study, "Zoe")


@pytest.mark.parametrize("name", ["labels.jsonl", "labels.csv", "label_studio.json"])
def test_an_export_goes_into_an_empty_store_and_back(workbench, tmp_path, name):
    frozen = frozen_study(workbench, duplicates=1, attention=True)
    judge_all(
        workbench,
        frozen,
        comment="<script>alert('x')</script>, \"quoted\"\nΩ😀",
        spans=(Span(response=0, first=1, last=3),),
    )
    manifest = lab.export(workbench, "toy", folder=tmp_path / "out")
    told = json.loads((tmp_path / "out/manifest.json").read_text())
    assert told["hash"] == frozen.hash and told["counts"]["labels"] == manifest.counts["complete"] > 20
    assert {file["name"] for file in told["files"]} >= {"study.json", name}
    other = Workbench(tmp_path / "other")
    design = json.loads((tmp_path / "out/study.json").read_text())["design"]
    lab.freeze(other, type(frozen.study).model_validate(design), "main")
    assert lab.import_labels(other, "toy", tmp_path / "out" / name)[:2] == (manifest.counts["labels"], 0)
    plain = {one.id: one.model_copy(update={"origin": ""}) for one in lab.labels(other, "toy")}
    assert plain == {one.id: one for one in lab.labels(workbench, "toy")}
    assert lab.import_labels(other, "toy", tmp_path / "out" / name)[:2] == (0, manifest.counts["labels"])
    values = lab.table(frozen.study, lab.labels(workbench, "toy")).values
    for file in ("", name):
        np.testing.assert_array_equal(lab.read_table(tmp_path / "out" / file).values, values)


def test_what_was_edited_in_label_studio_replaces_our_label(workbench, tmp_path):
    frozen = frozen_study(workbench)
    item = lab.next_unlabelled(workbench, frozen, "Ann")
    first = judge(workbench, frozen, "Ann", item)
    lab.export(workbench, "toy", folder=tmp_path)
    tasks = json.loads((tmp_path / "label_studio.json").read_text())
    task = next(task for task in tasks if task["annotations"])
    region = next(one for one in task["annotations"][0]["result"] if one["from_name"] == "sentence_1")
    region["value"]["labels"] = ["contradicted"]
    fresh = {"completed_by": {"id": 7, "email": "ben@example.org"}, "lead_time": 9.5, "result": [region]}
    wanted = next(
        task for task in tasks if task["data"]["item"] in lab._assigned(frozen, "Ben") and task["data"]["item"] != item
    )
    wanted["annotations"].append({**fresh, "result": [{**region, "value": {**region["value"], "start": 2, "end": 9}}]})
    (tmp_path / "edited.json").write_text(json.dumps(tasks))
    with pytest.raises(lab.ImportProblems, match=r"ben@example\.org"):
        lab.import_labels(workbench, "toy", tmp_path / "edited.json")
    found = lab.import_labels(workbench, "toy", tmp_path / "edited.json", names={"ben@example.org": "Ben"})
    assert found[:2] == (2, 0)
    now = lab.current(workbench, frozen, "Ann", item)
    assert now.sentences[0][0] == "contradicted" and now.replaces == first.id
    theirs = lab.current(workbench, frozen, "Ben", wanted["data"]["item"])
    assert theirs.sentences[0][0] == "contradicted" and theirs.seconds == 9.5 and not complete(frozen.study, theirs)


def test_pairs_for_preference_training(workbench, tmp_path):
    frozen = lab.freeze(workbench, pairs(per_item=3).model_copy(
        update={"items": tuple(item.model_copy(update={"round": "main"}) for item in pairs().items)}), "main")  # fmt: skip
    first, second, third = (item.id for item in frozen.study.items[:3])
    for who, choice in zip(frozen.study.annotators, ("b", "b", "a"), strict=True):
        judge(workbench, frozen, who, first, preference=choice)
        judge(workbench, frozen, who, second, preference="tie")
    judge(workbench, frozen, "Ann", third, cannot_judge=True)
    lab.export(workbench, "ab", ["dpo"], tmp_path)
    [pair] = [json.loads(line) for line in (tmp_path / "dpo.jsonl").read_text().splitlines()]
    item = frozen.study.item(first)
    assert (pair["chosen"], pair["rejected"]) == (item.responses[1].text, item.responses[0].text)
    assert (pair["votes"], pair["against"], pair["ties"]) == (2, 1, 0) and pair["prompt"].endswith(
        f"Question: {item.question}"
    )


def test_ratings_make_pairs_where_they_differ_by_a_star(workbench):
    frozen = frozen_study(workbench, count=40, annotators=("Ann", "Ben"))
    for who in ("Ann", "Ben"):
        for item in frozen.study.items:
            judge(
                workbench,
                frozen,
                who,
                item.id,
                helpful=(5 if "system 1" in item.responses[0].system else 4 - (who == "Ben"),),
            )
    found = lab.exchange.dpo_pairs(frozen.study, lab.labels(workbench, "toy"))
    assert len(found) == 20 and all("<b>1</b>" in pair["chosen"] and "<b>0</b>" in pair["rejected"] for pair in found)


def test_what_annotators_do_is_in_the_tables(workbench):
    frozen = frozen_study(workbench)
    item = lab.next_unlabelled(workbench, frozen, "Ann")
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
    checked = [lab.check(workbench, one.study.id) for one in lab.studies(workbench)]
    assert checked and all(one.ok and one.labels >= 2 for one in checked) and not workbench.store.notices
    assert workbench.store.query("SELECT count(*) AS n FROM sentence_labels WHERE label = 'partly'")[0]["n"] >= 2


# The command line ----------------------------------------------------------------------------------------------------


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
    frozen = lab.load(workbench, "mine")
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
    assert (
        found["labels"] == 20 and found["measures"][0]["value"] is None and found["measures"][0]["note"]
    )  # one label only
    assert run(capsys, "annotate", "list")[1][0]["study"] == "mine" and run(capsys, "annotate", "show", "mine")[0] == 0
    assert isinstance(run(capsys, "annotate", "token", "mine", "Ann")[1], str)
    assert run(capsys, "annotate", "adjudicate", "mine", "Dora")[0] == 1
    workbench.store.add("study", {**workbench.store.journal.read(frozen.id).payload, "hash": "0" * 64, "version": 2})
    assert run(capsys, "annotate", "check", "mine")[0] == 1


def test_qags_gives_its_published_agreement(datasets_root, workbench, monkeypatch, capsys):
    path = datasets_root / "qags/mturk_cnndm.jsonl"
    code, found = run(capsys, "agreement", path, "--resamples", 200)
    alpha = found["measures"][0]
    assert code == 0 and (found["units"], found["annotators"], found["labels"]) == (714, 162, 2142)
    assert round(alpha["value"], 4) == 0.5135 and alpha["low"] < 0.5135 < alpha["high"]
    for _ in range(2):
        frozen = lab.import_qags(workbench, path)
    found = lab.labels(workbench, "qags")
    assert len(found) == 705 and all(complete(frozen.study, one) for one in found)
    assert lab.check(workbench, "qags").ok and lab.table(frozen.study, found).values.shape == (714, 162)


def test_the_label_config_in_use_is_that_of_the_rubric():
    from xml.etree import ElementTree

    text = (FOLDER / "label_studio.xml").read_text("utf-8")
    assert text == lab.label_studio.config_xml(rating())
    assert {one.get("value") for one in ElementTree.fromstring(text).iter("Label")} == {*rating().names, "error"}
    two = ElementTree.fromstring(lab.label_studio.config_xml(pairs()))
    names = [one.get("name") for one in two.iter() if one.get("name")]
    assert len(names) == len(set(names)) and {"preference", "sentence_2", "helpful_2", "error_2"} <= set(names)
    assert all(one.get("toName") in names for one in two.iter() if one.get("toName"))
