"""The tab Steps: one observation replaced in many runs, and answers asked for after fewer calls."""

from typing import Any

import streamlit as st

from app import session
from app.ui import cards, jobs, tables
from app.ui.agents import figures
from core import registry
from core.config import TrialConfig
from core.labs.agents import mattering as lab
from core.labs.answers.answering import alike
from core.workbench import one_phase


def draw(recipe: TrialConfig, most: int) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = figures.questions(most, lab.QUESTIONS, "step_count")
        step = st.number_input("Step", 1, 10, 1, key="step_replaced", width=100, help="The call whose result is replaced.")
        calls = st.number_input(
            "Calls",
            1,
            10,
            lab.SEARCHES,
            key="step_calls",
            width=100,
            help="The answer is requested after each number of calls from 0 to below this; last is the whole run.",
        )
        measure = figures.measure_box(lab.MEASURES, "steps_by")
    _observations(recipe, lab.ObservationPlan(count, step), measure)
    _searches(recipe, lab.SearchPlan(count, calls), measure)


def _observations(recipe: TrialConfig, plan: lab.ObservationPlan, measure: str) -> None:
    workbench, words = session.workbench(), ["agents", "observe", "--ask", str(plan.questions), "--step", str(plan.step)]
    made = lab.observed(workbench, recipe, plan)
    _start(recipe, words, made, "Replace the observation")
    if any(made.n.values()):
        table = lab.observation_table(made, measure, workbench.command(recipe, *words))
        titles = {arm: name for arm, name in lab.TITLES.items() if made.n.get(arm)}
        _shown(recipe, made, titles, measure, table, "as recorded")
    elif not made.left:
        st.caption(f"No run on these questions makes {cards.count(plan.step, 'call')}.")


def _searches(recipe: TrialConfig, plan: lab.SearchPlan, measure: str) -> None:
    workbench, words = session.workbench(), ["agents", "searches", "--ask", str(plan.questions), "--calls", str(plan.calls)]
    made = lab.answered_early(workbench, recipe, plan)
    _start(recipe, words, made, "Ask for answers early")
    if not made.left:
        table = lab.search_table(made, measure, workbench.command(recipe, *words))
        titles = {calls: f"{calls}" for calls in made.answers} | {plan.calls: "Whole run"}
        _shown(recipe, made, titles, measure, table, "one call less")


def _start(recipe: TrialConfig, words: list[str], made: lab.Mattered, label: str) -> None:
    if made.left:
        takes = one_phase(cards.count(made.left, "answer") + " or more", units=made.left, like=alike(recipe.generation))
        jobs.start_button(label, [*words, *session.workbench().arguments(recipe)], label, takes, place=words[1])


def _shown(recipe: TrialConfig, made: lab.Mattered, titles: dict[Any, str], measure: str, table: Any, base: str) -> None:
    label = registry.find("measure", measure)().label
    figures.forest(made.comparison, titles, measure, label, recipe, table, len(made.draw.rows), base)
    tables.sentences(lab.sentences(made, recipe.evaluation.confidence))
    tables.draw(table)
