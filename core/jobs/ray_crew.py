"""Work on several machines by a Ray cluster: an actor a processor, which keeps what it loaded and made.

The nodes share the data folder (a network disk mounted at the same path): what one makes of a stage the others read from
its cache. Results come back through Ray's object store. What an actor or node was at when it was lost is tried once more by
another; a new actor is made as soon as the cluster has a processor free.

Who reaches a cluster runs code on it. So one of its own listens on this machine alone, and to whoever has its token, which lives as
long as it does; of another the token is asked for. Keys and addresses of servers are not sent: each node has its own.
"""

import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from core.errors import WorkbenchError
from core.records import Progress

ROOT = Path(__file__).resolve().parents[2]
INSTALL = "python -m pip install -r requirements-ray.txt"
SENT = ("GROUNDWORK_DATASETS", "GROUNDWORK_MODELS", "GROUNDWORK_CACHE_GB", "HF_HOME", "HF_HUB_OFFLINE")  # of the environment
NODE = "GROUNDWORK_NODE"  # set where other machines may use the same data folder


class ClusterTask(Protocol):
    """A piece of work, in values that can be sent anywhere."""

    number: int  # among those of a crew

    def failed(self, error: WorkbenchError) -> Any:
        """What comes back in place of a result."""


class RayCrew:
    """hand: an object whose `method` does a task, as a function or a generator of Progress. workers: 0 takes one a processor of
    the cluster. address: of a running cluster; "" starts one on this machine."""

    def __init__(self, home: Path, workers: int, address: str, hand: Any, method: str) -> None:
        self._hand, self._method = hand, method
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
        self._make = _actor(ray, str(home), {NODE: "1"} if address else {})
        self._actors: dict[int, Any] = {number: self._make() for number in range(self.size)}
        self._tasks: dict[int, ClusterTask] = {}  # worker -> what it does
        self._under_way: dict[Any, int] = {}  # what is to come -> worker
        self._waiting: list[ClusterTask] = []  # of workers that were lost
        self._lost: set[int] = set()  # tasks whose worker was lost

    def free(self) -> list[int]:
        return [] if self._waiting else [number for number in self._actors if number not in self._tasks]

    def give(self, worker: int, task: ClusterTask) -> None:
        self._tasks[worker] = task
        self._under_way[self._actors[worker].do.remote(self._hand, self._method, task)] = worker

    def heard(self, seconds: float) -> Iterator[Any]:
        """Results, and Progress where a worker was lost, of what the workers say within so long."""
        self._grow()
        for worker in [number for number in self._actors if number not in self._tasks][: len(self._waiting)]:
            self.give(worker, self._waiting.pop(0))
        if not self._under_way and self._waiting:
            raise WorkbenchError("The Ray cluster has no processor left.", todo="Add nodes, then run it again: it goes on.")
        ready, _ = self._ray.wait(list(self._under_way), timeout=seconds)
        for reference in ready:
            worker = self._under_way.pop(reference)
            task = self._tasks.pop(worker)
            try:
                yield self._ray.get(reference)
            except self._ray.exceptions.RayTaskError as error:  # the worker lives; what it does is not at fault
                yield task.failed(error.cause if isinstance(error.cause, WorkbenchError) else _told("A worker failed", error))
            except self._ray.exceptions.RayError as error:
                del self._actors[worker]
                yield self._again(task, error)

    def close(self) -> None:
        for actor in self._actors.values():
            self._ray.kill(actor)
        if self._connected:
            self._ray.shutdown()

    def _grow(self) -> None:
        """New actors for those that were lost, as far as there are processors: one that waits for one would hold a task."""
        free = int(self._ray.available_resources().get("CPU", 0)) if len(self._actors) < self.size else 0
        for number in [number for number in range(self.size) if number not in self._actors][:free]:
            self._actors[number] = self._make()

    def _again(self, task: ClusterTask, error: Exception) -> Any:
        if task.number in self._lost:
            return task.failed(_told("Its worker was lost twice", error))
        self._lost.add(task.number)
        self._waiting.append(task)
        return Progress(0, 0, "A worker was lost; its work is tried again")


def _told(what: str, error: Exception) -> WorkbenchError:
    return WorkbenchError(f"{what}: {' '.join(str(error).split())[:300]}", todo="Run it again: what is done is kept.")


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
        raise WorkbenchError("Ray is not installed.", where="--engine ray", todo=f"{INSTALL}, on every node.") from None
    return ray


def _actor(ray: Any, home: str, of_cluster: dict[str, str]) -> Any:
    """Makes actors. The class stands here, so that it is sent as it is: on a node core is imported only once its path is set."""
    environment = {name: os.environ[name] for name in SENT if name in os.environ} | of_cluster
    root = str(ROOT)

    class NodeHand:
        def __init__(self) -> None:
            os.environ.update(environment)
            sys.path.insert(0, root)
            from core import files

            files.use_home(home)

        def do(self, hand: Any, method: str, task: Any) -> Any:
            from inspect import isgenerator

            from core.progress import drain

            made = getattr(hand, method)(task)
            return drain(made) if isgenerator(made) else made

    return ray.remote(num_cpus=1, max_restarts=0)(NodeHand).remote
