"""The verbs of human evaluation, from stored answers to labels that are checked."""

import csv
import io
import json
import re
import shutil
import threading
from pathlib import Path

import pytest

from core.__main__ import main
from core.annotation import (
    answers,
    checking,
    draft,
    exports,
    imports,
    latest,
    rounds,
    saving,
    standing,
    system_names,
    tokens,
    versions,
    worklist,
)
from core.annotation.assignment import assignment
from core.annotation.formats import exchange, label_studio
from core.annotation.label_table import table
from core.annotation.labels import Span, complete
from core.annotation.rubric import FOLDER, default_rubric
from core.annotation.screen import shown
from core.annotation.study import study_hash
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.store import journal
from core.workbench import Workbench
from tests.support.annotated import frozen_study, judge, judge_all, pairs, rating


@pytest.fixture
def workbench(tmp_path):
    return Workbench(tmp_path / "data")


def add_answers(workbench, questions=6, models=("one.gguf", "two.gguf")):
    for model in models:
        config = TrialConfig().model_dump(mode="json")
        config["generation"] |= {"model": model}
        for n in range(questions):
            for seed in (0, 1):  # the second run is the latest
                workbench.store.add(
                    "answer",
                    {
                        "question": f"What is {n}?",
                        "text": f"{model} says {n}, run {seed}.",
                        "finish_reason": "stop",
                        "model": model,
                        "config": {**config, "seed": seed},
                        "hits": [{"document_id": "d", "title": "T", "start": 3, "end": 8, "text": "words", "rank": 1}],
                    },
                )
    workbench.store.add(
        "answer", {"question": "Lost?", "text": "x", "finish_reason": "failed: no model", "config": {}, "hits": []}
    )


def test_items_come_from_stored_answers(workbench):
    add_answers(workbench)
    found = answers.read_candidates(workbench)
    assert len(found) == 12 and set(system_names.systems(found).values()) == {6}
    assert all(one.text.endswith("run 1.") and one.passages[0].start == 3 for one in found)
    assert answers.read_candidates(workbench, "no corpus") == []
    study = draft.from_settings(
        workbench,
        {
            "id": "s",
            "annotators": ["Ann", "Ben"],
            "question": "Q?",
            "draw": {"count": 8, "pilot": 2, "duplicates": 2, "attention": True},
        },
    )
    assert len(study.items) == 8 + 2 + 1 + 1 and study.rubric == default_rubric()
    ab = draft.from_settings(
        workbench,
        {
            "id": "p",
            "kind": "pairs",
            "ask": ["preference"],
            "draw": {"count": 6, "systems": sorted({one.system for one in found})},
        },
    )
    assert len(ab.items) == 6 and all(len(item.responses) == 2 for item in ab.items)
    for wrong in ({"draw": {"count": 99}}, {"draw": {"colour": 1}}, {"draw": {}}, {"draw": {"count": 1}, "kind": "pairs"}):
        with pytest.raises(WorkbenchError):
            draft.from_settings(workbench, {"id": "s", **wrong})


