"""Alerts of an error budget: against the times of the workbook, a plain count at every moment, and planted rates of bad answers."""

import numpy as np
import pytest

from core.statistics.burn_rate import RULES, BurnRule, alert_times, burn_alerts, burn_rate, quality_budget, running_quality_budget
from core.statistics.prediction_powered import prediction_powered

TARGET = 0.999
HOUR, DAY = 3600.0, 86400.0


def traffic(end_s: float, step_s: float, start_s: float, stop_s: float, share: float) -> tuple[np.ndarray, np.ndarray]:
    """An event every step_s; of those of the incident the share is bad, evenly spread."""
    times = np.arange(0, end_s, step_s)
    inside = (times >= start_s) & (times < stop_s)
    bad = np.zeros(len(times))
    bad[inside] = np.diff(np.floor(np.arange(inside.sum() + 1) * share))
    return times, bad


@pytest.mark.parametrize("share, rule, minutes", [(1.0, RULES[0], 0.864), (0.0288, RULES[0], 30.0), (0.012, RULES[1], 180.0)])
def test_the_time_to_an_alert_is_the_workbooks(share, rule, minutes):
    """(1 - target) x window x rate / share of errors; 0.1% for ever spends 5% of the budget in 6 h times 6."""
    start = 2 * DAY
    times, bad = traffic(4 * DAY, 2.0, start, 4 * DAY, share)
    alerts = burn_alerts(times, bad, TARGET, rules=[rule])
    assert len(alerts) == 1 and alerts[0].rule == rule and alerts[0].end_s == np.inf
    expected = (1 - TARGET) * rule.long_s * rule.rate / share
    assert expected == pytest.approx(minutes * 60)
    assert alert_times(alerts, start, 4 * DAY) == (pytest.approx(expected, rel=0.02, abs=4), None)


@pytest.mark.parametrize("rule", RULES)
def test_the_rules_spend_their_share_of_a_budget_of_30_days(rule):
    assert rule.rate * rule.long_s / (30 * DAY) == pytest.approx({14.4: 0.02, 6: 0.05, 1: 0.1}[rule.rate])
    assert rule.short_s == rule.long_s / 12


def test_the_short_window_ends_an_alert_soon():
    times, bad = traffic(3 * DAY, 2.0, DAY, DAY + 1800, 0.5)
    [alert] = burn_alerts(times, bad, TARGET, rules=RULES[:1])
    told = alert_times([alert], DAY, DAY + 1800)
    assert told.detection_s == pytest.approx((1 - TARGET) * HOUR * 14.4 / 0.5, abs=4)
    assert told.reset_s == pytest.approx(300 * (1 - 0.0144 / 0.5), abs=4), "until under 1.44% of the last five minutes are bad"
    alone = burn_alerts(times, bad, TARGET, rules=[BurnRule(14.4, HOUR, HOUR, "page")])
    assert alert_times(alone, DAY, DAY + 1800).reset_s > 3000


def test_scaled_windows_are_the_same_in_a_rehearsal():
    times, bad = traffic(2 * DAY, 10.0, DAY, DAY + HOUR, 0.3)
    real, rehearsal = burn_alerts(times, bad, TARGET), burn_alerts(times / 720, bad, TARGET, scale=1 / 720)
    assert len(real) == len(rehearsal) == 3
    for one, other in zip(real, rehearsal, strict=True):
        assert (other.start_s * 720, other.end_s * 720) == pytest.approx((one.start_s, one.end_s))
        assert other.rule.long_s * 720 == pytest.approx(one.rule.long_s) and other.rule.severity == one.rule.severity


