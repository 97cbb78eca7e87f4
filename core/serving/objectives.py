"""Objectives of a service (SLOs) from its spans: requests that are answered, and in time, their error budgets and how fast they burn."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from core.errors import WorkbenchError
from core.report.table import COUNT, DAY_TIME, ONE, PERCENT, TWO, Column, Table
from core.serving.request_trace import LEFT, REFUSED
from core.serving.served import ServedRequest, served_requests
from core.statistics.burn_rate import RULES, burn_alerts, burn_rate
from core.workbench import Workbench

TARGET, SLO_MS = 0.99, 5000.0
DAYS = 30.0  # of which the budget is
OWN_FAULT = (LEFT, 401, 404, 422)  # statuses that the client alone decides


def objectives(
    workbench: Workbench, name: str = "", path: str = "", target: float = TARGET, slo_ms: float = SLO_MS
) -> list[dict[str, Any]]:
    """A row an objective and pair of windows: how fast the last 30 days' budget burns now, and the alerts that it raised. An answer is good
    with status 200, and good in time within slo_ms; what the client alone decides counts as neither, nor what was turned away at the door.
    path: of the requests that count; "": of all.

    Source: as `core.statistics.burn_rate`.
    """
    if not 0 <= target < 1:
        raise WorkbenchError(f"A target of {target:g} has no budget.", where="--target", todo="Give a share below 1.")
    asked = [
        each
        for each in served_requests(workbench, DAYS * 24, name)
        if each.path != REFUSED and each.status not in OWN_FAULT and path in ("", each.path)
    ]
    return [row for objective, events in _events(asked, slo_ms) for row in _burning(objective, events, target)]


def objectives_table(rows: Sequence[dict[str, Any]], target: float, slo_ms: float) -> Table:
    columns = (
        Column("objective", width=110, help=f"answered: status 200; in time: of those, within {slo_ms:g} ms."),
        Column("requests", format=COUNT, help=f"Of {DAYS:g} days."),
        Column("good", format=PERCENT, direction=1),
        Column("used", "Budget used", PERCENT, f"Bad ones over the {1 - target:.2%} of all that may be.", direction=-1),
        Column("long_h", "Long window (h)", ONE),
        Column("long_burn", "Burns there", TWO, "1: the budget lasts just its 30 days.", direction=-1),
        Column(
            "short_burn", "Burns in the short", TWO, "A twelfth of the long window; it ends the alert soon after the incident."
        ),
        Column("rate", "Alerts from", ONE, "Where it burns so fast in both windows."),
        Column("burning", "Alert now"),
        Column("severity", width=80),
        Column("alerts", format=COUNT, help=f"Of {DAYS:g} days."),
        Column("last", "Last alert", DAY_TIME, width=110),
    )
    return Table("objectives", columns, rows, "Error budgets", f"target {target:.2%}, {slo_ms:g} ms")


def _events(asked: Sequence[ServedRequest], slo_ms: float) -> Iterator[tuple[str, np.ndarray]]:
    """An objective, and its requests [n, 2]: seconds since 1970, and 1 where it was bad."""
    times, ok = np.array([each.start_s for each in asked]), np.array([each.status == 200 for each in asked], bool)
    late = np.array([each.ms > slo_ms for each in asked], bool)
    yield "answered", np.column_stack([times, ~ok])
    yield "in time", np.column_stack([times, late])[ok]


def _burning(objective: str, events: np.ndarray, target: float) -> Iterator[dict[str, Any]]:
    (times, bad), now = events.T, time.time()
    share = float(bad.mean()) if len(bad) else None
    alerts = burn_alerts(times, bad, target, until_s=now)
    for rule in RULES:
        burns = [float(burn_rate(times, bad, target, window, np.array([now]))[0]) for window in (rule.long_s, rule.short_s)]
        own = [alert for alert in alerts if alert.rule == rule]
        yield {
            "objective": objective,
            "requests": len(bad),
            "good": None if share is None else 1 - share,
            "used": None if share is None else share / (1 - target),
            "long_h": rule.long_s / 3600,
            "long_burn": burns[0],
            "short_burn": burns[1],
            "rate": rule.rate,
            "burning": bool(own) and own[-1].end_s == np.inf,  # by the one rounding that the alerts have
            "severity": rule.severity,
            "alerts": len(own),
            "last": datetime.fromtimestamp(own[-1].start_s, UTC) if own else None,
        }
