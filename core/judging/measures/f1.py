from typing import ClassVar, Literal

from core.judging.claims import RULES, bare, rules
from core.judging.diversity import answer_f1
from core.judging.measure import AnswerCase, AnswerMeasure, AnswerScore
from core.registry import part


@part("measure")
class TokenF1(AnswerMeasure):
    """F1 of the words that answer and reference share, the best of the references. Choose it over `em` for answers in
    sentences; every word more lowers it."""

    part: Literal["f1"] = "f1"
    label: ClassVar[str] = "Token F1"
    topic: ClassVar[str] = "reference"
    source: ClassVar[str] = "Rajpurkar et al. 2016, section 6.1"
    needs: ClassVar[tuple[str, ...]] = ("references",)
    order: ClassVar[int] = 20
    headline: ClassVar[bool] = True
    rules: Literal["squad", "triviaqa"] = rules("squad")

    def scored(self, case: AnswerCase) -> AnswerScore:
        return AnswerScore(answer_f1(bare(case), case.references, RULES[self.rules]))
