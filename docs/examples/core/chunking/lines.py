import re
from typing import Literal

from core.chunking.protocol import Chunker
from core.chunking.tools import Tools
from core.registry import part


@part("chunker")
class Lines(Chunker):
    """A chunk a line, however long. Choose it for logs and verse; `recursive` keeps to a size."""

    part: Literal["lines"] = "lines"

    def split(self, text: str, tools: Tools) -> list[tuple[int, int]]:
        return [match.span() for match in re.finditer(r"\S(?:[^\n]*\S)?", text)]
