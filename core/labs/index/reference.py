"""Exact search over the unquantised vectors by the same metric: what every setting of an index is held against, so that an index
of quantised vectors stands beside an IVF-PQ of whole ones."""

import weakref
from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from core.config import TrialConfig, code_version, fingerprint, with_settings
from core.errors import WorkbenchError
from core.index.common import vectors_identity
from core.index.exact import Exact
from core.labs.index.measure import TIES
from core.pipeline.stages import Resolved
from core.records import Candidates, Progress
from core.workbench import Workbench

QUESTIONS = 1000  # a corpus with more is measured on so many of them, drawn once
_identities: dict[int, tuple[weakref.ref, str]] = {}


class ExactReference(NamedTuple):
    """What all settings of a recipe's vectors are measured with."""

    dataset: str
    vectors: str  # identities
    queries: str
    asked: np.ndarray  # [num_queries, dim] float32
    truth: Candidates
    n: int
    dim: int


def exact_reference(workbench: Workbench, config: TrialConfig) -> Generator[Progress, None, ExactReference]:
    pipeline = workbench.pipeline
    run = yield from pipeline.resolve(config)
    corpus = run.corpus
    stored = yield from pipeline.transformed(run)
    if not corpus.queries or not len(stored.full):
        raise WorkbenchError(
            f"'{corpus.name}' has no {'questions' if len(stored.full) else 'chunks'} to measure with.",
            todo="Choose a corpus with questions, or add a questions file.",
        )
    asked = yield from pipeline.query_vectors(run)
    asked = drawn_of(asked, QUESTIONS)
    metric, depth = config.index.metric, config.evaluation.k + TIES
    vectors, queries = _identity(stored.full), vectors_identity(asked)
    key = fingerprint(vectors, queries, metric, depth, code_version(Exact))
    yield Progress(0, 0, "Exact search")

    def exact() -> Candidates:
        if parts := pipeline.cache.load("truth", key):
            return Candidates(**parts[0])
        made = Exact(metric=metric).build(stored.full, None).search(asked, depth)
        pipeline.cache.save("truth", key, vars(made))
        return made

    truth = pipeline.remember("truth", key, exact)
    return ExactReference(corpus.name, vectors, queries, asked, truth, *stored.full.shape)


def drawn_of(asked: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the questions, drawn once, in their order: corpora stand in the order of their subjects."""
    rows = np.sort(np.random.default_rng(0).permutation(len(asked))[:most])
    return asked[rows] if len(rows) < len(asked) else asked


def _identity(vectors: np.ndarray) -> str:
    """`vectors_identity`, once for each array: of a million vectors it takes seconds."""
    entry = _identities.get(id(vectors))
    if entry is None or entry[0]() is not vectors:
        entry = _identities[id(vectors)] = weakref.ref(vectors), vectors_identity(vectors)
    return entry[1]


def exact_config(config: TrialConfig) -> TrialConfig:
    """The recipe with exact search by the same metric over the unquantised vectors."""
    return with_settings(
        config, {"index": {"part": "exact", "metric": config.index.metric}, "transform.quantise": "none", "transform.rescore": 1}
    )


def exact_searcher(workbench: Workbench, run: Resolved) -> Generator[Progress, None, Any]:
    """Exact search over the unquantised vectors: what every index is held against."""
    return (yield from workbench.pipeline.index(run.of(exact_config(run.config))))
