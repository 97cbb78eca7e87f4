"""Type of a figure's PDF is embedded and none of it is Type 3, with serifs as without; converted letters keep their places."""

import io

import pytest
from fontTools.ttLib import TTFont

from core.report import figures, outlines
from tests.support.small_paper import CHART

LATIN_MODERN = outlines.installed("Latin Modern Roman")
needs_font = pytest.mark.skipif(
    not LATIN_MODERN.endswith(".otf"), reason="no Latin Modern on this machine (Debian: fonts-lmodern)"
)


@pytest.mark.slow
@pytest.mark.skipif(not figures.find_browser(), reason="no Chrome or Chromium on this machine")
@pytest.mark.parametrize("serif", [True, False])
def test_a_figures_type_is_embedded_and_none_is_type_3(serif):
    fonts = figures.pdf_fonts(figures.export(CHART, "pdf", serif=serif, panel="a"))
    assert len(fonts) >= 1 + serif and set(fonts.values()) == {"TrueType"}
    if serif and LATIN_MODERN:
        assert any("LMRoman" in name for name in fonts)


@pytest.mark.slow
@needs_font
def test_a_converted_letter_has_the_width_and_nearly_the_extent_of_its_own():
    own, made = TTFont(LATIN_MODERN), TTFont(io.BytesIO(outlines.truetype(LATIN_MODERN, "é −")))
    assert made.sfntVersion == "\x00\x01\x00\x00" and "CFF " not in made and "glyf" in made
    assert set(map(ord, "AZaz09é−")) <= made.getBestCmap().keys() and ord("ß") not in made.getBestCmap()
    theirs, ours = own.getGlyphSet(), made.getGlyphSet()
    for letter in "AgQ8é":
        name, before = made.getBestCmap()[ord(letter)], own.getBestCmap()[ord(letter)]
        assert ours[name].width == theirs[before].width
        bounds = [glyph_bounds(glyphs, glyph) for glyphs, glyph in ((ours, name), (theirs, before))]
        assert bounds[0] == pytest.approx(bounds[1], abs=2)


def glyph_bounds(glyphs, name):
    from fontTools.pens.boundsPen import BoundsPen

    pen = BoundsPen(glyphs)
    glyphs[name].draw(pen)
    return pen.bounds


@needs_font
def test_the_page_takes_the_first_installed_family_and_nothing_for_truetype():
    css = outlines.faces("'No such family', 'Latin Modern Roman', serif", "Text")
    assert css.count("@font-face") == 2 and "font-weight: bold" in css and "'Latin Modern Roman'" in css
    assert outlines.faces("'No such family'", "") == "" == outlines.installed("--version") == outlines.installed("x'; } @import")
    if outlines.installed("DejaVu Sans"):
        assert outlines.faces("'DejaVu Sans', 'Latin Modern Roman'", "Text") == ""
    assert outlines.truetype(__file__, "") == outlines.truetype("/no/such/file", "") == b""