def test_a_system_is_called_by_its_model_and_what_its_recipe_changes(workbench):
    def answer(file="/models/SmolLM2-135M-Instruct.Q4_1.gguf", **changed):
        settings = {name.replace("__", "."): value for name, value in changed.items()}
        config = with_settings(TrialConfig(), settings).model_dump(mode="json")
        workbench.store.add("answer", {"question": "Why?", "text": "So.", "model": file, "config": config, "hits": []})
        return list(system_names.systems(answers.read_candidates(workbench)))

    small, other = "SmolLM2-135M-Instruct", "/b/Qwen2-Q4_K_M.gguf"
    names = answer() and answer(generation__temperature=0.7, context__passages=2)
    assert names == [small, f"{small}, temperature 0.7, 2 passages"]
    names = answer(fusion="rrf", transform__centre=True, generation__threads=2, evaluation__k=3)
    assert names[2] == f"{small}, transform centre on, Hybrid RRF"
    *before, long = answer(generation__temperature=0.7, context__passages=1, retrieval__top_k=4, fusion="rrf")
    assert re.fullmatch(f"{small}, temperature 0.7, 1 passage, retrieval top k 4, [0-9a-f]{{6}}", long) and before == names
    answer("/a/Qwen2-Q8_0.gguf", generation__model="/a/Qwen2-Q8_0.gguf")
    answer(other, generation__model=other)
    names = answer("/c/Qwen2-Q4_K_M.gguf", generation__model="/c/Qwen2-Q4_K_M.gguf")
    assert names[4:6] == ["Qwen2", "Qwen2-Q4_K_M.gguf"] and re.fullmatch(r"Qwen2-Q4_K_M\.gguf, [0-9a-f]{6}", names[6])
    workbench.store.add("answer", {"question": "Why?", "text": "So.", "model": other, "config": {"gone": {"a": 1}}, "hits": []})
    assert re.fullmatch("Qwen2, [0-9a-f]{6}", list(system_names.systems(answers.read_candidates(workbench)))[7]), (
        "a recipe of an older version"
    )


def test_systems_of_one_model_are_told_by_what_differs():
    small = "SmolLM2-135M-Instruct"
    assert system_names.short_names([small, f"{small}, BM25"]) == {small: "default settings", f"{small}, BM25": "BM25"}
    assert system_names.short_names([small]) == {small: small}
    assert list(system_names.short_names([small, "Qwen2, BM25"]).values()) == [small, "Qwen2, BM25"]
    assert system_names.KEPT_AS.sub("", f"{small}.Q4_1") == system_names.KEPT_AS.sub("", f"{small}.Q4_1.gguf") == small


def test_draft_pilot_revision_main_and_adjudication(workbench):
    study = rating()
    assert rounds.save(workbench, study).hash == "" == rounds.save(workbench, study).hash
    assert len(versions.history(workbench, "toy")) == 1
    pilot = rounds.freeze(workbench, study, "pilot")
    with pytest.raises(WorkbenchError, match="frozen"):
        rounds.save(workbench, study)
    judge_all(workbench, pilot)
    with pytest.raises(WorkbenchError, match="what was changed"):
        rounds.revise(workbench, "toy", study.rubric)
    revised = rounds.revise(workbench, "toy", study.rubric.model_copy(update={"changed": "Clearer words.", "guidelines": "New."}))
    assert revised.hash != pilot.hash and [one.version for one in revised.study.rubrics] == [1, 2]
    other = revised.study.model_copy(update={"items": revised.study.items[1:]})
    with pytest.raises(WorkbenchError, match="pilot round was labelled"):
        rounds.freeze(workbench, other, "main")
    main_round = rounds.freeze(workbench, revised.study, "main")
    with pytest.raises(WorkbenchError):
        rounds.freeze(workbench, revised.study, "main")
    with pytest.raises(WorkbenchError):
        rounds.revise(workbench, "toy", study.rubric.model_copy(update={"changed": "late"}))
    with pytest.raises(WorkbenchError, match="agree on every item"):
        rounds.open_adjudication(workbench, "toy", ["Dora"])
    judge_all(workbench, main_round)
    item = latest.labels(workbench, "toy", "main")[0]
    judge(workbench, main_round, item.annotator, item.item, "partly")
    last = rounds.open_adjudication(workbench, "toy", ["Dora"])
    assert last.study.disputed == (item.item,) and worklist.Worklist(workbench, last, "Dora").resume() == item.item
    judge(workbench, last, "Dora", item.item)
    assert standing.progress(workbench, last)[0][:3] == ("Dora", 1, 1)
    assert checking.check(workbench, "toy") == (True, last.hash, len(workbench.store.labels.all("toy")), (), ())
    assert {one.rubric for one in latest.labels(workbench, "toy", "pilot")} == {1}
    assert {one.rubric for one in latest.labels(workbench, "toy", "main")} == {2}
    assert [one.study.id for one in versions.studies(workbench)] == ["toy"]


