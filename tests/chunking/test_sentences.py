import time
from itertools import pairwise

import pytest

from core.chunking.sentences import claim_starts, item_starts, paragraph_starts, sentence_starts


def sentences(text: str) -> list[str]:
    borders = [0, *sentence_starts(text), len(text)]
    return [text[a:b].strip() for a, b in pairwise(borders) if text[a:b].strip()]


@pytest.mark.parametrize(
    "expected",
    [
        ["It rains.", "We stay in!", "Why?", "Because."],
        ["Dr. Smith met J. Smith at 3.5 p.m. on Jan. 5.", "They left."],
        ["See e.g. Fig. 3 (cf. eq. 2).", "It is clear."],
        ['He said "Go." and went.', '"No."', "Yes."],
        ["Wait... what?", "Nothing..."],
        ["Is it www.python.org or v1.2.3?", "Yes."],
        ["1. Open the lid.", "2. Pour."],
        ["\u0643\u064a\u0641 \u062d\u0627\u0644\u0643\u061f", "\u0628\u062e\u064a\u0631."],
    ],
)
def test_sentences(expected):
    assert sentences(" ".join(expected)) == expected


@pytest.mark.parametrize(
    "claims",
    [
        ["Take vitamin C.", "It helps.", "So does vitamin D.", "Calcium is another."],
        ["There are hepatitis A and hepatitis B.", "There is no vaccine."],
        ["The group includes A, B, and C.", "D is excluded."],
        ["It closes at 5 p.m.", "Buses leave later than 9 a.m. on Sundays."],
        ["Born in the U.S.", "The president signed.", "The U.S. Senate met."],
        ["It melts at 5.[1][2]", "It boils.", "It cools. [3, 4]", "It is solid [5].", "End. [6]"],
        ["He is No. 1.", "She left."],
        ["They met J. R. R. Tolkien and C. S. Lewis.", "Dr. Smith met J. Smith at 3 p.m. 5 km away on Jan. 5."],
    ],
)
def test_claims_that_end_in_a_letter_or_an_abbreviation_are_units_of_their_own(claims):
    text = " ".join(claims)
    borders = [0, *claim_starts(text), len(text)]
    assert [text[a:b].strip() for a, b in pairwise(borders)] == claims


def test_full_stops_without_spaces_and_hard_breaks():
    today, tomorrow = "\u4eca\u65e5\u306f\u3002", "\u660e\u65e5\u306f\uff01"
    assert sentences(today + tomorrow) == [today, tomorrow]
    assert sentences("A title\r\n\r\nand text over\r\ntwo lines") == ["A title", "and text over\r\ntwo lines"]
    assert sentences("We need:\n- eggs\n  * milk\n10) tea") == ["We need:", "- eggs", "* milk", "10) tea"]
    assert sentences("etc.\n\nnext") == ["etc.", "next"]


def test_paragraphs_and_items():
    assert paragraph_starts("a\n \n\nb\nc") == [5]
    assert paragraph_starts("One.\nTwo\nlines:\nthree") == [5]  # no blank line anywhere
    assert item_starts("x\n  - y\n-z\n3. w") == [4, 11]


@pytest.mark.parametrize("text", ["." * 200_000, ".)" * 100_000, "\n" * 200_000, "\n " * 100_000, "a." * 100_000,
                                  '."' * 100_000, "\r" * 200_000, "\u3002" * 200_000, "- " * 100_000,
                                  "A. " * 60_000, "x.[1]" * 60_000, "x. " + "[1] " * 60_000])  # fmt: skip
def test_linear_on_hostile_text(text):
    def seconds(some):
        started = time.thread_time()  # of this thread: others may keep process and machine busy
        sentence_starts(some), claim_starts(some), paragraph_starts(some), item_starts(some)
        return time.thread_time() - started

    few, many = (min(seconds(some) for _ in range(3)) for some in (text[: len(text) // 4], text))
    assert many < 10 * max(few, 0.02), "four times the text takes some four times the time"
