"""What an index's setting costs the answer: metrics of the ranking at this setting against exact search, paired by question."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.comparison.comparison import rules_of
from core.config import PartConfig, TrialConfig, fingerprint, with_settings
from core.errors import WorkbenchError
from core.evaluation.judged import judge, relevance
from core.evaluation.metric import headlines, metric_values
from core.labs.index.grids import grid_configs, main_setting
from core.labs.index.measure import recall
from core.labs.index.points import about_setting, point_of
from core.labs.index.reference import exact_config
from core.pipeline.recipe_words import setting_words
from core.pipeline.results import final_scores
from core.pipeline.stages import VECTOR_SEARCH, Resolved, pooled
from core.progress import drain, told_within
from core.records import Candidates, Progress
from core.retrieval.pool import changed, make_pool, rankings
from core.statistics.bootstrap import Interval
from core.statistics.equivalence import Equivalence, sentence, tost
from core.statistics.paired import Paired
from core.workbench import Workbench

_SAME = 1e-5  # scores closer than this, relative to their size, are the same but for rounding


class Effect(NamedTuple):
    """One metric of the answer at this setting minus exact search, paired by question."""

    metric: str
    label: str  # nDCG@10
    exact: float | None  # means over the measured questions
    here: float | None
    paired: Paired  # bootstrap interval and permutation test of the difference
    equivalence: Equivalence
    sentence: str
    differences: np.ndarray  # [num_queries] float64, NaN where unmeasured


class FusionEffects(NamedTuple):
    """The effect through one fusion."""

    fusion: str  # dense_only, or the recipe's own
    moved: int  # questions whose first k chunks are others, or in another order
    effects: dict[str, Effect]


class Cost(NamedTuple):
    config: TrialConfig
    subject: str  # "FAISS HNSW, efSearch 24"
    k: int
    margin_points: float
    recall: Interval  # share of exact search's first k that were found
    recalls: np.ndarray  # [num_queries] float64
    questions: int
    changed: int  # questions whose candidates differ: only these were ranked and judged again
    dense: FusionEffects  # the index's ranking alone
    fused: FusionEffects  # through the recipe's fusion


def answer_cost(
    workbench: Workbench, config: TrialConfig, margin_points: float = 1.0, metrics: Sequence[str] = ()
) -> Generator[Progress, None, Cost]:
    """The corpus's questions at exact search and at this setting: what was lost, and whether it matters.

    metrics: those of the cards where none are named. margin_points: a difference smaller than so many hundredths of a
    metric does not matter. A question whose candidates are the same has difference 0 without being ranked again; n stays
    all questions.
    """
    if not margin_points > 0:
        raise WorkbenchError(
            f"A margin of {margin_points:g} points leaves nothing that could be shown equivalent.",
            where="margin",
            todo="Give the largest difference, in points, that would not matter to you; above 0.",
        )
    metrics = metrics or headlines()
    pipeline = workbench.pipeline
    run = yield from pipeline.resolve(config)
    corpus = run.corpus
    base = run.of(exact_config(config))
    exact = yield from pipeline.dense(base)
    here = yield from pipeline.dense(run)
    k = config.evaluation.k
    recalls = recall(here, exact, k)
    rows = np.flatnonzero(_differ(exact, here))
    subject, ranked = _subject(config), []
    for fusion in (registry.find("fusion", "dense_only")(), config.fusion):
        yield Progress(len(ranked), 2, f"Ranking {len(rows):,} changed questions")
        before = yield from _ranked(workbench, base, fusion, exact, metrics)
        values, order = {name: before.values[name].copy() for name in metrics}, before.order.copy()
        if len(rows):
            after = yield from _ranked(workbench, run, fusion, here, metrics, rows)
            order[rows] = after.order
            for name in metrics:
                values[name][rows] = after.values[name]
        moved = int((order != before.order).any(axis=1).sum())
        effects = effects_of(before.values, values, config, margin_points, subject)
        ranked.append(FusionEffects(fusion.part, moved, effects))
    return Cost(
        config, subject, k, margin_points, rules_of(config).mean(recalls), recalls, len(corpus.queries), len(rows), *ranked
    )


def cost_curve(
    workbench: Workbench, config: TrialConfig, grid: dict[str, list[Any]], margin_points: float = 1.0, metrics: Sequence[str] = ()
) -> Generator[Progress, None, list[Cost]]:
    """`cost` at each point of the grid, in its order."""
    configs, curve = grid_configs(config, grid), []
    for done, setting in enumerate(configs):
        step = Progress(done, len(configs), _subject(setting))
        yield step
        curve.append((yield from told_within(answer_cost(workbench, setting, margin_points, metrics), step)))
    return curve


def effects_of(
    exact: Mapping[str, np.ndarray], here: Mapping[str, np.ndarray], config: TrialConfig, margin_points: float, subject: str
) -> dict[str, Effect]:
    """What changed in values by question [num_queries] float64, NaN = unmeasured; of any metrics or measures by their names."""
    rules, effects = config.evaluation, {}
    columns = (np.column_stack([values[name] for name in here]) for values in (here, exact))
    tested = rules_of(config).differences(*columns)
    for (name, values), paired in zip(here.items(), tested, strict=True):
        about, difference = registry.find("metric" if name in registry.parts("metric") else "measure", name), values - exact[name]
        label, measured = about.label.format(k=rules.k), ~np.isnan(difference)
        equivalence = tost(difference, margin_points / 100, resamples=rules.resamples, seed=config.seed)
        means = [float(of[measured].mean()) if measured.any() else None for of in (exact[name], values)]
        words = sentence(equivalence, subject, "exact", label, about.direction)
        effects[name] = Effect(name, label, *means, paired, equivalence, words, difference)
    return effects


class _Values(NamedTuple):
    values: dict[str, np.ndarray]  # metric -> [rows] float64
    order: np.ndarray  # [rows, k] int32: the first k chunks


def _ranked(
    workbench: Workbench,
    run: Resolved,
    fusion: PartConfig,
    dense: Candidates,
    metrics: Sequence[str],
    rows: np.ndarray | None = None,
) -> Generator[Progress, None, _Values]:
    """Metrics of the ranking that the fusion makes of these dense candidates, for all questions or these rows."""
    pipeline, corpus, config = workbench.pipeline, run.corpus, run.config
    run = run.of(config.model_copy(update={"fusion": fusion}))
    candidates = {}
    for name in pooled(run.config):
        candidates[name] = dense if name == VECTOR_SEARCH else (yield from pipeline.candidates(name, run))
    ties = yield from pipeline.tie_order(run)
    chunks = yield from pipeline.chunks(run)

    def compute() -> _Values:
        some, used = corpus, candidates
        if rows is not None:
            some = replace(corpus, queries=tuple(corpus.queries[row] for row in rows))
            used = {name: Candidates(each.chunk[rows], each.score[rows]) for name, each in used.items()}
        pool = make_pool(used, ties)
        scores = drain(final_scores(pipeline, run, pool, some.queries))
        judged = judge(pool, scores, relevance(some, chunks, config.evaluation.overlap), config.depth)
        depth = config.evaluation.k
        return _Values(metric_values(judged, config.evaluation.k, metrics), _first(rankings(pool, scores, depth), depth))

    if rows is not None:
        return compute()
    keys = [run.key("relevance"), run.ranking_key()]
    key = fingerprint(keys, list(metrics), config.evaluation.k, config.depth)
    return pipeline.remember("exact values", key, compute)


def _first(ranked: Candidates, depth: int) -> np.ndarray:
    """The chunks [n, depth] int32: pools of fewer questions may be narrower."""
    missing = depth - ranked.chunk.shape[1]
    return np.pad(ranked.chunk, ((0, 0), (0, missing)), constant_values=-1)


def _differ(exact: Candidates, here: Candidates) -> np.ndarray:
    """[num_queries] bool: other candidates, another order, or scores that differ by more than rounding."""
    moved = changed(exact, here)
    same = ~moved
    width = min(exact.chunk.shape[1], here.chunk.shape[1])
    a, b = exact.score[same, :width], here.score[same, :width]
    moved[same] = (np.abs(a - b) > _SAME * np.maximum(1, np.abs(a))).any(axis=1)  # NaN, at pads, is never larger
    return moved


def _subject(config: TrialConfig) -> str:
    """What is compared with exact search, in words: as in a point's label."""
    return point_of(about_setting(config, None)).label


