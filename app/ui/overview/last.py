"""What was done last: trials, and studies with how far they are."""

import streamlit as st

from app import session
from app.ui import cards, tables, ways
from app.ui.cells import cut
from core.annotation import versions
from core.annotation.versions import Frozen
from core.labs.experiments import book
from core.labs.papers import shelf
from core.labs.trials import comparison
from core.report.table import COUNT, DAY, DAY_TIME, MEAN, Column, Table

MOST = 3  # studies of a kind


def trials() -> None:
    newest = comparison.trials(session.workbench(), 8)
    if not newest:
        cards.empty("No trials yet", "A trial is a recipe with everything it measured. Save one on the page Search, live.")
        return
    depths, several = {t.k for t in newest if t.metrics}, len({t.dataset for t in newest}) > 1
    halves = [t.settings.get("corpus.questions", "all") for t in newest]
    parted = len(set(halves)) > 1  # the same recipe has another mean on each half
    head = comparison.label("ndcg_linear", depths.pop() if len(depths) == 1 else "k")
    rows = [
        {
            "trial": cut(t.title, 40),
            "corpus": cut(t.dataset, 20),
            "asked": half,
            "mean": t.metrics.get("ndcg_linear"),
            "n": t.n or None,
            "when": t.created,
            "status": t.status,
        }
        for t, half in zip(newest, halves, strict=True)
    ]
    narrow = several or parted
    columns = (
        Column(
            "trial",
            width=272 - 58 * narrow - 56 * (several and parted),
            help="Its name, or what differs from the default recipe.",
        ),
        *[Column("corpus", width=112)] * several,
        *[Column("asked", width=56, help="All questions, or the dev or the test half.")] * parted,
        Column("mean", head, MEAN, width=82),
        Column("n", "n", COUNT, "Questions measured.", width=48),
        Column("when", "", DAY if narrow else DAY_TIME, width=62 if narrow else 104),
        *[Column("status", width=80)] * any(trial.status != "ok" for trial in newest),
    )
    tables.draw(Table("last_trials", columns, rows), offered=False)
    with st.container(horizontal=True):
        ways.link("compare_trials", "All trials, compared", "compare_arrows")
        ways.link("run_study", "Their studies", "science")


def studies() -> None:
    """Where the last studies and papers stand, each with the way back to it; nothing while there is none."""
    workbench = session.workbench()
    people = versions.studies(workbench)[:MOST]
    recipes = book.experiments(workbench)[:MOST]
    papers = [*filter(None, [shelf.last(workbench)])]
    if people or recipes or papers:
        st.subheader("Last studies" + (" and paper" if papers else ""), anchor=False)
    for row in recipes:
        study, done = row.experiment, row.trials.get("ok", 0)
        far = f"{cards.count(done, 'trial')} measured" if done else "not started"
        way(study.title or study.id, "run_study", "science", far, study=study.id)
    for version in people:
        study = version.study
        way(study.title or study.id, "design_study", "edit_note", how_far(version), study=study.id)
    for name in papers:
        way(name, "write_paper", "article", "paper", paper=name)


def way(title: str, page: str, icon: str, far: str, **address: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        ways.link(page, cards.plain(cut(title, 60)), icon, **address)
        st.html(f'<div class="gw gw-small">{cards.escape(far)}</div>')


def how_far(version: Frozen) -> str:
    if version.round == "draft":
        return "a draft, not frozen yet"
    from core.annotation.latest import completed  # the first page waits for what it shows only

    return f"{version.round} round, {cards.count(completed(session.workbench(), version), 'labelled screen')}"
