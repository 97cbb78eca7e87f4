"""Candidates scored by the vectors of an encoder: the recipe's own, or another beside it."""

from collections.abc import Generator
from typing import Any, ClassVar, Literal

import numpy as np

from core import registry
from core.config import code_version, fingerprint, knob
from core.records import Progress
from core.registry import part
from core.reranking.mmr import cosines
from core.reranking.protocol import Asked, Reranker

OWN = "recipe"
SPECIALS = 2  # tokens around a text


@part("reranker")
class EncoderReranker(Reranker):
    """Cosine of question and passage. By the recipe's own encoder it rescores what another retriever found, such as BM25's
    1,000, and encodes no other chunk. By another encoder and a weight below 1 it fuses several; a step each for more of them.

    Choose it between a cheap retriever and a slow reranker. Vectors are those before any transform, kept by content.
    Source: the weighted sum of min-max scaled scores is the convex combination of Bruch, Gai and Ingber 2023, section 3.
    """

    part: Literal["encoder"] = "encoder"
    order: ClassVar[int] = 10
    encodes: ClassVar[bool] = True
    depth: int = knob(
        100,
        "So many of the best are ranked again. More can raise what was ranked too low, and takes longer.",
        unit="chunks",
        ge=1,
        le=1000,
    )
    model: str = knob(
        OWN,
        "`recipe`: the recipe's encoder. Or another by its name in the comparison of encoders (minilm-cls, lsa), or a model of "
        "sentence-transformers by folder or name.",
        label="Encoder",
    )

    def identity(self) -> str:
        """The recipe's own encoder is in the key of the chunks."""
        if self.model == OWN:
            return ""
        other = self._other()
        learnt = fingerprint(other, code_version(other)) if other.learns else other.identity()
        return fingerprint(learnt, other.prefix(True), other.prefix(False))

    def scores(self, asked: Asked, rows: np.ndarray, columns: np.ndarray) -> Generator[Progress, None, np.ndarray]:
        encoder: Any = asked.tools.encoder
        if self.model != OWN:
            encoder = self._other()
            if encoder.learns:
                texts = asked.tools.texts
                folder = asked.tools.folder / "encoders" / fingerprint(encoder, code_version(encoder), texts)
                encoder = yield from encoder.fit(texts, folder)
        return (yield from cosines(asked, encoder, rows, asked.pool.chunk[rows, columns]))

    def longer(self, asked: Asked, rows: np.ndarray, columns: np.ndarray) -> list[str]:
        chunk, encoder = asked.pool.chunk[rows, columns], asked.tools.encoder if self.model == OWN else self._other()
        if encoder.reads() is None:
            return [""] * len(rows)
        if encoder is asked.tools.encoder:
            tokens = asked.chunks.tokens[chunk]
        else:
            numbers, place = np.unique(chunk, return_inverse=True)
            tokens = np.array(list(map(len, encoder.load().token_offsets([asked.tools.texts[i] for i in numbers]))))[place]
        most = encoder.reads() - SPECIALS
        if (before := encoder.prefix(False)).strip():
            most -= len(encoder.load().token_offsets([before])[0])
        return [f"its first {most:,} tokens" if count > most else "" for count in tokens.tolist()]

    def _other(self) -> Any:
        offered = {offer.id: offer.part for cls in registry.parts("encoder").values() for offer in cls.offers()}
        return offered.get(self.model) or registry.find("encoder", "sentence_transformers")(model=self.model)
