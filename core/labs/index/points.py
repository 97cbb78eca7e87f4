"""The index lab's verbs: settings of an index measured and stored, and what they cost the answer.

A point is one query setting of one build on one machine. Exact search over the unquantised vectors, with the same
metric, is what every point is held against; so an index of quantised vectors stands beside an IVF-PQ of whole ones.
"""

import json
import os
import weakref
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.config import PartConfig, TrialConfig, code_version, fingerprint, package_versions, with_settings
from core.errors import WorkbenchError
from core.evaluation.judged import judge, relevance
from core.evaluation.metric import metric_values
from core.index.common import build_settings, vectors_identity
from core.index.exact import Exact
from core.labs.index import point as measuring
from core.labs.index.measure import TIES, recall
from core.labs.index.point import Raw, machine, stored_raw
from core.records import Candidates, Corpus, Progress
from core.retrieval.pool import changed, make_pool, rankings
from core.statistics.bootstrap import Interval
from core.statistics.equivalence import Equivalence, sentence, tost
from core.statistics.paired import Paired, paired_difference
from core.statistics.proportion import unit_intervals
from core.store import tables
from core.store.journal import Record
from core.store.rows import rows as stored_rows
from core.workbench import Workbench

QUESTIONS = 1000  # a corpus with more is measured on so many of them, drawn once
ANSWER_METRICS = ("recall", "mrr", "ndcg_linear")
AXES = {  # what a chart can show -> (in words, unit, +1: more is better)
    "recall": ("Recall against exact search", "", +1), "single_qps": ("Speed, one question at a time", "questions/s", +1),
    "batch_qps": ("Speed in batches", "questions/s", +1), "p50_us": ("Median latency", "µs", -1),
    "p95_us": ("95th percentile of latency", "µs", -1), "p99_us": ("99th percentile of latency", "µs", -1),
    "build_s": ("Time to build", "s", -1), "memory_per_vector": ("Memory of a vector", "bytes", -1),
    "disk_per_vector": ("Disk of a vector", "bytes", -1),
}  # fmt: skip
_SAME = 1e-5  # scores closer than this, relative to their size, are the same but for rounding


@dataclass(frozen=True)
class Point:
    """One query setting as measured; numbers are None where unmeasured. id is "" where it was not stored."""

    id: str
    created: datetime | None  # UTC
    dataset: str
    vectors: str
    queries: str
    part: str
    metric: str
    build: dict[str, Any]
    query: dict[str, Any]
    k: int
    n: int | None
    dim: int | None
    num_queries: int | None
    status: str  # ok or failed, with its reason
    reason: str
    recall: float | None
    single_qps: float | None
    batch_qps: float | None
    p50_us: float | None
    p95_us: float | None
    p99_us: float | None
    build_s: float | None
    memory_bytes: int | None
    disk_bytes: int | None
    code_version: str
    machine: str
    threads: int
    config: dict[str, Any]
    raw: Raw | None = field(default=None, compare=False, repr=False)  # of a point just measured; else see `raw`

    @property
    def memory_per_vector(self) -> float | None:
        return self.memory_bytes / self.n if self.memory_bytes is not None and self.n else None

    @property
    def disk_per_vector(self) -> float | None:
        return self.disk_bytes / self.n if self.disk_bytes is not None and self.n else None

    @property
    def here(self) -> bool:
        """Measured by this code on this machine: only then are latencies of two points comparable."""
        part = registry.parts("index").get(self.part)
        return part is not None and (self.code_version, self.machine) == (code_version(part), machine())

    @property
    def neighbours(self) -> int:
        """How many recall was measured on, for `points.logit`."""
        return (self.num_queries or 0) * min(self.k, self.n or 0)

    @property
    def label(self) -> str:
        """As in "faiss_hnsw, m 16, ef_search 24": build settings only where they are not the default."""
        usual = _usual(self.part)
        changed = {name: value for name, value in self.build.items() if usual.get(name) != value}
        return ", ".join([self.part, *(f"{name} {value}" for name, value in {**changed, **self.query}.items())])

    @property
    def built(self) -> str:
        """Points that share it were found by one build: one line of a chart."""
        return f"{self.part} {_sorted(self.build)}"

    @property
    def identity(self) -> tuple:
        """The same setting measured again has the same one."""
        return (
            self.vectors,
            self.queries,
            self.part,
            self.metric,
            _sorted(self.build),
            _sorted(self.query),
            self.k,
            self.code_version,
            self.machine,
        )


