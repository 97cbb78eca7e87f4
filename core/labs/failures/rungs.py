"""The rungs of the ladder that take a model: what each one asks, answers kept by their content, and the job that writes them.

An answer is kept under all that it depends on: question and passages (or none), the settings of the context, the model with its
settings, the seed and the code. So only what is not known is asked, also where another recipe hands on the same passages.
"""

import time
from collections.abc import Generator, Iterable, Mapping
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from core.answering.one_prompt import OnePrompt
from core.config import PartConfig, code_version, fingerprint
from core.context.citations import plain
from core.errors import WorkbenchError
from core.generation.answer import answer, best_similarity, loaded
from core.labs.failures.ladder import FINAL, RUNGS, Ladder, RungAnswer, answered, can_be_judged, covered, passages_of, standing
from core.pipeline.provenance import source_of
from core.pipeline.stages import Recipe, Resolved
from core.progress import drain, within
from core.records import Corpus, Gold, Hit, Progress, Query
from core.retrieval.fusion import fused
from core.workbench import Workbench, fetched

CLOSED = "Answer the question in one sentence."
KEPT, PACE, COUNT = "rungs", "rung_seconds", "rung_count"  # entries of the cache
FIRST = 30  # questions that are asked where nobody says how many
TIMED = 50  # answers whose median is the estimate of the next ones


class RungPrompt(NamedTuple):
    """What one rung asks. hits None: the question alone. asks: whether the model is; without similar passages nothing is."""

    question: str
    hits: tuple[Hit, ...] | None
    key: str
    asks: bool = True


class ClimbCost(NamedTuple):
    """What climbing takes. answers: those that are not kept yet; seconds None: no answer of this model was timed here."""

    questions: int
    answers: int
    seconds: float | None


def drawn(ladder: Ladder, count: int) -> list[int]:
    """Rows of the questions that are asked, `count` at most, drawn once: a larger sample holds the smaller one."""
    queries = ladder.corpus.queries
    order = np.random.default_rng(ladder.evaluation.config.seed).permutation(len(queries))
    return [int(row) for row in order if can_be_judged(queries[row])][:count]


def askings(workbench: Workbench, ladder: Ladder, count: int) -> dict[int, dict[str, RungPrompt]]:
    """Row -> rung -> what it asks, of the first `count` questions drawn; loads no model."""
    run, config = ladder.evaluation.run, ladder.evaluation.config
    key = fingerprint(run.key("answer"), config.evaluation.overlap, config.seed, count, config.generation.usable().identity())
    return workbench.pipeline.remember("askings", key, lambda: _askings(workbench, ladder, drawn(ladder, count)))


def _askings(workbench: Workbench, ladder: Ladder, rows: Iterable[int]) -> dict[int, dict[str, RungPrompt]]:
    evaluation, config = ladder.evaluation, ladder.evaluation.config
    part = config.generation.usable()
    same = [part.identity(), part.model_dump(mode="json"), config.seed]
    made_by = [config.context.model_dump(mode="json"), config.answering.model_dump(mode="json")]
    made_by += [code_version(answer, type(part), type(config.answering))]
    if config.context.hand_on != "chunk" or config.context.compress < 1:  # the documents and the encoder take part
        made_by += [evaluation.corpus.fingerprint, evaluation.run.key("chunks"), evaluation.run.encoder]
    if config.answering.part != OnePrompt().part:  # others may search again
        made_by += [evaluation.run.ranking_key()]
    first = replace(evaluation, scores=fused(config.fusion, evaluation.pool))
    table: dict[int, dict[str, RungPrompt]] = {}
    for row in rows:
        query = ladder.corpus.queries[row]
        final = workbench.hits(evaluation, row)
        wanted: dict[str, list[Hit] | None] = {"closed_book": None, "retrieved": workbench.hits(first, row), "reranked": final}
        if gold := _gold_hits(workbench, ladder, row):
            wanted |= {"gold": gold, "distractors": _among(query, gold, final, config)}
        table[row] = {}
        for rung, hits in wanted.items():
            if hits is None:
                table[row][rung] = RungPrompt(query.text, None, fingerprint(same, code_version(type(part)), CLOSED, query.text))
                continue
            best = best_similarity(hits[: config.context.passages])
            low = not hits or (best is not None and best < config.context.threshold)
            # of copies that are dropped those behind take the place
            hits = tuple(hits if config.context.duplicates < 1 else hits[: config.context.passages])
            key = fingerprint(same, made_by, query.text, low, [(hit.document_id, hit.start, hit.text) for hit in hits])
            table[row][rung] = RungPrompt(query.text, hits, key, not low)
    return table


def _gold_hits(workbench: Workbench, ladder: Ladder, row: int) -> list[Hit]:
    """The evidence as passages, a unit each, best grade first: of the chunks that cover it the one that shares most with
    it, or the evidence itself where the chunker cut it."""
    evaluation, query = ladder.evaluation, ladder.corpus.queries[row]
    chunks, documents = drain(workbench.cut_chunks(evaluation.run)), evaluation.corpus.documents
    number = workbench.pipeline.remember(
        "places", evaluation.corpus.fingerprint, lambda: {document.id: i for i, document in enumerate(documents)}
    )
    relevance = evaluation.judged.relevance
    own = relevance.pair_chunk[slice(*np.searchsorted(relevance.pair_row, [row, row + 1]))]
    units: dict[int, list[Gold]] = {}
    for gold in sorted(query.gold, key=lambda gold: -gold.grade):
        if gold.grade > 0:
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
    climbs = {
        row: {rung: _answer_of(workbench, asking.key) for rung, asking in rungs.items()}
        for row, rungs in askings(workbench, bare, count).items()
    }
    return answered(bare, {row: rungs for row, rungs in climbs.items() if None not in rungs.values()})


