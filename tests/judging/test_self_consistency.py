"""The answer at the end of a chain, the vote over several, and sets of samples, by hand."""

import pytest

from core.judging.self_consistency import final_answer, majority, windows


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The mill is of 1790, ten years on is 1800.\nAnswer: 1800", "1800"),
        ("First, Answer: 5. No, that is wrong.\n**Answer:** 6 mills\nBecause I counted.", "6 mills"),
        ("ANSWER:\n\n  Bern", "Bern"),
        ('The answer to this question is: "1934"', "1934"),
        ("So the answer is 42.", "42."),
        ("It is 42.", None),
        ("Answer: ", None),
        ("Answer: .", None),
        ("The answer is: The answer is: The answer is:", None),  # a loop
        ("Answer: x\nAnswer:", "x"),  # cut where it was written again
        ("", None),
    ],
)
def test_the_answer_behind_the_last_marker(text, answer):
    assert final_answer(text) == answer


def test_the_vote_is_over_normalised_answers_and_ties_go_to_the_first():
    assert majority(["the Mill!", "a bridge", "mill", "Bridge", "MILL"]) == (0, 3)
    assert majority(["b", "a", "a", "b", "c"]) == (0, 2), "of two with two votes the one that came first"
    assert majority([None, "x", None, "y [1]", "y"]) == (3, 2), "without citations, and without what could not be read"
    assert majority(["-18", "18", "18.0", "1.8", "−18"]) == (0, 2), "a sign and a point make another number"
    assert majority([None, None]) == majority([]) == majority(["the", "."]) == (None, 0)


def test_every_sample_is_in_equally_many_sets_and_all_are_one():
    assert windows(3, 1) == [[0], [1], [2]] and windows(3, 3) == [[0, 1, 2]]
    for width in range(1, 5):
        every = [sample for chosen in windows(5, width) for sample in chosen]
        assert all(chosen == sorted(set(chosen)) for chosen in windows(5, width))
        assert [every.count(sample) for sample in range(5)] == [width] * 5
