"""Stores at the same recall: searched, searched under a filter, written by several processes, searched meanwhile.

Each store's query setting, for each filter its own, is the first, from narrow to wide, by which it finds `RECALL` of the true first ten.
Then all are asked the same questions in turn, in a new order each repeat, so that a machine that slows down slows all of them.
"""

import time
from collections.abc import Generator, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.config import TrialConfig
from core.errors import WorkbenchError
from core.index.exact import Exact, normalised
from core.labs.index.measure import TIES, recall
from core.labs.stores import processes
from core.labs.stores.bench import ChosenStores, StoreRecorder, alone, choose, running, written_to
from core.labs.stores.store import BUCKETS, BenchStore, RunningStore
from core.progress import Running
from core.records import Candidates, Progress
from core.workbench import Workbench

RECALL, K = 0.95, 10
BELOW = (500, 100, 10, 1)  # thousandths of the rows that a filter leaves
NEW = 1_000_000_000  # rows that are written while others are searched count from here
KIND = "store_measurements"


class MeasurePlan(NamedTuple):
    """How much is measured."""

    sizes: tuple[int, ...] = (106, 16_407)
    repeats: int = 5
    questions: int = 200
    writers: tuple[int, ...] = (1, 2, 4, 8)  # (): searches alone
    rows: int = 200  # that each writer writes
    fresh: int = 50  # rows of which the time until they are found is taken


QUICK = MeasurePlan(sizes=(106,), repeats=3, questions=20, writers=(1, 4), rows=10, fresh=5)


class Ground(NamedTuple):
    """The rows that all stores hold, and what is to be found among them."""

    vectors: np.ndarray  # [n, dim] float32, of length 1
    buckets: np.ndarray  # [n]
    queries: np.ndarray  # [num_queries, dim]
    truth: dict[int | None, Candidates]  # below -> the nearest, deeper than K

    def recall(self, results: Sequence[Sequence[int]], below: int | None) -> float | None:
        """Mean share of the true first ten, or of all there are; None where the filter leaves nothing."""
        chunk = np.full((len(results), K), -1, np.int32)
        for row, ids in enumerate(results):
            chunk[row, : len(ids)] = ids[:K]
        shares = recall(Candidates(chunk, np.zeros(chunk.shape, np.float32)), self.truth[below], K)
        return None if np.isnan(shares).all() else float(np.nanmean(shares))

    def wanted(self, below: int | None) -> int:
        return K if below is None else min(K, int((self.buckets < below).sum()))


