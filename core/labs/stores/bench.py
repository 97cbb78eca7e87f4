"""What all benchmarks of stores share: which stores, one benchmark at a time, and the records."""

import fcntl
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from core import files
from core.errors import WorkbenchError
from core.files.ids import new_id
from core.index.postgres_server import NAME
from core.labs.stores.embedded import FaissStore, LanceStore, QdrantStore
from core.labs.stores.qdrant_server import QdrantServerStore
from core.labs.stores.servers import ChromaStore, CockroachStore, PostgresDefault, PostgresHnsw, PostgresIvfflat
from core.labs.stores.store import Absent, BenchStore, RunningStore
from core.models.hardware import machine
from core.pipeline.forecast import Forecast, one_phase
from core.store.batches import batches
from core.workbench import Workbench

STORES: dict[str, type[BenchStore]] = {
    store.name: store
    for store in (
        FaissStore,
        ChromaStore,
        LanceStore,
        PostgresHnsw,
        PostgresDefault,
        PostgresIvfflat,
        QdrantStore,
        QdrantServerStore,
        CockroachStore,
    )
}

PRICES = {
    "measure": "all stores at 106 rows",
    "contention": "four agents on each store",
    "kill": "five kills of each store",
    "answers": "the recipe's questions through each store",
}


def price(benchmark: str) -> Forecast:
    """What the short one takes, as a page starts it."""
    return one_phase(PRICES[benchmark], units=1)


class ChosenStores(NamedTuple):
    """The stores of a benchmark, and those that are left out."""

    stores: list[type[BenchStore]]
    left_out: dict[str, Absent]
    servers: dict[str, str]  # family -> environment variable


def choose(only: Sequence[str], servers: Mapping[str, str], writing: bool = False) -> ChosenStores:
    """only: names of stores; (): all. servers: as `ChosenStores` has them. writing: of those that write alike one is tried for all."""
    for family, variable in servers.items():
        if not re.fullmatch(NAME, variable):
            raise WorkbenchError(
                "An address may hold a password, and what stands on a command line is seen and stored.",
                where=f"--{family}",
                todo=f"Put the address into an environment variable, say {family.upper()}, and give its name: --{family} {family.upper()}",
            )
    if wrong := [name for name in only if name not in STORES]:
        raise WorkbenchError(f"There is no store '{wrong[0]:.40}'.", where="--only", todo=f"Choose among {', '.join(STORES)}.")
    stores, left_out = [], {}
    named = [STORES[name] for name in only or STORES]
    for store in written_to(named) if writing else named:
        if absent := store.absent(dict(servers)):
            left_out[store.name] = absent
        else:
            stores.append(store)
    return ChosenStores(stores, left_out, dict(servers))


def written_to(stores: Iterable[type[BenchStore]]) -> list[type[BenchStore]]:
    """Each once, and in the place of those that write alike the one that is tried for them."""
    return list(dict.fromkeys(STORES[store.writes_alike] if store.writes_alike else store for store in stores))


class StoreRecorder:
    """Records the rows of a run, each as soon as it is there."""

    def __init__(self, workbench: Workbench) -> None:
        self.run, self._batches, self._machine = new_id(), batches(workbench.home), machine()

    def keep(self, kind: str, store: type[BenchStore], key: str, row: Mapping[str, Any], durable: bool = True) -> dict[str, Any]:
        setting = store.durable_setting if durable else store.relaxed_setting
        about = {"store": store.name, "title": store.title, "version": store.version(), "setting": setting}
        whole = {**about, **row}
        self._batches.keep(kind, {f"{self.run}/{store.name}/{key}": whole}, run=self.run, machine=self._machine)
        return whole

    def left_out(self, of: str, left_out: Mapping[str, Absent]) -> list[dict[str, Any]]:
        return [
            self.keep(
                "store_measurements",
                STORES[name],
                f"left_out/{of}",
                {"quantity": "left_out", "detail": {"of": of, "reason": absent.reason, "command": absent.command}},
            )
            for name, absent in left_out.items()
        ]


@contextmanager
def alone(home: Path) -> Iterator[Path]:
    """A folder for the time of one benchmark, and no other one meanwhile: they would measure each other."""
    with files.disk_reported("The benchmark", home):
        lock = open(home / "stores.lock", "a")  # noqa: SIM115, closed below
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise WorkbenchError(
                "Another benchmark of stores is running, and two would measure each other.",
                where=str(home),
                todo="Wait for it, or cancel it on the page Overview.",
            ) from None
        folder = home / "stores"  # always the same, so that what a killed benchmark left is found, and removed
        try:
            files.discard(folder)
            yield folder
        finally:
            files.discard(folder)


@contextmanager
def running(stores: Iterable[type[BenchStore]], folder: Path, servers: dict[str, str]) -> Iterator[dict[str, RunningStore]]:
    """Store -> where it runs; those of a family share a server."""
    with ExitStack() as stack:
        by_family: dict[str, RunningStore] = {}
        for store in stores:
            family = store.family or store.name
            if family not in by_family:
                by_family[family] = stack.enter_context(store.running(folder / family, servers))
        try:
            yield {store.name: by_family[store.family or store.name] for store in stores}
        except WorkbenchError:
            raise
        except Exception as error:  # whatever a store's library raises
            if files.errno_of(error) in files.REFUSALS:
                raise files.disk_error(error, "What the store writes", folder) from error
            said = (str(error).splitlines() or ["no reason given"])[0]
            raise WorkbenchError(
                f"A store failed in the middle of the benchmark: {type(error).__name__}: {said:.300}",
                where=type(error).__module__,
                todo="What was measured before is recorded. Try again; --only names the stores to try.",
            ) from error
