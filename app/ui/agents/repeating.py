"""The tab Repeats: right k times in a row, and how many repeats tell two ways apart."""

import streamlit as st

from app import session
from app.ui import jobs, tables
from app.ui.agents import figures
from core import registry
from core.config import TrialConfig
from core.labs.agents import repeating as lab
from core.labs.agents.comparing import title
from core.labs.answers.answering import alike
from core.workbench import Forecast

USUAL = lab.RepeatedPlan()


def draw(recipe: TrialConfig, most: int) -> None:
    workbench = session.workbench()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = figures.questions(most, lab.QUESTIONS, "repeat_count")
        repeats = st.number_input("Repeats", 1, 64, lab.REPEATS, key="repeat_number", width=110, help="Runs of each question.")
        ways = st.multiselect(
            "Ways", list(registry.parts("answering")), list(lab.WAYS), key="repeat_ways", format_func=title, max_selections=2
        )
        wanted = st.number_input(
            "Difference", 0.01, 1.0, USUAL.difference, 0.01, key="repeat_difference", width=120, help="In F1."
        )
    if not ways:
        return st.info("Choose a way of answering.", icon=":material/info:")
    plan = USUAL._replace(questions=count, repeats=repeats, ways=tuple(ways), difference=wanted)
    made = lab.standing(workbench, recipe, plan)
    words = [
        "agents",
        "repeat",
        "--ask",
        str(count),
        "--repeats",
        str(repeats),
        "--ways",
        ",".join(ways),
        "--difference",
        f"{wanted:g}",
    ]
    if made.left.answers:
        takes = Forecast(made.left.phases, units=made.left.answers, like=f"{','.join(ways)} {alike(recipe.generation)}")
        jobs.start_button("Repeat", [*words, *workbench.arguments(recipe)], f"{repeats:,} repeats of {count:,} questions", takes)
    command = workbench.command(recipe, *words)
    tables.sentences(lab.sentences(made))
    for table in (lab.pass_table(made, command), lab.plan_table(made, command)):
        if table.rows:
            tables.draw(table)
    return None
