from typing import ClassVar, Literal

from core.judging.measure import AnswerCase, AnswerMeasure, AnswerScore
from core.registry import part


@part("measure")
class Brevity(AnswerMeasure):
    """The number of words of the shortest reference over that of the answer. Choose it beside `f1`, to see who is long-winded."""

    part: Literal["brevity"] = "brevity"
    label: ClassVar[str] = "Brevity"
    topic: ClassVar[str] = "reference"
    source: ClassVar[str] = "this page"
    needs: ClassVar[tuple[str, ...]] = ("references",)

    def scored(self, case: AnswerCase) -> AnswerScore:
        shortest = min(len(each.split()) for each in case.references)
        return AnswerScore(min(1.0, shortest / max(1, len(case.answer.split()))))
