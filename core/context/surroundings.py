"""Where passages come from: the documents and chunks around them, and what compares sentences with a question."""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from core.chunking.headings import headings
from core.records import Chunks, Document, Hit


class Surroundings:
    """The documents of a recipe with their chunks. Without them a passage cannot grow.

    embed: (texts, whether they are questions) -> unit vectors [n, dim] of the recipe's encoder.
    """

    def __init__(self, documents: Sequence[Document], chunks: Chunks, embed: Callable[[list[str], bool], np.ndarray]) -> None:
        self._all, self._chunks, self.embed = documents, chunks, embed

    @cached_property
    def _documents(self) -> dict[str, tuple[int, Document]]:
        return {document.id: (place, document) for place, document in enumerate(self._all)}

    def document(self, hit: Hit) -> Document:
        return self._documents[hit.document_id][1]

    def around(self, hit: Hit, what: str) -> tuple[int, int]:
        """Characters [start, end) of the document that are handed on for a chunk; its own where nothing stands around it."""
        if what == "document":
            return _trimmed(self.document(hit).text, 0, len(self.document(hit).text))
        if what == "section":
            return self._section(hit)
        return self._neighbours(hit) if what == "neighbours" else (hit.start, hit.end)

    def _neighbours(self, hit: Hit) -> tuple[int, int]:
        rows = np.flatnonzero(self._chunks.document == self._documents[hit.document_id][0])
        starts, ends = self._chunks.start[rows], self._chunks.end[rows]
        order = np.argsort(starts, kind="stable")
        place = int(np.searchsorted(starts[order], hit.start, side="right")) - 1
        first, last = order[max(place - 1, 0)], order[min(place + 1, len(order) - 1)]
        return min(int(starts[first]), hit.start), max(int(ends[last]), hit.end)

    def _section(self, hit: Hit) -> tuple[int, int]:
        """From the last heading at or before the chunk's start to the next one behind its end; the chunk where there is none."""
        text = self.document(hit).text
        places = [place for place, _ in headings(text)]
        if not places:
            return hit.start, hit.end
        start = max((place for place in places if place <= hit.start), default=0)
        return _trimmed(text, start, min((place for place in places if place >= hit.end), default=len(text)))


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Without white space at its ends, as chunks are."""
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())
