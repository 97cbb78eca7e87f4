"""What was tried last."""

import streamlit as st

from app import session
from app.ui import cards, tables, ways
from app.ui.cells import cut
from core.labs.trials import comparison
from core.labs.trials.leaderboard import leaderboard
from core.report.table import COUNT, MEAN, Column, Table, between

METRIC = "ndcg_linear"


def trials() -> None:
    newest = comparison.trials(session.workbench(), 8)
    if not newest:
        cards.empty("No trials yet", "A trial is a recipe with everything it measured. Save one on the page Search, live.")
        return
    depths = {t.k for t in newest if t.metrics}
    halves = [t.settings.get("corpus.questions", "all") for t in newest]
    parted = len(set(halves)) > 1  # the same recipe has another mean on each half
    head = comparison.label(METRIC, depths.pop() if len(depths) == 1 else "k")
    rows = [
        {
            "trial": cut(t.title, 72),
            "corpus": cut(t.dataset, 20),
            "asked": half,
            "mean": t.metrics.get(METRIC),
            "interval": interval(t),
            "n": t.n or None,
            "status": t.status,
        }
        for t, half in zip(newest, halves, strict=True)
    ]
    columns = (
        Column("trial", width=216 - 52 * parted, help="Its name, or what differs from the default recipe."),
        Column("corpus", width=116),
        *[Column("asked", "Questions", width=78, help="All questions, or the dev or the test half.")] * parted,
        Column("mean", head, MEAN, width=80),
        Column("interval", width=112, help="Bootstrap interval of the mean: 95%, unless the recipe says otherwise."),
        Column("n", "n", COUNT, "Questions measured.", width=46),
        *[Column("status", width=80)] * any(trial.status != "ok" for trial in newest),
    )
    tables.draw(Table("last_trials", columns, rows), offered=False)
    with st.container(horizontal=True, key="last_links"):
        ways.link("compare_trials", "All trials, compared", "compare_arrows")
        ways.link("run_study", "Experiments", "science")
        ways.link("query_store", "Query in SQL", "database")


def interval(trial: comparison.Trial) -> str:
    """Of its mean, in words; computed once."""
    if trial.metrics.get(METRIC) is None:
        return ""
    own = leaderboard(session.workbench(), [trial], METRIC).rows[0].interval
    return between(own.low, own.high, MEAN)
