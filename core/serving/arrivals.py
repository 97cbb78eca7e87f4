"""When requests come: moments of an open loop, which do not wait for answers."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from core.errors import WorkbenchError

Arrivals = Literal["poisson", "constant", "bursts", "replay"]
MOST_REQUESTS = 200_000  # each is kept, with its moments


def moments(
    arrivals: Arrivals, rate: float, seconds: float, seed: int = 0, burstiness: float = 0.25, recorded: Sequence[float] = ()
) -> np.ndarray:
    """Seconds from the start, ascending [n] float64, all below `seconds`.

    poisson: gaps are exponential. bursts: they are gamma with shape `burstiness`, so that their squared coefficient of variation is
    1 / burstiness; 1 is Poisson. replay: `recorded` moments, in seconds from any origin, faster or slower so that `rate` is their
    mean; rate 0: as they were. Same seed, same moments. Source of the gamma gaps: vLLM, `bench serve --burstiness`.
    """
    _check(arrivals, rate, seconds, burstiness)
    if arrivals == "replay":
        return _replayed(np.asarray(recorded, np.float64), rate, seconds)
    if arrivals == "constant":
        return np.arange(np.ceil(rate * seconds - 1e-9)) / rate
    shape = 1.0 if arrivals == "poisson" else burstiness
    draw, gaps = np.random.default_rng([seed, 0]), np.zeros(0)
    while gaps.sum() < seconds:
        gaps = np.concatenate([gaps, draw.gamma(shape, 1 / (rate * shape), 64 + int(rate * seconds))])
    at = np.cumsum(gaps)
    return _bounded(at[at < seconds])


def _check(arrivals: Arrivals, rate: float, seconds: float, burstiness: float) -> None:
    for name, value in (("rate", rate), ("seconds", seconds), ("burstiness", burstiness)):
        if not (np.isfinite(value) and value > 0) and not (name == "rate" and value == 0 and arrivals == "replay"):
            raise WorkbenchError(f"The load has {name} {value:g}.", where=f"--{name}", todo="Give a number above 0.")
    if rate * seconds > MOST_REQUESTS:
        raise _too_many(rate * seconds)


def _replayed(recorded: np.ndarray, rate: float, seconds: float) -> np.ndarray:
    if len(recorded) < 2 or not np.isfinite(recorded).all() or np.ptp(recorded) == 0:
        raise WorkbenchError(
            "There are no two moments to replay.", where="--times", todo="Give a file with a number of seconds a line."
        )
    at = np.sort(recorded) - recorded.min()
    if rate:
        at *= (len(at) - 1) / at[-1] / rate
    return _bounded(at[at < seconds])


def _bounded(at: np.ndarray) -> np.ndarray:
    if len(at) > MOST_REQUESTS:
        raise _too_many(len(at))
    if not len(at):
        raise WorkbenchError("No request falls within that time.", where="--seconds", todo="Give more seconds, or a higher rate.")
    return at


def _too_many(number: float) -> WorkbenchError:
    return WorkbenchError(
        f"{number:,.0f} requests are too many to keep.",
        where="--seconds",
        todo=f"Give fewer seconds or a lower rate: up to {MOST_REQUESTS:,} requests a rate.",
    )
