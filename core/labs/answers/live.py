"""What a recipe's answers are worth while they come in: intervals that hold at every look, and whether what retrieval gained
became a gain of the answers. Verbs of the page Search, live."""

from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.config import code_version, fingerprint
from core.judging.measure import AnswerMeasure, scores
from core.labs.answers.answering import AnswerSet, can_be_judged, cases
from core.labs.scores.answer_file import line_of
from core.labs.scores.judging import in_order
from core.pipeline.scores import at_hand, judge_tools, kept_scores
from core.progress import drain
from core.records import Progress
from core.statistics.anytime import anytime_interval
from core.statistics.bootstrap import Interval
from core.workbench import Workbench

JUDGED = "answer_scores"  # what this process remembers of scores


class LiveScore(NamedTuple):
    """A measure of the questions answered so far, with an interval that holds at every look."""

    measure: AnswerMeasure
    interval: Interval


class Gain(NamedTuple):
    """What the recipe gains over the baseline on the questions that both answered, with an interval that holds at every look."""

    label: str
    of_answers: bool  # else of retrieval
    direction: int
    difference: Interval


class Parted(NamedTuple):
    """A question on which the gain of retrieval did not become one of the answer, or the answer gained without it."""

    row: int
    retrieval: tuple[float, float]  # the baseline's, this recipe's
    answer: tuple[float, float]


def shown_measures() -> list[AnswerMeasure]:
    """The headline measures that ask no generator, in the order of display."""
    every = [part() for part in registry.parts("measure").values()]
    return in_order([each for each in every if each.headline and not each.asks_model and not each.absent()])


def is_quick(measure: AnswerMeasure) -> bool:
    """Whether it reads words alone, so that a page need not wait for it."""
    return not (measure.asks_model or measure.encodes or measure.identity())


class MeasureValues(NamedTuple):
    """Scores in the order drawn. values [n] float64, NaN: not there, or not measurable; there [n] bool: answered and judged."""

    values: np.ndarray
    there: np.ndarray


def judged(workbench: Workbench, answers: AnswerSet, measure: AnswerMeasure) -> MeasureValues:
    """What a measure says of the answers known; of one that takes a model, as far as the job has scored them."""
    memory = workbench.pipeline.remember(JUDGED, "", dict)
    holds = answers.evaluation.config.evaluation.overlap  # by which a passage holds the evidence
    name = fingerprint(measure, measure.identity(), code_version(type(measure)), holds)
    # a process scores an answer once: what is asked for each time one looks has to be quick
    keys = [(name, each.key, query) for each, query in zip(answers.askings, answers.queries, strict=True)]
    new = [n for n, said in enumerate(answers.answers) if said is not None and keys[n] not in memory]
    if new:
        every, tools = cases(answers, new), judge_tools(workbench.pipeline, answers.evaluation.config)
        made = drain(scores(measure, every, tools)) if is_quick(measure) else at_hand(measure, every, tools)
        memory.update({keys[n]: score.value for n, score in zip(new, made, strict=True) if score is not None})
    there = np.array([said is not None and key in memory for key, said in zip(keys, answers.answers, strict=True)], bool)
    values = np.full(len(keys), np.nan)
    values[there] = [memory[keys[n]] for n in np.flatnonzero(there)]
    return MeasureValues(values, there)


def judge_answers(workbench: Workbench, answers: AnswerSet) -> Generator[Progress, None, None]:
    """Scores what is known by the measures that take a model."""
    places = [n for n, said in enumerate(answers.answers) if said is not None]
    for measure in shown_measures():
        if not is_quick(measure):
            yield from kept_scores(measure, cases(answers, places), judge_tools(workbench.pipeline, answers.evaluation.config))


def live(workbench: Workbench, answers: AnswerSet) -> list[LiveScore]:
    """Each measure of the questions answered so far."""
    level, number = answers.evaluation.config.evaluation.confidence, _drawable(answers)
    scored = [(measure, judged(workbench, answers, measure)) for measure in shown_measures()]
    return [LiveScore(measure, so_far(*made, *measure.range, level, number)) for measure, made in scored]


