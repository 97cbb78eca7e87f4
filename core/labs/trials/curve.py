"""One setting over its range: what each value does to the metrics and what it costs in context, at k chunks or at equal
context. Verbs of the page Search, live, and of `python -m core recipe curve`.

Sizes of chunks cannot be compared at k chunks alone: ten large chunks are more text than ten small ones. At equal
context every value gets the same number of tokens for each question: the ranking of all candidates is read from its top
until they are full, and the last chunk is cut there. docs/methods.md says what is judged.
"""

import time
from collections.abc import Collection, Generator, Mapping, Sequence
from hashlib import blake2b
from math import inf
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.comparison.comparison import Difference, by_arm, corrected, rules_of, spread
from core.config import TrialConfig, fingerprint, with_settings
from core.errors import WorkbenchError
from core.evaluation.judged import judge, relevance
from core.evaluation.metric import metric_names, metric_values
from core.pipeline.recipe_words import setting_words
from core.pipeline.results import Evaluation, final_scores
from core.pipeline.speed import Estimate
from core.pipeline.stages import Recipe, Resolved, asks_model, pooled, rankers
from core.progress import Unready, counted_within, drain
from core.records import Candidates, Chunks, Progress
from core.retrieval.pool import make_pool, rankings
from core.statistics.bootstrap import Interval
from core.statistics.proportion import unit_intervals
from core.workbench import Workbench

BASE = "reference"  # as an arm
AT_ONCE_MS = 1500  # a curve that costs more is computed on a button
FULL = 0.98  # a context is called full from this share on; the last token rarely fits to the letter


def metrics_at_budget() -> list[str]:
    """The metrics that there are at equal context."""
    return [name for name in metric_names() if not registry.find("metric", name).divides_by_k]


class CurvePoint(NamedTuple):
    """One value of the setting. context_tokens: mean over the measured questions, of the first k chunks or as filled."""

    value: Any
    intervals: dict[str, Interval]
    context_tokens: float
    full: float  # share of the questions whose context was filled; 1 at k chunks
    values: dict[str, np.ndarray]  # metric -> [num_queries]


class Values(NamedTuple):
    """The values of a setting by what stands between them and a point."""

    ready: list[Any]
    missing: list[Any]  # their texts are not embedded yet
    invalid: dict[str, list[Any]]  # why not -> the values
    estimate: Estimate | None  # of embedding what is missing


def values(workbench: Workbench, recipe: Recipe, setting: str, wanted: Sequence[Any]) -> Values:
    """Which of these values can be measured at once; loads no model."""
    ready, missing, invalid, texts = [], [], {}, {}
    run = workbench.resolve(recipe)
    costs = any(stage.costs for stage in (workbench.stages()[setting.split(".")[0]], *rankers()))
    for value, config in _variants(workbench, run.config, setting, wanted).items():
        if isinstance(config, WorkbenchError):
            invalid.setdefault(config.what.rstrip("."), []).append(value)
            continue
        variant = run.of(config)
        plan = workbench.plan(variant) if costs else None
        if plan is None or (plan.live and not plan.what):  # a curve never embeds by itself
            ready.append(value)
        else:
            missing.append(value)
            if all(phase.seconds for phase in plan.phases) and texts is not None:  # neighbouring sizes share texts
                texts |= dict.fromkeys(workbench.pipeline.to_encode(variant))
            else:
                texts = None
    return Values(ready, missing, invalid, workbench.pipeline.encoding_time(run.config, list(texts)) if texts else None)


def slow_ms(workbench: Workbench, recipe: Recipe, setting: str, ready: Sequence[Any], budget: int = 0) -> float:
    """What computing these points takes, from the last time their stages were computed, which says nothing of what a reranker
    still has to read: that is asked, until it is known to take longer than a moment. What is at hand costs nothing."""
    pipeline, run, total = workbench.pipeline, workbench.resolve(recipe), 0.0
    variants = map(run.of, _variants(workbench, run.config, setting, ready).values())
    variants = [variant for variant in variants if not pipeline.remembers("point", _key(variant, budget))]
    for variant in variants:
        ranks = [stage.name for stage in rankers() if stage.storage]
        stages = ((stage, variant.key(stage)) for stage in ("chunks", *pooled(variant.config), *ranks))
        total += sum(
            pipeline.last_ms.get(stage, 0.0)
            for stage, key in stages
            if not pipeline.remembers(stage, key) and not pipeline.cache.has(stage, key)
        )
    started = time.perf_counter()
    for variant in variants:
        asked_ms = (time.perf_counter() - started) * 1000
        if max(total, asked_ms) > AT_ONCE_MS:
            return max(total, asked_ms)
        if len(rankers(variant.config)) > 1:
            try:  # what was read before is ranked here, and remembered
                drain(final_scores(pipeline, variant, drain(pipeline.pool(variant)), most=0))
            except Unready as unready:
                total += inf if unready.seconds is None else 1000 * max(unready.seconds)
    return total


