from typing import ClassVar, Literal

from core.judging.claims import WORD
from core.judging.gold import ByGold, useful
from core.judging.measure import AnswerCase, AnswerScore
from core.registry import part


@part("measure")
class ContextNoise(ByGold):
    """Share of the passages without gold evidence: 1 - `context_precision`. Choose it where less is to be shown as better; its detail
    has the share of the words that stand in them."""

    part: Literal["noise"] = "noise"
    label: ClassVar[str] = "Noise"
    source: ClassVar[str] = "1 - context precision"
    direction: ClassVar[int] = -1
    order: ClassVar[int] = 30

    def scored(self, case: AnswerCase) -> AnswerScore:
        gold, words = useful(case), [len(WORD.findall(passage)) for passage in case.passages]
        lost = sum(count for count, held in zip(words, gold, strict=True) if not held)
        return AnswerScore(1 - sum(gold) / len(gold), detail={"words": lost / max(1, sum(words))})
