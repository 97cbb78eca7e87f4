"""What is asked in the questions' place: how many, what that cost, what it gained, and beside a question its own texts."""

from html import escape

import streamlit as st

from app import session
from app.ui import cards, evidence, jobs
from app.ui.encoders.cells import signed
from core.labs.queries import effect as queries
from core.labs.trials.comparison import label
from core.report.table import P_VALUE, written
from core.statistics.paired import Paired
from core.workbench import Evaluation


def draw(current: Evaluation) -> None:
    """The tab of the recipe's query transform."""
    made = jobs.drain(queries.asked(session.workbench(), current.run, 0))
    with st.container(key="asked"):
        name = current.config.query.part.replace("_", " ")
        st.html(f'<div class="gw gw-small gw-strong">Query transform: {escape(name)}</div>')
        cards.facts([("Asked", _asked(made)), ("Written by the model", _cost(made.cost)), *_gain(current)])


def beside(current: Evaluation, row: int) -> None:
    """Beside an opened question what was asked in its place, or why nothing was."""
    if current.config.query.idle:
        return
    made = jobs.drain(queries.asked(session.workbench(), current.run, 0))
    query, wording = made.queries[row], made.wordings[row]
    if wording.note:
        return st.caption(f"Asked unchanged: {cards.plain(wording.note)}.")
    instead = [text for text in queries.texts(query, wording) if text != query.text]
    if instead:  # else it is searched with in another way, and no other text is asked
        also = "Also asked" if query.text in (*wording.dense, *wording.sparse) else "Asked instead"
        evidence.show(evidence.passage_html(text, title=f"{also}, written by the model", relevant=False) for text in instead)
    for words in jobs.drain(queries.words(session.workbench(), current.run, [query])):
        added = queries.listed(words.added) or "none: no word of the first chunks qualifies"
        cards.facts([("Its own words, BM25", queries.listed(words.own)), (f"Added ({sum(words.added.values()):.0%})", added)])


def _asked(made: queries.AskedInstead) -> str:
    stand, asked = sum(made.fell_back.values()), cards.count(len(made.queries), "question")
    if not any(queries.texts(*pair) != [pair[0].text] for pair in zip(made.queries, made.wordings, strict=True)) and not stand:
        return f"{asked} in their own words, searched differently"
    why = "; ".join(f"{note}: {number:,}" for note, number in made.fell_back.items())
    return f"{len(made.queries) - stand:,} of {asked} rewritten" + (f", {stand:,} unchanged ({why})" if stand else "")


def _cost(cost: queries.TextCost | None) -> str:
    if cost is None:
        return ""
    tokens = "tokens not counted" if cost.tokens_a_question is None else f"{cost.tokens_a_question:.0f} tokens"
    usd = f", {cost.usd:.4f} USD in all" if cost.usd else ""
    each = cards.duration(cost.seconds_a_question)
    return f"{tokens} and {each} a question{usd}, once; not counted in latency"


def _gain(current: Evaluation) -> list[tuple[str, str]]:
    """Each headline metric's paired difference to the questions as they stand, and what that says."""
    workbench, config = session.workbench(), current.config
    plan = workbench.plan(current.run.of(queries.as_asked(config)))
    if not plan.live:
        return [("Gain", f"unmeasured: the unchanged questions still need {plan.what}")]
    gained = jobs.drain(queries.gain(workbench, current))
    return [(f"Gain in {label(name, config.evaluation.k)}", _difference(paired)) for name, paired in gained.items()]


def _difference(paired: Paired) -> str:
    told = cards.delta_of(paired)
    if told is None:
        return paired.note or "unmeasured"
    if told.low is None:
        return f"{signed(told.value)} ({told.note})"
    p = "" if paired.p is None else f", p {written(paired.p, P_VALUE)}"
    verdict = "better" if told.low > 0 else "worse" if told.high < 0 else "not significant"
    return f"{signed(told.value)} [{signed(told.low)}, {signed(told.high)}]{p}: {verdict}"
