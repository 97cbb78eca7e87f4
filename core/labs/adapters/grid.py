"""What an adapter did: the same questions answered with and without it, closed book and over contexts of every kind.

Contexts: none; what the recipe retrieves; the gold evidence; what it retrieves without the evidence; the gold evidence with another
question's answer in the place of its own (Longpre et al. 2021, "Entity-based knowledge conflicts in question answering", section 3).
One job that goes on where it was stopped: answers are kept by content. Verbs of the page Compare adapters.
"""

import re
from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from core.comparison.comparison import ArmComparison, Rules, compared, spread
from core.config import TrialConfig, valid
from core.generation.llama_engine import LlamaCpp
from core.generation.torch_lm import Transformers
from core.judging.diversity import normalise_answer
from core.judging.measure import AnswerCase
from core.judging.reference import accepts
from core.labs.adapters.training import base_of, has_learnt_from, wearer
from core.labs.answers import answering, arms
from core.labs.answers.answering import AnswerCost, AnswerSet
from core.labs.answers.arms import Draw, drawn
from core.labs.failures.rungs import gold_hits
from core.models.adapters import checked_adapter, weights_of, written
from core.pipeline.answers import Asker, KeptAnswer
from core.pipeline.stages import Recipe, Resolved
from core.progress import counted_within, drain
from core.records import Hit, Progress, Query
from core.report.table import MEAN, P_VALUE, SIGNED, Column, Table, between, corrected_p, in_words
from core.statistics.bootstrap import Interval
from core.statistics.corrections import correct_defined
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
# ways of answering that search again, and so read other passages than they are given
SEARCHING = {"adaptive", "corrective", "flare", "ircot", "plan_and_solve", "react", "react_crewai", "react_langgraph"}


class AdapterSide(NamedTuple):
    """The model with an adapter, or several with their weights, at a scale; "": without any."""

    adapter: str
    scale: float
    title: str


BASE = AdapterSide("", 1.0, "No adapter")


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


class _Grid(NamedTuple):
    """What is asked. draw: by the model without adapter; arms: (side, context) -> its answers."""

    draw: Draw
    conflicts: list[Conflict | None]
    arms: dict[tuple[AdapterSide, str], AnswerSet]


def sides(names: Sequence[str], scales: Sequence[float]) -> list[AdapterSide]:
    """Without any adapter, then each at each scale."""
    made = [BASE]
    for name in dict.fromkeys(written(weights_of(name)) for name in names):
        for scale in dict.fromkeys(scales or (1.0,)):
            made.append(AdapterSide(name, float(scale), name if scale == 1 else f"{name} × {scale:g}"))
    return made


def engine(config: TrialConfig, names: Sequence[str]) -> LlamaCpp | Transformers:
    """What answers of every side."""
    return wearer(config, [own for name in names for own in weights_of(name)])


def checked_sides(
    config: TrialConfig, names: Sequence[str], scales: Sequence[float], part: LlamaCpp | Transformers | None = None
) -> list[AdapterSide]:
    """The same, before any work: each scale is one that an adapter may have, each adapter there and of this model."""
    every = sides(names, scales)
    for side in every:
        valid(Transformers, {"adapter_scale": side.scale})
        for name in weights_of(side.adapter):
            checked_adapter(name, (part or base_of(config)).base())
    return every


def side_config(config: TrialConfig, side: AdapterSide, part: LlamaCpp | Transformers | None = None) -> TrialConfig:
    """The recipe by that model, which `part` reads; torch, if none is named."""
    changed = (part or base_of(config)).model_copy(update={"adapter": side.adapter, "adapter_scale": side.scale})
    return config.model_copy(update={"generation": changed})


