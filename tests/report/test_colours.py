"""One colour for a system, and the pairs of colours that some readers cannot tell apart."""

import numpy as np
import pytest

from core.report import colours
from tests.support.small_paper import CHART


@pytest.mark.parametrize("seen", colours.MACHADO)
def test_grey_is_seen_as_grey_by_everybody(seen):
    for level in ("#000000", "#808080", "#FFFFFF"):
        assert colours.simulated(level, seen) == pytest.approx(colours.simulated(level, ""), abs=2e-3)


def test_colours_of_the_table_of_machado_and_of_cie():
    # red under protanopia: the first column of the matrix, what lies outside of the screen's colours cut off
    assert colours.simulated("#FF0000", "protanopia").tolist() == pytest.approx([0.152286, 0.114503, 0], abs=1e-6)
    # CIELAB of sRGB's primaries and white, as published for D65
    for colour, expected in [
        ("#FFFFFF", (100, 0, 0)), ("#FF0000", (53.24, 80.09, 67.20)), ("#0000FF", (32.30, 79.19, -107.86)), ("#000000", (0, 0, 0)),
    ]:  # fmt: skip
        assert colours.lab(colours.simulated(colour, "")) == pytest.approx(np.array(expected), abs=0.05)


def lines(first: str, second: str, dash: str = "solid") -> dict:
    pairs = [("a", first, "solid"), ("b", second, dash)]
    return {"data": [{"name": name, "line": {"color": colour, "dash": how}} for name, colour, how in pairs], "layout": {}}


def test_pairs_that_look_alike_are_named_with_who_sees_them_so():
    [pair] = colours.alike(lines("#E69F00", "#56B4E9"))  # orange and sky are one grey
    assert (pair.first, pair.second, pair.seen) == ("a", "b", "grey") and pair.distance < 1
    seen = {pair.seen for pair in colours.alike(lines("#C00000", "#305000"))}  # red and a dark green
    assert "protanopia" in seen
    assert not colours.alike(lines("#E69F00", "#56B4E9", "dash")) and not colours.alike(lines("#0072B2", "#E69F00"))


def test_no_two_colours_of_the_palette_look_alike_to_the_colour_blind():
    pairs = [(a, b) for i, a in enumerate(colours.PALETTE) for b in colours.PALETTE[:i]]
    assert min(colours.distance(a, b, seen) for a, b in pairs for seen in colours.MACHADO) > colours.APART


def test_a_system_has_its_colour_in_line_band_and_points():
    band = {
        "legendgroup": "rrf",
        "name": "95% interval",
        "meta": "band",
        "fillcolor": "rgba(0, 114, 178, 0.16)",
        "showlegend": False,
    }
    figure = {**CHART, "data": [band, *CHART["data"]]}
    made = colours.recoloured(figure, {"rrf": "#009E73"})
    assert made["data"][0]["fillcolor"] == "rgba(0, 158, 115, 0.16)" and made["data"][1]["line"]["color"] == "#009E73"
    assert made["data"][2] == CHART["data"][1] and figure["data"][1]["line"]["color"] == "#0072B2"


def test_systems_keep_their_colours_over_figures():
    first = colours.with_new({}, CHART)
    assert first == {"rrf": "#0072B2", "convex": "#E69F00"}
    other = {"data": [{"name": "bm25", "line": {"color": "#0072B2"}}, {"name": "rrf", "line": {"color": "#E69F00"}}]}
    assert colours.with_new(first, other) == {**first, "bm25": "#009E73"}
    for odd in ({}, {"data": [{"name": "a", "line": {"color": 3}}, {"name": "b", "marker": {"color": [1, 2]}}]}):
        assert colours.systems(odd) == {} and not colours.alike(odd)
