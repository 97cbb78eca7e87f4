"""What fewer dimensions and fewer bytes of a vector cost: one encoder's metrics over the size of its vectors."""

from collections.abc import Generator, Sequence
from typing import NamedTuple

import numpy as np

from core.config import TransformConfig, TrialConfig, fingerprint
from core.embedding.transform import Basis, fit, principal
from core.errors import WorkbenchError
from core.evaluation.judged import Relevance
from core.index.exact import Exact
from core.index.rescore import Rescored
from core.labs.encoders.comparison import asked, prepared, remembered, variant
from core.pipeline.results import evaluated
from core.pipeline.retrieving import VectorSearch
from core.pipeline.stages import VECTOR_SEARCH, Resolved, rankers
from core.progress import drain
from core.queries.protocol import Wording
from core.records import Progress
from core.retrieval.pool import make_pool
from core.statistics.bootstrap import Interval
from core.workbench import Workbench

DIMENSIONS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)  # a curve takes every second one
FORMATS = ("none", "int8", "binary")  # of a curve that is drawn at once
CODES = ("pq", "opq")
MORE_FORMATS = ("float16", *CODES)  # it loses next to nothing; they take long
CODE_BYTES = (4, 8, 16, 32, 64, 128)


class TransformPoint(NamedTuple):
    """One setting of a trade-off curve."""

    dimensions: int
    format: str
    bytes_per_vector: float
    intervals: dict[str, Interval]


class EncoderVectors(NamedTuple):
    """What every transform of one encoder's vectors is measured with."""

    key: str
    run: Resolved  # with the questions that are asked
    vectors: np.ndarray  # [num_chunks, dim] float32, as the encoder made them
    wordings: list[Wording]  # what is asked in place of each question
    questions: np.ndarray  # [num_texts, dim] float32, of those
    basis: Basis
    relevance: Relevance
    ties: np.ndarray


def encoder_vectors(workbench: Workbench, config: TrialConfig) -> Generator[Progress, None, EncoderVectors]:
    """Vectors, questions and judgements of an encoder that is prepared."""
    pipeline = workbench.pipeline
    run = asked(workbench, (yield from pipeline.resolve(config)))
    key = fingerprint(run.key("relevance"), run.key("queries"), config.embedding.prefix(True))

    def make() -> Generator[Progress, None, EncoderVectors]:
        vectors = yield from pipeline.vectors(run)
        wordings = yield from pipeline.queries(run)
        questions = yield from pipeline.encoded(run, wordings)
        relevance = yield from pipeline.relevance(run)
        ties = yield from pipeline.tie_order(run)
        yield Progress(0, 0, "Principal directions of the vectors")
        return EncoderVectors(key, run, vectors, wordings, questions, principal(vectors), relevance, ties)

    return (yield from remembered(workbench, "ground", key, make))


def grid(basis: Basis, formats: Sequence[str], transform: TransformConfig) -> list[TransformConfig]:
    """The settings of a trade-off curve: the recipe's other steps with each dimension in each number format; codes with
    each number of bytes that divides the recipe's dimension, or the largest of DIMENSIONS that the vectors have."""
    most = basis.rank - transform.remove_top
    projected = transform.dimensions if transform.projection != "none" and transform.dimensions <= most else 0
    sizes = sorted({*(d for d in DIMENSIONS[::2] if d < most), most, *([projected] if projected else [])})
    step = {"projection": transform.projection if transform.projection != "none" else "pca", "cut": 0}
    whole = projected or max((d for d in DIMENSIONS if d <= most), default=most)
    settings = []
    for name in formats:
        if name in CODES:
            points = [{"dimensions": whole, "code_bytes": b} for b in CODE_BYTES if whole % b == 0]
        else:
            points = [{"dimensions": size} for size in sizes]
        settings += [transform.model_copy(update={**step, **point, "quantise": name}) for point in points]
    return settings