def cost_rows(costs: Iterable[Cost]) -> list[dict[str, Any]]:
    """A row a setting, fusion and metric, with the sentence that says what was shown."""
    table = []
    for cost in costs:
        for ranked in (cost.dense, cost.fused):
            for e in ranked.effects.values():
                table.append(
                    {
                        "setting": cost.subject,
                        "fusion": ranked.fusion,
                        "metric": e.label,
                        "recall": cost.recall.mean,
                        "changed": cost.changed,
                        "moved": ranked.moved,
                        "exact": e.exact,
                        "here": e.here,
                        "difference": e.equivalence.difference,
                        "low": e.equivalence.low,
                        "high": e.equivalence.high,
                        "p (equivalence)": e.equivalence.p,
                        "p (difference)": e.paired.p,
                        "verdict": e.equivalence.verdict,
                        "n": e.equivalence.n,
                        "sentence": e.sentence,
                    }
                )
    return table


def remembered_cost(
    workbench: Workbench, config: TrialConfig, margin_points: float, metrics: Sequence[str] = ()
) -> Generator[Progress, None, Cost]:
    """`answer_cost`, remembered."""
    metrics = metrics or headlines()
    run = yield from workbench.pipeline.resolve(config)
    keys = [run.vector_search_key(), run.key("relevance"), run.ranking_key()]
    key = fingerprint(keys, config.depth, config.evaluation, config.seed, margin_points, list(metrics))
    yield Progress(0, 0, "Comparing with exact search")
    return workbench.pipeline.remember("cost", key, lambda: drain(answer_cost(workbench, config, margin_points, metrics)))


def costs_along(
    workbench: Workbench, config: TrialConfig, values: Sequence[Any], margin_points: float
) -> Generator[Progress, None, list[Cost]]:
    """`remembered_cost` along the index's main query setting."""
    setting, costs = f"index.{main_setting(config.index)}", []
    for done, value in enumerate(values):
        yield Progress(done, len(values), setting_words({setting: value}))
        costs.append((yield from remembered_cost(workbench, with_settings(config, {setting: value}), margin_points)))
    return costs
