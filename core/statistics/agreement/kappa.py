"""Cohen's kappa for two annotators and Conger's for more: chance by each annotator's own shares.

Choose them where the same few people label (nearly) all items and their habits matter; alpha where many people label
some items each.
"""

import numpy as np

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
