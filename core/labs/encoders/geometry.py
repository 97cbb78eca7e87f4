"""What an encoder's vectors look like: their geometry, gold pairs against random ones, and the map."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from core.config import fingerprint
from core.embedding.transform import identity_transform
from core.labs.encoders import diagnostics
from core.labs.encoders.comparison import EncoderResult, remembered
from core.labs.encoders.maps import FlatMap, flat_map
from core.records import Chunks, Progress
from core.retrieval.pool import rankings
from core.workbench import Evaluation, Workbench


class Geometry(NamedTuple):
    """The geometry of one encoder's vectors as they come, and transformed; `after` None: nothing is done to them."""

    before: diagnostics.Diagnosis
    after: diagnostics.Diagnosis | None


def geometry_of(workbench: Workbench, row: EncoderResult) -> Generator[Progress, None, Geometry]:
    config, pipeline = row.config, workbench.pipeline
    run = yield from pipeline.resolve(config)
    key = run.key("chunks")
    vectors = yield from pipeline.vectors(run)
    yield Progress(0, 2, f"Geometry of {row.offer.name}")
    before = pipeline.remember("diagnosis", fingerprint(key, config.seed), lambda: diagnostics.diagnose(vectors, config.seed))
    if identity_transform(config.transform):
        return Geometry(before, None)
    yield Progress(1, 2, f"Geometry of {row.offer.name} after the transform")
    stored = fingerprint(key, config.transform.model_copy(update={"rescore": 1}), config.seed)
    after = pipeline.remember("diagnosis", stored, lambda: diagnostics.diagnose(row.transform.chunks, config.seed))
    return Geometry(before, after)


def separation_of(workbench: Workbench, row: EncoderResult) -> Generator[Progress, None, diagnostics.Separation]:
    """Similarity of questions with their evidence against random chunks, after the transform."""
    config, pipeline = row.config, workbench.pipeline
    run = row.evaluation.run
    relevance = yield from pipeline.relevance(run)
    questions = yield from _questions(workbench, row)
    key = fingerprint(run.vector_search_key(), run.key("relevance"), config.seed)
    pairs = np.stack([relevance.pair_row, relevance.pair_chunk], axis=1)
    return pipeline.remember(
        "separation", key, lambda: diagnostics.separation(questions, row.transform.chunks, pairs, config.seed)
    )


def _questions(workbench: Workbench, row: EncoderResult) -> Generator[Progress, None, np.ndarray]:
    """The questions' transformed vectors [num_queries, d] float32, remembered."""
    key = row.evaluation.run.vector_search_key()
    return (
        yield from remembered(
            workbench, "transformed questions", key, lambda: workbench.pipeline.query_vectors(row.evaluation.run)
        )
    )


@dataclass(frozen=True)
class VectorMap:
    """Chunks and questions in the plane, with what colours them."""

    flat: FlatMap
    chunks: Chunks
    hit: np.ndarray  # [num_queries] bool: a relevant chunk among the first k
    measured: np.ndarray  # [num_queries] bool: has evidence
    evidence: np.ndarray  # [num_chunks] int8: 0 of no question, 1 of some that miss it, 2 among the first k of one


def vector_map(workbench: Workbench, row: EncoderResult, method: str) -> Generator[Progress, None, VectorMap]:
    config, pipeline, evaluation = row.config, workbench.pipeline, row.evaluation
    chunks = yield from pipeline.chunks(evaluation.run)
    judged, k = evaluation.judged, config.evaluation.k
    pairs = judged.relevance
    evidence = np.zeros(len(chunks), np.int8)
    evidence[pairs.pair_chunk] = 1
    ranked = rankings(evaluation.pool, evaluation.scores, k).chunk  # [num_queries, k]
    hit = (ranked[pairs.pair_row] == pairs.pair_chunk[:, None]).any(axis=1)
    evidence[pairs.pair_chunk[hit]] = 2
    questions = yield from _questions(workbench, row)
    flat = yield from remembered(
        workbench,
        "map",
        _map_key(row, method),
        lambda: flat_map(row.transform.chunks, questions, method, np.flatnonzero(evidence), config.seed),
    )
    return VectorMap(flat, chunks, judged.first_rank <= k, judged.measured, evidence)


UNMEASURED, BOTH, ONLY_HERE, ONLY_THERE, NEITHER = range(5)
AGAINST = ("not measured by both", "found by both", "found here only", "lost here only", "lost by both")


def lost_against(row: EncoderResult, other: Evaluation) -> np.ndarray:
    """[num_queries] int8, a place in AGAINST of each question of the encoder: whether it and another recipe find a relevant chunk among
    the first k. Questions are the same by their id: each may have been asked others."""
    mine, theirs = row.evaluation, other
    hits = {
        query.id: bool(rank <= theirs.config.evaluation.k)
        for query, rank, measured in zip(theirs.corpus.queries, theirs.judged.first_rank, theirs.judged.measured, strict=True)
        if measured
    }
    outcome = np.full(len(mine.corpus.queries), UNMEASURED, np.int8)
    for place, query in enumerate(mine.corpus.queries):
        if mine.judged.measured[place] and query.id in hits:
            here, there = bool(mine.judged.first_rank[place] <= row.config.evaluation.k), hits[query.id]
            outcome[place] = BOTH if here and there else ONLY_HERE if here else ONLY_THERE if there else NEITHER
    return outcome


def map_rows(row: EncoderResult, plane: VectorMap, against: Evaluation | None = None) -> list[dict[str, Any]]:
    """A row a point: where it lies, what becomes of it in retrieval, and of which source a chunk is. against: questions also tell whether
    that recipe finds them."""
    flat, documents = plane.flat, row.evaluation.corpus.documents
    states = "no question's evidence", "evidence, missed", "evidence, found"
    chunks = [
        {
            "point": f"chunk {number}",
            "group": states[plane.evidence[number]],
            "source": documents[plane.chunks.document[number]].source,
            "x": x,
            "y": y,
        }
        for number, (x, y) in zip(flat.chunk_rows.tolist(), flat.chunk_xy.tolist(), strict=True)
    ]
    questions = [
        {
            "point": f"question {number}",
            "group": "without evidence" if not plane.measured[number] else "found" if plane.hit[number] else "missed",
            "source": "",
            "x": x,
            "y": y,
        }
        for number, (x, y) in zip(flat.query_rows.tolist(), flat.query_xy.tolist(), strict=True)
    ]
    if against is not None:
        outcome = lost_against(row, against)
        for point, number in zip(questions, flat.query_rows.tolist(), strict=True):
            point["against"] = AGAINST[outcome[number]]
    return chunks + questions


def _map_key(row: EncoderResult, method: str) -> str:
    dense = row.evaluation.run.vector_search_key()
    return fingerprint(dense, row.config.evaluation, method, row.config.seed)


def map_ready(workbench: Workbench, row: EncoderResult, method: str) -> bool:
    """Whether this map has been drawn before, so that it takes no time."""
    return bool(workbench.pipeline.remember("map", _map_key(row, method), list))


def chunk_texts(workbench: Workbench, row: EncoderResult) -> Generator[Progress, None, list[str]]:
    """The texts of the encoder's chunks, in the order of `VectorMap.chunks`."""
    return (yield from workbench.pipeline.texts(row.evaluation.run))
