"""Where a system's passages stand in the corpus: by what it tells, else by text; nothing is guessed."""

import pytest

from core.labs.systems.places import DocumentPlaces
from core.labs.systems.replies import SystemPassage
from core.records import Document

DOCUMENTS = (
    Document("folder/a.txt", "The market of\nLund opens  at five. It rains."),
    Document("b.txt", "The market of Gent opens at six. It rains. It rains."),
)


@pytest.mark.parametrize(("passage", "places"), [
    (SystemPassage("market of Lund\topens"), [("folder/a.txt", 4, 24)]),
    (SystemPassage("", "a.txt"), [("folder/a.txt", 0, 44)]),
    (SystemPassage("", "b.txt", 4, 10), [("b.txt", 4, 10)]),
    (SystemPassage("market", "b.txt", 4, 10), [("b.txt", 4, 10)]),
    (SystemPassage("market", "b.txt", 4), [("b.txt", 4, 10)]),
    (SystemPassage("It rains.", "b.txt", 43, 52), [("b.txt", 43, 52)]),
    (SystemPassage("opens at six", "b.txt", 0, 4), [("b.txt", 19, 31)]),
    (SystemPassage("opens at six", "elsewhere.txt"), [("b.txt", 19, 31)]),
    (SystemPassage("opens at six", "a.txt"), [("b.txt", 19, 31)]),
    (SystemPassage("It rains.", "a.txt"), [("folder/a.txt", 35, 44)]),
    (SystemPassage("It rains.", "b.txt"), [("b.txt", 33, 42), ("b.txt", 43, 52)]),
    (SystemPassage("market"), [("folder/a.txt", 4, 10), ("b.txt", 4, 10)]),
    (SystemPassage("opens at nine"), []),
    (SystemPassage("Opens at six"), []),
    (SystemPassage("", "nobody.txt"), []),
    (SystemPassage("", "b.txt", 50, 90), []),
    (SystemPassage("", "b.txt", 9, 4), []),
    (SystemPassage("  "), []),
])  # fmt: skip
def test_places(passage, places):
    assert list(DocumentPlaces(DOCUMENTS).of(passage)) == places
