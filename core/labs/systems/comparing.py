"""Other systems held against a recipe, question by question: their answers by every measure, their rankings by every metric."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from core.comparison.comparison import ArmComparison, Difference, compared, rules_of
from core.errors import WorkbenchError
from core.evaluation.judged import judge_rankings
from core.evaluation.metric import metric_names, metric_or_measure, metric_values
from core.judging.measure import AnswerCase, AnswerMeasure
from core.labs.answers import answering
from core.labs.answers.answering import AnswerCost, AnswerSet
from core.labs.scores.judging import measure_all, measures, told_together, usable
from core.labs.scores.sets import is_quick
from core.labs.systems import asking
from core.labs.systems.places import DocumentPlaces
from core.labs.systems.replies import SystemReply
from core.pipeline.answers import Span
from core.pipeline.scores import at_hand, judge_tools
from core.pipeline.stages import Recipe, Resolved
from core.progress import counted, drain
from core.records import Progress, Query
from core.report.table import MEAN, SIGNED, Column, Table, corrected_p
from core.workbench import Evaluation, Workbench, fetched

RECIPE = ""  # the arm that systems are compared with; no system is called so
ANSWERS, RANKINGS = "answers", "rankings"


class SystemArm(NamedTuple):
    """What a system said to the questions drawn. replies: None: it was not asked, or failed; places: of each passage, none where it
    stands nowhere in the corpus."""

    name: str
    replies: tuple[SystemReply | None, ...]
    places: tuple[tuple[tuple[Span, ...], ...], ...]

    @property
    def answers(self) -> list[int]:
        """Questions with an answer."""
        return [n for n, reply in enumerate(self.replies) if reply is not None and reply.answer is not None]

    @property
    def ranks(self) -> bool:
        """Whether rankings can be judged: it tells passages, and one at least stands in the corpus."""
        return any(places for own in self.places for places in own)

    @property
    def deepest(self) -> int:
        return max(map(len, self.places), default=0)


class SystemComparison(NamedTuple):
    """values: arm -> metric or measure -> [questions], NaN where it is unmeasured. left: answers of the recipe that are not written;
    waiting: measures whose scores take the job; skipped: measure -> why it scores none of these answers."""

    evaluation: Evaluation
    questions: int
    arms: list[SystemArm]
    values: dict[str, dict[str, np.ndarray]]
    comparison: ArmComparison
    left: AnswerCost
    waiting: list[AnswerMeasure]
    skipped: dict[str, str]


class _Judges(NamedTuple):
    metrics: list[str]
    measures: list[AnswerMeasure]
    named: bool  # by who asks, else all that say better or worse and ask no model


def compare(
    workbench: Workbench, recipe: Recipe, systems: Sequence[str], count: int = answering.FIRST, names: Sequence[str] = ()
) -> Generator[Progress, None, SystemComparison]:
    """Writes what is not known of the recipe's answers, scores all, and compares. names: metrics and measures; none: all that say
    better or worse and ask no model. WorkbenchError: a system was asked none of the questions."""
    judges, run = _judges(names), (yield from workbench.pipeline.resolve(recipe))
    arms = yield from _arms(workbench, run, systems, count)
    writes = bool(judges.measures) and any(arm.answers for arm in arms)
    yield from fetched(run.config, answering=writes)
    evaluation = yield from workbench.evaluating(run)
    if writes:
        yield from answering.answer_questions(workbench, run, count)
    return (yield from _compared(workbench, evaluation, arms, count, judges, wait=True))


def standing(workbench: Workbench, evaluation: Evaluation, systems: Sequence[str], count: int) -> SystemComparison:
    """By what is recorded, and what reads words alone."""
    arms = drain(_arms(workbench, evaluation.run, systems, count))
    return drain(_compared(workbench, evaluation, arms, count, _judges(()), wait=False))


def _judges(names: Sequence[str]) -> _Judges:
    for name in names:
        metric_or_measure(name)
    if not names:
        return _Judges(metric_names(), [measure for measure in measures() if measure.direction], False)
    ranked = [name for name in names if name in metric_names()]
    return _Judges(ranked, measures(others) if (others := [name for name in names if name not in ranked]) else [], True)


def _arms(workbench: Workbench, run: Resolved, systems: Sequence[str], count: int) -> Generator[Progress, None, list[SystemArm]]:
    queries, dataset = asking.draw(run.corpus, run.config.seed, count), run.corpus.name
    looked_up = workbench.pipeline.remember("places", run.corpus.fingerprint, lambda: DocumentPlaces(run.corpus.documents))
    arms = []
    for name in dict.fromkeys(systems):
        last = asking.takes(workbench, name, dataset, [query.text for query in queries])
        if not last:
            there = ", ".join(asking.systems(workbench, dataset)) or "none yet"
            raise WorkbenchError(
                f"'{name}' was asked none of these questions of {dataset}.",
                todo=f"`python -m core systems ask` asks one; asked were: {there}.",
            )
        replies, places = [], []
        for done, query in enumerate(queries):
            yield Progress(done, len(queries), f"Looking up the passages of {name}")
            replies.append(last[query.text].reply if query.text in last else None)
            places.append(tuple(looked_up.of(each) for each in (replies[-1] and replies[-1].passages) or ()))
        arms.append(SystemArm(name, tuple(replies), tuple(places)))
    return arms


def _compared(
    workbench: Workbench, evaluation: Evaluation, arms: list[SystemArm], count: int, judges: _Judges, wait: bool
) -> Generator[Progress, None, SystemComparison]:
    """wait: whether what a model scores is computed, else it is taken where it is at hand."""
    config, mine = evaluation.config, answering.answer_set(workbench, evaluation, count)
    written = [n for n, said in enumerate(mine.answers) if said is not None]
    cases = {RECIPE: dict(zip(written, told_together(answering.cases(mine, written)), strict=True))}
    cases |= {arm.name: _cases(mine, arm) for arm in arms if arm.answers}
    every = [case for by_place in cases.values() for case in by_place.values()]
    answered = bool(written) and len(cases) > 1
    chosen, skipped = judges.measures if answered else [], {}
    if chosen and not judges.named:
        chosen, skipped = usable(chosen, every)
    tools = judge_tools(workbench.pipeline, config)
    ready = [each for each in chosen if wait or is_quick(each) or None not in at_hand(each, every, tools)]
    values: dict[str, dict[str, np.ndarray]] = {name: {} for name in (RECIPE, *(arm.name for arm in arms))}
    if any(arm.ranks for arm in arms):
        rows = list(mine.rows)
        values[RECIPE] |= {name: evaluation.values[name][rows] for name in judges.metrics}
    for arm in arms:
        values[arm.name] |= _ranked(mine, arm, judges.metrics) if arm.ranks else {}
    for name, by_place in cases.items():
        for each in (yield from measure_all(workbench, config, ready, list(by_place.values()))):
            values[name][each.measure.part] = column = np.full(len(mine.rows), np.nan)
            column[list(by_place)] = each.values
    unbounded = [measure.part for measure in ready if measure.range != (0.0, 1.0)]
    made = compared(values, rules_of(config), RECIPE, unbounded=unbounded)
    left = answering.cost(workbench, config, mine.askings)
    waiting = [measure for measure in chosen if measure not in ready]
    return SystemComparison(evaluation, len(mine.rows), arms, values, made, left, waiting, skipped)


def _cases(mine: AnswerSet, arm: SystemArm) -> dict[int, AnswerCase]:
    """Place of the draw -> the system's answer, with what it is held against."""
    queries, overlap, cases = mine.queries, mine.evaluation.config.evaluation.overlap, []
    for n in arm.answers:
        told = tuple(each.text for each in arm.replies[n].passages or ())
        evidence = answering.evidence_of(queries[n], arm.places[n], overlap)
        cases.append(AnswerCase(queries[n].text, arm.replies[n].answer, told, **evidence))
    return dict(zip(arm.answers, told_together(cases), strict=True))


