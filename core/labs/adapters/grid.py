"""What an adapter did: the same questions answered with and without it, closed book and over contexts of every kind.

Contexts: none; what the recipe retrieves; the gold evidence; what it retrieves without the evidence; the gold evidence with another
question's answer in the place of its own (Longpre et al. 2021, "Entity-based knowledge conflicts in question answering", section 3).
One job that goes on where it was stopped: answers are kept by content. Verbs of the page Compare adapters.
"""

import re
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.comparison.comparison import ArmComparison, compared, rules_of, spread
from core.config import TrialConfig
from core.generation.torch_lm import Transformers
from core.judging.diversity import normalise_answer
from core.judging.measure import AnswerCase, scores
from core.judging.reference import accepts
from core.labs.adapters.training import base_of, has_learnt_from
from core.labs.answers import answering
from core.labs.answers.answering import AnswerCost
from core.labs.answers.arms import drawn
from core.labs.failures.rungs import gold_hits
from core.models.adapters import checked_adapter, weights_of, written
from core.pipeline.answers import AskedContext, Asker, KeptAnswer, answers_of
from core.pipeline.scores import judge_tools
from core.pipeline.stages import Recipe, Resolved
from core.progress import counted_within, drain
from core.records import Hit, Progress, Query
from core.report.table import MEAN, P_VALUE, SIGNED, Column, Table, between, corrected_p
from core.statistics.bootstrap import Interval
from core.statistics.paired import Paired
from core.workbench import Evaluation, Workbench, fetched

CONTEXTS = {
    "none": "Closed book",
    "retrieved": "Retrieved",
    "gold": "Gold evidence",
    "distractors": "Without evidence",
    "contradicting": "Contradicting evidence",
}
MEASURES = ("em", "f1", "contains", "containment", "abstained")
MAIN = "f1"
QUESTIONS = 40  # where nobody says how many


class AdapterSide(NamedTuple):
    """The model with an adapter, or several with their weights, at a scale; "": without any."""

    adapter: str
    scale: float
    title: str


class Conflict(NamedTuple):
    """A question's gold passages with another answer in the place of its own."""

    hits: list[Hit]
    own: str
    other: str


class GridCells(NamedTuple):
    """comparison: of (side, context), minus the model without adapter in the same context. beyond: (side, context, measure) -> that
    gain, less the same closed book: the interaction."""

    comparison: ArmComparison
    beyond: dict[tuple[AdapterSide, str, str], Paired]

    @property
    def places(self) -> list[tuple[AdapterSide, str]]:
        return list(dict.fromkeys(place for place, _ in self.comparison.means))


class Reliance(NamedTuple):
    """Of a side over contradicting evidence. follows: the share with the passage's answer of the answers that hold either."""

    side: AdapterSide
    follows: Interval
    context: int
    memory: int
    neither: int  # or both
    against: Paired | None  # minus the model without adapter, where both said one of the two


class AdapterGrid(NamedTuple):
    questions: int
    memorised: int  # answered right closed book by the model without adapter
    conflicts: int  # questions whose evidence could be contradicted
    cells: GridCells
    fresh: GridCells  # without the questions that are possibly memorised
    reliance: list[Reliance]
    items: list[dict[str, Any]]  # a row a question
    notes: list[str]


class _Asked(NamedTuple):
    """What a side is asked, by question and context."""

    side: AdapterSide
    evaluation: Evaluation
    table: list[dict[str, AskedContext]]


def sides(names: Sequence[str], scales: Sequence[float]) -> list[AdapterSide]:
    """Without any adapter, then each at each scale."""
    made = [AdapterSide("", 1.0, "No adapter")]
    for name in dict.fromkeys(written(weights_of(name)) for name in names):
        for scale in dict.fromkeys(scales or (1.0,)):
            made.append(AdapterSide(name, float(scale), name if scale == 1 else f"{name} × {scale:g}"))
    return made


def side_config(config: TrialConfig, side: AdapterSide) -> TrialConfig:
    """The recipe by that model."""
    part: Transformers = base_of(config)
    return config.model_copy(
        update={"generation": part.model_copy(update={"adapter": side.adapter, "adapter_scale": side.scale})}
    )


