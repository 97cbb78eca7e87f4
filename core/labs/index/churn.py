"""The life of an index: what removing, inserting and re-embedding vectors does to recall, latency and memory.

A graph keeps paths through what was deleted, inverted lists keep the centres of vectors that are gone: an index that
changed is not the index that would be built today. `churn` measures both side by side, `when_to_rebuild` reads off when
the difference is more than one accepts. What changes is single vectors, or whole documents with all their chunks.
Source: the set-up of Singh et al. 2021, "FreshDiskANN", section 3 (rounds of random deletes and reinserts of a share of
the points, recall against the same index built statically).
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from core.config import PartConfig
from core.errors import WorkbenchError
from core.index.exact import Exact
from core.labs.index.measure import TIES, Asking, latencies_ms, recall
from core.records import Candidates, Progress

Embed = Callable[[np.ndarray], np.ndarray]  # rows [n] -> their vectors after re-embedding [n, dim] float32

Mode = Literal["replace", "update", "mixed", "grow", "shrink", "each"]
Unit = Literal["vectors", "documents"]
# what a round does with its share: removed, inserted, embedded again
MODES: dict[str, tuple[float, float, float]] = {
    "replace": (1, 1, 0),
    "update": (0, 0, 1),
    "mixed": (0.5, 0.5, 0.5),
    "grow": (0, 1, 0),
    "shrink": (1, 0, 0),
    "each": (1, 1, 1),
}
HELD_BACK = 0.2  # share of the vectors that waits to be inserted, when the caller does not say which do
PERTURBED = 0.1  # length of the random change of a re-embedded vector, as a share of its own
LATENCIES = 200  # questions asked one at a time in each round
BATCH = 100  # vectors a change is made of: searches wait for one batch, not for a round
PROBES = 500  # live vectors looked up by themselves in each round


class Round(NamedTuple):
    """The index after a round of changes; round 0 is as built. Seconds are per 1,000 changes, None where there were none."""

    round: int
    churned: float  # units removed or re-embedded so far (inserted, where only that happens), as a share of those at the start
    live: int
    recall: np.ndarray  # [num_queries] float64, recall@k against exact search over what is live
    fresh_recall: np.ndarray | None  # the same of an index built anew; None where it was not built
    lost: float  # share of sampled live vectors that a search for themselves does not find
    fresh_lost: float | None
    dead: int | None  # entries kept though deleted; None: the engine does not say
    p50_ms: float
    p95_ms: float
    fresh_p50_ms: float | None
    memory_bytes: int
    fresh_memory_bytes: int | None
    rebuild_s: float | None
    delete_s: float | None
    insert_s: float | None
    update_s: float | None
    during: int  # questions asked by another thread while the round's changes were made
    during_p95_ms: float | None
    during_empty: int  # of them without any result
    during_errors: tuple[str, ...]


class Churn(NamedTuple):
    part: PartConfig
    k: int
    mode: str
    share: float
    seed: int
    rounds: tuple[Round, ...]
    unit: str = "vectors"


class Rebuild(NamedTuple):
    """churned: share of churn at which recall is below a fresh build's by more than accepted; None: not reached."""

    churned: float | None
    lost_recall: float  # mean recall lost there, or at the worst round tried
    rebuild_s: float  # what a rebuild takes there
    tried: float  # share of churn up to which was looked
    fresh_spread: float  # by how much fresh builds differ among themselves: a loss below it may be luck

    @property
    def may_be_chance(self) -> bool:
        """Fresh builds differ among themselves by as much as is lost."""
        return self.churned is not None and self.fresh_spread >= self.lost_recall


