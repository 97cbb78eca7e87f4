"""Figures drawn from a table of results: means or differences, with their intervals."""

import html
from typing import Any

from core.errors import WorkbenchError
from core.report.colours import PALETTE
from core.report.differences import zero_line

BESIDE = 0.6  # of a line: the metrics of a recipe stand so far apart, the first on top
SYMBOLS = ("circle", "square", "diamond", "triangle-up")
TITLES = {"means": "Mean, {level:g}% interval", "differences": "Difference from {reference}, {level:g}% interval"}
FIELDS = {"means": ("mean", "low", "high"), "differences": ("difference", "difference_low", "difference_high")}


def drawn(drawing: str, table: Any) -> dict[str, Any]:
    """{"figure": a plotly mapping, "data": its rows} of a table's metrics, a recipe a line; what was not measured is left out."""
    if not (isinstance(table, dict) and "columns" in table):
        raise WorkbenchError(
            "This command answers nothing that could be drawn.", todo="`trials table` does; or add a page's chart."
        )
    value, low, high = FIELDS[drawing]
    columns = [column for column in table["columns"] if "p" in table["rows"][0]["cells"][column["name"]]]
    measured = [row for row in table["rows"] if any(row["cells"][column["name"]].get(value) is not None for column in columns)]
    rows, traces, names = [], [], [row["name"] for row in measured]
    for number, column in enumerate(columns):
        points = [
            {"recipe": row["name"], "measure": column["label"], "value": cell[value], "low": cell[low], "high": cell[high]}
            for row in measured
            if (cell := row["cells"][column["name"]]).get(value) is not None
        ]
        rows += points
        beside = BESIDE * ((number + 0.5) / len(columns) - 0.5)
        colour = PALETTE[number % len(PALETTE)]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": column["label"],
                "x": [point["value"] for point in points],
                "y": [names.index(point["recipe"]) + beside for point in points],
                "marker": {"size": 7, "color": colour, "symbol": SYMBOLS[number % len(SYMBOLS)]},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "color": colour,
                    "array": [None if point["high"] is None else point["high"] - point["value"] for point in points],
                    "arrayminus": [None if point["low"] is None else point["value"] - point["low"] for point in points],
                },
            }
        )
    title = TITLES[drawing].format(level=100 * table["confidence"], reference=table["reference"])
    if len(columns) == 1:  # of several the legend says which
        title = f"{columns[0]['label']}: {title[0].lower()}{title[1:]}"
    title = html.escape(title, quote=False)  # plotly reads markup there
    layout = {
        "xaxis": {"title": {"text": title}},
        "yaxis": {
            "range": [len(names) - 0.5, -0.5],
            "tickvals": list(range(len(names))),
            "ticktext": [html.escape(name, quote=False) for name in names],
        },
        "showlegend": len(traces) > 1,
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
        "shapes": [zero_line()] if drawing == "differences" else [],
    }
    return {"figure": {"data": traces, "layout": layout}, "data": rows}
