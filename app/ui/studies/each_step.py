"""What each step of a study asks for, with the buttons that do it: draft, label, revise, adjudicate, analyse."""

import streamlit as st

from app import session
from app.ui import cards, ways
from app.ui.studies.desk import Desk
from app.ui.studies.freezing import freeze
from app.ui.studies.items import in_words
from app.ui.studies.next_box import change_round, confirm, keep, missing, next_box, open_tab, see_agreement
from app.ui.studies.rubric_text import put_in_force
from app.ui.studies.words import alpha_words, ended, needed_words, unlabelled, whose_turn
from core.annotation import rounds, standing
from core.annotation.assignment import loads
from core.annotation.study import plain


def drafting(desk: Desk) -> None:
    pilot, main = (plain(desk.study.items, name) for name in ("pilot", "main"))
    round_name = "pilot" if pilot or not main else "main"
    lacks, told = missing(desk, round_name), ""
    if not lacks:
        screens, who = loads(desk.study, round_name), cards.count(len(desk.study.annotators), "annotator")
        sizes = [load.items + load.repeats + load.attention for load in screens]
        most = screens[sizes.index(max(sizes))]
        upto = "" if len({load[1:] for load in screens}) == 1 else "up to "
        told = f"Everything is filled in: {who}, {upto}{max(sizes):,} screens each: {in_words(*most[1:])}."
    with next_box(
        f"look through the tabs, then freeze the {round_name}",
        f"Still missing: {'; '.join(lacks)}."
        if lacks
        else f"{told} Change what you like below first. Once frozen, the round can be labelled.",
    ):
        if st.button(f"Freeze the {round_name}", type="primary", icon=":material/lock:", key="freeze", disabled=bool(lacks)):
            freeze(desk, round_name)
        hint = "Freezes the main round at once, with an untested rubric."
        if (
            round_name == "pilot"
            and main
            and st.button("Skip the pilot", type="tertiary", key="skip_pilot", help=hint, disabled=bool(missing(desk, "main")))
        ):
            freeze(desk, "main")
        keep(desk)


def labelling_step(desk: Desk) -> None:
    people, round_name, who = desk.standing.people, desk.frozen.round, whose_turn(desk)
    begun = sum(person.done for person in people)
    where = {"pilot": "the pilot", "main": "the main round", "adjudication": "what is disputed"}[round_name]
    with next_box(
        f"label {where}",
        f"{begun:,} of {cards.count(begun + desk.standing.open, 'screen')} are labelled. Choose whose turn it is "
        f"below, or send everybody the link of their own.{_alone(desk)}",
    ):
        if st.button(f"Label as {cards.plain(who.annotator)}", type="primary", icon=":material/edit:", key="label"):
            ways.go("label_answers", study=desk.study.id, annotator=who.annotator)
        if round_name == "adjudication" or standing.may_show_agreement(desk.frozen, people):
            see_agreement(desk)
        keep(desk)
        if st.button(
            "End the round",
            type="tertiary",
            key="close",
            help="For a round that will not be finished: only the labels so far are used.",
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
        "adjudication": "Undecided items count by the majority of the annotators.",
    }
    st.write(f"{cards.count(desk.standing.open, 'screen')} of this round would stay open: {unlabelled(desk)}")
    st.write(
        f"Nobody can label in it any more. {after[desk.frozen.round]} The record says that the round was ended before it was "
        "done."
    )
    confirm("End the round", "block", "close_now", change_round, rounds.close, desk)


def revise(desk: Desk) -> None:
    seen = (desk.study.id, "pilot") in st.session_state.get("analysed", ())
    lacks, value = missing(desk, "main"), desk.standing.agreement and desk.standing.agreement.value
    unclear = value is not None and value < standing.TENTATIVE and len(desk.frozen.study.rubrics) == 1
    drawn, new = len(plain(desk.study.items, "main")), desk.study.rubric
    items = f"Still missing: {'; '.join(lacks)}." if lacks else f"{cards.count(drawn, 'main item')} drawn{needed_words(desk)}."
    if desk.revision:
        said = f"You have begun version {new.version} of the rubric. The main round waits until it is put in force, or discarded."
        title = f"{'' if new.changed else 'describe what it changes, and '}put version {new.version} of the rubric in force"
    elif not seen:
        said = f"{ended(desk)}{alpha_words(desk)} Differences show where the rubric is unclear."
        title = "see how far the annotators agree"
    elif unclear:
        said = f"{alpha_words(desk)} Clarify what the annotators read differently, so that they agree more in the main round."
        title = "make the rubric clearer"
    else:
        said = f"{alpha_words(desk)} {items} Or stop here: the pilot's labels can be exported."
        title = "freeze the main round"
    with next_box(title, said):
        if desk.revision or (seen and unclear):
            if desk.revision and new.changed:
                label = f"Put version {new.version} in force"
                cards.press(label, "gavel", "put_in_force", put_in_force, desk, type="primary")
            else:
                label = "Describe it on the tab Rubric" if desk.revision else "Revise the rubric"
                cards.press(label, "edit_note", "to_rubric", open_tab, "Rubric", type="primary")
        elif not seen:
            see_agreement(desk, "Analyse the pilot", type="primary")
        look = "primary" if seen and not unclear else "secondary"
        if not desk.revision and st.button(
            "Freeze the main round", type=look, icon=":material/lock:", key="freeze", disabled=bool(lacks)
        ):
            freeze(desk, "main")
        if seen:
            see_agreement(desk, "Agreement of the pilot", type="tertiary")
        cards.press("Export", "", "to_record", open_tab, "Record", type="tertiary")
        keep(desk)


def adjudicate(desk: Desk) -> None:
    if desk.frozen.round == "adjudication":
        return labelling_step(desk)
    count = desk.standing.disputed
    parts = " and ".join(
        cards.count(number, what) + " that not all could judge" * (what == "item")
        for what, number in desk.standing.differ.items()
    )
    with next_box(
        f"decide {cards.count(count, 'disputed item')}",
        f"{ended(desk)}{alpha_words(desk)} They differ in {parts}. Somebody who knows the rubric decides these; the labels so "
        "far stay as they are. Give their names, separated by commas.",
    ):
        place = st.container(width="content")
        names = st.text_input("Adjudicators", "Adjudicator", key="adjudicators", width=200)
        people = [name.strip() for name in names.split(",") if name.strip()]
        if place.button("Open adjudication", type="primary", icon=":material/gavel:", key="adjudicate", disabled=not people):
            rounds.open_adjudication(session.workbench(), desk.study.id, people)
            st.rerun()
        see_agreement(desk, "Analyse without it")


def analyse(desk: Desk) -> None:
    with next_box("analyse the study", f"{ended(desk)}{alpha_words(desk)}"):
        see_agreement(desk, "Analyse", type="primary")
        cards.press("Export labels", "download", "to_record", open_tab, "Record")
