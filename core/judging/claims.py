"""What an answer says, without its citations: its words, its statements, and whether it says anything.

A statement is a sentence. It is cut on the answer with its citations blanked out, so characters stay where they are, and a citation
behind the full stop belongs to the sentence before it.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from core.config import knob
from core.context.citations import pattern
from core.judging.diversity import normalise_answer, normalise_trivia
from core.judging.measure import AnswerCase
from core.judging.reference import declines

SENTENCE = re.compile(r"\S.*?(?:[.!?][\"')\]]*(?=\s)|\n\s*\n|\Z)", re.DOTALL)
WORD = re.compile(r"\w+")
RULES: dict[str, Callable[[str], str]] = {"squad": normalise_answer, "triviaqa": normalise_trivia}
NOTHING_CLAIMED = "it claims nothing"


class Statement(NamedTuple):
    """Characters [start, end) of the answer; its text has no citations."""

    start: int
    end: int
    text: str

    def words(self) -> list[str]:
        return WORD.findall(self.text.lower())


def rules(default: str) -> str:
    return knob(
        default,
        "Whose normalisation counts: both drop case and articles; SQuAD's deletes punctuation, TriviaQA's puts a space in its place.",
    )


def bare(case: AnswerCase) -> str:
    """The answer with a blank for each character of a citation."""
    return pattern(case.citations).sub(lambda match: " " * len(match[0]), case.answer)


def statements(case: AnswerCase) -> list[Statement]:
    """The sentences of the answer that have words; none where it says that it does not know."""
    return [] if declines(case.answer) else sentences(bare(case))


def sentences(text: str) -> list[Statement]:
    cut = ((match.start(), match.group().rstrip()) for match in SENTENCE.finditer(text))
    return [Statement(start, start + len(said), said) for start, said in cut if WORD.search(said)]
