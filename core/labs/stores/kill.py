"""A store is ended by kill -9 while it writes, again and again: what it had confirmed and no longer has.

An embedded store ends with the process that writes, a server by its own processes. The system goes on, so that what it had taken to be
written is written: this is the end of a process, not of the power.
"""

import time
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from core.jobs import child
from core.labs.stores import processes
from core.labs.stores.bench import StoreRecorder, alone, choose, running
from core.labs.stores.store import Absent, BenchStore, RunningStore
from core.records import Progress
from core.workbench import Workbench

DIM = 32
FEWEST, MOST = 5, 60  # rows confirmed before a kill
LATEST_S = 0.005  # after the last of them


class Acknowledging(NamedTuple):
    """What writes, in a process of its own."""

    store: BenchStore
    first: int

    def write(self) -> Generator[int, None, None]:
        """Rows one by one; each is told as soon as the store has confirmed it."""
        rng, row = np.random.default_rng(self.first), self.first
        while True:
            vector = rng.normal(size=DIM).astype(np.float32)
            self.store.insert(row, vector / np.linalg.norm(vector), row % 1000)
            yield row
            row += 1


class Killed(NamedTuple):
    """What became of one kill."""

    acknowledged: int
    missing: int
    beyond: int
    reopen_s: float | None  # None: it could not be opened again


def kill(workbench: Workbench, moments: int = 50, only: Sequence[str] = ()) -> Generator[Progress, None, dict[str, Any]]:
    """{"run", "rows": a row a store and setting, "left_out"}. Recorded as soon as a store is through."""
    chosen, recorder, rows = choose(only, {}, writing=True), StoreRecorder(workbench), []
    left_out = dict(chosen.left_out)
    for store in chosen.stores:
        if not store.lasts:
            left_out[store.name] = Absent("It is in memory, and keeps nothing.", "")
    stores = [store for store in chosen.stores if store.name not in left_out]
    try:
        with alone(workbench.home) as folder, running(stores, folder, chosen.servers) as places:
            for store in stores:
                for durable in (True, False)[: 1 + bool(store.relaxed_setting)]:
                    rng = np.random.default_rng([0, durable])
                    every = yield from _killed(recorder.run, store, places[store.name], durable, moments, rng)
                    rows.append(recorder.keep("store_kills", store, f"durable={durable}", _row(store, every), durable))
    finally:
        processes.end(1)
    return {"run": recorder.run, "rows": rows, "left_out": recorder.left_out("kill", left_out)}


def _killed(
    run: str, kind: type[BenchStore], where: RunningStore, durable: bool, moments: int, rng: np.random.Generator
) -> Generator[Progress, None, list[Killed]]:
    place, every = where.place, []
    _empty(kind(place, durable))
    confirmed: set[int] = set()
    lost: set[int] = set()
    for moment in range(moments):
        yield Progress(moment, moments, f"{kind.title}: killed while it writes")
        first = 1_000_000 * (moment + 1)
        rows = _written(run, kind(place, durable), first, where if kind.serves else None, rng)
        confirmed |= rows
        started = time.perf_counter()
        try:
            place = where.again() if kind.serves else place
            store = kind(place, durable)
            there = store.ids()
            took: float | None = time.perf_counter() - started
            store.close()
        except Exception:  # whatever an engine raises: it cannot be opened again, which is the result
            there, took = set(), None
            _empty(kind(place, durable))
        missing = confirmed - there - lost
        beyond = {row for row in there if row >= first} - rows
        every.append(Killed(len(rows), len(missing), len(beyond), took))
        lost |= missing
        if took is None:
            confirmed, lost = set(), set()
    yield Progress(moments, moments, f"{kind.title}: killed {moments} times")
    return every


def _empty(store: BenchStore) -> None:
    store.create(DIM)
    store.index()
    store.close()


def _written(run: str, store: BenchStore, first: int, server: RunningStore | None, rng: np.random.Generator) -> set[int]:
    """The rows that were confirmed until it was killed. server: whose processes are ended; None: that of the writer."""
    number, words = int(rng.integers(FEWEST, MOST)), child.Words("The process that writes", store.title, processes.TODO)
    rows: set[int] = set()
    try:
        with child.asked(("store process 0", run), words, Acknowledging(store, first), "write") as answers:
            while True:
                rows.add(answers.recv()[1])
                if len(rows) == number:
                    time.sleep(rng.random() * LATEST_S)
                    if server:
                        server.kill()
                    else:
                        answers.child.process.kill()
    except Exception:  # what the writer says of the end of its store, or of its own
        if len(rows) < number:
            raise
    return rows


def _row(store: type[BenchStore], every: Sequence[Killed]) -> dict[str, Any]:
    return {
        "moments": len(every),
        "killed": "the server" if store.serves else "the process that writes",
        "acknowledged": sum(each.acknowledged for each in every),
        "missing": sum(each.missing for each in every),
        "beyond": sum(each.beyond for each in every),
        "unreadable": sum(each.reopen_s is None for each in every),
        "reopen_s": [each.reopen_s for each in every if each.reopen_s is not None],
        "by_moment": [each._asdict() for each in every],
    }