def _answer_of(workbench: Workbench, key: str) -> RungAnswer | None:
    memory = workbench.pipeline.remember("rungs", "", dict)
    if key not in memory and (entry := workbench.pipeline.cache.load(KEPT, key)):
        memory[key] = _read(entry[1])
    return memory.get(key)


def _read(meta: Mapping[str, Any]) -> RungAnswer:
    return RungAnswer(meta["text"], meta["finish_reason"], tuple((d, s, e) for d, s, e in meta["passages"]))


def cost(workbench: Workbench, bare: Ladder, count: int, only: tuple[str, ...] = tuple(RUNGS)) -> ClimbCost:
    """What asking the first `count` questions takes, all rungs or only some."""
    part = bare.evaluation.config.generation
    if part.absent():
        return ClimbCost(len(drawn(bare, count)), 0, None)
    table = askings(workbench, bare, count)
    keys = {asking.key for rungs in table.values() for rung, asking in rungs.items() if asking.asks and rung in only}
    unknown = sum(not workbench.pipeline.cache.has(KEPT, key) for key in keys)
    entry = workbench.pipeline.cache.load(PACE, _pace_key(part.usable()))
    return ClimbCost(len(table), unknown, unknown * entry[1]["seconds"] if entry else None)


def asked_last(workbench: Workbench, corpus: Corpus) -> int:
    """How many questions of this corpus were asked last, FIRST before the first."""
    entry = workbench.pipeline.cache.load(COUNT, _count_key(workbench, corpus))
    return entry[1]["count"] if entry else FIRST


def _count_key(workbench: Workbench, corpus: Corpus) -> str:
    return fingerprint(workbench.corpus_key(corpus))


def _pace_key(part: PartConfig) -> str:
    return fingerprint(part.identity(), part.model_dump(mode="json"))


def verdicts(workbench: Workbench, bare: Ladder, count: int) -> np.ndarray:
    """Whether the recipe's own answers to the first `count` questions drawn are right: 1 or 0 [n] float64, NaN where one is not
    known."""
    rights = []
    for row, rungs in askings(workbench, bare, count).items():
        said = _answer_of(workbench, rungs[FINAL].key)
        rights.append(np.nan if said is None else float(bare.accepted(bare.corpus.queries[row], said.text)))
    return np.array(rights)


# The job ---------------------------------------------------------------------------------------------------------


def climb(
    workbench: Workbench, recipe: Recipe, count: int, only: tuple[str, ...] = tuple(RUNGS)
) -> Generator[Progress, None, Ladder]:
    """Asks what is not known of the first `count` questions drawn, all rungs or only some. Stopped, it has kept every answer
    that was whole."""
    run = yield from workbench.pipeline.resolve(recipe)
    yield from fetched(run.config, answering=True)
    bare = yield from standing(workbench, run)
    table = askings(workbench, bare, count)
    if not table:
        raise WorkbenchError(
            f"'{bare.corpus.name}' has no questions with a reference answer, so no answer can be judged.",
            todo="Losses of retrieval stand without: `python -m core failures` without --ask.",
        )
    part, took = run.config.generation.usable(), []
    run.config.answering.check(part)
    every = [asking for rungs in table.values() for rung, asking in rungs.items() if rung in only]
    for done, asking in enumerate(every):
        step = Progress(done, len(every), asking.question)
        yield step
        if workbench.pipeline.cache.has(KEPT, asking.key):
            continue
        started = time.perf_counter()
        rung = yield from _written(workbench, run, asking, step)
        if part.local or not rung.finish_reason.startswith("failed"):  # a service may answer the next time
            workbench.pipeline.cache.save(KEPT, asking.key, {}, rung._asdict())
        took += [time.perf_counter() - started] * asking.asks
        if len(took) % 10 == 1:  # also of a job that is stopped
            workbench.pipeline.cache.save(PACE, _pace_key(part), {}, {"seconds": median(took[-TIMED:])})
    workbench.pipeline.cache.save(COUNT, _count_key(workbench, bare.corpus), {}, {"count": count})
    return with_kept(workbench, bare, count)


def _written(workbench: Workbench, run: Resolved, asking: RungPrompt, step: Progress) -> Generator[Progress, None, RungAnswer]:
    """One answer. A passage that is too long for the prompt is a failure of its question, and no end of the job."""
    config, part = run.config, run.config.generation.usable()
    if asking.hits is None:
        yield from loaded(part)
        messages = [{"role": "user", "content": f"{CLOSED}\n\nQuestion: {plain(asking.question)}"}]
        made = yield from within(part.generate(messages, config.seed), step)
        return RungAnswer(made.text, made.finish_reason)
    more = {"search": partial(workbench.search, run), "source": source_of(workbench.pipeline, run)}
    hits = list(asking.hits)
    try:
        work = answer(asking.question, hits, part, config.context, config.seed, answering=config.answering, **more)
        made = yield from within(work, step)
    except WorkbenchError as error:
        if error.where not in {hit.document_id for hit in hits}:
            raise
        return RungAnswer("", f"failed: {error.what}")
    return RungAnswer(made.text, made.finish_reason, () if made.finish_reason == "abstained" else passages_of(made.hits))
