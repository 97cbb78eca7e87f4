"""The editor's gate: whether an answer may go out, is to be written again, or is given up."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from core.progress import counted

ACCEPT, REVISE, REJECT, UNDECIDED = "accept", "revise", "reject", "undecided"
DIMENSIONS = ("technical_accuracy", "calibration", "completeness", "clarity")
LEAST = {"technical_accuracy": 3.0, "calibration": 3.0}
LEAST_MEAN = 3.25
MOST_REVISIONS = 3


class GateDecision(NamedTuple):
    verdict: str
    reasons: tuple[str, ...]  # why it is not accepted


def gate(means: Mapping[str, float], confident_hallucination: bool, revisions: int, not_borne_out: int = 0) -> GateDecision:
    """Accepted are technical accuracy and calibration of at least 3, a mean of all four of at least 3.25, and no confident
    hallucination. What fails is to be revised, after three revisions rejected. An unmeasured rating leaves it undecided.

    means: by dimension, 1 to 5. revisions: how often the answer was written again so far. not_borne_out: sentences, however hedged, of what
    is published only if its evidence bears out each.
    """
    absent = [name for name in DIMENSIONS if math.isnan(means.get(name, math.nan))]
    if absent:
        return GateDecision(UNDECIDED, (f"unmeasured: {_words(', '.join(absent))}",))
    mean = sum(means[name] for name in DIMENSIONS) / len(DIMENSIONS)
    reasons = [f"{_words(name)} {means[name]:.3g}, below {least:g}" for name, least in LEAST.items() if means[name] < least]
    if mean < LEAST_MEAN:
        reasons.append(f"mean {mean:.3g}, below {LEAST_MEAN:g}")
    if confident_hallucination:
        reasons.append("a confident hallucination")
    if not_borne_out and not reasons:
        reasons.append(f"{counted(not_borne_out, 'sentence')} not borne out")
    if not reasons:
        return GateDecision(ACCEPT, ())
    if revisions >= MOST_REVISIONS:
        return GateDecision(REJECT, (*reasons, f"{revisions} revisions, no more than {MOST_REVISIONS} are made"))
    return GateDecision(REVISE, tuple(reasons))


def _words(name: str) -> str:
    return name.replace("_", " ")
