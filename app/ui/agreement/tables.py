"""Tables and figures of the page, and numbers in words."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.ui import cells, charts
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
        lambda: charts.to_csv(rows),
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


def span(one: Interval | None) -> dict[str, float | None]:
    return {"Low": one and one.low, "High": one and one.high}


def bounds(one: Interval) -> tuple[float, float] | None:
    return None if one.low is None else (one.low, one.high)


def ends(one: Interval) -> str:
    return "" if one.low is None else f"{one.low:.3f} to {one.high:.3f}"


def between(one: Any, sign: bool = False) -> str:
    if one is None or one.low is None:
        return ""
    if sign:
        return f"{one.low:+.3f} to {one.high:+.3f}".replace("-", "−")
    return f"{one.low:.3f} to {one.high:.3f}"


def inside(one: Any) -> str:
    return f" ({between(one)})" if between(one) else ""


def spread(name: str, one: Any) -> dict[str, Any]:
    """A value and its interval, in two columns."""
    value = None if one is None else one.value if hasattr(one, "value") else one.mean
    return {name: value, f"{name}, 95%": between(one)}
