"""What an annotator does at the desk: each act is a callback, and what goes wrong is told on the page.

An act begins with one look at the labels, and what it saves is known without another; what is drawn after it rests on that.
"""

import secrets
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import streamlit as st

from app import session
from app.ui import cards
from core.annotation.labels import Label, blank, complete
from core.annotation.screen import Screen, shown
from core.annotation.similar import SimilarSentence
from core.annotation.steps import Step, agreed_answer, answer_to, answered, equal_open, next_open, reading_seconds, steps, toggled
from core.annotation.study import Item, Study
from core.annotation.versions import Frozen
from core.annotation.worklist import Worklist
from core.errors import WorkbenchError

IDLE_S = 120.0  # a longer pause between two keys counts as this much
SKIMMED = 0.25  # of the time that reading takes: faster than skimming
REST_S = 300.0  # a pause that counts as a break


class Sheet(NamedTuple):
    """The item on the desk as its annotator sees it, and what is asked of it; made once, when the item is opened."""

    item: Item
    screen: Screen
    votes: list[Label]  # in adjudication
    steps: tuple[Step, ...]  # in the order in which they are asked: what the annotators differ in comes first

    @property
    def pair(self) -> bool:
        return len(self.screen.order) == 2


class Desk:
    """An annotator at work in one window. What is on the screen and since when; the labels themselves stand in the store."""

    def __init__(self, frozen: Frozen, annotator: str) -> None:
        self.frozen, self.annotator = frozen, annotator
        self.name = secrets.token_hex(4)  # in its buttons' keys: a click on those of before a restart answers nothing
        self.work = Worklist(session.workbench(), frozen, annotator)
        self.mine = self.work.items
        self.since: float | None = time.monotonic()  # the last sign of life; None: the tab is hidden
        self.worked_s = 0.0  # since the last break
        self.looked = time.monotonic()
        self.note, self.error, self.saved = "", None, ""
        self.seconds: dict[str, float] = {}  # item -> what it took so far, in this window and before
        self.comments: dict[str, str] = {}  # item -> the comment that its box shows
        self.act, self.heard = "", ("", -1)  # for screen readers: what is to be told; item and step that were
        self.together: dict[str, str] = {}  # item -> its label, of the last press that labelled several
        self.screens = 0  # drawn so far
        self.fresh = False  # an act of this very run has looked at the labels
        here = st.query_params.get("item", "")  # what the window showed before a reload
        self.open(here if self.to_do(here) else self.work.resume() or "")

    @property
    def study(self) -> Study:
        return self.frozen.study

    def to_do(self, item: str) -> bool:
        return item in self.mine and not self.work.complete(item)

    def open(self, item: str) -> None:
        """Goes to an item, at its first open step; "" is the end."""
        self.item, self.at, self.sheet = item, 0, self._sheet(item) if item else None
        if item:
            label = self.label()
            self.seconds[item] = max(self.seconds.get(item, 0.0), label.seconds or 0.0)
            self.at = next_open(self.sheet.steps, label) or 0
        st.session_state["label_find"] = ""

    def label(self, item: str = "") -> Label:
        item = item or self.item
        return self.work.label(item) or self._blank(item)

    def tick(self) -> None:
        """Counts the time since the last sign of life, a long pause only in part."""
        now = time.monotonic()
        if self.since is not None:
            gap = now - self.since
            if self.item:
                self.seconds[self.item] += min(gap, IDLE_S)
            self.worked_s = 0.0 if gap > REST_S else self.worked_s + gap
        self.since = now

    def save(self, label: Label) -> None:
        seconds = round(self.seconds[label.item], 1) if label.item in self.seconds else label.seconds
        self.work.save(label.model_copy(update={"seconds": seconds}))
        self.told_saved()

    def told_saved(self) -> None:
        """Another window of the same person may have saved meanwhile: all is kept, and this window says so."""
        if self.work.elsewhere:
            self.note = (
                f"You label in another window too: {cards.count(len(self.work.elsewhere), 'item')} changed there meanwhile. "
                "All labels are kept; this window shows the latest."
            )
            self.work.elsewhere.clear()
        self.saved, self.act = time.strftime("%H:%M:%S"), "Saved."

    def _sheet(self, item: str) -> Sheet:
        what, votes = self.study.item(item), self.work.votes(item)
        screen = shown(self.study, what, self.annotator)
        asked = steps(self.study, what, screen.order)
        return Sheet(what, screen, votes, tuple(sorted(asked, key=lambda step: agreed_answer(votes, step) is not None)))

    def _blank(self, item: str) -> Label:
        """Nothing is answered yet, but for what all annotators said."""
        what, votes = self.study.item(item), self.sheet.votes if item == self.item else self.work.votes(item)
        label = blank(self.study, self.frozen.round, what, self.annotator)
        for step in steps(self.study, what, tuple(range(len(what.responses)))) if votes else ():
            if (same := agreed_answer(votes, step)) is not None:
                label = answered(label, step, same)
        return label


def do(desk: Desk, what: Callable[..., None], *arguments: Any) -> None:
    """A callback: what goes wrong is told on the page, and nothing moves."""
    desk.note, desk.error = "", None
    desk.tick()
    try:
        with desk.work.looking():
            desk.work.look()
            what(desk, *arguments)
            desk.fresh = True
    except WorkbenchError as error:
        desk.error = error


