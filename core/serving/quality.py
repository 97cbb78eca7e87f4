"""The budget of unfaithful answers: what was answered is judged by a measure, whose verdicts people's labels of a sample correct."""

from collections.abc import Generator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.config import TrialConfig, fingerprint
from core.errors import WorkbenchError
from core.judging.measure import AnswerMeasure
from core.pipeline.forecast import Forecast, one_phase
from core.pipeline.scores import at_hand, judge_tools, kept_scores
from core.progress import counted
from core.records import Progress
from core.report.table import COUNT, PERCENT, Column, Table
from core.serving.judged_by_people import ServedSample, newest_sample, unfaithful, wording
from core.serving.served import ServedAnswer, served_answers
from core.statistics.bootstrap import Interval, numbered
from core.statistics.burn_rate import QualityBudget, quality_budget, running_quality_budget
from core.statistics.corrected import Corrected
from core.statistics.prediction_powered import prediction_powered
from core.statistics.proportion import wilson_grouped
from core.workbench import Workbench

MEASURE, TARGET = "faithfulness", 0.95
HOURS = 30 * 24.0
MOST = 100  # answers that are judged at a time
ALONE, PEOPLE = "the measure alone, uncorrected", "people alone"
CORRECTED, ALWAYS = "the measure, corrected by people", "the same, for all looks together"


class Quality(NamedTuple):
    """rows: as `quality_table` names them. study: with the sampled labels; "": there is none."""

    name: str
    measure: str
    least: float  # score from which an answer counts as faithful
    target: float
    answers: int
    judged: int
    unmeasured: int  # the measure has no score for them, as where nothing is claimed
    waiting: int  # not judged yet
    study: str
    labelled: int  # of the sample, with a verdict of people on the whole answer
    drawn: int
    rows: list[dict[str, Any]]
    note: str

    @property
    def sentence(self) -> str:
        """What is left of the budget, by the best that is known."""
        told = {row["how"]: row for row in self.rows if row["used"] is not None}
        best = next((told[how] for how in (CORRECTED, ALWAYS, PEOPLE, ALONE) if how in told), None)
        if best is None:
            return f"None of its {self.answers:,} answers has a score yet."
        bounds = f" ({best['used_low']:.0%} to {best['used_high']:.0%})" if best["used_low"] is not None else ""
        return f"{best['used']:.0%} of the budget of unfaithful answers is used{bounds}: {best['how']}. {self.note}".strip()


def judge_served(
    workbench: Workbench, name: str, hours: float = HOURS, most: int = MOST, measure: str = MEASURE
) -> Generator[Progress, None, int]:
    """Judges answers of the last hours that are not judged yet, in a random order; returns how many. What is judged is recorded as any
    other score, by its content."""
    answers = sorted(served_answers(workbench, hours, name), key=lambda answer: answer.span[8:])
    return (yield from judge_in_order(workbench, answers, most, measure))


def judge_in_order(
    workbench: Workbench, answers: Sequence[ServedAnswer], most: int, measure: str
) -> Generator[Progress, None, int]:
    """The first of these that are not judged yet."""
    part, tools = measure_of_served(measure), judge_tools(workbench.pipeline, TrialConfig())
    if part.absent():
        yield Progress(0, 0, f"Fetching the model of {part.label}")
        part.fetch()
    cases = list({answer.case: None for answer in answers})
    waiting = [case for case, score in zip(cases, at_hand(part, cases, tools), strict=True) if score is None][:most]
    yield from kept_scores(part, waiting, tools)
    return len(waiting)


def judge_cost(waiting: int) -> Forecast:
    """What judging so many answers takes, of which a call judges `MOST`."""
    number = min(MOST, waiting)
    return one_phase(counted(number, "answer"), units=max(1, number))


def quality(
    workbench: Workbench,
    name: str,
    hours: float = HOURS,
    target: float = TARGET,
    measure: str = MEASURE,
    least: float | None = None,
) -> Quality:
    """How much of the budget 1 - target of unfaithful answers those of the last hours used: by the measure alone, by people alone, and by
    the measure corrected with the labels of the newest sample, over the answers of its time, for one look and for all. Judges nothing.
    least: the score from which an answer counts as faithful; None: the measure's own."""
    part = measure_of_served(measure)
    least = part.fixed_threshold() if least is None else least
    if least is None:
        raise WorkbenchError(
            f"{part.label} has no score of its own from which an answer counts as faithful.", todo="Give --least."
        )
    answers = served_answers(workbench, hours, name)
    scores = at_hand(part, [answer.case for answer in answers], judge_tools(workbench.pipeline, TrialConfig()))
    sample = newest_sample(workbench, name)
    said = unfaithful(workbench, sample.study) if sample else {}
    measured = [
        (answer, score.value) for answer, score in zip(answers, scores, strict=True) if score and score.value == score.value
    ]
    bad = np.array([value * part.direction < least * part.direction for _, value in measured], np.float64)
    waiting = [answer for answer, score in zip(answers, scores, strict=True) if score is None]
    judged = len(answers) - len(waiting)
    rows, note = _rows([answer for answer, _ in measured], bad, waiting, sample, said, target, answers)
    about = {"name": name, "measure": part.label, "least": least, "target": target, "answers": len(answers)}
    about |= {"judged": len(measured), "unmeasured": judged - len(measured), "waiting": len(waiting)}
    of_people = {"study": sample.study, "drawn": sample.drawn} if sample else {"study": "", "drawn": 0}
    return Quality(**about, **of_people, labelled=len(said), rows=rows, note=note)


