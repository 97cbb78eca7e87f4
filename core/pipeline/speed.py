"""How long encoding takes, told as a range from what the same encoder did before on this machine.

Texts are weighed by their length, for a speed in texts a second measured on questions says little about chunks. Loading
the model is measured apart: on a small corpus it is most of the wait.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

TOKEN_CHARACTERS = 5  # rough: what counts is that long texts weigh more than short ones
FIXED_TOKENS = 10  # of a text, whatever its length: batching, pooling, storing
TIMED_TEXTS = 100  # encoding fewer says nothing about the speed
LOADED_S = 0.1  # a model that came sooner was loaded before
KEPT = 5  # runs from which an estimate is made
SPREAD = 1.25  # what a machine's other work makes of the next run
UNSURE = 1.6  # the same where fewer than three runs are known


class Estimate(NamedTuple):
    """Seconds, from the fastest and the slowest run seen."""

    low: float
    high: float


class Run(NamedTuple):
    """What encoding took: seconds for so much work, without those in which the model was loaded."""

    texts: int
    work: float
    seconds: float
    load_s: float


def weights(texts: Sequence[str], max_tokens: int | None) -> np.ndarray:
    """What encoding each text costs, in tokens about [num_texts] float64; beyond `max_tokens` nothing is read."""
    lengths = np.fromiter((len(text) for text in texts), np.float64, len(texts)) / TOKEN_CHARACTERS
    return FIXED_TOKENS + (lengths if max_tokens is None else np.minimum(lengths, max_tokens))


def noted(record: dict | None, run: Run) -> dict:
    """The record of an encoder's speed with one more run."""
    record = record or {}
    runs = [*record.get("runs", []), [run.work, run.seconds]][-KEPT:]
    loads = [*record.get("loads", []), *([run.load_s] if run.load_s > LOADED_S else [])][-KEPT:]
    return {"texts_per_s": run.texts / run.seconds, "runs": runs, "loads": loads}


def estimate(record: dict | None, work: float) -> Estimate | None:
    """Seconds for so much work in a process that has to load the model first, as a job has; None before the first run."""
    runs = (record or {}).get("runs")
    if not runs or not work:
        return None
    rates = [done / seconds for done, seconds in runs]
    loads, spread = record.get("loads", []), SPREAD if len(runs) > 2 else UNSURE
    low, high = work / max(rates) + min(loads, default=0.0), work / min(rates) + max(loads, default=0.0)
    return Estimate(low / spread, high * spread)
