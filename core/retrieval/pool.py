"""The candidates of all retrievers side by side: what every fusion ranks and every live slider works on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.config import PartConfig
from core.errors import broken_part
from core.records import Candidates, Chunks
from core.retrieval.top import best


@dataclass(frozen=True, eq=False)
class Pool:
    """The union of the retrievers' candidates for each query, Q queries by P columns.

    chunk [Q, P] int32: -1 pads the end of a row. The chunks of a row stand in ascending order of their ids, so that
    among equal scores the later column ranks first.
    score[name] [Q, P] float32: NaN where that retriever did not retrieve the chunk.
    rank[name] [Q, P] int32: from 1, 0 where it did not.
    """

    chunk: np.ndarray
    score: dict[str, np.ndarray]
    rank: dict[str, np.ndarray]
    _memo: dict[Any, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.chunk)

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, with what is remembered: two float64 columns a retriever, and the pads."""
        cells = self.chunk.size
        return cells * (4 + len(self.score) * (4 + 4 + 8) + 4)

    def once(self, key: Any, compute: Callable[[], Any], of: Any = None) -> Any:
        """compute(), remembered with the pool: what does not depend on the knob being dragged.

        Only the result for the last `of` (compared by identity) is kept under a key.
        """
        entry = self._memo.get(key)
        if entry is None or entry[0] is not of:
            entry = self._memo[key] = (of, compute())
        return entry[1]

    def ranked(self, fused: np.ndarray) -> np.ndarray:
        """Fused scores [Q, P] as float32, with -inf at the pads."""
        pads = self.once("pads", lambda: np.where(self.chunk < 0, np.float32(-np.inf), np.float32(0)))
        return np.add(fused, pads, out=fused).astype(np.float32)


def checked(candidates: Candidates, kind: str, part: PartConfig, num_queries: int, num_chunks: int) -> Candidates:
    """What a retriever found; WorkbenchError that names the part where no pool could be made of it, or a wrong one."""
    chunk, score = candidates.chunk, candidates.score
    if chunk.shape != score.shape or chunk.shape[:-1] != (num_queries,) or (chunk.dtype, score.dtype) != (np.int32, np.float32):
        shapes = f"{chunk.dtype} chunks of shape {chunk.shape} and {score.dtype} scores of {score.shape}"
        raise broken_part(kind, part.part, f"gives {shapes} for {num_queries:,} questions")
    if chunk.min(initial=-1) < -1 or chunk.max(initial=-1) >= num_chunks:
        raise broken_part(kind, part.part, f"gives chunks {chunk.min()} to {chunk.max()} of {num_chunks:,}")
    if ((chunk < 0) != np.isnan(score)).any():
        raise broken_part(kind, part.part, "gives scores to pads, or no score to chunks: NaN stands where the chunk is -1")
    return candidates


def make_pool(candidates: dict[str, Candidates], tie_order: np.ndarray) -> Pool:
    """Joins the candidates of each retriever ("sparse", "dense") for the same queries over the same chunks."""
    retrieved = np.concatenate([each.chunk for each in candidates.values()], axis=1)  # [Q, slots]
    num_queries, slots = retrieved.shape
    num_chunks = len(tie_order)
    # position in the tie order and slot in one integer: sorting numbers is several times as fast as np.unique
    bits = slots.bit_length()
    position = np.append(tie_order, np.int32(num_chunks))[retrieved].astype(np.int64)  # pads, -1, come last
    ordered = np.sort((position << bits) | np.arange(slots), axis=1)
    position, slot = ordered >> bits, ordered & ((1 << bits) - 1)
    is_new = np.ones(retrieved.shape, bool)
    is_new[:, 1:] = position[:, 1:] != position[:, :-1]
    column = np.cumsum(is_new, axis=1) - 1
    real = position < num_chunks
    shape = num_queries, int(column[real].max(initial=-1)) + 1
    cell = column + np.arange(num_queries)[:, None] * shape[1]
    chunk = np.full(shape, -1, np.int32)
    chunk.ravel()[cell[real]] = np.take_along_axis(retrieved, slot, axis=1)[real]
    score, rank, first = {}, {}, 0
    for name, each in candidates.items():
        depth = each.chunk.shape[1]
        mine = np.flatnonzero(real & (slot >= first) & (slot < first + depth))
        place = slot.ravel()[mine] - first
        score[name] = np.full(shape, np.nan, np.float32)
        rank[name] = np.zeros(shape, np.int32)
        score[name].ravel()[cell.ravel()[mine]] = each.score.ravel()[mine // slots * depth + place]
        rank[name].ravel()[cell.ravel()[mine]] = place + 1
        first += depth
    return Pool(chunk, score, rank)


def rankings(pool: Pool, scores: np.ndarray, top_k: int) -> Candidates:
    """The final rankings of all queries: chunk [Q, top_k] int32 (-1 where shorter), score [Q, top_k] float32."""
    top = best(scores, top_k)
    chunk = np.take_along_axis(pool.chunk, np.maximum(top.chunk, 0), axis=1) if pool.chunk.size else top.chunk
    return Candidates(np.where(top.chunk >= 0, chunk, np.int32(-1)), top.score)


def ranking(pool: Pool, scores: np.ndarray, row: int, top_k: int) -> Candidates:
    """The final ranking of one query, without pads: chunk [n <= top_k] int32, score [n] float32."""
    top = best(scores[row : row + 1], top_k)
    column = top.chunk[0][top.chunk[0] >= 0]
    return Candidates(pool.chunk[row][column], top.score[0, : len(column)])


def changed(a: Candidates, b: Candidates, chunks_a: Chunks | None = None, chunks_b: Chunks | None = None) -> np.ndarray:
    """Which queries have another ranking in `a` than in `b` [num_queries] bool: another chunk at any rank.

    Give both Chunks when the rankings come from different chunkings: then spans are compared instead of chunk numbers.
    """
    width = max(a.chunk.shape[1], b.chunk.shape[1])

    def columns(candidates: Candidates, chunks: Chunks | None) -> list[np.ndarray]:
        chunk = np.pad(candidates.chunk, ((0, 0), (0, width - candidates.chunk.shape[1])), constant_values=-1)
        if chunks is None:
            return [chunk]
        return [np.where(chunk < 0, -1, column[chunk]) for column in (chunks.document, chunks.start, chunks.end)]

    pairs = zip(columns(a, chunks_a), columns(b, chunks_b), strict=True)
    return np.logical_or.reduce([(left != right).any(axis=1) for left, right in pairs])
