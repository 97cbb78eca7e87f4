"""Two recipes that were served side by side, compared by thumbs or by a measure, with a rule that says when to stop."""

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from core.config import TrialConfig
from core.errors import WorkbenchError
from core.judging.measure import AnswerMeasure
from core.pipeline.scores import at_hand, judge_tools
from core.records import Progress
from core.report.table import COUNT, MEAN, SIGNED, Column, Table, between, written
from core.serving.arms import FIRST, SECOND, SHADOW
from core.serving.feedback import FeedbackOn, feedback
from core.serving.quality import judge_in_order, measure_of_served
from core.serving.served import ANSWERING, ServedAnswer, served_answers
from core.statistics.proportion import unit_intervals
from core.statistics.stopping import ALIKE, BETTER, ON, WORSE, Stopping, pairs_to_go, sequential_difference
from core.workbench import Workbench

THUMBS, HOURS, MARGIN = "thumbs", 30 * 24.0, 0.05
MOST = 100  # answers that are judged at a time


class ServedComparison(NamedTuple):
    """by: thumbs, or the measure. paired: the same questions, in the shadow; else two samples of questions. rows: an arm each, as the table
    names them. waiting: answers whose scores are not there yet."""

    by: str
    paired: bool
    rows: list[dict[str, Any]]
    stopping: Stopping
    more: int | None
    margin: float
    waiting: int

    @property
    def sentence(self) -> str:
        verdict, difference = self.stopping.verdict, self.stopping.difference
        if verdict == ON and difference.mean is not None and difference.low is None:  # it drifts: more pairs decide nothing
            return f"After {self.stopping.pairs:,} pairs the difference is {difference.note}"
        if verdict == ON:
            about = (
                f"about {self.more:,} more pairs, if they are like those so far"
                if self.more
                else "how long cannot be estimated yet"
            )
            return f"Go on: after {self.stopping.pairs:,} pairs nothing is decided; {about}."
        bounds = f"by {written(difference.mean, SIGNED)} ({between(difference.low, difference.high)})"
        said = {BETTER: f"the second is better, {bounds}", WORSE: f"the second is worse, {bounds}"}
        said[ALIKE] = f"they are alike within {self.margin:g}"
        return f"Stop: {said[verdict]}, after {self.stopping.pairs:,} pairs."


def compare_arms(
    workbench: Workbench, name: str, by: str = THUMBS, hours: float = HOURS, margin: float = MARGIN
) -> ServedComparison:
    """Of what was answered as `name` in the last hours by the two recipes that answered last. Chance sends a question to one of them, not
    each time that it is asked, so that each counts once. margin: a smaller difference is none. Judges nothing: by a measure those answers
    count that came before the first without a score, so that their order is the same at every look."""
    if by == THUMBS:
        heard = {each.span for each in _of_recipes(_side_by_side(served_answers(workbench, hours, name)))}
        said: dict[tuple[str, ...], FeedbackOn] = {}
        for each in reversed(feedback(workbench, hours, name)):
            if each.answer and each.answer.span in heard:
                said.setdefault((each.answer.arm, each.client, _words(each.answer)), each)
        first, second = (
            [float(each.thumb == "up") for each in said.values() if each.answer.arm == arm] for arm in (FIRST, SECOND)
        )
        return _compared(by, False, np.array(first), np.array(second), margin, 0)
    measure, answers = _measure(by), _of_arms(workbench, name, hours)
    scores = _scores(workbench, measure, answers)
    shadows = {(answer.shadow_of, answer.question): scores[answer.span] for answer in answers if answer.shadow_of}
    if shadows:
        units = [(scores[each.span], shadows[each.trace, each.question]) for each in answers if not each.shadow_of]
        values = np.array(_before_open(units), np.float64).reshape(-1, 2)
        first, second = values[~np.isnan(values).any(axis=1)].T
    else:
        units = [(scores[each.span], each.arm) for each in answers]
        values = [(value, arm) for value, arm in _before_open(units) if value == value]
        first, second = (np.array([value for value, arm in values if arm == own], np.float64) for own in (FIRST, SECOND))
    return _compared(measure.label, bool(shadows), first, second, margin, sum(score is None for score in scores.values()))


def judge_arms(
    workbench: Workbench, name: str, by: str, hours: float = HOURS, most: int = MOST
) -> Generator[Progress, None, int]:
    """Judges answers of either recipe that are not judged yet, the oldest first; returns how many."""
    return (yield from judge_in_order(workbench, _of_arms(workbench, name, hours), most, by))


