"""The best of many scores, with ties broken by one rule everywhere.

Score and tie position are packed into one int64 whose order is the ranking's order, so that numpy's vectorised
partition and sort of plain integers do the work, and what comes out carries the answer in itself.
"""

import numpy as np

from core.records import Candidates

_LOW = np.int64(0xFFFFFFFF)


def pack(scores: np.ndarray, position: np.ndarray) -> np.ndarray:
    """int64 keys ordered by score (float32, never NaN), then by position (non-negative int32)."""
    bits = (scores + np.float32(0)).view(np.int32)  # the sum turns -0.0 into 0.0
    bits ^= (bits >> 31) & np.int32(0x7FFFFFFF)  # negative floats order backwards when read as integers
    return (bits.astype(np.int64) << 32) | position


def unpack(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(scores float32, positions int64) of packed keys."""
    bits = (keys >> 32).astype(np.int32)
    bits ^= (bits >> 31) & np.int32(0x7FFFFFFF)
    return bits.view(np.float32), keys & _LOW


def inverse(order: np.ndarray) -> np.ndarray:
    """The permutation that undoes `order`."""
    result = np.empty_like(order)
    result[order] = np.arange(len(order), dtype=order.dtype)
    return result


def best(scores: np.ndarray, depth: int, tie_order: np.ndarray | None = None) -> Candidates:
    """The `depth` best columns of each row of scores [n, columns] float32, best first; -inf is never returned.

    Among equal scores the larger tie_order [columns] ranks first (None: the larger column).
    """
    columns = scores.shape[1]
    depth = min(depth, columns)
    position = np.arange(columns, dtype=np.int32) if tie_order is None else tie_order
    keys = pack(scores, position)
    if depth < columns:
        keys = np.partition(keys, columns - depth, axis=1)[:, columns - depth :]
    keys = np.sort(keys, axis=1)[:, ::-1]
    found, position = unpack(keys)
    chunk = position.astype(np.int32) if tie_order is None else inverse(tie_order)[position]
    ranked = found > -np.inf
    return Candidates(np.where(ranked, chunk, np.int32(-1)), np.where(ranked, found, np.float32(np.nan)))
