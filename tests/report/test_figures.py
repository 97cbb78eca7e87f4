"""Exported pictures are the ones asked for: format, width in millimetres, type of 8 points, and the text of this figure, whole."""

import re
import zipfile
import zlib
from functools import cache
from io import BytesIO
from xml.etree import ElementTree

import psutil
import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject

from app.ui import charts, dots, export
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.papers.drawings import drawn
from core.report import figures
from core.report.caption import caption, escape, interval_method, latex
from core.report.print_style import FONT_PX, print_style, size_px

needs_browser = pytest.mark.skipif(not figures.find_browser(), reason="no Chrome or Chromium on this machine")
LONG = "Share of the candidates that stay after the first retrieval and are reranked"


def a_chart(name: str) -> dict:
    """Two curves with bands, one with the current setting ringed, under a title longer than a column is wide."""
    x, y = [1, 2, 3], [0.5, 0.7, 0.8]
    band = {"low": [v - 0.1 for v in y], "high": [v + 0.1 for v in y]}
    one = charts.line(x, y, name=name, **band, current=2)
    return charts.figure(one + charts.line(x, [0.4, 0.5, 0.6], name="other", **band, color=charts.BASELINE), LONG, "Recall@k")


def differences(names: list[str]) -> dict:
    rows = [dots.Mark(name, 0.1 * i, 0.1 * i - 0.2, 0.1 * i + 0.2, *charts.look(i)) for i, name in enumerate(names)]
    return dots.marks(rows, "Difference in nDCG@10", lines=[(0.0, "")])


def type_sizes(page) -> set[float]:
    found = set()
    page.extract_text(
        visitor_text=lambda text, cm, tm, font, size: (
            found.add(round(size * abs(tm[3] or tm[1]) * abs(cm[3] or cm[1]), 1)) if text.strip() else None
        )
    )
    return found


@pytest.mark.slow
@needs_browser
def test_a_pdf_has_the_width_of_a_page_and_type_of_8_points_and_all_its_text():
    pdf, width_mm = figures.export(a_chart("lynx"), "pdf", 174, "Recall <by> depth", "What it shows."), 174
    file = PdfReader(BytesIO(pdf))
    [page] = file.pages
    assert float(page.mediabox.width) * 25.4 / 72 == pytest.approx(width_mm, abs=0.05)
    assert type_sizes(page) == {8.0}
    text = page.extract_text().replace("\ufb01", "fi").replace("\n", " ")  # fonts join f and i
    for words in (LONG, "Recall@k", "lynx", "other", "95% interval", "current setting"):
        assert words in text
    assert (file.metadata.title, file.metadata.subject, file.metadata.creator) == (
        "Recall <by> depth",
        "What it shows.",
        "Groundwork",
    )
    assert b"aleido" not in pdf
    assert b"/Subtype /Image" not in pdf and b"/Subtype/Image" not in pdf
    drawn = b"".join(_inflated(pdf))
    assert len(re.findall(rb"\bl\b|\bc\b", drawn)) > 20  # line and curve operators, not a bitmap


@pytest.mark.slow
@needs_browser
def test_names_of_systems_are_whole_on_paper_though_cut_on_the_screen():
    names = [
        f"recursive 128 tokens, overlap 32 · mean of all tokens, float32 · bm25s, k1 0.9, b 0.4 · convex, weight 0.{i}"
        for i in range(3)
    ]
    shape = differences(names)
    assert all("…" in name for name in shape["data"][0]["y"])
    svg = figures.export(shape, "svg", 84).decode()
    drawn = " ".join(text for one in ElementTree.fromstring(svg).iter() if (text := (one.text or "").strip()))
    for name in names:
        assert name in drawn
    assert "95% interval" in drawn and 'width="84.00mm"' in svg
    assert f"font-size: {FONT_PX:g}"[:18] in svg


@pytest.mark.slow
@needs_browser
def test_png_says_the_resolution_at_which_it_is_as_wide_as_asked_for():
    png = figures.export(a_chart("otter"), "png", 84)
    pixels = int.from_bytes(png[16:20], "big")
    at = png.index(b"pHYs")
    assert zlib.crc32(png[at : at + 13]) == int.from_bytes(png[at + 13 : at + 17], "big")
    assert 1000 * pixels / int.from_bytes(png[at + 4 : at + 8], "big") == pytest.approx(84, abs=0.1)
    assert pixels > 84 / 25.4 * 500