def compare_adapters(
    workbench: Workbench, recipe: Recipe, names: Sequence[str], scales: Sequence[float] = (1.0,), count: int = QUESTIONS
) -> Generator[Progress, None, AdapterGrid]:
    """Writes the answers that are not known, and compares."""
    run = yield from workbench.pipeline.resolve(recipe)
    yield from fetched(side_config(run.config, BASE, engine(run.config, names)), answering=True)
    grid, every = (yield from _asked(workbench, run, names, scales, count)), sides(names, scales)
    for number, side in enumerate(every):
        wanted = [grid.arms[side, context] for context in CONTEXTS]
        yield from counted_within(arms.write(workbench, wanted), Progress(number, len(every), side.title))
    return standing(workbench, run, names, scales, count)[0]


def standing(
    workbench: Workbench, recipe: Recipe, names: Sequence[str], scales: Sequence[float], count: int
) -> tuple[AdapterGrid | None, AnswerCost]:
    """(what is known, once every answer is; what is left to write). Asks no model."""
    grid = drain(_asked(workbench, workbench.resolve(recipe), names, scales, count))
    left = arms.missing(workbench, grid.arms.values())._replace(questions=len(grid.draw.rows))
    return (None if left.answers else _compared(grid)), left


def _asked(
    workbench: Workbench, run: Resolved, names: Sequence[str], scales: Sequence[float], count: int
) -> Generator[Progress, None, _Grid]:
    draw, table, part = None, {}, engine(run.config, names)
    for side in checked_sides(run.config, names, scales, part):
        config = side_config(run.config, side, part)
        evaluation = yield from workbench.evaluating(run.of(config))
        if draw is None:  # passages are the same for every side
            draw = Draw(workbench, evaluation, drawn(evaluation, count, evidence=True))
            passages = {"gold": [gold_hits(workbench, evaluation, row) for row in draw.rows]}
            changed = not true_evidence(draw.config)
            passages["distractors"] = [without_evidence(workbench, evaluation, row) if changed else [] for row in draw.rows]
            conflicts = contradicted(draw.queries, passages["gold"]) if changed else [None] * len(draw.rows)
            passages["contradicting"] = [conflict.hits if conflict else [] for conflict in conflicts]
        own, asker, texts = draw._replace(evaluation=evaluation), Asker(evaluation.run), [query.text for query in draw.queries]
        asked = {"none": [asker.alone(text) for text in texts], "retrieved": own.over_retrieved()}
        for context, hits in passages.items():
            asked[context] = [asker.over(text, some) if some else None for text, some in zip(texts, hits, strict=True)]
        table |= {(side, context): answers for context, answers in own.arms(asked).items()}
    return _Grid(draw, conflicts, table)


def without_evidence(workbench: Workbench, evaluation: Evaluation, row: int) -> list[Hit]:
    """The best passages that hold none of the evidence, as many as the context takes. Their similarity keeps nobody from asking."""
    query, config = evaluation.corpus.queries[row], evaluation.config
    hits = workbench.hits(evaluation, row)
    wrong = [
        h
        for h in hits
        if not any(answering.covers((h.document_id, h.start, h.end), g, config.evaluation.overlap) for g in query.relevant)
    ]
    return [replace(hit, scores={}) for hit in wrong[: config.context.passages]]


def true_evidence(config: TrialConfig) -> str:
    """Why a model of this recipe would read the true evidence though it is given another; "": it would not."""
    if config.context.hand_on != "chunk":
        return "passages are taken from their documents again (context.hand_on)"
    return f"{config.answering.part} searches for passages again (answering.part)" if config.answering.part in SEARCHING else ""


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


