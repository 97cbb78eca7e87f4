from typing import ClassVar, Literal

from core.judging.claims import RULES, bare, rules
from core.judging.diversity import answer_em
from core.judging.measure import AnswerCase, AnswerMeasure, AnswerScore
from core.registry import part


@part("measure")
class ExactMatch(AnswerMeasure):
    """1 where the answer without its citations is a reference answer, word for word after SQuAD's normalisation. Choose it for
    short answers; a right answer in a sentence counts as wrong."""

    part: Literal["em"] = "em"
    label: ClassVar[str] = "Exact match"
    topic: ClassVar[str] = "reference"
    source: ClassVar[str] = "Rajpurkar et al. 2016, section 6.1"
    needs: ClassVar[tuple[str, ...]] = ("references",)
    order: ClassVar[int] = 10
    headline: ClassVar[bool] = True
    rules: Literal["squad", "triviaqa"] = rules("squad")

    def scored(self, case: AnswerCase) -> AnswerScore:
        return AnswerScore(answer_em(bare(case), case.references, RULES[self.rules]))