@pytest.mark.slow
@needs_browser
def test_the_zip_for_latex_holds_figure_caption_data_and_recipe():
    config = TrialConfig()
    text = caption(
        "Recall by depth", "n 260, 95% intervals", interval_method(config), config, "python -m core run --set a=1", a_chart("x")
    )
    made = export.whole(a_chart("x"), "recall", 84, "Recall by depth", text, [{"k": 1, "recall": 0.5}], config)
    with zipfile.ZipFile(BytesIO(made)) as archive:
        assert sorted(archive.namelist()) == [f"recall.{end}" for end in ("csv", "pdf", "tex", "txt", "yaml")]
        assert archive.read("recall.pdf").startswith(b"%PDF-") and archive.read("recall.csv") == b"k,recall\n1,0.5\n"
        assert archive.read("recall.txt").decode().strip() == text
        tex = archive.read("recall.tex").decode()
    assert r"\includegraphics[width=84mm]{recall.pdf}" in tex and r"\label{fig:recall}" in tex
    for words in (
        "python-reference, all questions",
        "k = 10",
        "95% intervals",
        "1,000 resamples",
        "Wilson",
        "Ring: the current setting",
    ):
        assert words in text
    assert r"95\% intervals" in tex and r"\texttt{python -m core run -{}-set a=1}" in tex


@cache
def of_a_paper(kind: str) -> bytes:
    return figures.export(a_chart("lynx"), kind, 84, "Recall", "What", serif=True, panel="b")


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_the_same_figure_is_the_same_bytes(kind):
    assert of_a_paper(kind) == of_a_paper.__wrapped__(kind)


@needs_browser
@pytest.mark.slow
def test_a_figure_of_a_paper_has_its_width_its_fonts_inside_and_its_letter():
    pdf, width_mm = of_a_paper("pdf"), 84
    assert figures.pdf_faults(pdf, width_mm) == []
    assert "mm wide" in figures.pdf_faults(pdf, width_mm - 1)[0]
    page = PdfReader(BytesIO(pdf)).pages[0]
    assert page.extract_text().split().count("b") == 1 and type_sizes(page) == {8.0}
    fonts = {name for font in page["/Resources"]["/Font"].values() for name in [font.get_object().get("/Subtype")]}
    assert fonts <= {"/Type0", "/Type3"}


def test_a_font_that_is_not_in_the_file_is_a_fault():
    writer = PdfWriter()
    page = writer.add_blank_page(100, 100)
    font = {NameObject("/Subtype"): NameObject("/Type1"), NameObject("/BaseFont"): NameObject("/Helvetica")}
    fonts = DictionaryObject({NameObject("/F"): DictionaryObject(font)})
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    made = BytesIO()
    writer.write(made)
    assert figures.pdf_faults(made.getvalue(), 100 * 25.4 / 72) == ["the font /Helvetica is not in it"]


@needs_browser
@pytest.mark.slow
def test_a_png_has_the_dots_that_were_asked_for():
    png = figures.export(a_chart("otter"), "png", 84, dpi=300)
    assert int.from_bytes(png[16:20], "big") == pytest.approx(
        84 / 25.4 * 300, abs=4
    )  # whole pixels of the screen, three times as many


def test_type_with_serifs_and_a_letter_are_laid_out():
    plain, made = print_style(a_chart("a"), 84), print_style(a_chart("a"), 84, serif=True, panel="c")
    assert "Latin Modern" in str(made) and "Helvetica" not in str(made) and "Latin Modern" not in str(plain)
    named = print_style({"data": [], "layout": {"yaxis": {"tickvals": [0], "ticktext": ["a"]}, "xaxis": {}}}, 84)["layout"]
    assert named["yaxis"]["zeroline"] is False and "zeroline" not in named["xaxis"]
    assert made["layout"]["title"]["text"] == "<b>c</b>" and "title" not in plain["layout"]
    assert size_px(a_chart("a"), 84, "c")[1] > size_px(a_chart("a"), 84)[1]


def test_what_latex_reads_as_its_own_is_escaped():
    assert escape("50% of a_b & {c} #1 ~ ^ \\ − · – …") == (
        r"50\% of a\_b \& \{c\} \#1 \textasciitilde{} \textasciicircum{} \textbackslash{} $-$ $\cdot$ -- \dots{}"
    )
    assert escape("a - b -- c --- d ----") == "a - b -{}- c -{}-{}- d -{}-{}-{}-"  # two together are a dash
    assert "Computed by" not in latex("x", 84, "No command.") and r"\begin{figure*}" in latex("x", 174, "Over both columns.")
    assert r"\texttt{core --a=1,\allowbreak{}2}".replace("--", "-{}-") in latex("x", 84, "Shown. Computed by: core --a=1,2")
    long = latex("x", 84, f"Shown. Computed by: python -m core trials compare-with {'0' * 26} --metric ndcg_linear")
    assert "  % Computed by: python -m core trials compare-with 000" in long and r"\caption{Shown.}" in long


