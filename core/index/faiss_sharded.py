"""Dense search in shards by FAISS, their results merged."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from core.config import fingerprint, knob
from core.index.common import asked, build_settings, checked, confirmed, ordered, permitted
from core.index.faiss_flat import FaissFlat
from core.index.faiss_hnsw import FaissHNSW
from core.index.faiss_tools import FaissIndex, FaissSearcher
from core.index.protocol import Index, Searcher
from core.index.stores import write_note
from core.models.threads import Gate
from core.records import Candidates
from core.registry import part


@part("index")
class FaissSharded(Index):
    """The vectors in equal shares, each with an index of its own; a question asks all, and the best of all are merged by their scores.

    Nothing is lost by merging: shards of `faiss_flat` find what one finds, and with graphs each shard is walked with the whole
    ef_search, so that more is found than by one graph, and a question costs more. Choose it over `faiss_hnsw` where building has to be
    fast and the same each time: a processor builds a shard, each by one thread. It also shows what an index costs that is spread over
    several machines, without the network between them.
    Source: Douze et al. 2024, "The Faiss library", section 6 (sharding).
    """

    order: ClassVar[int] = 130
    title: ClassVar[str] = "FAISS in shards"
    engine: ClassVar[str] = "faiss"
    query_settings: ClassVar[tuple[str, ...]] = ("ef_search",)
    part: Literal["faiss_sharded"] = "faiss_sharded"
    kind: Literal["hnsw", "flat"] = knob("hnsw", "What a shard is: a graph, or all its vectors compared.")
    shards: int = knob(2, "Shares of the vectors. More build faster on several processors; a question asks each.", ge=1, le=64)
    m: int = knob(32, "Links of a vector in the graph of its shard. More find more, in more memory.", unit="links", ge=2, le=128)
    ef_construction: int = knob(
        100, "Neighbours considered when a vector is added. More builds a better graph, slower.", ge=4, le=2000
    )
    ef_search: int = knob(128, "Neighbours considered in each shard. More finds more of the true ones, slower.", ge=1, le=4096)

    def grid(self, num_vectors: int, dim: int) -> dict[str, list[Any]]:
        return {"shards": [1, 2, 4], "ef_search": [10, 16, 32, 64, 128, 256]} if self.kind == "hnsw" else {"shards": [1, 2, 4]}

    def build(self, vectors: np.ndarray, folder: Path | None) -> "ShardedSearcher":
        """Searcher of vectors [num_chunks, dim] float32; in the folder each shard has one of its own."""
        vectors = checked(vectors, self.metric)
        if folder is None:
            return ShardedSearcher(self, vectors, None)
        home = folder / f"{self.part}-{fingerprint(build_settings(self))}"
        searcher = ShardedSearcher(self, vectors, home)
        write_note(home, {"shards": self.shards})
        return searcher


@lru_cache(64)
def _inside(part: FaissSharded) -> FaissIndex:
    """What a shard is."""
    if part.kind == "flat":
        return FaissFlat(metric=part.metric)
    return FaissHNSW(metric=part.metric, m=part.m, ef_construction=part.ef_construction, ef_search=part.ef_search)


class ShardedSearcher(Searcher):
    """Ids are of the whole: each has its shard, and its place there. What is added goes to the smallest shard."""

    def __init__(self, part: FaissSharded, vectors: np.ndarray, home: Path | None) -> None:
        self._part, self.dim = part, vectors.shape[1]
        ends = np.linspace(0, len(vectors), part.shards + 1).astype(np.int64)

        def built(number: int) -> FaissSearcher:
            share = vectors[ends[number] : ends[number + 1]]
            return FaissSearcher(_inside(part), share, home and home / str(number))

        with ThreadPoolExecutor(min(part.shards, os.cpu_count() or 1)) as pool:
            self._shards = list(pool.map(built, range(part.shards)))
        self._ids = np.split(np.arange(len(vectors), dtype=np.int32), ends[1:-1])  # of each shard [places], place -> id
        self._shard = np.repeat(np.arange(part.shards), np.diff(ends))  # [ids given out]
        self._place = np.arange(len(vectors)) - ends[self._shard]  # [ids given out], in its shard
        self._live = np.ones(len(vectors), bool)  # [ids given out]
        self._gate = Gate()

    @property
    def size(self) -> int:
        return sum(shard.size for shard in self._shards)

    @property
    def memory_bytes(self) -> int:
        return sum(shard.memory_bytes for shard in self._shards)

    @property
    def disk_bytes(self) -> int:
        return sum(shard.disk_bytes for shard in self._shards)

    @property
    def dead(self) -> int:
        return sum(shard.dead for shard in self._shards)

    def search(
        self,
        queries: np.ndarray,
        depth: int,
        tie_order: np.ndarray | None = None,
        *,
        settings: FaissSharded | None = None,
        among: np.ndarray | None = None,
    ) -> Candidates:
        """The `depth` best of all shards, each of which finds so many."""
        part = settings or self._part
        queries = asked(queries, part.metric, self.dim)
        self._gate.enter()
        try:
            if among is not None:
                among = permitted(among, len(self._live))
            chunks, scores = [], []
            for shard, ids in zip(self._shards, self._ids, strict=True):
                own = shard.search(queries, depth, settings=_inside(part), among=None if among is None else among[ids])
                chunks.append(np.where(own.chunk >= 0, ids[own.chunk], -1) if len(ids) else own.chunk)
                scores.append(own.score)
            depth = min(depth, self.size)
        finally:
            self._gate.leave()
        merged = ordered(np.concatenate(chunks, axis=1), np.concatenate(scores, axis=1), tie_order)
        return Candidates(merged.chunk[:, :depth], merged.score[:, :depth])

    def add(self, vectors: np.ndarray) -> np.ndarray:
        """Ids [n] int32 of the new vectors [n, dim]."""
        vectors = checked(vectors, self._part.metric, self.dim)
        with self._gate.closed():
            ids = np.arange(len(self._live), len(self._live) + len(vectors), dtype=np.int32)
            smallest = min(range(len(self._shards)), key=lambda number: self._shards[number].size)
            places = self._shards[smallest].add(vectors)
            self._ids[smallest] = np.append(self._ids[smallest], ids)
            self._shard = np.append(self._shard, np.full(len(ids), smallest))
            self._place = np.append(self._place, places)
            self._live = np.append(self._live, np.ones(len(ids), bool))
        return ids

    def remove(self, ids: np.ndarray) -> None:
        with self._gate.closed():
            ids = confirmed(ids, self._live)
            for number, shard in enumerate(self._shards):
                shard.remove(self._place[ids[self._shard[ids] == number]])
            self._live[ids] = False

    def update(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """Puts vectors [n, dim] in the place of those with these ids [n]."""
        vectors = checked(vectors, self._part.metric, self.dim, len(ids))
        with self._gate.closed():
            ids = confirmed(ids, self._live)
            for number, shard in enumerate(self._shards):
                own = self._shard[ids] == number
                shard.update(self._place[ids[own]], vectors[own])
