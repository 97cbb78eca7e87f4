"""Error budgets and how fast they burn: alerts over two windows, how soon they come and go, and a budget of unfaithful answers.

Source: Beyer, Murphy, Rensin, Kawahara and Thorne 2018, "The site reliability workbook", chapter 5, "Alerting on SLOs", section 6.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from core.statistics.anytime import anytime_interval
from core.statistics.bootstrap import LEVEL, Interval
from core.statistics.corrected import Corrected
from core.statistics.rogan_gladen import rogan_gladen


class BurnRule(NamedTuple):
    """Alerts while the burn rate is at least `rate` over both windows; the short one ends the alert soon after the incident."""

    rate: float
    long_s: float
    short_s: float
    severity: str


# of a budget of 30 days they spend 2, 5 and 10% before they alert
RULES = (BurnRule(14.4, 3600, 300, "page"), BurnRule(6, 6 * 3600, 1800, "page"), BurnRule(1, 3 * 86400, 6 * 3600, "ticket"))


class BurnAlert(NamedTuple):
    rule: BurnRule  # with its windows as scaled
    start_s: float
    end_s: float  # infinite: it burns to the end of what is looked at


class AlertTimes(NamedTuple):
    """Seconds; None: no alert, or none that ended."""

    detection_s: float | None  # from the incident's start to its first alert
    reset_s: float | None  # from the incident's end to the end of its last alert


class QualityBudget(NamedTuple):
    """share: of bad answers. burn, low, high: that share over the budget, 1 - target; None where refused, as the share's note says."""

    share: Corrected | Interval
    burn: float | None
    low: float | None
    high: float | None


def burn_rate(times_s: np.ndarray, bad: np.ndarray, target: float, window_s: float, at_s: np.ndarray) -> np.ndarray:
    """Share of bad events over the budget 1 - target, of the window that ends at each of at_s [m]; its end belongs to it, its start
    does not. times_s [n] ascending, bad [n] 1 or 0. 0 where no event came. A rate of 1 spends the budget within its period.
    """
    times_s, bad = _events(times_s, bad, target)
    sums = np.concatenate([[0.0], np.cumsum(bad)])
    last = np.searchsorted(times_s, at_s, side="right")
    first = np.searchsorted(
        times_s + window_s, at_s, side="right"
    )  # the sums that `burn_alerts` looks at, not their rounded differences
    return (sums[last] - sums[first]) / np.maximum(last - first, 1) / (1 - target)


def burn_alerts(
    times_s: np.ndarray,
    bad: np.ndarray,
    target: float,
    scale: float = 1.0,
    until_s: float | None = None,
    rules: Sequence[BurnRule] = RULES,
) -> list[BurnAlert]:
    """Every alert of the events times_s [n] ascending, bad [n] 1 or 0, in the order of their starts.

    scale: of the windows; 1 / 720 is a rehearsal in which an hour takes five seconds. until_s: when one looks; None: at the last event.
    Exact: a burn rate changes only where an event comes into a window or falls out of it.
    """
    times_s, bad = _events(times_s, bad, target)
    until_s = times_s[-1] if until_s is None and len(times_s) else until_s
    alerts = []
    for rule in (rule._replace(long_s=rule.long_s * scale, short_s=rule.short_s * scale) for rule in rules):
        at = np.unique(np.concatenate([times_s, times_s + rule.long_s, times_s + rule.short_s]))
        at = at[at <= until_s] if len(at) else at
        rates = [burn_rate(times_s, bad, target, window, at) for window in (rule.long_s, rule.short_s)]
        burning = np.minimum(*rates) >= rule.rate * (1 - 1e-12)
        edges = np.diff(np.concatenate([[0], burning, [0]]))
        starts, ends = at[edges[:-1] == 1], np.append(at, np.inf)[edges == -1]
        alerts += [BurnAlert(rule, float(start), float(end)) for start, end in zip(starts, ends, strict=True)]
    return sorted(alerts, key=lambda alert: alert.start_s)


