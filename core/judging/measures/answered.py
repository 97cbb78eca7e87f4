from typing import ClassVar, Literal

from core.judging.measure import AnswerCase, AnswerScore
from core.judging.silence import Silence
from core.registry import part


@part("measure")
class AnswerStated(Silence):
    """1 where the answer states something: it is not empty and does not say that it does not know. Choose it beside every mean,
    which is over the answered only where the others are unmeasured."""

    part: Literal["answered"] = "answered"
    label: ClassVar[str] = "Answered"
    direction: ClassVar[int] = 0
    order: ClassVar[int] = 70

    def scored(self, case: AnswerCase) -> AnswerScore:
        return AnswerScore(float(self.answers(case)))
