"""What each chunker does to a small text that shows it."""

import time

import numpy as np
import pytest
from pydantic import ValidationError

from core.chunking.fixed import Fixed
from core.chunking.recursive import Recursive
from core.chunking.semantic import Semantic
from core.chunking.sentence import Sentence
from core.chunking.sliding_window import SlidingWindow
from core.chunking.structure import Structure, headings
from core.chunking.tools import Remembered
from core.chunking.whole_document import WholeDocument
from core.registry import parts
from tests.chunking.test_tools import WhitespaceTools

TOOLS = WhitespaceTools()


def chunks(chunker, text: str) -> list[str]:
    return [text[a:b] for a, b in chunker.split(text, TOOLS)]


def test_fixed_cuts_words():
    text = " ".join("abcdefgh" for _ in range(5))  # two tokens a word
    assert chunks(Fixed(size_tokens=9), text) == ["abcdefgh abcdefgh abcdefgh abcdefgh abcd", "efgh"]


def test_sliding_window_repeats_tokens():
    text = "a b c d e f g h i j k l"
    assert chunks(SlidingWindow(size_tokens=8, overlap_tokens=4), text) == ["a b c d e f g h", "e f g h i j k l"]


@pytest.mark.parametrize("cls", [SlidingWindow, Recursive])
def test_overlap_must_leave_room_to_move_on(cls):
    with pytest.raises(ValidationError, match=r"the overlap .* has to be below the size"):
        cls(size_tokens=16, overlap_tokens=16)


def test_recursive_prefers_paragraphs_then_sentences_then_lines_then_words():
    assert chunks(Recursive(size_tokens=8, overlap_tokens=0), "a b c\n\nd e f\n\ng h i j") == ["a b c\n\nd e f", "g h i j"]
    assert chunks(Recursive(size_tokens=8, overlap_tokens=0), "A b c. D e. F g h.") == ["A b c. D e.", "F g h."]
    assert chunks(Recursive(size_tokens=8, overlap_tokens=0), "a = b\nc = d\ne = f") == ["a = b\nc = d", "e = f"]
    assert chunks(Recursive(size_tokens=8, overlap_tokens=0), "aaaa bb " * 5) == ["aaaa bb aaaa bb aaaa bb aaaa bb", "aaaa bb"]


def test_recursive_overlap_starts_at_a_word_and_yields_to_a_paragraph_that_fits_only_without_it():
    text = "abcdefgh " * 10  # two tokens a word: an overlap of 3 tokens has room for one word
    assert [a for a, _ in Recursive(size_tokens=8, overlap_tokens=3).split(text, TOOLS)] == [0, 27, 54]
    text = "a b c d e\n\nf g h i j k l m"
    assert chunks(Recursive(size_tokens=8, overlap_tokens=2), text) == ["a b c d e", "f g h i j k l m"]
    assert chunks(Recursive(size_tokens=10, overlap_tokens=2), text) == ["a b c d e", "d e\n\nf g h i j k l m"]


def test_sentence_packs_whole_sentences_over_paragraph_ends():
    assert chunks(Sentence(size_tokens=8), "A b c.\n\nD e. F g. H.") == ["A b c.\n\nD e.", "F g. H."]


def test_whole_document():
    assert chunks(WholeDocument(), " \n a b \n") == ["a b"]


MANUAL = """*****
Title
*****

Intro here.

Part one
========

Text one.

Detail
------

Text two.

Part two
========

Text three.
"""


def test_headings_of_restructured_text_and_markdown():
    found = [(MANUAL[p:].split("\n")[0], depth) for p, depth in headings(MANUAL)]
    assert found == [("*****", 1), ("Part one", 2), ("Detail", 3), ("Part two", 2)]
    markdown = "# A\n\ntext\n\n```\n# a comment\n```\n\n## B\n\nSet\n---\n"
    assert [(markdown[p:].split("\n")[0], depth) for p, depth in headings(markdown)] == [("# A", 1), ("## B", 2), ("Set", 1)]
    assert headings(MANUAL.replace("\n", "\r\n"))[1][1] == 2
    assert headings("some text\nof two lines\n-----------\n") == []  # no title
    assert headings("a | b\n--- | ---\n") == []  # a table


