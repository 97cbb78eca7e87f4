"""A figure of the app as a figure of a paper: a plotly mapping in, one of the width of a column out.

Problem: a chart of the screen on paper has type of 5 points, axis titles that are cut, names that end in an ellipsis, and a
grey for text that a printer thins out. Choice: it is laid out anew for its width in millimetres, all type at 8 points, margins
as wide as the text needs, long titles and names on several lines. What would change it: a journal's own template.
"""

import re
import textwrap
from collections import Counter
from copy import deepcopy
from typing import Any

WIDTHS_MM = {"One column": 84, "Two columns": 174}
MM_PX, POINT_PX = 96 / 25.4, 96 / 72  # a browser's pixel is 1/96 inch
FONT_POINTS = 8
FONT_PX = FONT_POINTS * POINT_PX
CHAR_PX, LINE_PX = 0.6 * FONT_PX, 1.3 * FONT_PX  # of a wide font: a narrower one leaves some room
FAMILY = "Helvetica, Arial, 'Liberation Sans', sans-serif"
SERIF = "'Latin Modern Roman', 'CMU Serif', 'Nimbus Roman', 'Times New Roman', 'Liberation Serif', serif"
INK, GRID = "#1a1a1a", "#e3e5e8"
SCREEN_PX = 300  # height of a chart that says none
TALLEST_MM = 200
BESIDE_PX = 12  # of a mark beside others of its name


def size_px(figure: dict[str, Any], width_mm: float, panel: str = "") -> tuple[int, int]:
    """(width, height) in a browser's pixels: flatter where it is wide; as high as its rows where it has names at the left."""
    width, around = round(width_mm * MM_PX), _around_px(figure, round(width_mm * MM_PX))
    if rows := _wrapped_rows(figure, width):
        lines = _text_lines(figure["data"])
        inside = sum(max(19, 4 + LINE_PX * max(1 + text.count("<br>"), lines[name])) for name, text in rows.items())
    if not rows or _named_places(figure):
        least = max(130, (figure["layout"].get("height") or SCREEN_PX) * (0.5 if width_mm < 120 else 0.62))
        inside = max(least, inside, BESIDE_PX * _marks(figure["data"])) if rows else least
    # plotly gives no more than half of the height to what stands around
    around += LINE_PX * bool(panel)
    return width, round(min(max(inside, 1.05 * around) + around, TALLEST_MM * MM_PX))


def _around_px(figure: dict[str, Any], width: int) -> float:
    """What legend, names of lines, numbers and title of the x axis take of the height."""
    layout = figure["layout"]
    title = _wrap(_title(layout.get("xaxis", {})), 0.82 * width / CHAR_PX)
    lines = 1.6 + 1.5 * bool(layout.get("annotations")) + (1.3 + title.count("<br>") if title else 0)
    return 20 * _legend_rows(figure, width) + LINE_PX * lines


def print_style(figure: dict[str, Any], width_mm: float, serif: bool = False, panel: str = "") -> dict[str, Any]:
    """The figure for white paper at this width, whatever theme the page has. serif: type with serifs. panel: a letter in
    the upper left corner."""
    width, height = size_px(figure, width_mm, panel)
    # the title belongs to the caption; the toolbar and its margin to the screen
    dropped = ("title", "modebar", "template", "width", "height", "hovermode", "dragmode", "meta")
    layout = {key: value for key, value in deepcopy(figure["layout"]).items() if key not in dropped}
    data = deepcopy(figure["data"])
    _in_points(layout, ink=True)
    _in_points(data, ink=False)  # numbers in cells keep the colour that is read on the cell's
    axis = {
        "ticks": "",
        "linecolor": INK,
        "tickcolor": INK,
        "ticklen": 3,
        "tickfont": {},
        "gridcolor": GRID,
        "zerolinecolor": INK,
    }
    for name in [key for key in layout if key.startswith(("xaxis", "yaxis"))]:
        scale, across = {**axis, **layout[name]}, name[0] == "x"
        scale |= {"tickfont": {**scale["tickfont"], **_font()}, "automargin": True}
        if scale.get("ticktext"):  # names: the place of the first is no zero
            scale.setdefault("zeroline", False)
        if text := _title(scale):
            low, high = scale.get("domain", (0, 1))
            room = (0.82 * width if across else 0.72 * height * (high - low)) / CHAR_PX
            scale["title"] = {**scale["title"], "text": _wrap(text, room), "standoff": 5 if across else 7, "font": _font()}
        layout[name] = scale
    if rows := _wrapped_rows(figure, width):
        layout["yaxis"] |= {"tickvals": list(rows), "ticktext": list(rows.values()), "tickmode": "array"}
    elif words := _categories(data, "x"):
        room = max(9, 0.8 * width / len(words) / CHAR_PX)
        layout["xaxis"] |= {"tickvals": words, "ticktext": [_wrap(word, room) for word in words], "tickmode": "array"}
    for trace in data:
        if trace.get("name"):
            trace["name"] = _wrap(trace["name"], (0.8 * width - 40) / CHAR_PX)
    legend = layout.get("legend", {})
    if legend.get("y", 1.02) > 1.03:  # above the names of lines
        legend = {**legend, "y": 1 + 1.5 * LINE_PX / (height - _around_px(figure, width))}
    layout |= {
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "font": _font(),
        "legend": {**legend, "font": _font(), "itemwidth": 30},
        "margin": {"l": 4, "r": 10, "t": 6 + LINE_PX * (1.4 * bool(layout.get("annotations")) + bool(panel)), "b": 4},
    }
    if panel:
        place = {"xref": "container", "yref": "container", "x": 0, "y": 1, "xanchor": "left", "yanchor": "top", "pad": {"t": 2}}
        layout["title"] = {"text": f"<b>{panel}</b>", "font": _font(), **place}
    made = {"data": data, "layout": layout}
    return _in_family(made, SERIF) if serif else made