def _ranked(mine: AnswerSet, arm: SystemArm, metrics: Sequence[str]) -> dict[str, np.ndarray]:
    """metric -> [questions]."""
    if not metrics:
        return {}
    evaluation = mine.evaluation
    overlap = evaluation.config.evaluation.overlap
    listed = [_ranking(query, places, overlap) for query, places in zip(mine.queries, arm.places, strict=True)]
    corpus, config = replace(evaluation.corpus, queries=tuple(mine.queries)), evaluation.config
    judged = judge_rankings(corpus, listed, overlap, config.depth)
    asked = np.array([reply is not None and reply.passages is not None for reply in arm.replies])
    return {name: np.where(asked, own, np.nan) for name, own in metric_values(judged, config.evaluation.k, metrics).items()}


def _ranking(query: Query, places: Sequence[Sequence[Span]], overlap: float) -> list[Span]:
    """A place for each passage: of those that say the same one with evidence of the question, and none twice. A passage without a
    place of its own keeps its rank, and finds nothing."""
    spans: list[Span] = []
    for rank, own in enumerate(places):
        free = [place for place in own if place not in spans]
        covering = (place for place in free if any(answering.covers(place, gold, overlap) for gold in query.relevant))
        spans.append(next(covering, free[0] if free else ("", rank, rank + 1)))
    return spans