def _compared(grid: _Grid) -> AdapterGrid:
    draw, conflicts, values = grid.draw, grid.conflicts, {}

    def against(place: int, case: AnswerCase) -> AnswerCase:
        """Over contradicting evidence the right answer is the passage's."""
        conflict = conflicts[place]
        return case._replace(references=(conflict.other,), passages=tuple(hit.text for hit in conflict.hits))

    for (side, context), answers in grid.arms.items():
        judged_by = {"judged_by": against} if context == "contradicting" else {}
        values[side, context] = arms.values(draw.workbench, answers, MEASURES, **judged_by)
    closed, style = grid.arms[BASE, "none"].answers, draw.config.context.citations
    memorised = np.array([accepts(said.text, query.answers, style) for query, said in zip(draw.queries, closed, strict=True)])
    hidden = {place: {name: np.where(memorised, np.nan, v) for name, v in some.items()} for place, some in values.items()}
    follows = {side: _follows(own.answers, conflicts) for (side, context), own in grid.arms.items() if context == "contradicting"}
    asked = sum(map(bool, conflicts))
    reliance = [_reliance(draw.rules, side, mine, follows[BASE], asked) for side, mine in follows.items()]
    items = []
    for place, query in enumerate(draw.queries):
        item: dict[str, Any] = {"question": query.text, "references": list(query.answers)}
        item["possibly memorised"] = bool(memorised[place])
        item["contradicted by"] = conflicts[place] and conflicts[place].other
        for (side, context), answers in grid.arms.items():
            said, title = answers.answers[place], f"{side.title}, {CONTEXTS[context]}"
            item |= {title: said and said.text, f"{title}, {MAIN}": float(values[side, context][MAIN][place])}
        items.append(item)
    cells, fresh = (_cells(draw.rules, some) for some in (values, hidden))
    return AdapterGrid(len(draw.rows), int(memorised.sum()), asked, cells, fresh, reliance, items, _notes(draw.config, follows))


def _cells(rules: Rules, values: dict[tuple[AdapterSide, str], dict[str, np.ndarray]]) -> GridCells:
    others = [(side, context) for side, context in values if side != BASE]
    gains = {
        (side, context, name): value - values[BASE, context][name]
        for side, context in others
        for name, value in values[side, context].items()
    }
    beyond = {
        (side, context, name): rules.difference(gain, gains[side, "none", name])
        for (side, context, name), gain in gains.items()
        if context != "none"
    }
    pairs = [((side, context), (BASE, context)) for side, context in others]
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


def _reliance(rules: Rules, side: AdapterSide, follows: np.ndarray, plain: np.ndarray, asked: int) -> Reliance:
    """asked: questions whose evidence is contradicted."""
    paired = None if side == BASE else rules.difference(follows, plain)
    context, memory = int(np.nansum(follows == 1)), int(np.nansum(follows == 0))
    return Reliance(side, rules.mean(follows), context, memory, asked - context - memory, paired)


def _notes(config: TrialConfig, every: Iterable[AdapterSide]) -> list[str]:
    names = dict.fromkeys(name for side in every for name in weights_of(side.adapter))
    learnt = [
        f"{name} was trained on the dev half of these questions: compare it on the test half (Questions: test, on top)."
        for name in names
        if has_learnt_from(name, config.corpus.dataset) and config.corpus.questions != "test"
    ]
    if why := true_evidence(config):
        both = f"{CONTEXTS['distractors']} and {CONTEXTS['contradicting'].lower()}"
        learnt.append(f"{both} are not asked about: {why}, so the true evidence would be read.")
    return learnt


# As the page and the command show it ---------------------------------------------------------------------------------


def rows_of(cells: GridCells) -> list[dict[str, Any]]:
    """A row a side and context."""
    rows = []
    for side, context in cells.places:
        place, told = (side, context), cells.comparison
        row: dict[str, Any] = {"adapter": side.title, "context": CONTEXTS[context], "n": told.means[place, "em"].n}
        for name in MEASURES:
            beyond, title = cells.beyond.get((side, context, name)), f"{name} interaction"
            row |= told.cells(place, name, "gain") | spread(title, beyond)
            row |= {f"{title} n": beyond and beyond.n, f"{title} note": beyond and beyond.note}
        rows.append(row)
    return rows


def method(level: float) -> str:
    return f"Bootstrap intervals ({100 * level:g}%); sign-flip test against no adapter, Holm's correction over all cells and measures"