def ground(vectors: np.ndarray, queries: np.ndarray, size: int, questions: int, seed: int) -> Ground:
    rng = np.random.default_rng([seed, size])
    rows = np.sort(rng.permutation(len(vectors))[:size])
    chosen, asked = normalised(vectors[rows]), normalised(queries[rng.permutation(len(queries))[:questions]])
    buckets = rng.permutation(np.arange(size) * BUCKETS // size)  # as many rows below each number as its share says
    exact = Exact(metric="dot").build(chosen, None)
    truth = {below: exact.search(asked, K + TIES, among=None if below is None else buckets < below) for below in (None, *BELOW)}
    return Ground(chosen, buckets, asked, truth)


def measure(
    workbench: Workbench, config: TrialConfig, plan: MeasurePlan, only: Sequence[str] = (), servers: Mapping[str, str] = {}
) -> Generator[Progress, None, dict[str, Any]]:
    """{"run", "rows": a row a store, size and quantity, "left_out", "told"}. Each row is recorded as soon as it is measured.

    The vectors and questions are those of the recipe. Sizes beyond its chunks are left out, and that is told.
    """
    for option, numbers in (("--sizes", plan.sizes), ("--writers", plan.writers)):
        if wrong := [number for number in numbers if number < 1]:
            raise WorkbenchError(f"{wrong[0]} cannot be measured.", where=option, todo="Give numbers from 1 on.")
    pipeline = workbench.pipeline
    run = yield from pipeline.resolve(config)
    vectors = (yield from pipeline.transformed(run)).full
    queries = yield from pipeline.query_vectors(run)
    sizes = [size for size in plan.sizes if size <= len(vectors)]
    if not sizes or not len(queries):
        raise WorkbenchError(
            f"'{run.corpus.name}' has {len(vectors):,} chunks and {len(queries):,} questions.",
            where="--sizes",
            todo="Give a size up to that, or choose a larger corpus with questions.",
        )
    chosen, recorder = choose(only, servers), StoreRecorder(workbench)
    bench = _Bench(recorder, plan, chosen, run.corpus.name)
    try:
        with alone(workbench.home) as folder, running(chosen.stores, folder, chosen.servers) as places:
            for size in sizes:
                yield from bench.searches(ground(vectors, queries, size, plan.questions, config.seed), places)
            if plan.writers:
                yield from bench.writes(normalised(vectors[: max(plan.writers) * plan.rows]), places)
    finally:
        processes.end()
    told = [f"{size:,} rows: the recipe has {len(vectors):,} chunks." for size in plan.sizes if size not in sizes]
    return {"run": recorder.run, "rows": bench.rows, "left_out": recorder.left_out("measure", chosen.left_out), "told": told}


class _Bench:
    """A run: what it measures goes through `note`."""

    def __init__(self, recorder: StoreRecorder, plan: MeasurePlan, chosen: ChosenStores, dataset: str) -> None:
        self._recorder, self._plan, self._chosen, self._dataset = recorder, plan, chosen, dataset
        self.rows: list[dict[str, Any]] = []

    def note(
        self,
        store: type[BenchStore],
        quantity: str,
        values: Sequence[float],
        unit: str = "",
        durable: bool = True,
        detail: Mapping[str, Any] = {},
        **where: Any,
    ) -> None:
        """The median of the repeats with their ends; a quantity that has no value is no row."""
        if not len(values) or any(value is None for value in values):
            return
        numbers = {"value": float(np.median(values)), "low": float(min(values)), "high": float(max(values))}
        row = {"dataset": self._dataset, "quantity": quantity, "unit": unit, **where, **numbers}
        key = "/".join(map(str, (quantity, durable, *where.values())))
        about = {"repeats": [float(value) for value in values], "detail": dict(detail)}
        self.rows.append(self._recorder.keep(KIND, store, key, row | about, durable))

    def searches(self, base: Ground, places: Mapping[str, RunningStore]) -> Generator[Progress, None, None]:
        n, open_stores, efforts = len(base.vectors), {}, {}
        usual: dict[tuple, list[list[int]]] = {}  # what each finds by its own default
        for number, kind in enumerate(self._chosen.stores):
            yield Progress(number, len(self._chosen.stores), f"{n:,} rows: loading {kind.title}")
            open_stores[kind], efforts[kind, None], by_default = self._loaded(kind, places[kind.name], base)
            usual |= {(kind, below): ids for below, ids in by_default.items()}
            settings = (efforts[kind, None],) if kind.effort_is_built else kind.efforts
            for below in BELOW:
                yield Progress(number, len(self._chosen.stores), f"{n:,} rows: {kind.title} under a filter of {below / 10:g}%")
                efforts[kind, below], _ = _tuned(open_stores[kind], base, settings, below)
        answers: dict[tuple, list[np.ndarray]] = {}
        results: dict[tuple, list[list[int]]] = {}
        clients: dict[type[BenchStore], list[float]] = {kind: [] for kind in open_stores}
        rng = np.random.default_rng(n)
        for repeat in range(self._plan.repeats):
            for place, (kind, below) in enumerate(_shuffled(product(open_stores, (None, *BELOW)), rng)):
                yield Progress(
                    repeat * len(open_stores) * 5 + place, self._plan.repeats * len(open_stores) * 5, f"{n:,} rows: searching"
                )
                began, used = time.perf_counter(), time.process_time()
                made, ms = _asked(open_stores[kind], base.queries, efforts[kind, below], below)
                if below is None:
                    clients[kind].append((time.process_time() - used) / (time.perf_counter() - began))
                answers.setdefault((kind, below), []).append(ms)
                results[kind, below] = made
        for (kind, below), every in answers.items():
            rows = results[kind, below], usual[kind, below]
            self._told(kind, base, below, efforts[kind, below], every, *rows, open_stores[kind])
        for kind, shares in clients.items():
            self.note(kind, "client_share", np.minimum(shares, 1.0), size=n)
            open_stores[kind].close()

    def _loaded(
        self, kind: type[BenchStore], where: RunningStore, base: Ground
    ) -> tuple[BenchStore, int, dict[int | None, list[list[int]]]]:
        """The store with its rows, its tuned setting, and by filter what it finds by its default, which may be built in."""
        n, dim = base.vectors.shape
        for effort in kind.efforts if kind.effort_is_built else (0,):
            store, began = kind(where.place), time.perf_counter()
            store.create(dim, effort)
            store.load(np.arange(n), base.vectors, base.buckets)
            store.index()
            took = time.perf_counter() - began
            if effort in (0, kind.usual_effort):
                usual = {below: _asked(store, base.queries, kind.usual_effort, below)[0] for below in (None, *BELOW)}
            tuned, share = _tuned(store, base, (effort,) if effort else kind.efforts, None)
            if share >= RECALL:
                break
        self.note(kind, "load", [took], "s", size=n, dim=dim)
        about = {"setting": kind.effort, "effort": tuned, "by_default": base.recall(usual[None], None)}
        self.note(kind, "recall", [share], size=n, detail=about)
        if num_bytes := store.size():
            self.note(kind, "bytes", [num_bytes / n], "bytes a row", size=n)
        if kind.lasts:
            took_s = []
            for _ in range(self._plan.repeats):
                store.close()
                store, began = kind(where.place), time.perf_counter()
                store.search(base.queries[0], K, tuned)
                took_s.append(time.perf_counter() - began)
            self.note(kind, "reopen", took_s, "s", size=n)
        return store, tuned, usual

    def _told(
        self,
        kind: type[BenchStore],
        base: Ground,
        below: int | None,
        effort: int,
        every: Sequence[np.ndarray],
        results: Sequence[Sequence[int]],
        usual: Sequence[Sequence[int]],
        store: BenchStore,
    ) -> None:
        where = {"size": len(base.vectors), **({} if below is None else {"below": below})}
        plan = store.plan(base.queries[0], K, effort, below)
        detail = {"questions": len(results), "effort": effort, "plan": plan}
        for share, name in ((50, "search_p50"), (99, "search_p99")):
            self.note(kind, name, [float(np.percentile(ms, share)) for ms in every], "ms", detail=detail, **where)
        wanted = base.wanted(below)
        if below is not None and wanted:
            by_default = _returned(usual)
            probe = {"wanted": wanted, "way": _way(by_default, base.recall(usual, below), wanted), "plan": plan}
            probe |= {"setting": kind.effort, "effort": effort, "by_default": by_default}
            self.note(kind, "rows_returned", [_returned(results)], "rows", detail=probe, **where)
            self.note(kind, "filtered_recall", [base.recall(results, below)], **where)

    def writes(self, vectors: np.ndarray, places: Mapping[str, RunningStore]) -> Generator[Progress, None, None]:
        plan = self._plan
        kinds = written_to(self._chosen.stores)
        places = {**places, **{kind.writes_alike: places[kind.name] for kind in self._chosen.stores if kind.writes_alike}}
        cases = [
            (kind, durable, number)
            for kind in kinds
            for durable in (True, False)[: 1 + bool(kind.relaxed_setting)]
            for number in (plan.writers if kind.several else (1,))
        ]
        speeds: dict[tuple, list[float]] = {}
        commits: dict[tuple, list[np.ndarray]] = {}
        refused: dict[tuple, int] = {}
        rng = np.random.default_rng(0)
        for _ in range(plan.repeats):
            for kind, durable, number in _shuffled(cases, rng):
                store = kind(places[kind.name].place, durable)
                if kind.several:
                    store.create(vectors.shape[1])
                    store.index()
                    store.close()
                shares = np.array_split(vectors[: number * plan.rows], number)
                writers = [Writer(store, NEW * (place + 1) // 16, rows) for place, rows in enumerate(shares)]
                words = f"{kind.title}: {number} writing"
                made = yield from processes.together(self._recorder.run, writers, "insert", words)
                took = max(each.ended for each in made) - min(each.began for each in made)
                done = np.concatenate([each.ms for each in made])
                speeds.setdefault((kind, durable, number), []).append(len(done) / took)
                commits.setdefault((kind, durable, number), []).append(done)
                refused[kind, durable, number] = refused.get((kind, durable, number), 0) + sum(each.refused for each in made)
        for (kind, durable, number), every in speeds.items():
            where = {"durable": durable, "writers": number, "size": min(number * plan.rows, len(vectors))}
            self.note(kind, "writes", every, "rows/s", detail={"refused": refused[kind, durable, number]}, **where)
            for share, name in ((50, "commit_p50"), (99, "commit_p99")):
                self.note(kind, name, [float(np.percentile(ms, share)) for ms in commits[kind, durable, number]], "ms", **where)
            if number > 1 and (kind, durable, 1) in speeds:
                self.note(kind, "speed_up", np.divide(every, speeds[kind, durable, 1]), "times", **where)
        yield from self._mixed([kind for kind in kinds if kind.several], places, vectors)

    def _mixed(
        self, kinds: Sequence[type[BenchStore]], places: Mapping[str, RunningStore], vectors: np.ndarray
    ) -> Generator[Progress, None, None]:
        """Searches for rows that stay while four write, and how soon a row is found that was confirmed to another connection."""
        rng = np.random.default_rng(1)
        per: dict[tuple[type[BenchStore], str], list[float]] = {}
        refused = dict.fromkeys(kinds, 0)
        for repeat in range(self._plan.repeats):
            for kind in _shuffled(kinds, rng):
                first = NEW + repeat * 10_000_000
                values, failed = yield from self._meanwhile(kind, places[kind.name].place, vectors, first)
                refused[kind] += failed
                for name, value in values.items():
                    per.setdefault((kind, name), []).append(value)
        for (kind, name), values in per.items():
            told = {"detail": {"refused": refused[kind]}, "writers": 4} if name.startswith("mixed") else {"writers": 1}
            self.note(kind, name, values, "" if name == "mixed_found" else "ms", size=len(vectors), **told)

    def _meanwhile(
        self, kind: type[BenchStore], place: str, vectors: np.ndarray, first: int
    ) -> Generator[Progress, None, tuple[dict[str, float], int]]:
        """Quantities of one store and repeat, and the commits that it refused. first: number of the first row that is written."""
        store, size = kind(place), len(vectors)
        store.create(vectors.shape[1])
        store.load(np.arange(size), vectors, np.arange(size) % BUCKETS)
        store.index()
        writers = [
            Writer(kind(place), first + number * 1_000_000, rows) for number, rows in enumerate(np.array_split(vectors, 4))
        ]
        work = processes.together(self._recorder.run, writers, "churn", f"{kind.title}: searching while four write")
        asked: list[tuple[float, float, bool]] = []
        for step in (steps := Running(work)):
            yield step
            began, row = time.monotonic(), len(asked) % size
            hit = row in store.search(vectors[row], K, kind.usual_effort)
            asked.append((began, time.monotonic(), hit))
        start, stop = max(each.began for each in steps.result), min(each.ended for each in steps.result)
        during = [(1000 * (ended - began), hit) for began, ended, hit in asked if began < stop and ended > start]
        fresh = _fresh(store, kind(place), vectors, first + 9_000_000, self._plan.fresh)
        store.close()
        times = {"mixed": [ms for ms, _ in during], "freshness": fresh}
        values = {
            f"{name}_p{share}": float(np.percentile(ms, share)) for name, ms in times.items() if len(ms) for share in (50, 99)
        }
        values |= {"mixed_found": float(np.mean([hit for _, hit in during]))} if during else {}
        return values, sum(each.refused for each in steps.result)


class Writer(NamedTuple):
    """One of several that write at once, in a process of its own."""

    store: BenchStore
    first: int
    vectors: np.ndarray

    def insert(self, gate: Path) -> "Timed":
        """Each row a commit."""
        return (yield from self._timed(gate, [partial(self._insert, row, vector) for row, vector in enumerate(self.vectors)]))

    def churn(self, gate: Path) -> "Timed":
        """Each row is inserted, changed, and every second one deleted."""
        steps = []
        for row, vector in enumerate(self.vectors):
            steps += [partial(self._insert, row, vector), partial(self.store.update, self.first + row, vector, 1)]
            steps += [partial(self.store.delete, self.first + row)] * (row % 2)
        return (yield from self._timed(gate, steps))

    def _insert(self, row: int, vector: np.ndarray) -> None:
        self.store.insert(self.first + row, vector, row % BUCKETS)

    def _timed(self, gate: Path, steps: Sequence[Any]) -> "Timed":
        if self.store.several:
            self.store.ids()  # connects
        else:
            self.store.create(self.vectors.shape[1])
        yield
        processes.wait_at(gate)
        began, ms, refused = time.monotonic(), [], 0
        for step in steps:
            started = time.perf_counter()
            try:
                step()
            except Exception:  # LanceDB gives up a commit that others come before again and again
                refused += 1
                if refused == len(steps):  # it takes none
                    raise
            else:
                ms.append(1000 * (time.perf_counter() - started))
        ended = time.monotonic()
        self.store.close()
        return WriterTimes(began, ended, np.array(ms), refused)


class WriterTimes(NamedTuple):
    began: float
    ended: float
    ms: np.ndarray  # of each commit
    refused: int  # commits that the store did not take


Timed = Generator[None, None, WriterTimes]


def _shuffled(cases: Any, rng: np.random.Generator) -> list[Any]:
    cases = list(cases)
    return [cases[place] for place in rng.permutation(len(cases))]


def _asked(store: BenchStore, queries: np.ndarray, effort: int, below: int | None) -> tuple[list[list[int]], np.ndarray]:
    """Results, and the ms of each question; the first is asked twice."""
    store.search(queries[0], K, effort, below)
    results, ms = [], np.empty(len(queries))
    for place, query in enumerate(queries):
        began = time.perf_counter()
        results.append(store.search(query, K, effort, below))
        ms[place] = 1000 * (time.perf_counter() - began)
    return results, ms


def _tuned(store: BenchStore, base: Ground, efforts: Sequence[int], below: int | None) -> tuple[int, float | None]:
    """The narrowest setting that finds enough, or the widest, and the recall with it; None where the filter leaves nothing."""
    for effort in efforts:
        share = base.recall(_asked(store, base.queries, effort, below)[0], below)
        if share is None or share >= RECALL:
            break
    return effort, share


def _returned(results: Sequence[Sequence[int]]) -> float:
    """Mean number of rows a question."""
    return float(np.mean([len(ids) for ids in results]))


def _way(rows: float, share: float, wanted: int) -> str:
    """How a store filters, by what it returns: not by what its documents say."""
    if rows < wanted - 1e-9:
        return "after the search, or it ends early"
    return "before the search" if share > 1 - 1e-9 else "within the search"


def _fresh(reader: BenchStore, writer: BenchStore, vectors: np.ndarray, first: int, number: int) -> list[float]:
    """ms from the confirmation of a row until another connection finds it."""
    rng, ms = np.random.default_rng(first), []
    for row in range(first, first + number):
        vector = normalised(rng.normal(size=(1, vectors.shape[1])))[0]
        writer.insert(row, vector, 0)
        began = time.perf_counter()
        while row not in reader.search(vector, 1, type(reader).efforts[-1]):
            if time.perf_counter() - began > LATEST_S:
                break
        ms.append(1000 * (time.perf_counter() - began))
    writer.close()
    return ms


LATEST_S = 10.0  # a row that is not found by then counts with this
