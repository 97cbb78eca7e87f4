"""Whether an answer is right by the question's reference answers: from words alone, so that it costs nothing and repeats.

Accepted is what holds a reference answer whole, or shares enough words with one: the word sequence after SQuAD's normalisation
(Rajpurkar et al. 2016, "SQuAD", section 6.1), or its token F1 at `ACCEPTED` or more. A right answer in other words is rejected,
a long one that quotes the passage is accepted; how often the rule rejects the reference itself is told beside it.
"""

from collections.abc import Sequence

from core.context.citations import BRACKETS, pattern
from core.context.prompt import says_unknown
from core.judging.diversity import answer_f1, normalise_answer

ACCEPTED = 0.5  # token F1 from which an answer counts as right


def accepts(answer: str, references: Sequence[str], citations: str = BRACKETS) -> bool:
    """Whether the answer, without its citations of that style, holds a reference answer, or its token F1 with one is at least
    ACCEPTED. What has no words is wrong."""
    text = pattern(citations).sub(" ", answer)
    words = normalise_answer(text)
    wanted = [reference for reference in references if normalise_answer(reference)]
    if not words or not wanted:
        return False
    return any(f" {normalise_answer(each)} " in f" {words} " for each in wanted) or answer_f1(text, wanted) >= ACCEPTED


def declines(answer: str) -> bool:
    """Whether it says that it does not know: the right answer to a question that the documents do not answer."""
    return says_unknown(answer)


def accepts_itself(references: Sequence[str], most_words: int) -> bool:
    """Whether the rule accepts a reference answer put to it as an answer, cut after so many words: a token is at most a word,
    so an answer has no more. False: no answer of that length could be shown to be right by it."""
    return any(accepts(" ".join(reference.split()[:most_words]), references) for reference in references)
