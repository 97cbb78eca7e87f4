"""How a claim is copied: its fragments, how broken it is, and where it jumps."""

import pytest

from core.judging.claims import WORD
from core.judging.copied import Fragment, SourceWords, broken, fragments, jumps

PASSAGES = (
    "The council sold the old mill in May. Anna Bell bought the house on the hill. It rained for a week. Nobody came. She left in June.",
    "A fire broke out in the mill. Tom Hill was hurt.",
)


def copied(claim):
    source, words = SourceWords(PASSAGES), WORD.findall(claim.lower())
    pieces = fragments(words, source)
    return pieces, broken(words, pieces), jumps(pieces, source)


def test_a_sentence_that_is_copied_whole_is_one_piece():
    assert copied("Anna Bell bought the house on the hill.") == ([Fragment(0, 8, 8)], 0.0, 0)


def test_what_is_left_out_or_follows_in_the_next_sentence_is_no_jump_and_another_place_is():
    pieces, share, count = copied("The council sold the mill")
    assert [piece.length for piece in pieces] == [4, 1] and share == pytest.approx(1 - 17 / 25) and count == 0
    assert copied("The council sold the old mill and Anna Bell bought the house")[2] == 0
    assert copied("Anna Bell bought the old mill in May")[2] == 1  # back to the sentence before
    assert copied("Anna Bell left in June")[2] == 1  # four sentences on
    assert copied("The council sold the house on the hill")[2] == 0  # the next sentence: that it is spliced, no jump tells
    assert copied("She left in June, Tom Hill was hurt")[2] == 1  # another passage


def test_of_pieces_of_one_length_the_one_nearest_behind_is_taken():
    source = SourceWords(("the mill was old, the mill was new, the mill was sold",))
    assert fragments(["the", "mill"], source) == [Fragment(0, 2, 0)]
    assert fragments(["was", "new", "old", "the", "mill"], source) == [Fragment(0, 2, 6), Fragment(2, 3, 3)]
    assert fragments(["was", "old", "zzz", "the", "mill"], source)[1] == Fragment(3, 2, 4)


def test_words_of_no_passage_are_in_no_piece_and_nothing_is_nothing():
    pieces, share, count = copied("zzz Anna Bell qqq")
    assert pieces == [Fragment(1, 2, 8)] and share == pytest.approx(0.75) and count == 0
    assert copied("zzz") == ([], 1.0, 0) and fragments([], SourceWords(())) == []


def test_text_that_repeats_itself_ends():
    words = ["a"] * 3000
    assert sum(piece.length for piece in fragments(words[:150], SourceWords((" ".join(words),)))) == 150
