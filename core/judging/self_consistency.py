"""The answer at the end of a chain of thought, and the one that most of several chains end with."""

import re
from collections.abc import Sequence

from core.context.citations import BRACKETS, pattern
from core.judging.diversity import normalise_answer

MARKER = "Answer:"  # as a model is asked for it; "The answer is", as in Wei et al. 2022, is read as well
_MARK = re.compile(
    r"\banswer(?:\s+(?:to|for)\s+(?:this|that|the)\s+question)?\s*+(?:\*\*)?\s*+(?:is\b\s*[:：]?|[:：])", re.IGNORECASE
)
_MINUS, _POINT = re.compile(r"(?<![\w.)])[-−](?=\.?\d)"), re.compile(r"(?<!\w)\.(?=\d)|(?<=\d)\.(?=\d)")


def final_answer(text: str) -> str | None:
    """The first line behind the last marker that has words behind it; None where there is none."""
    for piece in reversed(_MARK.split(text)[1:]):
        lines = [line.strip(" *_`\"'“”") for line in piece.splitlines()]
        answer = next(filter(None, lines), "")
        if normalise_answer(answer):
            return answer
    return None


def is_marked(text: str) -> bool:
    return bool(_MARK.search(text))


def vote_of(answer: str, citations: str = BRACKETS) -> str:
    """What counts as the same answer: SQuAD's normalisation, without citations; a number keeps its sign and its point."""
    text = _MINUS.sub(" minus ", pattern(citations).sub(" ", answer))
    return normalise_answer(_POINT.sub(" point ", text))


def majority(answers: Sequence[str | None], citations: str = BRACKETS) -> tuple[int | None, int]:
    """(place of the first of the most frequent answers, its votes); of equally many the one that came first. None, 0: no answer.

    Wang et al. 2023, "Self-Consistency Improves Chain of Thought Reasoning in Language Models", section 2: the unweighted sum.
    """
    votes: dict[str, int] = {}
    first: dict[str, int] = {}
    for place, answer in enumerate(answers):
        if answer is not None and (vote := vote_of(answer, citations)):
            votes[vote] = votes.get(vote, 0) + 1
            first.setdefault(vote, place)
    if not votes:
        return None, 0
    winner = max(votes, key=lambda vote: (votes[vote], -first[vote]))
    return first[winner], votes[winner]


def windows(size: int, width: int) -> list[list[int]]:
    """Sets of `width` of `size` samples, in their order: every sample is in equally many, and all of them are one set."""
    if width == size:
        return [list(range(size))]
    return [sorted((begin + step) % size for step in range(width)) for begin in range(size)]
