"""From a score to what it rests on: a judge's runs and their spread, what it was asked, the answer's own prompt, its repeats."""

import math
from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, jobs, tables
from app.ui.cells import cut
from app.ui.scores.sources import ASK, Shown
from core.judging.measure import AnswerScore
from core.labs.answers import prompt
from core.labs.answers.live import is_quick
from core.labs.scores import behind
from core.labs.scores.judging import MeasureScores, measure_all
from core.workbench import command_line

LONGEST = 700  # characters of what a judge said in a run
SHORT = 900  # of a prompt that needs no scrolling


def judges(shown: Shown, place: int, mine: Sequence[tuple[MeasureScores, AnswerScore]]) -> None:
    """Of each judge every run, how far they lie apart, and the prompts behind them."""
    asking = [(each, score) for each, score in mine if each.measure.asks_model and not each.failed]
    asking.sort(key=lambda pair: not pair[1].detail.get("runs"))
    asked = {each.measure.part: (each, score) for each, score in asking}
    if not asked:
        return
    with st.expander(f"Judges: runs, spread and prompts ({len(asked)})"):
        if st.session_state.get("judge_of") not in (None, *asked):
            del st.session_state.judge_of
        part = st.selectbox(
            "Judge", list(asked), format_func=lambda name: asked[name][0].measure.label, key="judge_of", width=320
        )
        each, score = asked[part]
        runs(each, score)
        if st.toggle("Prompts and replies of the judge", key="judge_prompts"):
            prompts(shown, place, each)


def runs(each: MeasureScores, score: AnswerScore) -> None:
    """A row a run."""
    values = score.detail.get("runs") or []
    replies = score.detail.get("replies") or []
    if values:
        tables.wrapped_table(
            [
                {
                    "Run": str(number),
                    "Score": "unmeasured" if value is None else f"{value:.3f}",
                    "Its reply": cut(said(replies[number - 1]) if number <= len(replies) else "", LONGEST) or "–",
                }
                for number, value in enumerate(values, 1)
            ]
        )
    else:
        st.caption(
            "It scores each answer once: there are no runs to compare." if not score.reason else f"No run: {score.reason}."
        )
    own = score.detail.get("spread")
    told = [] if own is None else [f"standard deviation between the runs of this answer {own:.3f}"]
    if overall := behind.spread(each.scores):
        told.append(f"between runs on one answer, mean over {cards.count(overall[1], 'answer')}: {overall[0]:.3f}")
    told += [f"{cards.count(count, 'run')} unmeasured: {why}" for why, count in (score.detail.get("unmeasured") or {}).items()]
    if told:
        st.caption(cards.plain("; ".join(told).capitalize() + "."))


def said(reply: Any) -> str:
    """A judge's answer in a line."""
    if isinstance(reply, dict):
        return "; ".join(f"{name.replace('_', ' ')}: {said(value)}" for name, value in reply.items())
    if isinstance(reply, list):
        return " | ".join(map(said, reply))
    return str(reply)


def prompts(shown: Shown, place: int, each: MeasureScores) -> None:
    """Each prompt once, with all that was said to it."""
    work = behind.judge_prompts(session.workbench(), session.config(), each.measure, shown.answers.rows[place].case)
    for number, asked in enumerate(jobs.drain(work, "Reading what was asked"), 1):
        st.caption(f"Prompt {number}")
        st.code(asked.prompt, language=None, wrap_lines=True, height=260 if len(asked.prompt) > SHORT else "content")
        for draw, text in sorted(asked.replies):
            st.caption(f"Answer, draw {draw}")
            st.code(text, language="json", wrap_lines=True)


def own_prompt(shown: Shown, place: int) -> None:
    """What the answering model read."""
    row, workbench = shown.answers.rows[place], session.workbench()
    if shown.file is not None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        wanted = st.toggle("Prompt of this answer", key="own_prompt")
        st.page_link(
            ASK, label="Prompt, receipt and repeats on Ask", icon=":material/forum:", query_params={"question": row.case.question}
        )
    if wanted and shown.arguments[1] == "--system":
        text = behind.prompt_of(workbench, row.id)
        st.code(text or "The model was not run.", language=None, wrap_lines=True, height=320)
        st.code(command_line("answer", row.id), language="bash")
    elif wanted:
        made = jobs.drain(prompt.preview(workbench, session.config(), row.case.question), "Writing the prompt")
        st.code(made.text, language=None, wrap_lines=True, height=320)


def repeats(shown: Shown, place: int, first: MeasureScores) -> None:
    """Other answers to the question, by the measure that the page shows where it reads words alone."""
    row, workbench, config = shown.answers.rows[place], session.workbench(), session.config()
    if shown.file is not None or not row.case.question:
        return
    others = behind.others(workbench, config.corpus.dataset, row.case, row.id)
    if not others:
        return st.caption("No other answer to this question is stored; *Ask* and *Sampling* store repeats.")
    values: dict[int, float] = {}
    if is_quick(first.measure):
        able = [n for n, each in enumerate(others) if each.case is not None and not first.measure.unmeasurable(each.case)]
        [scored] = jobs.drain(measure_all(workbench, config, [first.measure], [others[n].case for n in able]), "Scoring")
        values = dict(zip(able, scored.values.tolist(), strict=True))
    with st.expander(f"Repeats: {cards.count(len(others), 'other stored answer')} to this question"):
        tables.wrapped_table(
            [
                {
                    "Answer": cut(each.text, LONGEST) or "(empty)",
                    first.measure.label: "–" if math.isnan(value := values.get(n, math.nan)) else f"{value:.3f}",
                    "By": each.system,
                    "Seed": "–" if each.seed is None else str(each.seed),
                    "Stored": each.created[:16],
                }
                for n, each in enumerate(others)
            ]
        )
    return None
