"""How far a model's confidence tells its right answers from its wrong ones: the risk-coverage curve of a recipe's answers, the
threshold that reaches a wished share right, and what answers as sure as one were worth.

The answers are those of the recipe, as they were written and with log-probabilities, to questions drawn as on the other pages. An
answer that abstains by itself is silent at any threshold: it counts among the questions, and is neither right nor wrong. To a
question that the documents do not answer every other answer is wrong.
"""

from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.config import TrialConfig, with_settings
from core.corpus.library import split
from core.errors import WorkbenchError
from core.generation.odds import mean_probability
from core.judging.measure import AnswerCase, scores
from core.judging.reference import ACCEPTED
from core.labs.answers import answering
from core.labs.answers.answering import AnswerSet
from core.labs.scores import sets
from core.pipeline.confidence import UNTOLD, WITHHELD, check
from core.pipeline.scores import judge_tools
from core.progress import drain
from core.records import Answer, Corpus, Progress, plain
from core.report.table import MEAN, Column, Table, between
from core.statistics.bootstrap import Interval
from core.statistics.risk_coverage import RiskCoverage, answered_at, lowest_threshold, risk_coverage
from core.workbench import Workbench

SETTING = "context.confidence"
RIGHT_BY = ("f1", "em")  # measures that say whether an answer is right: from ACCEPTED on
WISHED = 0.8  # share right of those answered
LEAST = 1e-300  # a confidence that every answer reaches: it asks for log-probabilities, and withholds nothing
MOST_POINTS = 12  # of the curve that its table tells
ON_ASK = 200  # questions whose answers the page Ask looks at


class SureAnswers(NamedTuple):
    """A row an answer, in the order drawn."""

    ids: tuple[str, ...]  # of the questions
    sure: np.ndarray  # [n] mean probability of its tokens; NaN: it abstains
    right: np.ndarray  # [n] 1 or 0; NaN: not to be judged, or its engine told no log-probabilities
    groups: np.ndarray  # [n] questions with evidence in one document belong together
    cases: tuple[AnswerCase, ...]

    def among(self, ids: set[str]) -> "SureAnswers":
        rows = np.array([each in ids for each in self.ids], bool)
        texts, cases = (tuple(each for each, row in zip(column, rows, strict=True) if row) for column in (self.ids, self.cases))
        return SureAnswers(texts, self.sure[rows], self.right[rows], self.groups[rows], cases)

    def halves(self, corpus: Corpus) -> list["SureAnswers"]:
        """Those to the dev questions, and to the test questions."""
        return [self.among({query.id for query in split(corpus, half).queries}) for half in ("dev", "test")]


class Selected(NamedTuple):
    """What a threshold leaves. right: of those answered."""

    threshold: float
    coverage: Interval
    right: Interval


class Confidence(NamedTuple):
    questions: int  # drawn
    measure: str
    wished: float
    curve: RiskCoverage
    present: Selected  # the recipe's own threshold, on all
    chosen: Selected | None  # the lowest threshold that reaches the wish, on dev questions; None: none does
    on_test: Selected | None  # the same, on the test questions


def writing(config: TrialConfig) -> TrialConfig:
    """The recipe that writes the same answers, keeps how sure the model was, and withholds none."""
    check(with_settings(config, {SETTING: LEAST}))
    return with_settings(config, {SETTING: LEAST, "corpus.questions": "all"})


def sure_answers(workbench: Workbench, answers: AnswerSet, measure: str) -> SureAnswers:
    """How sure the model was of each answer that is recorded, and whether it is right by this measure."""
    rows, tools = sets.of_recipe(answers), judge_tools(workbench.pipeline, answers.evaluation.config)
    cases = [row.case for row in rows]
    stated, worth = (
        np.array([score.value for score in drain(scores(registry.find("measure", name)(), cases, tools))], np.float64)
        for name in ("answered", measure)
    )
    sure = np.array([mean_probability(case.tokens) for case in cases], np.float64)
    right = np.where(np.isnan(worth), np.nan, worth >= ACCEPTED)
    right[[case.answerable is False for case in cases]] = 0.0
    right[np.isnan(sure) | np.isnan(stated)] = np.nan
    right[stated == 0] = 0.0
    groups = np.array([row.group for row in rows], dtype=object)
    return SureAnswers(tuple(row.id for row in rows), np.where(stated == 1, sure, np.nan), right, groups, tuple(cases))


def measure_confidence(
    workbench: Workbench, config: TrialConfig, count: int, measure: str = RIGHT_BY[0], wished: float = WISHED
) -> Generator[Progress, None, Confidence]:
    """Writes what is not recorded of the recipe's answers to the first `count` questions drawn, and measures all of them."""
    answers = yield from answering.answer_questions(workbench, writing(config), count)
    return confidence_of(workbench, config, answers, measure, wished)


