"""The rungs of the ladder that take a model: what each one asks, and the job that has it answered (`core.labs.answers.answering`)."""

from collections.abc import Generator, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from core.config import fingerprint
from core.errors import WorkbenchError
from core.labs.answers import answering
from core.labs.answers.answering import AnswerCost, can_be_judged
from core.labs.failures.ladder import FINAL, RUNGS, Ladder, answered, covered, passages_of, standing
from core.pipeline.answers import AskedContext, Asker, answers_of
from core.pipeline.stages import Recipe
from core.progress import drain
from core.records import Corpus, Gold, Hit, Progress, Query
from core.retrieval.fusion import fused
from core.workbench import Evaluation, Workbench, fetched

COUNT = "rung_count"  # entry of the cache
FIRST = answering.FIRST


def drawn(ladder: Ladder, count: int) -> list[int]:
    """Rows of the questions that are asked, `count` at most, drawn once: a larger sample holds the smaller one."""
    queries = ladder.corpus.queries
    return answering.drawn(queries, ladder.evaluation.config.seed, count) if any(map(can_be_judged, queries)) else []


def askings(workbench: Workbench, ladder: Ladder, count: int) -> dict[int, dict[str, AskedContext]]:
    """Row -> rung -> what it asks, of the first `count` questions drawn; loads no model."""
    run, config = ladder.evaluation.run, ladder.evaluation.config
    decides = config.evaluation.overlap, config.retrieval.top_k, config.seed, count  # beside what is in the key of an answer
    key = fingerprint(run.key("answer"), *decides, config.generation.usable().identity())
    return workbench.pipeline.remember("askings", key, lambda: _askings(workbench, ladder, drawn(ladder, count)))


def _askings(workbench: Workbench, ladder: Ladder, rows: Iterable[int]) -> dict[int, dict[str, AskedContext]]:
    evaluation, config = ladder.evaluation, ladder.evaluation.config
    asker = Asker(evaluation.run)
    first = replace(evaluation, scores=fused(config.fusion, evaluation.pool))
    table: dict[int, dict[str, AskedContext]] = {}
    for row in rows:
        query = ladder.corpus.queries[row]
        final = workbench.hits(evaluation, row)
        wanted: dict[str, list[Hit] | None] = {"closed_book": None, "retrieved": workbench.hits(first, row), "reranked": final}
        if gold := gold_hits(workbench, evaluation, row):
            wanted |= {"gold": gold, "distractors": _among(query, gold, final, config)}
        table[row] = {
            rung: asker.alone(query.text) if hits is None else asker.over(query.text, hits) for rung, hits in wanted.items()
        }
    return table


def gold_hits(workbench: Workbench, evaluation: Evaluation, row: int) -> list[Hit]:
    """The evidence as passages, a unit each, best grade first: of the chunks that cover it the one that shares most with
    it, or the evidence itself where the chunker cut it."""
    query = evaluation.corpus.queries[row]
    chunks, documents = drain(workbench.cut_chunks(evaluation.run)), evaluation.corpus.documents
    number = workbench.pipeline.remember(
        "places", evaluation.corpus.fingerprint, lambda: {document.id: i for i, document in enumerate(documents)}
    )
    relevance = evaluation.judged.relevance
    own = relevance.pair_chunk[slice(*np.searchsorted(relevance.pair_row, [row, row + 1]))]
    units: dict[int, list[Gold]] = {}
    for gold in sorted(query.relevant, key=lambda gold: -gold.grade):
        units.setdefault(gold.unit, []).append(gold)
    hits, seen = [], set()
    for golds in units.values():
        shares = [
            (min(int(chunks.end[c]), g.end) - max(int(chunks.start[c]), g.start), documents[chunks.document[c]].id, c)
            for c in own.tolist()
            for g in golds
            if documents[chunks.document[c]].id == g.document_id
        ]
        shared, name, chunk = max(shares, default=(0, "", -1))
        span = (name, int(chunks.start[chunk]), int(chunks.end[chunk])) if shared > 0 else golds[0][:3]
        if span not in seen:
            seen.add(span)
            document = documents[number[span[0]]]
            hits.append(Hit(len(hits) + 1, 0.0, *span[:1], document.title, *span[1:], document.text[span[1] : span[2]]))
    return hits[: evaluation.config.context.passages]


