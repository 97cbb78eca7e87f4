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
    weights, estimates = np.array([share for _, share, _ in parts]), [estimate for *_, estimate in parts]
    refused = "; ".join(f"{name}: {estimate.note}" for name, _, estimate in parts if estimate.value is None)
    value, low, high = _together(weights, [(estimate.value, estimate.low, estimate.high) for estimate in estimates])
    rates = [
        Interval(*_together(weights, [span[:3] for span in rate]), sum(span.n for span in rate), sum(span.total for span in rate))
        for rate in ([estimate.human_only for estimate in estimates], [estimate.machine_only for estimate in estimates])
    ]
    skills = [estimate.skill for estimate in estimates]
    skill = min(skills, key=lambda interval: -np.inf if interval.low is None else interval.low)  # the weakest
    note = refused or "; ".join(dict.fromkeys(estimate.note for estimate in estimates if estimate.note))
    return Corrected(
        first.method,
        value,
        low,
        high,
        *rates,
        skill,
        sum(estimate.n_human for estimate in estimates),
        sum(estimate.n_machine for estimate in estimates),
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
