"""Arms that answer the same questions: how these are drawn, what is still to be written and what that takes, the job that writes it, and
what the answers are worth.

A lab names its arms and what each of them asks; `core.comparison` tells them apart.
"""

from collections.abc import Callable, Generator, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.comparison.comparison import Rules, rules_of
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.generation.model_texts import TextTools, untaught
from core.judging.measure import AnswerCase, scores
from core.labs.answers import answering
from core.labs.answers.answering import AnswerCost, AnswerSet
from core.pipeline.answers import AskedContext
from core.pipeline.scores import judge_tools
from core.pipeline.stages import Recipe, Resolved
from core.progress import drain
from core.records import Progress, Query
from core.report.table import MEAN, Column
from core.workbench import Evaluation, Workbench, fetched

Arms = Mapping[Hashable, AnswerSet]  # arm -> what it asks, and what is recorded of that; all over the same questions


class Draw(NamedTuple):
    """Questions of a recipe that all arms are asked, in the order drawn."""

    workbench: Workbench
    evaluation: Evaluation
    rows: list[int]

    @property
    def run(self) -> Resolved:
        return self.evaluation.run

    @property
    def config(self) -> TrialConfig:
        return self.evaluation.config

    @property
    def queries(self) -> list[Query]:
        return [self.evaluation.corpus.queries[row] for row in self.rows]

    @property
    def rules(self) -> Rules:
        return rules_of(self.config)

    @property
    def writing(self) -> TextTools:
        """With what the recipe's model writes texts that are no answers of the recipe: the adapter that ships did not learn these."""
        tools = self.workbench.pipeline.text_tools(self.config)
        return tools._replace(generator=untaught(tools.generator))

    def over_retrieved(self) -> tuple[AskedContext, ...]:
        """What the recipe itself asks."""
        return answering.askings(self.workbench, self.evaluation, self.rows)

    def arms(self, asked: Mapping[Hashable, Sequence[AskedContext | None]]) -> dict[Hashable, AnswerSet]:
        """asked: arm -> what it asks of each question; None: nothing."""
        return {arm: answering.recorded_set(self.workbench, self.evaluation, self.rows, some) for arm, some in asked.items()}


def answered_by(draw: Draw, way: str, settings: Mapping[str, Any] = {}) -> Generator[Progress, None, AnswerSet]:
    """What is known of the answers in this way of answering, by the recipe's own settings of the way where it has that. settings: of the
    recipe, that are other ones besides."""
    other = {} if draw.config.answering.part == way else {"answering.part": way}
    evaluation = yield from draw.workbench.evaluating(draw.run.of(with_settings(draw.config, {**settings, **other})))
    return answering.recorded_set(draw.workbench, evaluation, draw.rows)


def drawn(evaluation: Evaluation, count: int, evidence: bool = False) -> list[int]:
    """Rows of the questions that are asked, drawn once, of those with a reference answer, or with evidence besides."""
    queries = evaluation.corpus.queries
    rows = [row for row in answering.drawn(queries, evaluation.config.seed, len(queries)) if queries[row].answers]
    rows = [row for row in rows if not evidence or queries[row].relevant][:count]
    if not rows:
        what = "a reference answer and evidence" if evidence else "a reference answer"
        raise WorkbenchError(
            f"'{evaluation.corpus.name}' has no question with {what}.", todo="Choose a corpus whose questions have answers."
        )
    return rows


def fetched_draw(workbench: Workbench, recipe: Recipe, count: int, evidence: bool = False) -> Generator[Progress, None, Draw]:
    """For a job: the recipe's models are fetched first."""
    run = yield from workbench.pipeline.resolve(recipe)
    yield from fetched(run.config, answering=True)
    evaluation = yield from workbench.evaluating(run)
    return Draw(workbench, evaluation, drawn(evaluation, count, evidence))


def standing_draw(workbench: Workbench, recipe: Recipe, count: int, evidence: bool = False) -> Draw:
    """For who looks at what is recorded."""
    evaluation = drain(workbench.evaluating(recipe))
    return Draw(workbench, evaluation, drawn(evaluation, count, evidence))


# What is recorded ----------------------------------------------------------------------------------------------------


def missing(workbench: Workbench, arms: Iterable[AnswerSet]) -> AnswerCost:
    """What the answers take that are not recorded, of all arms."""
    by_way: dict[Any, list[AnswerSet]] = {}
    for each in arms:
        by_way.setdefault((each.evaluation.config.generation, each.evaluation.config.answering), []).append(each)
    costs = []
    for some in by_way.values():
        asked = [pair for each in some for pair in zip(each.askings, each.answers, strict=True) if pair[0]]
        read = {context.key for context, answer in asked if answer}  # a job may record more before these are looked at
        costs.append(answering.cost(workbench, some[0].evaluation.config, [context for context, _ in asked], read))
    return answering.together(costs)


def write(workbench: Workbench, arms: Sequence[AnswerSet]) -> Generator[Progress, None, None]:
    """Writes what is not recorded, of arms by one recipe. Question by question: what a stopped job has written is a sample of all."""
    asked = [context for some in zip(*(each.askings for each in arms), strict=True) for context in some if context]
    yield from answering.write(workbench, arms[0].evaluation.run, asked)


def scored(
    workbench: Workbench, config: TrialConfig, cases: Sequence[AnswerCase], measures: Iterable[str]
) -> dict[str, np.ndarray]:
    """measure -> the score of each case [cases] float64; NaN: unmeasured."""
    tools = judge_tools(workbench.pipeline, config)
    made = {name: drain(scores(registry.find("measure", name)(), cases, tools)) for name in measures}
    return {name: np.array([score.value for score in some], np.float64) for name, some in made.items()}


def text_values(
    draw: Draw, queries: Sequence[Query], texts: Sequence[str | None], measures: Iterable[str]
) -> dict[str, np.ndarray]:
    """measure -> the score of each text [texts] float64 beside its question's reference answers alone; NaN where there is no text, 0
    where it has no score, as an empty one."""
    style, places = draw.config.context.citations, [place for place, text in enumerate(texts) if text is not None]
    cases = [AnswerCase(queries[n].text, texts[n], (), queries[n].answers, citations=style) for n in places]
    made = {}
    for name, column in scored(draw.workbench, draw.config, cases, measures).items():
        made[name] = np.full(len(texts), np.nan)
        made[name][places] = np.nan_to_num(column)
    return made


def values(
    workbench: Workbench,
    answers: AnswerSet,
    measures: Iterable[str],
    judged_by: Callable[[int, AnswerCase], AnswerCase] = lambda place, case: case,
) -> dict[str, np.ndarray]:
    """measure -> the score of each question's answer, NaN where there is none. judged_by: what an arm holds the answer at a place
    of the draw against."""
    places = [place for place, said in enumerate(answers.answers) if said is not None]
    cases = [judged_by(*each) for each in zip(places, answering.cases(answers, places), strict=True)]
    table = scored(workbench, answers.evaluation.config, cases, measures)
    made = {name: np.full(len(answers.rows), np.nan) for name in table}
    for name, column in made.items():
        column[places] = table[name]
    return made


def interval_columns(measure: str) -> tuple[Column, ...]:
    """Of the mean's interval."""
    return tuple(Column(f"{measure} {end}", end.capitalize(), MEAN) for end in ("low", "high"))


def measure_column(measure: str, key: str = "", label: str = "") -> Column:
    """Of the scores by a measure."""
    own = registry.find("measure", measure)
    return Column(key or measure, label or own.label, MEAN, direction=own.direction)