def trade_off(
    workbench: Workbench, config: TrialConfig, formats: Sequence[str] = FORMATS
) -> Generator[Progress, None, tuple[TransformPoint, list[TransformPoint]]]:
    """(the recipe's own transform, every point of the grid): one encoder's metrics over the bytes of a vector."""
    base = yield from encoder_vectors(workbench, config)
    points, settings = [], [config.transform, *grid(base.basis, formats, config.transform)]
    for done, transform in enumerate(settings):
        yield Progress(done, len(settings), f"{transform.dimensions} dimensions, {format_name(transform.quantise)}")
        memory = _remembered_point(workbench, config, base, transform)
        memory += [] if memory else [_point(workbench, config, base, transform)]
        points += memory
    return points[0], points[1:]


def points_left(workbench: Workbench, config: TrialConfig, formats: Sequence[str]) -> Generator[Progress, None, int]:
    """How many points of the trade-off have not been measured yet."""
    base = yield from encoder_vectors(workbench, config)
    settings = [config.transform, *grid(base.basis, formats, config.transform)]
    return len({acting(transform) for transform in settings if not _remembered_point(workbench, config, base, transform)})


def _remembered_point(
    workbench: Workbench, config: TrialConfig, base: EncoderVectors, transform: TransformConfig
) -> list[TransformPoint]:
    """The point of this transform, in a list that is empty until it is measured."""
    run = _searching(base, config, transform)
    rules = config.evaluation, config.depth, config.seed
    return workbench.pipeline.remember("point", fingerprint(base.key, run.ranking_key(), *rules), list)


def _searching(base: EncoderVectors, config: TrialConfig, transform: TransformConfig) -> Resolved:
    """The recipe of a point: exact search; where nothing ranks again, for no more candidates than are judged."""
    retrieval, exact = config.retrieval, Exact(metric=config.index.metric)
    if len(rankers()) == 1:
        judged = min(config.evaluation.k, retrieval.candidates)
        retrieval = retrieval.model_copy(update={"candidates": judged})
    return base.run.of(config.model_copy(update={"transform": acting(transform), "index": exact, "retrieval": retrieval}))


def _point(workbench: Workbench, config: TrialConfig, base: EncoderVectors, transform: TransformConfig) -> TransformPoint:
    """One transform's metrics by exact search: the numbers of `Workbench.evaluate` on the same questions."""
    run, pipeline = _searching(base, config, transform), workbench.pipeline
    fitted = fit(transform, base.vectors, base.basis)
    searcher = run.config.index.build(fitted.chunks, None)
    if transform.quantise != "none" and transform.rescore > 1:
        searcher = Rescored(searcher, fitted.full, transform.rescore, run.config.index.metric)
    way = VectorSearch(pipeline, run, VECTOR_SEARCH)
    way.searcher, way.stored = searcher, fitted  # in place of those that `load` would keep
    allowed = drain(pipeline.allowed(run, run.corpus.queries))
    candidates = drain(way.search(fitted.queries(base.questions), base.wordings, base.ties, allowed))
    pool = make_pool({VECTOR_SEARCH: candidates}, base.ties)
    judged = drain(evaluated(pipeline, run, pool, base.relevance))
    return TransformPoint(fitted.dim, transform.quantise, fitted.bytes_per_vector, judged.intervals)


def acting(transform: TransformConfig) -> TransformConfig:
    """The same transform with the settings that do nothing at their defaults, so that moving them computes nothing."""
    return transform.model_copy(update={name: getattr(TransformConfig(), name) for name in idle(transform)})


def idle(transform: TransformConfig) -> set[str]:
    """Settings that only serve a step that is not taken."""
    unused = {
        "code_bytes": transform.quantise not in CODES,
        "rescore": transform.quantise == "none",
        "dimensions": transform.projection == "none",
    }
    return {name for name, yes in unused.items() if yes}


def format_name(quantise: str) -> str:
    return {"none": "float32", "pq": "PQ", "opq": "OPQ"}.get(quantise, quantise)


def dimension(workbench: Workbench, config: TrialConfig) -> int:
    """Dimensions that a projection of the recipe's encoder can keep, at most; 0 where its vectors are not at hand."""
    alone = variant(config, config.embedding)
    try:
        if not workbench.plan(prepared(alone)).live:
            return 0
        vectors = drain(workbench.pipeline.vectors(workbench.resolve(alone)))
    except WorkbenchError:  # told in the encoder's row
        return 0
    return max(1, min(vectors.shape[1], len(vectors) - 1) - config.transform.remove_top)