def churn(
    part: PartConfig,
    vectors: np.ndarray,
    queries: np.ndarray,
    k: int = 10,
    rounds: int = 10,
    share: float = 0.1,
    mode: Mode = "mixed",
    seed: int = 0,
    *,
    first: int | None = None,
    updated: np.ndarray | Embed | None = None,
    fresh_every: int = 1,
    asking: bool = False,
    folder: Path | None = None,
    documents: np.ndarray | None = None,
) -> Generator[Progress, None, Churn]:
    """Builds `part`, then changes `share` of what is live in each round, and measures.

    vectors [num_vectors, dim]: those the index begins with and those inserted later. `first`: the first so many units begin
    and the rest come in their order (a corpus that grows into new subjects); None: a random fifth is held back. When
    none is left, removed ones come back.
    updated [num_vectors, dim]: each vector as it is after re-embedding, or a function that embeds these rows anew; None: changed at
    random by a tenth of its length.
    fresh_every: an index is built anew for comparison every so many rounds and in the last one.
    asking: another thread asks all the while changes are made. folder: for engines on disk; emptied at the end.
    documents [num_vectors] int: of each vector its document, which is then the unit: its vectors come, change and go together.
    """
    unit = "vectors" if documents is None else "documents"
    documents = np.arange(len(vectors)) if documents is None else np.asarray(documents)
    _check(vectors, queries, k, share, mode, first, updated, documents)
    scratch = Path(tempfile.mkdtemp(dir=_made(folder))) if folder else None
    try:
        state = _State(part, vectors, first, updated, np.random.default_rng(seed), scratch, documents)
        total = rounds + 1
        yield Progress(0, total, f"building {part.part} of {len(state.live()):,} vectors")
        state.build()
        measured: list[Round] = []
        for number in range(total):
            fresh = number % fresh_every == 0 or number == rounds
            changes = _Changes()
            if number:
                yield Progress(
                    number, total, f"round {number} of {rounds}: changing {share:.0%} of {len(state.units()):,} {unit}"
                )
                changes = state.change(share, mode, queries if asking else None, k)
            yield Progress(number, total, f"round {number} of {rounds}: searching{', building anew' if fresh else ''}")
            measured.append(_measure(number, state, changes, queries, k, fresh))
        yield Progress(total, total, f"{rounds} rounds, recall@{k} {np.nanmean(measured[-1].recall):.3f}")
        return Churn(part, k, mode, share, seed, tuple(measured), unit)
    finally:
        if scratch:
            shutil.rmtree(scratch, ignore_errors=True)


def when_to_rebuild(life: Churn, lost_recall: float) -> Rebuild:
    """The first share of churn at which mean recall is more than `lost_recall` below that of a fresh build.

    Between two fresh builds the last one is what is compared with.
    """
    if not lost_recall >= 0:  # NaN included
        raise WorkbenchError(f"{100 * lost_recall:g} points cannot be lost.", where="--lost", todo="Give 0 points or more.")
    fresh, rebuild_s, worst = None, 0.0, (-np.inf, 0.0)
    builds = [np.nanmean(r.fresh_recall) for r in life.rounds if r.fresh_recall is not None]
    tried, spread = life.rounds[-1].churned, float(max(builds) - min(builds))
    for round_ in life.rounds:
        if round_.fresh_recall is not None:
            fresh, rebuild_s = np.nanmean(round_.fresh_recall), round_.rebuild_s
        lost = float(fresh - np.nanmean(round_.recall))
        worst = max(worst, (lost, rebuild_s))
        if round_.round and lost > lost_recall:
            return Rebuild(round_.churned, lost, rebuild_s, tried, spread)
    return Rebuild(None, *worst, tried, spread)


def rows(life: Churn) -> list[dict[str, Any]]:
    """A row a round, with mean recalls."""
    return [
        {name: float(np.nanmean(value)) if isinstance(value, np.ndarray) else value for name, value in each._asdict().items()}
        for each in life.rounds
    ]


class _Changes(NamedTuple):
    delete_s: float | None = None
    insert_s: float | None = None
    update_s: float | None = None
    during: int = 0
    during_p95_ms: float | None = None
    during_empty: int = 0
    during_errors: tuple[str, ...] = ()


