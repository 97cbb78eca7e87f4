"""Whether an answer answers: it states something, says that it does not know, or is empty."""

from typing import ClassVar

from core.config import knob
from core.context.prompt import bare_words
from core.judging.claims import bare
from core.judging.diversity import normalise_answer
from core.judging.measure import AnswerCase, AnswerMeasure

PHRASES = "I don't know; I do not know; cannot answer; can't answer; cannot be answered"


class Silence(AnswerMeasure):
    """Base of the measures of silence."""

    topic: ClassVar[str] = "reference"
    source: ClassVar[str] = "the unanswerable questions of Rajpurkar, Jia and Liang 2018"
    judges_silence: ClassVar[bool] = True
    phrases: str = knob(
        PHRASES, "An answer with one of these, parted by semicolons, abstains. A corpus in another language needs its own."
    )

    def abstains(self, case: AnswerCase) -> bool:
        said = f" {normalise_answer(bare_words(bare(case)))} "
        phrases = (normalise_answer(bare_words(phrase)) for phrase in self.phrases.split(";"))
        return any(f" {phrase} " in said for phrase in phrases if phrase)

    def answers(self, case: AnswerCase) -> bool:
        return bool(bare(case).strip()) and not self.abstains(case)
