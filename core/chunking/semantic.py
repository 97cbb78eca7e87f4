from bisect import bisect_left
from typing import ClassVar, Literal

import numpy as np
from pydantic import model_validator

from core.chunking.packing import pack
from core.chunking.protocol import Chunker
from core.chunking.sentences import sentence_starts
from core.chunking.tools import Tools, token_starts
from core.config import knob
from core.registry import part


@part("chunker")
class Semantic(Chunker):
    """Cuts where the text changes its subject: where the sentences before and after a gap are least alike.

    Choose it for long running text without headings; it has to embed every sentence first, so see on your corpus
    whether it gains enough over `recursive`. The percentile is one of the document's own gaps, so every document is cut somewhere.
    Source: Hearst, "TextTiling", Computational Linguistics 23(1), 1997 (blocks left and right of each gap, here as means of
    sentence embeddings, so that no setting embeds anew); Kamradt, "5 levels of text splitting", 2024, level 4 (percentile
    of the similarities).
    """

    embeds: ClassVar[bool] = True
    part: Literal["semantic"] = "semantic"
    size_tokens: int = knob(
        254, "Most tokens in a chunk. Longer stretches are cut at their weakest gap.", unit="tokens", ge=8, le=8192
    )
    break_percentile: float = knob(
        10.0,
        "Share of the gaps between sentences, least alike first, at which to cut. More gives smaller chunks.",
        unit="%",
        ge=0.0,
        le=100.0,
        step=1.0,
    )
    window_sentences: int = knob(
        2,
        "Sentences on each side of a gap that are compared. More sees the subject rather than the wording.",
        unit="sentences",
        ge=1,
        le=10,
    )
    min_tokens: int = knob(32, "No cut that leaves fewer tokens, unless the limit forces it.", unit="tokens", ge=1, le=4096)

    @model_validator(mode="after")
    def _has_room(self):
        if self.min_tokens > self.size_tokens:
            raise ValueError(f"the smallest size ({self.min_tokens:,} tokens) has to be the size at most")
        return self

    def split(self, text: str, tools: Tools) -> list[tuple[int, int]]:
        starts = token_starts(text, tools)
        units = self._units(text, starts)
        if self._nothing_to_decide(units, starts):
            return [(units[0][0], units[-1][1])] if units else []
        alike = self._alike(tools.embed([text[a:b] for a, b in units]))
        cuts = [*self._cuts(alike, [bisect_left(starts, start) for start, _ in units] + [len(starts)]), len(units)]
        return [(units[a][0], units[b - 1][1]) for a, b in zip([0, *cuts], cuts, strict=False)]

    def texts_to_embed(self, text: str, tools: Tools) -> list[str]:
        starts = token_starts(text, tools)
        units = self._units(text, starts)
        return [] if self._nothing_to_decide(units, starts) else [text[a:b] for a, b in units]

    def _units(self, text: str, starts: list[int]) -> list[tuple[int, int]]:
        """Sentences; those above the limit in pieces."""
        ends = [*sentence_starts(text), len(text)]
        units = []
        for a, b in zip([0, *ends], ends, strict=False):
            first, last = bisect_left(starts, a), bisect_left(starts, b)
            local = [start - a for start in starts[first:last]]
            units += [(a + s, a + e) for s, e in pack(text[a:b], local, self.size_tokens)]
        return units

    def _nothing_to_decide(self, units: list[tuple[int, int]], starts: list[int]) -> bool:
        return len(units) < 2 or (len(starts) < 2 * self.min_tokens and len(starts) <= self.size_tokens)

    def _alike(self, vectors: np.ndarray) -> np.ndarray:
        """Cosine of the mean vectors left and right of each gap: [num_units, dim] -> [num_units - 1]."""
        gaps, wide = np.arange(1, len(vectors)), self.window_sentences
        sums = np.vstack([np.zeros_like(vectors[:1], np.float64), np.cumsum(vectors, axis=0, dtype=np.float64)])
        left = sums[gaps] - sums[np.maximum(gaps - wide, 0)]
        right = sums[np.minimum(gaps + wide, len(vectors))] - sums[gaps]
        lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        return np.einsum("gd,gd->g", left, right) / np.maximum(lengths, 1e-12)

    def _cuts(self, alike: np.ndarray, first_token: list[int]) -> list[int]:
        """Units before which to cut. alike: [num_units - 1]; first_token: [num_units + 1], last the total."""
        weak = alike < np.percentile(alike, self.break_percentile)
        cuts, last = [], 0
        for unit in range(1, len(alike) + 1):
            while last < unit and first_token[unit + 1] - first_token[last] > self.size_tokens:
                roomy = bisect_left(first_token, first_token[last] + self.min_tokens, last + 1, unit)
                last = roomy + int(np.argmin(alike[roomy - 1 : unit]))
                cuts.append(last)
            held, rest = first_token[unit] - first_token[last], first_token[-1] - first_token[unit]
            if last < unit and weak[unit - 1] and min(held, rest) >= self.min_tokens:
                cuts.append(unit)
                last = unit
        return cuts
