"""The answer whose words can be clicked: a small component of our own, and what its script tells."""

import time
from bisect import bisect_left
from pathlib import Path
from typing import Any

import streamlit as st

from app.ui.labelling.desk import IDLE_S, Desk, do, mark, write
from app.ui.labelling.keys import ICONS, SCRIPTED
from app.ui.labelling.questions import Question
from app.ui.labelling.votes import said_of
from core.annotation.labels import Label
from core.annotation.sentences import words
from core.annotation.steps import Step, agreed_answer, wrong_words

MOST_S = 24 * 3600.0  # a window says that it showed an item
OTHER_TONE = 4  # of a label that the rubric does not have any more


@st.cache_resource(show_spinner=False)
def _component() -> Any:
    return st.components.v2.component(
        "groundwork.answer",
        isolate_styles=False,
        html='<div class="lab"></div><div class="lab-heard" role="status"></div>',
        js=Path(__file__).with_name("answer.js").read_text("utf-8"),
    )


def draw(desk: Desk, label: Label, question: Question) -> None:
    """The answer, or both side by side: a row a sentence, its label beside it; words can be clicked."""
    state = st.session_state
    _component()(
        key="lab_words",
        height="content",
        data=_data(desk, label, question),
        on_word_change=lambda: do(desk, clicked, state["lab_words"].word),
        on_step_change=lambda: do(desk, stepped, state["lab_words"].step),
        on_here_change=lambda: do(desk, shown_before, state["lab_words"].here),
        on_typed_change=lambda: do(desk, typed, state["lab_words"].typed),
        on_spent_change=lambda: do(desk, spent, state["lab_words"].spent),
        on_tab_change=lambda: tab_turned(desk, state["lab_words"].tab),
    )


def _data(desk: Desk, label: Label, question: Question) -> dict[str, Any]:
    """What the script draws."""
    sheet, keys = desk.sheet, st.session_state["label_settings"]["keys"]
    kind = sheet.steps[desk.at].kind
    row = "answer" if kind == "sentence" else "rank"
    return {
        "desk": desk.name,
        "screen": desk.screens,
        "said": told_aloud(desk, question),
        "item": desk.item,
        "at": desk.at,
        "answers": [_answer(desk, label, place) for place in range(len(sheet.screen.order))],
        "steps": len(sheet.steps),
        "kind": kind,
        "find": st.session_state.get("label_find", ""),
        "bar": [*(keys[f"{row}{n}"] for n in range(1, len(question.choices) + 1)), *(keys[name] for name in ICONS)],
        "open": "not decided" if sheet.votes else "not labelled",
        "idle_s": IDLE_S,
        "seconds": desk.seconds.get(desk.item, 0.0),
        "comment": label.comment,
        "verdict": _verdict(desk, label),
        "keys": {name: keys[name] for name in SCRIPTED},
    }


def _verdict(desk: Desk, label: Label) -> str:
    """What is said of the whole item."""
    if label.cannot_judge:
        return "Cannot judge"
    if not label.preference or not desk.sheet.pair:
        return ""
    if label.preference in ("a", "b"):
        return f"{'AB'[desk.sheet.screen.order.index('ab'.index(label.preference))]} is better".capitalize()
    return label.preference.capitalize()


def _answer(desk: Desk, label: Label, place: int) -> dict[str, Any]:
    """One answer, by its place on the screen."""
    sheet, response = desk.sheet, desk.sheet.screen.order[place]
    helpful, stars = Step("helpful", response), label.helpful[response]
    rated = ", ".join(f"{vote.who} {vote.text}" for vote in said_of(desk.study, sheet, helpful) if helpful in sheet.steps)
    return {
        "title": f"Answer {'AB'[place]}" if sheet.pair else "Answer",
        "rows": _rows(desk, label, place),
        "helpful": sheet.steps.index(helpful) if helpful in sheet.steps else -1,
        "stars": f"helpful: {stars} of 5" if stars else f"helpful: {rated or 'not rated'}",
    }