class _State:
    """The index under change and, beside it, the truth: which id holds which vector now."""

    def __init__(
        self,
        part: PartConfig,
        vectors: np.ndarray,
        first: int | None,
        updated: np.ndarray | Embed | None,
        rng: np.random.Generator,
        scratch: Path | None,
        documents: np.ndarray,
    ) -> None:
        every, begins = np.unique(documents, return_index=True)
        order = every[np.argsort(begins)] if first else rng.permutation(every)
        first = first or len(every) - int(HELD_BACK * len(every))
        self.part, self.rng, self.scratch = part, rng, scratch
        self._vectors, self._updated, self._documents = vectors, updated, documents
        by_document = np.argsort(documents, kind="stable")
        ends = np.cumsum(np.unique(documents, return_counts=True)[1])
        self._rows = dict(zip(every.tolist(), np.split(by_document, ends[:-1]), strict=True))
        self.source = self._rows_of(order[:first])  # by id: the row of `vectors` it came from
        self.table = np.asarray(vectors, np.float32)[self.source]  # by id: the vector it has now
        self.alive = np.ones(len(self.source), bool)
        self.began, self.touched, self.inserted = first, 0, 0  # in units, as what a round changes
        self._waiting = order[first:][::-1].tolist()  # units to insert, the next one last

    def build(self) -> None:
        began = time.perf_counter()
        self.searcher = self.part.build(self.table, self.scratch and self.scratch / "changed")
        self.build_s = time.perf_counter() - began

    @property
    def size(self) -> int:
        return int(self.alive.sum())

    def live(self) -> np.ndarray:
        return np.flatnonzero(self.alive)

    def units(self) -> np.ndarray:
        """Those that are live."""
        return np.unique(self._documents[self.source[self.alive]])

    def _rows_of(self, units: np.ndarray) -> np.ndarray:
        return np.concatenate([self._rows[unit] for unit in np.asarray(units).tolist()] or [np.empty(0, np.int64)])

    def _ids_of(self, units: np.ndarray) -> np.ndarray:
        return np.flatnonzero(self.alive & np.isin(self._documents[self.source], units))

    def change(self, share: float, mode: str, asked: np.ndarray | None, k: int) -> _Changes:
        """One round: removes, inserts, re-embeds, in batches."""
        removed, inserted, updated = (round(part * share * len(self.units())) for part in MODES[mode])
        rows = [] if asked is None else [asked[i : i + 1] for i in range(len(asked))]
        other = Asking(lambda i: self.searcher.search(rows[i % len(rows)], k))
        with other if rows else nullcontext():
            took = self._remove(removed), self._insert(inserted), self._update(updated)
        slow = float(np.percentile(other.ms, 95)) if other.ms else None
        return _Changes(*took, len(other.ms), slow, other.empty, tuple(dict.fromkeys(other.errors)))

    def _remove(self, count: int) -> float | None:
        live = self.units()
        units = self.rng.choice(live, min(count, len(live) - 1), replace=False)
        ids = self.rng.permutation(self._ids_of(units))
        seconds = _timed(self.searcher.remove, ids)
        self.alive[ids] = False
        self._waiting[:0] = units.tolist()  # they come back last
        self.touched += len(units)
        return seconds

    def _insert(self, count: int) -> float | None:
        units = [self._waiting.pop() for _ in range(min(count, len(self._waiting)))]
        rows = self._rows_of(np.array(units, np.int64))
        self.inserted += len(units)
        new, added = np.asarray(self._vectors[rows], np.float32), []
        seconds = _timed(lambda vectors: added.append(self.searcher.add(vectors)), new)
        if not added:
            return None
        ids = np.concatenate(added)
        room = max(int(ids.max()) + 1 - len(self.alive), 0)
        self.alive = np.concatenate([self.alive, np.zeros(room, bool)])
        self.source = np.concatenate([self.source, np.zeros(room, np.int64)])
        self.table = np.concatenate([self.table, np.zeros((room, self.table.shape[1]), np.float32)])
        self.alive[ids], self.source[ids], self.table[ids] = True, rows, new
        return seconds

    def _update(self, count: int) -> float | None:
        live = self.units()
        units = self.rng.choice(live, min(count, len(live)), replace=False)
        ids = self._ids_of(units)
        if self._updated is not None:
            rows = self.source[ids]
            new = np.asarray(self._updated(rows) if callable(self._updated) else self._updated[rows], np.float32)
        else:
            noise = self.rng.normal(size=(len(ids), self.table.shape[1])).astype(np.float32)
            lengths = np.linalg.norm(self.table[ids], axis=1, keepdims=True)
            new = self.table[ids] + noise / np.linalg.norm(noise, axis=1, keepdims=True) * lengths * PERTURBED
        seconds = _timed(self.searcher.update, ids, new)
        self.table[ids] = new
        self.touched += len(units)
        return seconds


