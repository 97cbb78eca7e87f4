"""Labels as an array [items, annotators], NaN where there is none: how often each category, and what two are worth."""

import numpy as np


def counts(values: np.ndarray, categories: int) -> np.ndarray:
    """How many annotators gave each category to each item: [items, categories] float64."""
    items, annotators = np.nonzero(~np.isnan(values))
    codes = values[items, annotators]
    if len(codes) and ((codes != np.floor(codes)).any() or codes.min() < 0 or codes.max() >= categories):
        raise ValueError(f"labels have to be codes 0 to {categories - 1}")
    flat = items * categories + codes.astype(np.int64)
    return np.bincount(flat, minlength=len(values) * categories).reshape(len(values), categories).astype(np.float64)


def weights(categories: int, weighting: str) -> np.ndarray:
    """Partial credit [q, q] for two labels: 1 on the diagonal, falling with the distance of the codes.

    identity: none but equal labels. linear: 1 - |k - l| / (q - 1). quadratic: 1 - (k - l)² / (q - 1)².
    Source: Cohen 1968, "Weighted kappa"; Gwet 2014, "Handbook of inter-rater reliability".
    """
    distance = np.abs(np.subtract.outer(np.arange(categories), np.arange(categories))) / max(categories - 1, 1)
    return {"identity": (distance == 0).astype(float), "linear": 1 - distance, "quadratic": 1 - distance**2}[weighting]