def grid_table(cells: GridCells, measure: str, note: str, command: str) -> Table:
    beyond, rows = f"{measure} interaction", []
    for row in rows_of(cells):
        interval = between(row[f"{beyond} low"], row[f"{beyond} high"]) or row[f"{beyond} note"]
        rows.append(row | {"interval": interval})
    columns = (
        *map(Column, ("adapter", "context")),
        Column("n", "n"),
        arms.measure_column(measure),
        Column(f"{measure} gain", "Gain", SIGNED),
        corrected_p(f"{measure} p (Holm)"),
        Column(beyond, "Interaction", SIGNED, "The gain in this context, less the gain closed book."),
        Column(f"{beyond} n", "Pairs", "", "Questions answered in this context and closed book, with and without the adapter."),
        Column("interval"),
    )
    return Table("adapters_by_context", columns, rows, "Adapters in every context", note, command)


def main_rows(cells: GridCells, measure: str = MAIN) -> list[dict[str, Any]]:
    """Neither, retrieval alone, fine-tuning alone, both: of each adapter."""
    rows = []
    for side in dict.fromkeys(side for side, _ in cells.places if side != BASE):
        titles = ("Neither", "Retrieval alone", "Fine-tuning alone", "Both")
        for title, place in zip(titles, product((BASE, side), ("none", "retrieved")), strict=True):
            interval = cells.comparison.means[place, measure]
            row = {"adapter": side.title, "system": title, measure: interval.mean}
            rows.append(row | {"low": interval.low, "high": interval.high, "n": interval.n})
    return rows


def main_table(cells: GridCells, measure: str, command: str) -> Table:
    """command: prints this measure alone, over all questions."""
    ends = (Column(name, "", MEAN) for name in ("low", "high"))
    columns = (Column("adapter"), Column("system"), arms.measure_column(measure), *ends, Column("n", "n"))
    rows = main_rows(cells, measure)
    return Table("fine_tuning_and_retrieval", columns, rows, "Fine-tuning and retrieval", "Bootstrap intervals", command)


def reliance_table(made: AdapterGrid, command: str) -> Table:
    means = (Column(name, "", MEAN) for name in ("follows", "low", "high"))
    counts = Column("context", "Passage's"), Column("memory", "Its own")
    columns = (Column("adapter"), *means, *counts, Column("difference", "", SIGNED), corrected_p())
    whose = f"Of {made.conflicts:,} questions whose evidence was given another question's answer"
    note = f"{whose}, the share that follows the passage"
    return Table("context_or_memory", columns, reliance_rows(made), "Context or memory", note, command)


def reliance_rows(made: AdapterGrid) -> list[dict[str, Any]]:
    """A row a side; Holm's correction over them."""
    corrected, rows = correct_defined([each.against and each.against.p for each in made.reliance]), []
    for each, p in zip(made.reliance, corrected, strict=True):
        row = {"adapter": each.side.title} | dict(zip(("follows", "low", "high"), each.follows[:3], strict=True))
        row |= {"context": each.context, "memory": each.memory, "neither": each.neither}
        rows.append(row | {"difference": each.against and each.against.difference, "p (Holm)": p})
    return rows


def sentences(made: AdapterGrid, level: float) -> list[str]:
    """What is told apart from the model without adapter, and whom it follows."""
    told = [
        f"{change.arm[0].title}, {CONTEXTS[change.arm[1]].lower()}: token F1 {change.paired.difference:+.3f}, "
        f"{change.verdict(level)} than without it (p {in_words(change.p_holm, P_VALUE)})."
        for change in made.cells.comparison.significant(level)
        if change.measure == MAIN
    ]
    told = told or ["In no context does the adapter change the model's token F1 significantly."]
    base = made.reliance[0].follows
    for side, follows, *_ in made.reliance[1:]:
        if follows.mean is not None and base.mean is not None:
            told.append(
                f"{side.title} follows the context over its memory in {follows.mean:.0%} of {follows.n:,} conflicts, without it in "
                f"{base.mean:.0%} of {base.n:,}. Of the other contradicted questions ({made.conflicts:,} in all) the answers "
                f"name neither, or both."
            )
    by_heart = "are answered right without any passage by the model without adapter: possibly memorised."
    return [*made.notes, *told, f"{made.memorised:,} of {made.questions:,} questions {by_heart}"]
