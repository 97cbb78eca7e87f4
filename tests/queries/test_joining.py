"""Several texts asked for one question give one ranking."""

import numpy as np

from core.queries.joining import CONSTANT, joined
from core.records import Candidates

TIES = np.array([2, 0, 1, 3], np.int32)


def candidates(*rows):
    width = max(map(len, rows))
    chunk = np.array([[*row, *[-1] * (width - len(row))] for row in rows], np.int32)
    return Candidates(chunk, np.where(chunk < 0, np.nan, 1.0).astype(np.float32))


def test_reciprocal_ranks_by_hand():
    one = joined(candidates([0, 1], [1, 2], [3]), [2, 1], 3, TIES)
    third = np.float32(1 / (CONSTANT + 1) + 1 / (CONSTANT + 2))
    assert one.chunk.tolist() == [[1, 0, 2], [3, -1, -1]]
    assert one.score[0].tolist() == [third, np.float32(1 / 61), np.float32(1 / 62)] and np.isnan(one.score[1, 1:]).all()


def test_a_question_with_one_text_has_its_own_scores_beside_others():
    every = candidates([0, 1], [1, 2], [3, 0])
    one = joined(Candidates(every.chunk, np.float32([[0.9, 0.8], [0.7, 0.6], [0.5, 0.4]])), [2, 1], 3, TIES)
    assert one.chunk[1].tolist() == [3, 0, -1] and one.score[1, :2].tolist() == np.float32([0.5, 0.4]).tolist()
    assert np.isnan(one.score[1, 2])


def test_equal_sums_go_to_the_larger_id():
    one = joined(candidates([0], [3], [1]), [3], 3, TIES)
    assert one.chunk.tolist() == [[3, 0, 1]]


def test_single_texts_stay_as_they_are():
    every = candidates([0, 1], [2])
    assert joined(every, [1, 1], 2, TIES) is every