class Ground(NamedTuple):
    """What all settings of a recipe's vectors are measured with."""

    dataset: str
    vectors: str  # identities
    queries: str
    asked: np.ndarray  # [num_queries, dim] float32
    truth: Candidates
    n: int
    dim: int


# Measuring -----------------------------------------------------------------------------------------------------------


def measure_point(workbench: Workbench, config: TrialConfig, *, quick: bool = False) -> Generator[Progress, None, Point]:
    """The recipe's index at its query settings. quick: in about a second and not stored, for a page with a slider."""
    [point] = yield from _measured(workbench, [config], quick)
    if point.status != "ok":
        raise WorkbenchError(point.reason, where=point.label)
    return point


def sweep(
    workbench: Workbench, config: TrialConfig, grid: dict[str, list[Any]], *, again: bool = False
) -> Generator[Progress, None, list[Point]]:
    """A stored point for each point of the grid ({"index.m": [16, 32], "index.ef_search": [16, 32, 64]}), in its order.

    One build serves all its query settings, which are measured side by side; builds are done in random order. What is
    stored for the same vectors, code and machine is not measured again unless `again`. A failing setting is stored
    with its reason, and the others go on.
    """
    configs = grid_configs(config, grid)
    groups: dict[str, list[int]] = {}
    for i, one in enumerate(configs):
        groups.setdefault(fingerprint(one.model_copy(update={"index": build_settings(one.index)})), []).append(i)
    result: dict[int, Point] = {}
    order = np.random.default_rng(config.seed).permutation(len(groups))
    for done, members in enumerate([list(groups.values())[g] for g in order]):
        if not again:
            result.update((yield from _known(workbench, configs, members)))
        left = [i for i in members if i not in result]
        step = f"{configs[members[0]].index.part}, {len(left)} settings"
        yield Progress(done, len(groups), step)
        work = _measured(workbench, [configs[i] for i in left]) if left else iter(())
        measured = yield from _within(work, done, len(groups), step)
        result.update(zip(left, measured or (), strict=True))
    return [result[i] for i in range(len(configs))]


def grid_configs(config: TrialConfig, grid: dict[str, list[Any]]) -> list[TrialConfig]:
    """The recipe at each point of the grid; the last setting varies fastest."""
    return [with_settings(config, dict(zip(grid, values, strict=True))) for values in product(*grid.values())]


def _within(work: Any, done: int, total: int, step: str) -> Generator[Progress, None, Any]:
    """The result of a verb within a verb: each of its steps shows as the outer one."""
    while True:
        try:
            inner = next(work)
        except StopIteration as end:
            return end.value
        yield Progress(done, total, f"{step}: {inner.message}")


def _known(workbench: Workbench, configs: list[TrialConfig], members: list[int]) -> Generator[Progress, None, dict]:
    """Those of the configs that are stored already, by this code on this machine."""
    try:
        ground = yield from ground_of(workbench, configs[members[0]])
    except WorkbenchError:
        return {}  # measuring stores it as the reason
    stored = {point.identity: point for point in reversed(_stored(workbench, ground)) if point.status == "ok"}
    asked = {i: _point(_about(configs[i], ground)).identity for i in members}
    return {i: stored[identity] for i, identity in asked.items() if identity in stored}


