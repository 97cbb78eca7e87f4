"""How the chosen trials differ from a reference: in tests, in settings, and question by question."""

import streamlit as st

from app import session
from app.ui import cards, cells, charts, dots, tables
from app.ui.cells import cut
from app.ui.trials.choice import choice_of, is_baseline, look
from core.evaluation.metric import MAIN, measures_among, metric_names
from core.labs.trials import comparison
from core.labs.trials.comparison import Trial, TrialComparison
from core.workbench import command_line

OUTCOMES = {
    "All": lambda change: True,
    "Won": lambda change: change > 0,
    "Lost": lambda change: change < 0,
    "Tied": lambda change: change == 0,
}
NUMBER, TEXT = st.column_config.NumberColumn, st.column_config.TextColumn


def compared(chosen: list[Trial], names: dict[str, str]) -> TrialComparison | None:
    """The trials that have results against the reference that is chosen; None where fewer than two have any."""
    measured = [trial for trial in chosen if trial.metrics]
    for trial in chosen:
        if trial not in measured:
            why = "It measured no question." if trial.status == "ok" else f"{trial.status.capitalize()}: {trial.reason}"
            st.caption(cards.plain(f"Not compared: {names[trial.id]} has no results. {why}"))
    if len(measured) < 2:
        return None
    left, right = st.columns(2)
    if pinned := [trial for trial in measured if is_baseline(trial)]:
        reference = choice_of(pinned, "Reference, the pinned baseline", "reference_pinned", left)
    else:
        reference = choice_of(measured, "Reference", "reference", left)
    metrics = [*metric_names(), *measures_among(name for trial in measured for name in trial.metrics)]
    metric = right.selectbox(
        "Metric",
        metrics,
        metrics.index(MAIN),
        format_func=lambda name: comparison.label(name, reference.k),
        key="metric",
        bind="query-params",
    )
    others = [trial for trial in measured if trial is not reference]
    return comparison.compare(session.workbench(), reference, others, metric)


def view_remembered(key: str) -> None:
    """Before the tabs: the one that was open stays open where the page is left, which forgets its widgets."""
    state = st.session_state
    if key not in state and key not in st.query_params and f"{key}_remembered" in state:
        state[key] = state[f"{key}_remembered"]


def tests(result: TrialComparison, names: dict[str, str]) -> None:
    """Each trial's difference to the reference with its interval and test, drawn and as a table."""
    for row in result.rows:
        if row.note:
            st.warning(cards.plain(f"{names[row.trial.id]}: {row.note}."), icon=":material/info:")
    rows = comparison.rows(result, names)
    if any(row.paired and row.paired.low is not None for row in result.rows):
        chart(result, names, rows)
    test_table(result, rows)
    st.caption(
        f"Means over the questions that both measured. Low and High: {result.confidence:.0%} interval of each difference alone. "
        f"p (Holm) and the verdict are corrected for {cards.count(result.tested, 'comparison')}. {result.tried:,} recipes were "
        f"compared on these questions so far, {result.stored:,} of them stored as trials: p and q (all looks) are corrected for all of "
        "them. The best of many looks better than it is, so confirm a choice on questions that were not used to make it."
    )


def chart(result: TrialComparison, names: dict[str, str], rows: list[dict]) -> None:
    head, of = comparison.label(result.metric, result.k), result.reference
    drawn = [row for row in result.rows if row.paired and row.paired.low is not None]
    marks = [
        dots.Mark(names[row.trial.id], row.paired.difference, row.paired.low, row.paired.high, **look(names, row.trial))
        for row in drawn
    ]
    charts.show(
        dots.marks(marks, f"Difference in {head}", lines=[(0.0, "")]),
        "differences",
        data=rows,
        command=command_line("trials-compare", of.id, *(row.trial.id for row in result.rows), "--metric", result.metric),
        title=f"{head} minus that of {cut(names[of.id], 60)}",
        caption=f"n {min(row.paired.n for row in drawn):,}, {result.confidence:.0%} intervals, paired by question",
        method=f"Corpus: {of.stages.get('corpus', of.dataset)}. Intervals: percentile bootstrap of the mean difference over "
        f"the questions that both measured ({of.settings['evaluation.resamples']:,} resamples)",
    )


def test_table(result: TrialComparison, rows: list[dict]) -> None:
    wide = 120 if all(len(row["Verdict"]) < 18 for row in rows) else 228  # with its cost in context
    mean, signed = NUMBER(format="%.3f", width=80), NUMBER(format="%+.3f", width=68)
    p_value = NUMBER(format=cells.P_VALUE, width=66, help="Two-sided sign-flip permutation test, paired by question.")
    looks = {
        "Trial": TEXT(width=200),
        "Verdict": TEXT(width=wide),
        comparison.label(result.metric, result.k): mean,
        "Reference": mean,
        "Difference": NUMBER(format="%+.3f", width=82),
        "Low": signed,
        "High": signed,
        "p": p_value,
        "p (Holm)": p_value,
        "p (all looks)": NUMBER(
            format=cells.P_VALUE, width=84, help="Holm's, corrected for every recipe compared on these questions."
        ),
        "q (all looks)": NUMBER(
            format=cells.P_VALUE, width=84, help="Benjamini and Hochberg's, corrected for every recipe compared."
        ),
        "Effect": NUMBER(format="%+.2f", width=60, help="Mean difference over the standard deviation of the differences (dz)."),
        **dict.fromkeys(("Won", "Lost", "Tied", "n"), NUMBER(format="localized", width=48)),
    }
    table = [dict(zip(looks, row.values(), strict=True)) for row in rows]
    cells.show(table, hide_index=True, key="tests", placeholder="", column_config=looks)
    tables.export(table, "tests")


def settings(chosen: list[Trial], names: dict[str, str]) -> None:
    rows = [
        {"Setting": comparison.setting_name(name), **dict(zip(names.values(), values, strict=True))}
        for name, values in comparison.differing(chosen).items()
    ]
    if rows:
        cells.show(rows, hide_index=True, key="settings", height="content", column_config={"Setting": TEXT(pinned=True)})
    st.caption("All other settings are the same. A dash: the method in use does not have the setting.")


def by_question(result: TrialComparison) -> None:
    others = [row.trial for row in result.rows if row.paired]
    if not others:
        return st.caption("No question was measured by both.")
    other = choice_of(others, "Against the reference", "against")
    table = comparison.by_question(session.workbench(), result.reference, other, result.metric)
    number, change = NUMBER(format="%.3f", width=90), NUMBER(format="%+.3f", width=90)
    looks = {"Question": TEXT(width="large"), "Reference": number, "Value": number, "Change": change}
    wanted = (
        st.segmented_control(
            "Show", list(OUTCOMES), default="All", key="outcome", bind="query-params", required=True, label_visibility="collapsed"
        )
        or "All"
    )
    better = comparison.direction(result.metric)
    rows = [row for row in zip(*table.values(), strict=True) if OUTCOMES[wanted](row[-1] * better)]
    table = {head: [row[place] for row in rows] for place, head in enumerate(looks)}
    cells.show(table, hide_index=True, height=300, key="compared_questions", column_config=looks)
    tables.export([dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)], "compared_questions")
    st.caption(f"{comparison.label(result.metric, result.k)} of {len(table['Question']):,} questions, largest change first.")
