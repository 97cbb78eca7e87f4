"""The steps in which people label."""

import streamlit as st

from app.ui import cards
from app.ui.studies.desk import Desk
from app.ui.studies.next_box import LABEL, change_round, confirm, go, keep, next_box, see_agreement
from app.ui.studies.words import unlabelled, whose_turn
from core.annotation import rounds


def labelling_step(desk: Desk) -> None:
    standing, round_name, who = desk.standing, desk.frozen.round, whose_turn(desk)
    begun = sum(person.done for person in standing.people)
    where = {"pilot": "the pilot", "main": "the main round", "adjudication": "what is disputed"}[round_name]
    with next_box(
        f"label {where}",
        f"{begun:,} of {cards.count(begun + standing.open, 'screen')} are labelled. Choose whose turn it is "
        f"below, or send everybody the link of their own.{_alone(desk)}",
    ):
        if st.button(f"Label as {cards.plain(who.annotator)}", type="primary", icon=":material/edit:", key="label"):
            go(LABEL, study=desk.study.id, annotator=who.annotator)
        see_agreement(desk)
        keep(desk)
        if st.button(
            "End the round",
            type="tertiary",
            key="close",
            help="For a round that will not be finished: what is labelled so far is what there is.",
        ):
            _close(desk)


def _alone(desk: Desk) -> str:
    several = len(desk.frozen.study.at_work(desk.frozen.round)) > 1
    return " Do not talk about items before the round is done." if several else ""


@st.dialog("End the round")
def _close(desk: Desk) -> None:
    """What stays without labels, before it does."""
    after = {
        "pilot": "The pilot can be analysed, and the main round frozen, with the labels there are.",
        "main": "Adjudication and analysis follow, with the labels there are.",
        "adjudication": "What nobody decided counts as the majority of the annotators says.",
    }
    st.write(f"{cards.count(desk.standing.open, 'screen')} of this round would stay open: {unlabelled(desk)}")
    st.write(
        f"Nobody can label in it any more. {after[desk.frozen.round]} The record says that the round was ended before it was "
        "done."
    )
    confirm("End the round", "block", "close_now", change_round, rounds.close, desk)
