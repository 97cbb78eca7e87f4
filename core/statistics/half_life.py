"""Half-life of use: after how long is a thing used half as often as when it was new?"""

from typing import NamedTuple

import numpy as np

FEWEST = 10  # uses


class HalfLife(NamedTuple):
    """In the unit of the ages. None: no such number: use does not fall, or an end of the interval is unbounded.

    low, high: where the profile likelihood has fallen by half the 95% quantile of chi-squared with one degree of freedom.
    """

    value: float | None
    low: float | None
    high: float | None
    uses: int
    things: int
    note: str = ""


def fitted_half_life(ages: np.ndarray, spans: np.ndarray, confidence: float = 0.95) -> HalfLife:
    """Maximum likelihood from the ages [uses] at which things were used, and how long each thing was watched, spans [things], from new.

    Uses of a thing of age t are a Poisson process of intensity a exp(-kappa t), with a the same for all; the half-life is ln 2 / kappa.
    With a at its maximum for each kappa, the log likelihood is -n ln sum_i (1 - exp(-kappa T_i)) / kappa - kappa sum_j t_j, but for
    constants. What was watched too briefly to be used is thereby counted, not left out. Source: Cox and Lewis 1966, "The statistical
    analysis of series of events", section 3.3; interval as in Cox and Hinkley 1974, "Theoretical statistics", section 9.3. Where few
    things have most uses, uses come in bursts, and the true interval is wider.
    """
    ages, spans = np.asarray(ages, np.float64), np.asarray(spans, np.float64)
    ages, spans = ages[np.isfinite(ages)], spans[spans > 0]
    if len(ages) < FEWEST or not len(spans):
        return HalfLife(None, None, None, len(ages), len(spans), f"fewer than {FEWEST} uses")
    from scipy.optimize import brentq, minimize_scalar  # 0.2 s, which a start need not wait for
    from scipy.special import chdtri

    unit = float(spans.max())
    t, watched = ages.sum() / unit, spans / unit

    def log_likelihood(kappa: float) -> float:
        if abs(kappa) < 1e-9:
            return -len(ages) * np.log(watched.sum()) - kappa * t
        exposed = (-np.expm1(-kappa * watched) / kappa).sum()
        return -len(ages) * np.log(exposed) - kappa * t

    grid = np.concatenate([-np.geomspace(50, 1e-3, 60), np.geomspace(1e-3, 1e5, 160)])
    heights = np.array([log_likelihood(kappa) for kappa in grid])
    top = int(np.argmax(heights))
    around = grid[max(top - 1, 0)], grid[min(top + 1, len(grid) - 1)]
    best = minimize_scalar(lambda kappa: -log_likelihood(kappa), bounds=around, method="bounded", options={"xatol": 1e-7})
    limit = -best.fun - chdtri(1, 1 - confidence) / 2

    def crossed(places: np.ndarray) -> float | None:
        """Where the likelihood falls to the limit, going from the maximum over these points of the grid."""
        before = float(best.x)
        for place in places:
            if log_likelihood(grid[place]) < limit:
                return brentq(lambda kappa: log_likelihood(kappa) - limit, *sorted((before, grid[place])))
            before = grid[place]
        return None

    below = crossed(np.flatnonzero(grid < best.x)[::-1])
    above = crossed(np.flatnonzero(grid > best.x))
    value, high = (np.log(2) * unit / kappa if kappa and kappa > 0 else None for kappa in (float(best.x), below))
    low = np.log(2) * unit / above if above and above > 0 else None
    note = "" if value else "use does not fall with age"
    return HalfLife(value and float(value), low and float(low), high and float(high), len(ages), len(spans), note)
