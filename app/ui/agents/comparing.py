"""The tab Ways: agents beside plain answers on the same questions, with what each takes."""

import streamlit as st

from app import session
from app.ui import jobs, tables
from app.ui.agents import figures
from core import registry
from core.config import TrialConfig
from core.labs.agents import comparing as lab
from core.labs.agents.comparing import AgentComparison, AgentPlan
from core.labs.answers.answering import alike
from core.workbench import Forecast, Phase

USUAL = AgentPlan()


def draw(recipe: TrialConfig, most: int) -> None:
    workbench, asked = session.workbench(), chosen(most)
    if not asked.ways:
        return st.info("Choose a way of answering.", icon=":material/info:")
    made = lab.standing(workbench, recipe, asked)
    words = ["agents", "compare", "--ask", str(asked.questions), "--ways", ",".join(asked.ways)]
    words += ["--temperature", f"{asked.temperature:g}"]
    if not made.whole:
        arguments = [*words, *workbench.arguments(recipe)]
        phases = made.left.phases or (Phase("the answers without passages and those by vote"),)
        takes = Forecast(phases, units=asked.questions, like=f"{','.join(asked.ways)} {alike(recipe.generation)}")
        jobs.start_button("Compare", arguments, f"Agents on {asked.questions:,} questions", takes)
        st.caption(
            "The same questions answered without passages, by a chain of thought, by RAG, by ways that search several times, and "
            "by RAG with votes at the token budget of the costliest. Earlier answers are reused."
        )
    if lab.RAG in made.values:
        shown(made, workbench.command(recipe, *words))
    return None


def chosen(most: int) -> AgentPlan:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = figures.questions(most, USUAL.questions, "agent_count")
        names = [name for name, part in registry.parts("answering").items() if name != lab.RAG]
        ways = st.multiselect(
            "Ways of answering", names, list(USUAL.ways), key="agent_ways", bind="query-params", format_func=lab.title, width=340
        )
        about = "Temperature of the samples that vote at the agents' budget."
        warm = st.number_input("Temperature", 0.05, 2.0, USUAL.temperature, 0.05, key="agent_temperature", width=130, help=about)
    return AgentPlan(count, tuple(ways), warm)


def shown(made: AgentComparison, command: str) -> None:
    name = figures.measure_box(lab.MEASURES, "agents_by")
    config, table = made.draw.config, lab.table(made, name, command)
    titles = {arm: lab.title(arm) for arm in made.values}
    label = registry.find("measure", name)().label
    figures.forest(made.comparison, titles, name, label, config, table, len(made.draw.rows), "RAG")
    tables.sentences(lab.sentences(made, config.evaluation.confidence))
    tables.draw(table)
    tables.draw(lab.item_table(made, name, command))
