"""Where the experiment stands, and the one button that goes on: start, pause, resume. Also of one that runs elsewhere."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from html import escape
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, jobs
from app.ui.experiments import desk, engine, outlook
from app.ui.experiments.desk import Draft, StudyDesk
from core.errors import WorkbenchError
from core.labs.experiments import book, results, standing
from core.labs.experiments.estimate import Outlook
from core.labs.experiments.standing import StudyStanding
from core.workbench import Forecast, one_phase

NO_PLAN = one_phase("trials")  # of one that is not valid, whose button is off
LOOK_S = 1.0  # between two looks at an experiment that runs
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


def start(study_id: str, title: str, takes: Forecast) -> None:
    """Callback: what the form says is recorded and run; what is measured is kept."""
    desk.save(study_id)
    jobs.start(arguments(study_id), f"Experiment: {title}"[:120], takes)
    st.session_state.study_view = "Leaderboard"


def pause(study_id: str) -> None:
    try:
        standing.pause(session.workbench(), study_id)
    except WorkbenchError as error:  # it ended meanwhile
        st.session_state.study_note = error.what


def state(study_id: str) -> tuple[StudyStanding | None, Any, bool]:
    """How it stands, its newest job on this machine, and whether it works. None: it is not recorded yet."""
    if study_id not in book.latest(session.workbench()):
        return None, None, False
    stands, job = standing.standing(session.workbench(), study_id), newest_job(study_id)
    return stands, job, stands.status == "running" or bool(job and job.active)


def failures(here: StudyDesk, stands: StudyStanding) -> list[dict[str, Any]]:
    """What is left to retry: where every point is measured, a failure is one of an earlier version, but for those on the questions to
    report on, whose recipes are not foreseen."""
    plan, _ = _planned(here)
    if plan is None or plan.about or plan.stored < plan.trials or here.changed:
        return list(stands.failures)
    asked = {trial.id: trial.settings.get("corpus.questions") for trial in here.trials}
    half = here.recorded.report_on
    return [row for row in stands.failures if half and asked.get(row["id"]) == half]


def _planned(here: StudyDesk) -> tuple[Outlook | None, str]:
    """The plan, and why there is none."""
    try:
        return outlook.of(here), here.draft.problem
    except WorkbenchError as error:
        return None, error.what


def stored(stands: StudyStanding | None) -> int:
    return sum(stands.trials.values()) if stands else 0


def panel(here: StudyDesk) -> bool:
    """Draws it; whether the experiment works now."""
    stands, _, works = state(here.id)
    left = works or stands is None or stands.status != "done" or here.changed
    with st.container(border=left, key="study_panel"):  # what is done is a line
        watch(here.id, works, len(here.trials), partial(_waiting, here), here.draft)
    return works


Waiting = Callable[[StudyStanding | None, Any], None]


def watch(study_id: str, works: bool, measured: int, waiting: Waiting, draft: Draft | None = None) -> None:
    """How it stands, looked at again and again. waiting: draws one that does not work, of its standing and its newest job; draft: the
    form that the page shows."""
    st.fragment(_watch, run_every=LOOK_S if works else AWAY_S)(study_id, works, measured, waiting, draft)


def _watch(study_id: str, worked: bool, measured: int, waiting: Waiting, draft: Draft | None) -> None:
    with cards.calm():
        stands, job, works = state(study_id)
        added = not works and stored(stands) != measured
        if works != worked or added or draft and desk.draft_of(study_id) is not draft:
            st.rerun()  # the whole page: it began, ended, or was changed or added to elsewhere
        with st.container(horizontal=True, vertical_alignment="center"):
            working(study_id, stands, job) if works else waiting(stands, job)
        if note := st.session_state.pop("study_note", ""):
            st.caption(cards.plain(note))


def box(head: str, *lines: str) -> None:
    """lines: as `line` makes them."""
    st.html(
        f'<div class="gw gw-job"><div class="gw-head"><span class="gw-strong">{escape(head)}</span></div>{"".join(lines)}</div>',
        width="stretch",
    )


def line(text: str, style: str = "") -> str:
    return f'<div class="{style}">{escape(text)}</div>' if text else ""


def working(study_id: str, stands: StudyStanding, job: Any) -> None:
    running, here = stands.status == "running", bool(job and job.active)
    told = job if here else stands  # of the job what its link in the bar says
    share = told.done / told.total if told.total else 0.0
    failed = f"{len(stands.failures):,} failed" if stands.failures else ""
    words = " · ".join(filter(None, (told.words or "starting", failed, "" if here else "started on the command line")))
    box("Measuring", f'<div class="gw-bar"><i style="width:{min(share, 1):.1%}"></i></div>', line(words, "gw-small"))
    about = "Ends the run. What is measured is kept, and Resume goes on where it was."
    cards.press("Pause", "pause", "pause_study", pause, study_id, disabled=not running, help=about)


def _waiting(here: StudyDesk, stands: StudyStanding, job: Any) -> None:
    ok, failed = stands.trials.get("ok", 0), len(failures(here, stands))
    plan, problem = _planned(here)
    left = plan.trials - plan.stored if plan else failed
    if plan and plan.about and stands.status == "done" and not here.changed:  # learnt points are not foreseen
        left = 0
    head = HEADS.get(stands.status, stands.status) if stands.trials or job else "Not started"
    if left and stands.status == "done":
        head = "Changed" if here.version > 1 and left > failed else "Trials are missing"
    if here.changed and here.trials:
        head = "Changed, not recorded yet"
    told = problem
    if plan and not problem:
        told = f"{plan.words[:1].upper()}{plan.words[1:]}" if left else ""
    failure = job.error if job and job.status in ("failed", "died") else ""
    if stands.status == "failed" or stands.status == "stopped" and stands.message != "paused":
        failure = stands.message
    few = f"{cards.count(failed, 'trial')} failed" if failed else ""
    if not left and plan and stands.status == "done":
        own = {trial.equal: trial for trial in results.of_base(here.recorded, here.trials) if trial.metrics}
        halves = Counter(trial.settings.get("corpus.questions", "all") for trial in reversed(own.values()))
        on = ", ".join(f"{number:,} on {half}" for half, number in halves.most_common())
        head += f": {len(own):,}" + f" ({on})" * (len(halves) > 1)
    box(head, line(told), line(few, "gw-small"), line(failure, "gw-small"))
    with st.container(horizontal=True, vertical_alignment="center", width="content"):  # they wrap together
        _doings(here, plan, problem, left, ok, failed)


def _doings(here: StudyDesk, plan: Outlook | None, problem: str, left: int, ok: int, failed: int) -> None:
    """The buttons of an experiment that does not run. left: trials to measure; ok, failed: those that were tried."""
    experiment = here.draft.experiment
    if here.changed and here.trials:
        about = "Back to what is recorded."
        cards.press("Discard", "", "discard_change", desk.discard, here.id, type="tertiary", help=about)
    label = "Start" if not ok else "Retry what failed" if failed and left <= failed else "Resume"
    if left or failed or not plan:
        engine.draw(here.id)
        label = "Save and measure" if here.changed and ok else label
        takes = plan.forecast if plan else NO_PLAN
        look = {
            "disabled": not experiment or bool(problem),
            "help": "What is measured already is not measured again." if ok else None,
        }
        cards.press(label, "play_arrow", "start_study", start, here.id, here.title, takes, type="primary", **look)
    elif here.changed and experiment:
        cards.press("Save", "save", "save_study", desk.save, here.id, type="primary")
