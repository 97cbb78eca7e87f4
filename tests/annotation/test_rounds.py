"""A study's way from draft to analysis: what is recorded, who leaves, and what changes no more."""

import json
import threading

import pytest

from core.annotation import checking, draft, exports, imports, latest, rounds, saving, standing, tokens, versions, worklist
from core.annotation.assignment import assignment
from core.errors import WorkbenchError
from core.workbench import Workbench
from tests.support.annotated import frozen_study, judge, judge_all, rating
from tests.support.studies import add_answers, some


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


def test_an_annotator_leaves_and_the_others_take_over(workbench):
    frozen = rounds.freeze(workbench, rating(count=24, duplicates=2, attention=True), "main")
    some(workbench, frozen, "Ben", 5)
    some(workbench, frozen, "Ann", 2)
    begun = worklist.Worklist(workbench, frozen, "Ben").next_open()
    judge(workbench, frozen, "Ben", begun, helpful=(None,))
    told = rounds.handing_over(workbench, "toy", "Ben")
    after = rounds.hand_over(workbench, "toy", "Ben")
    assert after.round == "main" and after.version == 2 and after.hash != frozen.hash
    assert after.study.left[0].kept == tuple(
        item_id for item_id in worklist.items_of(frozen, "Ben") if item_id in after.study.left[0].kept
    )
    moved = {who: len(set(worklist.items_of(after, who)) - set(worklist.items_of(frozen, who))) for who in ("Ann", "Cy")}
    assert all(moved[who] >= told.given.get(who, 0) for who in moved) and sum(told.given.values()) and not told.short
    for version in (frozen, after):  # a window that was open before is no way in either
        with pytest.raises(WorkbenchError, match="has left"):
            judge(workbench, version, "Ben", begun)
        with pytest.raises(WorkbenchError, match="has left"):
            saving.undo(workbench, version, begun, "Ben")
    assert not tokens.may_label(workbench, after, "Ben") and tokens.may_label(workbench, after, "Ann")
    judge(workbench, frozen, "Ann", worklist.Worklist(workbench, frozen, "Ann").next_open())  # another's open window goes on
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
    later = worklist.Worklist(workbench, frozen, "Ben").next_open()
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


@pytest.mark.slow
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
        for item_id in worklist.items_of(frozen, who):
            hit = frozen.study.item(item_id).responses[0].system == "one, Hybrid convex, defaults"
            judge(workbench, frozen, who, item_id, "supported" if hit else "partly")
    source = sources.open_study(workbench, "s")
    found = sources.table_of(source, "sentences", "main")
    agreed = consensus.consensus(source, "sentences", found)
    [tested] = systems.rates(source, "sentences", found, agreed, ("supported",)).differences
    assert tested.paired.n == 5 and abs(tested.paired.difference) == 1


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
    judge(workbench, frozen, "Ann", worklist.Worklist(workbench, frozen, "Ann").next_open())
    assert checking.check(workbench, "toy").ok
