import math
from collections.abc import Sequence
from typing import ClassVar, Literal

from core.config import knob
from core.judging.claims import NOTHING_CLAIMED, Statement, statements
from core.judging.containment import THRESHOLD, N, PassageGrams, sentence_of
from core.judging.measure import NOT_IN_CONTEXT, SUPPORTED, AnswerCase, AnswerMeasure, AnswerScore, Claim
from core.registry import part


@part("measure")
class Containment(AnswerMeasure):
    """Mean over the answer's sentences of the share of their word trigrams that stand in one passage. Choose it beside entailment: it
    costs nothing and shows copied words; it takes what is said in other words for unsupported, and a lost "not" for a detail.

    Broder 1997, "On the resemblance and containment of documents", section 2.
    """

    part: Literal["containment"] = "containment"
    label: ClassVar[str] = "Containment"
    topic: ClassVar[str] = "faithfulness"
    source: ClassVar[str] = "Broder 1997, section 2"
    needs: ClassVar[tuple[str, ...]] = ("passages",)
    order: ClassVar[int] = 30
    by_sentence: ClassVar[bool] = True
    n: int = knob(N, "Words of a run that count together. More ask for literal copies.", unit="words", ge=1, le=8)
    threshold: float = knob(
        THRESHOLD,
        "A sentence with at least this share is supported. Higher calls more of them unsupported.",
        ge=0.0,
        le=1.0,
        step=0.05,
    )

    def scored(self, case: AnswerCase) -> AnswerScore:
        return self.of_claims(case, statements(case))

    def of_claims(self, case: AnswerCase, said: Sequence[Statement]) -> AnswerScore:
        there = PassageGrams(case.passages)
        claims = tuple(self._claim(each, case.passages, there.shares(each.words(), self.n)) for each in said)
        if not claims:
            return AnswerScore(math.nan, NOTHING_CLAIMED)
        supported = sum(claim.verdict == SUPPORTED for claim in claims)
        detail = {"claims": len(claims), "supported": supported, "hallucinated": 1 - supported / len(claims)}
        return AnswerScore(sum(claim.score for claim in claims) / len(claims), claims=claims, detail=detail)

    def _claim(self, statement: Statement, passages: Sequence[str], held: Sequence[float]) -> Claim:
        best = max(range(len(held)), key=lambda i: (held[i], -i))
        verdict = SUPPORTED if held[best] >= self.threshold else NOT_IN_CONTEXT
        evidence = sentence_of(statement.words(), passages[best]) if held[best] else None
        return Claim(statement.start, statement.end, held[best], verdict, best + 1 if held[best] else 0, evidence)