def arms_table(told: ServedComparison) -> Table:
    columns = (
        Column("arm", "Recipe", width=110),
        Column("answers", format=COUNT, help="That count so far: one a question."),
        Column("mean", format=MEAN, help="Of thumbs the share that is up.", direction=1),
        Column("low", "From", MEAN, "Of its 95% interval, for one look."),
        Column("high", "To", MEAN),
    )
    return Table("arms", columns, told.rows, f"Two recipes by {told.by.lower()}", "pairs of a question" if told.paired else "")


def _of_arms(workbench: Workbench, name: str, hours: float) -> list[ServedAnswer]:
    """In their order: those of A/B, or those that the shadow answered too, with its own; which of both was the last."""
    answers = served_answers(workbench, hours, name, (*ANSWERING, SHADOW))
    last = next((each for each in reversed(answers) if each.arm or each.shadow_of), None)
    if last is None or not last.shadow_of:
        return _once(_of_recipes(_side_by_side(answers)))
    answers = _of_recipes(_shadowed([each for each in answers if each.shadow_of or not each.arm]))
    first = _once([each for each in _shadowed(answers) if not each.shadow_of])  # whose shadow is the last recipe's
    pairs = {(each.trace, each.question) for each in first}
    return [each for each in answers if (each.shadow_of or each.trace, each.question) in pairs]


def _side_by_side(answers: Sequence[ServedAnswer]) -> list[ServedAnswer]:
    return [each for each in answers if each.arm and not each.shadow_of]


def _shadowed(answers: Sequence[ServedAnswer]) -> list[ServedAnswer]:
    there = {(each.shadow_of, each.question) for each in answers if each.shadow_of}  # a trace may have several questions
    return [each for each in answers if each.shadow_of or (each.trace, each.question) in there]


def _of_recipes(answers: Sequence[ServedAnswer]) -> list[ServedAnswer]:
    """Those since either side has the recipe that it had last: what an earlier one of the same name answered says nothing of it."""
    last = {_is_second(each): each.recipe for each in answers}
    other = [each.start_s for each in answers if each.recipe != last[_is_second(each)]]
    return [each for each in answers if each.start_s > max(other, default=0.0)]


def _is_second(answer: ServedAnswer) -> bool:
    return bool(answer.shadow_of) or answer.arm == SECOND


def _once(answers: Sequence[ServedAnswer]) -> list[ServedAnswer]:
    """Of each question the first answer of either side."""
    first = {(each.arm, _words(each)): each for each in reversed(answers)}
    return [each for each in answers if first[each.arm, _words(each)] is each]


def _words(answer: ServedAnswer) -> str:
    return " ".join(answer.question.split())


def _measure(by: str) -> AnswerMeasure:
    measure = measure_of_served(by)
    if measure.range != (0.0, 1.0):
        raise WorkbenchError(f"{measure.label} has no bounds, and the rule needs values from 0 to 1.", where="--by")
    return measure


def _scores(workbench: Workbench, measure: AnswerMeasure, answers: Sequence[ServedAnswer]) -> dict[str, float | None]:
    """By the span, turned so that more is better; NaN: it cannot be measured, None: not judged yet."""
    scores = at_hand(measure, [answer.case for answer in answers], judge_tools(workbench.pipeline, TrialConfig()))
    values = [score and (score.value if measure.direction > 0 else 1 - score.value) for score in scores]
    return {answer.span: value for answer, value in zip(answers, values, strict=True)}


def _before_open(units: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
    """Those before the first that holds a None."""
    return units[: next((place for place, unit in enumerate(units) if None in unit), len(units))]


def _compared(by: str, paired: bool, first: np.ndarray, second: np.ndarray, margin: float, waiting: int) -> ServedComparison:
    stopping, rows = sequential_difference(first, second, margin), []
    for arm, values in ((f"{FIRST}, the first", first), (f"{SECOND}, the second", second)):
        [mean] = unit_intervals(values)
        rows.append({"arm": arm, "answers": len(values), "mean": mean.mean, "low": mean.low, "high": mean.high})
    more = pairs_to_go(first, second, margin) if stopping.verdict == ON else None
    return ServedComparison(by, paired, rows, stopping, more, margin, waiting)
