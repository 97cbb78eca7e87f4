"""A study on the desk: as it is recorded, and as it is being changed.

A draft that is worked on is a copy of the recorded one, shared by all windows of this server; saving it or freezing a round
records it. What is changed between pilot and main round is recorded at once, as a plan.
"""

from typing import Any, NamedTuple

import streamlit as st

from app import session
from app.ui import forms
from core.annotation import draft, rounds, standing, versions
from core.annotation.study import Study, altered
from core.errors import WorkbenchError


class Desk(NamedTuple):
    """A study on the desk: as it is recorded, and as it is being changed."""

    frozen: versions.Frozen
    study: Study
    standing: standing.Standing

    @property
    def fixed(self) -> bool:
        """Nothing can be changed any more."""
        return self.frozen.round in ("main", "adjudication")

    @property
    def piloted(self) -> bool:
        return self.frozen.round == "pilot"

    @property
    def changed(self) -> bool:
        return self.study != self.frozen.study

    @property
    def revision(self) -> bool:
        """Is there a version of the rubric that is not in force yet?"""
        return len(self.study.rubrics) > len(self.frozen.study.rubrics)


def on_desk(frozen: versions.Frozen) -> Desk:
    workbench = session.workbench()
    state, entry = standing.state(workbench, frozen), st.session_state.get("design_standing", (None, None))
    if entry[0] != state:
        entry = st.session_state.design_standing = (state, standing.standing(workbench, frozen))
    return Desk(frozen, _current(frozen), entry[1])


@st.cache_resource(show_spinner=False)
def _copies(home: str) -> dict[str, tuple[versions.Frozen, Study]]:
    """Study -> the version that its copy began with, and the copy. Of the server rather than of a window, so that no window
    undoes what another changed, and a reload loses nothing."""
    return {}


@st.cache_resource(show_spinner=False)
def _drawings(home: str) -> dict[str, draft.Drawing]:
    return {}


def drawings() -> dict[str, draft.Drawing]:
    """Study -> how its items were drawn last, with what was asked for; of the server, as the copies are."""
    return _drawings(str(session.workbench().home))


def _current(frozen: versions.Frozen) -> Study:
    """A study as it is being changed."""
    workbench, study_id = session.workbench(), frozen.study.id
    if frozen.round != "draft":
        return (versions.planned(workbench, study_id) if frozen.round == "pilot" else None) or frozen.study
    copies = _copies(str(workbench.home))
    base, copy = copies.get(study_id, (frozen, frozen.study))
    if base.id != frozen.id:  # recorded elsewhere meanwhile, as by a command: what was changed here stays on top
        mine = {name: new for name in Study.model_fields if (new := getattr(copy, name)) != getattr(base.study, name)}
        try:
            copy = altered(frozen.study, mine)
        except WorkbenchError:
            copy = frozen.study
        copies[study_id] = (frozen, copy)
    return copy


def now(desk: Desk) -> Desk:
    """In a callback: the study as it stands by now. Another window may have changed it since this one was drawn."""
    frozen = versions.load(session.workbench(), desk.study.id)
    return desk._replace(frozen=frozen, study=_current(frozen))


def put(desk: Desk, study: Study) -> None:
    """Callback: the study as it is from now on; after a pilot it is recorded as the plan of the main round."""
    if desk.fixed:
        st.session_state.design_problem = "the main round was frozen in another window."
        return
    if not desk.piloted:
        _copies(str(session.workbench().home))[desk.study.id] = (desk.frozen, study)
        return
    try:
        rounds.plan(session.workbench(), study)
    except WorkbenchError as error:
        st.session_state.design_problem = f"{error.what} {error.todo}"


def change(desk: Desk, **settings: Any) -> None:
    """Callback: the study with these settings, or why that cannot be."""
    desk = now(desk)
    try:
        put(desk, altered(desk.study, settings))
    except WorkbenchError as error:
        st.session_state.design_problem = error.what


def take(desk: Desk, name: str, key: str) -> None:
    change(desk, **{name: st.session_state[key]})


def field(desk: Desk, make: Any, name: str, label: str, *options: Any, **look: Any) -> None:
    """A setting of the study, as it is being changed. make, options and look: as `forms.field` takes them."""
    key, look = f"{desk.study.id}/{name}", {"disabled": desk.fixed} | look
    forms.field(make, label, key, getattr(desk.study, name), take, desk, name, options=options, **look)
