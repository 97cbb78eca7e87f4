"""Colours of text against their grounds, computed: 4.5:1 or more (WCAG 2.2, 1.4.3); tests/app/test_appearance_browser.py measures pages."""

import re
import tomllib
from pathlib import Path

import pytest

from app.ui import charts

ROOT = Path(__file__).resolve().parents[2]
THEME = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())["theme"]
CSS = (ROOT / "app/ui/style.css").read_text()
GROUNDS = {theme: [THEME[theme][name] for name in ("backgroundColor", "secondaryBackgroundColor")] for theme in ("light", "dark")}


def rgb(color: str) -> tuple[float, ...]:
    if len(color) == 4:
        color = "#" + "".join(2 * digit for digit in color[1:])
    return tuple(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))


def contrast(a: str | tuple, b: str | tuple) -> float:
    def light(color) -> float:
        linear = [
            v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (rgb(color) if isinstance(color, str) else color)
        ]
        return sum(v * w for v, w in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))

    low, high = sorted((light(a), light(b)))
    return (high + 0.05) / (low + 0.05)


def mixed(color: str, share: float, ground: str) -> tuple[float, ...]:
    return tuple(share * c + (1 - share) * g for c, g in zip(rgb(color), rgb(ground), strict=True))


@pytest.mark.parametrize("theme", GROUNDS)
def test_colours_of_the_theme_can_be_read_on_its_grounds(theme):
    own = THEME[theme]
    for ground in GROUNDS[theme]:
        for name in ("textColor", "blueColor", "greenColor", "orangeColor", "grayColor", "primaryColor"):
            assert contrast(own[name], ground) >= 4.5, (name, ground)
        # heads of tables, which no style sheet reaches: Streamlit draws them with 70% of the text's colour
        assert contrast(mixed(own["textColor"], 0.7, ground), ground) >= 4.5, ground
    fill = "#ffffff" if theme == "light" else "#15181c"
    assert contrast(own["primaryColor"], fill) >= 4.5  # of a button


@pytest.mark.parametrize("name", ["muted", "good", "bad", "accent"])
def test_colours_of_the_style_sheet_can_be_read(name):
    pair = re.search(rf"--gw-{name}: light-dark\((#\w+), (#\w+)\)", CSS).groups()
    for color, theme in zip(pair, GROUNDS, strict=True):
        for ground in GROUNDS[theme]:
            assert contrast(color, ground) >= 4.5, (color, ground)


def test_axes_of_exported_charts_can_be_read():
    assert contrast(charts.MUTED, "#ffffff") >= 4.5
