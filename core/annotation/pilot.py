"""What a pilot's labels say of the values that the plan of the main round needs."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from core.annotation import label_table
from core.annotation.label_table import LabelTable
from core.annotation.labels import Label
from core.annotation.study import Study


class Pilot(NamedTuple):
    """What a pilot says of the values that a plan needs. goal -> values; `why`: goal -> where they come from."""

    values: dict[str, dict[str, float]]
    why: dict[str, str]


def from_pilot(study: Study, labels: Sequence[Label]) -> Pilot:
    """Values of a plan, from the pilot's labels; a goal for which these do not suffice is left out."""
    labels = [label for label in labels if label.round == "pilot"]
    values: dict[str, dict[str, float]] = {}
    why: dict[str, str] = {}
    if "sentences" in study.ask and (table := label_table.table(study, labels, "sentences")).values.size:
        _of_sentences(table, values, why)
    if "helpful" in study.ask and (table := label_table.table(study, labels, "helpful")).values.size:
        _of_stars(table, values, why)
    if "preference" in study.ask and (table := label_table.table(study, labels, "preference")).values.size:
        _of_labels(table, 0, values, why, "preferences")
    return Pilot(values, why)


def _of_labels(table: LabelTable, yes: int, values: dict, why: dict, noun: str) -> None:
    """Share of one category, alpha, and the share of the most frequent one."""
    import numpy as np

    from core.statistics.agreement.alpha import alpha
    from core.statistics.agreement.coefficient import estimate

    codes = table.values[~np.isnan(table.values)]
    shares = np.bincount(codes.astype(int), minlength=len(table.categories)) / len(codes)
    agreement = estimate(alpha(table.values, "nominal"), resamples=0).value
    binary = estimate(alpha(np.where(np.isnan(table.values), np.nan, table.values == yes), "nominal"), resamples=0).value
    told = f"{len(codes):,} labels of {len(table.items):,} {noun} in the pilot"
    if binary is not None:
        values["rate"], why["rate"] = {"rate": float(shares[yes]), "alpha": max(binary, 0.0)}, told
    if agreement is not None and shares.max() < 1:
        values["alpha"] = {
            "alpha": float(np.clip(agreement, 0, 0.99)),
            "frequent": float(np.clip(shares.max(), 0.3, 0.95)),
            "categories": max(2, int((shares > 0).sum())),
        }
        why["alpha"] = told


def _of_sentences(table: LabelTable, values: dict, why: dict) -> None:
    """An answer counts as right for an annotator where all its sentences have the label that counts as yes."""
    import numpy as np

    yes = table.categories.index(name := label_table.usual_yes(table.categories))
    _of_labels(table, yes, values, why, "sentences")
    of = [name.rpartition("/")[0] for name in table.items]  # a pair's screen shows two answers
    answers = list(dict.fromkeys(of))
    whole = np.full((len(answers), len(table.annotators)), np.nan)
    for row, answer in enumerate(answers):
        mine = table.values[[place for place, name in enumerate(of) if name == answer]]
        judged = ~np.isnan(mine).any(axis=0)
        whole[row, judged] = (mine[:, judged] == yes).all(axis=0)
    pairs = [(whole[:, a], whole[:, b]) for a, b in combinations(range(whole.shape[1]), 2)]
    same = np.concatenate([a[ok] == b[ok] for a, b in pairs if (ok := ~np.isnan(a + b)).any()] or [np.zeros(0)])
    if not len(same) or np.isnan(whole).all():
        return
    # two annotators who are right with chance a agree with chance a^2 + (1 - a)^2
    accuracy = (1 + np.sqrt(max(2 * same.mean() - 1, 0))) / 2
    if accuracy == 0.5:  # labels of chance tell no rate
        return
    # labels say yes in rate * accuracy + (1 - rate) * (1 - accuracy): errors are taken out, as the power puts them in again
    rate = float(np.clip((np.nanmean(whole) + accuracy - 1) / (2 * accuracy - 1), 0, 1))
    values["difference"] = {
        "rate": round(rate, 3),
        "accuracy": round(float(accuracy), 3),
        "discordant": round(2 * rate * (1 - rate), 3),
    }
    why["difference"] = (
        f"{len(answers):,} answers of the pilot, right where all sentences are {name}, less the errors of "
        f"labels; answers to a question as if independent, {len(same):,} pairs of labels"
    )


def _of_stars(table: LabelTable, values: dict, why: dict) -> None:
    import numpy as np

    from core.statistics.power_difference import means_from_pilot

    if (~np.isnan(table.values).all(axis=1)).sum() < 3:
        return
    means = means_from_pilot(table.values, table.values.shape[1])
    twice = 2**0.5  # of the difference between two answers with independent scores
    values["means"] = {"sd_items": round(max(means.sd_items * twice, 0.1), 2), "sd_label": round(means.sd_label * twice, 2)}
    why["means"] = f"scores of {len(table.items):,} answers of the pilot; two answers to a question as if independent"