def alert_times(alerts: Sequence[BurnAlert], start_s: float, end_s: float) -> AlertTimes:
    """How soon an incident from start_s to end_s was told by an alert that burnt at some time of it, and how soon the last of those
    ended after it; 0 where one burnt already, or ended before."""
    own = [alert for alert in alerts if alert.start_s <= end_s and alert.end_s > start_s]
    if not own:
        return AlertTimes(None, None)
    reset = max(0.0, max(alert.end_s for alert in own) - end_s)
    return AlertTimes(max(0.0, own[0].start_s - start_s), reset if np.isfinite(reset) else None)


def quality_budget(
    judge: np.ndarray, human: np.ndarray, target: float, correct: Callable[..., Corrected] = rogan_gladen
) -> QualityBudget:
    """Burn rate of answers that the judge calls bad: judge [n] 1 or 0; human [n] the same by people, NaN where none judged.

    correct: `rogan_gladen`, or `prediction_powered` where people judged a random sample. The interval holds for one look.
    """
    judge, human = _verdicts(judge, human, target)
    judged = ~np.isnan(human)
    share = correct(judge[~judged], judge[judged], human[judged])
    return QualityBudget(share, *_over(share.value, share.low, share.high, 1 - target))


def running_quality_budget(
    judge: np.ndarray, human: np.ndarray, target: float, sampled: float, confidence: float = LEVEL
) -> QualityBudget:
    """The same while answers come in: the interval holds at all looks together. judge and human [n] in the order of the answers.

    sampled: the chance with which each answer went to people, drawn for each by itself. An answer counts judge + (human - judge) / sampled
    where people judged it and judge where not; its expectation is the share of bad answers whatever the judge is worth (augmented inverse
    probability weighting: Robins, Rotnitzky and Zhao 1994), and `anytime_interval` is that of its mean (as Waudby-Smith, Wu, Ramdas,
    Karampatziakis and Mineiro 2024, "Anytime-valid off-policy inference for contextual bandits", do it).
    """
    judge, human = _verdicts(judge, human, target)
    if not 0 < sampled <= 1:
        raise ValueError(f"the share that people judge has to lie above 0 and at most at 1, not at {sampled}")
    values = judge + np.where(np.isnan(human), 0.0, (human - judge) / sampled)
    share = anytime_interval(values, 1 - 1 / sampled, 1 / sampled, confidence)
    mean, low, high = (None if bound is None else min(max(bound, 0.0), 1.0) for bound in share[:3])
    return QualityBudget(share._replace(mean=mean, low=low, high=high), *_over(mean, low, high, 1 - target))


def _over(value: float | None, low: float | None, high: float | None, budget: float) -> list[float | None]:
    return [None if each is None else each / budget for each in (value, low, high)]


def _events(times_s: np.ndarray, bad: np.ndarray, target: float) -> tuple[np.ndarray, np.ndarray]:
    times_s = np.asarray(times_s, np.float64)
    if np.isnan(times_s).any() or (np.diff(times_s) < 0).any():
        raise ValueError("the times of the events have to ascend")
    return times_s, _shares(bad, len(times_s), target)


def _verdicts(judge: np.ndarray, human: np.ndarray, target: float) -> tuple[np.ndarray, np.ndarray]:
    human = np.asarray(human, np.float64)
    if not np.isin(human[~np.isnan(human)], (0, 1)).all():
        raise ValueError("people's verdicts have to be 1 or 0, NaN where nobody judged")
    return _shares(judge, len(human), target), human


def _shares(bad: np.ndarray, n: int, target: float) -> np.ndarray:
    bad = np.asarray(bad, np.float64)
    if not 0 <= target < 1:
        raise ValueError(f"the target is a share of good events below 1, not {target}")
    if len(bad) != n or not np.isin(bad, (0, 1)).all():
        raise ValueError(f"{n} events need as many values of 1 (bad) or 0")
    return bad
