"""What of the passages is gold evidence: the base of the measures of the context by gold spans."""

from typing import ClassVar

from core.judging.measure import AnswerCase, AnswerMeasure


class ByGold(AnswerMeasure):
    """They tell of what the model was handed, so an answer that declines has them as well."""

    topic: ClassVar[str] = "context"
    needs: ClassVar[tuple[str, ...]] = ("passages", "units")
    judges_silence: ClassVar[bool] = True

    def unmeasurable(self, case: AnswerCase) -> str:
        return super().unmeasurable(case) or uncounted(case)


def uncounted(case: AnswerCase) -> str:
    passages, covered = len(case.passages), len(case.covered)
    return f"gold evidence of {covered:,} passages told, for {passages:,}" if covered != passages else ""


def useful(case: AnswerCase) -> list[bool]:
    """Of each passage whether it covers gold evidence."""
    return [bool(some) for some in case.covered]
