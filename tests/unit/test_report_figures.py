"""Exported pictures are the ones asked for: the format, the size, and the text of this figure and no other."""

import re
import zlib

import psutil
import pytest

from app.ui import charts
from core.errors import WorkbenchError
from core.report import figures

needs_browser = pytest.mark.skipif(not figures.find_browser(), reason="no Chrome or Chromium on this machine")


def a_chart(name: str) -> dict:
    chart = charts.figure(
        charts.line([1, 2, 3], [0.5, 0.7, 0.8], name=name) + charts.line([1, 2, 3], [0.4, 0.5, 0.6], name="other"),
        "k (chunks)",
        "recall",
    )
    chart["layout"]["title"] = {"text": f"Title of {name}"}
    return chart


@needs_browser
def test_svg_holds_the_text_of_the_figure_asked_for():
    svg = figures.export(a_chart("zebra"), "svg", 500, 300).decode()
    assert 'width="500"' in svg and 'height="300"' in svg
    for text in ("Title of zebra", "zebra", "other", "k (chunks)", "recall"):
        assert f">{text}<" in svg


@needs_browser
def test_pdf_is_one_page_of_vectors():
    pdf = figures.export(a_chart("lynx"), "pdf", 500, 300)
    assert pdf.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
    assert b"/Subtype /Image" not in pdf and b"/Subtype/Image" not in pdf
    drawn = b"".join(_inflated(pdf))
    assert len(re.findall(rb"\bl\b|\bc\b", drawn)) > 20  # line and curve operators, not a bitmap
    [box] = re.findall(rb"/MediaBox\s*\[([\d. ]+)\]", pdf)
    width, height = (float(v) for v in box.split()[2:])
    assert width / height == pytest.approx(500 / 300, rel=0.02)


@needs_browser
def test_png_has_the_size_asked_for():
    png = figures.export(a_chart("otter"), "png", 400, 250)
    assert (int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")) == (
        400 * figures.PNG_SCALE,
        250 * figures.PNG_SCALE,
    )


@needs_browser
def test_a_figure_that_plotly_refuses_is_told_in_one_sentence():
    with pytest.raises(WorkbenchError) as caught:
        figures.export({"data": "nothing", "layout": {}}, "svg")
    assert "Traceback" not in str(caught.value)


def test_without_a_browser_it_says_how_to_get_one(monkeypatch):
    monkeypatch.setattr(figures, "find_browser", lambda: None)
    with pytest.raises(WorkbenchError, match="BROWSER_PATH"):
        figures.export(a_chart("x"), "pdf")


def test_unknown_format_is_refused():
    with pytest.raises(WorkbenchError, match="pdf, svg, png"):
        figures.export(a_chart("x"), "docx")


def test_a_browser_that_never_answers_is_ended_at_the_deadline(monkeypatch, tmp_path):
    hanging = tmp_path / "browser"
    hanging.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("BROWSER_PATH", str(hanging))
    monkeypatch.setattr(figures, "DEADLINE_S", 3)
    with pytest.raises(WorkbenchError):
        figures.export(a_chart("x"), "svg")
    pid = int((tmp_path / "pid").read_text())
    assert (
        not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    )  # ended, perhaps not yet reaped


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
