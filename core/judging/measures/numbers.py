import math
from typing import ClassVar, Literal

from core.config import knob
from core.judging.claims import bare
from core.judging.measure import AnswerCase, AnswerMeasure, AnswerScore
from core.judging.quantities import Quantity, quantities, shared
from core.registry import part

MOST = 500  # of a text: all pairs are compared


@part("measure")
class Numbers(AnswerMeasure):
    """F1 of the numbers that answer and reference share, units among them, the best of the references that hold a number. Choose it
    beside `f1`, to which a wrong year is one word of many.

    Thousand separators, percent, thousand to trillion, words from zero to twelve and units of one kind (km and m) are read as English
    has them; a number without a unit is compared by itself.
    """

    part: Literal["numbers"] = "numbers"
    label: ClassVar[str] = "Numbers"
    topic: ClassVar[str] = "reference"
    source: ClassVar[str] = "this project: F1 of the sets of quantities"
    needs: ClassVar[tuple[str, ...]] = ("references",)
    order: ClassVar[int] = 60
    tolerance: float = knob(0.0, "Relative difference up to which two numbers are the same.", ge=0.0, le=0.5, step=0.01)

    def scored(self, case: AnswerCase) -> AnswerScore:
        wanted = [held for each in case.references if (held := quantities(each)[:MOST])]
        if not wanted:
            return AnswerScore(math.nan, "no number in the reference")
        said = quantities(bare(case))[:MOST]
        return max((self._against(said, each) for each in wanted), key=lambda score: score.value)

    def _against(self, said: list[Quantity], wanted: list[Quantity]) -> AnswerScore:
        pairs = shared(said, wanted, self.tolerance)
        right, met = ({pair[side] for pair in pairs} for side in (0, 1))
        detail = {
            "same": [said[i].text for i in sorted(right)],
            "missing": [each.text for j, each in enumerate(wanted) if j not in met],
            "other": [each.text for i, each in enumerate(said) if i not in right],
        }
        return AnswerScore(2 * len(pairs) / (len(said) + len(wanted)), detail=detail)