def confidence_of(workbench: Workbench, config: TrialConfig, answers: AnswerSet, measure: str, wished: float) -> Confidence:
    """What the recorded of these answers tell. WorkbenchError where none of them can be judged."""
    told, corpus = sure_answers(workbench, answers, measure), answers.evaluation.corpus
    if not (judged := ~np.isnan(told.right)).any() or np.isnan(told.sure[judged]).all():
        raise WorkbenchError(
            "No answer can be placed on the curve: each abstains, failed, has no reference answer, or came without log-probabilities.",
            todo="Ask more questions, or choose llama_cpp or transformers as generation.part.",
        )
    rules = config.evaluation
    curve = risk_coverage(told.sure, told.right, told.groups, rules.resamples, rules.confidence, config.seed)
    dev, test = told.halves(corpus)
    threshold = lowest_threshold(dev.sure, dev.right, wished)
    present = selected(told, config.context.confidence, rules.confidence)
    halves = [None if threshold is None else selected(half, threshold, rules.confidence) for half in (dev, test)]
    return Confidence(len(answers.rows), measure, wished, curve, present, *halves)


def selected(answers: SureAnswers, threshold: float, confidence: float) -> Selected:
    return Selected(threshold, *answered_at(answers.sure, answers.right, threshold, answers.groups, confidence))


def as_sure(workbench: Workbench, config: TrialConfig, answer: Answer) -> tuple[float, Interval] | None:
    """(mean probability of the answer's tokens, share right of the recorded answers of this recipe of which the model was at least
    as sure), by token F1; None where either is not there. Asks no model."""
    sure = mean_probability(answer.tokens)
    if np.isnan(sure):
        return None
    evaluation = drain(workbench.evaluating(with_settings(config, {SETTING: LEAST})))
    if not evaluation.corpus.queries:
        return None
    told = sure_answers(workbench, answering.answer_set(workbench, evaluation, ON_ASK), RIGHT_BY[0])
    right = selected(told, sure, config.evaluation.confidence).right
    return (sure, right) if right.n else None


def notes_of(answer: Answer) -> list[str]:
    """What of an answer's notes is about how sure the model was."""
    return [note for note in answer.notes if note.startswith(WITHHELD) or note == UNTOLD]


# What is told of it --------------------------------------------------------------------------------------------------


def label(measure: str) -> str:
    return registry.find("measure", measure)().label


def points(made: Confidence) -> list[dict[str, Any]]:
    """Points of the curve from the loosest threshold to the strictest, MOST_POINTS at most, evenly spread."""
    curve = made.curve
    at = np.unique(np.linspace(0, len(curve.thresholds) - 1, min(MOST_POINTS, len(curve.thresholds))).round().astype(int))[::-1]
    columns = (curve.thresholds, curve.coverage, curve.right, curve.low, curve.high)
    names = ("threshold", "answered", "right", "low", "high")
    values = ((None if np.isnan(each[place]) else float(each[place]) for each in columns) for place in at)
    return [dict(zip(names, row, strict=True)) for row in values]


def point_table(made: Confidence, command: str = "") -> Table:
    columns = (
        Column("threshold", "Threshold", MEAN, "Answered where the mean probability of the answer's tokens is at least this."),
        Column("answered", "Share answered", MEAN),
        Column("right", "Right of those", MEAN),
        Column("between", "95%", help="Wilson's, of the effective number of answers; of fewer than 10 none.", width=120),
    )
    rows = [row | {"between": between(row["low"], row["high"], MEAN)} for row in points(made)]
    return Table("risk_coverage", columns, rows, "Share answered and share right", f"Right: {judged_rule(made.measure)}", command)


def judged_rule(measure: str) -> str:
    """What counts as right by it."""
    return label(measure) if measure == "em" else f"{label(measure)} of at least {ACCEPTED:g}"


def sentences(made: Confidence) -> list[str]:
    """What the curve comes to, in words."""
    area, loosest = made.curve.area, made.curve.right[-1]
    bounds = "" if area.low is None else f" ({between(area.low, area.high, MEAN)})"
    told = [
        f"Of {made.questions:,} questions the model answers {area.n:,} by itself, {loosest:.1%} of them right "
        f"({judged_rule(made.measure)}).",
        f"Area under the risk-coverage curve {area.mean:.3f}{bounds}; it would be about {1 - loosest:.3f} if the model's "
        "confidence were uninformative.",
    ]
    if made.chosen is None:
        return [*told, f"At no threshold are {made.wished:.0%} of the answers to the dev questions right."]
    chosen, test = made.chosen, made.on_test
    told.append(
        f"On the dev questions a threshold of {chosen.threshold:.3f} answers {share_words(chosen.coverage)} of {chosen.coverage.n:,}, "
        f"{share_words(chosen.right)} of them right."
    )
    return [
        *told,
        f"On the test questions it answers {share_words(test.coverage)} of {test.coverage.n:,}, {share_words(test.right)} of them right.",
    ]


def share_words(share: Interval) -> str:
    if share.mean is None:
        return "none"
    return f"{share.mean:.1%}" + ("" if share.low is None else f" ({100 * share.low:.1f} to {100 * share.high:.1f})")


def record(made: Confidence) -> dict[str, Any]:
    """As the command line tells it."""
    whole = made._asdict() | {"curve": points(made), "area": made.curve.area, "told": sentences(made)}
    return plain(whole)