def test_titles_under_tildes_are_headings_and_a_block_of_code_ends_at_its_own_fence():
    def outline(text: str) -> list[tuple[str, int]]:
        return [(text[place:].split("\n")[0], depth) for place, depth in headings(text)]

    restructured = "Guide\n=====\n\nPart\n----\n\nDetail\n~~~~~~\n\nText.\n\nNext\n----\n\nMore\n~~~~\n\nEnd\n===\n"
    depths = [("Guide", 1), ("Part", 2), ("Detail", 3), ("Next", 2), ("More", 3), ("End", 1)]
    assert outline(restructured) == depths
    assert [depth for _, depth in outline(restructured.replace("\n", "\r\n"))] == [depth for _, depth in depths]
    for block in (
        "~~~ python\n# a comment\n~~~",
        "````md\n```\n# a comment\n```\n# a comment\n````",
        "```\n~~~\n# a comment\n```",
        "```a line of code```",
        "A sentence before the code:\n~~~\n# a comment\n~~~",
    ):
        assert outline(f"# A\n\n{block}\n\n## B\n") == [("# A", 1), ("## B", 2)], block


def test_structure_keeps_sections_that_fit_and_cuts_the_others_at_sub_headings():
    def first_lines(size: int) -> list[str]:
        return [chunk.split("\n")[0] for chunk in chunks(Structure(size_tokens=size), MANUAL)]

    assert first_lines(26) == ["*****", "Part one", "Part two"]
    assert first_lines(20) == ["*****", "Part one", "Detail", "Part two"]
    items = "Take:\n- salt and oil\n- bread and wine\n- a b c d"
    assert chunks(Structure(size_tokens=12), items) == ["Take:\n- salt and oil\n- bread and wine", "- a b c d"]


@pytest.mark.parametrize(
    "text", ["=" * 200_000, "x\n===\n" * 30_000, "# x\n" * 50_000, "x" * 100_000 + "\n---\n", "\n---" * 50_000, "word " * 50_000]
)
def test_structure_is_linear_on_hostile_text(text):
    started = time.process_time()
    Structure().split(text, TOOLS)
    assert time.process_time() - started < 3


SUBJECTS = (
    "Cats eat fish and mice. Cats eat fish and birds. Cats eat fish and meat. "
    "Stars burn gas in space. Stars burn gas in clouds. Stars burn gas in heaps."
)


def test_semantic_cuts_where_the_subject_changes():
    assert [c.split()[0] for c in chunks(Semantic(min_tokens=8, break_percentile=10), SUBJECTS)] == ["Cats", "Stars"]
    assert len(chunks(Semantic(min_tokens=8, break_percentile=0), SUBJECTS)) == 1
    assert len(chunks(Semantic(min_tokens=40), SUBJECTS)) == 1  # neither half would keep 40 tokens


def test_semantic_cuts_what_is_too_long_at_its_weakest_gap():
    first, second = chunks(Semantic(min_tokens=8, size_tokens=30, break_percentile=0), SUBJECTS)
    assert first.startswith("Cats") and second.startswith("Stars")


def test_semantic_says_in_advance_what_it_will_embed():
    tools = WhitespaceTools()
    known = Remembered(tools)
    chunker = Semantic(min_tokens=8)
    known.embed_ahead(chunker.texts_to_embed(SUBJECTS, known))
    calls = tools.calls
    assert chunker.split(SUBJECTS, known) == chunker.split(SUBJECTS, TOOLS)
    assert tools.calls == calls


def test_semantic_survives_vectors_that_are_not_numbers():
    class Broken(WhitespaceTools):
        def embed(self, texts):
            return np.full((len(texts), 4), np.nan, np.float32)

    spans = Semantic(size_tokens=16, min_tokens=4).split(SUBJECTS, Broken())
    assert spans[0][0] == 0 and spans[-1][1] == len(SUBJECTS)


@pytest.mark.parametrize("name", parts("chunker"))
def test_one_character_of_more_tokens_than_a_chunk_may_have_is_not_divided(name):
    """Byte-level tokenizers give an emoji several tokens; here a rocket has twelve."""
    text = "Aa bb cc. \U0001f680 \U0001f680\U0001f680. Dd ee."
    knobs = {"size_tokens": 8, "overlap_tokens": 2, "min_tokens": 1}
    chunker = parts("chunker")[name](**{k: v for k, v in knobs.items() if k in parts("chunker")[name].model_fields})
    spans = chunker.split(text, TOOLS)
    assert spans[0][0] == 0 and spans[-1][1] == len(text) and len(spans) < 10