def test_it_is_a_count_at_every_moment():
    rng = np.random.default_rng(1)
    times, bad = np.cumsum(rng.integers(0, 4, 400)) * 1.0, rng.random(400) < np.where(np.arange(400) // 100 % 2, 0.4, 0.02)
    rule = BurnRule(2.0, 60, 5, "page")
    moments = np.arange(0, times[-1] + 1, 0.5)

    def burns(now: float, window: float) -> float:
        inside = (times > now - window) & (times <= now)
        return bad[inside].mean() / 0.1 if inside.any() else 0.0

    for window in (5, 60):
        assert burn_rate(times, bad, 0.9, window, moments) == pytest.approx([burns(now, window) for now in moments])
    alerts = burn_alerts(times, bad, 0.9, rules=[rule])
    assert len(alerts) > 2
    burning = np.array([min(burns(now, 60), burns(now, 5)) >= 2 - 1e-9 for now in moments])
    assert (burning == [any(alert.start_s <= now < alert.end_s for alert in alerts) for now in moments]).all()


def test_an_alert_ends_where_one_still_looks():
    times, bad = np.arange(0.0, 100), np.r_[np.zeros(50), np.ones(50)]
    rule = BurnRule(2.0, 60, 5, "page")
    assert burn_alerts(times, bad, 0.9, rules=[rule])[-1].end_s == np.inf
    assert burn_alerts(times, bad, 0.9, until_s=200, rules=[rule])[-1].end_s == 99 + 5, "nothing came since"
    assert burn_alerts([], [], 0.9) == [] and burn_alerts(times, np.zeros(100), 0.9) == []


def test_an_incident_without_an_alert_has_no_times():
    times, bad = traffic(2 * DAY, 10.0, DAY, DAY + 60, 1.0)
    assert alert_times(burn_alerts(times, bad, 0.9), DAY, DAY + 60) == (None, None)
    alerts = burn_alerts(times, bad, TARGET)
    assert alert_times(alerts, DAY + 30, DAY + 60).detection_s >= 0
    assert alert_times(alerts, 0, DAY / 2) == (None, None)


def answers(n: int, labelled: float, bad: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The judge calls 80% of the bad answers bad, and 10% of the good ones."""
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < bad
    judge = np.where(truth, rng.random(n) < 0.8, rng.random(n) < 0.1)
    return judge * 1.0, np.where(rng.random(n) < labelled, truth * 1.0, np.nan)


@pytest.mark.parametrize("correct", [None, prediction_powered])
def test_the_burn_rate_of_answers_has_the_judges_errors_taken_out(correct):
    more = {"correct": correct} if correct else {"correct": quality_budget.__defaults__[0]}
    told = [quality_budget(*answers(3000, 0.15, 0.05, seed), 0.95, **more) for seed in range(40)]
    assert np.mean([one.low <= 1.0 <= one.high for one in told]) >= 0.9
    assert np.mean([one.burn for one in told]) == pytest.approx(1.0, abs=0.1)
    judged = [answers(3000, 0.15, 0.05, seed)[0].mean() / 0.05 for seed in range(40)]
    assert np.mean(judged) > 2.5, "the judge alone says that the budget is spent more than twice over"
    assert told[0].burn == pytest.approx(told[0].share.value / 0.05)


def test_a_judge_that_is_not_better_than_chance_burns_nothing_measured():
    judge, human = answers(2000, 0.1, 0.1, seed=0)
    told = quality_budget(np.random.default_rng(1).permutation(judge), human, 0.95)
    assert told.burn is None and told.low is None and "refused" in told.share.note


def test_the_running_budget_holds_at_all_looks_together():
    """The interval never widens, so that the last look holds all."""
    told = [running_quality_budget(*answers(1500, 0.2, 0.1, seed), 0.95, 0.2) for seed in range(150)]
    assert np.mean([one.low <= 2.0 <= one.high for one in told]) >= 0.95
    assert np.mean([one.burn for one in told]) == pytest.approx(2.0, abs=0.1)
    widths = [running_quality_budget(*answers(n, 0.2, 0.1, 0), 0.95, 0.2) for n in (500, 2000, 8000)]
    assert widths[0].high > widths[1].high > widths[2].high and widths[2].low > 1.2, "shown to be spent"


def test_of_answers_that_people_all_judged_it_is_their_share():
    judge, human = answers(1000, 1.1, 0.1, seed=0)
    told = running_quality_budget(judge, human, 0.9, 1.0)
    assert told.share.mean == pytest.approx(human.mean()) and told.burn == pytest.approx(human.mean() / 0.1)


@pytest.mark.parametrize(
    "times, bad, target",
    [
        ([1, 0], [0, 0], 0.9),
        ([0, np.nan], [0, 0], 0.9),
        ([0, 1], [0], 0.9),
        ([0], [0.5], 0.9),
        ([0], [np.nan], 0.9),
        ([0], [1], 1.0),
    ],
)
def test_events_that_cannot_be_are_refused(times, bad, target):
    with pytest.raises(ValueError):
        burn_alerts(np.array(times), np.array(bad), target)


def test_verdicts_that_cannot_be_are_refused():
    for judge, human, sampled in (([0.5], [1], 0.5), ([1], [0.5], 0.5), ([1, 0], [1], 0.5), ([1], [1], 0.0)):
        with pytest.raises(ValueError):
            running_quality_budget(np.array(judge), np.array(human), 0.9, sampled)
