import math
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

    def identity(self) -> str:
        return code_version(Matched)

    def score(self, cases: Sequence[AnswerCase], tools: JudgeTools) -> Generator[Progress, None, list[AnswerScore]]:
        if tools.encoder.part not in GIVING:
            return [AnswerScore(math.nan, f"the encoder {tools.encoder.part} has no vectors of words") for _ in cases]
        pairs = [[f"{plain(bare(case))}{APART}{plain(text)}" for text in case.references if text.strip()] for case in cases]
        texts = list(dict.fromkeys(pair for some in pairs for pair in some))
        if not texts:
            return []
        values = yield from tools.embed(Pairs(Matched(tools.encoder)), texts)
        of = dict(zip(texts, values[:, 0].tolist(), strict=True))
        return [AnswerScore(max(of[pair] for pair in some)) for some in pairs]


def plain(text: str) -> str:
    return " ".join(text.replace(APART, " ").split())


class Matched:
    """An encoder, as what keeps scores of pairs by content sees it."""

    part = "bertscore"

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder

    def identity(self) -> str:
        return f"bertscore-{fingerprint(self._encoder.identity(), code_version(Matched))}"

    def reads(self) -> int | None:
        return None

    def read(self, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        texts = list(dict.fromkeys(text for pair in pairs for text in pair))
        tokens = {texts[place]: content(tokens) for place, tokens in token_encoder(self._encoder).read(texts)}
        for place, (said, wanted) in enumerate(pairs):
            yield np.array([place]), np.array([greedy_f1(tokens[said], tokens[wanted])], np.float32)


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