# As the page and the command show it ---------------------------------------------------------------------------------


def rows(made: SystemComparison) -> list[dict[str, Any]]:
    """A row a difference, of a system minus the recipe; the means are over the questions that both measured."""
    level = made.evaluation.config.evaluation.confidence
    return [_row(made, each, level) for each in made.comparison.differences.values()]


def _row(made: SystemComparison, each: Difference, level: float) -> dict[str, Any]:
    part = metric_or_measure(each.measure)
    mine, theirs = (made.values[arm][each.measure] for arm in (each.base, each.arm))
    both = ~np.isnan(mine) & ~np.isnan(theirs)
    return {
        "system": each.arm,
        "measure": each.measure,
        "label": label(made, each.measure),
        "of": RANKINGS if each.measure in metric_names() else ANSWERS,
        "recipe": float(mine[both].mean()) if both.any() else None,
        "its own": float(theirs[both].mean()) if both.any() else None,
        **each.columns(),
        "n": int(both.sum()),
        "verdict": each.verdict(level, direction=part.direction),
    }


def label(made: SystemComparison, name: str) -> str:
    """Of a metric or measure, for people."""
    return metric_or_measure(name).label.format(k=made.evaluation.config.evaluation.k)


def method(level: float) -> str:
    return f"Bootstrap intervals ({100 * level:g}%) of paired differences; sign-flip test, Holm's correction over all rows"


def table(made: SystemComparison, command: str = "") -> Table:
    level = made.evaluation.config.evaluation.confidence
    columns = (
        *[Column("system")] * (len(made.arms) > 1),
        Column("label", "Measure", width=150),
        Column("of", width=90),
        Column("recipe", "Recipe", MEAN, "Mean over the questions that both measured."),
        Column("its own", "System", MEAN, "The same of the system."),
        Column("difference", "System \N{MINUS SIGN} recipe", SIGNED),
        Column("low", "From", SIGNED),
        Column("high", "To", SIGNED),
        corrected_p(),
        Column("n", "n"),
        Column("verdict", "System is"),
    )
    names = " and ".join(arm.name for arm in made.arms)
    return Table("systems", columns, rows(made), f"{names} against the recipe", method(level), command)


def sentences(made: SystemComparison) -> list[str]:
    """What each system was asked and how far its passages are known, then what is told apart."""
    level, told = made.evaluation.config.evaluation.confidence, []
    for arm in made.arms:
        told += _coverage(made, arm)

    def words(change: Difference) -> str:
        word = change.verdict(level, direction=metric_or_measure(change.measure).direction)
        return f"{change.arm}: {label(made, change.measure)} {change.figures}, {word} than the recipe."

    none = (
        "No difference is significant on these questions." if made.comparison.differences else "There is nothing to compare yet."
    )
    return [*told, *made.comparison.findings(level, words, none)]


def _coverage(made: SystemComparison, arm: SystemArm) -> list[str]:
    replies = [reply for reply in arm.replies if reply is not None]
    seconds = float(np.median([reply.seconds for reply in replies]))
    told = [f"{arm.name} answered {len(replies):,} of {counted(made.questions, 'question')}, in {seconds:.2f} s each (median)."]
    every = [places for own in arm.places for places in own]
    if not every:
        return [*told, "It tells no passages, so no ranking is judged."]
    placed, several = sum(map(bool, every)), sum(len(places) > 1 for places in every)
    words = f"Of its {counted(len(every), 'passage')} {placed:,} stand in the corpus"
    if several:
        words += f", {several:,} of them in several places, of which each counts: let it tell its documents"
    if placed < len(every):
        words += f"; {len(every) - placed:,} stand nowhere word for word"
        words += " and count as not relevant" if placed else ", so no ranking is judged"
    told.append(f"{words}.")
    k = made.evaluation.config.evaluation.k
    if arm.ranks and arm.deepest < k:
        told.append(
            f"It gives {arm.deepest:,} passages at most, and rankings are judged at {k:,}: --set evaluation.k={arm.deepest} compares "
            "both at that depth."
        )
    return told


def record(made: SystemComparison) -> dict[str, Any]:
    """As the command line tells it."""
    return {
        "dataset": made.evaluation.corpus.name,
        "questions": made.questions,
        "compared": rows(made),
        "told": sentences(made),
        "not_measured": [{"measure": name, "why": why} for name, why in made.skipped.items()],
    }
