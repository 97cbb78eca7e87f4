"""Where the study stands, and the one button that goes on: start, pause, resume. Also of a study that runs elsewhere."""

from html import escape
from typing import Any

import streamlit as st

from app import session
from app.ui import cards
from app.ui.experiments import desk, engine, outlook
from app.ui.experiments.desk import StudyDesk
from core.errors import WorkbenchError
from core.labs.experiments import standing
from core.labs.experiments.estimate import Outlook
from core.labs.experiments.standing import StudyStanding

LOOK_S = 1.0  # between two looks at a study that runs
AWAY_S = 4.0  # at one that may be started elsewhere
HEADS = {
    "new": "Not started",
    "done": "All trials are measured",
    "stopped": "Paused",
    "failed": "Ended by an error",
    "died": "Ended without a message",
}


def arguments(study_id: str) -> list[str]:
    """Of the command that runs it, where it was chosen to be measured."""
    return ["study", study_id, *engine.of(study_id).options]


def newest_job(study_id: str) -> Any:
    """Of this study, wherever it was measured; None: it was never started here."""
    every = session.workbench().jobs.list()
    return next((job for job in every if list(job.arguments[:2]) == ["study", study_id]), None)


def start(study_id: str, title: str) -> None:
    """Callback: what the form says is recorded and run; what is measured is kept."""
    desk.save(study_id)
    session.workbench().jobs.start(arguments(study_id), f"Study: {title}"[:120])
    st.session_state.study_view = "Leaderboard"


def pause(study_id: str) -> None:
    try:
        standing.pause(session.workbench(), study_id)
    except WorkbenchError as error:  # it ended meanwhile
        st.session_state.study_note = error.what


def state(study_id: str) -> tuple[StudyStanding, Any, bool]:
    """How it stands, its newest job on this machine, and whether it works."""
    stands = standing.standing(session.workbench(), study_id)
    job = newest_job(study_id)
    return stands, job, stands.status == "running" or bool(job and job.active)


def panel(here: StudyDesk) -> bool:
    """Draws it; whether the study works now."""
    *_, works = state(here.id)
    with st.container(border=True, key="study_panel"):
        st.fragment(_panel, run_every=LOOK_S if works else AWAY_S)(here, works, len(here.trials))
    return works


def _panel(here: StudyDesk, worked: bool, measured: int) -> None:
    with cards.calm():
        stands, job, works = state(here.id)
        added = not works and sum(stands.trials.values()) != measured
        if works != worked or added or desk.draft_of(here.id) is not here.draft:
            st.rerun()  # the whole page: it began, ended, or was changed or added to elsewhere
        with st.container(horizontal=True, vertical_alignment="center"):
            working(here.id, stands, job) if works else _waiting(here, stands, job)
        if note := st.session_state.pop("study_note", ""):
            st.caption(cards.plain(note))


def working(study_id: str, stands: StudyStanding, job: Any) -> None:
    running, here = stands.status == "running", bool(job and job.active)
    told = job if here else stands  # of the job what its link in the sidebar says
    share = told.done / told.total if told.total else 0.0
    failed = f"{len(stands.failures):,} failed" if stands.failures else ""
    line = " · ".join(filter(None, (told.words or "starting", failed, "" if here else "started on the command line")))
    st.html(
        f'<div class="gw gw-job"><div class="gw-head"><span class="gw-strong">Measuring</span></div>'
        f'<div class="gw-bar"><i style="width:{min(share, 1):.1%}"></i></div>'
        f'<div class="gw-small">{escape(line)}</div></div>',
        width="stretch",
    )
    st.button(
        "Pause",
        key="pause_study",
        icon=":material/pause:",
        disabled=not running,
        on_click=pause,
        args=(study_id,),
        help="Ends the run. What is measured is kept, and Resume goes on where it was.",
    )


def _waiting(here: StudyDesk, stands: StudyStanding, job: Any) -> None:
    ok, failed = stands.trials.get("ok", 0), len(stands.failures)
    plan, problem = None, here.draft.problem
    try:
        plan = outlook.of(here)
    except WorkbenchError as error:
        problem = error.what
    left = plan.trials - plan.stored if plan else 0
    if plan and plan.about and stands.status == "done" and not here.changed:  # learnt points are not foreseen
        left = 0
    head = HEADS.get(stands.status, stands.status) if stands.trials or job else "Not started"
    if left and stands.status == "done":
        head = "Changed" if here.version > 1 else "Trials are missing"
    if here.changed and here.trials:
        head = "Changed, not recorded yet"
    told = problem
    if plan and not problem:
        told = f"{plan.words[:1].upper()}{plan.words[1:]}" if left else cards.count(plan.trials, "trial")
    failure = job.error if job and job.status in ("failed", "died") else ""
    if stands.status == "failed" or stands.status == "stopped" and stands.message != "paused":
        failure = stands.message
    st.html(
        f'<div class="gw gw-job"><div class="gw-head"><span class="gw-strong">{escape(head)}</span></div>'
        f"<div>{escape(told)}</div>"
        + (f'<div class="gw-small">{escape(cards.count(failed, "point"))} failed</div>' if failed else "")
        + (f'<div class="gw-small">{escape(failure)}</div>' if failure else "")
        + "</div>",
        width="stretch",
    )
    with st.container(horizontal=True, vertical_alignment="center", width="content"):  # they wrap together
        _doings(here, plan, problem, left, ok, failed)


def _doings(here: StudyDesk, plan: Outlook | None, problem: str, left: int, ok: int, failed: int) -> None:
    """The buttons of a study that does not run. left: trials to measure; ok, failed: those that were tried."""
    experiment = here.draft.experiment
    if here.changed and here.trials:
        st.button(
            "Discard",
            key="discard_change",
            type="tertiary",
            on_click=desk.discard,
            args=(here.id,),
            help="Back to what is recorded.",
        )
    label = "Start" if not ok else "Retry what failed" if failed and left <= failed else "Resume"
    if left or failed or not plan:
        engine.draw(here.id)
        st.button(
            label if not (here.changed and ok) else "Save and measure",
            key="start_study",
            icon=":material/play_arrow:",
            type="primary",
            disabled=not experiment or bool(problem),
            on_click=start,
            args=(here.id, here.title),
            help="What is measured already is not measured again." if ok else None,
        )
    elif here.changed and experiment:
        st.button("Save", key="save_study", icon=":material/save:", type="primary", on_click=desk.save, args=(here.id,))
