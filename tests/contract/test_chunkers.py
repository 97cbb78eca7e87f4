"""What every registered chunker promises, on any text. A new chunker is tested here without an edit.

By convention `size_tokens` is the most tokens of a chunk and `overlap_tokens` the most that two neighbours share.
"""

import typing
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from core.registry import parts
from tests.chunking.test_tools import WhitespaceTools

CHUNKERS = parts("chunker")
TOOLS = WhitespaceTools()

pieces = st.sampled_from(
    [
        "word",
        "Longerword",
        " ",
        " ",
        " ",
        "  ",
        ". ",
        "! ",
        "\n",
        "\n\n",
        "\r\n",
        "\r\n\r\n",
        "\t",
        ".",
        '"',
        "Dr.",
        "# Title\n",
        "## Sub\n",
        "Title\n=====\n",
        "\n- item",
        "\n1. item",
        "```\n",
        "\x00",
        "\x1c",
        "\u3000",
        "\xa0",
        "e\u0301",
        "\u200d",
        "\ufeff",
        "\U0001f469\u200d\U0001f680",
        "\U0001f1e9\U0001f1ea",  # accent, emoji, flag
        "\u05e9\u05dc\u05d5\u05dd",
        "\u0645\u0631\u062d\u0628\u0627\u061f ",
        "\u4eca\u65e5\u3002",  # Hebrew, Arabic
    ]
)
texts = st.one_of(st.lists(pieces, max_size=120).map("".join), st.text(st.characters(exclude_categories=["Cs"])))


def configs(cls: type) -> st.SearchStrategy:
    """Knobs drawn near their lower bounds, where short texts feel them."""

    def values(field) -> st.SearchStrategy:
        if field.annotation is bool:
            return st.booleans()
        if typing.get_origin(field.annotation) is typing.Literal:
            return st.sampled_from(typing.get_args(field.annotation))
        low = next(m.ge for m in field.metadata if hasattr(m, "ge"))
        high = next((m.le for m in field.metadata if hasattr(m, "le")), low + 24)
        if field.annotation is float:
            return st.floats(low, high)
        return st.integers(low, min(high, low + 24))

    knobs = {name: values(field) for name, field in cls.model_fields.items() if name != "part"}

    def build(chosen: dict):
        try:
            return cls(**chosen)
        except ValidationError:
            assume(False)

    return st.fixed_dictionaries(knobs).map(build)


def counts(text: str, spans: list[tuple[int, int]]) -> list[int]:
    starts = TOOLS.token_offsets(text)[:, 0]
    return [int(((starts >= a) & (starts < b)).sum()) for a, b in spans]


@pytest.mark.parametrize("name", CHUNKERS)
@given(data=st.data(), text=texts)
@example(data=None, text="")
@example(data=None, text=" \r\n\t\u3000")
@example(data=None, text="\x00\x00 \x00")
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_promises(name, data, text):
    chunker = data.draw(configs(CHUNKERS[name])) if data else CHUNKERS[name]()
    spans = chunker.split(text, TOOLS)

    assert all(isinstance(position, int) and not isinstance(position, np.integer) for s in spans for position in s)
    assert all(0 <= a < b <= len(text) for a, b in spans)
    assert all(not text[a].isspace() and not text[b - 1].isspace() for a, b in spans)
    assert all(a < c and b < d for (a, b), (c, d) in pairwise(spans))  # none inside another
    covered = np.zeros(len(text), bool)
    for a, b in spans:
        covered[a:b] = True
    assert all(covered[i] or char.isspace() for i, char in enumerate(text))
    assert spans == chunker.split(text, TOOLS)

    tokens = counts(text, spans)
    if hasattr(chunker, "size_tokens"):
        for (a, b), count in zip(spans, tokens, strict=True):
            starts = TOOLS.token_offsets(text)[:, 0]
            characters = len(set(starts[(starts >= a) & (starts < b)].tolist()))
            assert count <= chunker.size_tokens or characters == 1
    shared = [(c, b) for (_, b), (c, _) in pairwise(spans) if c < b]
    assert all(count <= getattr(chunker, "overlap_tokens", 0) for count in counts(text, shared))
    if not hasattr(chunker, "overlap_tokens"):
        assert not shared


@given(
    text=st.lists(st.sampled_from(["word", "longer ", "a", ". ", "\n\n", "\x00"]), max_size=150).map("".join),
    size=st.integers(8, 30),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
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
@settings(max_examples=150, deadline=None)
def test_a_paragraph_that_fits_is_never_cut(text, size, overlap):
    spans = CHUNKERS["recursive"](size_tokens=size, overlap_tokens=overlap).split(text, TOOLS)
    check_whole(text, spans, size, [p for p in text.split("\n\n") if p.strip()])


sections = st.lists(st.tuples(st.integers(1, 4), words), min_size=1, max_size=10)


@given(sections=sections, size=st.integers(8, 60))
@settings(max_examples=150, deadline=None)
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
