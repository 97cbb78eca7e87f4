import math
from functools import cache
from typing import ClassVar, Literal

from core.config import knob
from core.judging.claims import NOTHING_CLAIMED, WORD, bare, statements
from core.judging.measure import AnswerCase, AnswerMeasure, AnswerScore, WrongWords
from core.registry import part


@part("measure")
class LexicalFloor(AnswerMeasure):
    """Share of the answer's different words that no passage has. Choose it as the floor that every measure of faithfulness has to
    beat: it needs no model, and sees no wrong use of the right words."""

    part: Literal["lexical_floor"] = "lexical_floor"
    label: ClassVar[str] = "New words"
    topic: ClassVar[str] = "faithfulness"
    source: ClassVar[str] = "this project: 1 - containment of the answer's words (Broder 1997, section 2)"
    direction: ClassVar[int] = -1
    needs: ClassVar[tuple[str, ...]] = ("passages",)
    order: ClassVar[int] = 60
    content: bool = knob(False, "Leaves out Lucene's 33 English stop words, which say nothing where a passage lacks them.")

    def scored(self, case: AnswerCase) -> AnswerScore:
        there = {word for passage in case.passages for word in WORD.findall(passage.lower())}
        places = [(match.span(), match.group().lower()) for match in WORD.finditer(bare(case))] if statements(case) else []
        said = {word for _, word in places} - (stop_words() if self.content else frozenset())
        if not said:
            return AnswerScore(math.nan, NOTHING_CLAIMED)
        new = said - there
        return AnswerScore(len(new) / len(said), words=tuple(WrongWords(*place, 1.0) for place, word in places if word in new))


@cache
def stop_words() -> frozenset[str]:
    from bm25s.stopwords import STOPWORDS_EN

    return frozenset(STOPWORDS_EN)
