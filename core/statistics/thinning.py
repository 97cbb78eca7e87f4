"""How a ranking loses as its corpus grows: fewer documents thin out what stands above the evidence, question by question.

In a random share s of a corpus each chunk that ranks above a question's evidence is there with the chance s. So of a question above whose
evidence Poisson(r) chunks stand in the whole, Poisson(s r) do in the share; with rates r that follow a gamma distribution over questions
their number is negative binomial, of the same shape and s times the mean (Greenwood and Yule 1920). A metric that gives a rank its gain has
the mean A sum_b gain(b) P(b above): A is what is lost with nothing above, shape and mean are fitted to the means of samples over a grid, by
the binomial quasi-likelihood, which is right for means between 0 and 1 and wide for those of graded values (Papke and Wooldridge 1996,
"Econometric methods for fractional response variables"). The interval is the profile of the whole's mean by a likelihood ratio, and
the scatter of the whole's own questions with it.
"""

from collections.abc import Sequence

import numpy as np

from core.statistics.growth import FEWEST, Growth

SHAPES = np.logspace(-2, 1, 46)  # small: questions differ much in how many chunks stand above
MEANS = np.logspace(-3, 6, 121)  # chunks above in the whole
PARAMETERS = 3
EDGE = 1e-6  # a mean is no nearer to 0 or 1


def thinned(
    shares: Sequence[float], y: np.ndarray, counts: Sequence[float], gains: np.ndarray, whole: float, confidence: float = 0.95
) -> list[Growth]:
    """shares [samples] of the corpus, 0 to 1; y [samples, metrics] means over counts [samples] questions; gains [metrics, k]: of ranks 1 to
    k, below it is 0; whole: questions of the whole corpus, whose mean of each metric is told. Raises ValueError for fewer than FEWEST
    samples, or than 3 shares."""
    shares, y, counts = (np.asarray(each, np.float64) for each in (shares, y, counts))
    if len(y) < FEWEST or len(np.unique(shares.round(3))) < PARAMETERS:
        raise ValueError(f"a curve needs {FEWEST} samples of {PARAMETERS} shares")
    from scipy.special import chdtri, xlogy  # 0.1 s, which a start need not wait for

    curves = _above(np.append(shares, 1.0), gains.shape[1]) @ gains.T  # [shapes, means, samples + 1, metrics]
    here, weights = curves[..., :-1, :], counts[:, None]
    reached = (weights * y * here).sum(axis=-2) / np.maximum((weights * here**2).sum(axis=-2), 1e-12)
    fitted = np.clip(np.minimum(reached, 1.0)[..., None, :] * curves, EDGE, 1 - EDGE)
    here, wholes = fitted[..., :-1, :], fitted[..., -1, :]
    deviance = 2 * (weights * (xlogy(y, y / here) + xlogy(1 - y, (1 - y) / (1 - here)))).sum(axis=(-1, -2))
    best = np.unravel_index(deviance.argmin(), deviance.shape)
    pearson = (weights * (y - here[best]) ** 2 / (here[best] * (1 - here[best]))).sum(axis=0).max()
    bound = chdtri(1, 1 - confidence) * max(1.0, pearson / max(1, len(y) - PARAMETERS))  # questions may hang together
    told = []
    for metric, value in enumerate(wholes[best].tolist()):
        allowed = wholes[..., metric][deviance <= deviance[best] + bound]
        noise = np.sqrt(bound * value * (1 - value) / whole)
        low, high = value - np.hypot(value - allowed.min(), noise), value + np.hypot(allowed.max() - value, noise)
        told.append(Growth(value, float(low), float(high), 0.0, (0.0, 0.0)))
    return told


def _above(shares: np.ndarray, most: int) -> np.ndarray:
    """Chances [shapes, means, shares, most] of 0 to most - 1 chunks above, by a negative binomial number."""
    from scipy.special import gammaln

    shape, above = SHAPES[:, None, None, None], np.arange(most)
    mean = MEANS[:, None, None] * shares[:, None]  # [means, shares, 1]
    log = gammaln(above + shape) - gammaln(shape) - gammaln(above + 1) + shape * np.log(shape / (shape + mean))
    return np.exp(log + above * np.log(mean / (shape + mean)))
