"""How probable a text is to the model that wrote it."""

import math
from collections.abc import Sequence

import numpy as np

from core.records import Token


def mean_probability(tokens: Sequence[Token]) -> float:
    """Geometric mean of the tokens' probabilities, exp of the mean log-probability; NaN where one is none, as NaN or above 0."""
    logs = [token.logprob for token in tokens]
    if not logs or any(math.isnan(log) or log > 1e-6 for log in logs):
        return math.nan
    return min(1.0, math.exp(sum(logs) / len(logs)))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Natural logarithms of the probabilities, over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def divergence(reference: np.ndarray, other: np.ndarray) -> float:
    """Kullback-Leibler divergence from the other to the reference in nats, mean over places; both [places, vocabulary] of natural
    logarithms of probabilities."""
    return float((np.exp(reference) * (reference - other)).sum(axis=1).mean())
