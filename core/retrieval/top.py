"""The best of many scores, with ties broken by one rule everywhere.

Score and tie position are packed into one int64 whose order is the ranking's order, so that numpy's vectorised
partition and sort of plain integers do the work, and what comes out carries the answer in itself.
"""

import numpy as np

from core.records import Candidates, Chunks, Document

_LOW = np.int64(0xFFFFFFFF)
_SPLIT = 16  # columns in a group whose maximum stands for it


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


def tie_order(documents: tuple[Document, ...], chunks: Chunks) -> np.ndarray:
    """Position of each chunk's id "document:start-end" in the ascending order of ids [num_chunks] int32.

    Among equal scores the larger ranks first, which is trec_eval's rule.
    """
    columns = zip(chunks.document.tolist(), chunks.start.tolist(), chunks.end.tolist(), strict=True)
    ids = [f"{documents[d].id}:{s}-{e}" for d, s, e in columns]
    ascending = np.array(sorted(range(len(ids)), key=ids.__getitem__), np.int32)
    return inverse(ascending)


def best(scores: np.ndarray, depth: int, tie_order: np.ndarray | None = None, above: float = -np.inf) -> Candidates:
    """The `depth` best columns of each row of scores [n, columns] float32, best first, of those with a score > above.

    Among equal scores the larger tie_order [columns] ranks first (None: the larger column).
    """
    columns = scores.shape[1]
    depth = min(depth, columns)
    if not depth:
        return Candidates(np.empty((len(scores), 0), np.int32), np.empty((len(scores), 0), np.float32))
    if len(scores) == 1:
        chunk, score = np.full((1, depth), -1, np.int32), np.full((1, depth), np.nan, np.float32)
        best_columns, values = best_of_one(scores[0], depth, tie_order, above)
        chunk[0, : len(best_columns)], score[0, : len(best_columns)] = best_columns, values
        return Candidates(chunk, score)
    position = np.arange(columns, dtype=np.int32) if tie_order is None else tie_order
    if columns // _SPLIT > depth:
        keys = _packed_survivors(scores, depth, position, np.nextafter(np.float32(above), np.float32(np.inf)))
    else:
        keys = pack(scores, position)
    if depth < keys.shape[1]:
        keys = np.partition(keys, keys.shape[1] - depth, axis=1)[:, keys.shape[1] - depth :]
    keys = np.sort(keys, axis=1)[:, ::-1]
    values, position = unpack(keys)
    ranked = values > above
    if tie_order is not None:
        position = inverse(tie_order)[np.where(ranked, position, 0)]
    return Candidates(np.where(ranked, position, -1).astype(np.int32), np.where(ranked, values, np.float32(np.nan)))


def best_of_one(
    scores: np.ndarray, depth: int, tie_order: np.ndarray | None = None, above: float = -np.inf
) -> tuple[np.ndarray, np.ndarray]:
    """(columns int64, scores float32) of the best of one row [columns] float32, by the rule of `best`; none is padded."""
    columns = np.flatnonzero(scores >= max(reach(scores, depth), np.nextafter(np.float32(above), np.float32(np.inf))))
    return ranked(scores[columns], columns, depth, tie_order)


def reach(scores: np.ndarray, depth: int) -> np.float32:
    """A score that at least `depth` of the scores [n] float32 reach, and little else; -inf where that would take a sort."""
    groups = len(scores) // _SPLIT
    if groups <= depth:
        return np.float32(-np.inf)
    largest = scores[: groups * _SPLIT].reshape(_SPLIT, groups).max(axis=0)
    largest.partition(groups - depth)
    return largest[groups - depth]


def ranked(scores: np.ndarray, columns: np.ndarray, depth: int, tie_order: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The `depth` best of these columns [n] and their scores [n] float32, best first, by the rule of `best`."""
    order = np.argsort(pack(scores, columns if tie_order is None else tie_order[columns]))[::-1][:depth]
    return columns[order], scores[order]


def _packed_survivors(scores: np.ndarray, depth: int, position: np.ndarray, least: np.float32) -> np.ndarray:
    """Keys of what can be among the best [n, at least depth] int64, padded with keys of -inf.

    Each row is cut into columns // _SPLIT groups. The depth-th largest of the groups' maxima bounds the depth-th
    largest score from below, and little else reaches it: 100 times fewer scores are left to pack and to sort.
    """
    rows, columns = scores.shape
    groups = columns // _SPLIT
    largest = scores[:, : groups * _SPLIT].reshape(rows, _SPLIT, groups).max(axis=1)
    bound = np.partition(largest, groups - depth, axis=1)[:, groups - depth]
    survivor = np.flatnonzero(scores >= np.maximum(bound, least)[:, None])  # faster than nonzero of a matrix
    row, column = np.divmod(survivor, columns)
    count = np.bincount(row, minlength=rows)
    place = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    keys = np.full((rows, max(depth, int(count.max(initial=0)))), pack(np.float32([-np.inf]), np.int64(0))[0])
    keys[row, place] = pack(scores.ravel()[survivor], position[column])
    return keys