def curve(
    workbench: Workbench, recipe: Recipe, setting: str, wanted: Sequence[Any], budget: int = 0
) -> Generator[Progress, None, list[CurvePoint]]:
    """A point for each value; budget: tokens of context that every value gets, 0: the first k chunks."""
    points, run = [], (yield from workbench.pipeline.resolve(recipe))
    for done, value in enumerate(wanted):
        yield Progress(done, len(wanted), setting_words({setting: value}))
        points.append(point_of(workbench, run.of(with_settings(run.config, {setting: value})), budget)._replace(value=value))
    return points


def point_of(workbench: Workbench, recipe: Recipe, budget: int = 0) -> CurvePoint:
    """A recipe measured as a point of a curve is."""
    run = workbench.resolve(recipe)
    return workbench.pipeline.remember("point", _key(run, budget), lambda: _point(workbench, run, budget))


def differences(
    workbench: Workbench, config: TrialConfig, points: Sequence[CurvePoint], reference: CurvePoint, metric: str
) -> list[Difference | None]:
    """Each point minus the reference, which answered the same questions; None for the reference itself. p is corrected over the values.

    Remembered: the page of a curve asks for the same tests at every click on it."""
    others = [place for place, point in enumerate(points) if point is not reference]
    if not others:
        return [None] * len(points)
    table = np.column_stack([points[place].values[metric] for place in others])
    base, rules = np.broadcast_to(reference.values[metric][:, None], table.shape), rules_of(config)
    key = f"{blake2b(table.tobytes() + base[:, 0].tobytes()).hexdigest()}/{table.shape}/{rules}"
    tests = workbench.pipeline.remember("paired", key, lambda: rules.differences(table, base))
    changes = by_arm(corrected({(place, BASE, metric): test for place, test in zip(others, tests, strict=True)}))
    return [changes[place][metric] if place in changes else None for place in range(len(points))]


def highest(points: Sequence[CurvePoint], metric: str) -> CurvePoint | None:
    """The point of the highest mean, among those with an interval; of equally high ones the middle one."""
    measured = [point for point in points if point.intervals[metric].low is not None]
    return measured[middle_of_best([point.intervals[metric].mean for point in measured])] if measured else None


