"""The tab Leaderboard: the points by rank, with those that are not distinguishable from the best, and what is reported on test."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, cells, export, tables, ways
from app.ui.experiments import words
from app.ui.experiments.desk import StudyDesk
from app.ui.trials import leaderboard as board_chart
from app.ui.trials.scope import Scope
from core.errors import WorkbenchError
from core.evaluation.metric import MAIN, judges, metric_names
from core.labs.experiments import results, standing
from core.labs.experiments.results import PointResult, StudyResults
from core.labs.trials import choice, comparison, listing
from core.labs.trials import leaderboard as lab
from core.labs.trials.comparison import Trial, label
from core.labs.trials.costs import own_or_alike
from core.report.caption import corpus_words
from core.report.table import COUNT, MEAN, P_VALUE, SIGNED, Column, Table, between
from core.statistics.paired import AT_ODDS, Paired, at_odds
from core.workbench import command_line

ROW_PX = 33
WIDEST_PX = 340  # of a recipe's name


def draw(here: StudyDesk) -> None:
    shown = chosen_results(here, st.columns(3))
    if shown is None:
        return
    experiment, names = here.recorded, words.point_names(here.recorded, [row.trial for row in shown.rows])
    whole = not standing.runs(session.workbench().home, experiment.id)
    if not whole:
        st.markdown(f"{cards.count(len(shown.rows), 'recipe')} measured so far. Which is best is told once all are.")
    else:
        conclusions(here, shown, names)
    if len(shown.board.rows) > 1:
        board_chart.chart(scope_of(shown), shown.board, names, whole)
    table(here, shown, names)


def chosen_results(here: StudyDesk, places: Sequence[Any]) -> StudyResults | None:
    """What is measured so far by the metric and on the questions that are chosen; None: nothing yet, which is said."""
    sets = results.question_sets(here.recorded, here.trials)
    if not sets:
        cards.empty("What is measured", "Nothing is measured yet. Each trial appears here once it is measured.")
        return None
    metrics = [name for name in here.recorded.metrics if judges(name)] or [MAIN]
    offered = list(dict.fromkeys([*metrics, *metric_names()]))
    metric = places[0].selectbox("Metric", offered, key="study_metric", format_func=label, bind="query-params")
    members = sets[0]
    if len(sets) > 1:
        place = places[1].selectbox(
            "Questions", range(len(sets)), format_func=lambda place: questions_words(sets[place]), key=f"questions/{here.id}"
        )
        members = sets[place]
    return results.results(session.workbench(), here.recorded, members, metric)


def questions_words(members: Sequence[Trial]) -> str:
    half = members[0].settings.get("corpus.questions", "all")
    which = "" if half == "all" else f"{half} half: "
    return f"{which}{members[0].total:,} questions, {cards.count(len(members), 'trial')}"


def scope_of(shown: StudyResults, beside: bool = True) -> Scope:
    """The experiment's recipes as the tabs of *Trials* take them, with the base and the best marked. beside: a baseline too that is
    no point."""
    everything = listing.everything(session.workbench())
    members = [row.trial for row in shown.rows if beside or not row.beside]
    chosen = list({trial.id: trial for trial in (shown.baseline, shown.best) if trial}.values())
    [group] = everything.groups_of([shown.best.id])
    listed = sorted(members, key=lambda trial: trial.id, reverse=True)
    return Scope(
        questions_words(members), listed, chosen, everything.of_group(group), shown.metric, everything, shown.board.left_out
    )


def conclusions(here: StudyDesk, shown: StudyResults, names: dict[str, str]) -> None:
    """The best of the questions on which it is chosen, and what the test questions say, which had no say in the choice."""
    experiment = here.recorded
    on_test = bool(experiment.report_on) and shown.best.settings.get("corpus.questions") == experiment.report_on
    if not on_test:
        verdict(shown, names)
    if experiment.report_on and experiment.confirm == "winner":
        reported(here, shown.metric, names)
    elif experiment.report_on:
        each_reported(here, shown.metric)


def verdict(shown: StudyResults, names: dict[str, str]) -> None:
    board, best = shown.board, shown.board.rows[0]
    interval, equals = best.interval, board.equals - 1
    spread = "" if interval.low is None else f" ({interval.low:.3f} to {interval.high:.3f})"
    name = cards.plain(names.get(best.trial.id, best.trial.title))
    told = f"Best: **{name}**, {label(shown.metric, shown.k)} {interval.mean:.3f}{spread}."
    others = len(board.rows) - 1
    if ties := sum(row.interval.mean == interval.mean for row in board.rows) - 1:
        told += f" {ties:,} {'other has' if ties == 1 else 'others have'} the same mean."
    if others:
        equal = comparison.equals_words(equals, others)
        told += f" {equal[0].upper()}{equal[1:]} (paired, Holm, 5%)."
    own = next((row for row in shown.rows if row.trial.id == best.trial.id), None)
    if own and shown.baseline and own.trial.id == shown.baseline.id:
        told += f" It is the {shown.reference} itself."
    elif own and own.difference:
        costs = (trial.costs.get("context_at_k") for trial in (own.trial, shown.baseline)) if shown.baseline else (None, None)
        times = comparison.times_context(*(cost.value if cost else 0 for cost in costs))
        told += f" Difference from the {shown.reference}: {difference_words(own)}{times and f', {times}'}."
    st.markdown(told)
    if worth := lab.worth(board):
        st.caption(worth)


def difference_words(row: PointResult) -> str:
    if not row.difference:
        return ""
    mean, low, high, _ = row.difference
    interval = ", too few questions for an interval" if low is None else f" [{low:.3f}, {high:.3f}]"
    return f"{mean:+.3f}{interval}".replace("-", "\u2212")


def reported(here: StudyDesk, metric: str, names: dict[str, str]) -> None:
    """The winner of the dev questions on the test questions, which had no say in the choice."""
    experiment = here.recorded
    members = results.of_base(experiment, here.trials)
    base = results.baseline_of(session.workbench(), [t for t in members if t.settings.get("corpus.questions") == "dev"])
    try:
        told = choice.choice(session.workbench(), members, metric, base)
    except WorkbenchError:  # nothing to choose among yet
        return
    reference = next((results.called(experiment, trial) for trial in members if trial.id == base), results.BASE)
    winner, k = told.dev.recipes[told.winner.place], told.dev.k
    name = cards.plain(names.get(winner.id, winner.title))
    if told.on_dev is None:
        st.info(
            f"The {reference} itself has the best mean on dev ({name}): there is nothing to report on test.",
            icon=":material/flag:",
        )
    elif told.on_test is None:
        st.caption(
            f"Nothing is reported on the test half yet: winner and {reference} are measured there at the end of the experiment."
        )
    else:
        own, _ = told.test_means
        paired = told.on_test
        st.info(
            f"Chosen on dev, reported on test: **{name}** has {label(metric, k)} {own:.3f}, {paired_words(paired, paired.p)} against the "
            f"{reference} (n {paired.n:,}). Selection flatters its mean on dev by about {told.winner.optimism:.3f} "
            f"(bootstrap). {told.more_context(reference)}".rstrip(),
            icon=":material/flag:",
        )


def paired_words(paired: Paired, p: float | None) -> str:
    spread = "" if paired.low is None else f" [{paired.low:.3f}, {paired.high:.3f}]"
    told = "" if p is None else ", p < 0.001" if p < 0.001 else f", p {p:.3f}"
    return f"{paired.difference:+.3f}{spread}{told}".replace("-", "\u2212")


def each_reported(here: StudyDesk, metric: str) -> None:
    """Each recipe against the base on the test questions."""
    try:
        made = results.reported(session.workbench(), here.recorded, here.trials, metric)
    except WorkbenchError:  # not measured by this metric
        made = None
    if made is None:
        st.caption("Nothing is reported on the test half yet: all recipes are measured there at the end of the experiment.")
        return
    base, head = made.reference, label(metric, made.k)
    names = words.point_names(here.recorded, [base, *(row.trial for row in made.rows)])
    lines = [
        f"- **{cards.plain(names[row.trial.id])}** {row.mean:.3f}, {paired_words(row.paired, row.p_holm)}: {made.verdict(row)}"
        for row in made.rows
    ]
    mean = made.rows[0].reference_mean
    told = f"On test, **{cards.plain(names[base.id])}** has {head} {mean:.3f}; the others differ from it by:"
    st.info("\n".join([told, *lines]), icon=":material/flag:")
    st.caption(
        f"n {made.rows[0].paired.n:,}. Paired permutation tests, p corrected by Holm for "
        f"{cards.count(made.tested, 'comparison')}; {100 * made.confidence:g}% intervals."
        + f" {AT_ODDS}."
        * any(at_odds(row.paired.low, row.paired.high, row.p_holm, made.confidence) for row in made.rows if row.paired)
    )


def table(here: StudyDesk, shown: StudyResults, names: dict[str, str]) -> None:
    board = {row.trial.id: (place, row) for place, row in enumerate(shown.board.rows, 1)}
    ranked = sorted(shown.rows, key=lambda row: board[row.trial.id][0])
    own = {row.trial.id for row in ranked}
    baseline, to_it = shown.baseline.id if shown.baseline else "", f"To the {shown.reference}"
    head, level = label(shown.metric, shown.k), f"{100 * shown.board.confidence:g}% interval"
    told = {
        row.trial.id: names[row.trial.id] + f"  ({shown.reference})" * (row.trial.id == baseline and not row.beside)
        for row in ranked
    }
    st.caption(
        f"{cards.count(len(ranked), 'recipe')} on {cards.plain(here.recorded.recipe.corpus.dataset)}, n {shown.board.n:,} questions. "
        "The order of the best and those not significantly worse may be chance. Click one to open it."
    )
    columns = [
        Column("recipe", help="What is not varied is the same in all.", width=min(WIDEST_PX, cells.room([*told.values()]))),
        Column("mean", head, MEAN),
        Column("interval", level, width=132),
        Column("group", help="The best, and those that do not differ significantly from it (paired test, Holm, 5%).", width=176),
        Column("difference", to_it, SIGNED, f"Mean difference from the {shown.reference}, by question."),
        Column("interval of the difference", "Its interval", width=150, help=f"{level} of that difference."),
        Column(
            "p (Holm)",
            "p (Holm)",
            P_VALUE,
            f"Of the difference from the {shown.reference}: paired t test, corrected by Holm over all recipes.",
        ),
        Column("first in", "Best in", "%.0f%%", "Share of the resamples in which it has the best mean."),
        Column("context", "", COUNT, "Tokens of the first k chunks, mean of a question."),
        Column("latency", "", "%.1f ms", "Median of a single question; of recipes that do the same work one is timed."),
        Column("repeats", help="Seeds behind the mean."),
    ]
    latency = own_or_alike(session.workbench(), [row.trial for row in ranked], "latency_ms")
    hidden = {"repeats"} if all(row.repeats == 1 for row in ranked) else set()
    hidden |= set() if baseline else {"difference", "interval of the difference", "p (Holm)"}
    rows = [
        {
            "recipe": told[row.trial.id],
            "mean": row.interval.mean,
            "interval": between(row.interval.low, row.interval.high, MEAN),
            "group": "best" if board[row.trial.id][0] == 1 else lab.NOT_WORSE if row.equal else "",
            "difference": row.difference and row.difference.difference,
            "interval of the difference": between(row.difference.low, row.difference.high, MEAN) if row.difference else "",
            "p (Holm)": row.difference and row.difference.p_holm,
            "first in": 100 * board[row.trial.id][1].first,
            "context": (tokens := results.context(row.trial)) and round(tokens),
            "latency": latency[row.trial.id].value if row.trial.id in latency else None,
            "repeats": row.repeats,
        }
        for row in ranked
    ]
    made = Table("study_table", [column for column in columns if column.key not in hidden], rows)
    row = tables.choose(made, [row.trial.id for row in ranked], height=min(420, ROW_PX * (len(ranked) + 1) + 3))
    first = {trial.id for trial in results.question_sets(here.recorded, here.trials)[0]}
    whole = bool(own & first)
    if whole and (words_of := results.left_out(here.recorded, here.trials)):
        st.caption(cards.plain("Left out: " + " ".join(words_of)))
    changes = [row.difference for row in ranked if row.difference]
    if any(at_odds(change.low, change.high, change.p_holm, 1 - comparison.ALPHA) for change in changes):
        st.caption(f"{AT_ODDS}.")
    if shown.board.left_out:
        st.caption(f"{shown.board.left_out:,} recipes of worse means are left out.")
    if row is not None and ranked[row].trial.id in own:
        with tables.opened():
            opened(ranked[row], shown, names)
    which = [here.id] if whole else ["--only", *own]
    command = command_line("leaderboard", *which, "--metric", shown.metric)
    if len(shown.board.rows) > 1:
        asked = shown.best
        corpus = corpus_words(asked.dataset, asked.settings.get("corpus.questions", "all"))
        export.leaderboard_into_paper(command, len(shown.board.rows), f"Recipes by {head}. Corpus: {corpus}.")


def opened(row: PointResult, shown: StudyResults, names: dict[str, str]) -> None:
    """One point: its recipe, and where to look at it."""
    trial = row.trial
    with st.container(border=True):
        st.markdown(f"**{cards.plain(names[trial.id])}**")
        st.caption(cards.plain(trial.recipe))
        with st.container(horizontal=True):
            if st.button(
                "Use this recipe", key="use_point", icon=":material/tune:", help="On every page, beginning with Search, live."
            ):
                session.set_config(comparison.recipe(trial))
                ways.go("search_live")
            pair = [trial.id, *([shown.baseline.id] if shown.baseline and shown.baseline.id != trial.id else [])]
            to_it = f"Compare with the {shown.reference}"
            if st.button(to_it, key="compare_point", icon=":material/compare_arrows:", disabled=len(pair) < 2):
                ways.go("compare_trials", trials=",".join(pair))
