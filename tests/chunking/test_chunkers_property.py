"""What single chunkers promise beyond the contract, on any text."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.registry import parts
from tests.contract.test_chunkers import TOOLS, counts

CHUNKERS = parts("chunker")


@given(
    text=st.lists(st.sampled_from(["word", "longer ", "a", ". ", "\n\n", "\x00"]), max_size=150).map("".join),
    size=st.integers(8, 30),
    data=st.data(),
)
@settings(max_examples=150)
def test_windows_have_exactly_the_size_and_overlap_asked_for(text, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    spans = CHUNKERS["sliding_window"](size_tokens=size, overlap_tokens=overlap).split(text, TOOLS)
    assert all(count == size for count in counts(text, spans[:-1]))
    shared = [(c, min(b, d)) for (_, b), (c, d) in pairwise(spans)]
    assert all(count == overlap for count in counts(text, shared))
    if overlap == 0:
        assert spans == CHUNKERS["fixed"](size_tokens=size).split(text, TOOLS)


words = st.integers(1, 25).map(lambda n: " ".join(["word"] * n) + ". ")


@given(text=st.lists(words, max_size=8).map("\n\n".join), size=st.integers(8, 40), overlap=st.integers(0, 7))
@settings(max_examples=150)
def test_a_paragraph_that_fits_is_never_cut(text, size, overlap):
    spans = CHUNKERS["recursive"](size_tokens=size, overlap_tokens=overlap).split(text, TOOLS)
    check_whole(text, spans, size, [p for p in text.split("\n\n") if p.strip()])


sections = st.lists(st.tuples(st.integers(1, 4), words), min_size=1, max_size=10)


@pytest.mark.slow
@given(sections=sections, size=st.integers(8, 60))
@settings(max_examples=150)
def test_a_section_that_fits_is_never_cut(sections, size):
    blocks = [f"{'#' * depth} T{i}\n\n{body}\n\n" for i, (depth, body) in enumerate(sections)]
    text = "".join(blocks)
    spans = CHUNKERS["structure"](size_tokens=size).split(text, TOOLS)
    whole = []
    for i, (depth, _) in enumerate(sections):  # a section goes on over its sub-sections
        end = next((j for j in range(i + 1, len(sections)) if sections[j][0] <= depth), len(sections))
        whole.append("".join(blocks[i:end]))
    check_whole(text, spans, size, whole, nested=True)


def check_whole(text: str, spans: list[tuple[int, int]], size: int, units: list[str], nested: bool = False) -> None:
    position = 0
    for unit in units:
        tight = unit.strip()
        start = text.index(tight, position)
        position = start + 1 if nested else start + len(tight)
        if counts(text, [(start, start + len(tight))])[0] <= size:
            assert any(a <= start and start + len(tight) <= b for a, b in spans)
