"""Long work on a page: a verb drained under a bar, and jobs, which outlive the page and are found again after a reload."""

import time
from collections.abc import Callable, Container, Generator, Iterator
from contextlib import contextmanager, nullcontext
from html import escape
from typing import Any, NamedTuple

import streamlit as st

from app import session
from app.ui import cards
from core.config import TrialConfig
from core.jobs.jobs import LIVE
from core.jobs.verbs import verb_of
from core.progress import PhaseClock, Running, pace
from core.records import Progress
from core.workbench import Estimate, Forecast, Plan, command_line, one_phase

# states of a job as core.jobs names them -> as a person reads them
STATES = {"queued": "waiting to start", "died": "stopped unexpectedly"}
SILENT = "does not respond"  # told to have died, and its process is there
WORKS, HANGS, UP = "spinner", ":material/hourglass_disabled:", ":material/dns:"
OVERVIEW = "../pages/overview.py"  # where a job's link leads; relative to app/main.py
# verb -> where its link leads instead: what it made is taken into use there
ELSEWHERE = {"ingest-received": ("../pages/browse_corpus.py", {"tab": "Own documents"})}
QUIET_S = 0.3  # shorter work shows no bar
AT_ONCE_S = 2.0  # what takes no longer needs no price


class Press(NamedTuple):
    """What a press does on the page itself: a verb, as its command line names it, and what that takes."""

    verb: str
    takes: Forecast


def drain(work: Generator[Progress, None, Any], label: str = "", press: Press | None = None) -> Any:
    """Runs a long verb to its end and returns its result; leaving the page or any click cancels it. press: that asked for it, whose next
    price is told by what it took."""
    started, bar, running, clock = time.monotonic(), None, Running(work), PhaseClock()
    try:
        with timed(press) if press else nullcontext():
            for step in running:
                now = time.monotonic()
                clock.hear(step, now)
                if now - started > QUIET_S:
                    count = pace(step.done, step.total, clock.first, now - clock.began, now - clock.counted)
                    text = " · ".join(filter(None, (label or step.message, count)))
                    share = step.done / step.total if step.total else 0.0
                    bar = bar or st.progress(0.0)
                    bar.progress(min(share, 1.0), cards.plain(text))
        return running.result
    finally:
        if bar is not None:
            bar.empty()


@contextmanager
def timed(press: Press) -> Iterator[None]:
    """Around what the press asked for; what was stopped or failed says nothing of the next one."""
    started = time.monotonic()
    yield
    session.workbench().took(*press, time.monotonic() - started)


def active() -> list[Any]:
    """Those that work, or are there and silent, as on a machine that is short of processors: they may work on."""
    return [job for job in session.workbench().jobs.list() if job.alive]


def _bar(job: Any) -> str:
    empty = job.status == "up" or not (job.alive or job.share)  # what ended before it began anything has no length
    bar = "" if empty else f'<div class="gw-bar"><i style="width:{job.share or 0:.1%}"></i></div>'
    silent = f" · {SILENT}" * job.hangs
    return f'{bar}<div class="gw-small">{escape(job.words)}{silent}</div>'


def _silence(job: Any) -> str:
    """Since when nothing is heard of a job whose process is there, and what that means."""
    since = f" for {cards.duration(time.time() - job.heartbeat)}" if job.heartbeat else ""
    return (
        f"Nothing was heard of it{since}. It may be waiting for the processor, and then goes on by itself. Cancel ends it: started again, "
        "it uses what it has kept."
    )


# --- jobs ------------------------------------------------------------------------------------------------------------


def running() -> None:
    """The running jobs, each a link, for the bar above the page; asks again every second while there are any."""
    every, seen = session.workbench().jobs.list(), st.session_state.get("jobs_seen", ())
    for job in every:
        if job.id in seen and job.status == "done":  # in the run that shows what it made
            st.toast(f"Done: {cards.plain(job.label)}", icon=":material/check:")
    st.session_state.jobs_seen = {job.id for job in every if job.alive}
    if st.session_state.jobs_seen:
        st.fragment(_running, run_every=1.0)()


