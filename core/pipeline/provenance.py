"""Where the passages of an answer come from, and where its time went."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from core.config import ContextConfig
from core.context.surroundings import Surroundings
from core.embedding.vectors import encode_all
from core.pipeline.memory import Trace
from core.pipeline.pipeline import Pipeline
from core.pipeline.stages import Resolved
from core.progress import drain
from core.records import Answer, ChunkOrigin, Hit, Provenance, StageRank, TimedStep
from core.retrieval.pool import Pool, ranking

LEAST_MS = 0.5  # of time that no step accounts for; less is not told


@dataclass
class Way:
    """What the retrieval of one question did: milliseconds by step, and the scores of each stage that ranked its pool."""

    steps: dict[str, float] = field(default_factory=dict)
    trace: Trace = field(default_factory=Trace)
    scores: dict[str, np.ndarray] = field(default_factory=dict)
    pool: Pool | None = None


def source_of(pipeline: Pipeline, run: Resolved) -> Surroundings:
    """The documents of a recipe, for prompts that give more than its chunks."""

    def embed(texts: list[str], query: bool) -> np.ndarray:
        vectors = encode_all(drain(pipeline.encoder(run)), texts, query=query)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)

    return Surroundings(run.corpus.documents, drain(pipeline.chunks(run)), embed)


def provenance(run: Resolved, way: Way, hits: Sequence[Hit], answer: Answer, total_ms: float) -> Provenance:
    """Of an answer over this ranking: its chunks down to the last one that was given, with their places in each stage.

    total_ms: from the question to the end of the answer. Stages are those that ranked, whichever the recipe has.
    """
    held = {hit.rank: _passage(hit, answer.hits, run.config.context) for hit in hits}
    last = max([run.config.context.passages, *(rank for rank, passage in held.items() if passage)])
    places, pool = _places(way), way.pool
    origins = []
    for hit, chunk in zip(hits, ranking(pool, _final(way), 0, len(hits)).chunk.tolist(), strict=True):
        if hit.rank <= last:
            stages = {
                name: StageRank(*place[chunk], hit.longer.get(name, "")) for name, place in places.items() if chunk in place
            }
            origins.append(ChunkOrigin(held[hit.rank], chunk, hit.document_id, hit.start, hit.end, hit.page, stages))
    return Provenance(run.corpus.name, run.corpus.fingerprint, tuple(origins), _steps(way, answer, total_ms))


def _final(way: Way) -> np.ndarray:
    return list(way.scores.values())[-1]


def _places(way: Way) -> dict[str, dict[int, tuple[int, float]]]:
    """Stage -> chunk -> (rank, score): the retrievers, then whatever ranked their pool."""
    pool, places = way.pool, {}
    for name, ranks in pool.rank.items():
        columns = np.flatnonzero((pool.chunk[0] >= 0) & (ranks[0] > 0))
        places[name] = {int(pool.chunk[0, c]): (int(ranks[0, c]), float(pool.score[name][0, c])) for c in columns}
    for name, scores in way.scores.items():
        final = ranking(pool, scores, 0, pool.chunk.shape[1])
        ranked = enumerate(zip(final.chunk.tolist(), final.score.tolist(), strict=True), 1)
        places[name] = {chunk: (rank, score) for rank, (chunk, score) in ranked if chunk >= 0}
    return places


def _passage(hit: Hit, passages: Sequence[Hit], context: ContextConfig) -> int | None:
    """Number of the passage that holds a chunk, or most of it where passages were joined or cut."""
    same = [n for n, other in enumerate(passages, 1) if other.document_id == hit.document_id]
    exact = [n for n in same if (passages[n - 1].start, passages[n - 1].end) == (hit.start, hit.end)]
    if exact or (context.hand_on == "chunk" and context.compress == 1.0):
        return exact[0] if exact else None

    def share(passage: Hit) -> float:
        common = min(hit.end, passage.end) - max(hit.start, passage.start)
        return common / min(hit.end - hit.start, passage.end - passage.start)

    return next((n for n in same if share(passages[n - 1]) > 0.5), None)


def _steps(way: Way, answer: Answer, total_ms: float) -> tuple[TimedStep, ...]:
    """In the order in which they happen. opening: what had to be loaded or made before the search; rest: what no step tells."""
    search = {**way.steps, **way.trace.ms}
    steps = {"opening": answer.retrieval_ms - sum(search.values()), **search, "loading": answer.loading_ms}
    steps |= {"context": answer.context_ms, "first_token": answer.first_token_ms}
    steps["writing"] = answer.generation_ms - answer.first_token_ms
    steps["rest"] = total_ms - sum(max(0.0, ms) for ms in steps.values())
    inferred = ("opening", "loading", "rest")
    return tuple(TimedStep(name, ms) for name, ms in steps.items() if ms > (LEAST_MS if name in inferred else 0))
