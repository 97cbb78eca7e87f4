from typing import ClassVar, Literal

from core.judging.gold import ByGold
from core.judging.measure import AnswerCase, AnswerScore
from core.registry import part


@part("measure")
class ContextRecall(ByGold):
    """Share of the pieces of gold evidence that the passages hold together. Choose it to see whether the model could know: below 1
    a wrong answer may be no fault of its own."""

    part: Literal["context_recall"] = "context_recall"
    label: ClassVar[str] = "Context recall"
    source: ClassVar[str] = "recall of the evidence units among the passages of the prompt"
    order: ClassVar[int] = 20
    headline: ClassVar[bool] = True

    def scored(self, case: AnswerCase) -> AnswerScore:
        held = frozenset().union(*case.covered) & frozenset(range(case.units))
        return AnswerScore(len(held) / case.units, detail={"missing": sorted(frozenset(range(case.units)) - held)})
