"""Tables and figures of the page, and numbers in words."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.ui import cells, charts
from app.ui.tables import minus
from core.agreement.views import View
from core.statistics.bootstrap import Interval

NUMBER, TEXT = st.column_config.NumberColumn, st.column_config.TextColumn
THREE = NUMBER(format="%.3f", width=74)
SIGNED = NUMBER(format="%+.3f", width=74)
COUNT = NUMBER(format="localized", width=64)


def table(rows: Sequence[Mapping], name: str, looks: Mapping[str, Any], **options: Any) -> Any:
    """A table that can be downloaded as CSV."""
    height = "content" if len(rows) <= 12 else 420
    event = cells.show(
        list(rows), hide_index=True, key=f"table/{name}", column_config=dict(looks), height=height, placeholder="", **options
    )
    st.download_button(
        "CSV",
        lambda: cells.to_csv(rows),
        f"{name}.csv",
        "text/csv",
        key=f"csv/{name}",
        on_click="ignore",
        icon=":material/download:",
        type="tertiary",
    )
    return event


def figure(view: View, shape: charts.Figure, name: str, *, command: str, **more: Any) -> None:
    """A chart whose file is named by its study too: a paper may have several."""
    study = view.source.study
    charts.show(shape, f"{study.id}-{name}" if study else name, key=name, command=command, **more)


def span(interval: Interval | None) -> dict[str, float | None]:
    return {"Low": interval and interval.low, "High": interval and interval.high}


def bounds(interval: Interval) -> tuple[float, float] | None:
    return None if interval.low is None else (interval.low, interval.high)


def ends(interval: Interval) -> str:
    return "" if interval.low is None else minus(f"{interval.low:.3f} to {interval.high:.3f}")


def between(interval: Any, sign: bool = False) -> str:
    if interval is None or interval.low is None:
        return ""
    if sign:
        return f"{interval.low:+.3f} to {interval.high:+.3f}".replace("-", "−")
    return minus(f"{interval.low:.3f} to {interval.high:.3f}")


def inside(interval: Any) -> str:
    return f" ({between(interval)})" if between(interval) else ""


def spread(name: str, estimate: Any) -> dict[str, Any]:
    """A value and its interval, in two columns."""
    value = None if estimate is None else estimate.value if hasattr(estimate, "value") else estimate.mean
    return {name: value, f"{name}, 95%": between(estimate)}
