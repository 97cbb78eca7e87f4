"""The rankings of several texts that were asked for one question, as one ranking."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np

from core.records import Candidates
from core.retrieval.top import best, inverse

CONSTANT = 60  # as in the paper


def joined(candidates: Candidates, texts: Sequence[int], depth: int, ties: np.ndarray) -> Candidates:
    """Candidates of each question from those of its texts: row after row, texts[q] of them for question q.

    Fused by reciprocal ranks: Cormack, Clarke and Büttcher 2009, section 1, with k = 60. A question with one text has its
    candidates as they are, whatever the others have: beside them and by itself it is ranked alike.
    """
    if all(count == 1 for count in texts):
        return candidates
    order, width = inverse(ties), candidates.chunk.shape[1]
    chunk, score = np.full((len(texts), depth), -1, np.int32), np.full((len(texts), depth), np.nan, np.float32)
    reciprocal = 1.0 / (CONSTANT + np.arange(1, width + 1))
    for row, (first, last) in enumerate(pairwise(accumulate(texts, initial=0))):
        if last - first == 1:
            chunk[row, :width], score[row, :width] = candidates.chunk[first, :depth], candidates.score[first, :depth]
            continue
        block = candidates.chunk[first:last]
        places, where = np.unique(ties[block[block >= 0]], return_inverse=True)  # ascending by id, as ties are broken
        total = np.bincount(where, np.broadcast_to(reciprocal, block.shape)[block >= 0], len(places))
        top = best(total[None].astype(np.float32), depth)
        size = int((top.chunk[0] >= 0).sum())
        chunk[row, :size] = order[places[top.chunk[0, :size]]]
        score[row, :size] = top.score[0, :size]
    return Candidates(chunk, score)