def _measured(workbench: Workbench, configs: list[TrialConfig], quick: bool = False) -> Generator[Progress, None, list[Point]]:
    """Points of configs that differ in their query settings only; stored unless quick."""
    pipeline, config, ground, facts = workbench.pipeline, configs[0], None, {}
    try:
        ground = yield from ground_of(workbench, config)
        corpus = yield from pipeline.corpus(config)
        searcher = yield from pipeline.searcher("dense", config, corpus)
        facts = yield from _facts(pipeline, config, corpus, searcher)
        found = yield from measuring.measure(
            searcher,
            [one.index for one in configs],
            ground.asked,
            config.evaluation.k,
            ground.truth,
            quick=quick,
            seed=config.seed,
        )
    except Exception as error:  # whatever an engine raises is the result of these settings
        if quick:
            raise
        found = [error] * len(configs)
    made, now = [], datetime.now(UTC)
    for one, of in zip(configs, found, strict=True):
        about, numbers, kept = {**_about(one, ground), **facts}, {}, None
        if facts.get("memory_bytes") is not None and one.index.reads_vectors():
            about["memory_bytes"] += ground.n * ground.dim * 4  # the float vectors have to be at hand
        if not isinstance(of, Exception):
            numbers, kept = of.numbers(), of
        elif quick:
            raise of
        else:
            reason = str(of) if isinstance(of, WorkbenchError) else f"{type(of).__name__}: {of}"
            about |= {"status": "failed", "reason": reason}
        id = (
            ""
            if quick
            else workbench.store.add(
                "index",
                {
                    **about,
                    **(kept.stored() if kept else {}),
                    "config_fingerprint": fingerprint(one),
                    "seed": one.seed,
                    "encoder": one.embedding.identity(),
                    "created": now.isoformat(),
                    "packages": package_versions(one.index),
                },
            )
        )
        made.append(_point({**about, **numbers, "id": id, "created": now.replace(tzinfo=None), "raw": kept}))
    return made


def ground_of(workbench: Workbench, config: TrialConfig) -> Generator[Progress, None, Ground]:
    pipeline = workbench.pipeline
    corpus = yield from pipeline.corpus(config)
    stored = yield from pipeline.transformed(config, corpus)
    if not corpus.queries or not len(stored.full):
        raise WorkbenchError(
            f"'{corpus.name}' has no {'questions' if len(stored.full) else 'chunks'} to measure with.",
            todo="Choose a corpus with questions, or add a questions file.",
        )
    asked = yield from pipeline.query_vectors(config, corpus)
    rows = np.sort(np.random.default_rng(0).permutation(len(asked))[:QUESTIONS])
    asked = asked[rows] if len(rows) < len(asked) else asked
    metric, depth = config.index.metric, config.evaluation.k + TIES
    vectors, queries = _identity(stored.full), vectors_identity(asked)
    key = fingerprint(vectors, queries, metric, depth, code_version(Exact))
    yield Progress(0, 0, "Exact search")

    def exact() -> Candidates:
        if found := pipeline.cache.load("truth", key):
            return Candidates(**found[0])
        made = Exact(metric=metric).build(stored.full, None).search(asked, depth)
        pipeline.cache.save("truth", key, vars(made))
        return made

    truth = pipeline.remember("truth", key, exact)
    return Ground(corpus.name, vectors, queries, asked, truth, *stored.full.shape)


_identities: dict[int, tuple[weakref.ref, str]] = {}


def _identity(vectors: np.ndarray) -> str:
    """`vectors_identity`, once for each array: of a million vectors it takes seconds."""
    known = _identities.get(id(vectors))
    if known is None or known[0]() is not vectors:
        known = _identities[id(vectors)] = weakref.ref(vectors), vectors_identity(vectors)
    return known[1]


