"""The tab Replay: one result edited, and the run again from there."""

import streamlit as st

from app import session
from app.ui import cards, jobs
from app.ui.agents import steps
from core.agents import runs
from core.errors import WorkbenchError
from core.judging.self_consistency import vote_of
from core.labs.agents import replaying
from core.progress import Running
from core.records import Answer, Progress
from core.workbench import command_line, one_phase


def draw(answer: Answer) -> None:
    """Which step, what its tool says instead, and the runs that came of it."""
    every = replaying.steps_of(answer)
    calls = [number for number, step in enumerate(every, 1) if step.tool != runs.FINISH]
    if not calls:
        return st.caption("The model answered at once: there is no result to edit.")
    st.caption(
        "What would the answer be if a tool had returned something else? The steps up to the edited one come from the record; "
        "the rest runs again with the same recipe and seed."
    )
    titles = {number: f"{number}. {every[number - 1].call}" for number in calls}
    step = st.selectbox("Step", calls, format_func=titles.get, key="replayed_step")
    before, most = every[step - 1].result, replaying.longest(every[step - 1])
    text = st.text_area("Result", before, key=f"replayed/{answer.id}/{step}", height=150, max_chars=most)
    takes = one_phase(f"the steps from {step} on", units=max(1, len(every) - step + 1))
    press = jobs.Press("agents replay", takes)
    if jobs.press_button("Run again from here", press, icon=":material/replay:", type="primary", key="replay_now"):
        try:
            with jobs.timed(press):
                _run(answer.id, step, text)
        except WorkbenchError as error:
            return cards.problem(error)
    for made in reversed(replaying.replays(session.workbench(), answer.id)):
        _shown(answer, made)
    return None


def _run(answer_id: str, step: int, text: str) -> None:
    state = st.empty()
    for each in Running(replaying.replay(session.workbench(), answer_id, step, text)):
        if isinstance(each, Progress):
            state.caption(cards.plain(each.message))
    state.empty()


def outcome(recorded: str, replayed: str) -> str:
    """What the edited step changed; a citation that is lost or new makes no other answer."""
    if replayed == recorded:
        return "the same answer"
    return "the same answer, written or cited otherwise" if vote_of(replayed) == vote_of(recorded) else "another answer"


def _shown(answer: Answer, made: replaying.AgentReplay) -> None:
    with st.container(border=True):
        cards.status_strip([f"step {made.step} edited", outcome(answer.text, made.text), f"ended: {made.ended}"])
        st.text(made.text or "No answer.")
        with st.expander(f"All {cards.count(len(made.steps), 'step')}"):
            steps.listed(made.steps)
            words = ["agents", "replay", answer.id, "--step", str(made.step), "--result", made.result]
            st.code(command_line(*map(str, words)), language="bash", wrap_lines=True)
