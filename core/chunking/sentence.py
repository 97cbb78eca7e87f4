from typing import Literal

from core.chunking.packing import pack
from core.chunking.protocol import Chunker
from core.chunking.sentences import sentence_starts
from core.chunking.tools import Tools, token_starts
from core.config import knob
from core.registry import part


@part("chunker")
class Sentence(Chunker):
    """Whole sentences, as many as fit. A sentence longer than the limit is cut between words.

    Choose it with a small size for pinpoint evidence: at 32 tokens it is about one sentence a chunk. Over
    `recursive` it fills its chunks more evenly, since it runs on over paragraph ends.
    Source: sentence passages as in Callan, SIGIR 1994; the splitter's rules stand in `core/chunking/sentences.py`.
    """

    part: Literal["sentence"] = "sentence"
    size_tokens: int = knob(128, "Most tokens in a chunk. Small values give one sentence a chunk.", unit="tokens", ge=8, le=8192)

    def split(self, text: str, tools: Tools) -> list[tuple[int, int]]:
        return pack(text, token_starts(text, tools), self.size_tokens, levels=(sentence_starts,))