def _rows(desk: Desk, label: Label, place: int) -> list[dict[str, Any]]:
    """A row a sentence: its words, which of them are wrong, and its label."""
    sheet, response = desk.sheet, desk.sheet.screen.order[place]
    text, sentences, _ = sheet.screen.responses[place]
    titles = {category.name: (category.title, tone) for tone, category in enumerate(desk.study.rubric.labels)}
    at = {step: number for number, step in enumerate(sheet.steps)}
    wrong, bounds = wrong_words(label, response), words(text)
    starts, rows = [begin for begin, _ in bounds], []
    for number, (begin, until) in enumerate(_cover(text, sentences)):
        step = Step("sentence", response, number)
        name = label.sentences[response][number] if step in at else None
        title, tone = titles.get(name, (name or "", OTHER_TONE))
        inside = range(bisect_left(starts, begin), bisect_left(starts, until))
        same = step in at and agreed_answer(sheet.votes, step) is not None
        differ = said_of(desk.study, sheet, step) if step in at and not same else ()
        rows.append(
            {
                "at": at.get(step, -1),
                "first": inside.start,
                "words": [text[slice(*bounds[n])] for n in inside],
                "wrong": [n for n in inside if n in wrong],
                "label": title,
                "tone": tone,
                "agreed": same,
                "votes": [[vote.who, vote.text, titles.get(vote.answer, ("", OTHER_TONE))[1]] for vote in differ],
            }
        )
    return rows


def told_aloud(desk: Desk, question: Question) -> str:
    """What a screen reader is told now: that a key was saved, and what is asked where that is new."""
    told, (item, _) = [desk.act], desk.heard
    if item != desk.item:
        told.append(f"Screen {desk.mine.index(desk.item) + 1:,} of {len(desk.mine):,}: {desk.sheet.screen.question}")
    if desk.heard != (desk.item, desk.at):
        chosen = next((f"Labelled: {title}." for name, title in question.choices if name == question.now), "")
        told += [f"{question.what}: {question.said}" if question.said else f"{question.what}.", question.why, chosen]
    desk.act, desk.heard = "", (desk.item, desk.at)
    return " ".join(filter(None, told))


def _cover(text: str, sentences: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    """Each sentence with the text behind it that is none; what stands before the first belongs to it."""
    starts = [0, *(start for start, _ in sentences[1:])]
    return list(zip(starts, [*starts[1:], len(text)], strict=True)) if sentences else [(0, len(text))]


def clicked(desk: Desk, message: dict[str, Any] | None) -> None:
    if message and message["item"] == desk.item:
        mark(desk, message["item"], desk.sheet.screen.order[int(message["place"])], int(message["word"]))


def stepped(desk: Desk, message: dict[str, Any] | None) -> None:
    if message and message["item"] == desk.item and 0 <= message["at"] < len(desk.sheet.steps):
        desk.at = int(message["at"])


def shown_before(desk: Desk, item: str | None) -> None:
    """The window says what it showed when this desk was set up for it anew; its last key may have done with that."""
    if item and desk.to_do(item):
        desk.open(item)


def typed(desk: Desk, message: dict[str, Any] | None) -> None:
    """What stands in the comment's box while it is being written, or stood there before a reload."""
    if not message or message["item"] not in desk.mine:
        return
    item, text = message["item"], message["text"].strip()
    comment = desk.label(item).comment
    if message["again"]:
        desk.comments[item] = comment  # what it went on from
    if text not in (comment, comment.split(" / ")[-1]):
        write(desk, item, text)
    if message["again"]:
        st.session_state[f"label_comment/{item}"] = desk.comments[item] = desk.label(item).comment


def spent(desk: Desk, message: dict[str, Any] | None) -> None:
    """How long the window had shown the item before a reload; what was saved of it counts already."""
    if message and message["item"] in desk.mine and 0 < message["seconds"] < MOST_S:
        item, saved = message["item"], desk.label(message["item"]).seconds or 0.0
        desk.seconds[item] = desk.seconds.get(item, saved) + max(message["seconds"] - saved, 0.0)


def tab_turned(desk: Desk, state: str | None) -> None:
    """A hidden tab stops the clock."""
    if state == "hidden":
        desk.tick()
        desk.since = None
    elif state == "shown":
        desk.since = time.monotonic()
