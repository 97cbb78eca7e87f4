"""Two trials by every interval, test and effect size at once: does what is said of them hang on the method?"""

from typing import Any

import numpy as np

from core.errors import WorkbenchError
from core.labs.trials.comparison import Trial, label
from core.labs.trials.left_out import articles
from core.labs.trials.values import recipe_key, scores
from core.statistics.bootstrap import FEW_GROUPS, Interval, intervals, mean_interval, numbered
from core.statistics.bootstrap_test import bootstrap_p
from core.statistics.equivalence import tost
from core.statistics.mcnemar import exact_p
from core.statistics.mean_intervals import bca_interval, t_interval
from core.statistics.paired import paired_difference
from core.statistics.power_difference import smallest_detectable
from core.statistics.signed_rank import cliffs_delta, signed_rank
from core.workbench import Workbench


def every_test(workbench: Workbench, reference: Trial, trial: Trial, metric: str, margin: float = 0.01) -> dict[str, Any]:
    """Trial minus reference, on the questions that both measured; repeats under other seeds as their mean."""
    measured = scores(workbench, [trial, reference], metric)
    if len(measured.recipes) < 2:
        raise WorkbenchError("These are repeats of one recipe.", todo="Choose two recipes.")
    place = [recipe_key(own) for own in measured.recipes].index(recipe_key(trial))
    a, b = measured.values[place], measured.values[1 - place]
    table = rows(a, b, articles(workbench, measured, "article"), measured.rules, margin)
    return {"metric": label(metric, measured.k), "questions": len(a), "methods": table}


def rows(
    a: np.ndarray, b: np.ndarray, articles: list[str], rules: tuple[int, float, int] = (1000, 0.95, 0), margin: float = 0.01
) -> list[dict[str, Any]]:
    """A row a method. a, b: [n] float64 of the same questions, each of an article [n]."""
    (resamples, confidence, seed), d = rules, a - b
    [paired] = paired_difference(a, b, resamples, confidence, seed=seed)
    equal = tost(d, margin, resamples=resamples, seed=seed)
    shares = bool(np.isin(np.concatenate([a, b]), (0, 1)).all())
    p_rank, correlation = signed_rank(d)
    several = f"{int(numbered(articles).max()) + 1:,} articles" if len(articles) else ""
    return [
        _interval(
            "percentile bootstrap" if len(d) >= FEW_GROUPS else "interval of few", intervals(d, resamples, confidence, seed)[0]
        ),
        _interval("BCa bootstrap", bca_interval(d, None, resamples, confidence, seed)),
        _interval("Student's t", t_interval(d, confidence)),
        _interval("bootstrap by document", mean_interval(d, articles, resamples, confidence, seed), several),
        _interval("BCa bootstrap by document", bca_interval(d, articles, resamples, confidence, seed), several),
        _row("sign flips", "all patterns counted" if paired.exact else "", p=paired.p),
        _row("paired bootstrap", p=bootstrap_p(d, seed=seed)),
        _row("paired t", p=equal.p_different),
        _row("Wilcoxon's signed ranks", p=p_rank),
        _row(
            "McNemar", "" if shares else "values are not 0 and 1 alone", p=exact_p(paired.wins, paired.losses) if shares else None
        ),
        _row(f"equivalence within {margin:g}", equal.verdict, equal.difference, equal.low, equal.high, equal.p),
        _row("Cohen's dz", "mean over standard deviation of the differences", paired.effect_size),
        _row("rank-biserial correlation", "by signed ranks, -1 to 1", correlation),
        _row("Cliff's delta", "not paired, -1 to 1", cliffs_delta(a, b)),
        _row("smallest detectable difference", "power 80% at 5%", smallest_detectable(float(d.std(ddof=1)), len(d))),
    ]


def _interval(method: str, interval: Interval, note: str = "") -> dict[str, Any]:
    return _row(method, "; ".join(filter(None, (note, interval.note))), interval.mean, interval.low, interval.high)


def _row(method: str, note: str = "", value: float | None = None, low=None, high=None, p: float | None = None) -> dict[str, Any]:
    return {"method": method, "value": value, "low": low, "high": high, "p": p, "note": note}
