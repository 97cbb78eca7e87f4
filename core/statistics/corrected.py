"""The rate of all answers from few human and many machine labels: the result that the methods share."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.statistics.bootstrap import Interval


class Corrected(NamedTuple):
    """None: refused or undefined, for the reason in `note`; with a value, the note is a caution."""

    method: str
    value: float | None
    low: float | None
    high: float | None
    human_only: Interval  # from the human labels alone
    machine_only: Interval  # from the machine's labels alone: precise, and wrong by the machine's bias
    skill: Interval  # of the machine against people; at 0 it is no better than chance
    n_human: int
    n_machine: int  # items that only the machine has labelled
    note: str = ""


def combined(parts: Sequence[tuple[str, float, Corrected]]) -> Corrected:
    """(name, share of all items, estimate) of each stratum, to an estimate of all. Refused where one of them is.

    The distances of the bounds from the estimates add up in squares (Zou and Donner 2008, "Construction of confidence
    limits about effect measures: a general approach").
    """
    first = parts[0][2]
    if len(parts) == 1:
        return first
    weights, found = np.array([share for _, share, _ in parts]), [one for *_, one in parts]
    refused = "; ".join(f"{name}: {one.note}" for name, _, one in parts if one.value is None)
    value, low, high = _together(weights, [(one.value, one.low, one.high) for one in found])
    rates = [
        Interval(*_together(weights, [one[:3] for one in rate]), sum(one.n for one in rate), sum(one.total for one in rate))
        for rate in ([one.human_only for one in found], [one.machine_only for one in found])
    ]
    skill = min((one.skill for one in found), key=lambda one: -np.inf if one.low is None else one.low)  # the weakest
    note = refused or "; ".join(dict.fromkeys(one.note for one in found if one.note))
    return Corrected(
        first.method,
        value,
        low,
        high,
        *rates,
        skill,
        sum(one.n_human for one in found),
        sum(one.n_machine for one in found),
        note,
    )


def _together(weights: np.ndarray, spans: Sequence[tuple]) -> tuple[float | None, float | None, float | None]:
    """Mean of values with bounds. None where one has none."""
    if any(None in span for span in spans):
        return None, None, None
    value, low, high = np.array(spans, float).T
    mean = float(weights @ value)
    return (
        mean,
        float(mean - np.sqrt((weights**2) @ (value - low) ** 2)),
        float(mean + np.sqrt((weights**2) @ (high - value) ** 2)),
    )
