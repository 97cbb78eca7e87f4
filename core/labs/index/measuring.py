"""Settings of an index measured and stored: one point, or a sweep over a grid."""

from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any

import numpy as np

from core.config import TrialConfig, fingerprint, package_versions
from core.errors import WorkbenchError
from core.index.common import build_settings
from core.labs.index import timing
from core.labs.index.grids import grid_configs
from core.labs.index.points import IndexPoint, about_setting, point_of, stored_of
from core.labs.index.reference import exact_reference
from core.pipeline.stages import Resolved
from core.progress import told_within
from core.records import Progress
from core.registry import word
from core.workbench import Workbench


def measure_point(workbench: Workbench, config: TrialConfig, *, quick: bool = False) -> Generator[Progress, None, IndexPoint]:
    """The recipe's index at its query settings. quick: in about a second and not stored, for a page with a slider."""
    [point] = yield from _measured(workbench, [config], quick)
    if point.status != "ok":
        raise WorkbenchError(point.reason, where=point.label)
    return point


def sweep(
    workbench: Workbench, config: TrialConfig, grid: dict[str, list[Any]], *, again: bool = False
) -> Generator[Progress, None, list[IndexPoint]]:
    """A stored point for each point of the grid ({"index.m": [16, 32], "index.ef_search": [16, 32, 64]}), in its order.

    One build serves all its query settings, which are measured side by side; builds are done in random order. What is
    stored for the same vectors, code and machine is not measured again unless `again`. A failing setting is stored
    with its reason, and the others go on.
    """
    configs = grid_configs(config, grid)
    groups: dict[str, list[int]] = {}
    for i, setting in enumerate(configs):
        groups.setdefault(fingerprint(setting.model_copy(update={"index": build_settings(setting.index)})), []).append(i)
    result: dict[int, IndexPoint] = {}
    order = np.random.default_rng(config.seed).permutation(len(groups))
    for done, members in enumerate([list(groups.values())[g] for g in order]):
        if not again:
            result.update((yield from _stored_already(workbench, configs, members)))
        left = [i for i in members if i not in result]
        step = f"{word(configs[members[0]].index.part)}, {len(left)} setting{'' if len(left) == 1 else 's'}"
        yield Progress(done, len(groups), step)
        if left:
            work = _measured(workbench, [configs[i] for i in left])
            measured = yield from told_within(work, Progress(done, len(groups), step))
            result.update(zip(left, measured, strict=True))
    return [result[i] for i in range(len(configs))]


def _stored_already(workbench: Workbench, configs: list[TrialConfig], members: list[int]) -> Generator[Progress, None, dict]:
    """Those of the configs that are stored already, by this code on this machine."""
    try:
        ground = yield from exact_reference(workbench, configs[members[0]])
    except WorkbenchError:
        return {}  # measuring stores it as the reason
    stored = {point.identity: point for point in reversed(stored_of(workbench, ground)) if point.status == "ok"}
    asked = {i: point_of(about_setting(configs[i], ground)).identity for i in members}
    return {i: stored[identity] for i, identity in asked.items() if identity in stored}


def _measured(
    workbench: Workbench, configs: list[TrialConfig], quick: bool = False
) -> Generator[Progress, None, list[IndexPoint]]:
    """Points of configs that differ in their query settings only; stored unless quick."""
    pipeline, config, ground, facts = workbench.pipeline, configs[0], None, {}
    try:
        ground = yield from exact_reference(workbench, config)
        run = yield from pipeline.resolve(config)
        searcher = yield from pipeline.index(run)
        facts = yield from facts_of(pipeline, run, searcher)
        measurements = yield from timing.measure(
            searcher,
            [setting.index for setting in configs],
            ground.asked,
            config.evaluation.k,
            ground.truth,
            quick=quick,
            seed=config.seed,
        )
    except Exception as error:  # whatever an engine raises is the result of these settings
        if quick:
            raise
        measurements = [error] * len(configs)
    made, now = [], datetime.now(UTC)
    for setting, of in zip(configs, measurements, strict=True):
        about, numbers, raw = {**about_setting(setting, ground), **facts}, {}, None
        if facts.get("memory_bytes") is not None:
            about["memory_bytes"] += at_hand_bytes(setting, ground.n, ground.dim)
        if not isinstance(of, Exception):
            numbers, raw = of.numbers(), of
        elif quick:
            raise of
        else:
            reason = str(of) if isinstance(of, WorkbenchError) else f"{type(of).__name__}: {of}"
            about |= {"status": "failed", "reason": reason}
        point_id = (
            ""
            if quick
            else workbench.store.add(
                "index",
                {
                    **about,
                    **(raw.stored() if raw else {}),
                    "config_fingerprint": fingerprint(setting),
                    "seed": setting.seed,
                    "encoder": setting.embedding.identity(),
                    "created": now.isoformat(),
                    "packages": package_versions(setting.index),
                },
            )
        )
        made.append(point_of({**about, **numbers, "id": point_id, "created": now.replace(tzinfo=None), "raw": raw}))
    return made


def at_hand_bytes(setting: TrialConfig, vectors: int, dim: int) -> int:
    """Of the float vectors, where a search reads them beside the index."""
    return vectors * dim * 4 if setting.index.reads_vectors() else 0


def facts_of(pipeline: Any, run: Resolved, searcher: Any) -> Generator[Progress, None, dict]:
    """What building took and the index takes."""
    transform, part = run.config.transform, run.config.index.part
    memory, disk = searcher.memory_bytes, searcher.disk_bytes
    if transform.quantise != "none" and part == "exact":  # searched as read back; what is stored is the code
        stored = yield from pipeline.transformed(run)
        memory = round(stored.bytes_per_vector * len(stored.chunks)) + stored.bytes_fixed
        disk = stored.full.nbytes if transform.rescore > 1 else 0
    return {"build_s": pipeline.build_seconds(run), "memory_bytes": memory, "disk_bytes": disk}
