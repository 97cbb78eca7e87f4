"""An "I don't know." that is written only where the model is sure enough of it.

A model that has several answers to choose from spreads its probability over them, so that "I don't know." is the likeliest beginning
though any answer together is likelier. By how much the refusal has to lead is the threshold on the null answer of Devlin et al. 2019,
arXiv:1810.04805, section 4.3, here on its own probability.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from core.config import knob
from core.context.prompt import UNKNOWN
from core.records import Token


class Refusing(NamedTuple):
    """token: with which the refusal begins; least: its probability from which it is taken."""

    token: int
    least: float


def refusal_knob(default: float) -> Any:
    return knob(
        default,
        'The model says "I don\'t know." only where it gives its first word at least this probability, else the next likeliest word is '
        "taken: at 0 wherever it is the likeliest, at 1 never. The view Confidence of the page Score answers has the curve.",
        ge=0.0,
        le=1.0,
        step=0.05,
        label="Abstain from",
    )


def refusing(model: Any, least: float, messages: list[dict[str, str]]) -> Refusing | None:
    """The rule of an answer whose prompt offers the refusal; None: there is none."""
    offered = messages[-1]["role"] != "assistant" and any(UNKNOWN in message["content"] for message in messages)
    return Refusing(model.tokenize(UNKNOWN)[0], least) if least and offered else None


def bent(logits: Any, rule: Refusing) -> Any:
    """Of an answer's first token, [vocabulary] float32: without the refusal where it is less likely than that, else the same."""
    import numpy as np

    odds = np.exp(logits - logits.max())
    if odds[rule.token] >= rule.least * odds.sum():
        return logits
    logits = logits.copy()
    logits[rule.token] = -np.inf
    return logits


def first_odds(tokens: Sequence[Token]) -> float:
    """Probability with which the refusal began an answer where no other beginning was likelier; 0: another was; NaN: not told. It is
    the model's own, whatever `bent` made of it: so it tells up to which threshold the likeliest answer is the refusal."""
    if not tokens or not tokens[0].top:
        return math.nan
    text, logprob = tokens[0].top[0]
    return math.exp(logprob) if text and UNKNOWN.startswith(text) else 0.0
