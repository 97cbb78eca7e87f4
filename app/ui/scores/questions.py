"""The answers as a table, and of the chosen one every score with its claims, their evidence and its wrong words."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from app.ui import cards, evidence, forms, tables
from app.ui.evidence import Mark
from app.ui.scores import behind
from app.ui.scores.sources import Shown
from core import registry
from core.judging.measure import CONTRADICTED, NOT_IN_CONTEXT, SUPPORTED, AnswerCase, AnswerScore
from core.labs.scores import triad
from core.labs.scores.judging import MeasureScores, told_by
from core.report.table import MEAN, TWO, Column, Table

STYLES = {SUPPORTED: "gold", CONTRADICTED: "wrong", NOT_IN_CONTEXT: "said"}
SIGNATURE = "How ragas' scores combine: see docs/methods/judging.md, or open an answer for a sentence."
LOW = 0.5  # probability from which a word is marked


def table(shown: Shown, first: MeasureScores) -> int | None:
    """Returns the place of the answer that was chosen. first: the measure that it is sorted by, worst first."""
    rows, measure = shown.answers.rows, first.measure
    order = np.argsort(np.where(np.isnan(first.values), np.inf, (measure.direction or 1) * first.values), kind="stable").tolist()
    roles = triad.triad(shown.answers.measured)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        text = st.text_input("Find", key="find_answer", placeholder="Words of a question or an answer", width=300).lower()
        lacking = set(_low(roles))
    order = [place for place in order if text in f"{rows[place].case.question} {rows[place].case.answer}".lower()]
    order = [place for place in order if place in lacking] if roles else order
    st.caption(
        f"{len(order):,} of {len(rows):,} answers, the worst by {measure.label} first. Click one for its claims and evidence."
    )
    told_of = [first, *(each for each in shown.answers.measured if each.measure.headline and each is not first)][:5]
    columns, told = [Column("question", width=240), Column("answer", width=240)], []
    for role in triad.ROLES:
        if each := roles.get(role.name):
            columns.append(Column(role.name, role.title, TWO, f"{role.asks} By: {each.measure.label}.", direction=1))
    parts = {each.measure.part for each in roles.values()}
    told_of = [each for each in told_of if each is first or each.measure.part not in parts]
    for m in (each.measure for each in told_of):
        columns.append(Column(m.part, m.label, MEAN, unit=m.unit, direction=m.direction))
    for place in order:
        row, met = rows[place], told_by(shown.answers.measured, place)
        told.append({"question": row.case.question, "answer": row.case.answer, "label": row.label, "signature": met and met.name})
        for name, each in [*roles.items(), *((each.measure.part, each) for each in told_of)]:
            told[-1][name] = None if math.isnan(each.values[place]) else float(each.values[place])
    columns += [Column("label")] * any(row.label is not None for row in rows)
    columns += [Column("signature", "", "", SIGNATURE, width=130)] * any(row["signature"] for row in told)
    ids = [rows[place].id or rows[place].place for place in order]
    made = Table("answers_table", columns, told, "Scores of each answer", f"The worst by {measure.label} first", shown.command)
    chosen = tables.choose(made, ids, param="answer")
    return None if chosen is None else order[chosen]


def _low(roles: dict[str, MeasureScores]) -> list[int]:
    """Places of the answers that are left where only those low in chosen roles of the triad are wanted."""
    titles = {role.name: role.title for role in triad.ROLES if role.name in roles}
    if not titles:
        return []
    chosen = st.pills(
        "Low only",
        list(titles),
        selection_mode="multi",
        key="low_in",
        bind="query-params",
        format_func=titles.get,
        help="Answers that are low in each of the chosen ones. What is unmeasured is not low.",
    )
    below = st.number_input("Low is below", 0.0, 1.0, 0.5, 0.05, key="low_below", bind="query-params", width=130)
    return triad.low(roles, chosen or (), below)


def opened(shown: Shown, place: int, first: MeasureScores) -> None:
    """One answer: its text with marks, every score, the claims, the passages with the best sentences, and what stands behind them."""
    row, case = shown.answers.rows[place], shown.answers.rows[place].case
    mine = [(each, each.scores[place]) for each in shown.answers.measured]
    cards.question_title(case.question or "Answer without a question")
    _triad(shown, place)
    claiming = [(each, score) for each, score in mine if score.claims or score.words]
    claiming.sort(key=lambda pair: (pair[0].measure.topic != "faithfulness", not any(c.evidence for c in pair[1].claims)))
    source = None
    if claiming:
        names = {each.measure.part: (each, score) for each, score in claiming}
        if st.session_state.get("claims_of") not in (None, *names):
            del st.session_state.claims_of
        part = forms.one_of("Claims by", {name: own[0].measure.label for name, own in names.items()}, "claims_of")
        source = names[part]
    score = source[1] if source else AnswerScore(math.nan)
    st.html(
        f'<div class="gw gw-passage"><div class="gw-head"><span class="name">Answer</span></div>{_answer(case, score, row)}</div>'
    )
    if score.claims:
        claims(case, score)
    if case.references:
        st.caption(f"Reference: {cards.plain(' | '.join(case.references))}")
    if met := told_by(shown.answers.measured, place):
        st.caption(f"Signature of ragas' scores: {met.name}. {met.sentence}")
    scores(mine)
    behind.judges(shown, place, mine)
    passages(case, score)
    behind.own_prompt(shown, place)
    behind.repeats(shown, place, first)


def _triad(shown: Shown, place: int) -> None:
    """The three roles of the answer, each with the reasons for its score; a role that nobody scored says by what it could be."""
    roles, case = triad.triad(shown.answers.measured), shown.answers.rows[place].case
    told = []
    for role in triad.ROLES:
        if each := roles.get(role.name):
            score = each.scores[place]
            value = "unmeasured" if math.isnan(score.value) else f"{score.value:.2f}"
            why = "; ".join(triad.reasons(each, score, case)) or "–"
            told.append({"Triad": role.title, "Score": value, "By": each.measure.label, "Why": why})
        else:
            names = " or ".join(registry.find("measure", name)().label for name in role.measures)
            told.append({"Triad": role.title, "Score": "unmeasured", "By": "–", "Why": f"no scores by {names} yet"})
    tables.wrapped_table(told)


def _answer(case: AnswerCase, score: AnswerScore, row: Any) -> str:
    marks = [Mark(claim.start, claim.end, STYLES[claim.verdict]) for claim in score.claims if claim.verdict in STYLES]
    marks += [Mark(words.start, words.end, "wrong") for words in score.words if words.probability >= LOW]
    marks += [Mark(start, end, "edge") for start, end in row.spans or ()]
    legend = []
    if score.claims:
        legend.append("green: supported; orange: not in the context")
    if any(mark.style == "wrong" for mark in marks):
        legend.append("wavy: contradicted, or wrong words")
    if row.spans:
        legend.append("a bar before what people marked as wrong")
    told = f'<div class="gw-small">{"; ".join(legend)}</div>' if legend else ""
    return evidence.text_html(case.answer or "(empty)", marks, 2000) + told


def claims(case: AnswerCase, score: AnswerScore) -> None:
    """Each claim with its verdict and the best sentence for it."""
    tables.wrapped_table(
        [
            {
                "Claim": case.answer[claim.start : claim.end],
                "Score": "unmeasured" if math.isnan(claim.score) else f"{claim.score:.3f}",
                "Verdict": claim.verdict or "–",
                "Passage": str(claim.passage or "–"),
                "Best sentence": case.passages[claim.passage - 1][slice(*claim.evidence)] if claim.evidence else "–",
            }
            for claim in score.claims
        ]
    )


def scores(mine: Sequence[tuple[MeasureScores, AnswerScore]]) -> None:
    """Every score of the answer, and what a measure tells besides."""
    with st.expander("All its scores"):
        tables.wrapped_table(
            [
                {
                    "Measure": each.measure.label,
                    "Score": "unmeasured" if math.isnan(score.value) else f"{score.value:.3f}",
                    "Why": score.reason,
                    "Wrong words": ", ".join(f"{words.probability:.2f}" for words in score.words[:8]),
                }
                for each, score in mine
            ]
        )
        for each, score in mine:
            if score.detail:
                st.caption(f"What {each.measure.label} also reports")
                st.json(score.detail, expanded=1)


def passages(case: AnswerCase, score: AnswerScore) -> None:
    """The passages that the model read, with the sentences that claims rest on."""
    resting: dict[int, list[Mark]] = {}
    for claim in score.claims:
        if claim.passage and claim.evidence:
            resting.setdefault(claim.passage, []).append(Mark(*claim.evidence, "gold"))
    for number, text in enumerate(case.passages, 1):
        st.html(evidence.passage_html(text, gold=resting.get(number, []), number=number, query=case.question))
    if not case.passages:
        st.caption("No passages are stored with this answer.")
