from typing import ClassVar, Literal

from core.judging.gold import ByGold, useful
from core.judging.measure import AnswerCase, AnswerScore
from core.registry import part


@part("measure")
class ContextPrecision(ByGold):
    """Share of the passages that hold gold evidence. Choose it to see how much of the prompt is worth its tokens; where the
    evidence is one passage of ten it can be no more than a tenth.

    Its detail has the average precision of the passages' order, too, which counts useful ones at the top for more.
    """

    part: Literal["context_precision"] = "context_precision"
    label: ClassVar[str] = "Context precision"
    source: ClassVar[str] = "Ru et al. 2024 (RAGChecker), section 3.3, by gold spans in the place of claims"
    order: ClassVar[int] = 10

    def scored(self, case: AnswerCase) -> AnswerScore:
        gold = useful(case)
        at = [sum(gold[: rank + 1]) / (rank + 1) for rank, held in enumerate(gold) if held]
        return AnswerScore(sum(gold) / len(gold), detail={"average_precision": sum(at) / len(at) if at else 0.0})
