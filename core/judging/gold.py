"""What of the passages is gold evidence: the base of the measures of the context by gold spans."""

from collections.abc import Generator, Sequence
from typing import ClassVar

from core.judging.measure import AnswerCase, AnswerMeasure, AnswerScore, JudgeTools
from core.records import Progress


class ByGold(AnswerMeasure):
    """They tell of what the model was handed, so an answer that declines has them as well."""

    topic: ClassVar[str] = "context"
    needs: ClassVar[tuple[str, ...]] = ("passages", "units")
    judges_silence: ClassVar[bool] = True

    def unmeasurable(self, case: AnswerCase) -> str:
        return super().unmeasurable(case) or uncounted(case)

    def score(self, cases: Sequence[AnswerCase], tools: JudgeTools) -> Generator[Progress, None, list[AnswerScore]]:
        yield from ()
        return [self.scored(case) for case in cases]

    def scored(self, case: AnswerCase) -> AnswerScore:
        raise NotImplementedError


def uncounted(case: AnswerCase) -> str:
    passages, covered = len(case.passages), len(case.covered)
    return f"gold evidence of {covered:,} passages told, for {passages:,}" if covered != passages else ""


def useful(case: AnswerCase) -> list[bool]:
    """Of each passage whether it covers gold evidence."""
    return [bool(some) for some in case.covered]