def test_a_plan_is_kept_until_the_main_round_is_frozen(workbench):
    study = rating()
    with pytest.raises(WorkbenchError, match="between pilot and main"):
        rounds.save(workbench, study)
        rounds.plan(workbench, study)
    pilot = rounds.freeze(workbench, study, "pilot")
    assert versions.planned(workbench, "toy") is None
    ahead = study.model_copy(update={"hypothesis": "A is better.", "annotators": ("Ann", "Ben")})
    rounds.plan(workbench, ahead)
    rounds.plan(workbench, ahead)
    assert len(workbench.store.query("SELECT * FROM studies WHERE round = 'plan'")) == 1, "only what is new is recorded"
    assert versions.planned(Workbench(workbench.home), "toy") == ahead
    assert versions.load(workbench, "toy").id == pilot.id and [one.version for one in versions.history(workbench, "toy")] == [
        1,
        2,
    ]
    assert versions.studies(workbench)[0].id == pilot.id and checking.check(workbench, "toy").ok
    with pytest.raises(WorkbenchError, match="pilot round was labelled"):
        rounds.plan(workbench, study.model_copy(update={"items": study.items[1:]}))
    rounds.plan(workbench, study)
    assert versions.planned(workbench, "toy") is None, "taken back"
    rounds.plan(workbench, ahead)
    clearer = study.rubric.model_copy(update={"changed": "Clearer words.", "guidelines": "New."})
    revised = rounds.revise(workbench, "toy", clearer)
    planned = versions.planned(workbench, "toy")
    assert planned.hypothesis == "A is better." and planned.rubrics == revised.study.rubrics
    main_round = rounds.freeze(workbench, planned, "main")
    assert main_round.study.hypothesis == "A is better." and versions.planned(workbench, "toy") is None
    with pytest.raises(WorkbenchError, match="between pilot and main"):
        rounds.plan(workbench, ahead)


def some(workbench, frozen, who, count, **changes):
    for _ in range(count):
        judge(workbench, frozen, who, worklist.next_unlabelled(workbench, frozen, who), **changes)


def test_an_annotator_leaves_and_the_others_take_over(workbench):
    frozen = rounds.freeze(workbench, rating(count=24, duplicates=2, attention=True), "main")
    some(workbench, frozen, "Ben", 5)
    some(workbench, frozen, "Ann", 2)
    begun = worklist.next_unlabelled(workbench, frozen, "Ben")
    judge(workbench, frozen, "Ben", begun, helpful=(None,))
    told = rounds.handing_over(workbench, "toy", "Ben")
    after = rounds.hand_over(workbench, "toy", "Ben")
    assert after.round == "main" and after.version == 2 and after.hash != frozen.hash
    assert after.study.left[0].kept == tuple(id for id in worklist.items_of(frozen, "Ben") if id in after.study.left[0].kept)
    moved = {who: len(set(worklist.items_of(after, who)) - set(worklist.items_of(frozen, who))) for who in ("Ann", "Cy")}
    assert all(moved[who] >= told.given.get(who, 0) for who in moved) and sum(told.given.values()) and not told.short
    for version in (frozen, after):  # a window that was open before is no way in either
        with pytest.raises(WorkbenchError, match="has left"):
            judge(workbench, version, "Ben", begun)
        with pytest.raises(WorkbenchError, match="has left"):
            saving.undo(workbench, version, begun, "Ben")
    assert not tokens.may_label(workbench, after, "Ben") and tokens.may_label(workbench, after, "Ann")
    judge(workbench, frozen, "Ann", worklist.next_unlabelled(workbench, frozen, "Ann"))  # another's open window goes on
    judge_all(workbench, after)
    rows = {one.annotator: one[1:4] for one in standing.progress(workbench, after)}
    assert rows["Ben"] == (5, 5, 0) and all(done == assigned for done, assigned, _ in rows.values())
    assert len(latest.labels(workbench, "toy")) == sum(done for done, _, _ in rows.values()) + 1, "also what was begun"
    found = checking.check(workbench, "toy")
    assert found.ok and found.hash == after.hash and len(found.notes) == 1
    assert "Ben left the main round" in found.notes[0] and f"{told.kept:,} items labelled" in found.notes[0]
    with pytest.raises(WorkbenchError, match="labels nothing"):
        rounds.hand_over(workbench, "toy", "Ben")
    with pytest.raises(WorkbenchError, match="has labelled everything"):
        rounds.hand_over(workbench, "toy", "Ann")


