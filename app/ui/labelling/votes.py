"""In adjudication what the annotators said, without their names."""

from collections.abc import Iterator
from html import escape
from typing import Any, NamedTuple

import streamlit as st

from app.ui import cards
from app.ui.labelling.desk import Sheet
from core.annotation.labels import Label
from core.annotation.sentences import words
from core.annotation.steps import Step, answer_to
from core.annotation.study import Item, Study


class Vote(NamedTuple):
    who: str  # a letter
    answer: Any
    text: str  # the answer in words


def _letter(number: int, pair: bool) -> str:
    """A name for one who must not be known by name. In pairs A and B are answers."""
    letters = "PQRSTUVWXYZ" if pair else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return letters[number % len(letters)] + (str(number // len(letters) + 1) if number >= len(letters) else "")


def said_of(study: Study, sheet: Sheet, step: Step) -> list[Vote]:
    """What each annotator said of a step."""
    if not sheet.votes:
        return []
    titles = {label.name: label.title for rubric in study.rubrics for label in rubric.labels}
    said = []
    for number, label in enumerate(sheet.votes):
        answer = "cannot judge" if label.cannot_judge else answer_to(label, step)
        if text := _in_words(sheet, step, answer, titles):
            said.append(Vote(_letter(number, sheet.pair), answer, text))
    return said


def _in_words(sheet: Sheet, step: Step, answer: Any, titles: dict[str, str]) -> str:
    if step.kind == "helpful" and isinstance(answer, int):
        return cards.count(answer, "star")
    if answer in ("a", "b"):
        return f"{'AB'[sheet.screen.order.index('ab'.index(answer))]} is better"
    return titles.get(answer, str(answer)).capitalize() if answer is not None else ""


def remarks(sheet: Sheet) -> None:
    """What the annotators of a disputed item wrote, and which words they marked."""
    rows = [
        f"<div><b>Annotator {_letter(number, sheet.pair)}</b> {escape(text)}</div>"
        for number, label in enumerate(sheet.votes)
        for text in _remarks_of(sheet.item, label)
    ]
    if not rows:
        st.empty()  # so that the box under it stays the same widget
    else:
        st.html(f'<div class="gw lab-remarks" role="region" aria-label="Comments of the annotators">{"".join(rows)}</div>')


def _remarks_of(item: Item, label: Label) -> Iterator[str]:
    if label.comment:
        yield f"“{label.comment}”"
    for span in label.spans:
        text = item.responses[span.response].text
        bounds = words(text)[span.first : span.last]
        yield f"wrong words: “{text[bounds[0][0] : bounds[-1][1]]}”"
