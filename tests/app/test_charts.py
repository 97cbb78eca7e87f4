"""Figures say what they were given, in valid plotly; nothing in a label is taken for markup."""

import ast
import csv
import io
from pathlib import Path

import plotly.graph_objects as go
import pytest

from app.ui import cells, charts, dots
from core.report.differences import zero_line

ROOT = Path(__file__).resolve().parents[2]
SCREENS = [*sorted((ROOT / "pages").glob("*.py")), *sorted((ROOT / "app").rglob("*.py"))]


def test_every_kind_of_figure_is_valid_plotly():
    traces = [
        charts.line([1, 2, 3], [0.1, 0.2, 0.3], name="a", low=[0, 0.1, 0.2], high=[0.2, 0.3, 0.4], current=2),
        charts.bars(["x", "y"], {"a": [1, None], "b": [3, 4]}, errors={"a": [(0.5, 1.5), None]}),
        charts.bars(["x"], {"a": [1]}, horizontal=True),
        charts.histogram([1, 2, 2, 9]),
        charts.scatter([1, 2], [3, 4], ids=["p", "q"], current=0),
    ]
    for made in traces:
        shape = charts.figure(made, "x (s)", "y", **charts.mark_line(1, "limit"))
        go.Figure(shape)  # raises on a bad property
        assert shape["layout"]["xaxis"]["separatethousands"] and shape["layout"]["yaxis"]["separatethousands"], (
            "2,000 as in tables"
        )


def test_current_point_is_ringed_where_the_curve_has_it():
    ring = charts.line([1, 2, 3], [0.1, 0.2, 0.3], current=3)[-1]
    assert (ring["x"], ring["y"], ring["marker"]["symbol"]) == ([3], [0.3], "circle-open")
    assert len(charts.line([1, 2, 3], [0.1, 0.2, 0.3], current=2.5)) == 1


def test_what_was_not_measured_is_a_gap():
    y, low, high = [0.1, 0.2, None, 0.4], [0.0, 0.1, None, 0.3], [0.2, 0.3, None, 0.5]
    band, line, ring = charts.line([1, 2, 3, 4], y, low=low, high=high, current=4)
    assert band["x"] == [1, 2, 2, 1]  # it ends at the gap
    assert line["y"] == y and "connectgaps" not in line and ring["x"] == [4]
    assert line["error_y"]["array"] == [None, None, None, pytest.approx(0.1)]  # a point alone shows its interval by itself
    assert len(charts.line([1, 2, 3], [0.1, None, 0.3], current=2)) == 1  # nothing to ring


def test_the_legend_says_what_band_and_ring_are_each_once():
    curves = [
        charts.line([1, 2], [1, 2], low=[0, 1], high=[2, 3], current=2, color=color, name=color) for color in charts.COLORS[:2]
    ]
    for traces, shown in ((curves[0], 1), (curves[0] + curves[1], 2)):
        legend = [t["name"] for t in charts.figure(traces)["data"] if t.get("showlegend", True)]
        assert legend == [*charts.COLORS[:shown], "95% interval", "current setting"]
    assert charts.figure(charts.line([1, 2], [1, 2]))["layout"]["showlegend"] is False  # nothing to explain
    whiskers = charts.figure(dots.marks([dots.Mark("a", 1, 0, 2)], "x")["data"][:1])["data"][-1]
    assert (whiskers["name"], whiskers["marker"]["symbol"]) == ("95% interval", "line-ew")
    spread = [{**charts.scatter([1], [1])[0], "error_x": {}, "meta": "whiskers: quartiles"}]
    assert charts.figure(spread)["data"][-1]["name"] == "quartiles"


def test_a_log_axis_has_ticks_written_out():
    axis = charts.log_axis([0.3, 2, 48, None])
    assert axis["ticktext"] == ["0.5", "1", "2", "5", "10", "20", "50"] and axis["type"] == "log"
    assert charts.log_axis([1, 1e6])["ticktext"] == ["1", "10", "100", "1,000", "10,000", "100,000", "1,000,000"]
    assert charts.log_axis([0, None]) == {}


def test_no_two_of_20_systems_look_alike():
    assert len({charts.look(place) for place in range(20)}) == 20


def test_whiskers_are_distances_to_the_value():
    error = charts.bars(["x"], {"a": [0.9]}, errors={"a": [(0.7, 0.95)]})[0]["error_y"]
    assert error["array"] == pytest.approx([0.05])
    assert error["arrayminus"] == pytest.approx([0.2])


