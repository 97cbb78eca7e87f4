"""What a threshold on the refusal's first word is worth (`generation.refusal`): at each the share answered and the share right of
those, how often it abstains though the passages hold the answer, and how often where they do not.

An abstention does not tell what would have come in its place. So all are written with threshold 1, at which the model
never abstains by its first word, and with log-probabilities: they tell from which threshold on the refusal is not written. At any
other one the recipe writes the refusal where it is the likeliest beginning and reaches the threshold, else this same answer. That
holds where the likeliest token is taken, and of one prompt a question.
"""

from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from core.answering.one_prompt import OnePrompt
from core.config import TrialConfig, with_settings
from core.context.prompt import UNKNOWN, written
from core.errors import WorkbenchError
from core.generation.refusing import first_odds
from core.judging.measure import AnswerCase
from core.labs.answers import answering
from core.labs.answers.answering import AnswerSet
from core.labs.scores.confidence import LEAST, ON_ASK, RIGHT_BY, WISHED, SureAnswers, judged_rule, share_words, sure_answers
from core.progress import drain
from core.records import Answer, Progress, plain
from core.report.table import MEAN, Column, Table, between
from core.statistics.bootstrap import Interval
from core.statistics.proportion import wilson_grouped
from core.workbench import Workbench

SETTING = "generation.refusal"
THRESHOLDS = tuple(step / 20 for step in range(21))  # those that the setting's slider has


class RefusalShares(NamedTuple):
    """What a threshold comes to. right: of those answered."""

    threshold: float
    answered: Interval
    right: Interval
    wrongly: Interval  # abstained, of the questions whose answer the passages hold
    rightly: Interval  # abstained, of those whose answer they do not hold


class RefusalCurve(NamedTuple):
    questions: int  # drawn
    measure: str
    wished: float
    curve: tuple[RefusalShares, ...]  # ascending
    present: RefusalShares  # the recipe's own threshold, on all
    chosen: RefusalShares | None  # that answers most and reaches the wish, on dev questions; None: none does
    on_test: RefusalShares | None  # the same, on the test questions


def writing(config: TrialConfig) -> TrialConfig:
    """The recipe that never abstains by its first word, and tells how likely it was to."""
    check(config)
    least = config.context.confidence or LEAST
    return with_settings(config, {SETTING: 1.0, "context.confidence": least, "corpus.questions": "all"})


def check(config: TrialConfig) -> None:
    """Raises where the threshold does nothing, or one answer does not tell what another threshold makes of it."""
    part, todo = config.generation, ""
    if "refusal" not in type(part).model_fields:
        what, todo = (
            f"The engine {part.part} has no threshold to abstain by.",
            "Choose llama_cpp or transformers as generation.part.",
        )
    elif part.json_schema:
        what, todo = "An answer of a JSON schema never abstains by its first word.", "Empty generation.json_schema."
    elif UNKNOWN not in written("", (), config.context)[0]["content"]:
        what, todo = f'The prompt does not ask for "{UNKNOWN}".', "Put $unknown or $instructions into context.template."
    elif not isinstance(config.answering, OnePrompt):
        what, todo = "Ways with several prompts can abstain in each of them.", "Choose one_prompt as answering.part."
    elif part.temperature:
        what, todo = "A sampled answer does not show the effect of another threshold.", "Set generation.temperature to 0."
    if todo:
        raise WorkbenchError(what, where=SETTING, todo=todo)


def measure_refusal(
    workbench: Workbench, config: TrialConfig, count: int, measure: str = RIGHT_BY[0], wished: float = WISHED
) -> Generator[Progress, None, RefusalCurve]:
    """Writes what is not recorded of the answers to the first `count` questions drawn, and measures all of them."""
    answers = yield from answering.answer_questions(workbench, writing(config), count)
    return refusal_of(workbench, config, answers, measure, wished)


