"""Long work on a page: a verb drained under a bar, and jobs, which outlive the page and are found again after a reload."""

import time
from collections.abc import Callable, Container, Generator
from html import escape
from typing import Any

import streamlit as st

from app import session
from app.ui import cards
from core.progress import Running
from core.records import Progress
from core.workbench import command_line

# states of a job as core.jobs names them -> as a person reads them
STATES = {"queued": "waiting to start", "died": "stopped without a word"}
OVERVIEW = "../pages/overview.py"  # where a job's link leads; relative to app/main.py
QUIET_S = 0.3  # shorter work shows no bar


def drain(work: Generator[Progress, None, Any], label: str = "") -> Any:
    """Runs a long verb to its end and returns its result; leaving the page or any click cancels it."""
    started, bar, running = time.monotonic(), None, Running(work)
    try:
        for step in running:
            elapsed = time.monotonic() - started
            if elapsed > QUIET_S:
                text = _told(label or step.message, pace(step.done, step.total, elapsed))
                share = step.done / step.total if step.total else 0.0
                bar = bar or st.progress(0.0)
                bar.progress(min(share, 1.0), cards.plain(text))
        return running.result
    finally:
        if bar is not None:
            bar.empty()


def pace(done: int, total: int, elapsed_s: float) -> str:
    """Count, rate and time left: "1,200 of 16,407 · 310/s · 49 s left"."""
    if not done or elapsed_s <= 0:
        return f"{done:,} of {total:,}" if total else "starting"
    rate = done / elapsed_s
    pace = f"{rate:,.0f}/s" if rate >= 2 else f"{rate:.2g}/s" if rate >= 1 else f"{cards.duration(1 / rate)} each"
    words = [f"{done:,} of {total:,}" if total else f"{done:,}", pace]
    if total > done:
        words.append(f"{cards.duration((total - done) / rate)} left")
    return " · ".join(words)


def active() -> list[Any]:
    return [job for job in session.workbench().jobs.list() if job.active]


def _told(message: str, count: str) -> str:
    """The message with count and time left; some verbs tell theirs in the message, and one is enough."""
    own = message[:1].isdigit() or message.endswith(" left")
    return " · ".join(filter(None, (message, "" if own else count)))


def _bar(job: Any) -> str:
    elapsed = time.time() - (job.started or job.created)
    count = pace(job.done, job.total, elapsed) if job.active else f"{job.done:,} of {job.total:,}" if job.total else ""
    if job.active and job.message and not job.total:
        count = f"{cards.duration(elapsed)} so far"
    text = escape(_told(job.message, count))
    return f'<div class="gw-bar"><i style="width:{job.share or 0:.1%}"></i></div><div class="gw-small">{text}</div>'


# --- jobs ------------------------------------------------------------------------------------------------------------


def running() -> None:
    """The running jobs, each a link, for the sidebar; asks again every second while there are any."""
    every, seen = session.workbench().jobs.list(), st.session_state.get("jobs_seen", ())
    for job in every:
        if job.id in seen and job.status == "done":  # in the run that shows what it made
            st.toast(f"{cards.plain(job.label)}: done.", icon=":material/check:")
    st.session_state.jobs_seen = {job.id for job in every if job.active}
    if st.session_state.jobs_seen:
        st.fragment(_running, run_every=1.0)()


def _running() -> None:
    with cards.calm():
        some = active()
    if not some:
        st.rerun()  # the whole page: what a job made is there now
    st.html('<div class="gw gw-small">Running</div>')
    for job in some:
        st.page_link(OVERVIEW, label=cards.plain(job.label), icon="spinner", query_params={"job": job.id})
        st.html(f'<div class="gw gw-job">{_bar(job)}</div>')


def watch(job_id: str, *, on_done: Callable[[], None] | None = None) -> None:
    """One job with its progress, Cancel and Resume. Once it is done `on_done` is called and the page reruns."""
    job = session.workbench().jobs.get(job_id)
    st.fragment(_watch, run_every=1.0 if job.active else None)(job_id, on_done)


def _watch(job_id: str, on_done: Callable[[], None] | None) -> None:
    with cards.calm():
        workbench = session.workbench()
        job = workbench.jobs.get(job_id)
        with st.container(border=True):
            with st.container(horizontal=True, vertical_alignment="center"):
                status = STATES.get(job.status, job.status)
                st.html(
                    f'<div class="gw gw-job"><div class="gw-head"><span class="gw-strong">{escape(job.label)}</span>'
                    f"<span>{status}</span></div>{_bar(job)}</div>"
                )
                if job.active:
                    st.button(
                        "Cancel", key=f"cancel/{job_id}", icon=":material/close:", on_click=workbench.jobs.cancel, args=(job_id,)
                    )
                elif job.status != "done":
                    st.button(
                        "Resume",
                        key=f"resume/{job_id}",
                        icon=":material/restart_alt:",
                        type="primary",
                        on_click=workbench.jobs.resume,
                        args=(job_id,),
                    )
            if job.error:
                st.text(job.error)
                with st.expander("What it printed last"):
                    st.code(workbench.jobs.log_tail(job_id) or "Nothing.", language="text", wrap_lines=True)
    states = st.session_state.setdefault("job_states", {})
    before = states.get(job_id)
    states[job_id] = job.status
    if before not in (None, job.status) and (not job.active or before not in ("queued", "running")):
        if job.status == "done" and on_done:
            on_done()
        st.rerun()  # the whole page: what the job made is there now, or it was resumed and has to be asked after again


def training(verbs: Container[str], curves: Callable[[str], None]) -> bool:
    """Draws the last training by these verbs that is not done, and its curves; whether it runs. curves: of its name."""
    last = next((job for job in session.workbench().jobs.list() if job.arguments and job.arguments[0] in verbs), None)
    if not last or last.status == "done":
        return False
    watch(last.id)
    st.fragment(curves, run_every=2.0 if last.active else None)(last.arguments[1])
    return last.active


def train_button(name: str, arguments: list[str], kind: str, taken: bool, key: str) -> None:
    """The command of a training, and the button that makes it a job where the name is free. kind: what is trained, with its article."""
    st.caption("The command")
    st.code(command_line(*arguments), language="bash", wrap_lines=True)
    if not name.strip() or taken:
        wrong = f"There is {kind} of this name: take another." if name.strip() else "Give it a name."
        st.warning(wrong, icon=":material/error:")
    elif st.button("Train", type="primary", icon=":material/model_training:", key=key):  # with what stands there now
        session.workbench().jobs.start(arguments, f"Training {name}")
        st.rerun()


def start_button(
    label: str, arguments: list[str], title: str, *, icon: str = ":material/play_arrow:", place: str = "", kind: str = "primary"
) -> None:
    """A button that starts a job of the command line; until the job is done its progress stands in the button's place.

    place: tells buttons of the same verb on a page apart. The arguments are no part of the key: pressed straight from a text
    box, whose new value they hold, the button would be another one, and the press lost, or with the values before.
    """
    job = latest(arguments)
    if job and job.status != "done":
        watch(job.id)
    elif st.button(label, key=f"start/{arguments[0]}/{place}", icon=icon, type=kind):
        session.workbench().jobs.start(arguments, title)
        st.rerun()


def latest(arguments: list[str]) -> Any:
    """The newest job with just this command, or None."""
    jobs = session.workbench().jobs.list()
    return next((job for job in jobs if list(job.arguments) == arguments), None)
