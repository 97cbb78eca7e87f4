import math
from typing import ClassVar, Literal

from core.config import knob
from core.judging.claims import RULES, bare, rules
from core.judging.measure import AnswerCase, AnswerMeasure, AnswerScore
from core.registry import part


@part("measure")
class Contains(AnswerMeasure):
    """1 where the answer holds a reference answer, after TriviaQA's normalisation. Choose it over `em` for models that answer in
    sentences; an answer that names several things is right if any of them is."""

    part: Literal["contains"] = "contains"
    label: ClassVar[str] = "Contains"
    topic: ClassVar[str] = "reference"
    source: ClassVar[str] = "Joshi et al. 2017, evaluation script; as substring in Liu et al. 2023, section 2.2"
    needs: ClassVar[tuple[str, ...]] = ("references",)
    order: ClassVar[int] = 15
    rules: Literal["squad", "triviaqa"] = rules("triviaqa")
    whole_words: bool = knob(True, "Off, the letters of a reference count within a longer word, too: 'carbon' in 'Carbondale'.")

    def scored(self, case: AnswerCase) -> AnswerScore:
        normalise, edge = RULES[self.rules], " " * self.whole_words
        wanted = [words for each in case.references if (words := normalise(each))]
        if not wanted:
            return AnswerScore(math.nan, "no word in the reference")
        said = f"{edge}{normalise(bare(case))}{edge}"
        return AnswerScore(float(any(f"{edge}{words}{edge}" in said for words in wanted)))
