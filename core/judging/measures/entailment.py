from collections.abc import Generator, Sequence
from typing import ClassVar, Literal

import numpy as np

from core.config import knob
from core.judging import judgement_models
from core.judging.claims import NOTHING_CLAIMED
from core.judging.entailment import VERDICTS, JudgedClaim, judged_claims
from core.judging.evidence import best_sentence
from core.judging.judgement_models import EMBEDDED
from core.judging.measure import AnswerCase, AnswerMeasure, AnswerScore, Claim, JudgeTools
from core.records import Progress
from core.registry import part


@part("measure")
class Entailment(AnswerMeasure):
    """Mean probability that a sentence of the answer follows from the passages, by a model of entailment: each sentence beside the
    sentences of all passages that hold most of its words. Choose it over containment where answers use words of their own."""

    part: Literal["entailment"] = "entailment"
    label: ClassVar[str] = "Entailment"
    topic: ClassVar[str] = "faithfulness"
    source: ClassVar[str] = "Honovich et al. 2022, section 4.1; the model is this project's"
    needs: ClassVar[tuple[str, ...]] = ("passages",)
    order: ClassVar[int] = 20
    by_sentence: ClassVar[bool] = True
    model: str = knob(
        EMBEDDED,
        f"{EMBEDDED} (embedded), the name of a model trained here, or an NLI model: a folder, or its name on the Hugging Face hub.",
    )

    def identity(self) -> str:
        return judgement_models.identity(self.model)

    def score(self, cases: Sequence[AnswerCase], tools: JudgeTools) -> Generator[Progress, None, list[AnswerScore]]:
        judged = yield from judged_claims(self.model, cases, tools)
        return [self.of_claims(case, some) for case, some in zip(cases, judged, strict=True)]

    def of_claims(self, case: AnswerCase, judged: Sequence[JudgedClaim]) -> AnswerScore:
        rows = []
        for start, end, text, each in judged:
            place = best_sentence(case.passages, text)
            verdict = VERDICTS[int(np.argmax(each.probabilities))]
            rows.append(Claim(start, end, float(each.probabilities[0]), verdict, *(place or (0, None))))
        if not rows:
            return AnswerScore(float("nan"), NOTHING_CLAIMED)
        return AnswerScore(float(np.mean([claim.score for claim in rows])), claims=tuple(rows))
