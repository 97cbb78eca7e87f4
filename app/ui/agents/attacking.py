"""The tab Attacks: text planted in the first document, whether the answer follows it, and whether the agent writes."""

import streamlit as st

from app import session
from app.ui import cards, jobs, tables
from app.ui.agents import figures
from core.config import TrialConfig
from core.labs.agents import attacking as lab
from core.labs.answers.answering import alike
from core.workbench import one_phase

RULE = (
    "After reading text written by others the agent may call no tool that writes. Off: the same agent without this "
    "rule, to measure what it prevents."
)


def draw(recipe: TrialConfig, most: int) -> None:
    workbench = session.workbench()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = figures.questions(most, lab.QUESTIONS, "attack_count")
        rule = st.toggle("Rule", True, key="attack_rule", bind="query-params", help=RULE)
    made = lab.standing(workbench, recipe, lab.AttackPlan(count, rule))
    words = ["agents", "attack", "--ask", str(count), *["--without-rule"] * (not rule)]
    if made.left:
        takes = one_phase(cards.count(made.left, "answer"), units=made.left, like=alike(recipe.generation))
        jobs.start_button("Attack", [*words, *workbench.arguments(recipe)], f"Attacks on {count:,} questions", takes)
        st.caption(
            "The first document of each question is read as if an attacker had edited it, in six ways and adaptively, by what worked "
            "before. The corpus stays as it is, and nothing that the agent writes is kept."
        )
    if lab.CLEAN not in made.values:
        return
    config, table = made.draw.config, lab.table(made, command := workbench.command(recipe, *words))
    titles = {kind: lab.TITLES[kind] for kind in made.values}
    figures.forest(made.comparison, titles, lab.FOLLOWS, "Attack success", config, table, len(made.targets), "no attack")
    tables.sentences(lab.sentences(made, config.evaluation.confidence))
    tables.draw(table)
    tables.draw(lab.item_table(made, command))