def _title(axis: dict) -> str:
    return (axis.get("title") or {}).get("text") or ""


def _legend_rows(figure: dict[str, Any], width: int) -> int:
    """Lines of the legend, where its entries stand beside each other as far as they fit."""
    rows, used = 1, 0.0
    if not figure["layout"].get("showlegend"):
        return 0
    for trace in figure["data"]:
        if trace.get("name") and trace.get("showlegend", True):
            entry = 46 + CHAR_PX * len(trace["name"])
            rows, used = (rows + 1, entry) if used and used + entry > 0.82 * width else (rows, used + entry)
    return rows


def _font() -> dict[str, Any]:
    return {"size": FONT_PX, "color": INK, "family": FAMILY}


def _in_points(part: Any, ink: bool) -> None:
    """All type in it at 8 points."""
    if isinstance(part, list | tuple):
        for element in part:
            _in_points(element, ink)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key in ("font", "tickfont", "textfont") and isinstance(value, dict):
                value |= _font() if ink else {"size": FONT_PX, "family": FAMILY}
            elif isinstance(value, dict | list | tuple):
                _in_points(value, ink or key == "colorbar")


def _in_family(part: Any, family: str) -> Any:
    if isinstance(part, dict):
        return {key: family if key == "family" else _in_family(value, family) for key, value in part.items()}
    return [_in_family(element, family) for element in part] if isinstance(part, list | tuple) else part


def _wrapped_rows(figure: dict[str, Any], width: int) -> dict[Any, str]:
    """Names at the left, where the y axis has some: as on the screen, or its place -> whole, on as many lines as they need."""
    whole = (figure["layout"].get("meta") or {}).get("whole", {})
    names = _named_places(figure) or {name: whole.get(name, name) for name in _categories(figure["data"], "y")}
    return {place: _wrap(name, 0.42 * width / CHAR_PX) for place, name in names.items()}


def _named_places(figure: dict[str, Any]) -> dict[int, str]:
    """Place along the y axis -> its name, where the names stand at 0, 1, 2 … and marks beside each other at each."""
    axis = figure["layout"].get("yaxis", {})
    names = list(axis.get("ticktext") or ())
    counted = list(axis.get("tickvals") or ()) == list(range(len(names)))
    return dict(enumerate(names)) if counted and not all(map(_number, names)) else {}


def _marks(data: list[dict]) -> int:
    """How many marks stand below each other."""
    return len({place for trace in data if trace.get("type") != "heatmap" for place in trace.get("y") or ()})


def _text_lines(data: list[dict]) -> Counter:
    """Name of a row -> lines of the highest text that is written in it."""
    lines: Counter = Counter()
    for trace in data:
        if "text" in trace.get("mode", "") and isinstance(trace["text"], list):
            lines |= Counter({name: 1 + str(text).count("<br>") for name, text in zip(trace["y"], trace["text"], strict=True)})
    return lines


def _categories(data: list[dict], axis: str) -> list[str]:
    """The words along an axis; [] where it has numbers."""
    values = [value for trace in data if trace.get("type") != "heatmap" for value in trace.get(axis) or ()]
    words = list(dict.fromkeys(value for value in values if value is not None))
    return words if words and all(isinstance(value, str) and not _number(value) for value in words) else []


def _number(text: str) -> bool:
    return re.fullmatch(r"[-+−]?[\d.,]+%?", text.strip()) is not None


def _wrap(text: str, room: float) -> str:
    """On several lines where it is longer, between the parts of a recipe where that is enough; what plotly reads as markup is
    one character each."""
    whole = text.replace("&lt;", "\x01").replace("&gt;", "\x02").replace("&amp;", "\x03").replace("<br>", "\n")
    lines, room = [], max(8, int(room))
    for part in whole.split("\n"):
        pieces = part.split(" · ")
        for number, piece in enumerate(pieces):
            if number and len(lines[-1]) + 3 + len(piece) <= room:
                lines[-1] += f" · {piece}"
            else:
                lines[-1:] = [f"{line} ·" for line in lines[-1:]] if number else lines[-1:]
                lines += textwrap.wrap(piece, room) or [""]
    return "<br>".join(lines).replace("\x03", "&amp;").replace("\x02", "&gt;").replace("\x01", "&lt;")