def give(desk: Desk, item: str, at: int, answer: Any) -> None:
    """Answers a step and goes on to the next open one, in the item or after it."""
    if (item, at) != (desk.item, desk.at):
        return
    asked, before = desk.sheet.steps, desk.label()
    if asked[at].kind == "preference":  # left and right are places on the screen
        answer = "tie" if answer == "tie" else "ab"[desk.sheet.screen.order[("left", "right").index(answer)]]
    was_whole, label = complete(desk.study, before), answered(before, asked[at], answer)
    for step in (same := equal_open(desk.sheet.item, asked, before, at)):
        label = answered(label, step, answer)
    desk.save(label)
    desk.note = " ".join(filter(None, [desk.note, also_given(len(same)), too_fast(desk, item, was_whole, label)]))
    follow = next_open(asked, label, at)
    if follow is None and was_whole and at + 1 < len(asked):  # looking through what was answered already
        follow = at + 1
    _go_on(desk, at if follow is None else follow, follow is None)


def give_together(desk: Desk, item: str, at: int, answer: str, ticks: dict[str, SimilarSentence]) -> None:
    """The label for the sentence in question, and for the ticked ones of other screens, each recorded as given in bulk."""
    if (item, at) != (desk.item, desk.at):
        return
    chosen = [(row.item, row.step) for key, row in ticks.items() if st.session_state.get(key)]
    desk.together = desk.work.save_together(answer, chosen)
    give(desk, item, at, answer)
    if desk.together:
        also = f"Also given on {cards.count(len(desk.together), 'other screen')}."
        desk.note = " ".join(filter(None, [desk.note, also]))


def take_back_together(desk: Desk) -> None:
    """Undoes the labels of the other screens that were given by the last press."""
    same = [item for item, label in desk.together.items() if desk.work.records[item]["id"] == label]  # not said anew since
    for item in same:
        desk.work.undo(item)
        desk.told_saved()
    desk.note, desk.together = f"Taken back on {cards.count(len(same), 'other screen')}.", {}


def go_to(desk: Desk, item: str, step: Step) -> None:
    """Opens a screen at one of its sentences."""
    desk.open(item)
    desk.at = desk.sheet.steps.index(step)


def also_given(number: int) -> str:
    return f"Also given to {cards.count(number, 'equal sentence')} of this answer." if number else ""


def too_fast(desk: Desk, item: str, was_whole: bool, label: Label) -> str:
    """A word to somebody who has just answered a screen faster than it can be read."""
    took, reading_s = desk.seconds.get(item), reading_seconds(desk.study.item(item))
    if took is None or was_whole or not complete(desk.study, label) or took >= SKIMMED * reading_s:
        return ""
    return f"The last screen took you {took:.1f} s; reading its answer alone takes about {reading_s:.0f} s. Back shows it again."


def cannot(desk: Desk, item: str) -> None:
    if item == desk.item:
        label = desk.label()
        desk.save(label.model_copy(update={"cannot_judge": not label.cannot_judge}))
        _go_on(desk, desk.at, not label.cannot_judge)


def _go_on(desk: Desk, at: int, whole: bool) -> None:
    desk.at = at
    if whole and st.session_state["label_settings"]["go_on"]:
        desk.open(desk.work.next_open(desk.item) or "")


def mark(desk: Desk, item: str, response: int, word: int) -> None:
    if item == desk.item:
        desk.save(toggled(desk.label(), response, word))


def comment(desk: Desk, item: str, key: str) -> None:
    write(desk, item, st.session_state[key])


def write(desk: Desk, item: str, text: str) -> None:
    label, said = desk.label(item), text.strip()
    before, desk.comments[item] = desk.comments.get(item, ""), said
    if said == label.comment:
        return
    if label.comment not in ("", before):  # another window wrote one: both are kept
        said = f"{label.comment} / {said}"
    desk.save(label.model_copy(update={"comment": said}))


def undo(desk: Desk) -> None:
    """Takes the last answer back: of this item, or of the one labelled last where this one has none. A comment is saved
    while it is written, and taken back as a whole."""
    item = desk.item if desk.work.label(desk.item) else desk.work.last_item(withdrawn=False)
    if not item:
        raise WorkbenchError("There is nothing to undo.")
    before = after = desk.label(item)
    while after is before or not (after.withdrawn or _done_with(desk, before, after)):
        after = desk.work.undo(item)
        desk.told_saved()
    if item != desk.item:
        desk.open(item)
    asked = desk.sheet.steps
    desk.at = next((at for at, step in enumerate(asked) if answer_to(before, step) != answer_to(after, step)), desk.at)


def _done_with(desk: Desk, before: Label, after: Label) -> bool:
    """Whether more was taken back than some of a comment, or the next step back would."""
    return not _judged(before) == _judged(after) == _judged(_earlier(desk, after))


def _judged(label: Label) -> dict[str, Any]:
    return label.model_dump(include={"sentences", "spans", "helpful", "preference", "cannot_judge"})


def _earlier(desk: Desk, undone: Label) -> Label:
    """The state before the one that an undo brought back."""
    return desk.work.before(undone) or blank(desk.study, desk.frozen.round, desk.study.item(undone.item), desk.annotator)


def walk(desk: Desk, by: int) -> None:
    """To the neighbour in this annotator's order, labelled or not."""
    place = desk.mine.index(desk.item) + by if desk.item else len(desk.mine) - 1
    if not 0 <= place < len(desk.mine):
        desk.note = "This is the first screen." if by < 0 else "This is the last screen."
    else:
        desk.open(desk.mine[place])


def look(desk: Desk) -> None:
    """From the end back to the beginning."""
    desk.open(desk.mine[0])


def jump(desk: Desk) -> None:
    """To the next item that is not labelled."""
    follow = desk.work.next_open(desk.item)
    if follow == desk.item:
        desk.note = "All others are labelled: this is the last open screen."
    else:
        desk.open(follow or "")
