"""The answer on the page Sampling: written token by token, stopped, gone on with from another token."""

import time
from contextlib import nullcontext
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, evidence, forms, jobs
from app.ui.sampling.tokens import HEATS, tokens_row
from core.config import TrialConfig
from core.labs.answers.answering import alike
from core.labs.sampling import chains, prompts
from core.progress import Running
from core.sampling.filters import Step
from core.sampling.writing import Written, write
from core.workbench import one_phase

LIVE_TOKENS = 96  # an answer on the page has no more
DRAW_S = 0.08


def order(place: int | None = None, token: int = 0) -> None:
    """Callback: the run that follows writes the answer, or goes on from another token at a place of it."""
    st.session_state.write_now = (place, token)


def answer_of(config: TrialConfig, reading: prompts.Reading, steps: tuple[Step, ...]) -> Written | None:
    """The answer to this prompt, written now if that was asked for; None before."""
    state = st.session_state
    key, answer = state.get("sampled_answer", ("", None))
    answer = answer if key == reading.key else None
    if (asked := state.pop("write_now", None)) is None:
        if answer is None:
            look = {"icon": ":material/play_arrow:", "type": "primary", "key": "write", "on_click": order}
            jobs.press_button("Write the answer", press_of(config), **look)
        return answer
    place, token = asked
    live = st.empty()
    with live.container():
        if answer is None and place is not None:  # forced before there was an answer: one token to go on from
            answer = stream(config, reading, steps, limit=1)
        with jobs.timed(press_of(config)) if place is None else nullcontext():
            answer = stream(config, reading, steps, answer if place is not None else None, place or 0, token)
    live.empty()
    state.sampled_answer, state.writings = (reading.key, answer), state.get("writings", 0) + 1
    return answer


def press_of(config: TrialConfig) -> jobs.Press:
    most = _most(config)
    return jobs.Press("sample-write", one_phase(f"{most:,} tokens at most", units=most, like=alike(config.generation)))


def _most(config: TrialConfig) -> int:
    return min(config.generation.max_tokens, LIVE_TOKENS)


def stream(
    config: TrialConfig,
    reading: prompts.Reading,
    steps: Any,
    after: Written | None = None,
    at: int = 0,
    token: int = 0,
    limit: int = 0,
) -> Written:
    """Writes and draws. Any click ends it; what the model said by then is at hand for the next time."""
    body, text, drawn = st.empty(), "", 0.0
    if not limit:
        st.button("Stop", key="stop", icon=":material/stop_circle:", shortcut="Escape")
    most = limit or _most(config)
    pieces = write(
        config.generation,
        reading.prompt,
        prompts.remembered(session.workbench(), reading),
        steps,
        seed=config.seed,
        max_tokens=most,
        after=after,
        at=at,
        token=token,
    )
    for piece in (running := Running(pieces)):
        text += piece
        if time.monotonic() - drawn > DRAW_S:
            body.html(evidence.answer_html(text or "…", len(reading.hits)))
            drawn = time.monotonic()
    return running.result


def answer_row(config: TrialConfig, written: Written, steps: tuple[Step, ...]) -> int:
    """The answer as coloured tokens, what the colour says, and whether chain and answer still belong together."""
    with st.container(border=True):
        place = tokens_row(config, written)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            heats = {name: title for name, (title, *_) in HEATS.items()}
            by = forms.one_of("Colour", heats, "heat", "probability", width="content", label_visibility="collapsed")
            stale = written.steps != steps or written.seed != config.seed
            st.button(
                "Write again", icon=":material/refresh:", key="write", on_click=order, type="primary" if stale else "secondary"
            )
            forced = sum(pick.forced for pick in written.picks)
            told = [
                f"{len(written.picks):,} tokens, {'ended by itself' if written.reason == 'stop' else 'cut here'}",
                f"{cards.count(forced, 'token')} forced" if forced else "",
                HEATS[by or "probability"][1],
                f"written with {chains.describe_chain(written.steps)}, seed {written.seed}" if stale else "",
            ]
            st.caption(cards.plain("; ".join(filter(None, told))), width="stretch")
    return place
