import math
from collections.abc import Generator, Sequence
from typing import ClassVar, Literal

import numpy as np

from core.judging.claims import bare
from core.judging.measure import AnswerCase, AnswerMeasure, AnswerScore, JudgeTools
from core.records import Progress
from core.registry import part


@part("measure")
class Similarity(AnswerMeasure):
    """Cosine of the embeddings of answer and reference, the best of the references. Choose it beside `f1` for answers in other
    words; it barely sees a wrong number, name or negation, and a fair value depends on the encoder.

    A long text counts by as much of it as the encoder reads.
    """

    part: Literal["similarity"] = "similarity"
    label: ClassVar[str] = "Similarity"
    topic: ClassVar[str] = "reference"
    source: ClassVar[str] = "semantic answer similarity by a bi-encoder, Risch et al. 2021, section 3"
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    needs: ClassVar[tuple[str, ...]] = ("references",)
    order: ClassVar[int] = 50
    encodes: ClassVar[bool] = True

    def score(self, cases: Sequence[AnswerCase], tools: JudgeTools) -> Generator[Progress, None, list[AnswerScore]]:
        wanted = [[text for text in case.references if text.strip()] for case in cases]
        texts = list(dict.fromkeys([bare(case).strip() for case in cases] + [text for some in wanted for text in some]))
        if not texts:
            return []
        vectors = yield from tools.embed(tools.encoder, texts)
        of = dict(zip(texts, vectors.astype(np.float64), strict=True))
        return [
            self._scored(of[bare(case).strip()], [of[text] for text in some]) for case, some in zip(cases, wanted, strict=True)
        ]

    def _scored(self, said: np.ndarray, wanted: list[np.ndarray]) -> AnswerScore:
        lengths = [float(np.linalg.norm(said) * np.linalg.norm(each)) for each in wanted]
        cosines = [float(said @ each) / length for each, length in zip(wanted, lengths, strict=True) if length > 0]
        if not cosines:
            return AnswerScore(math.nan, "the encoder gives it a vector of zeros")
        return AnswerScore(min(1.0, max(-1.0, max(cosines))))
