"""Points: each one query setting of one build on one machine, as it was measured and stored."""

import json
import os
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np

from core import registry
from core.config import TrialConfig, code_version
from core.labs.index.reference import ExactReference, exact_reference
from core.models.hardware import machine
from core.pipeline.recipe_words import part_title, setting_words
from core.records import Progress
from core.report.table import COUNT, Column, Table
from core.store import tables
from core.store.index_points import IndexMeasurement
from core.store.journal import Record
from core.store.rows import rows as stored_rows
from core.workbench import Workbench

AXES = {  # what a chart can show -> (in words, unit, +1: more is better)
    "recall": ("Recall against exact search", "", +1), "single_qps": ("Speed, one question at a time", "questions/s", +1),
    "batch_qps": ("Speed in batches", "questions/s", +1), "p50_us": ("Median latency", "µs", -1),
    "p95_us": ("95th percentile of latency", "µs", -1), "p99_us": ("99th percentile of latency", "µs", -1),
    "build_s": ("Time to build", "s", -1), "memory_per_vector": ("Memory of a vector", "bytes", -1),
    "disk_per_vector": ("Disk of a vector", "bytes", -1),
}  # fmt: skip


def logit(recall: float, neighbours: int) -> float:
    """log(recall / missed), for an axis on which 0.99 and 0.999 are apart. neighbours: how many recall was measured on.

    0 and 1 are drawn where half a neighbour more or less would lie.
    """
    half = 0.5 / max(neighbours, 1)
    share = min(max(recall, half), 1 - half)
    return float(np.log(share / (1 - share)))


def title(part: str) -> str:
    """An index as a legend says it."""
    return part_title("index", part)


@dataclass(frozen=True)
class IndexPoint:
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
    raw: IndexMeasurement | None = field(default=None, compare=False, repr=False)  # of a point just measured; else see `raw`

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
        """As in "FAISS HNSW, m 16, efSearch 24": build settings, and query settings that came later, where not the default."""
        usual, kind = _usual(self.part), registry.parts("index").get(self.part)
        later = kind.added if kind else {}
        said = {name: value for name, value in self.build.items() if usual.get(name) != value}
        said |= {name: value for name, value in self.query.items() if name not in later or later[name] != value}
        settings = setting_words({f"index.{name}": value for name, value in said.items()})
        return ", ".join(filter(None, [title(self.part), settings]))

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


def about_setting(config: TrialConfig, ground: ExactReference | None) -> dict[str, Any]:
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


def stored(workbench: Workbench, config: TrialConfig) -> Generator[Progress, None, list[IndexPoint]]:
    """Stored points of the recipe's vectors, questions, metric and depth, oldest first; of any index, code and machine."""
    return stored_of(workbench, (yield from exact_reference(workbench, config)), config.index.metric, config.evaluation.k)


def stored_of(workbench: Workbench, ground: ExactReference, metric: str = "", k: int = 0) -> list[IndexPoint]:
    asked = ground.vectors, ground.queries

    def row(record: Record) -> dict[str, Any] | None:
        point = dict(zip(tables.TABLES["index_points"][1], stored_rows(record, None)["index_points"][0], strict=True))
        same = (point["vectors"], point["queries"]) == asked and metric in ("", point["metric"]) and k in (0, point["k"])
        return point if same else None

    rows = workbench.store.stored(
        "index",
        """SELECT * FROM index_points WHERE vectors = ? AND queries = ? AND ? IN ('', metric) AND ? IN (0, k) ORDER BY id""",
        [*asked, metric, k],
        row,
    )
    return [point_of({**row, **{name: json.loads(row[name] or "{}") for name in ("build", "query", "config")}}) for row in rows]


def latest(points: Iterable[IndexPoint]) -> list[IndexPoint]:
    """The last of each setting, in the order of the first: what a chart draws where settings were measured again."""
    return list({point.identity: point for point in points}.values())


def frontier(points: Iterable[IndexPoint], x: str = "recall", y: str = "single_qps") -> list[IndexPoint]:
    """Those that no other beats on one axis of AXES without losing on the other, by rising x; unmeasured ones left out."""
    sign = AXES[x][2], AXES[y][2]
    rated = [
        (sign[0] * getattr(p, x), sign[1] * getattr(p, y), p)
        for p in points
        if getattr(p, x) is not None and getattr(p, y) is not None
    ]
    best, front = -np.inf, []
    for _, value, point in sorted(rated, key=lambda row: (-row[0], -row[1])):
        if value > best:
            best = value
            front.append(point)
    return sorted(front, key=lambda point: getattr(point, x))


def point_of(about: dict[str, Any]) -> IndexPoint:
    return IndexPoint(**{name: about.get(name) for name in IndexPoint.__dataclass_fields__})


@cache
def _usual(part: str) -> dict[str, Any]:
    """Settings of a part when nothing is changed; {} for one that is no longer there."""
    kind = registry.parts("index").get(part)
    return kind().model_dump(mode="json") if kind else {}


def _sorted(settings: dict[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)


def rows(points: Iterable[IndexPoint]) -> list[dict[str, Any]]:
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
        for p in points
    ]


def table(points: Sequence[IndexPoint], command: str) -> Table:
    """Where all are measured here, nothing says where."""
    made = [
        row | {"single_qps": row["single_qps"] and round(row["single_qps"]), "measured": "here" if row["here"] else "elsewhere"}
        for row in rows(points)
    ]
    columns = [
        Column("setting"),
        Column("recall", "Recall vs exact", "%.4f"),
        Column("single_qps", "Questions/s", COUNT),
        Column("p95_us", "p95", "%.0f µs"),
        Column("build_s", "Build", "%.2f s"),
        Column("memory_per_vector", "Memory", "%.0f B", "Bytes of a vector."),
        Column("measured", help="elsewhere: on another machine or version", width=96),
    ]
    return Table("points_table", columns[: 6 + any(not p.here for p in points)], made, "Kept points", "", command)
