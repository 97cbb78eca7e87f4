"""The waterfall of a trace and the usual one of many, as plotly draws them."""

from itertools import combinations

import plotly.graph_objects as go
import pytest

from app.ui import charts
from app.ui.serving import waterfall
from core.report.colours import APART, MACHADO, distance
from core.serving.conventions import KINDS
from core.serving.traces import percentile_waterfall, waterfalls
from tests.support.requests import request, span


def parts(figure):
    figure = go.Figure(figure).to_dict()  # plotly takes it
    [bars] = [trace for trace in figure["data"] if trace["type"] == "bar"]
    lines = [trace for trace in figure["data"] if trace.get("mode") == "lines"]
    return figure, bars, lines


def test_bars_begin_and_end_with_their_spans_and_the_critical_path_is_marked():
    figure, bars, [path] = parts(waterfall.figure(waterfalls(request())))
    assert figure["layout"]["yaxis"]["ticktext"] == ["request", "queue", "retrieval", "sparse", "dense", "rerank", "model"]
    assert bars["base"] == [0, 0, 1, 1, 1, 7, 17] and bars["x"] == [68, 1, 6, 4, 6, 10, 50]
    assert bars["text"][-1] == "50.0 ms, 74%" and "waited for 0.000 ms" in bars["hovertext"][3]
    assert path["x"] == [0, 1, None, 1, 7, None, 7, 17, None, 17, 67, None, 67, 68, None]
    assert [round(y) for y in path["y"][::3]] == [1, 4, 5, 6, 0] and "shapes" not in figure["layout"]
    scale, kinds = dict(bars["marker"]["colorscale"]), list(waterfall.SHADES)
    drawn = [scale[number / 6] for number in bars["marker"]["color"]]
    assert (
        drawn == [waterfall.SHADES[kind] for kind in ("other", "queue", *["retrieval"] * 3, "reranking", "model")]
        and len(kinds) == 7
    )


def test_a_logarithmic_axis_begins_before_the_first_that_begins_later():
    spans = [span(1, 1, 0, "whole", 0, 1000), span(1, 2, 1, "short", 0.5, 0.6), span(1, 3, 1, "late", 500, 1000)]
    figure, bars, _ = parts(waterfall.figure(waterfalls(spans), logarithmic=True))
    assert figure["layout"]["xaxis"]["type"] == "log" and bars["base"] == [0.25, 0.5, 500]
    assert [base + length for base, length in zip(bars["base"], bars["x"], strict=True)] == pytest.approx([1000, 0.6, 1000])


def test_ten_thousand_spans_are_one_trace_of_bars_without_names():
    spans = [span(1, 1, 0, "whole", 0, 10_000), *(span(1, n, 1, "<b>part</b>", n - 1, n, "tool") for n in range(2, 10_001))]
    figure, bars, _ = parts(waterfall.figure(waterfalls(spans)))
    assert len(bars["base"]) == 10_000 and len(figure["data"]) == 4 and "text" not in bars
    assert figure["layout"]["yaxis"]["showticklabels"] is False and "&lt;b&gt;part" in bars["hovertext"][1]


def test_the_usual_waterfall_has_bars_of_medians_and_whiskers_to_the_95th_percentile():
    falls = waterfalls([each for t in range(1, 102) for each in request(t, model=float(t))])
    figure, bars, _ = parts(waterfall.percentile_figure(percentile_waterfall(falls)))
    assert figure["layout"]["yaxis"]["ticktext"][-1] == "model" and bars["x"][-1] == 51 and bars["base"][-1] == 17
    assert bars["error_x"]["array"][-1] == 45 and any(t.get("name") == "to the 95th percentile" for t in figure["data"])
    assert parts(waterfall.percentile_figure(percentile_waterfall(falls), logarithmic=True))[1]["base"][0] > 0


def test_a_trace_without_length_is_drawn():
    figure, bars, _ = parts(waterfall.figure(waterfalls([span(1, 1, 0, "nothing", 0, 0)])))
    assert bars["x"] == [0] and figure["layout"]["xaxis"]["range"] == [0, 1]
    parts(waterfall.figure(waterfalls([span(1, 1, 0, "nothing", 0, 0)]), logarithmic=True))


@pytest.mark.parametrize("seen", [*MACHADO, "grey"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_kinds_tell_apart_in_grey_and_for_the_colour_blind_and_from_the_ground(seen, theme):
    assert waterfall.SHADES.keys() == KINDS.keys()
    shades = waterfall.SHADES | {"ground": charts.GROUND}
    if theme == "dark":
        shades = charts.shaded(shades)
    assert {
        pair: distance(*map(shades.get, pair), seen)
        for pair in combinations(shades, 2)
        if distance(*map(shades.get, pair), seen) < (APART if "ground" not in pair else APART / 2)
    } == {}
