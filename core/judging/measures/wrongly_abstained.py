import math
from typing import ClassVar, Literal

from core.judging.measure import AnswerCase, AnswerScore
from core.judging.silence import Silence
from core.registry import part


@part("measure")
class WronglyAbstained(Silence):
    """1 where a question that the documents answer has no answer: it says that it does not know, or is empty. Choose it beside
    `wrongly_answered`: either alone is best at an extreme."""

    part: Literal["wrongly_abstained"] = "wrongly_abstained"
    label: ClassVar[str] = "Wrongly abstained"
    direction: ClassVar[int] = -1
    needs: ClassVar[tuple[str, ...]] = ("answerable",)
    order: ClassVar[int] = 72

    def scored(self, case: AnswerCase) -> AnswerScore:
        if not case.answerable:
            return AnswerScore(math.nan, "the documents do not answer it")
        return AnswerScore(float(not self.answers(case)))
