"""An annotator's list: what it says after each label is what a fresh look at the store says."""

import random
import statistics

import pytest

from core.annotation import rounds
from core.annotation.labels import blank
from core.annotation.worklist import Worklist
from core.errors import WorkbenchError
from core.workbench import Workbench
from tests.support.annotated import rating


def said(work: Worklist) -> tuple:
    return work.records, work.done, work.median_seconds(1), work.next_open(), work.resume(), work.last_item()


def act(dice: random.Random, work: Worklist) -> None:
    """A label, whole or begun, or one taken back."""
    item = dice.choice(work.items[:6])
    if dice.random() < 0.3:
        try:
            work.undo(item)
        except WorkbenchError:  # there was nothing to undo
            return
        return
    label = work.label(item) or blank(work.frozen.study, work.frozen.round, work.frozen.study.item(item), work.annotator)
    names = tuple(dice.choice(("supported", "partly", None)) for _ in label.sentences[0])
    seconds = dice.choice((None, 0.0, 1.5, 2.5, 2.5, 9.0))
    work.save(label.model_copy(update={"sentences": (names,), "helpful": (dice.choice((3, None)),), "seconds": seconds}))


@pytest.mark.parametrize("seed", range(3))
def test_two_windows_know_after_each_label_what_a_fresh_look_says(tmp_path, seed):
    workbench, dice = Workbench(tmp_path), random.Random(seed)
    frozen = rounds.freeze(workbench, rating(8, 0, annotators=("Ann",), per_item=1), "main")
    windows = [Worklist(workbench, frozen, "Ann"), Worklist(Workbench(tmp_path), frozen, "Ann")]
    for _ in range(40):
        window = dice.choice(windows)
        act(dice, window)
        fresh = Worklist(Workbench(tmp_path), frozen, "Ann")
        window.look()
        assert said(window) == said(fresh)
        whole = [record for record in fresh.records.values() if record["complete"]]
        times = [record["seconds"] for record in whole if record["seconds"]]
        assert (fresh.done, fresh.median_seconds(1)) == (len(whole), statistics.median(times) if times else None)


def test_what_another_window_saved_is_told_and_what_this_one_saved_is_not(tmp_path):
    workbench = Workbench(tmp_path)
    frozen = rounds.freeze(workbench, rating(4, 0, annotators=("Ann",), per_item=1), "main")
    here, there = Worklist(workbench, frozen, "Ann"), Worklist(workbench, frozen, "Ann")
    for window, item in ((here, here.items[0]), (there, here.items[1])):
        window.save(blank(frozen.study, "main", frozen.study.item(item), "Ann").model_copy(update={"helpful": (4,)}))
    assert not here.elsewhere and there.elsewhere == {here.items[0]}
    here.look()
    assert here.elsewhere == {here.items[1]}


def test_a_segment_that_is_taken_away_takes_its_labels_along(tmp_path):
    workbench = Workbench(tmp_path)
    frozen = rounds.freeze(workbench, rating(4, 0, annotators=("Ann",), per_item=1), "main")
    work = Worklist(workbench, frozen, "Ann")
    item = work.items[0]
    work.save(blank(frozen.study, "main", frozen.study.item(item), "Ann").model_copy(update={"cannot_judge": True}))
    assert work.done == 1
    [segment] = workbench.store.labels.paths()
    segment.unlink()
    work.look()
    assert work.done == 0 and work.label(item) is None