def test_on_paper_all_type_is_of_8_points_and_the_title_goes_to_the_caption():
    shape = differences([f"system {i}" for i in range(9)])
    shape["layout"]["title"] = {"text": "Title"}
    shape["layout"] |= charts.mark_line(0.1, "all: 0.100", vertical=True)
    made = print_style(shape, 84)["layout"]
    sizes = re.findall(r"'size': ([\d.]+)", str({key: made[key] for key in ("xaxis", "yaxis", "legend", "font", "annotations")}))
    assert set(map(float, sizes)) == {FONT_PX} and "title" not in made
    assert shape["layout"]["annotations"][0]["font"]["size"] == 11  # the screen's figure stays as it was
    few, many = (size_px(differences([f"s{i}" for i in range(n)]), 84)[1] for n in (2, 12))
    assert many > few + 120


def test_a_row_is_as_high_as_the_text_that_is_written_in_it():
    def rows(text):
        words = {"type": "scatter", "mode": "markers+text", "x": [0] * 8, "y": list("abcdefgh"), "text": [text] * 8}
        return {"data": [words], "layout": {}}

    assert size_px(rows("a<br>b<br>c"), 84)[1] > size_px(rows("a"), 84)[1] + 150


def results(recipes: list[str], metrics: int) -> dict:
    """A table of results, as far as it is drawn."""
    cell = {"mean": 0.5, "low": 0.4, "high": 0.6, "difference": 0.1, "difference_low": 0.0, "difference_high": 0.2, "p": None}
    columns = [{"name": f"m{i}", "label": f"Metric {i}"} for i in range(metrics)]
    rows = [{"name": name, "cells": {column["name"]: cell for column in columns}} for name in recipes]
    return {"columns": columns, "rows": rows, "reference": recipes[0], "confidence": 0.95}


def test_recipes_drawn_from_a_table_of_results_have_whole_names_and_lines_apart():
    long = "Hybrid convex, k1 0.9, weight 0.25, python-reference"
    few, many = (drawn("means", results([long.replace("0.25", str(n)) for n in range(n)], 3))["figure"] for n in (2, 20))
    lines = print_style(few, 84)["layout"]["yaxis"]["ticktext"][0].split("<br>")
    assert " ".join(lines) == long.replace("0.25", "0") and max(map(len, lines)) < 25, "a longer one is cut at the paper's edge"
    assert size_px(many, 84)[1] >= 20 * 3 * 9 > 2 * size_px(few, 84)[1]


def test_a_recipes_name_is_no_markup_in_the_title_of_an_axis():
    made = drawn("differences", results(["<b>bold</b> & all", "other"], 1))["figure"]
    assert "from &lt;b&gt;bold&lt;/b&gt; &amp; all" in made["layout"]["xaxis"]["title"]["text"]


@pytest.mark.slow
@needs_browser
def test_a_figure_that_plotly_refuses_is_told_in_one_sentence():
    with pytest.raises(WorkbenchError) as caught:
        figures.export({"data": {}, "layout": {"height": 300}}, "svg")
    assert "Traceback" not in str(caught.value)


def test_without_a_browser_it_says_how_to_get_one(monkeypatch):
    monkeypatch.setattr(figures, "find_browser", lambda: None)
    with pytest.raises(WorkbenchError, match="BROWSER_PATH"):
        figures.export(a_chart("x"), "pdf")


def test_unknown_format_is_refused():
    with pytest.raises(WorkbenchError, match="pdf, svg, png"):
        figures.export(a_chart("x"), "docx")


@pytest.mark.slow
def test_a_browser_that_never_answers_is_ended_at_the_deadline(monkeypatch, tmp_path):
    hanging = tmp_path / "browser"
    hanging.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("BROWSER_PATH", str(hanging))
    monkeypatch.setattr(figures, "DEADLINE_S", 3)
    with pytest.raises(WorkbenchError):
        figures.export(a_chart("x"), "svg")
    pid = int((tmp_path / "pid").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE  # ended, perhaps not yet reaped


def test_half_a_file_is_no_picture():
    assert not figures.is_picture(b"%PDF-1.4 ...", "pdf", 1, 1)
    assert not figures.is_picture(b"<svg><g>", "svg", 1, 1)
    assert not figures.is_picture(b"", "png", 1, 1)


def _inflated(pdf: bytes):
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            yield zlib.decompress(stream)
        except zlib.error:
            continue
