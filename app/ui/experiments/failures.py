"""The tab Failures: points without a result, each with its reason, and one press that tries them again."""

import streamlit as st

from app.ui import cards, jobs, tables
from app.ui.experiments import running, words
from app.ui.experiments.desk import StudyDesk
from core.workbench import one_phase

SHORT = 36  # characters of a name that is not broken
LISTED = 50


def draw(here: StudyDesk) -> None:
    stands, _, works = running.state(here.id)
    by_id = {trial.id: trial for trial in here.trials}
    failed = [by_id[row["id"]] for row in running.failures(here, stands) if row["id"] in by_id]
    if not failed:
        return cards.empty("Points without a result", "None: every point that was tried is measured.")
    names = words.coordinates(here.recorded, failed)
    with st.container(horizontal=True, vertical_alignment="center"):
        told = f"{cards.count(len(failed), 'point')} failed in the last run; the others are not affected."
        st.caption(told + f" The latest {LISTED} are listed." * (len(failed) > LISTED), width="stretch")
        about = "Runs the experiment again: measured points are kept, failed ones are tried once more."
        takes = one_phase(cards.count(len(failed), "trial"), units=len(failed))
        look = {"icon": ":material/refresh:", "disabled": works, "help": about}
        arguments = here.id, here.title, takes
        jobs.press_button("Retry", jobs.Press("study", takes), key="retry_failed", on_click=running.start, args=arguments, **look)
    with st.container(key="failed_trials"):
        tables.wrapped_table(
            [{"Point": together(names[trial.id]), "Why": trial.reason, "Trial": trial.short} for trial in failed[:LISTED]]
        )


def together(name: str) -> str:
    """A short name on one line, however long the reason beside it is."""
    return name.replace(" ", "\N{NO-BREAK SPACE}") if len(name) <= SHORT else name