def test_a_label_after_leaving_is_found(workbench):
    frozen = frozen_study(workbench)
    some(workbench, frozen, "Ben", 1)
    rounds.hand_over(workbench, "toy", "Ben")
    payload = next(one for one in workbench.store.labels.all("toy"))
    workbench.store.add_label({**payload, "created": "2999-01-01T00:00:00+00:00"})
    assert "had left the round" in " ".join(checking.check(workbench, "toy").findings)


def test_one_who_leaves_the_pilot_is_not_in_the_plan_of_the_main_round(workbench):
    pilot = rounds.freeze(workbench, rating(per_item=1), "pilot")
    rounds.plan(workbench, pilot.study.model_copy(update={"hypothesis": "A is better."}))
    after = rounds.hand_over(workbench, "toy", "Cy")
    ahead = versions.planned(workbench, "toy")
    assert ahead.annotators == ("Ann", "Ben") and ahead.hypothesis == "A is better." and ahead.left == after.study.left
    judge_all(workbench, after)
    main_round = rounds.freeze(workbench, ahead, "main")
    assert set(assignment(main_round.study, "main")) == {"Ann", "Ben"} and checking.check(workbench, "toy").ok
    with pytest.raises(WorkbenchError, match="other items, kind or seed"):
        other = Workbench(workbench.home / "other")
        rounds.freeze(other, pilot.study, "pilot")
        rounds.freeze(other, pilot.study.model_copy(update={"left": after.study.left}), "main")


def test_a_round_that_is_over_takes_no_labels_from_a_window_left_open(workbench):
    frozen = frozen_study(workbench, annotators=("Ann", "Ben"))
    some(workbench, frozen, "Ann", 12)
    some(workbench, frozen, "Ben", 2, name="partly")
    later = worklist.next_unlabelled(workbench, frozen, "Ben")
    rounds.open_adjudication(workbench, "toy", ["Dora"])
    for verb in (lambda: judge(workbench, frozen, "Ben", later), lambda: saving.undo(workbench, frozen, later, "Ben")):
        with pytest.raises(WorkbenchError, match="main round is over"):
            verb()


def test_an_adjudicator_leaves(workbench):
    frozen = frozen_study(workbench, annotators=("Ann", "Ben"))
    judge_all(workbench, frozen, comment="")
    for item in list(worklist.items_of(frozen, "Ann")):
        judge(workbench, frozen, "Ann", item, "partly")
    opened = rounds.open_adjudication(workbench, "toy", ["Dora", "Ed"])
    some(workbench, opened, "Dora", 2)
    after = rounds.hand_over(workbench, "toy", "Dora")
    assert len(worklist.items_of(after, "Ed")) == len(after.study.disputed) - 2 and after.study.at_work("main") == ("Ann", "Ben")
    some(workbench, after, "Ed", 3)
    last = rounds.hand_over(workbench, "toy", "Ed")
    assert not last.study.at_work("adjudication") and "to nobody" in checking.check(workbench, "toy").notes[1]


