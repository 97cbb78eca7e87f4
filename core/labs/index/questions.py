"""What an index finds and loses, question by question."""

from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from core.config import TrialConfig
from core.labs.index import reference
from core.labs.index.cost import Cost
from core.records import Chunks, Corpus, Hit, Progress
from core.workbench import Workbench


def measured_rows(num_queries: int) -> np.ndarray:
    """The questions that points are measured on, [n] int: all up to `reference.QUESTIONS`, else that many drawn once."""
    return np.sort(np.random.default_rng(0).permutation(num_queries)[: reference.QUESTIONS])


def by_question(cost: Cost, corpus: Corpus, metric: str, fused: bool) -> dict[str, list[Any]]:
    """Columns of the table by question: share of exact search's first k that were found, change of the metric."""
    effect = (cost.fused if fused else cost.dense).effects[metric]
    change = effect.differences
    outcome = np.select([np.isnan(change), change > 1e-12, change < -1e-12], ["unmeasured", "better", "worse"], "equal")
    return {
        "question": [q.text for q in corpus.queries],
        "group": [q.group for q in corpus.queries],
        "recall": cost.recalls.tolist(),
        "change": change.tolist(),
        "outcome": outcome.tolist(),
        "lost": (cost.recalls < 1).tolist(),
    }


class RankedHit(NamedTuple):
    """A chunk in a ranking by the vectors alone. elsewhere: its rank among the other's first k, None: not among them."""

    hit: Hit
    elsewhere: int | None


def side_by_side(
    workbench: Workbench, config: TrialConfig, row: int
) -> Generator[Progress, None, tuple[list[RankedHit], list[RankedHit]]]:
    """The first k chunks of exact search and of the recipe's index, for one question."""
    pipeline = workbench.pipeline
    run = yield from pipeline.resolve(config)
    corpus = run.corpus
    chunks = yield from pipeline.chunks(run)
    k, both = config.evaluation.k, []
    for setting in (reference.exact_config(config), config):
        candidates = yield from pipeline.dense(run.of(setting))
        there = candidates.chunk[row, :k] >= 0
        both.append(list(zip(candidates.chunk[row, :k][there].tolist(), candidates.score[row, :k][there].tolist(), strict=True)))
    ranks = [{chunk: rank for rank, (chunk, _) in enumerate(listed, 1)} for listed in both]
    return tuple(
        [RankedHit(_hit(corpus, chunks, rank, chunk, score), other.get(chunk)) for rank, (chunk, score) in enumerate(listed, 1)]
        for listed, other in zip(both, reversed(ranks), strict=True)
    )


def _hit(corpus: Corpus, chunks: Chunks, rank: int, chunk: int, score: float) -> Hit:
    document = corpus.documents[chunks.document[chunk]]
    start, end = int(chunks.start[chunk]), int(chunks.end[chunk])
    return Hit(rank, score, document.id, document.title, start, end, document.text[start:end])
