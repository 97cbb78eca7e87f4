import math
from typing import ClassVar, Literal

from core.judging.measure import AnswerCase, AnswerScore
from core.judging.silence import Silence
from core.registry import part


@part("measure")
class WronglyAnswered(Silence):
    """1 where a question that the documents do not answer has an answer nevertheless. Choose it beside `wrongly_abstained`: either
    alone is best at an extreme."""

    part: Literal["wrongly_answered"] = "wrongly_answered"
    label: ClassVar[str] = "Wrongly answered"
    direction: ClassVar[int] = -1
    needs: ClassVar[tuple[str, ...]] = ("answerable",)
    order: ClassVar[int] = 73

    def scored(self, case: AnswerCase) -> AnswerScore:
        if case.answerable:
            return AnswerScore(math.nan, "the documents answer it")
        return AnswerScore(float(self.answers(case)))
