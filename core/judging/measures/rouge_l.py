import math
import re
from collections.abc import Callable
from functools import cache
from typing import ClassVar, Literal

from core.config import knob
from core.judging.claims import bare
from core.judging.diversity import common
from core.judging.measure import AnswerCase, AnswerMeasure, AnswerScore
from core.registry import part

_WORD = re.compile(r"[a-z0-9]+")


@part("measure")
class RougeL(AnswerMeasure):
    """F1 of the longest common subsequence of words, the best of the references. Choose it over `f1` where the order of the
    words matters, as in answers of several sentences.

    Letters beyond a to z part words, as in the package rouge-score, so a language in another script has no words to score.
    """

    part: Literal["rouge_l"] = "rouge_l"
    label: ClassVar[str] = "ROUGE-L"
    topic: ClassVar[str] = "reference"
    source: ClassVar[str] = "Lin 2004, section 3.1, with equal weight of precision and recall, as the package rouge-score has it"
    needs: ClassVar[tuple[str, ...]] = ("references",)
    order: ClassVar[int] = 30
    by_sentence: ClassVar[bool] = True
    stemming: bool = knob(
        False, "Compares Porter's stems of words of four letters and more. Forgives endings, and raises scores."
    )

    def scored(self, case: AnswerCase) -> AnswerScore:
        stem = stemmer() if self.stemming else str
        said, *wanted = ([stem(word) for word in _WORD.findall(text.lower())] for text in (bare(case), *case.references))
        if not any(wanted):
            return AnswerScore(math.nan, "no word of a to z in the reference")
        shared = ((common(said, words), len(said) + len(words)) for words in wanted if words)
        return AnswerScore(max(2 * length / words for length, words in shared))


@cache
def stemmer() -> Callable[[str], str]:
    """The stemmer of rouge-score: NLTK's, whose Porter knows exceptions of its own, for words of more than three letters."""
    from nltk.stem.porter import PorterStemmer

    stem = cache(PorterStemmer().stem)
    return lambda word: stem(word) if len(word) > 3 else word
