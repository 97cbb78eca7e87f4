"""Quotes: whatever a model would like to write, only runs of the passages' words come out, each with its place."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.answering.quotes import Quotable, quoted
from core.generation.copying import Copier, Copying, Evened, whole_words

UNKNOWN = "I don't know."
LETTERS = ["a", "é", "漢", "🙂", " ", "\n", "\t", ".", "[1]", "(", "b c", "don't", "x_1", "\ud800"]
TEXTS = st.lists(st.lists(st.sampled_from(LETTERS), max_size=25).map("".join), max_size=3)


class Bytes:
    """A vocabulary of all single bytes and some longer tokens."""

    tokens = [b"", *(bytes([byte]) for byte in range(256)), b"a ", b". a", b"I don", b"b c", "é漢".encode()]
    ends = frozenset([0])
    by_bytes = {words: [number] for number, words in enumerate(tokens) if words}, max(map(len, tokens))

    def bytes_of(self, token):
        return self.tokens[token]


def walk(rules: Copying, seed: int, most: int = 60, avoid_ends: bool = True) -> tuple[str, bool]:
    """(text of a random walk through the grammar, whether it ended by itself)."""
    model, chance, written = Bytes(), random.Random(seed), b""
    copier = Copier(rules, model)
    for _ in range(most):
        tokens = copier.allowed()
        assert tokens, "a model must be able to go on"
        token = chance.choice([t for t in tokens if t not in model.ends] * avoid_ends or tokens)
        if token in model.ends:
            return written.decode(), True
        copier.take(token)
        written += model.bytes_of(token)
    return written.decode("utf-8", "ignore"), False


@settings(max_examples=120)
@given(TEXTS, st.integers(0, 99), st.integers(1, 3), st.booleans())
def test_each_quote_stands_in_a_document_at_its_place(texts, seed, quotes, avoid):
    text, ended = walk(Copying(tuple(texts), quotes, UNKNOWN), seed, avoid_ends=avoid)
    passages = [Evened(each) for each in texts]
    whole = text if ended else whole_words(text, passages, UNKNOWN)
    places = quoted(whole, [Quotable(n, f"d{n}", 7, passage) for n, passage in enumerate(passages)])
    if whole in ("", UNKNOWN) and not places:
        return
    lines = whole.split("\n")
    assert len(lines) <= quotes and [whole[place["start"] : place["end"]] for place in places] == lines
    for place, line in zip(places, lines, strict=True):
        raw = texts[place["passage"]][place["from"] - 7 : place["to"] - 7].replace("\ud800", "\ufffd")
        assert "".join(raw.split()) == "".join(line.split()), "character for character, white space aside"
        assert place["document_id"] == f"d{place['passage']}"


def test_no_part_of_a_word_and_no_mixture_of_passages_is_let_through():
    passages = [Evened("The cats sat."), Evened("A dog ran home.")]
    assert passages[0].find("cats sat") == (4, 12) and passages[0].find("cat") is None and passages[0].find("ats sat") is None
    assert passages[1].find("dog  ran") is None and passages[1].find("ran home.") == (6, 15)
    copier = Copier(Copying(("The cats sat.", "A dog ran home."), 2, UNKNOWN), Bytes())
    for byte in b"cats ":
        assert byte + 1 in copier.allowed()
        copier.take(byte + 1)
    assert copier.allowed() == [ord("s") + 1], "neither another passage, nor an end within a space"


def test_the_refusal_is_whole_or_not_there_and_a_quote_comes_once():
    copier = Copier(Copying(("One two.",), 2, UNKNOWN), Bytes())
    for byte in b"I don't know":
        copier.take(byte + 1)
        assert 0 not in copier.allowed()
    copier.take(ord(".") + 1)
    assert copier.allowed() == [0]
    again = Copier(Copying(("One two.", "Zero One two."), 2, UNKNOWN), Bytes())
    for byte in b"One\n":
        again.take(byte + 1)
    assert again.allowed() == [ord("Z") + 1, ord("t") + 1], "nor from another passage that has it too"


def test_the_white_space_of_a_document_is_evened_and_its_brackets_pose_as_no_citation():
    started = time.process_time()
    assert len(Evened("a" + "." * 100_000 + "b").stops) == 1, "a row of dots is gone through once"
    assert time.process_time() - started < 2
    passage = Evened("  See\n\n[2] and\ta[1].  ")
    assert passage.text == "See [ 2 ] and a[ 1 ]."
    assert passage.find("See [ 2 ]") == (2, 10)


@pytest.mark.parametrize(
    "cut, left", [("The cats sa", "The cats"), ("The cats sat", "The cats sat"), ("Th", ""), (UNKNOWN, UNKNOWN)]
)
def test_a_word_cut_in_the_middle_is_left_out(cut, left):
    assert whole_words(cut, [Evened("The cats sat.")], UNKNOWN) == left