def test_histogram_counts_every_value_once():
    trace = charts.histogram([0, 1, 1, 2, 10], bins=5)[0]
    assert sum(trace["y"]) == 5
    assert trace["y"][0] == 3  # 0, 1, 1 are in [0, 2)


def test_frontier_keeps_exactly_the_points_that_nothing_beats():
    latency, recall = [5, 1, 3, 2, 3], [0.9, 0.5, 0.8, 0.4, 0.7]
    assert charts.frontier(latency, recall) == [1, 2, 0]
    assert charts.frontier([1, 1], [0.5, 0.6]) == [1]  # equal cost: only the better one


def test_rows_whose_names_stand_in_two_lines_are_higher():
    long = "Hybrid convex, k1 2.25, b 0.35, rm3, candidates 60"
    one, two = (dots.marks([dots.Mark(name, 1, 0, 2), dots.Mark("b", 1, 0, 2)], "x")["layout"]["height"] for name in ("a", long))
    assert two >= one + 2 * 8, "else the names of two rows read as one of four lines"


def test_names_are_text_not_markup():
    text = str(charts.figure(charts.line([1], [1], name="<b>x</b>"), "<a href='#'>k</a>"))
    assert "<b>x" not in text and "<a href" not in text


def test_csv_holds_every_column_and_no_formula():
    text = cells.to_csv([{"id": "=HYPERLINK(1)", "a": 1.5}, {"id": "q,2", "b": -3}])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[0] == {"id": "'=HYPERLINK(1)", "a": "1.5", "b": ""}
    assert rows[1] == {"id": "q,2", "a": "", "b": "-3"}  # a negative number stays a number
    assert cells.to_csv([{"=1+1": "\tx", "@a": "+b"}]) == "'=1+1,'@a\n'\tx,'+b\n"


def test_on_dark_ground_nothing_sinks_and_no_two_series_share_a_colour():
    values = ["#0072B2", "rgba(0,114,178,0.5)", "a, b"]  # data stay as they are, whatever they look like
    drawn = charts.line([1, 2, 3], [1, 2, 3], low=[0, 1, 2], high=[2, 3, 4], name="#767676")
    chart = charts.figure([*drawn, {"type": "bar", "x": values, "y": [1, 2, 3], "text": values}], **charts.mark_line(1, "wanted"))
    dark = charts.shaded(chart)
    band, line, bar, sample = dark["data"]
    assert line["line"]["color"] == line["marker"]["color"] == "#56B4E9" and band["fillcolor"] == "rgba(86,180,233,0.16)"
    assert (
        dark["layout"]["shapes"][0]["line"]["color"] == "#A4A9B0"
        and bar["x"] == bar["text"] == values
        and line["name"] == "#767676"
    )
    assert sample["name"] == "95% interval" and sample["marker"]["color"] == band["fillcolor"]
    assert chart["data"][1]["line"]["color"] == "#0072B2"  # what is exported
    assert len({charts.DARK[color] for color in (*charts.COLORS, charts.BASELINE)}) == 7
    assert charts.shaded(zero_line())["line"]["color"] == charts.DARK[charts.INK]  # of a paper's figure, shown on the same ground
    go.Figure(dark)


@pytest.mark.parametrize("path", SCREENS, ids=lambda path: path.name)
def test_every_chart_gives_the_command_that_prints_its_numbers(path):
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    drawn = [call for call in calls if ast.unparse(call.func) == "charts.show"]
    commands = [next((word.value for word in call.keywords if word.arg == "command"), ast.Constant("")) for call in drawn]
    assert not [call.lineno for call, command in zip(drawn, commands, strict=True) if getattr(command, "value", True) == ""]


def test_of_an_interval_that_is_open_at_one_end_no_band_is_drawn():
    """As of a 99th percentile of few requests: the band would run along the other ends, below the line."""
    band, line, *_ = charts.line([1, 2, 3, 4], [5, 6, 7, 8], low=[4, 5, 6, 7], high=[6, 7, None, None])
    assert band["x"] == [1, 2, 2, 1] and band["y"] == [6, 7, 5, 4] and line["y"] == [5, 6, 7, 8] and "error_y" not in line
    [line] = charts.line([1, 2], [5, 6], low=[4, 5], high=[None, None])
    assert line["y"] == [5, 6] and "meta" not in line
    band, line = charts.line([1, 2, 3, 4], [5, 6, 7, 8], low=[4, 5, 6, 7], high=[6, 7, None, 9])
    assert line["error_y"]["array"][3] == 1 and len(band["x"]) == 4, "a point alone has whiskers"