def _running() -> None:
    with cards.calm():
        some = active()
    if not some:
        st.rerun()  # the whole page: what a job made is there now
    [share, *others] = [job.share for job in some if job.status != "up"] or [None]
    far = "" if share is None or others else f" {share:.0%}"  # several are told apart in the list
    [icon, *_] = sorted(map(_icon, some), key=[WORKS, HANGS, UP].index)
    with st.popover(f"{cards.count(len(some), 'job')}{far}", icon=icon, type="tertiary", key="jobs"):
        for job in some:
            page, address = ELSEWHERE.get(verb_of(job.arguments), (OVERVIEW, {"job": job.id}))
            st.page_link(page, label=cards.plain(job.label), icon=_icon(job), query_params=address)
            st.html(f'<div class="gw gw-job">{_bar(job)}</div>')


def _icon(job: Any) -> str:
    """What moves works."""
    return UP if job.status == "up" else HANGS if job.hangs else WORKS


def watch(job_id: str) -> None:
    """One job with its progress, Cancel and Resume. Once it is done the page reruns."""
    job = session.workbench().jobs.get(job_id)
    st.fragment(_watch, run_every=1.0 if job.alive else None)(job_id)


def _watch(job_id: str) -> None:
    with cards.calm():
        workbench = session.workbench()
        job = workbench.jobs.get(job_id)
        with st.container(border=True):
            with st.container(horizontal=True, vertical_alignment="center"):
                status = "" if job.hangs else "refused" if job.refused else STATES.get(job.status, job.status)
                st.html(
                    f'<div class="gw gw-job"><div class="gw-head"><span class="gw-strong">{escape(job.label)}</span>'
                    f"<span>{status}</span></div>{_bar(job)}</div>"
                )
                if job.alive:
                    title = "Stop" if job.status == "up" else "Cancel"
                    cards.press(title, "close", f"cancel/{job_id}", workbench.jobs.cancel, job_id)
                if not job.alive and job.status != "done" and not job.refused:
                    press_button(
                        "Resume",
                        Press(verb_of(job.arguments), again(job)),
                        key=f"resume/{job_id}",
                        icon=":material/restart_alt:",
                        type="primary",
                        on_click=workbench.jobs.resume,
                        args=(job_id,),
                    )
            if job.hangs:
                st.caption(_silence(job))
            elif job.error:
                st.text(job.error)
            if job.error:
                with st.expander("Last lines of its output"):
                    st.code(workbench.jobs.log_tail(job_id) or "Nothing.", language="text", wrap_lines=True)
    states = st.session_state.setdefault("job_states", {})
    before = states.get(job_id)
    states[job_id] = job.status
    if before not in (None, job.status) and (not job.active or before not in LIVE):
        st.rerun()  # the whole page: what the job made is there now, or it was resumed and has to be asked after again


def again(job: Any) -> Forecast:
    """What a job that was stopped still takes: what it was told to take for all of it, less what it kept."""
    return one_phase("at most the whole again", Estimate(*job.expected)) if job.expected else Forecast(())


def last_training(verbs: Container[str]) -> Any:
    """The last training by these verbs, where it is not done."""
    last = next((job for job in session.workbench().jobs.list() if job.arguments and job.arguments[0] in verbs), None)
    return last if last and last.status != "done" else None


Log = list[dict[str, Any]]  # of a training, a line an entry


def training(verbs: Container[str], log: Callable[[str, float], Log], draw: Callable[[str, Log], None]) -> bool:
    """Draws the last training by these verbs that is not done, and its curves; whether it runs. log: of its name, since it was
    started; draw: of its name and log."""
    if (last := last_training(verbs)) is None:
        return False
    watch(last.id)
    st.fragment(_curves, run_every=2.0 if last.alive else None)(last.arguments[1], last.created, log, draw)
    return last.alive


