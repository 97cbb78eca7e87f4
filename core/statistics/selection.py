"""The best of many: what its mean is worth, where the same questions chose it."""

from typing import NamedTuple

import numpy as np

from core.statistics.bootstrap import FEW, resampled_means, resampling_weights

HIGH = 1e-12  # means closer than this are equal: sums in another order


class Winner(NamedTuple):
    """A choice by the highest mean, and what it is worth. All means in the direction in which higher is better."""

    place: int  # row of the winner
    mean: float  # its own, on the questions that chose it
    shares: np.ndarray  # [recipes] float64: share of the resamples in which each would have been chosen
    optimism: float  # its mean minus that of a winner on questions that did not choose it
    low: float | None  # interval of the choice: of the mean of the winner on questions that did not choose it; None: of few
    high: float | None

    def interval(self, direction: int = 1) -> tuple[float | None, float | None]:
        """The interval of the choice in the metric's own direction."""
        return (None, None) if self.low is None else tuple(sorted((direction * self.low, direction * self.high)))


def winner(values: np.ndarray, resamples: int = 1000, confidence: float = 0.95, seed: int = 0) -> Winner:
    """Of recipes by questions [recipes, questions] float64, higher being better.

    In each resample of the questions the choice is made anew and judged on the questions not drawn (Tsamardinos, Greasidou
    and Borboudakis 2018, "Bootstrapping the out-of-sample predictions for efficient and accurate cross-validation", section
    3.2). The mean of those judgements is what a choice is worth, their percentiles its interval, of fewer than FEW questions
    none, and what the winner's mean lies above it is luck. The bias of an apparent mean as Efron and Tibshirani 1993, section
    17.6, estimate it is too small where many recipes are alike: the recipes' means on all questions share the luck.
    """
    by_question = np.ascontiguousarray(values.T)
    own, means = values.mean(axis=1), resampled_means(by_question, resamples, seed)
    highest = (means >= means.max(axis=1, keepdims=True) - HIGH).astype(np.float64)
    chances = highest / highest.sum(axis=1, keepdims=True)  # equals share a choice
    left = np.concatenate([weights == 0 for weights in resampling_weights(len(by_question), resamples, seed)])
    some = left.any(axis=1)
    outside = (left[some] @ by_question) / left[some].sum(axis=1, keepdims=True)
    judged = (chances[some] * outside).sum(axis=1)
    tail = (1 - confidence) / 2
    low, high = (None, None) if len(by_question) < FEW else map(float, np.quantile(judged, [tail, 1 - tail]))
    place = int(np.argmax(own))
    return Winner(place, float(own[place]), chances.mean(axis=0), float(own[place] - judged.mean()), low, high)
