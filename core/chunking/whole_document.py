from typing import Literal

from core.chunking.packing import trim
from core.chunking.protocol import Chunker
from core.chunking.tools import Tools
from core.registry import part


@part("chunker")
class WholeDocument(Chunker):
    """Each document is one chunk.

    Choose it when the documents are passages already (XQuAD, most of BEIR). An encoder reads only as far as its limit:
    what stands behind it cannot be found by dense retrieval, though BM25 still sees it.
    Source: none needed; passage collections such as BEIR (Thakur et al., NeurIPS 2021) are judged this way.
    """

    part: Literal["whole_document"] = "whole_document"

    def split(self, text: str, tools: Tools) -> list[tuple[int, int]]:
        start, end = trim(text, 0, len(text))
        return [(start, end)] if start < end else []
