"""How the chosen trials differ from a reference: in tests, in settings, and question by question."""

import streamlit as st

from app import session
from app.ui import cards, charts, dots, forms, tables
from app.ui.cells import cut
from app.ui.trials.choice import choice_of, is_baseline, look
from core.evaluation.metric import MAIN, measures_among, metric_names
from core.labs.trials import comparison
from core.labs.trials.comparison import Trial, TrialComparison
from core.report.caption import corpus_words
from core.report.table import MEAN, SIGNED, Column, Table
from core.statistics.paired import AT_ODDS
from core.workbench import command_line

OUTCOMES = {
    "All": lambda change: True,
    "Won": lambda change: change > 0,
    "Lost": lambda change: change < 0,
    "Tied": lambda change: change == 0,
}


def compared(chosen: list[Trial], names: dict[str, str]) -> TrialComparison | None:
    """The trials that have results against the reference that is chosen; None where fewer than two have any."""
    measured = [trial for trial in chosen if trial.metrics]
    for trial in chosen:
        if trial not in measured:
            why = "It measured no question." if trial.status == "ok" else f"{trial.status.capitalize()}: {trial.reason}"
            st.caption(cards.plain(f"Not compared: {names[trial.id]} has no results. {why}"))
    head, left, right = st.columns([1, 1.2, 1.2], vertical_alignment="bottom")
    head.subheader("Differences", anchor=False)
    if len(measured) < 2:
        return None
    if pinned := [trial for trial in measured if is_baseline(trial)]:
        reference = choice_of(pinned, "Reference, the pinned baseline", "reference_pinned", left)
    else:
        reference = choice_of(measured, "Reference", "reference", left)
    metrics = [*metric_names(), *measures_among(name for trial in measured for name in trial.metrics)]
    titles = {name: comparison.label(name, reference.k) for name in metrics}
    metric = forms.one_of_many("Metric", titles, "metric", MAIN, right, bind="query-params")
    others = [trial for trial in measured if trial is not reference]
    return comparison.compare(session.workbench(), reference, others, metric)


def view_remembered(key: str) -> None:
    """Before the tabs: the one that was open stays open where the page is left, which forgets its widgets."""
    state, remembered = st.session_state, f"{key}_remembered"
    if now := state.get(key) or st.query_params.get(key):
        state[remembered] = now
    elif remembered in state:
        state[key] = state[remembered]


def tests(result: TrialComparison, names: dict[str, str]) -> None:
    """Each trial's difference to the reference with its interval and test, drawn and as a table."""
    for row in result.rows:
        if row.note:
            st.warning(cards.plain(f"{names[row.trial.id]}: {row.note}."), icon=":material/info:")
    of, words = result.reference, [*(row.trial.id for row in result.rows), "--metric", result.metric]
    title = f"{comparison.label(result.metric, result.k)} minus that of {cut(names[of.id], 60)}"
    made = comparison.table(result, names, title, command_line("trials-compare", of.id, *words))
    if any(row.paired and row.paired.low is not None for row in result.rows):
        chart(result, names, made)
    tables.draw(made)
    if AT_ODDS in made.note:
        st.caption(f"{AT_ODDS}.")
    st.caption(
        f"Means over the questions that both measured. Low and High: {100 * result.confidence:g}% interval of each difference alone. "
        f"p (Holm) and the verdict are corrected for {cards.count(result.tested, 'comparison')}. {result.tried:,} recipes were "
        f"compared on these questions so far, {result.stored:,} of them stored as trials: p and q (all tried) are corrected for all of "
        "them. The best of many seems better than it is, so confirm a choice on questions that were not used to make it."
    )


def chart(result: TrialComparison, names: dict[str, str], made: Table) -> None:
    of = result.reference
    drawn = [row for row in result.rows if row.paired and row.paired.low is not None]
    better = "right" if comparison.direction(result.metric) > 0 else "left"
    corpus = corpus_words(of.dataset, of.settings.get("corpus.questions", "all"))
    marks = [
        dots.Mark(names[row.trial.id], row.paired.difference, row.paired.low, row.paired.high, **look(names, row.trial))
        for row in drawn
    ]
    charts.show(
        dots.marks(
            marks, f"Difference in {comparison.label(result.metric, result.k)} ({better} of 0 is better)", lines=[(0.0, "")]
        ),
        "differences",
        data=made.rows,
        command=made.command,
        title=made.title,
        caption=f"n {min(row.paired.n for row in drawn):,}, {100 * result.confidence:g}% intervals, paired by question",
        method=f"Corpus: {corpus}. Intervals: percentile bootstrap of the mean difference over "
        f"the questions that both measured ({of.settings['evaluation.resamples']:,} resamples)",
    )


def settings(chosen: list[Trial], names: dict[str, str]) -> None:
    rows = [
        {"Setting": comparison.setting_name(name), **dict(zip(names.values(), values, strict=True))}
        for name, values in comparison.differing(chosen).items()
    ]
    if rows:
        columns = [Column("Setting"), *(Column(name, name) for name in names.values())]
        tables.draw(Table("settings", columns, rows), rows=None, pinned=True, offered=False, placeholder=None)
    st.caption("All other settings are the same. A dash: the method in use does not have the setting.")


def by_question(result: TrialComparison) -> None:
    others = [row.trial for row in result.rows if row.paired]
    if not others:
        return st.caption("No question was measured by both.")
    other = choice_of(others, "Against the reference", "against")
    table = comparison.by_question(session.workbench(), result.reference, other, result.metric)
    columns = (
        Column("question", width=400),
        *(Column(name, "", MEAN) for name in ("reference", "value")),
        Column("change", "", SIGNED),
    )
    wanted = forms.one_of("Show", list(OUTCOMES), "outcome", bind="query-params", label_visibility="collapsed")
    better = comparison.direction(result.metric)
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True) if OUTCOMES[wanted](row[-1] * better)]
    tables.draw(Table("compared_questions", columns, rows), rows=8)
    st.caption(f"{comparison.label(result.metric, result.k)} of {len(rows):,} questions, largest change first.")
