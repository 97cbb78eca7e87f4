"""Dawid and Skene's model: the true labels and each annotator's habits, estimated together.

Choose it over the majority where annotators differ in skill or confuse certain categories, and each has labelled some
dozens of items; the majority where there are few labels, as it assumes nothing. With two labels an item nobody can tell
which of the two errs: abilities and error rates then have no estimate, and no label of a disagreement is the likelier one.
"""

from typing import NamedTuple

import numpy as np

TWO = "no item has three labels, and from two nobody can tell which of them errs"
_TINY = 1e-300  # log of an impossible label


class DawidSkene(NamedTuple):
    posteriors: np.ndarray  # [items, q]: probability of each true label; NaN for items without labels
    labels: np.ndarray  # [items] float64: the most probable one; NaN without labels
    priors: np.ndarray  # [q]: shares of the true labels
    confusion: np.ndarray  # [annotators, q true, q given]; NaN where the annotator met no such item
    ability: np.ndarray  # [annotators]: chance of a right label on an item drawn by the priors; NaN: not identified
    log_likelihoods: tuple[float, ...]  # after each step; never falling
    converged: bool


def identified(values: np.ndarray) -> bool:
    """Do the labels [items, annotators] tell abilities at all? Only where some item has three.

    From pairs alone each annotator's share of a label and each pair's covariance are known, and for every share of the true
    labels there are error rates that give just these. Source: Lazarsfeld and Henry 1968, "Latent structure analysis",
    chapter 2 (two classes need three observed variables).
    """
    return bool(((~np.isnan(values)).sum(axis=1) >= 3).any())


def dawid_skene(
    values: np.ndarray, categories: int, starts: int = 5, steps: int = 500, tolerance: float = 1e-6, seed: int = 0
) -> DawidSkene:
    """values [items, annotators] codes, NaN = missing. See `fit`."""
    items, annotators = np.nonzero(~np.isnan(values))
    codes = values[items, annotators].astype(np.int64)
    return fit(items, annotators, codes, (*values.shape, categories), starts, steps, tolerance, seed)


def fit(
    items: np.ndarray,
    annotators: np.ndarray,
    codes: np.ndarray,
    shape: tuple[int, int, int],
    starts: int = 5,
    steps: int = 500,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> DawidSkene:
    """The same from one row a label [labels] each; an annotator may label an item several times.

    Expectation maximisation from the shares of each item's labels, then from `starts` - 1 disturbed ones, of which the
    most likely is kept: the likelihood has several maxima. Labels are taken as independent given the true one.
    Source: Dawid and Skene 1979, "Maximum likelihood estimation of observer error-rates using the EM algorithm",
    equations 2.3 to 2.5 and 3.1.
    """
    n, _, q = shape
    votes = np.bincount(items * q + codes, minlength=n * q).reshape(n, q).astype(np.float64)
    labelled = votes.sum(axis=1) > 0
    rng = np.random.default_rng(seed)
    best = None
    for start in range(starts):
        # disturbed only a little, so that class k stays the class that people call k
        noise = rng.dirichlet(np.ones(q), n) * (0.5 if start else 0)
        model = _climbed(items, annotators, codes, shape, _shared(votes + noise), labelled, steps, tolerance)
        if best is None or model.log_likelihoods[-1] > best.log_likelihoods[-1] + tolerance:
            best = model
    return best


def _climbed(items, annotators, codes, shape, posteriors, labelled, steps, tolerance) -> DawidSkene:
    history, converged = [], False
    for _ in range(steps):
        priors, confusion = _maximised(items, annotators, codes, shape, posteriors, labelled)
        posteriors, likelihood = _expected(items, annotators, codes, shape, priors, confusion, labelled)
        history.append(likelihood)
        converged = len(history) > 1 and history[-1] - history[-2] < tolerance
        if converged:
            break
    posteriors = np.where(labelled[:, None], posteriors, np.nan)
    labels = np.where(labelled, np.nan_to_num(posteriors, nan=-1).argmax(axis=1), np.nan)
    met = confusion.sum(axis=2) > 0  # [annotators, q true]
    right = np.where(met, np.diagonal(confusion, axis1=1, axis2=2), 0)
    weight = np.where(met, priors, 0).sum(axis=1)
    told = (weight > 0) & (np.bincount(items, minlength=1).max() >= 3)
    ability = np.divide((right * priors).sum(axis=1), weight, out=np.full(len(weight), np.nan), where=told)
    confusion = np.where(met[:, :, None], confusion, np.nan)
    return DawidSkene(posteriors, labels, priors, confusion, ability, tuple(history), converged)


def _maximised(items, annotators, codes, shape, posteriors, labelled) -> tuple[np.ndarray, np.ndarray]:
    """Equations 2.3 and 2.4: shares of the classes, and what each annotator calls each class."""
    _, people, q = shape
    cell = annotators * q + codes
    counts = np.stack([np.bincount(cell, posteriors[items, k], people * q).reshape(people, q) for k in range(q)], axis=1)
    priors = posteriors[labelled].mean(axis=0) if labelled.any() else np.full(q, 1 / q)
    return priors, _shared(counts)


def _expected(items, annotators, codes, shape, priors, confusion, labelled) -> tuple[np.ndarray, float]:
    """Equation 2.5: probability of each class for each item, and the log-likelihood of all labels."""
    n, _, q = shape
    each = np.log(np.maximum(confusion, _TINY))[annotators, :, codes]  # [labels, q]
    joint = np.stack([np.bincount(items, each[:, k], n) for k in range(q)], axis=1) + np.log(np.maximum(priors, _TINY))
    top = joint.max(axis=1, keepdims=True)
    total = np.exp(joint - top).sum(axis=1, keepdims=True)
    return np.exp(joint - top) / total, float((top + np.log(total))[labelled].sum())


def _shared(table: np.ndarray) -> np.ndarray:
    total = table.sum(axis=-1, keepdims=True)
    return np.divide(table, total, out=np.zeros(table.shape), where=total > 0)
