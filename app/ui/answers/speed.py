"""How fast the engine is on this machine: batches, passages kept, formats of the weights."""

from html import escape
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, jobs
from core.config import TrialConfig
from core.workbench import one_phase


def draw(config: TrialConfig) -> None:
    """What was measured of it, and the button that measures it."""
    if config.generation.part != "llama_cpp":
        return
    from core.labs.engines import speed as engines  # it brings the engine

    part = config.generation
    asked = TrialConfig(generation=type(part)(model=part.model, threads=part.threads, gpu_layers=part.gpu_layers))
    measured = engines.stored(session.workbench(), asked)
    with st.expander("Speed on this machine: batches, cached passages, number formats", icon=":material/speed:"):
        if measured:
            table(measured)
            st.caption(cards.plain(how_measured(measured, engines.ROUNDS, engines.FIXED["max_tokens"])))
        else:
            st.caption(
                "Measures what batches of 4, 8 and 16, cached passages and other number formats gain with this model. Do not "
                "ask questions meanwhile: both would be slower."
            )
        arguments = ["measure-engine", *session.workbench().arguments(asked)]
        takes = one_phase(f"{engines.ROUNDS} rounds of short answers in batches, passages read anew, and number formats", units=1)
        label = "Measure again" if measured else "Measure"
        jobs.start_button(label, arguments, "Speed of the engine", takes, icon=":material/speed:")


def how_measured(measured: Any, rounds: int, max_tokens: int) -> str:
    return (
        f"{measured.model}, {cards.count(measured.threads, 'thread')}; {measured.machine}; {measured.created[:10]}. "
        f"Medians of {rounds} interleaved rounds; answers of {max_tokens} tokens at most. "
        "Nats: divergence of the predictions from those of the original file."
    )


def table(measured: Any) -> None:
    body = "".join(
        f'<tr><td>{escape(a)}</td><td class="num">{escape(b)}</td><td class="num">{escape(c)}</td></tr>'
        if b
        else f'<tr><th colspan="3">{escape(a)}</th></tr>'
        for a, b, c in rows(measured)
    )
    st.html(f'<div class="gw"><table class="gw-table wrap">{body}</table></div>')


def rows(measured: Any) -> list[tuple[str, str, str]]:
    """(what, value, gain); a heading has neither."""
    single, cold, warm = measured.answers_per_s["1"], measured.first_cold_ms, measured.first_kept_ms
    rows = [("Several answers at once", "", "")]
    rows += [
        ("one at a time" if size == "1" else f"{size} at once", f"{speed:,.2f} answers/s", f"{speed / single:.1f} times")
        for size, speed in measured.answers_per_s.items()
    ]
    rows += [
        (f"Questions over the same passages, {measured.prompt_tokens:,} tokens", "", ""),
        ("passages read again", f"first token {cards.duration(cold / 1000)}", "1.0 times"),
        ("passages cached", f"first token {cards.duration(warm / 1000)}", f"{cold / warm:.1f} times"),
        ("same text either way", f"{measured.same_text} of {measured.questions}", ""),
    ]
    if measured.formats:
        rows.append(("Number formats of the weights, tokens per second of one processor", "", ""))
    rows += [
        (
            "original file" if row.weights == "as_bundled" else row.weights.upper(),
            f"reads {row.prompt_tokens_per_cpu_s:,.0f}, writes {row.answer_tokens_per_cpu_s:,.0f}",
            f"{measured.formats[0].question_cpu_s / row.question_cpu_s:.1f} times, KL {row.divergence:.3f} nats",
        )
        for row in measured.formats
    ]
    return rows