def _curves(name: str, since: float, log: Callable[[str, float], Log], draw: Callable[[str, Log], None]) -> None:
    with cards.calm():
        draw(name, log(name, since))


def train_button(name: str, arguments: list[str], kind: str, taken: bool, key: str, takes: Forecast) -> None:
    """The command of a training, and the button that makes it a job where the name is free. kind: what is trained, with its article."""
    if not name.strip() or taken:
        wrong = f"There is already {kind} of this name: choose another." if name.strip() else "Give it a name."
        st.warning(wrong, icon=":material/error:")
    else:
        _button("Train", arguments, f"Training {name}", takes, ":material/model_training:", key)  # with what stands there now
    with st.popover("Command", icon=":material/terminal:", type="tertiary"):
        st.code(command_line(*arguments), language="bash", wrap_lines=True)


def start_button(
    label: str,
    arguments: list[str],
    title: str,
    takes: Forecast,
    *,
    icon: str = ":material/play_arrow:",
    place: str = "",
    kind: str = "primary",
    lacking: str = "",
) -> None:
    """A button that starts a job of the command line, beside what it takes; until the job is done, or refused, its progress stands in
    their place.

    place: tells buttons of the same verb on a page apart. lacking: what still keeps it from being pressed, told beside it. The
    arguments are no part of the key: pressed straight from a text box, whose new value they hold, the button would be another one, and
    the press lost, or with the values before.
    """
    job = latest(arguments)
    if job and job.status != "done":
        watch(job.id)
    if job is None or job.status == "done" or job.refused:  # what it was measured on may be another by now
        look = {"type": kind, "disabled": bool(lacking), "help": lacking or None}
        _button(label, arguments, title, takes, icon, f"start/{arguments[0]}/{place}", **look)
        if lacking:
            st.caption(lacking)


def _button(label: str, arguments: list[str], title: str, takes: Forecast, icon: str, key: str, **look: Any) -> None:
    if press_button(label, Press(verb_of(arguments), takes), key=key, icon=icon, **{"type": "primary", **look}):
        start(arguments, title, takes)
        st.rerun()


def press_button(label: str, press: Press, *, key: str, **look: Any) -> bool:
    """A button beside what its press takes; whether it was pressed. look: as st.button takes it."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"press/{key}"):
        pressed = st.button(label, key=key, **look)
        price(*press)
    return pressed


def price(verb: str, takes: Forecast) -> None:
    """What a press takes: what is done, how many, how long by what ran on this machine, memory and money where they are worth a word.
    Of several phases the sum, with each of them in its help. Nothing where it is there at once, or where nothing can be done."""
    told = session.workbench().expected(verb, takes)
    if told.phases and (told.seconds is None or told.seconds.high > AT_ONCE_S or told.usd):
        parts = cards.plain(told.words) if told.brief != told.words else None
        st.caption(f":material/timer: {cards.plain(told.brief)}", width="stretch", help=parts)


def start(arguments: list[str], title: str, takes: Forecast) -> str:
    """Starts the job, and returns its id. The job keeps what it was told to take, for what came to be held against it."""
    told = session.workbench().expected(verb_of(arguments), takes)
    return session.workbench().jobs.start(arguments, title, takes.units, told.seconds, takes.like)


def prepare_button(config: TrialConfig, plan: Plan, *, label: str = "Prepare", of: str = "", place: str = "") -> None:
    """The button that computes what stands between a recipe and its numbers. of: what is prepared, where it is not the recipe."""
    arguments, takes = ["prepare", *session.workbench().arguments(config)], Forecast(plan.phases)
    title = f"Preparing {f'{of} on ' * bool(of)}{config.corpus.dataset}"
    start_button(label, arguments, title, takes, icon=":material/bolt:", place=place)


def latest(arguments: list[str]) -> Any:
    """The newest job with just this command, or None."""
    jobs = session.workbench().jobs.list()
    return next((job for job in jobs if list(job.arguments) == arguments), None)
