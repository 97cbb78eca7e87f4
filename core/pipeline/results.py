"""From the pool to the numbers: fused, ranked again by each stage that follows, judged. The one way for whatever ranks."""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from core.config import TrialConfig
from core.evaluation.judged import Judged, Relevance, judge
from core.evaluation.metric import metric_values
from core.pipeline.memory import Trace, noted
from core.pipeline.pipeline import Pipeline, Shared
from core.pipeline.preparing import ranking_name
from core.pipeline.speed import Run
from core.pipeline.stages import Resolved, Stage, rankers
from core.records import Corpus, Progress, Query
from core.reranking.protocol import Asked
from core.retrieval.pool import Pool
from core.statistics.bootstrap import Interval
from core.statistics.proportion import unit_intervals

LONG_S = 0.5  # a stage that ranks in less is no part of a price


@dataclass(frozen=True)
class Evaluation:
    """One recipe, measured on all its questions. Per-query values; NaN where a question has no gold evidence."""

    run: Resolved
    pool: Pool
    scores: np.ndarray  # [num_queries, pool width] float32
    judged: Judged
    values: dict[str, np.ndarray]  # metric -> [num_queries] float64
    intervals: dict[str, Interval]
    trace: Trace = field(default_factory=Trace)

    @property
    def config(self) -> TrialConfig:
        return self.run.config

    @property
    def corpus(self) -> Corpus:
        return self.run.corpus

    @property
    def elapsed_ms(self) -> float:
        return sum(self.trace.ms.values())


@dataclass(frozen=True)
class Scores:
    """What a stage that ranks makes, as it is kept."""

    scores: np.ndarray  # [num_queries, pool width] float32


def final_scores(
    pipeline: Pipeline,
    run: Resolved,
    pool: Pool,
    queries: Sequence[Query] | None = None,
    trace: Trace | None = None,
    most: int | None = None,
    steps: dict[str, np.ndarray] | None = None,
    timed: bool = False,
    shared: Shared | None = None,
) -> Generator[Progress, None, np.ndarray]:
    """The final scores [Q, P] float32 of a pool: the fusion's, then what each later stage makes of them.

    queries: of the pool's rows; None: the corpus' own. Of the recipe's own pool the scores are kept where a stage's row says.
    most: texts or pairs that a reranker may read for it now; more raise `Unready`. steps: takes each stage's scores.
    timed: as of questions that nobody asked before. shared: see `Pipeline.pool_of`; of a single question.
    """
    chunks = yield from pipeline.chunks(run)
    stages = rankers(run.config)
    tools = (yield from pipeline.rank_tools(run, most, timed)) if len(stages) > 1 else None  # a fusion asks nothing of them
    asked = Asked(run.corpus, chunks, tuple(run.corpus.queries if queries is None else queries), pool, None, tools)
    own = queries is None and pool is pipeline.pool_at_hand(run)  # a lab's pool has no key
    for stage in stages:
        started, make = time.perf_counter(), partial(_ranked, pipeline, run, stage, asked)
        if own and stage.storage:
            made = yield from pipeline.stage(stage.name, run.key(stage.name), Scores, make, trace)
        elif shared is not None and stage.storage:
            entry = stage.name, run.key(stage.name), asked.queries[0].text
            if not (cached := entry in shared):
                shared[entry] = (yield from make()), (time.perf_counter() - started) * 1000
            made = shared[entry][0]
            noted(trace, stage.name, started, cached)
        else:
            made = yield from make()
            noted(trace, stage.name, started, False)
        asked = asked._replace(scores=made.scores)
        if steps is not None:
            steps[stage.name] = made.scores
    return asked.scores


def noted_depth(interval: Interval, k: int, longest: int, chunks: float) -> Interval:
    """With the note that no ranking goes as deep as it is judged, where there are more chunks to be found."""
    deep = longest >= min(k, chunks) or not longest
    return interval if deep or interval.note else interval._replace(note=f"no ranking is longer than {longest:,}")


def _ranked(pipeline: Pipeline, run: Resolved, stage: Stage, asked: Asked) -> Generator[Progress, None, Scores]:
    part, started = getattr(run.config, stage.field), time.perf_counter()
    scores = yield from stage.ranks(part, asked)
    if (seconds := time.perf_counter() - started) > LONG_S:
        pipeline.speeds.note(ranking_name(part), Run(len(asked.queries), len(asked.queries), seconds, 0.0))
    return Scores(scores)


def evaluated(
    pipeline: Pipeline, run: Resolved, pool: Pool, relevance: Relevance, trace: Trace | None = None
) -> Generator[Progress, None, Evaluation]:
    """The pool ranked, judged and measured with intervals, on the questions of the run's corpus."""
    trace, config = trace or Trace(), run.config
    scores = yield from final_scores(pipeline, run, pool, trace=trace)
    started = time.perf_counter()
    judged = judge(pool, scores, relevance, config.depth)
    values = metric_values(judged, config.evaluation.k)
    table = unit_intervals(
        np.column_stack(list(values.values())), config.evaluation.resamples, config.evaluation.confidence, config.seed
    )
    if config.evaluation.k > pool.chunk.shape[1]:
        chunks = yield from pipeline.chunks(run)
        table = [noted_depth(interval, config.evaluation.k, pool.chunk.shape[1], len(chunks)) for interval in table]
    noted(trace, "metrics", started, False)
    return Evaluation(run, pool, scores, judged, values, dict(zip(values, table, strict=True)), trace)