def test_a_round_ends_although_items_are_open(workbench):
    frozen = frozen_study(workbench, annotators=("Ann", "Ben"))
    some(workbench, frozen, "Ann", 12)
    some(workbench, frozen, "Ben", 4, name="partly")
    ended = rounds.close(workbench, "toy")
    assert [one[1:3] for one in standing.progress(workbench, ended)] == [(12, 12), (4, 4)] and not ended.study.at_work("main")
    found = checking.check(workbench, "toy")
    assert found.ok and len(found.notes) == 1 and found.notes[0].endswith("labels missing: 8.")
    with pytest.raises(WorkbenchError, match="No item is open"):
        rounds.close(workbench, "toy")
    opened = rounds.open_adjudication(workbench, "toy", ["Ann"])
    assert len(opened.study.disputed) == 4 and opened.study.at_work("adjudication") == ("Ann",)
    judge_all(workbench, opened)
    assert checking.check(workbench, "toy").ok


def test_a_study_that_somebody_left_goes_out_and_back_whole(workbench, tmp_path):
    frozen = frozen_study(workbench)
    some(workbench, frozen, "Ben", 3)
    after = rounds.hand_over(workbench, "toy", "Ben")
    judge_all(workbench, after)
    exports.export(workbench, "toy", folder=tmp_path / "out")
    other = Workbench(tmp_path / "other")
    given = json.loads((tmp_path / "out/study.json").read_text())
    again = rounds.freeze(other, type(frozen.study).model_validate(given["design"]), "main")
    assert again.hash == given["hash"] == after.hash
    assert imports.import_labels(other, "toy", tmp_path / "out/labels.jsonl").added == len(latest.labels(workbench, "toy"))


def test_items_that_the_pilot_showed_stay_in_the_study(workbench):
    pilot = rounds.freeze(workbench, rating(attention=True), "pilot")
    judge_all(workbench, pilot)
    bare = pilot.study.model_copy(update={"items": tuple(item for item in pilot.study.items if not item.attention)})
    for verb in (lambda: rounds.plan(workbench, bare), lambda: rounds.freeze(workbench, bare, "main")):
        with pytest.raises(WorkbenchError, match="other items"):
            verb()
    rounds.freeze(workbench, pilot.study, "main")
    assert exports.export(workbench, "toy", ["jsonl"], workbench.home / "out").counts["labels"] > 4


def test_a_study_of_sentences_wants_answers_that_have_some(workbench):
    study = rating(pilot=0, ask=("sentences",))
    first = study.items[0]
    empty = first.model_copy(update={"responses": (first.responses[0].model_copy(update={"sentences": ()}),)})
    with pytest.raises(WorkbenchError, match="no sentence to label"):
        rounds.freeze(workbench, study.model_copy(update={"items": (empty, *study.items[1:])}), "main")
    rounds.freeze(workbench, rating(pilot=0, items=(empty.model_copy(update={"round": "main"}),)), "main")


def test_a_paired_study_is_tested_on_all_its_questions(workbench):
    from core.agreement import consensus, sources, systems

    add_answers(workbench, 8)
    study = draft.from_settings(
        workbench,
        {"id": "s", "annotators": ["Ann", "Ben"], "question": "Q?", "draw": {"count": 15, "pilot": 5, "by": "question"}},
    )
    assert len(study.round_items("pilot")) == 4 and len(study.round_items("main")) == 10
    frozen = rounds.freeze(workbench, study, "main")
    for who in ("Ann", "Ben"):
        for id in worklist.items_of(frozen, who):
            hit = frozen.study.item(id).responses[0].system == "one"
            judge(workbench, frozen, who, id, "supported" if hit else "partly")
    source = sources.open_study(workbench, "s")
    found = sources.table_of(source, "sentences", "main")
    agreed = consensus.consensus(source, "sentences", found)
    [tested] = systems.rates(source, "sentences", found, agreed, ("supported",)).differences
    assert tested.paired.n == 5 and abs(tested.paired.difference) == 1


