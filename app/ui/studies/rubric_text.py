"""A rubric that is being changed: in a draft itself, in a pilot its next version."""

from typing import Any

import streamlit as st

from app import session
from app.ui import cards, forms
from app.ui.studies.desk import Desk, change, now
from core.annotation import rounds
from core.annotation.rubric import altered_rubric, default_rubric, old_titles, with_titles
from core.errors import WorkbenchError


def put_in_force(desk: Desk) -> None:
    """Callback: the changed rubric is the study's from now on."""
    desk = now(desk)
    try:
        rounds.revise(session.workbench(), desk.study.id, desk.study.rubric)
    except WorkbenchError as error:
        st.session_state.design_problem = f"{error.what} {error.todo}"


def write_rubric(desk: Desk, **settings: Any) -> None:
    """Callback: in a draft the rubric itself changes, in a pilot its next version."""
    desk = now(desk)
    study = desk.study
    try:
        old = study.rubric
        new = altered_rubric(old, settings)
    except WorkbenchError as error:
        st.session_state.design_problem = error.what
        return
    if desk.piloted and not desk.revision:
        first = new.model_copy(update={"version": old.version + 1, "changed": settings.get("changed", "")})
        return change(desk, rubrics=(*study.rubrics, first))
    change(desk, rubrics=(*study.rubrics[:-1], new))


def rubric_text(desk: Desk, name: str, label: str, value: str, *, height: int | None, hint: str = "") -> None:
    make, size = (st.text_input, {}) if height is None else (st.text_area, {"height": height})

    def write(key: str) -> None:
        write_rubric(desk, **{name: st.session_state[key]})

    look = {"disabled": desk.fixed, "placeholder": hint} | size
    forms.field(make, label, f"{desk.study.id}/rubric.{name}", value, write, **look)


def formerly(desk: Desk) -> list[tuple[str, str]]:
    """Labels renamed in this window: (name, title before)."""
    return st.session_state.setdefault(f"{desk.study.id}/formerly", [])


def outdated(desk: Desk, where: str = "rubric") -> None:
    """Guidelines that use the old name of a label, and the press that renames it there."""
    rubric = desk.study.rubric
    old = old_titles(rubric, (default_rubric(), *desk.frozen.study.rubrics, *desk.study.rubrics[:-1]), formerly(desk))
    if not old:
        return
    told = "; ".join(f"“{title}”, and the label is now called “{new}”" for title, new in old.items())
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.caption(f":material/warning: The guidelines still say {cards.plain(told)}.", width="stretch")
        if st.button(
            "Replace it there" if len(old) == 1 else "Replace them there",
            key=f"replace_titles.{where}",
            on_click=write_rubric,
            args=(desk,),
            kwargs={"guidelines": with_titles(rubric, old)},
        ):
            st.rerun()  # a dialog around it closes: what it shows was changed