def so_far(values: np.ndarray, there: np.ndarray, low: float, high: float, confidence: float, of: int) -> Interval:
    """Mean of the values that are there [n], in the order drawn, with an interval that holds at every moment.

    A job answers in that order. After a change of the recipe those whose context it left alone are there first, and are no random
    draw: so each that is missing before the last counts once as the worst and once as the best possible, and the interval is wide
    until they are in.
    """
    interval = anytime_interval(values[there], low, high, confidence, of)
    end = int(np.flatnonzero(there)[-1]) + 1 if there.any() else 0
    gaps = ~there[:end]
    if not gaps.any() or interval.mean is None:
        return interval
    ends = [anytime_interval(np.where(gaps, value, values[:end]), low, high, confidence, of) for value in (low, high)]
    bounds = [low if any(each.low is None for each in ends) else min(each.low for each in ends)]
    bounds += [high if any(each.high is None for each in ends) else max(each.high for each in ends)]
    return interval._replace(low=bounds[0], high=bounds[1], note="")


def _drawable(answers: AnswerSet) -> int:
    """Questions that could be drawn."""
    queries = answers.evaluation.corpus.queries
    return sum(map(can_be_judged, queries)) or len(queries)


def gains(workbench: Workbench, current: AnswerSet, baseline: AnswerSet, metric: str) -> list[Gain]:
    """Each measure's, behind that of retrieval, on the same questions: those that both have answered so far."""
    level, number = current.evaluation.config.evaluation.confidence, _drawable(current)

    def told(label: str, of_answers: bool, direction: int, width: float, difference: np.ndarray, both: np.ndarray) -> Gain:
        return Gain(label, of_answers, direction, so_far(difference, both, -width, width, level, number))

    rows = np.array(current.rows, int)
    ranked = current.evaluation.values[metric][rows] - baseline.evaluation.values[metric][rows]
    both = answered(current) & answered(baseline)
    made = [told(metric, False, registry.find("metric", metric).direction, 1.0, ranked, both)]
    for measure in shown_measures():
        after, before = (judged(workbench, each, measure) for each in (current, baseline))
        both, width = after.there & before.there, measure.range[1] - measure.range[0]
        made.append(told(measure.label, True, measure.direction, width, after.values - before.values, both))
    return made


def answered(answers: AnswerSet) -> np.ndarray:
    """Whether each question has an answer [n] bool."""
    return np.array([said is not None for said in answers.answers], bool)


def parted(
    workbench: Workbench, current: AnswerSet, baseline: AnswerSet, metric: str, measure: AnswerMeasure
) -> tuple[list[Parted], list[Parted]]:
    """(questions that retrieval does better and the answer does not, those that the answer does better and retrieval does not),
    of all that both answered; the largest gain first."""
    rows = np.array(current.rows, int)
    ranked = [each.evaluation.values[metric][rows] for each in (baseline, current)]
    said = [judged(workbench, each, measure).values for each in (baseline, current)]
    up = registry.find("metric", metric).direction or 1, measure.direction or 1
    gained, told = up[0] * (ranked[1] - ranked[0]), up[1] * (said[1] - said[0])
    lists = []
    for more, less in ((gained, told), (told, gained)):
        places = [n for n in np.argsort(-more, kind="stable").tolist() if more[n] > 1e-12 and less[n] <= 1e-12]
        lists.append([Parted(int(rows[n]), (ranked[0][n], ranked[1][n]), (said[0][n], said[1][n])) for n in places])
    return lists[0], lists[1]


def records(answers: AnswerSet) -> list[dict[str, Any]]:
    """The known answers as `scores file` reads them, with what they took."""
    places, made = np.flatnonzero(answered(answers)).tolist(), []
    for n, held in zip(places, cases(answers, places), strict=True):
        query, said = answers.queries[n], answers.answers[n]
        spent = {"prompt_tokens": said.prompt_tokens, "answer_tokens": said.answer_tokens, "seconds": said.seconds}
        made.append(line_of(held, query.id) | spent | {"cost_usd": said.cost_usd})
    return made