def compare_adapters(
    workbench: Workbench, recipe: Recipe, names: Sequence[str], scales: Sequence[float] = (1.0,), count: int = QUESTIONS
) -> Generator[Progress, None, AdapterGrid]:
    """Writes the answers that are not known, and compares."""
    run = yield from workbench.pipeline.resolve(recipe)
    yield from fetched(side_config(run.config, sides((), ())[0]), answering=True)
    asked, conflicts, rows = yield from _askings(workbench, run, names, scales, count)
    for number, each in enumerate(asked):
        wanted = [context for some in each.table for context in some.values()]
        work = answering.write(workbench, each.evaluation.run, wanted)
        yield from counted_within(work, Progress(number, len(asked), each.side.title))
    return _compared(workbench, run, asked, conflicts, rows)


def standing(
    workbench: Workbench, recipe: Recipe, names: Sequence[str], scales: Sequence[float], count: int
) -> tuple[AdapterGrid | None, AnswerCost]:
    """(what is known, once every answer is; what is left to write). Asks no model."""
    run = workbench.resolve(recipe)
    asked, conflicts, rows = drain(_askings(workbench, run, names, scales, count))
    costs = [
        answering.cost(workbench, each.evaluation.config.generation, [c for some in each.table for c in some.values()])
        for each in asked
    ]
    left = answering.together(costs)._replace(questions=len(rows))
    return (None if left.answers else _compared(workbench, run, asked, conflicts, rows)), left


def _askings(
    workbench: Workbench, run: Resolved, names: Sequence[str], scales: Sequence[float], count: int
) -> Generator[Progress, None, tuple[list[_Asked], list[Conflict | None], list[int]]]:
    asked: list[_Asked] = []
    conflicts: list[Conflict | None] = []
    rows: list[int] = []
    contexts: list[dict[str, list[Hit]]] = []  # of each question, those that are the same for every side
    for side in sides(names, scales):
        config = side_config(run.config, side)
        for name in weights_of(side.adapter):
            checked_adapter(name, config.generation.opens()[0][0])
        evaluation = yield from workbench.evaluating(run.of(config))
        if not asked:
            rows = drawn(evaluation, count, evidence=True)
            evidence = [gold_hits(workbench, evaluation, row) for row in rows]
            conflicts = contradicted([evaluation.corpus.queries[row] for row in rows], evidence)
            for row, hits, conflict in zip(rows, evidence, conflicts, strict=True):
                some = {"gold": hits, "distractors": without_evidence(workbench, evaluation, row)}
                contexts.append(some | {"contradicting": conflict.hits if conflict else []})
        asker = Asker(evaluation.run)
        made = answering.askings(workbench, evaluation, rows)
        table = []
        for row, retrieved, some in zip(rows, made, contexts, strict=True):
            text = evaluation.corpus.queries[row].text
            own = {"none": asker.alone(text), "retrieved": retrieved}
            table.append(own | {context: asker.over(text, hits) for context, hits in some.items() if hits})
        asked.append(_Asked(side, evaluation, table))
    return asked, conflicts, rows


def without_evidence(workbench: Workbench, evaluation: Evaluation, row: int) -> list[Hit]:
    """The best passages that hold none of the evidence, as many as the context takes. Their similarity keeps nobody from asking."""
    query, config = evaluation.corpus.queries[row], evaluation.config
    golds = [gold for gold in query.gold if gold.grade > 0]
    hits = workbench.hits(evaluation, row)
    wrong = [
        h for h in hits if not any(answering.covers((h.document_id, h.start, h.end), g, config.evaluation.overlap) for g in golds)
    ]
    return [replace(hit, scores={}) for hit in wrong[: config.context.passages]]


