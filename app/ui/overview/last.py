"""What was tried last."""

import streamlit as st

from app import session
from app.ui import cards, cells, tables, ways
from core.errors import WorkbenchError
from core.labs.trials import comparison
from core.labs.trials.leaderboard import leaderboard
from core.report.table import COUNT, DAY_TIME, MEAN, Column, Table, between

RANKED, ANSWERED = "ndcg_linear", "f1"
HOW = "Mean with its bootstrap interval: 95%, unless the recipe says otherwise."


def trials() -> None:
    newest = comparison.trials(session.workbench(), 8)
    if not newest:
        cards.empty("No trials yet", "A trial is a recipe with everything it measured. Save one on the page Search, live.")
        return
    depths = {t.k for t in newest if t.metrics}
    head = comparison.label(RANKED, depths.pop() if len(depths) == 1 else "k")
    rows = [
        {
            "trial": cells.cut(t.title, 72),
            "corpus": ", ".join([cells.cut(t.dataset, 24), *half_of(t)]),
            "ranked": mean(t, RANKED),
            "n": t.n or None,
            "answered": mean(t, ANSWERED),
            "created": t.created,
            "status": t.status,
        }
        for t in newest
    ]
    titled, named = (cells.room(row[name] for row in rows) for name in ("trial", "corpus"))
    columns = (
        Column("trial", width=min(336, titled), help="Its name, or what differs from the default recipe."),
        Column("corpus", width=min(180, named), help="With the half of its questions that was asked."),
        Column("ranked", head, width=164, help=HOW),
        Column("n", "n", COUNT, f"Questions measured by {head}.", width=56),
        *[Column("answered", comparison.label(ANSWERED), width=cells.room(row["answered"] for row in rows), help=HOW)]
        * any(row["answered"] for row in rows),
        Column("created", "When", DAY_TIME, width=116),
        *[Column("status", width=80)] * any(trial.status != "ok" for trial in newest),
    )
    tables.draw(Table("last_trials", columns, rows), offered=False)
    with st.container(horizontal=True, key="last_links"):
        ways.link("compare_trials", "All trials, compared", "compare_arrows")
        ways.link("run_study", "Experiments", "science")
        ways.link("query_store", "SQL", "database")


def half_of(trial: comparison.Trial) -> list[str]:
    """Of its corpus' questions, where it is not asked all."""
    half = trial.settings.get("corpus.questions", "all")
    return [] if half == "all" else [half]


def mean(trial: comparison.Trial, metric: str) -> str:
    """With its interval, computed once, and of how many questions where they are others than those of the ranking."""
    if trial.metrics.get(metric) is None:
        return ""
    try:
        own = leaderboard(session.workbench(), [trial], metric).rows[0].interval
    except WorkbenchError:  # of one question there is no interval
        return f"{trial.metrics[metric]:.3f}"
    told = f"{own.mean:.3f}" + (f" ({between(own.low, own.high, MEAN)})" if own.low is not None else "")
    return told if own.n == trial.n else f"{told}, n {own.n:,}"
