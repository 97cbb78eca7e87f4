"""A label that is saved: what it carries, what it replaces, and which of several stands."""

import threading

import pytest

from core.annotation import checking, latest, rounds, saving, standing, versions, worklist
from core.annotation.labels import Span
from core.annotation.screen import shown
from core.errors import WorkbenchError
from core.files import ids
from core.workbench import Workbench
from tests.support.annotated import frozen_study, judge, judge_all, rating


def test_a_label_is_blind_dated_and_replaces_the_one_before(workbench):
    frozen = frozen_study(workbench)
    item = worklist.Worklist(workbench, frozen, "Ann").next_open()
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
    item = worklist.Worklist(workbench, frozen, "Ann").next_open()
    names = ["supported", "partly", "contradicted"]
    for name in names[:2]:
        judge(workbench, frozen, "Ann", item, name)
    assert saving.undo(workbench, frozen, item, "Ann").sentences[0][0] == "supported"
    judge(workbench, frozen, "Ann", item, "contradicted")
    assert saving.undo(workbench, frozen, item, "Ann").sentences[0][0] == "supported"
    assert saving.undo(workbench, frozen, item, "Ann").withdrawn
    assert (
        latest.current(workbench, frozen, "Ann", item) is None and worklist.Worklist(workbench, frozen, "Ann").next_open() == item
    )
    with pytest.raises(WorkbenchError, match="nothing to undo"):
        saving.undo(workbench, frozen, item, "Ann")
    judge(workbench, frozen, "Ann", item)
    assert saving.undo(workbench, frozen, item, "Ann").withdrawn
    assert len(workbench.store.labels.all("toy")) == 8 and checking.check(workbench, "toy").ok


def test_what_an_undo_brings_back_is_of_the_rubric_that_it_was_judged_by(workbench):
    pilot = rounds.freeze(workbench, rating(), "pilot")
    item = worklist.Worklist(workbench, pilot, "Ann").next_open()
    first = judge(workbench, pilot, "Ann", item)
    clearer = pilot.study.rubric.model_copy(update={"changed": "Clearer words.", "guidelines": "New."})
    revised = rounds.revise(workbench, "toy", clearer)
    assert judge(workbench, revised, "Ann", item, "partly").rubric == 2
    back = saving.undo(workbench, revised, item, "Ann")
    assert back.sentences == first.sentences and back.rubric == first.rubric == 1
    assert (back.shown, back.order, back.hash) == (first.shown, first.order, revised.hash) and checking.check(workbench, "toy").ok


def test_resume_where_left_also_in_another_process(workbench):
    frozen = frozen_study(workbench)
    mine = worklist.items_of(frozen, "Ann")
    judge(workbench, frozen, "Ann", mine[3])
    assert (
        worklist.Worklist(workbench, frozen, "Ann").resume() == mine[4]
        and worklist.Worklist(workbench, frozen, "Ann").next_open() == mine[0]
    )
    judge(workbench, frozen, "Ann", mine[5], helpful=(None,))
    again = Workbench(workbench.home)
    assert worklist.Worklist(again, versions.load(again, "toy"), "Ann").resume() == mine[5]
    assert worklist.Worklist(workbench, frozen, "Ann").next_open(mine[-1]) == mine[0]
    assert {one.annotator: one[1:4] for one in standing.progress(again, frozen)}["Ann"] == (1, len(mine), 1)
    judge_all(workbench, frozen)
    assert worklist.Worklist(workbench, frozen, "Ann").resume() is None


def test_the_label_given_last_stands_whatever_the_clock_says(workbench, monkeypatch):
    frozen = frozen_study(workbench)
    item = worklist.Worklist(workbench, frozen, "Ann").next_open()
    now = ids.time.time_ns()
    monkeypatch.setattr(ids, "_last", ids._last)
    with monkeypatch.context() as ahead:
        ahead.setattr(ids.time, "time_ns", lambda: now + 3600 * 10**9)
        judge(workbench, frozen, "Ann", item)
    monkeypatch.setattr(ids, "_last", 0)  # another process, an hour behind
    again = Workbench(workbench.home)
    for name in ("partly", "contradicted"):
        label = judge(again, frozen, "Ann", item, name)
        assert latest.current(workbench, frozen, "Ann", item) == label == latest.current(again, frozen, "Ann", item)
    assert again.store.query("SELECT id FROM current_labels") == [{"id": label.id}]
    assert saving.undo(again, frozen, item, "Ann").sentences[0][0] == "partly"


def test_tabs_at_once_replace_each_other_in_a_chain(workbench):
    frozen = frozen_study(workbench)
    item = worklist.Worklist(workbench, frozen, "Ann").next_open()
    threads = [threading.Thread(target=judge, args=(workbench, frozen, "Ann", item)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = workbench.store.labels.all("toy")
    assert [one["replaces"] for one in found] == ["", *(one["id"] for one in found[:-1])]