def refusal_of(workbench: Workbench, config: TrialConfig, answers: AnswerSet, measure: str, wished: float) -> RefusalCurve:
    """What the recorded of these answers tell. WorkbenchError where none of them can be judged."""
    made, corpus, level = sure_answers(workbench, answers, measure), answers.evaluation.corpus, config.evaluation.confidence
    own = config.generation.refusal
    curve = tuple(at(made, threshold, level) for threshold in sorted({*THRESHOLDS, own}))
    if not curve[-1].answered.n:
        raise WorkbenchError(
            "No answer can be judged: each failed, has no reference answer, or came without log-probabilities.",
            todo="Ask more questions.",
        )
    present = next(each for each in curve if each.threshold == own)
    dev, test = made.halves(corpus)
    enough = [each for each in (at(dev, threshold, level) for threshold in THRESHOLDS) if (each.right.mean or 0) >= wished]
    most = [each for each in enough if each.answered.mean == enough[-1].answered.mean]  # a higher one answers as many or more
    chosen = most[len(most) // 2] if most else None  # half-way between what changes an answer
    return RefusalCurve(len(answers.rows), measure, wished, curve, present, chosen, chosen and at(test, chosen.threshold, level))


def at(answers: SureAnswers, threshold: float, confidence: float) -> RefusalShares:
    """What these answers come to at this threshold, with Wilson's intervals over their groups."""
    odds = np.array([first_odds(case.tokens) for case in answers.cases], np.float64)
    holds = np.array([_holds(case) for case in answers.cases], np.float64)
    always = np.isnan(answers.sure)  # not by its first word
    declines, judged = always | ((odds > 0) & (odds >= threshold)), ~np.isnan(answers.right) & (always | ~np.isnan(odds))

    def share(yes: np.ndarray, of: np.ndarray) -> Interval:
        return wilson_grouped(yes[of], answers.groups[of], confidence)

    return RefusalShares(
        threshold,
        share(~declines, judged),
        share(answers.right == 1, judged & ~declines),
        share(declines, judged & (holds == 1)),
        share(declines, judged & (holds == 0)),
    )


def _holds(case: AnswerCase) -> float:
    """1: the passages hold the answer, 0: they do not; NaN: the question does not say where it stands."""
    if not case.answerable:
        return 0.0
    return np.nan if case.units is None else float(0 < case.units == len(frozenset().union(*case.covered)))


def at_present(workbench: Workbench, config: TrialConfig) -> RefusalShares | None:
    """What the recipe's own threshold comes to by the recorded answers, by token F1; None where none tells. Asks no model."""
    asked = writing(config)
    if not workbench.plan(asked).live:
        return None
    evaluation = drain(workbench.evaluating(asked))
    if not evaluation.corpus.queries:
        return None
    told = sure_answers(workbench, answering.answer_set(workbench, evaluation, ON_ASK), RIGHT_BY[0])
    made = at(told, config.generation.refusal, config.evaluation.confidence)
    return made if made.answered.n else None


# What is told of it --------------------------------------------------------------------------------------------------


def rows(curve: tuple[RefusalShares, ...]) -> list[dict[str, Any]]:
    """A row a threshold: each share with its bounds."""
    return [
        {"threshold": each.threshold}
        | {
            f"{name}{end}": value
            for name in RefusalShares._fields[1:]
            for end, value in zip(("", "_low", "_high"), getattr(each, name)[:3], strict=True)
        }
        for each in curve
    ]


def threshold_table(made: RefusalCurve, command: str = "") -> Table:
    titles = {
        "answered": ("Answered", 0, "Of all questions."),
        "right": ("Right of those", 1, ""),
        "wrongly": ("Wrongly abstained", -1, "Share of the questions whose answer the passages contain."),
        "rightly": ("Rightly abstained", 1, "Share of the questions whose answer the passages do not contain."),
    }
    columns = [Column("threshold", "Abstain from", "%.2f")]
    for name, (title, direction, about) in titles.items():
        columns += [Column(name, title, MEAN, about, direction=direction), Column(f"{name}_between", "95%", width=120)]
    told = [
        row | {f"{name}_between": between(row[f"{name}_low"], row[f"{name}_high"], MEAN) for name in titles}
        for row in rows(made.curve)
    ]
    return Table(
        "refusal_curve",
        tuple(columns),
        told,
        "Answers and abstentions by threshold",
        f"Right: {judged_rule(made.measure)}",
        command,
    )


def words(made: RefusalShares) -> str:
    """What a threshold comes to, in a sentence."""
    abstained = [
        f"{share_words(share)} of the {share.n:,} {which}"
        for share, which in ((made.wrongly, "whose answer the passages hold"), (made.rightly, "whose answer they do not hold"))
        if share.n
    ]
    answered = f"{share_words(made.answered)} of {made.answered.n:,} questions answered, {share_words(made.right)} of those right"
    return f"{answered}; abstained {' and '.join(abstained)}." if abstained else f"{answered}."


def about(workbench: Workbench, config: TrialConfig, answer: Answer) -> str:
    """How likely this answer was to be an abstention, and what the recipe's threshold comes to; "" where nothing of it is known."""
    if not answer.prompt:  # the model was not asked
        return ""
    try:
        made = at_present(workbench, config)
    except WorkbenchError:  # it abstains in another way, or its model is gone
        return ""
    told, own = [], config.generation.refusal
    if (odds := first_odds(answer.tokens)) > 0:
        told.append(f'"{UNKNOWN}" was the likeliest beginning, with a probability of {odds:.2f}.')
    if made:
        told.append(f"Abstaining from {own:g}, by recorded answers: {words(made)}")
    elif answer.text == UNKNOWN:
        told.append(f"The recipe abstains from {own:g}. The effect of another threshold is not recorded yet.")
    return " ".join(told)


def sentences(made: RefusalCurve) -> list[str]:
    """What the curve comes to, in words."""
    told = [f"The recipe's threshold, {made.present.threshold:g}: {words(made.present)}"]
    if made.chosen is None:
        return [*told, f"At no threshold are {made.wished:.0%} of the answers to the dev questions right."]
    return [
        *told,
        f"Chosen on the dev questions, {made.chosen.threshold:g}: {words(made.chosen)}",
        f"On the test questions with {made.chosen.threshold:g}: {words(made.on_test)}",
    ]


def record(made: RefusalCurve) -> dict[str, Any]:
    """As the command line tells it."""
    return plain(made._asdict() | {"curve": rows(made.curve), "told": sentences(made)})
