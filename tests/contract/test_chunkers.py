"""What every registered chunker promises, on any text. A new chunker is tested here without an edit.

`core/chunking/protocol.py` says the contract in words.
"""

import typing
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from core.chunking.protocol import Chunker
from core.registry import find, parts
from tests.chunking.test_tools import WhitespaceTools
from tests.support.parts import is_described

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
        bounds = {name: getattr(m, name) for m in field.metadata for name in ("ge", "gt", "le", "lt") if hasattr(m, name)}
        if field.annotation not in (int, float) or not {"ge", "gt"} & bounds.keys():
            return st.just(field.get_default(call_default_factory=True))
        low = bounds.get("ge", bounds.get("gt"))
        high = bounds.get("le", bounds.get("lt", low + 24))
        if field.annotation is float:
            return st.floats(low, high, exclude_min="ge" not in bounds, exclude_max="lt" in bounds)
        return st.integers(low + ("ge" not in bounds), min(high - ("lt" in bounds), low + 24))

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


@pytest.mark.parametrize("name", list(parts("chunker")))
def test_it_is_described(name):
    is_described("chunker", name, Chunker)
    cls = find("chunker", name)
    assert cls.embeds == (cls.texts_to_embed is not Chunker.texts_to_embed), (
        "`embeds` and `texts_to_embed` do not agree: a chunker that asks for vectors writes the one and says `embeds = True`"
    )


@pytest.mark.parametrize("name", list(parts("chunker")))
@given(data=st.data(), text=texts)
@example(data=None, text="")
@example(data=None, text=" \r\n\t\u3000")
@example(data=None, text="\x00\x00 \x00")
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_promises(name, data, text):
    chunker = data.draw(configs(find("chunker", name))) if data else find("chunker", name)()
    spans = chunker.split(text, TOOLS)

    assert all(type(position) is int for span in spans for position in span), (
        "a position is no plain int: numpy's are slow to compare and no JSON, so convert them (`tolist`)"
    )
    assert all(0 <= a < b <= len(text) for a, b in spans), (
        f"{spans} are not all characters [start, end) of a text of {len(text)}: leave out empty chunks, stay within the text"
    )
    assert all(not text[a].isspace() and not text[b - 1].isspace() for a, b in spans), (
        "a chunk begins or ends with white space: pass it through `trim` (packing.py)"
    )
    assert all(a < c and b < d for (a, b), (c, d) in pairwise(spans)), (
        f"{spans} are out of order, or lie within each other: give them in the order of the text, none inside another"
    )
    covered = np.zeros(len(text), bool)
    for a, b in spans:
        covered[a:b] = True
    lost = [i for i, char in enumerate(text) if not covered[i] and not char.isspace()]
    assert not lost, (
        f"characters {lost[:5]} of {text[:40]!r} are in no chunk, so nothing can find them: leave out white space only"
    )
    assert spans == chunker.split(text, TOOLS), "two calls give two results: keep nothing between calls, draw nothing at random"

    tokens = counts(text, spans)
    if "size_tokens" in type(chunker).model_fields:
        for (a, b), count in zip(spans, tokens, strict=True):
            starts = TOOLS.token_offsets(text)[:, 0]
            characters = len(set(starts[(starts >= a) & (starts < b)].tolist()))
            assert count <= chunker.size_tokens or characters == 1, (
                f"a chunk has {count} tokens, `size_tokens` is {chunker.size_tokens}: count by `tools.token_offsets` "
                "(`pack` in packing.py keeps to it)"
            )
    shared = max(counts(text, [(c, b) for (_, b), (c, _) in pairwise(spans) if c < b]), default=0)
    allowed = chunker.overlap_tokens if "overlap_tokens" in type(chunker).model_fields else 0
    assert shared <= allowed, f"two neighbours share {shared} tokens, allowed are {allowed}: that is what `overlap_tokens` says"
