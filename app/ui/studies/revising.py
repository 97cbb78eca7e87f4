"""The steps after labelling: revise, adjudicate, analyse."""

import streamlit as st

from app import session
from app.ui import cards
from app.ui.studies.desk import Desk
from app.ui.studies.freezing import freeze
from app.ui.studies.labelling import labelling_step
from app.ui.studies.next_box import keep, missing, next_box, open_tab, see_agreement
from app.ui.studies.rubric_text import put_in_force
from app.ui.studies.words import alpha_words, ended, needed_words
from core.annotation import rounds, standing
from core.annotation.study import plain


def revise(desk: Desk) -> None:
    seen = (desk.study.id, "pilot") in st.session_state.get("analysed", ())
    lacks, value = missing(desk, "main"), desk.standing.agreement and desk.standing.agreement.value
    unclear = value is not None and value < standing.TENTATIVE and len(desk.frozen.study.rubrics) == 1
    drawn, new = len(plain(desk.study.items, "main")), desk.study.rubric
    items = f"Still missing: {'; '.join(lacks)}." if lacks else f"{cards.count(drawn, 'main item')} drawn{needed_words(desk)}."
    if desk.revision:
        said = f"You have begun version {new.version} of the rubric. The main round waits until it is put in force, or discarded."
        title = f"{'' if new.changed else 'say what it changes, and '}put version {new.version} of the rubric in force"
    elif not seen:
        said = f"{ended(desk)}{alpha_words(desk)} Differences show where the rubric is unclear."
        title = "see how far the annotators agree"
    elif unclear:
        said = f"{alpha_words(desk)} Say in it what the annotators read differently, so that the main round fares better."
        title = "make the rubric clearer"
    else:
        said = f"{alpha_words(desk)} {items} Or stop here: the pilot's labels can be exported."
        title = "freeze the main round"
    with next_box(title, said):
        if desk.revision or (seen and unclear):
            if desk.revision and new.changed:
                st.button(
                    f"Put version {new.version} in force",
                    type="primary",
                    icon=":material/gavel:",
                    key="put_in_force",
                    on_click=put_in_force,
                    args=(desk,),
                )
            else:
                st.button(
                    "Say it on the tab Rubric" if desk.revision else "Revise the rubric",
                    type="primary",
                    icon=":material/edit_note:",
                    key="to_rubric",
                    on_click=open_tab,
                    args=("Rubric",),
                )
        elif not seen:
            see_agreement(desk, "Analyse the pilot", type="primary")
        look = "primary" if seen and not unclear else "secondary"
        if not desk.revision and st.button(
            "Freeze the main round", type=look, icon=":material/lock:", key="freeze", disabled=bool(lacks)
        ):
            freeze(desk, "main")
        if seen:
            see_agreement(desk, "Agreement of the pilot", type="tertiary")
        st.button("Export", type="tertiary", key="to_record", on_click=open_tab, args=("Record",))
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
        f"{ended(desk)}{alpha_words(desk)} They differ in {parts}. Somebody who "
        "knows the rubric decides these; the labels so far stay as they are. Name who does, with commas between several.",
    ):
        place = st.container(width="content")
        names = st.text_input("Adjudicators", "Adjudicator", key="adjudicators", width=200, label_visibility="collapsed")
        people = [name.strip() for name in names.split(",") if name.strip()]
        if place.button("Open adjudication", type="primary", icon=":material/gavel:", key="adjudicate", disabled=not people):
            rounds.open_adjudication(session.workbench(), desk.study.id, people)
            st.rerun()
        see_agreement(desk, "Analyse without it")


def analyse(desk: Desk) -> None:
    with next_box("analyse the study", f"{ended(desk)}{alpha_words(desk)}"):
        see_agreement(desk, "Analyse", type="primary")
        st.button("Export labels", icon=":material/download:", key="to_record", on_click=open_tab, args=("Record",))
