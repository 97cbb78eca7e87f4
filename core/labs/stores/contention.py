"""Four agents share one memory: what is lost when each reads, thinks and writes, and what when the store keeps them apart."""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.labs.stores import processes
from core.labs.stores.bench import StoreRecorder, alone, choose, running
from core.labs.stores.histories import Anomalies, Operation, appended, counted, replaced, skewed
from core.labs.stores.store import Absent, BenchStore
from core.records import Progress
from core.workbench import Workbench

WORKLOADS = {
    "counter": "reads a number and writes one more",
    "list": "reads a list, appends, writes it",
    "compare_and_set": "replaces a value if it is still what was read",
    "write_skew": "turns one of two off if both are on",
}
ARMS = {"naive": "read, then write", "right": "as the store keeps agents apart"}
AGENTS = 4
MOST = {"list": 250, "write_skew": 250}  # operations of an agent: a list is read whole each time, a pair has two rows


class Agent(NamedTuple):
    """One of them, in a process of its own."""

    store: BenchStore
    workload: str
    arm: str
    number: int
    operations: int

    def act(self, gate: Path) -> Generator[None, None, list[Operation]]:
        self.store.read("counter")  # connects, so that no agent is late by that
        yield
        processes.wait_at(gate)
        return [self._operation(number) for number in range(self.operations)]

    def _operation(self, number: int) -> Operation:
        began, noted = time.monotonic(), {"read_at": 0.0, "read": (), "wrote": ""}
        step = {"counter": self._count, "list": self._append, "compare_and_set": self._set, "write_skew": self._turn_off}[
            self.workload
        ]
        retries, error = 0, ""
        try:
            if self.arm == "right":
                _, retries = self.store.exclusively(lambda: step(number, noted))
            else:
                step(number, noted)
        except Exception as refused:  # whatever a store raises is an operation that it did not acknowledge
            error = type(refused).__name__
        key = f"pair{number}" if self.workload == "write_skew" else self.workload
        done = bool(noted["wrote"]) and not error
        times = began, noted["read_at"], time.monotonic()
        return Operation(self.number, number, key, noted["read"], noted["wrote"], *times, done, retries, error)

    def _read(self, keys: tuple[str, ...], noted: dict[str, Any]) -> tuple[str, ...]:
        values = tuple(self.store.read(key) for key in keys)
        noted |= {"read": values, "read_at": time.monotonic(), "wrote": ""}
        return values

    def _write(self, key: str, value: str, noted: dict[str, Any], wrote: str) -> None:
        self.store.write(key, value)
        noted["wrote"] = wrote

    def _count(self, number: int, noted: dict[str, Any]) -> None:
        value = str(int(self._read(("counter",), noted)[0]) + 1)
        self._write("counter", value, noted, value)

    def _append(self, number: int, noted: dict[str, Any]) -> None:
        [text] = self._read(("list",), noted)
        noted["read"], element = elements(text), f"{self.number}:{number}"
        self._write("list", f"{text} {element}", noted, element)

    def _set(self, number: int, noted: dict[str, Any]) -> None:
        before = self._read(("compare_and_set",), noted)[0]
        if self.store.read("compare_and_set") == before:  # somebody else may come after this look
            value = f"{self.number}:{number}"
            self._write("compare_and_set", value, noted, value)

    def _turn_off(self, number: int, noted: dict[str, Any]) -> None:
        pair = f"left{number}", f"right{number}"
        if self._read(pair, noted) == ("0", "0"):
            self._write(pair[self.number % 2], "1", noted, "off")


def elements(text: str) -> tuple[str, ...]:
    """Of a list; the first word is what it began with."""
    return tuple(text.split()[1:])


