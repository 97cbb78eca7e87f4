"""Paired differences as a figure: a line an interval, beside the zero that says no difference."""

from collections.abc import Mapping
from typing import Any

from core.report.print_style import INK
from core.statistics.paired import Paired

BLUE = "#0072B2"  # Okabe and Ito's, as on the screen


def zero_line() -> dict[str, Any]:
    """A plotly shape: where there is no difference."""
    return {
        "type": "line",
        "x0": 0,
        "x1": 0,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"color": INK, "width": 1, "dash": "dot"},
    }


def differences_figure(differences: Mapping[str, Paired], x: str = "Difference of means, 95% interval") -> dict[str, Any]:
    """name -> its difference, in this order from the top, as a plotly mapping; one that is undefined is left out."""
    drawn = {name: paired for name, paired in differences.items() if paired.difference is not None}
    points = {
        "type": "scatter",
        "mode": "markers",
        "x": [paired.difference for paired in drawn.values()],
        "y": list(drawn),
        "marker": {"size": 8, "color": BLUE},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [None if paired.high is None else paired.high - paired.difference for paired in drawn.values()],
            "arrayminus": [None if paired.low is None else paired.difference - paired.low for paired in drawn.values()],
            "color": BLUE,
        },
    }
    layout = {"xaxis": {"title": {"text": x}}, "yaxis": {"autorange": "reversed"}, "shapes": [zero_line()], "showlegend": False}
    return {"data": [points], "layout": layout}