def test_a_changed_study_or_label_is_noticed(workbench):
    frozen = frozen_study(workbench)
    judge(workbench, frozen, "Ann", worklist.next_unlabelled(workbench, frozen, "Ann"))
    assert checking.check(workbench, "toy").ok
    record = workbench.store.journal.read(frozen.id).payload
    changed = {**record, "design": {**record["design"], "hypothesis": "known afterwards"}}
    workbench.store.add("study", {**changed, "version": 2})
    payload = workbench.store.labels.all("toy")[0]
    workbench.store.add_label({**payload, "hash": "another", "id": ""})
    workbench.store.add_label({**payload, "created": "2001-01-01T00:00:00+00:00"})
    workbench.store.add_label({**payload, "sentences": [["purple"]]})
    found = " ".join(checking.check(workbench, "toy").findings)
    for said in ("not what its hash says", "changed after", "never frozen", "older than", "do not fit"):
        assert said in found


def test_a_label_is_blind_dated_and_replaces_the_one_before(workbench):
    frozen = frozen_study(workbench)
    item = worklist.next_unlabelled(workbench, frozen, "Ann")
    first = judge(workbench, frozen, "Ann", item, spans=(Span(response=0, first=0, last=2),), seconds=2.5)
    seen = shown(frozen.study, frozen.study.item(item), "Ann")
    assert (first.shown, first.hash, first.round, first.replaces) == (seen.hash, frozen.hash, "main", "")
    second = judge(workbench, frozen, "Ann", item, "partly")
    assert second.replaces == first.id and latest.current(workbench, frozen, "Ann", item) == second
    assert [one["id"] for one in workbench.store.labels.all("toy")] == [first.id, second.id]
    other = next(one.id for one in frozen.study.items if one.id not in worklist.items_of(frozen, "Ann"))
    for wrong in ({"annotator": "Zoe"}, {"item": other}, {"helpful": (9,)}, {"sentences": (("purple", None),)}):
        with pytest.raises(WorkbenchError):
            saving.label(workbench, frozen, first.model_copy(update=wrong))
    with pytest.raises(WorkbenchError, match="draft"):
        saving.label(workbench, frozen._replace(hash=""), first)


def test_undo_goes_back_step_by_step(workbench):
    frozen = frozen_study(workbench)
    item = worklist.next_unlabelled(workbench, frozen, "Ann")
    names = ["supported", "partly", "contradicted"]
    for name in names[:2]:
        judge(workbench, frozen, "Ann", item, name)
    assert saving.undo(workbench, frozen, item, "Ann").sentences[0][0] == "supported"
    judge(workbench, frozen, "Ann", item, "contradicted")
    assert saving.undo(workbench, frozen, item, "Ann").sentences[0][0] == "supported"
    assert saving.undo(workbench, frozen, item, "Ann").withdrawn
    assert latest.current(workbench, frozen, "Ann", item) is None and worklist.next_unlabelled(workbench, frozen, "Ann") == item
    with pytest.raises(WorkbenchError, match="nothing to undo"):
        saving.undo(workbench, frozen, item, "Ann")
    judge(workbench, frozen, "Ann", item)
    assert saving.undo(workbench, frozen, item, "Ann").withdrawn
    assert len(workbench.store.labels.all("toy")) == 8 and checking.check(workbench, "toy").ok


def test_resume_where_left_also_in_another_process(workbench):
    frozen = frozen_study(workbench)
    mine = worklist.items_of(frozen, "Ann")
    judge(workbench, frozen, "Ann", mine[3])
    assert (
        worklist.Worklist(workbench, frozen, "Ann").resume() == mine[4]
        and worklist.next_unlabelled(workbench, frozen, "Ann") == mine[0]
    )
    judge(workbench, frozen, "Ann", mine[5], helpful=(None,))
    again = Workbench(workbench.home)
    assert worklist.Worklist(again, versions.load(again, "toy"), "Ann").resume() == mine[5]
    assert worklist.next_unlabelled(workbench, frozen, "Ann", mine[-1]) == mine[0]
    assert {one.annotator: one[1:4] for one in standing.progress(again, frozen)}["Ann"] == (1, len(mine), 1)
    judge_all(workbench, frozen)
    assert worklist.Worklist(workbench, frozen, "Ann").resume() is None


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


