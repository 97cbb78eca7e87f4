"""The steps of an agent's run: thought, call, result."""

from collections.abc import Sequence

import streamlit as st

from app.ui import cards, evidence
from core.agents import runs
from core.agents.runs import AgentStep
from core.labs.agents.replaying import steps_of
from core.records import Answer, Corpus, Query


def tab(answer: Answer, corpus: Corpus, query: Query | None) -> None:
    """Of an answer, on any page."""
    steps = steps_of(answer)
    calls = cards.count(answer.detail["calls"], "text")
    st.caption(
        f"The model wrote {calls}, and the run ended: {runs.ENDS[answer.detail['end']]}. The form of each call was enforced, by a grammar "
        "or the service's JSON mode; what a call asks for may still be wrong."
    )
    listed(steps)


def listed(steps: Sequence[AgentStep]) -> None:
    for number, step in enumerate(steps, 1):
        facts = [] if step.prompt_tokens is None else [f"{step.prompt_tokens + (step.answer_tokens or 0):,} tokens"]
        facts += [f"model {cards.duration(step.seconds)}"] * bool(step.seconds)
        facts += [f"tool {cards.duration(step.tool_seconds)}"] * bool(step.tool_seconds)
        facts += [word for word, says in (("failed", step.failed), ("edited", step.edited), ("trusted", step.trusted)) if says]
        with st.container(gap=None):
            evidence.show(
                evidence.passage_html(
                    f"Thought: {step.thought or '…'}", title=f"{number}. {step.call}", facts=facts, relevant=False
                )
            )
            if step.tool != runs.FINISH:
                evidence.show(f'<div class="gw gw-small">{evidence.text_html(step.result)}</div>')