def contradicted(queries: Sequence[Query], evidence: Sequence[list[Hit]]) -> list[Conflict | None]:
    """None: the evidence does not hold the answer word for word, or no other question has one of its kind."""
    made: list[Conflict | None] = []
    for place, (query, hits) in enumerate(zip(queries, evidence, strict=True)):
        text = " ".join(hit.text for hit in hits)
        own = [answer for answer in query.answers if re.search(_whole(answer), text, re.IGNORECASE)]
        others = [answer for step in range(1, len(queries)) for answer in queries[(place + step) % len(queries)].answers[:1]]
        other = next((o for o in others if own and kind_of(o) == kind_of(own[0]) and not _meets(o, query.answers, text)), None)
        if other is None:
            made.append(None)
            continue
        made.append(Conflict([_swapped(hit, own, other) for hit in hits], own[0], other))
    return made


def _swapped(hit: Hit, own: Sequence[str], other: str) -> Hit:
    pattern = "|".join(_whole(answer) for answer in sorted(own, key=len, reverse=True))
    return replace(hit, text=re.sub(pattern, lambda _: other, hit.text, flags=re.IGNORECASE))


def kind_of(answer: str) -> str:
    """So that a number takes a number's place, a name a name's."""
    return "number" if re.search(r"\d", answer) else "name" if answer[:1].isupper() else "words"


def _whole(answer: str) -> str:
    return rf"(?<!\w){re.escape(answer)}(?!\w)"


def _meets(other: str, answers: Sequence[str], text: str) -> bool:
    """Whether it is no other answer, or stands in the passage already."""
    said = normalise_answer(other)
    return (
        not said
        or any(said in normalise_answer(a) or normalise_answer(a) in said for a in answers)
        or other.lower() in text.lower()
    )


# What is compared ----------------------------------------------------------------------------------------------------


def _compared(
    workbench: Workbench, run: Resolved, asked: Sequence[_Asked], conflicts: Sequence[Conflict | None], rows: Sequence[int]
) -> AdapterGrid:
    values, answers = {}, {}
    texts = {document.id: document.text for document in asked[0].evaluation.corpus.documents}
    for each in asked:
        recorded = answers_of(workbench.pipeline, [asking.key for some in each.table for asking in some.values()])
        for context in CONTEXTS:
            said = [recorded.get(some[context].key) if context in some else None for some in each.table]
            answers[each.side, context] = said
            values[each.side, context] = _values(workbench, each.evaluation, texts, context, rows, said, conflicts)
    base = asked[0].side
    queries, style = [asked[0].evaluation.corpus.queries[row] for row in rows], run.config.context.citations
    closed = answers[base, "none"]
    memorised = np.array([accepts(said.text, query.answers, style) for query, said in zip(queries, closed, strict=True)])
    hidden = {place: {name: np.where(memorised, np.nan, v) for name, v in some.items()} for place, some in values.items()}
    cells, fresh = _cells(run, values, base), _cells(run, hidden, base)
    follows = {each.side: _follows(answers[each.side, "contradicting"], conflicts) for each in asked}
    reliance = [_reliance(run, each.side, follows[each.side], follows[base], base) for each in asked]
    items = []
    for place, query in enumerate(queries):
        item: dict[str, Any] = {
            "question": query.text,
            "references": list(query.answers),
            "possibly memorised": bool(memorised[place]),
        }
        conflict = conflicts[place]
        item["contradicted by"] = conflict and conflict.other
        for (side, context), said in answers.items():
            item[f"{side.title}, {CONTEXTS[context]}"] = said[place] and said[place].text
            item[f"{side.title}, {CONTEXTS[context]}, {MAIN}"] = float(values[side, context][MAIN][place])
        items.append(item)
    return AdapterGrid(
        len(rows), int(memorised.sum()), sum(map(bool, conflicts)), cells, fresh, reliance, items, _notes(run, asked)
    )


