import math
import re
from collections.abc import Generator, Iterator, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from core.config import code_version, fingerprint
from core.judging.claims import bare
from core.judging.measure import AnswerCase, AnswerMeasure, AnswerScore, JudgeTools
from core.records import Progress
from core.registry import part
from core.reranking.protocol import APART, Pairs
from core.reranking.token_vectors import GIVING, TextTokens, token_encoder

ROWS = 1024
PAIRS = 512  # whose vectors of words are in memory at once


@part("measure")
class BertScore(AnswerMeasure):
    """Each word piece meets the one of the other text that it is most like; F1 of the mean cosines, the best of the references.
    Choose it over `similarity` where single words decide, and over `f1` where they may be other words.

    The last layer of the encoder at hand, without weights by idf, without rescaling to a baseline, without special tokens: values lie
    close together, and compare with nobody's of another model.
    """

    part: Literal["bertscore"] = "bertscore"
    label: ClassVar[str] = "BERTScore"
    topic: ClassVar[str] = "reference"
    source: ClassVar[str] = "Zhang et al. 2020, section 3"
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    needs: ClassVar[tuple[str, ...]] = ("references",)
    order: ClassVar[int] = 40
    encodes: ClassVar[bool] = True
    by_sentence: ClassVar[bool] = True

    def identity(self) -> str:
        return code_version(Matched)

    def score(self, cases: Sequence[AnswerCase], tools: JudgeTools) -> Generator[Progress, None, list[AnswerScore]]:
        if tools.encoder.part not in GIVING:
            return [AnswerScore(math.nan, f"the encoder {tools.encoder.part} has no vectors of words") for _ in cases]
        pairs = [[f"{plain(bare(case))}{APART}{plain(text)}" for text in case.references if text.strip()] for case in cases]
        texts = list(dict.fromkeys(pair for some in pairs for pair in some))
        if not texts:
            return []
        matched = Matched(tools.encoder)
        values = yield from tools.embed(Pairs(matched), texts)
        spelt = {text for case in cases for text in (bare(case).strip(), *case.references) if APART not in text}
        own = {text: matched.pooled[plain(text)] for text in sorted(spelt) if plain(text) in matched.pooled}
        if own:
            yield from tools.embed(Pooled(tools.encoder, own), list(own))
        of = dict(zip(texts, values[:, 0].tolist(), strict=True))
        return [AnswerScore(max(of[pair] for pair in some)) for some in pairs]


def plain(text: str) -> str:
    """As no encoder of words tells apart from the text, if it has no such character."""
    return " ".join(re.split(r"[ \t\r\n]+", text.replace(APART, " "))).strip(" ")


class Matched:
    """An encoder, as what keeps scores of pairs by content sees it."""

    part = "bertscore"

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self.pooled: dict[str, np.ndarray] = {}  # texts read so far whose own vector came with those of their tokens

    def identity(self) -> str:
        return f"bertscore-{fingerprint(self._encoder.identity(), code_version(Matched))}"

    def reads(self) -> int | None:
        return None

    def read(self, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, len(pairs), PAIRS):
            block = pairs[start : start + PAIRS]
            texts, tokens = list(dict.fromkeys(text for pair in block for text in pair)), {}
            for place, read in token_encoder(self._encoder).read(texts):
                tokens[texts[place]] = content(read)
                if read.pooled is not None:
                    self.pooled[texts[place]] = read.pooled
            values = [greedy_f1(tokens[said], tokens[wanted]) for said, wanted in block]
            yield np.arange(start, start + len(block)), np.array(values, np.float32)


class Pooled:
    """An encoder, as what keeps vectors by content sees it, whose vectors are there already: `similarity` finds them kept, and
    encodes nothing that was read for its words."""

    dtype, max_tokens = "float32", None

    def __init__(self, encoder: Any, vectors: dict[str, np.ndarray]) -> None:
        self.identity, self.prefix, self.name = encoder.identity, encoder.prefix, encoder.part
        self._vectors, self.dim = vectors, len(next(iter(vectors.values())))

    def load(self) -> "Pooled":
        return self

    def encode(self, texts: list[str], query: bool = False) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield np.arange(len(texts)), np.stack([self._vectors[text] for text in texts])


def content(tokens: TextTokens) -> np.ndarray:
    """Vectors of the word pieces; of a text without any, those of the special tokens."""
    held = tokens.spans[:, 0] < tokens.spans[:, 1]
    return tokens.vectors[held] if held.any() else tokens.vectors


def greedy_f1(said: np.ndarray, wanted: np.ndarray) -> float:
    """Of vectors of length 1: recall is the mean over the wanted of the best cosine among the said, precision the reverse."""
    nearest, met = np.empty(len(said), np.float32), np.full(len(wanted), -1.0, np.float32)
    for start in range(0, len(said), ROWS):  # of two texts of 10,000 words all cosines at once would be 400 MB and more
        cosine = np.clip(said[start : start + ROWS] @ wanted.T, -1.0, 1.0)
        nearest[start : start + ROWS] = cosine.max(1)
        np.maximum(met, cosine.max(0), out=met)
    precision, recall = float(nearest.mean(dtype=np.float64)), float(met.mean(dtype=np.float64))
    return 2 * precision * recall / (precision + recall) if precision > 0 and recall > 0 else 0.0