def _among(query: Query, gold: list[Hit], final: list[Hit], config: Any) -> list[Hit]:
    """The gold passages among the best wrong ones, as many in all as the context takes; each in a place that the question's
    id decides. Without scores: how similar the wrong ones are does not make the recipe abstain here."""
    wrong = [hit for hit in final if not covered(query, passages_of([hit]), config.evaluation.overlap)]
    hits = [replace(hit, scores={}) for hit in wrong[: max(0, config.context.passages - len(gold))]]
    rng = np.random.default_rng([config.seed, *query.id.encode("utf-8", "replace")])
    for hit in gold:
        hits.insert(int(rng.integers(len(hits) + 1)), hit)
    return hits


# Kept answers ----------------------------------------------------------------------------------------------------


def with_kept(workbench: Workbench, bare: Ladder, count: int) -> Ladder:
    """The ladder with the kept answers of the first `count` questions drawn; asks nothing."""
    if not count or bare.evaluation.config.generation.absent():
        return bare
    table = askings(workbench, bare, count)
    recorded = answers_of(workbench.pipeline, [asking.key for asking in _wanted(table, tuple(RUNGS))])
    climbs = {row: {rung: recorded.get(asking.key) for rung, asking in rungs.items()} for row, rungs in table.items()}
    return answered(bare, {row: rungs for row, rungs in climbs.items() if None not in rungs.values()})


def cost(workbench: Workbench, bare: Ladder, count: int, only: tuple[str, ...] = tuple(RUNGS)) -> AnswerCost:
    """What asking the first `count` questions takes, all rungs or only some."""
    config = bare.evaluation.config
    if config.generation.absent():
        return AnswerCost(len(drawn(bare, count)), 0, None)
    table = askings(workbench, bare, count)
    made = answering.cost(workbench, config, _wanted(table, only))
    return made._replace(questions=len(table))


def answers_each(workbench: Workbench, bare: Ladder, count: int) -> tuple[int, int]:
    """The fewest and the most answers that one of the first `count` questions takes: rungs with an equal prompt share one."""
    prompts = [
        len({asking.key for asking in steps.values() if asking.asks}) for steps in askings(workbench, bare, count).values()
    ]
    return min(prompts), max(prompts)


def _wanted(table: dict[int, dict[str, AskedContext]], only: tuple[str, ...]) -> list[AskedContext]:
    return [asking for rungs in table.values() for rung, asking in rungs.items() if rung in only]


def asked_last(workbench: Workbench, corpus: Corpus) -> int:
    """How many questions of this corpus were asked last, FIRST before the first."""
    entry = workbench.pipeline.cache.load(COUNT, _count_key(workbench, corpus))
    return entry[1]["count"] if entry else FIRST


def _count_key(workbench: Workbench, corpus: Corpus) -> str:
    return fingerprint(workbench.corpus_key(corpus))


def verdicts(workbench: Workbench, bare: Ladder, count: int) -> np.ndarray:
    """Whether the recipe's own answers to the first `count` questions drawn are right: 1 or 0 [n] float64, NaN where one is not
    known."""
    rights, table = [], askings(workbench, bare, count)
    recorded = answers_of(workbench.pipeline, [asking.key for asking in _wanted(table, (FINAL,))])
    for row, rungs in table.items():
        said = recorded.get(rungs[FINAL].key)
        rights.append(np.nan if said is None else float(bare.accepted(bare.corpus.queries[row], said.text)))
    return np.array(rights)


# The job ---------------------------------------------------------------------------------------------------------


def climb(
    workbench: Workbench, recipe: Recipe, count: int, only: tuple[str, ...] = tuple(RUNGS), evidence: str = "any"
) -> Generator[Progress, None, Ladder]:
    """Asks what is not known of the first `count` questions drawn, all rungs or only some. Stopped, it has kept every batch
    that was whole."""
    run = yield from workbench.pipeline.resolve(recipe)
    yield from fetched(run.config, answering=True)
    bare = yield from standing(workbench, run, evidence)
    table = askings(workbench, bare, count)
    if not table:
        raise WorkbenchError(
            f"'{bare.corpus.name}' has no questions with a reference answer, so no answer can be judged.",
            todo="Losses of retrieval need no answers: `python -m core answers failures` without --ask.",
        )
    yield from answering.write(workbench, run, _wanted(table, only))
    workbench.pipeline.cache.save(COUNT, _count_key(workbench, bare.corpus), {}, {"count": count})
    return with_kept(workbench, bare, count)