class AgentHistory(NamedTuple):
    """What agents did, and what is wrong with it."""

    workload: str
    arm: str
    operations: list[Operation]
    verdict: Anomalies

    @property
    def acknowledged(self) -> int:
        return sum(each.acknowledged for each in self.operations)

    @property
    def failed(self) -> int:
        return sum(bool(each.error) for each in self.operations)

    def row(self) -> dict[str, Any]:
        """As it is recorded; the operations as lists, times in ms from the first."""
        done = [each for each in self.operations if each.acknowledged]
        ms = [1000 * (each.ended - each.began) for each in done]
        first = min(each.began for each in self.operations)
        numbers = np.percentile(ms, [50, 99]).tolist() if ms else [None, None]
        return {
            "workload": self.workload,
            "arm": self.arm,
            "operations": len(self.operations),
            "acknowledged": self.acknowledged,
            "failed": self.failed,
            "retries": sum(each.retries for each in self.operations),
            "lost": self.verdict.lost,
            "duplicated": self.verdict.duplicated,
            "stale": self.verdict.stale,
            "skewed": self.verdict.skewed,
            "p50_ms": numbers[0],
            "p99_ms": numbers[1],
            "seconds": max(each.ended for each in self.operations) - first,
            "history": [
                _drawn(each, first, self.verdict) for each in self.operations[:: max(1, len(self.operations) // MOST_DRAWN)]
            ],
        }


MOST_DRAWN = 200  # operations of a history that are kept for a drawing


def _drawn(each: Operation, first: float, verdict: Anomalies) -> dict[str, Any]:
    ms = {name: round(1000 * (getattr(each, name) - first), 3) for name in ("began", "read_at", "ended")}
    lost = (each.agent, each.number) in verdict.lost_operations
    return {"agent": each.agent, "number": each.number, **ms, "acknowledged": each.acknowledged, "lost": lost}


def history(
    make: Callable[[], BenchStore], run: str, workload: str, arm: str, operations: int
) -> Generator[Progress, None, AgentHistory]:
    """Four agents at once, each with so many operations. make: the store by a connection of its own."""
    store, operations = make(), min(operations, MOST.get(workload, operations))
    pairs = [f"{side}{number}" for number in range(operations) for side in ("left", "right")] if workload == "write_skew" else []
    store.remember([*{"counter", workload}, *pairs], "0")
    agents = [Agent(make(), workload, arm, number, operations) for number in range(AGENTS)]
    made = yield from processes.together(run, agents, "act", f"{store.title}: {WORKLOADS[workload]}, {ARMS[arm]}")
    every = sorted((each for of in made for each in of), key=lambda each: each.began)
    last = store.read("counter" if workload == "write_skew" else workload)
    verdict = {
        "counter": lambda: counted(every, 0, int(last)),
        "list": lambda: appended(every, elements(last)),
        "compare_and_set": lambda: replaced(every, last),
        "write_skew": lambda: skewed(every),
    }[workload]()
    store.close()
    return AgentHistory(workload, arm, every, verdict)


def contend(
    workbench: Workbench, operations: int = 25, only: Sequence[str] = (), servers: Mapping[str, str] = {}
) -> Generator[Progress, None, dict[str, Any]]:
    """{"run", "rows": a row a store, workload and arm, "left_out"}. Each history is recorded as soon as it is checked."""
    chosen, recorder = choose(only, servers, writing=True), StoreRecorder(workbench)
    stores = [store for store in chosen.stores if store.several]
    alone_in_it = Absent("One process at a time may have it open, so no two agents share it.", "")
    left_out = chosen.left_out | {store.name: alone_in_it for store in chosen.stores if not store.several}
    rows = []
    try:
        with alone(workbench.home) as folder, running(stores, folder, chosen.servers) as places:
            for store, workload, arm in product(stores, WORKLOADS, ARMS):
                make = partial(store, places[store.name].place)
                made = yield from history(make, recorder.run, workload, arm, operations)
                rows.append(recorder.keep("store_histories", store, f"{workload}/{arm}", made.row()))
    finally:
        processes.end()
    return {"run": recorder.run, "rows": rows, "left_out": recorder.left_out("contention", left_out)}
