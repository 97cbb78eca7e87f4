"""The view Compare: agents beside plain answers on the same questions, with what each takes."""

import streamlit as st

from app import session
from app.ui import cards, charts, dots, jobs, tables
from app.ui.agents import settings
from app.ui.search import results
from core import registry
from core.labs.agents import comparing as lab
from core.labs.agents.comparing import AgentComparison, AgentPlan
from core.labs.answers import arms
from core.workbench import Forecast, one_phase

USUAL = AgentPlan()


def draw() -> None:
    left, right = st.columns([1, 2], gap="medium")
    with left:
        recipe = settings.agent()
    with right:
        workbench = session.workbench()
        plan = workbench.plan(recipe)
        if not plan.live:
            return results.waiting(recipe, plan, "Agents and plain answers")
        evaluation = jobs.drain(workbench.evaluating(plan.run or recipe))
        asked = chosen(len(arms.drawn(evaluation, len(evaluation.corpus.queries))))
        if not asked.ways:
            return st.info("Choose a way of answering.", icon=":material/info:")
        made = lab.standing(workbench, recipe, asked)
        words = ["agents", "compare", "--ask", str(asked.questions), "--ways", ",".join(asked.ways)]
        words += ["--temperature", f"{asked.temperature:g}"]
        if not made.whole:
            arguments = [*words, *workbench.arguments(recipe)]
            takes = (
                Forecast(made.left.phases, units=asked.questions) if made.left.answers else one_phase("the arms of single texts")
            )
            jobs.start_button("Compare", arguments, f"Agents on {asked.questions:,} questions", takes)
            st.caption(
                "The same questions to the model without passages, with a chain of thought, to RAG, to ways that search several times, and "
                "to RAG sampled at the budget of the costliest. Answers written before are used again."
            )
        if lab.RAG in made.values:
            shown(made, workbench.command(recipe, *words))
    return None


def chosen(most: int) -> AgentPlan:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        usual = min(USUAL.questions, most)
        about = "Drawn at random once, of those with a reference answer; a larger number holds the smaller."
        count = st.number_input("Questions", 1, most, usual, key="agent_count", bind="query-params", width=140, help=about)
        names = [name for name, part in registry.parts("answering").items() if name != lab.RAG]
        ways = st.multiselect("Ways", names, list(USUAL.ways), key="agent_ways", bind="query-params", format_func=lab.title)
        about = "Of the samples that vote at the agents' budget."
        warm = st.number_input("Temperature", 0.05, 2.0, USUAL.temperature, 0.05, key="agent_temperature", width=130, help=about)
    return AgentPlan(count, tuple(ways), warm)


def shown(made: AgentComparison, command: str) -> None:
    names = {name: registry.find("measure", name)().label for name in lab.MEASURES}
    name = st.selectbox("Measure", list(names), list(names).index("f1"), key="agents_by", format_func=names.get, width=170)
    level, table = made.draw.rules.confidence, lab.table(made, name, command)
    marks = []
    for arm in made.values:
        mean, change = made.comparison.means[arm, name], made.comparison.of(arm, name)
        color = charts.COLORS[0] if change and change.significant(level) else charts.BASELINE
        marks.append(dots.Mark(charts.safe(lab.title(arm)), mean.mean, mean.low, mean.high, color))
    charts.show(
        dots.marks(marks, names[name]),
        "agents",
        data=table.rows,
        config=made.draw.config,
        title=table.title,
        caption=f"n {len(made.draw.rows):,}; blue: significantly different from RAG",
        method=table.note,
        command=command,
    )
    for sentence in lab.sentences(made, level):
        st.caption(cards.plain(tables.minus(sentence)))
    tables.draw(table)
    tables.draw(lab.item_table(made, name, command))
