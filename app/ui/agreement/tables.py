"""Tables and figures of the page, and numbers in words."""

from typing import Any

from app.ui import charts, tables
from core.agreement.views import View
from core.report.table import MEAN, SIGNED, Table
from core.report.table import between as within
from core.statistics.bootstrap import Interval


def table(made: Table) -> None:
    """A table whose first column stays where the others scroll; there may be a hundred annotators in it."""
    tables.draw(made, f"table/{made.name}", rows=12, pinned=True, placeholder="")


def figure(view: View, shape: charts.Figure, name: str, *, command: str, **more: Any) -> None:
    """A chart whose file is named by its study too: a paper may have several."""
    study = view.source.study
    charts.show(shape, f"{study.id}-{name}" if study else name, key=name, command=command, **more)


def span(interval: Interval | None) -> dict[str, float | None]:
    return {"Low": interval and interval.low, "High": interval and interval.high}


def bounds(interval: Interval) -> tuple[float, float] | None:
    return None if interval.low is None else (interval.low, interval.high)


def between(interval: Any, sign: bool = False) -> str:
    return "" if interval is None else within(interval.low, interval.high, SIGNED if sign else MEAN)


def inside(interval: Any) -> str:
    return f" ({between(interval)})" if between(interval) else ""


def spread(name: str, estimate: Any) -> dict[str, Any]:
    """A value and its interval, in two columns."""
    value = None if estimate is None else estimate.value if hasattr(estimate, "value") else estimate.mean
    return {name: value, f"{name}, 95%": between(estimate)}
