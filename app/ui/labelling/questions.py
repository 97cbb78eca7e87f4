"""The question on the screen, with its buttons, and what else can be done; keys are printed on the buttons."""

from html import escape
from typing import Any, NamedTuple

import streamlit as st

from app.ui import cards
from app.ui.labelling.desk import Desk, cannot, do, give, jump, undo, walk
from app.ui.labelling.keys import ACTIONS, ICONS
from app.ui.labelling.votes import said_of
from core.annotation.labels import Label
from core.annotation.steps import Step, agreed_answer, answer_to

GONE = (
    "No connection to Groundwork. What this page showed as saved is safe; keys pressed now have no effect. The page continues "
    "once Groundwork is back; check any comment you were writing then."
)
STARS = ("1 star, useless", "2 stars", "3 stars", "4 stars", "5 stars, all asked")
PREFERENCES = (("left", "A is better"), ("tie", "Tie"), ("right", "B is better"))


class Question(NamedTuple):
    """The step on the screen in words."""

    what: str
    why: str
    said: str  # the sentence in question, or ""
    choices: list[tuple[Any, str]]  # value, title
    now: Any


def question_of(desk: Desk, label: Label) -> Question:
    sheet, step = desk.sheet, desk.sheet.steps[desk.at]
    which = f" {'AB'[sheet.screen.order.index(step.response)]}" if sheet.pair else ""
    now, said = answer_to(label, step), _said_before(desk, step)
    if step.kind == "sentence":
        among = [other for other in sheet.steps if other.response == step.response and other.kind == "sentence"]
        response = sheet.item.responses[step.response]
        return Question(
            f"Sentence {step.sentence + 1} of {len(among)}{f' of answer{which}' if sheet.pair else ''}",
            said or "Is it supported by the evidence?",
            response.text[slice(*response.sentences[step.sentence])],
            [(category.name, category.title) for category in desk.study.rubric.labels],
            now,
        )
    if step.kind == "helpful":
        why = "How helpful is it to the person who asked, from 1 (useless) to 5 (all that was asked, well said)?"
        return Question(f"Answer{which}: helpful?" if said else f"Answer{which}", said or why, "", list(enumerate(STARS, 1)), now)
    places = {"a": sheet.screen.order.index(0), "b": sheet.screen.order.index(1)}
    now = ("left", "right")[places[now]] if now in places else now
    return Question("Both answers", said or "Which would you rather have been given?", "", list(PREFERENCES), now)


def _said_before(desk: Desk, step: Step) -> str:
    """What the annotators said of it; "" where none did."""
    if not desk.sheet.votes:
        return ""
    differ = ", ".join(f"{vote.who}: {vote.text}" for vote in said_of(desk.study, desk.sheet, step))
    if differ and agreed_answer(desk.sheet.votes, step) is None:
        return f"Annotators {differ}"
    return "All annotators said this."


def buttons(desk: Desk, label: Label | None, question: Question | None) -> None:
    """What can be done now, at the foot of the window."""
    keys = st.session_state["label_settings"]["keys"]
    with st.container(key="lab_bar", gap="small"):
        if question:
            _choices(desk, question, keys)
        with st.container(key="lab_ways", horizontal=True, gap="xsmall"):
            ways = {"undo": (undo,), "back": (walk, -1), "skip": (walk, 1), "next": (jump,), "cannot": (cannot, desk.item)}
            for name, act in ways.items():
                if desk.item or name in ("undo", "back"):
                    chosen = name == "cannot" and label.cannot_judge
                    style = {"shortcut": keys[name], "type": "primary" if chosen else "tertiary"}
                    cards.press(ACTIONS[name][1], ICONS[name], f"way/{name}/{desk.name}", do, desk, *act, **style)


def _choices(desk: Desk, question: Question, keys: dict[str, str]) -> None:
    kind = desk.sheet.steps[desk.at].kind
    st.html(
        f'<div class="gw lab-ask" data-place="{escape(desk.item)}/{desk.at}"><b>{question.what}</b> {escape(question.why)} '
        '<i class="lab-wait">New question: keys are paused for a moment.</i>'
        f'<div class="lab-said">{escape(question.said)}</div><div class="lab-gone" role="alert">{GONE}</div></div>'
    )
    with st.container(key=f"lab_choices_{kind}"):
        for number, (name, title) in enumerate(question.choices, 1):
            shortcut = keys[f"{'answer' if kind == 'sentence' else 'rank'}{number}"] or None
            style = {"shortcut": shortcut, "width": "stretch", "type": "primary" if question.now == name else "secondary"}
            act = do, desk, give, desk.item, desk.at, name
            cards.press(cards.plain(title), "", f"give/{desk.name}/{number}", *act, **style)