def middle_of_best(means: Sequence[float]) -> int:
    """Place of the highest, of equally high ones of the middle one: wherever one of many values is called the best."""
    best = np.flatnonzero(np.asarray(means) > max(means) - 1e-12)
    return int(best[(len(best) - 1) // 2])


def best_and_equals(
    workbench: Workbench, config: TrialConfig, points: Sequence[CurvePoint], metric: str
) -> tuple[CurvePoint, int] | None:
    """The highest point, and how many of the others a paired test does not tell from it; None below three points."""
    measured = [point for point in points if point.intervals[metric].low is not None]
    if len(measured) < 3:
        return None
    best = highest(measured, metric)
    tests = filter(None, differences(workbench, config, measured, best, metric))
    return best, sum(not difference.significant(config.evaluation.confidence) for difference in tests)


def context_at_k(workbench: Workbench, evaluation: Evaluation) -> float:
    """Tokens of the first k chunks, mean over the measured questions: what the metrics of a recipe cost in context."""
    config = evaluation.config
    first = rankings(evaluation.pool, evaluation.scores, config.evaluation.k).chunk[evaluation.judged.measured]
    return _mean(_tokens(drain(workbench.pipeline.chunks(evaluation.run)), first).sum(axis=1))


def recipe_without(config: TrialConfig, setting: str) -> str:
    """Identity of the recipe but for this setting: what its curve depends on."""
    return _without(config, setting, {"context", "answering"} | (set() if asks_model(config) else {"generation"}))


def _without(config: TrialConfig, setting: str, unasked: Collection[str] = ()) -> str:
    mapping = config.model_dump(mode="json", exclude=set(unasked))
    stage, _, name = setting.partition(".")
    del mapping[stage][name]
    return fingerprint(mapping)


def rows(
    setting: str, points: Sequence[CurvePoint], compared: Mapping[str, Sequence[Difference | None]] | None = None
) -> list[dict[str, Any]]:
    """The curve as a table: a row a value, mean and interval of each metric, and the context. compared: metric ->
    difference of each value to a reference, at the same context."""
    table = [
        {
            setting: point.value,
            "context_tokens": point.context_tokens,
            "full": point.full,
            "n": next(iter(point.intervals.values())).n,
        }
        | {key: value for name, interval in point.intervals.items() for key, value in spread(name, interval).items()}
        for point in points
    ]
    for name, column in (compared or {}).items():
        for row, difference in zip(table, column, strict=True):
            row |= spread(f"{name} difference", difference and difference.paired)
            row |= {f"{name} p (Holm)": difference and difference.p_holm}
    return table


def prepare(workbench: Workbench, config: TrialConfig, grid: dict[str, list[Any]]) -> Generator[Progress, None, list[dict]]:
    """`Workbench.prepare` at each value of the settings in turn; values that are not valid are left out."""
    made = []
    points = [(setting, value) for setting, listed in grid.items() for value in listed]
    for done, (setting, value) in enumerate(points):
        try:
            variant = with_settings(config, {setting: value})
        except WorkbenchError:
            continue
        step = Progress(done, len(points), setting_words({setting: value}))
        made.append({setting: value} | (yield from counted_within(workbench.prepare(variant), step)))
    return made


def _variants(
    workbench: Workbench, config: TrialConfig, setting: str, wanted: Sequence[Any]
) -> Mapping[Any, TrialConfig | WorkbenchError]:
    """Value -> the recipe with it, or why there is none. Remembered for as long as only this setting moves."""
    made: dict[Any, TrialConfig | WorkbenchError] = {}
    key = f"{setting} {_without(config, setting)}"
    for value in wanted:
        try:
            made[value] = workbench.pipeline.remember(
                "variant", f"{key} {value!r}", lambda value=value: with_settings(config, {setting: value})
            )
        except WorkbenchError as error:
            made[value] = error
    return made


def _key(run: Resolved, budget: int) -> str:
    used = run.config.model_copy(update={"context": TrialConfig.model_fields["context"].default_factory()})  # of the answer alone
    return fingerprint(used, run.stamp, budget)


def _point(workbench: Workbench, run: Resolved, budget: int) -> CurvePoint:
    evaluation, config = drain(workbench.evaluating(run)), run.config
    if not budget:
        return CurvePoint(None, evaluation.intervals, context_at_k(workbench, evaluation), 1.0, evaluation.values)
    chunks = drain(workbench.pipeline.chunks(evaluation.run))
    table, filled = at_budget(workbench, evaluation, chunks, budget)
    counted = unit_intervals(np.column_stack(list(table.values())), *rules_of(config))
    filled = filled[evaluation.judged.measured]
    full = _mean(filled >= FULL * budget)
    return CurvePoint(None, dict(zip(table, counted, strict=True)), _mean(filled), full, table)


def at_budget(
    workbench: Workbench, evaluation: Evaluation, chunks: Chunks, budget: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """(metric -> [num_queries], tokens filled [num_queries]) when each question's ranking is read up to `budget` tokens."""
    ranked = rankings(evaluation.pool, evaluation.scores, max(evaluation.pool.chunk.shape[1], 1))
    tokens = _tokens(chunks, ranked.chunk)  # [num_queries, depth]
    before = np.cumsum(tokens, axis=1) - tokens
    inside = (ranked.chunk >= 0) & (before < budget)
    table = np.where(inside, ranked.chunk, np.int32(-1))
    rows, columns = np.nonzero(inside & (before + tokens > budget))  # the one chunk of a question that is cut
    cut = table[rows, columns]
    ends = _ends(workbench, evaluation.run, chunks, cut, budget - before[rows, columns])
    # a cut chunk is a chunk of its own, behind all others
    table[rows, columns] = len(chunks) + np.arange(len(cut), dtype=np.int32)
    longer = Chunks(
        *(
            np.concatenate([column, added]).astype(np.int32)
            for column, added in (
                (chunks.document, chunks.document[cut]),
                (chunks.start, chunks.start[cut]),
                (chunks.end, ends),
                (chunks.tokens, budget - before[rows, columns]),
            )
        )
    )
    scores = np.where(table >= 0, -np.arange(table.shape[1], dtype=np.float32), np.float32(np.nan))
    pool = make_pool({"read": Candidates(table, scores)}, np.arange(len(longer), dtype=np.int32))
    judged = judge(
        pool,
        np.nan_to_num(pool.score["read"], nan=-np.inf),
        relevance(evaluation.corpus, longer, evaluation.config.evaluation.overlap),
        table.shape[1],
    )
    filled = np.minimum((tokens * inside).sum(axis=1), budget)
    return metric_values(judged, max(table.shape[1], 1), metrics_at_budget()), filled


def _ends(workbench: Workbench, run: Resolved, chunks: Chunks, cut: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Where in the document the first `room` tokens of each chunk end [num_cut]."""
    tools, ends = workbench.pipeline.tools(run), np.empty(len(cut), np.int64)
    for i, (chunk, left) in enumerate(zip(cut.tolist(), room.tolist(), strict=True)):
        offsets = tools.token_offsets(run.corpus.documents[chunks.document[chunk]].text)
        first = np.searchsorted(offsets[:, 0], chunks.start[chunk])
        ends[i] = min(offsets[first + left - 1, 1], chunks.end[chunk])
    return ends


def _tokens(chunks: Chunks, table: np.ndarray) -> np.ndarray:
    if not len(chunks):
        return np.zeros(table.shape, np.int64)
    return np.where(table >= 0, chunks.tokens[table], 0).astype(np.int64)


def _mean(column: np.ndarray) -> float:
    return float(column.mean()) if len(column) else 0.0