def _facts(pipeline: Any, config: TrialConfig, corpus: Corpus, searcher: Any) -> Generator[Progress, None, dict]:
    """What building took and the index takes."""
    transform, part = config.transform, config.index.part
    memory, disk = searcher.memory_bytes, searcher.disk_bytes
    if transform.quantise != "none" and part == "exact":  # searched as read back; what is stored is the code
        stored = yield from pipeline.transformed(config, corpus)
        memory = round(stored.bytes_per_vector * len(stored.chunks)) + stored.bytes_fixed
        disk = stored.full.nbytes if transform.rescore > 1 else 0
    return {"build_s": pipeline.build_seconds(config, corpus), "memory_bytes": memory, "disk_bytes": disk}


def _about(config: TrialConfig, ground: Ground | None) -> dict[str, Any]:
    """What names a point, as it is stored."""
    index, transform = config.index, config.transform
    names = index.query_settings
    query = {name: getattr(index, name) for name in names}
    build = {name: value for name, value in index.model_dump(mode="json").items() if name not in {*names, "part", "metric"}}
    if transform.quantise != "none":  # the same vectors, stored in fewer bytes
        build |= {"quantise": transform.quantise}
        build |= {"code_bytes": transform.code_bytes} if transform.quantise in ("pq", "opq") else {}
    if transform.rescore > 1:
        query |= {"times rescored": transform.rescore}
    sizes = ground._asdict() if ground else {"dataset": config.corpus.dataset, "vectors": "", "queries": ""}
    asked = sizes.pop("asked", None)
    sizes.pop("truth", None)
    return {
        **sizes,
        "num_queries": None if asked is None else len(asked),
        "part": index.part,
        "metric": config.index.metric,
        "build": build,
        "query": query,
        "k": config.evaluation.k,
        "status": "ok",
        "reason": "",
        "machine": machine(),
        "code_version": code_version(index),
        "threads": os.cpu_count() or 1,
        "config": config.model_dump(mode="json"),
    }


# Reading -------------------------------------------------------------------------------------------------------------


def points(workbench: Workbench, config: TrialConfig) -> Generator[Progress, None, list[Point]]:
    """Stored points of the recipe's vectors, questions, metric and depth, oldest first; of any index, code and machine."""
    return _stored(workbench, (yield from ground_of(workbench, config)), config.index.metric, config.evaluation.k)


def _stored(workbench: Workbench, ground: Ground, metric: str = "", k: int = 0) -> list[Point]:
    asked = ground.vectors, ground.queries

    def row(record: Record) -> dict[str, Any] | None:
        one = dict(zip(tables.TABLES["index_points"][1], stored_rows(record, None)["index_points"][0], strict=True))
        same = (one["vectors"], one["queries"]) == asked and metric in ("", one["metric"]) and k in (0, one["k"])
        return one if same else None

    rows = workbench.store.stored(
        "index",
        """SELECT * FROM index_points WHERE vectors = ? AND queries = ? AND ? IN ('', metric) AND ? IN (0, k) ORDER BY id""",
        [*asked, metric, k],
        row,
    )
    return [_point({**row, **{name: json.loads(row[name] or "{}") for name in ("build", "query", "config")}}) for row in rows]


def latest(found: Iterable[Point]) -> list[Point]:
    """The last of each setting, in the order of the first: what a chart draws where settings were measured again."""
    return list({point.identity: point for point in found}.values())


def raw(workbench: Workbench, point: Point) -> Raw:
    """Ids, recall by question and single latencies of a point."""
    return point.raw or stored_raw(workbench.store.journal.read(point.id).payload)


def frontier(found: Iterable[Point], x: str = "recall", y: str = "single_qps") -> list[Point]:
    """Those that no other beats on one axis of AXES without losing on the other, by rising x; unmeasured ones left out."""
    sign = AXES[x][2], AXES[y][2]
    rated = [
        (sign[0] * getattr(p, x), sign[1] * getattr(p, y), p)
        for p in found
        if getattr(p, x) is not None and getattr(p, y) is not None
    ]
    best, kept = -np.inf, []
    for _, value, point in sorted(rated, key=lambda row: (-row[0], -row[1])):
        if value > best:
            best = value
            kept.append(point)
    return sorted(kept, key=lambda point: getattr(point, x))


