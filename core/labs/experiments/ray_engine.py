"""Trials measured by a Ray cluster: an actor a processor, each with a workbench of its own that keeps what its stages made.

The nodes share the data folder (a network disk mounted at the same path): what one makes of a stage the others read from
its cache. Results come back through Ray's object store, and the driver alone journals them. The trial of an actor or node
that is lost is tried once more by another; a new actor is made as soon as the cluster has a processor free.

Who reaches a cluster runs code on it. So one of its own listens on this machine alone, and to whoever has its token, which lives as
long as it does; of another the token is asked for.
"""

import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.errors import WorkbenchError
from core.labs.experiments.measuring import TrialTask, Tried
from core.records import Progress

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = "ray==2.60.0"


class RayCrew:
    """workers: 0 takes one a processor of the cluster. address: of a running cluster; "" starts one on this machine."""

    def __init__(self, home: Path, workers: int, address: str) -> None:
        self._ray = ray = imported(own=not address)
        self._connected = not ray.is_initialized()
        if self._connected:
            own = {"address": address} if address else {"include_dashboard": False}
            try:
                ray.init(log_to_driver=False, logging_level="ERROR", **own)
            except (ConnectionError, ValueError, RuntimeError, ray.exceptions.AuthenticationError) as error:
                raise WorkbenchError(
                    f"The Ray cluster cannot be reached: {' '.join(str(error).split())[:200]}",
                    where=address or "this machine",
                    todo="docs/guide/run_study.md says how a cluster is started, and how its token comes to each machine.",
                ) from error
        self.size = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._make = _actor(ray, str(ROOT), str(home))
        self._actors: dict[int, Any] = {number: self._make() for number in range(self.size)}
        self._tasks: dict[int, TrialTask] = {}  # worker -> what it measures
        self._under_way: dict[Any, int] = {}  # what is to come -> worker
        self._waiting: list[TrialTask] = []  # of workers that were lost
        self._lost: dict[int, str] = {}  # trial -> how its worker was lost

    def free(self) -> list[int]:
        return [] if self._waiting else [number for number in self._actors if number not in self._tasks]

    def give(self, worker: int, task: TrialTask) -> None:
        self._tasks[worker] = task
        self._under_way[self._actors[worker].measure.remote(tuple(task))] = worker

    def heard(self, seconds: float) -> Iterator[Progress | Tried]:
        self._grow()
        for worker in [number for number in self._actors if number not in self._tasks][: len(self._waiting)]:
            self.give(worker, self._waiting.pop(0))
        if not self._under_way and self._waiting:
            raise WorkbenchError(
                "The Ray cluster has no processor left.", todo="Add nodes, then run the study again: it goes on."
            )
        ready, _ = self._ray.wait(list(self._under_way), timeout=seconds)
        for reference in ready:
            worker = self._under_way.pop(reference)
            task = self._tasks.pop(worker)
            try:
                yield Tried(*self._ray.get(reference))
            except self._ray.exceptions.RayError as error:
                del self._actors[worker]
                yield self._again(task, " ".join(str(error).split())[:300])

    def close(self) -> None:
        for actor in self._actors.values():
            self._ray.kill(actor)
        if self._connected:
            self._ray.shutdown()

    def _grow(self) -> None:
        """New actors for those that were lost, as far as there are processors: one that waits for one would hold a trial."""
        free = int(self._ray.available_resources().get("CPU", 0)) if len(self._actors) < self.size else 0
        for number in [number for number in range(self.size) if number not in self._actors][:free]:
            self._actors[number] = self._make()

    def _again(self, task: TrialTask, why: str) -> Progress | Tried:
        if task.number not in self._lost:
            self._lost[task.number] = why
            self._waiting.append(task)
            return Progress(0, 0, "A worker was lost; its trial is tried again")
        return task.failed(WorkbenchError(f"Its worker was lost twice: {why}", todo="Run the study again."))


def imported(own: bool) -> Any:
    """own: it starts a cluster of this machine alone."""
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    if own:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # Ray's word for: listen on 127.0.0.1 only
        if "RAY_AUTH_TOKEN_PATH" not in os.environ:
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # an actor that asks for no accelerator sees it all the same
    try:
        import ray
    except ImportError:
        raise WorkbenchError(
            "Ray is not installed.", where="--engine ray", todo=f"python -m pip install {PACKAGE}, on every node."
        ) from None
    return ray


def _actor(ray: Any, root: str, home: str) -> Any:
    """Makes actors. The class stands here, so that it is sent as it is: on a node core is imported only once its path is set."""
    environment = {name: value for name, value in os.environ.items() if name.startswith(("GROUNDWORK_", "HF_"))}

    class StudyHand:
        def __init__(self) -> None:
            os.environ.update(environment)
            sys.path.insert(0, root)
            from core import files
            from core.labs.experiments.measuring import Hand

            files.use_home(home)
            self._hand = Hand(1)

        def measure(self, task: tuple) -> tuple:
            from core.labs.experiments.measuring import TrialTask
            from core.progress import drain

            return tuple(drain(self._hand.measure(TrialTask(*task))))

    return ray.remote(num_cpus=1, max_restarts=0)(StudyHand).remote