def test_what_annotators_do_is_in_the_tables(workbench):
    frozen = frozen_study(workbench)
    item = worklist.next_unlabelled(workbench, frozen, "Ann")
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


# Which label stands ---------------------------------------------------------------------------------------------------


def test_the_label_given_last_stands_whatever_the_clock_says(workbench, monkeypatch):
    frozen = frozen_study(workbench)
    item = worklist.next_unlabelled(workbench, frozen, "Ann")
    now = journal.time.time_ns()
    monkeypatch.setattr(journal, "_last", journal._last)
    with monkeypatch.context() as ahead:
        ahead.setattr(journal.time, "time_ns", lambda: now + 3600 * 10**9)
        judge(workbench, frozen, "Ann", item)
    monkeypatch.setattr(journal, "_last", 0)  # another process, an hour behind
    again = Workbench(workbench.home)
    for name in ("partly", "contradicted"):
        label = judge(again, frozen, "Ann", item, name)
        assert latest.current(workbench, frozen, "Ann", item) == label == latest.current(again, frozen, "Ann", item)
    assert again.store.query("SELECT id FROM current_labels") == [{"id": label.id}]
    assert saving.undo(again, frozen, item, "Ann").sentences[0][0] == "partly"


def test_one_of_several_decisions_at_once_is_taken(workbench):
    pilot = rounds.freeze(workbench, rating(), "pilot")
    benches = [Workbench(workbench.home) for _ in range(4)]
    outcomes, start = [], threading.Barrier(4)

    def freeze(number):
        start.wait()
        try:
            main_round = rounds.freeze(benches[number], pilot.study.model_copy(update={"hypothesis": f"h{number}"}), "main")
            outcomes.append(main_round.study.hypothesis)
        except WorkbenchError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=freeze, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [taken] = [one for one in outcomes if isinstance(one, str)]
    assert versions.load(workbench, "toy").study.hypothesis == taken and len(versions.history(workbench, "toy")) == 2


def test_a_study_is_found_while_others_fold(workbench, monkeypatch):
    """What is frozen is looked up in the journal: the database may be behind."""
    monkeypatch.setattr(workbench.store, "_read", None)
    frozen = frozen_study(workbench)
    assert versions.load(workbench, "toy").id == frozen.id == versions.studies(workbench)[0].id
    with pytest.raises(WorkbenchError, match="cannot be frozen"):
        rounds.freeze(workbench, frozen.study.model_copy(update={"hypothesis": "other"}), "main")
    judge(workbench, frozen, "Ann", worklist.next_unlabelled(workbench, frozen, "Ann"))
    assert checking.check(workbench, "toy").ok


def test_tabs_at_once_replace_each_other_in_a_chain(workbench):
    frozen = frozen_study(workbench)
    item = worklist.next_unlabelled(workbench, frozen, "Ann")
    threads = [threading.Thread(target=judge, args=(workbench, frozen, "Ann", item)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = workbench.store.labels.all("toy")
    assert [one["replaces"] for one in found] == ["", *(one["id"] for one in found[:-1])]


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


def test_the_label_config_in_use_is_that_of_the_rubric():
    from xml.etree import ElementTree

    text = (FOLDER / "label_studio.xml").read_text("utf-8")
    assert text == label_studio.config_xml(rating())
    assert {one.get("value") for one in ElementTree.fromstring(text).iter("Label")} == {*rating().names, "error"}
    two = ElementTree.fromstring(label_studio.config_xml(pairs()))
    names = [one.get("name") for one in two.iter() if one.get("name")]
    assert len(names) == len(set(names)) and {"preference", "sentence_2", "helpful_2", "error_2"} <= set(names)
    assert all(one.get("toName") in names for one in two.iter() if one.get("toName"))
