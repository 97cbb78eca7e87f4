"""Whether texts bear out a statement: citations, the use of the context and blame are decided by it."""

from collections.abc import Generator, Iterable
from typing import Literal, NamedTuple

from core.config import knob
from core.judging.claims import WORD
from core.judging.containment import THRESHOLD, share
from core.judging.measure import AnswerMeasure
from core.records import Progress


class SupportCheck(NamedTuple):
    """Do these texts together bear out the statement?"""

    statement: str
    texts: tuple[str, ...]


class Decided(AnswerMeasure):
    """Base of measures that rest on such decisions."""

    by: Literal["containment"] = knob(
        "containment", "What decides whether texts bear out a statement: the share of its word trigrams that stand in them."
    )
    threshold: float = knob(
        THRESHOLD, "A statement is borne out from this share on. Higher asks for closer copies.", ge=0.0, le=1.0, step=0.05
    )

    def decided(self, questions: Iterable[SupportCheck]) -> Generator[Progress, None, dict[SupportCheck, bool]]:
        """The answer to each different question; without texts it is no."""
        yield from ()
        return {each: self._contained(each) for each in dict.fromkeys(questions)}

    def _contained(self, question: SupportCheck) -> bool:
        words = WORD.findall(question.statement.lower())
        return bool(words and question.texts) and share(words, question.texts) >= self.threshold
