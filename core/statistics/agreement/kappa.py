"""Cohen's kappa for two annotators and Conger's for more: chance by each annotator's own shares.

Choose them where the same few people label (nearly) all items and their habits matter; alpha where many people label
some items each.
"""

import numpy as np
from scipy.special import ndtri

from core.statistics.agreement.coefficient import Coefficient, divided
from core.statistics.agreement.ratings import counts, weights


def cohen(values: np.ndarray, categories: int, weighting: str = "identity") -> Coefficient:
    """values [items, 2]; items that either has not labelled are left out. Undefined where both always say the same one thing.

    Source: Cohen 1960, "A coefficient of agreement for nominal scales"; weighted: Cohen 1968.
    """
    if values.shape[1] != 2:
        raise ValueError("Cohen's kappa is of two annotators; Conger's is of more")
    both = ~np.isnan(values).any(axis=1)
    kappa = conger(values[both], categories, weighting)
    return kappa._replace(name=kappa.name.replace("Conger", "Cohen"), rows=np.flatnonzero(both))


def conger(values: np.ndarray, categories: int, weighting: str = "identity") -> Coefficient:
    """The mean chance agreement of all pairs of annotators, each drawing from the own shares.

    Missing labels: shares over the items that an annotator labelled (Gwet 2014).
    Source: Conger 1980, "Integration and generalization of kappas for multiple raters".
    """
    table, w = counts(values, categories), weights(categories, weighting)
    labels = table.sum(axis=1)
    paired = labels >= 2
    credit = (table * (table @ w - 1)).sum(axis=1) / np.where(paired, labels * (labels - 1), 1)
    votes = (values[:, :, None] == np.arange(categories)).astype(np.float64)  # [items, annotators, q]
    shape = votes.shape[1:]
    contributions = np.column_stack([np.where(paired, credit, 0), paired, votes.reshape(len(values), shape[0] * shape[1])])

    def value(sums: np.ndarray) -> np.ndarray:
        each = sums[..., 2:].reshape(*sums.shape[:-1], *shape)  # [..., annotators, q]
        own = np.nan_to_num(divided(each, each.sum(axis=-1, keepdims=True)))  # 0 for an annotator without labels
        people = (each.sum(axis=-1) > 0).sum(axis=-1)
        pooled = own.sum(axis=-2)  # all ordered pairs of two different annotators:
        crossed = ((pooled @ w) * pooled).sum(axis=-1) - ((own @ w) * own).sum(axis=(-2, -1))
        chance = divided(crossed, people * (people - 1.0))
        return divided(divided(sums[..., 0], sums[..., 1]) - chance, 1 - chance)

    name = "Conger's kappa" if weighting == "identity" else f"Conger's kappa, {weighting} weights"
    return Coefficient(name, contributions, value, int(paired.sum()), int(labels[paired].sum()))


def cohen_asymptotic(values: np.ndarray, categories: int, confidence: float = 0.95) -> tuple[float, float] | None:
    """Large-sample interval of the unweighted kappa, for comparison with published ones. None where undefined.

    Source: Fleiss, Cohen and Everitt 1969, "Large sample standard errors of kappa and weighted kappa".
    """
    both = values[~np.isnan(values).any(axis=1)].astype(np.int64)
    n = len(both)
    if n == 0:
        return None
    shares = np.bincount(both[:, 0] * categories + both[:, 1], minlength=categories**2).reshape(categories, -1) / n
    rows, columns, agreed = shares.sum(axis=1), shares.sum(axis=0), np.trace(shares)
    chance = rows @ columns
    if 1 - chance < 1e-12:
        return None
    kappa = (agreed - chance) / (1 - chance)
    margins = np.add.outer(columns, rows)  # [k, l]: the second's share of k and the first's of l
    diagonal = np.diag(shares) @ (1 - np.diag(margins) * (1 - kappa)) ** 2
    beside = (1 - kappa) ** 2 * ((shares - np.diag(np.diag(shares))) * margins**2).sum()
    variance = (diagonal + beside - (kappa - chance * (1 - kappa)) ** 2) / (n * (1 - chance) ** 2)
    half = float(ndtri((1 + confidence) / 2) * np.sqrt(max(variance, 0)))
    return float(kappa - half), float(kappa + half)
