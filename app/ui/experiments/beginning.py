"""No experiment on the desk: what one is, how to begin one, and those that are recorded."""

from math import prod
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, cells, jobs, tables
from app.ui.experiments import desk, handing, words
from app.ui.experiments.suggesting import suggestion
from core.errors import WorkbenchError
from core.labs.experiments import book
from core.labs.experiments.book import Best, Shelved
from core.labs.experiments.experiment import read
from core.labs.experiments.standing import runs
from core.report.table import COUNT, DAY_TIME, MEAN, Column, Table, between
from core.workbench import command_line, one_phase

WHAT = "An experiment: one question, asked of many recipes"
WHY = (
    "Choose a recipe, and one or more of its settings to vary. Every combination is measured as a trial on the same "
    "questions, and the result shows which are best and which do not differ significantly from them. It can be paused, and "
    "resumes where it was, also after a crash."
)


def draw() -> None:
    workbench = session.workbench()
    archived = st.session_state.get("archived_studies", False)
    listed = book.experiments(workbench, archived)
    if not listed and not archived:
        cards.empty(WHAT, WHY)
    begin(primary=not any(runs(workbench.home, row.experiment.id) for row in listed))
    if listed or archived or book.experiments(workbench, True):
        recorded(listed)


def begin(primary: bool) -> None:
    """Two ways to a new experiment."""
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True, height="stretch"):
        st.markdown("**From the recipe in use**")
        first = suggestion(session.config())
        recipe = first.recipe
        varied = "; ".join(words.factor_words(factor, recipe) for factor in first.factors)
        recipes = cards.count(prod(len(factor.values) for factor in first.factors), "recipe")
        plan = [("Base", words.base_words(first)), ("Varied", f"{varied}; {recipes}"), ("Halves", words.halves_words(first))]
        cards.facts(plan)
        look = "primary" if primary else "secondary"
        with st.container(horizontal=True, vertical_alignment="center"):
            cards.press("Begin an experiment", "add", "begin_study", desk.add, first, type=look)
            st.caption("All of it can be changed before the start.", width="content")
    with right, st.container(border=True, height="stretch"):
        st.markdown("**From a file**")
        st.caption("A plan as YAML, or a whole experiment with its trials, exported by another workbench (.experiment.zip).")
        with st.popover("Open a file", icon=":material/upload_file:"):
            upload()


def upload() -> None:
    file = st.file_uploader("A file", type=["yaml", "yml", "zip"], key="study_file")
    if file and file.name.lower().endswith(".zip"):
        st.caption("It is added only after every record is checked and every mean is derived again from the raw rankings.")
        press = jobs.Press("experiment open", one_phase(f"{cards.size(file.size)} verified", units=1))
        if jobs.press_button("Verify and open", press, key="open_packed", type="primary"):
            handing.unpack(file.name, file.getvalue(), press)
        return
    text = file.getvalue().decode("utf-8", "replace") if file else ""
    pasted = st.text_area("or its text", key="study_text", height=160, placeholder="title: Chunk sizes\nfactors: …")
    written = text or pasted
    cards.press("Open", "", "open_yaml", opened, written, type="primary", disabled=not written.strip())
    if problem := st.session_state.get("study_problem"):
        cards.problem(problem)
    st.caption("An example is printed by")
    st.code(command_line("study-example"), language="bash")


def opened(text: str) -> None:
    """Callback: the experiment of a YAML text is recorded under an id that is free, and opened."""
    st.session_state.pop("study_problem", None)
    try:
        desk.add(read(text))
    except WorkbenchError as error:
        st.session_state.study_problem = error


def recorded(listed: list[Shelved]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.subheader("Recorded experiments", anchor=False)
        st.toggle("Archived", key="archived_studies")
    if not listed:
        st.caption("No experiment is archived.")
        return
    st.caption(f"{cards.count(len(listed), 'experiment')}, the most recent first. Click one to open it.")
    best = book.best(session.workbench(), [row.experiment for row in listed])
    rows = [_row(row, best.get(row.experiment.id)) for row in listed]
    titled, named, varied = (
        cells.room([name, *(row[name] or "" for row in rows)]) for name in ("experiment", "best recipe", "varied")
    )
    failed = (Column("failed", "", COUNT),) if any(row["failed"] for row in rows) else ()
    columns = (
        Column("experiment", width=min(250, titled)),
        Column("best recipe", width=min(260, named), help="The best mean on the questions that the choice is made on."),
        Column("measured by"),
        Column("mean", "", MEAN),
        Column("interval", width=118, help="Of that mean over the questions, by itself: the best of many is partly luck."),
        Column("n", "n", COUNT, "Questions that it measured."),
        Column(
            "recipes", "", COUNT, "Measured on the questions that the choice is made on; those on the other half are not counted."
        ),
        *failed,
        Column("last run", "", DAY_TIME, width=104),
        Column("varied", width=min(250, varied)),
    )
    tables.choose(Table("studies_table", columns, rows), [row.experiment.id for row in listed], param="study")


def _row(row: Shelved, best: Best | None) -> dict[str, Any]:
    of, half = row.experiment, "" if row.experiment.choose_on == "all" else f", {row.experiment.choose_on}"
    return {
        "experiment": of.title or of.id,
        "best recipe": best and best.title,
        "measured by": best and f"{best.metric}{half}",
        "mean": best and best.mean,
        "interval": between(best.interval.low, best.interval.high, MEAN) if best else "",
        "n": best and best.interval.n,
        "recipes": best.recipes if best else row.trials.get("ok", 0),
        "failed": row.trials.get("failed", 0),
        "last run": row.last_run,
        "varied": "; ".join(words.setting_title(factor.setting, of.recipe) for factor in of.factors),
        "question": of.question,
        "id": of.id,
    }