def _point(about: dict[str, Any]) -> Point:
    return Point(**{name: about.get(name) for name in Point.__dataclass_fields__})


@cache
def _usual(part: str) -> dict[str, Any]:
    """Settings of a part when nothing is changed; {} for one that is no longer there."""
    found = registry.parts("index").get(part)
    return found().model_dump(mode="json") if found else {}


def _sorted(settings: dict[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)


# What the knob costs the answer --------------------------------------------------------------------------------------


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


class Ranked(NamedTuple):
    """The effect through one fusion."""

    fusion: str  # dense_only, or the recipe's own
    moved: int  # questions whose first k chunks are others, or in another order
    effects: dict[str, Effect]


class Cost(NamedTuple):
    config: TrialConfig
    subject: str  # "faiss_hnsw, ef_search 24"
    k: int
    margin_points: float
    recall: Interval  # share of exact search's first k that were found
    recalls: np.ndarray  # [num_queries] float64
    questions: int
    changed: int  # questions whose candidates differ: only these were ranked and judged again
    dense: Ranked  # the index's ranking alone
    fused: Ranked  # through the recipe's fusion


def cost(
    workbench: Workbench, config: TrialConfig, margin_points: float = 1.0, metrics: Sequence[str] = ANSWER_METRICS
) -> Generator[Progress, None, Cost]:
    """The corpus's questions at exact search and at this setting: what was lost, and whether it matters.

    margin_points: a difference smaller than so many hundredths of a metric does not matter. A question whose candidates
    are the same has difference 0 without being ranked again; n stays all questions.
    """
    if not margin_points > 0:
        raise WorkbenchError(
            f"A margin of {margin_points:g} points leaves nothing that could be shown equal.",
            where="margin",
            todo="Give the largest difference, in points, that would not matter to you; above 0.",
        )
    pipeline = workbench.pipeline
    corpus = yield from pipeline.corpus(config)
    base = exact_config(config)
    exact = yield from pipeline.dense(base, corpus)
    here = yield from pipeline.dense(config, corpus)
    k, rules = config.evaluation.k, config.evaluation
    recalls = recall(here, exact, k)
    [found] = unit_intervals(recalls, rules.resamples, rules.confidence, config.seed)
    rows = np.flatnonzero(_differ(exact, here))
    subject, ranked = _subject(config), []
    for fusion in (registry.find("fusion", "dense_only")(), config.fusion):
        yield Progress(len(ranked), 2, f"Ranking {len(rows):,} changed questions")
        before = yield from _ranked(workbench, base, fusion, corpus, exact, metrics)
        values, order = {name: before.values[name].copy() for name in metrics}, before.order.copy()
        if len(rows):
            after = yield from _ranked(workbench, config, fusion, corpus, here, metrics, rows)
            order[rows] = after.order
            for name in metrics:
                values[name][rows] = after.values[name]
        moved = int((order != before.order).any(axis=1).sum())
        effects = effects_of(before.values, values, config, margin_points, subject)
        ranked.append(Ranked(fusion.part, moved, effects))
    return Cost(config, subject, k, margin_points, found, recalls, len(corpus.queries), len(rows), *ranked)


def cost_curve(
    workbench: Workbench,
    config: TrialConfig,
    grid: dict[str, list[Any]],
    margin_points: float = 1.0,
    metrics: Sequence[str] = ANSWER_METRICS,
) -> Generator[Progress, None, list[Cost]]:
    """`cost` at each point of the grid, in its order."""
    configs, curve = grid_configs(config, grid), []
    for done, one in enumerate(configs):
        step = _subject(one)
        yield Progress(done, len(configs), step)
        curve.append((yield from _within(cost(workbench, one, margin_points, metrics), done, len(configs), step)))
    return curve


def effects_of(
    exact: Mapping[str, np.ndarray], here: Mapping[str, np.ndarray], config: TrialConfig, margin_points: float, subject: str
) -> dict[str, Effect]:
    """What changed in metrics' values by question [num_queries] float64, NaN = unmeasured; any metrics by their names."""
    rules, effects = config.evaluation, {}
    columns = (np.column_stack([values[name] for name in here]) for values in (here, exact))
    tested = paired_difference(*columns, rules.resamples, rules.confidence, seed=config.seed)
    for (name, values), paired in zip(here.items(), tested, strict=True):
        about, difference = registry.find("metric", name), values - exact[name]
        label, known = about.label.format(k=rules.k), ~np.isnan(difference)
        found = tost(difference, margin_points / 100, resamples=rules.resamples, seed=config.seed)
        means = [float(of[known].mean()) if known.any() else None for of in (exact[name], values)]
        words = sentence(found, subject, "exact", label, about.direction)
        effects[name] = Effect(name, label, *means, paired, found, words, difference)
    return effects


def exact_config(config: TrialConfig) -> TrialConfig:
    """The recipe with exact search by the same metric over the unquantised vectors."""
    return with_settings(
        config, {"index": {"part": "exact", "metric": config.index.metric}, "transform.quantise": "none", "transform.rescore": 1}
    )


class _Values(NamedTuple):
    values: dict[str, np.ndarray]  # metric -> [rows] float64
    order: np.ndarray  # [rows, k] int32: the first k chunks


def _ranked(
    workbench: Workbench,
    config: TrialConfig,
    fusion: PartConfig,
    corpus: Corpus,
    dense: Candidates,
    metrics: Sequence[str],
    rows: np.ndarray | None = None,
) -> Generator[Progress, None, _Values]:
    """Metrics of the ranking that the fusion makes of these dense candidates, for all questions or these rows."""
    pipeline = workbench.pipeline
    candidates = {"dense": dense}
    if "sparse" in fusion.needs():
        candidates["sparse"] = yield from pipeline.sparse(config, corpus)
    ties = yield from pipeline.tie_order(config, corpus)
    chunks = yield from pipeline.chunks(config, corpus)

    def compute() -> _Values:
        some, used = corpus, {name: candidates[name] for name in fusion.needs()}
        if rows is not None:
            some = replace(corpus, queries=tuple(corpus.queries[row] for row in rows))
            used = {name: Candidates(each.chunk[rows], each.score[rows]) for name, each in used.items()}
        pool = make_pool(used, ties)
        scores = fusion.fuse(pool)
        judged = judge(pool, scores, relevance(some, chunks, config.evaluation.overlap), config.retrieval.top_k)
        depth = min(config.evaluation.k, config.retrieval.top_k)
        return _Values(metric_values(judged, config.evaluation.k, metrics), _first(rankings(pool, scores, depth), depth))

    if rows is not None:
        return compute()
    key = fingerprint(
        [pipeline.key(name, config, corpus) for name in ("relevance", *fusion.needs())],
        fusion,
        list(metrics),
        config.evaluation.k,
        config.retrieval.top_k,
    )
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
    return _point(_about(config, None)).label


# As tables -----------------------------------------------------------------------------------------------------------


def rows(found: Iterable[Point]) -> list[dict[str, Any]]:
    """Points as a table for people and for JSON: no raw values."""
    return [
        {
            "id": p.id,
            "setting": p.label,
            "status": p.status,
            **{axis: getattr(p, axis) for axis in AXES},
            "n": p.n,
            "dim": p.dim,
            "k": p.k,
            "here": p.here,
            "reason": p.reason,
        }
        for p in found
    ]


def cost_rows(found: Iterable[Cost]) -> list[dict[str, Any]]:
    """A row a setting, fusion and metric, with the sentence that says what was shown."""
    table = []
    for one in found:
        for ranked in (one.dense, one.fused):
            for e in ranked.effects.values():
                table.append(
                    {
                        "setting": one.subject,
                        "fusion": ranked.fusion,
                        "metric": e.label,
                        "recall": one.recall.mean,
                        "changed": one.changed,
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
