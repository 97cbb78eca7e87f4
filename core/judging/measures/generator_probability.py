import math
from collections.abc import Sequence
from typing import ClassVar, Literal

from core.generation.odds import mean_probability
from core.judging.claims import statements
from core.judging.measure import AnswerCase, AnswerMeasure, AnswerScore, Claim
from core.records import Token
from core.registry import part


@part("measure")
class GeneratorProbability(AnswerMeasure):
    """Geometric mean of the probabilities that the generator itself gave the answer's tokens. Choose it where nothing else is at hand:
    a model is as sure of what it copies as of what it makes up fluently."""

    part: Literal["generator_probability"] = "generator_probability"
    label: ClassVar[str] = "Generator's probability"
    topic: ClassVar[str] = "faithfulness"
    source: ClassVar[str] = "average log-probability, Manakul et al. 2023, section 4.1; per token as 1 / perplexity"
    needs: ClassVar[tuple[str, ...]] = ("tokens",)
    order: ClassVar[int] = 50

    def scored(self, case: AnswerCase) -> AnswerScore:
        value = mean_probability(case.tokens)
        if math.isnan(value):
            return AnswerScore(math.nan, "a token has no log-probability")
        text = "".join(token.text for token in case.tokens)
        begin = text.find(case.answer)
        if begin < 0:  # the answer was put together from several texts: no place of a token in it can be told
            return AnswerScore(value)
        claims = tuple(
            Claim(each.start, each.end, within(case.tokens, begin + each.start, begin + each.end)) for each in statements(case)
        )
        return AnswerScore(value, claims=claims)


def within(tokens: Sequence[Token], start: int, end: int) -> float:
    """Of the tokens with characters in [start, end) of their text."""
    held, place = [], 0
    for token in tokens:
        if place < end and place + len(token.text) > start:
            held.append(token)
        place += len(token.text)
    return mean_probability(held)
