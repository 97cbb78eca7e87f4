import math
from collections.abc import Generator, Mapping, Sequence
from typing import ClassVar, Literal

from core.judging.claims import NOTHING_CLAIMED, statements
from core.judging.deciding import Decided, SupportCheck
from core.judging.gold import uncounted, useful
from core.judging.measure import AnswerCase, AnswerScore, JudgeTools
from core.records import Progress
from core.registry import part


@part("measure")
class ContextUse(Decided):
    """Of the answer's statements that rest on a passage, the share that rests on one with gold evidence. Choose it to see whether the
    model picked the useful passages out of those that it was handed; where none of them is useful it is unmeasured."""

    part: Literal["context_use"] = "context_use"
    label: ClassVar[str] = "Context use"
    topic: ClassVar[str] = "context"
    source: ClassVar[str] = "after context utilisation of Ru et al. 2024 (RAGChecker), section 3.3, by gold spans"
    needs: ClassVar[tuple[str, ...]] = ("passages", "units")
    order: ClassVar[int] = 40

    def unmeasurable(self, case: AnswerCase) -> str:
        reason = super().unmeasurable(case) or uncounted(case)
        return reason or ("" if any(useful(case)) else "no passage holds gold evidence")

    def score(self, cases: Sequence[AnswerCase], tools: JudgeTools) -> Generator[Progress, None, list[AnswerScore]]:
        asked = [SupportCheck(each.text, (text,)) for case in cases for each in statements(case) for text in case.passages]
        borne = yield from self.decided(asked, tools)
        return [self._scored(case, borne) for case in cases]

    def _scored(self, case: AnswerCase, borne: Mapping[SupportCheck, bool]) -> AnswerScore:
        gold, detail = useful(case), {"gold": 0, "other": 0, "none": 0}
        for each in statements(case):
            on = [held for text, held in zip(case.passages, gold, strict=True) if borne[SupportCheck(each.text, (text,))]]
            detail["gold" if any(on) else "other" if on else "none"] += 1
        resting = detail["gold"] + detail["other"]
        if not resting:
            return AnswerScore(math.nan, "it rests on no passage" if detail["none"] else NOTHING_CLAIMED, detail=detail)
        return AnswerScore(detail["gold"] / resting, detail=detail)
