"""The experiment on the desk: as it is recorded, and as the form says it is to be."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

import streamlit as st

from app import session
from app.ui.experiments.words import why
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.experiments import book, drafts, results
from core.labs.experiments.book import Version
from core.labs.experiments.experiment import Experiment, made, slug
from core.labs.trials.comparison import Trial

DRAFTS = "study_drafts"


class Draft(NamedTuple):
    """What the form says. experiment None: it is not valid, `problem` says why, beside the field."""

    record: str  # the version that it began with
    mapping: dict[str, Any]
    experiment: Experiment | None
    problem: str = ""
    field: str = ""


class StudyDesk(NamedTuple):
    recorded: Experiment
    version: int
    draft: Draft
    trials: Sequence[Trial]

    @property
    def id(self) -> str:
        return self.recorded.id

    @property
    def title(self) -> str:
        return self.recorded.title or self.recorded.id

    @property
    def recipe(self) -> TrialConfig:
        """The base recipe of the last form that was valid."""
        return (self.draft.experiment or self.recorded).recipe

    @property
    def changed(self) -> bool:
        """Whether the form says something else than what is recorded."""
        return self.draft.experiment != self.recorded


def on_desk(study_id: str) -> StudyDesk:
    version = book.latest(session.workbench())[study_id]
    return StudyDesk(
        version.experiment, version.number, _draft(version), results.of_study(session.workbench(), version.experiment)
    )


def draft_of(study_id: str) -> Draft:
    return _draft(book.latest(session.workbench())[study_id])


def _draft(version: Version) -> Draft:
    """What the form says of the last version; a form that began with an earlier one is gone."""
    study_id = version.experiment.id
    own = st.session_state.setdefault(DRAFTS, {})
    if study_id not in own or own[study_id].record != version.id:
        mapping = drafts.read_draft(session.workbench(), study_id, version.id)  # of before a reload, or a restart
        own[study_id] = Draft(version.id, version.experiment.model_dump(mode="json"), version.experiment)
        if mapping is not None and {*mapping} == {*own[study_id].mapping}:  # else of a form that had other fields
            own[study_id] = _read(version.id, mapping)
    return own[study_id]


def _read(record: str, mapping: dict[str, Any], field: str = "", before: Draft | None = None) -> Draft:
    try:
        return Draft(record, mapping, made(mapping))
    except WorkbenchError as error:
        problem = why(error, [factor["setting"] for factor in mapping["factors"]])
        # what was wrong before stays beside its own field
        return Draft(record, mapping, None, problem, before.field if before and problem == before.problem else field)


def change(study_id: str, field: str, edit: Callable[[dict[str, Any]], None]) -> None:
    """Callback: changes what the form says. As long as the experiment has no trial it is recorded at once."""
    before = st.session_state[DRAFTS][study_id]
    mapping = deepcopy(before.mapping)
    edit(mapping)
    draft = _read(before.record, mapping, field, before)
    st.session_state[DRAFTS][study_id] = draft
    if draft.experiment and not results.of_study(session.workbench(), draft.experiment):
        save(study_id)
    elif draft.experiment and draft.experiment == book.load(session.workbench(), study_id):
        drafts.drop_draft(session.workbench(), study_id)
    else:
        drafts.keep_draft(session.workbench(), study_id, draft.record, mapping)


def save(study_id: str) -> None:
    """Callback: the form becomes the version that counts."""
    if experiment := st.session_state[DRAFTS][study_id].experiment:
        book.save(session.workbench(), experiment)
        drafts.drop_draft(session.workbench(), study_id)


def discard(study_id: str) -> None:
    """Callback: the form says again what is recorded."""
    st.session_state[DRAFTS].pop(study_id, None)
    drafts.drop_draft(session.workbench(), study_id)


def add(experiment: Experiment) -> str:
    """Records a new study under an id that is free, opens it, and returns its id."""
    there, name, number = book.latest(session.workbench()), experiment.id, 2
    while name in there:
        name, number = f"{experiment.id[:76]}-{number}", number + 1
    book.save(session.workbench(), made(experiment.model_dump(mode="json") | {"id": name}))
    st.session_state.study_asked, st.session_state.study_view = name, "Plan"  # which is what there is of it
    if session.on_page("run_study"):
        st.query_params["study"] = name  # before the bar is drawn, which says what comes next of it
    return name


def clone(experiment: Experiment) -> None:
    """Callback: the same study under a new name, without its trials."""
    title = f"{(experiment.title or experiment.id)[:180]}, copy"
    add(made(experiment.model_dump(mode="json") | {"id": slug(title), "title": title, "baseline": "", "archived": False}))
