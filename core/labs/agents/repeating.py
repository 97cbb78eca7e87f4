"""Agents asked the same questions several times: whether they are right every time, and how many repeats tell two of them apart.

A repeat is the same recipe with another seed, at a temperature. Verbs of the page Agents.
"""

from collections.abc import Generator
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.comparison.comparison import spread
from core.errors import WorkbenchError
from core.judging.reference import accepts
from core.labs.agents.comparing import title
from core.labs.answers import answering, arms
from core.labs.answers.answering import AnswerSet
from core.labs.answers.arms import Draw
from core.pipeline.stages import Recipe
from core.progress import counted_within, drain
from core.records import Progress
from core.report.table import MEAN, WHOLE, Column, Table
from core.statistics.power_difference import Means
from core.statistics.repeats import RepeatPlan, pass_all, repeat_plans
from core.workbench import Workbench

QUESTIONS, REPEATS = 20, 4  # where nobody says how many
WAYS = ("one_prompt", "react")
PLANNED = (1, 2, 4, 8, 16, 32, 64)  # repeats that a plan tells of
POWER = 0.8


class RepeatedPlan(NamedTuple):
    """ways: parts of the kind answering; two of them are told apart. difference: in F1, that one wants to see."""

    questions: int = QUESTIONS
    repeats: int = REPEATS
    ways: tuple[str, ...] = WAYS
    temperature: float = 0.7
    difference: float = 0.05


class RepeatedRuns(NamedTuple):
    """right, f1: way -> [questions, repeats], of ways that are whole. spread: of the differences between the first way and the second;
    None: not both are whole."""

    draw: Draw
    plan: RepeatedPlan
    right: dict[str, np.ndarray]
    f1: dict[str, np.ndarray]
    spread: Means | None
    plans: list[RepeatPlan]
    left: answering.AnswerCost

    @property
    def needed(self) -> int | None:
        """The fewest repeats of those planned that show the difference; None: none of them does."""
        return next((plan.repeats for plan in self.plans if plan.power >= POWER), None)


def repeat_agents(workbench: Workbench, recipe: Recipe, plan: RepeatedPlan) -> Generator[Progress, None, RepeatedRuns]:
    """Writes the repeats that are not recorded."""
    _check(plan)
    draw = yield from arms.fetched_draw(workbench, recipe, plan.questions)
    _warm(draw)
    sets = yield from _sets(draw, plan)
    for done, ((way, number), each) in enumerate(sets.items()):
        yield from counted_within(arms.write(workbench, [each]), Progress(done, len(sets), f"{title(way)}, repeat {number + 1}"))
    return standing(workbench, draw.run, plan)


def standing(workbench: Workbench, recipe: Recipe, plan: RepeatedPlan) -> RepeatedRuns:
    """What is known of it; asks no model."""
    _check(plan)
    draw = arms.standing_draw(workbench, recipe, plan.questions)
    _warm(draw)
    sets = drain(_sets(draw, plan))
    whole = [way for way in plan.ways if all(None not in each.answers for (own, _), each in sets.items() if own == way)]
    right = {way: np.column_stack([_right(sets[way, number]) for number in range(plan.repeats)]) for way in whole}
    f1 = {way: np.column_stack([_f1(draw, sets[way, number]) for number in range(plan.repeats)]) for way in whole}
    spread_, plans = None, []
    if len(whole) == 2 and plan.repeats > 1 and len(draw.rows) > 1:
        spread_, plans = repeat_plans(f1[plan.ways[0]], f1[plan.ways[1]], plan.difference, PLANNED)
    return RepeatedRuns(draw, plan, right, f1, spread_, plans, arms.missing(workbench, sets.values()))


def _check(plan: RepeatedPlan) -> None:
    for way in plan.ways:
        registry.find("answering", way)
    if not 1 <= len(set(plan.ways)) == len(plan.ways) <= 2:
        raise WorkbenchError("Choose one or two ways to repeat.", where="--ways", todo="For example: one_prompt,react")


def _warm(draw: Draw) -> None:
    if "temperature" not in type(draw.config.generation).model_fields:
        raise WorkbenchError(
            "This engine has no temperature setting, so its repeats cannot differ.",
            where="generation.part",
            todo="Choose another engine.",
        )


def _sets(draw: Draw, plan: RepeatedPlan) -> Generator[Progress, None, dict[tuple[str, int], AnswerSet]]:
    """(way, repeat) -> its answers to the same questions."""
    made = {}
    for way, number in product(plan.ways, range(plan.repeats)):
        settings = {"generation.temperature": plan.temperature, "seed": draw.config.seed + number}
        made[way, number] = yield from arms.answered_by(draw, way, settings)
    return made


def _right(made: AnswerSet) -> np.ndarray:
    style = made.evaluation.config.context.citations
    return np.array([accepts(said.text, query.answers, style) for said, query in zip(made.answers, made.queries, strict=True)])


def _f1(draw: Draw, made: AnswerSet) -> np.ndarray:
    return arms.text_values(draw, draw.queries, [said.text for said in made.answers], ("f1",))["f1"]


# As the page and the command show it ---------------------------------------------------------------------------------


def pass_rows(made: RepeatedRuns) -> list[dict[str, Any]]:
    """A row a way and k."""
    return [
        {"way": title(way), "k": k, "n": len(right), **spread("passes", made.draw.rules.mean(pass_all(right, k)))}
        for way, right in made.right.items()
        for k in range(1, right.shape[1] + 1)
    ]


def pass_table(made: RepeatedRuns, command: str = "") -> Table:
    columns = (
        Column("way", "Way"),
        Column("k", "k", WHOLE),
        Column("n", "n"),
        Column("passes", "pass^k", MEAN, "Chance that k repeats of a question are all right.", direction=1),
        *arms.interval_columns("passes"),
    )
    note = (
        f"{made.plan.repeats:,} repeats at temperature {made.plan.temperature:g}; right: holds a reference answer, or F1 from 0.5"
    )
    return Table("agents_repeats", columns, pass_rows(made), "Right every time", note, command)


def plan_rows(made: RepeatedRuns) -> list[dict[str, Any]]:
    return [plan._asdict() for plan in made.plans]


def plan_table(made: RepeatedRuns, command: str = "") -> Table:
    columns = (
        Column("repeats", "Repeats", WHOLE),
        Column("power", f"Power at {made.plan.difference:g}", MEAN, "Of the paired t test over these questions."),
        Column("least", "Smallest difference", MEAN, "In F1, that is shown with a power of 80%."),
    )
    note = f"n {len(made.draw.rows):,} questions; F1, from {made.plan.repeats:,} recorded repeats of each"
    return Table("agents_repeat_plan", columns, plan_rows(made), "What more repeats would show", note, command)


def sentences(made: RepeatedRuns) -> list[str]:
    told = []
    for way, right in made.right.items():
        first, last = (float(pass_all(right, k).mean()) for k in (1, right.shape[1]))
        told.append(f"{title(way)}: right once {first:.3f}, {right.shape[1]:,} times in a row {last:.3f}.")
    if made.spread:
        a, b = map(title, made.plan.ways)
        between, within = made.spread.sd_items, made.spread.sd_label
        told.append(
            f"{a} minus {b}: F1 {made.spread.difference:+.3f}; standard deviation {between:.3f} between "
            f"questions, {within:.3f} between repeats."
        )
        enough = f"{made.needed:,} repeats" if made.needed else f"not even {PLANNED[-1]:,} repeats are enough: use more questions"
        told.append(
            f"To show a difference of {made.plan.difference:g} on these {len(made.draw.rows):,} questions with 80%: {enough}."
        )
    return told
