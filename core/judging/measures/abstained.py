from typing import ClassVar, Literal

from core.judging.measure import AnswerCase, AnswerScore
from core.judging.silence import Silence
from core.registry import part


@part("measure")
class Abstained(Silence):
    """1 where the answer says that it does not know; an empty one does not. Choose it over `wrongly_abstained` where it is not known
    which questions the documents answer."""

    part: Literal["abstained"] = "abstained"
    label: ClassVar[str] = "Abstained"
    direction: ClassVar[int] = 0
    order: ClassVar[int] = 71

    def scored(self, case: AnswerCase) -> AnswerScore:
        return AnswerScore(float(self.abstains(case)))