def _measure(number: int, state: _State, changes: _Changes, queries: np.ndarray, k: int, fresh: bool) -> Round:
    live = state.live()
    now = state.table[live]
    metric = state.part.metric
    truth = Exact(metric=metric).build(now, None).search(queries, k + TIES)
    probes = np.random.default_rng(number).choice(len(live), min(PROBES, len(live)), replace=False)
    changed = _judged(state.searcher, live, now, queries, k, truth, probes, metric)
    anew, rebuild_s = (None, None, None, None), None
    if not number:
        anew, rebuild_s = changed, state.build_s
    elif fresh:
        folder = state.scratch and state.scratch / f"fresh-{number}"
        began = time.perf_counter()
        searcher = state.part.build(now, folder)
        rebuild_s = time.perf_counter() - began
        anew = _judged(searcher, np.arange(len(live)), now, queries, k, truth, probes, metric)
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
    return Round(
        number,
        (state.touched or state.inserted) / state.began,
        len(live),
        changed[0],
        anew[0],
        changed[1],
        anew[1],
        state.searcher.dead,
        *np.percentile(changed[2], [50, 95]),
        None if anew[2] is None else float(np.median(anew[2])),
        changed[3],
        anew[3],
        rebuild_s,
        *changes,
    )


def _judged(
    searcher, ids: np.ndarray, now: np.ndarray, queries: np.ndarray, k: int, truth: Candidates, probes: np.ndarray, metric: str
) -> tuple[np.ndarray, float, np.ndarray, int]:
    """recall [num_queries], share of probes not found, latencies in ms, memory in bytes. ids: of the rows of `now`."""
    place = np.full(int(ids.max()) + 2, -3)  # id -> row of `now`; -3: not live, as wrong as can be
    place[ids], place[-1] = np.arange(len(ids)), -1
    candidates = searcher.search(queries, k)
    candidates = Candidates(place[np.minimum(candidates.chunk, len(place) - 1)], candidates.score)
    itself = searcher.search(now[probes], k)
    own = np.einsum("ij,ij->i", now[probes], now[probes]) if metric == "dot" else {"cosine": 1.0, "l2": 0.0}[metric]
    # as good ones may fill all k places (equal texts; longer vectors for dot): then it is not lost
    full = itself.score[:, k - 1] >= own - 1e-3 * np.maximum(1, np.abs(own)) if itself.chunk.shape[1] >= k else False
    lost = ~(itself.chunk == ids[probes][:, None]).any(axis=1) & ~np.broadcast_to(full, len(probes))
    ms = latencies_ms(lambda i: searcher.search(queries[i : i + 1], k), min(LATENCIES, len(queries)))
    return recall(candidates, truth, k), float(lost.mean()), ms, int(searcher.memory_bytes)


def _timed(change: Callable[..., object], *columns: np.ndarray) -> float | None:
    """Seconds per 1,000 rows of changing all rows of the columns, a batch a call."""
    number = len(columns[0])
    began = time.perf_counter()
    for first in range(0, number, BATCH):
        change(*(column[first : first + BATCH] for column in columns))
    return (time.perf_counter() - began) / number * 1000 if number else None


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _check(
    vectors: np.ndarray,
    queries: np.ndarray,
    k: int,
    share: float,
    mode: str,
    first: int | None,
    updated: np.ndarray | Embed | None,
    documents: np.ndarray,
) -> None:
    def wrong(what: str, where: str, todo: str) -> WorkbenchError:
        return WorkbenchError(what, where=where, todo=todo)

    if mode not in MODES:
        raise wrong(f"There is no way of change '{mode}'.", "mode", f"Allowed: {', '.join(MODES)}.")
    if not 0 < share <= 1:
        raise wrong(f"A round cannot change {share:g} of what is live.", "share", "Allowed: above 0, up to 1.")
    if len(vectors) < 10 or not len(queries):
        raise wrong(
            f"{len(vectors)} vectors and {len(queries)} questions are too few to follow an index.",
            "vectors",
            "Give 10 vectors and one question or more.",
        )
    if not 1 <= k <= len(vectors) // 2:
        raise wrong(f"k = {k} is not possible with {len(vectors)} vectors.", "k", f"Allowed: 1 to {len(vectors) // 2}.")
    units = len(np.unique(documents))
    if first is not None and not 1 < first <= units or units < 2:
        raise wrong(f"The index cannot begin with {first or 'most'} of {units}.", "first", f"Allowed: 2 to {units}.")
    least, begin = min(filter(None, MODES[mode])), first or round((1 - HELD_BACK) * units)
    if round(least * share * begin) < 1:  # a round would change nothing
        raise wrong(f"{least * share:.2%} of {begin:,} is less than one.", "share", f"Give {1 / (least * begin):.1%} or more.")
    if isinstance(updated, np.ndarray) and updated.shape != vectors.shape:
        raise wrong(
            f"The re-embedded vectors have shape {updated.shape}, the vectors {vectors.shape}.",
            "updated",
            "Embed the same texts, to the same number of dimensions.",
        )
