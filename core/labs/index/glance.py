"""The index in use at a glance: measured a moment ago, beside what it costs the answer."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from core.comparison.comparison import rules_of
from core.config import TrialConfig, fingerprint, with_settings
from core.labs.index import measuring, reference
from core.labs.index.cost import Cost, remembered_cost
from core.labs.index.points import IndexPoint
from core.pipeline.stages import VECTOR_SEARCH, pooled
from core.progress import drain
from core.records import Progress
from core.statistics.bootstrap import Interval
from core.workbench import Workbench


@dataclass(frozen=True)
class Glance:
    """The recipe's index as measured a moment ago, and what it costs the answer."""

    point: IndexPoint
    recall: Interval
    cost: Cost
    cached: bool  # nothing was measured anew
    load: float  # of the machine in the minute before it was measured


def to_prepare(config: TrialConfig) -> TrialConfig:
    """The recipe with a fusion that asks the index: what has to be embedded for it."""
    return config if VECTOR_SEARCH in pooled(config) else with_settings(config, {"fusion": "dense_only"})


def glance(
    workbench: Workbench, config: TrialConfig, margin_points: float, metrics: Sequence[str] = ("ndcg_linear",)
) -> Generator[Progress, None, Glance]:
    """Measured in less than a second for 1,000 questions, and once for each setting; nothing is stored.

    metrics: of the answer. Each one takes a tenth of a second, so a slider asks for those that are seen.
    """
    pipeline, fresh = workbench.pipeline, []
    run = yield from pipeline.resolve(config)
    yield from pipeline.index(run)
    yield from pipeline.dense(run.of(reference.exact_config(config)))
    yield from pipeline.dense(run)
    yield Progress(0, 0, "Measuring this setting")

    def measured() -> tuple[IndexPoint, float]:
        import psutil

        fresh.append(psutil.getloadavg()[0])
        return drain(measuring.measure_point(workbench, config, quick=True)), fresh[0]

    key = fingerprint(run.vector_search_key(), config.evaluation.k)
    point, load = pipeline.remember("glance", key, measured)
    recall = rules_of(config).mean(point.raw.recall)
    cost = yield from remembered_cost(workbench, config, margin_points, metrics)
    return Glance(point, recall, cost, not fresh, load)
