"""The tab Leave one article out: does a difference rest on a few articles?"""

import streamlit as st

from app import session
from app.ui import cards, charts, dots, tables
from app.ui.trials.choice import choice_of
from app.ui.trials.scope import Scope
from core.errors import WorkbenchError
from core.labs.trials import left_out as lab
from core.labs.trials.left_out import Sensitivity
from core.workbench import command_line

DRAWN = 20  # articles in the chart, of the largest change


def draw(scope: Scope, names: dict[str, str]) -> None:
    if len(scope.chosen) < 2:
        return st.info(
            "Tick two trials on the same questions in the table above: their difference is shown without each article in turn.",
            icon=":material/article:",
        )
    left, middle, right = st.columns([2, 2, 1])
    reference = choice_of(scope.chosen, "Reference", "left_out_reference", left)
    trial = choice_of(
        [trial for trial in scope.chosen if trial is not reference], "Minus the reference", "left_out_trial", middle
    )
    by = right.selectbox("Left out", list(lab.BY), format_func=str.capitalize, key="left_out_by", bind="query-params")
    try:
        result = lab.left_out(session.workbench(), reference, trial, scope.metric, by)
    except WorkbenchError as error:
        return st.info(cards.plain(f"{error.what} {error.todo}"), icon=":material/article:")
    st.caption(cards.plain(summary(result, by)))
    marks = [
        dots.Mark(
            charts.safe(row.article),
            row.difference,
            None,
            None,
            charts.COLORS[0 if row.difference * result.difference > 0 else 1],
        )
        for row in result.articles[:DRAWN]
    ]
    short = dots.cuts([names[trial.id], names[reference.id]])
    more = f", the {DRAWN} of the largest change" if len(result.articles) > DRAWN else ""
    words = ["left-out", reference.id, trial.id, "--metric", scope.metric, *(["--by", by] if by != "article" else [])]
    title = f"{scope.head} of {short[names[trial.id]]} minus {short[names[reference.id]]}"
    made = lab.table(result, title, command_line(*words))
    charts.show(
        dots.marks(marks, f"Difference in {scope.head} without it", lines=[(0.0, ""), (result.difference, "over all")]),
        "left-out",
        data=made.rows,
        command=made.command,
        title=title,
        caption=f"{cards.count(len(result.articles), by)}{more}; n {result.n:,}",
    )
    tables.draw(made, "left_out_rows", rows=7)


def summary(result: Sensitivity, by: str) -> str:
    """The difference, its intervals and what they mean, in words."""
    words = f"Difference over all {result.n:,} questions: {result.difference:+.4f}"
    if result.low is not None:
        words += f", {100 * result.confidence:g}% interval {result.low:+.4f} to {result.high:+.4f} with the question as unit"
    if result.cluster_low is not None:
        words += f", {result.cluster_low:+.4f} to {result.cluster_high:+.4f} with the {by} as unit"
        wider = result.low is not None and (result.cluster_high - result.cluster_low) > 1.1 * (result.high - result.low)
        words += f"; use the latter, as questions of one {by} are alike" if wider else ""
    words += f". Jackknife over {by}s: standard error {result.jackknife_error:.4f}. "
    last = (
        f"No {by} alone reverses it."
        if not result.turns
        else f"Without one of {cards.count(result.turns, by)} it is reversed or vanishes."
    )
    if result.cluster_low is not None and result.cluster_low <= 0 <= result.cluster_high:
        last += f" With the {by} as unit it is not significant."
    return tables.minus(words + last)