def quality_table(told: Quality) -> Table:
    columns = (
        Column("how", "Told by", width=260),
        Column("share", "Unfaithful", PERCENT, direction=-1),
        Column("low", "From", PERCENT, "Of its 95% interval."),
        Column("high", "To", PERCENT),
        Column("used", "Budget used", PERCENT, f"That share over the {1 - told.target:.2%} that may be.", direction=-1),
        Column("used_low", "Used from", PERCENT),
        Column("used_high", "Used to", PERCENT),
        Column("answers", format=COUNT),
        Column("labels", "People's", COUNT, "Verdicts of people on whole answers."),
        Column("note", width=300),
    )
    return Table(
        "quality_budget", columns, told.rows, "Budget of unfaithful answers", f"{told.measure}, target {told.target:.2%}"
    )


def _rows(
    answers: Sequence[ServedAnswer],
    bad: np.ndarray,
    waiting: Sequence[ServedAnswer],
    sample: ServedSample | None,
    said: dict[tuple[str, str], bool],
    target: float,
    every: Sequence[ServedAnswer],
) -> tuple[list[dict[str, Any]], str]:
    """bad [n]: 1 where the measure calls an answer unfaithful. waiting: answers that it has not judged. every: all."""
    wordings = [wording(answer.question, answer.text) for answer in answers]
    groups = numbered(np.array([fingerprint(each) for each in wordings]))
    rows = [_row(ALONE, _over(wilson_grouped(bad, groups), target), len(bad), 0)]
    if sample is None:
        return rows, "No sample of its answers was given to people, so it is not corrected for the measure's errors."
    words = (wording(answer.question, answer.text) for answer in every if sample.holds(answer))
    if not (judged := [each for each in words if each in said]):
        return rows, f"Nobody has judged answers of the study {sample.study} yet, so it is not corrected."
    alone = wilson_grouped(
        np.array([said[each] for each in judged], np.float64), numbered(np.array(list(map(fingerprint, judged))))
    )
    rows.append(_row(PEOPLE, _over(alone, target), 0, len(judged)))
    covered = np.flatnonzero([sample.covers(answer) for answer in answers])
    drawn, bad, groups = np.array([sample.holds(answers[row]) for row in covered], bool), bad[covered], groups[covered]
    human = np.where(drawn, [float(said.get(wordings[row], np.nan)) for row in covered], np.nan)
    labelled = ~np.isnan(human)
    if not labelled.any():
        return rows, "The measure has judged none of the answers that people have, so it is not corrected."
    correct = partial(prediction_powered, groups=groups[labelled], other_groups=groups[~labelled])
    rows.append(_row(CORRECTED, quality_budget(bad, human, target, correct), len(bad), labelled.sum()))
    missing = np.flatnonzero(drawn & ~labelled)
    until = int(missing[0]) if len(missing) else len(bad)
    if any(map(sample.covers, waiting)):
        return rows, "An interval valid at all looks needs all answers of the sample's time judged."
    running = running_quality_budget(bad[:until], human[:until], target, sample.share)
    note = "up to the first answer that was drawn and has no verdict of people" if len(missing) else ""
    return [*rows, _row(ALWAYS, running, until, labelled[:until].sum()) | ({"note": note} if note else {})], ""


def _over(share: Interval, target: float) -> QualityBudget:
    return QualityBudget(share, *(None if bound is None else bound / (1 - target) for bound in share[:3]))


def _row(how: str, told: QualityBudget, answers: int, labels: int) -> dict[str, Any]:
    share = told.share
    value = share.value if isinstance(share, Corrected) else share.mean
    row = {"how": how, "share": value, "low": share.low, "high": share.high, "used": told.burn, "used_low": told.low}
    return row | {"used_high": told.high, "answers": answers, "labels": int(labels), "note": share.note}


def measure_of_served(name: str) -> AnswerMeasure:
    """One that needs no more than a served answer has."""
    part = registry.find("measure", name)()
    if not part.direction or set(part.needs) - {"passages"}:
        what = f"{part.label} cannot judge a served answer, which has its passages alone."
        raise WorkbenchError(what, where="--measure", todo="`python -m core list measure` shows what each needs.")
    return part