def _values(
    workbench: Workbench,
    evaluation: Evaluation,
    texts: dict[str, str],
    context: str,
    rows: Sequence[int],
    said: Sequence[KeptAnswer | None],
    conflicts: Sequence[Conflict | None],
) -> dict[str, np.ndarray]:
    """Measure -> of each question, NaN where there is no such answer. Over contradicting evidence the right answer is the passage's."""
    config, corpus = evaluation.config, evaluation.corpus
    tools = judge_tools(workbench.pipeline, config)
    there = [place for place, answer in enumerate(said) if answer is not None]
    cases: list[AnswerCase] = []
    for place in there:
        case = answering.case(
            corpus.queries[rows[place]], said[place], texts, config.evaluation.overlap, config.context.citations
        )
        if context == "contradicting":
            conflict = conflicts[place]
            case = case._replace(references=(conflict.other,), passages=tuple(hit.text for hit in conflict.hits))
        cases.append(case)
    table = {}
    for name in MEASURES:
        table[name] = np.full(len(rows), np.nan)
        made = drain(scores(registry.find("measure", name)(), cases, tools))
        table[name][there] = [score.value for score in made]
    return table


def _cells(run: Resolved, values: dict[tuple[AdapterSide, str], dict[str, np.ndarray]], base: AdapterSide) -> GridCells:
    rules, others = rules_of(run.config), [(side, context) for side, context in values if side != base]
    gains = {
        (side, context, name): value - values[base, context][name]
        for side, context in others
        for name, value in values[side, context].items()
    }
    beyond = {
        (side, context, name): rules.difference(gain, gains[side, "none", name])
        for (side, context, name), gain in gains.items()
        if context != "none"
    }
    pairs = [((side, context), (base, context)) for side, context in others]
    return GridCells(compared(values, rules, pairs=pairs), beyond)


def _follows(said: Sequence[KeptAnswer | None], conflicts: Sequence[Conflict | None]) -> np.ndarray:
    """1: the answer holds the passage's answer; 0: the question's own; NaN: neither, both, or no conflict."""
    result = np.full(len(said), np.nan)
    for place, (answer, conflict) in enumerate(zip(said, conflicts, strict=True)):
        if answer is not None and conflict is not None:
            text = f" {normalise_answer(answer.text)} "
            other, own = (f" {normalise_answer(each)} " in text for each in (conflict.other, conflict.own))
            if other != own:
                result[place] = float(other)
    return result


def _reliance(run: Resolved, side: AdapterSide, follows: np.ndarray, plain: np.ndarray, base: AdapterSide) -> Reliance:
    rules = rules_of(run.config)
    paired = None if side == base else rules.difference(follows, plain)
    context, memory = int(np.nansum(follows == 1)), int(np.nansum(follows == 0))
    return Reliance(side, rules.mean(follows), context, memory, len(follows) - context - memory, paired)


def _notes(run: Resolved, asked: Sequence[_Asked]) -> list[str]:
    notes = []
    for name in dict.fromkeys(name for each in asked for name in weights_of(each.side.adapter)):
        if has_learnt_from(name, run.config.corpus.dataset) and run.config.corpus.questions != "test":
            notes.append(
                f"{name} has learnt from the dev half of these questions: compare it on the test half (Questions: test, in the sidebar)."
            )
    return notes


# As the page and the command show it ---------------------------------------------------------------------------------


def rows_of(cells: GridCells) -> list[dict[str, Any]]:
    """A row a side and context."""
    rows = []
    for side, context in cells.places:
        place, told = (side, context), cells.comparison
        row: dict[str, Any] = {"adapter": side.title, "context": CONTEXTS[context], "n": told.means[place, "em"].n}
        for name in MEASURES:
            beyond = cells.beyond.get((side, context, name))
            row |= told.cells(place, name, "gain") | {f"{name} interaction": beyond and beyond.difference}
            row |= {f"{name} interaction n": beyond and beyond.n} | spread(f"{name} interaction", beyond)
            row |= {f"{name} interaction note": beyond and beyond.note}
        rows.append(row)
    return rows


def method(level: float) -> str:
    return f"Bootstrap intervals ({level:.0%}); sign-flip test against no adapter, Holm's correction over all cells and measures"


def grid_table(cells: GridCells, measure: str, note: str, command: str) -> Table:
    own, beyond = registry.find("measure", measure), f"{measure} interaction"
    rows = [
        row | {"interval": between(row[f"{beyond} low"], row[f"{beyond} high"]) or row[f"{beyond} note"]}
        for row in rows_of(cells)
    ]
    columns = (
        Column("adapter"),
        Column("context"),
        Column("n", "n"),
        Column(measure, own.label, MEAN, direction=own.direction),
        Column(f"{measure} gain", "Gain", SIGNED),
        corrected_p(f"{measure} p (Holm)"),
        Column(beyond, "Interaction", SIGNED, "The gain in this context, less the gain closed book."),
        Column(f"{beyond} n", "Pairs", "", "Questions answered in this context and closed book, with and without the adapter."),
        Column("interval"),
    )
    return Table("adapters_by_context", columns, rows, "Adapters in every context", note, command)


def main_rows(cells: GridCells, measure: str = MAIN) -> list[dict[str, Any]]:
    """Neither, retrieval alone, fine-tuning alone, both: of each adapter."""
    base, *others = dict.fromkeys(side for side, _ in cells.places)
    rows = []
    for side in others:
        neither, alone = ("Neither", base, "none"), ("Retrieval alone", base, "retrieved")
        for title, who, context in (neither, alone, ("Fine-tuning alone", side, "none"), ("Both", side, "retrieved")):
            interval = cells.comparison.means[(who, context), measure]
            row = {"adapter": side.title, "system": title, measure: interval.mean}
            rows.append(row | {"low": interval.low, "high": interval.high, "n": interval.n})
    return rows


def main_table(cells: GridCells, measure: str, command: str) -> Table:
    """command: prints this measure alone, over all questions."""
    own, ends = registry.find("measure", measure), (Column("low", "", MEAN), Column("high", "", MEAN))
    columns = (
        Column("adapter"),
        Column("system"),
        Column(measure, own.label, MEAN, direction=own.direction),
        *ends,
        Column("n", "n"),
    )
    rows = main_rows(cells, measure)
    return Table("fine_tuning_and_retrieval", columns, rows, "Fine-tuning and retrieval", "Bootstrap intervals", command)


def reliance_table(made: AdapterGrid, command: str) -> Table:
    columns = (
        Column("adapter"),
        *(Column(name, "", MEAN) for name in ("follows", "low", "high")),
        Column("context", "Passage's"),
        Column("memory", "Its own"),
        Column("difference", "", SIGNED),
        Column("p", "p", P_VALUE),
    )
    note = (
        f"Of {made.conflicts:,} questions whose evidence was given another question's answer, the share that follows the passage"
    )
    return Table("context_or_memory", columns, reliance_rows(made), "Context or memory", note, command)


def reliance_rows(made: AdapterGrid) -> list[dict[str, Any]]:
    return [
        {"adapter": each.side.title, "follows": each.follows.mean, "low": each.follows.low, "high": each.follows.high}
        | {"context": each.context, "memory": each.memory, "neither": each.neither}
        | {"difference": each.against and each.against.difference, "p": each.against and each.against.p}
        for each in made.reliance
    ]


def sentences(made: AdapterGrid, level: float) -> list[str]:
    """What is told apart from the model without adapter, and whom it follows."""
    told = []
    for change in made.cells.comparison.significant(level):
        if change.measure == MAIN:
            (side, context), by = change.arm, f"{change.paired.difference:+.3f}, {change.verdict(level)}"
            told.append(f"{side.title}, {CONTEXTS[context].lower()}: token F1 {by} than without it (p {change.p_holm:.3f}).")
    if not told:
        told.append("In no context is the adapter's token F1 told apart from the model's without it.")
    base = made.reliance[0].follows
    for each in made.reliance[1:]:
        if each.follows.mean is not None and base.mean is not None:
            told.append(
                f"{each.side.title} follows the context over its memory in {each.follows.mean:.0%} of {each.follows.n:,} conflicts, "
                f"without it in {base.mean:.0%} of {base.n:,}. To the rest of {made.conflicts:,} contradicted questions the answers name "
                "neither, or both."
            )
    told.append(
        f"{made.memorised:,} of {made.questions:,} questions are answered right without any passage by the model without adapter: "
        "possibly memorised."
    )
    return [*made.notes, *told]
