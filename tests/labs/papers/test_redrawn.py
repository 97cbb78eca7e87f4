"""Pictures of a bundle against what their drawings give: one label, one number, one byte, another browser, none."""

import io
import json

import pytest
from pypdf import PdfWriter

from core.labs.papers import bundle as bundles
from core.labs.papers import paper as papers
from core.labs.papers import redrawn
from core.progress import drain
from core.report import figures


def drawn_by(producer):
    """A browser that draws at once: the same figure is the same bytes."""

    def export(figure, kind, width_mm, title="", caption="", **look):
        drawing = json.dumps(figure, sort_keys=True)
        if kind == "svg":
            shown = [*figure["data"][0]["y"], *figure["data"][0]["x"]]
            return f"<svg><title>{len(drawing)}</title><text>{'</text><text>'.join(map(str, shown))}</text></svg>".encode()
        if kind == "png":
            return b"PNG" + drawing.encode()
        writer, made = PdfWriter(), io.BytesIO()
        writer.add_blank_page(width_mm * 72 / 25.4, 100)
        writer.metadata = {"/Producer": producer, "/Subject": drawing}
        writer.write(made)
        return made.getvalue()

    return export


FIGURE = {"data": [{"type": "scatter", "x": [0.25, 0.5], "y": ["sparse only", "convex"]}], "layout": {}}


def showing(content):
    return {"gains": papers.Taken(content, ())}


CONTENTS = showing({"figure": FIGURE, "data": []})
PAPER = papers.Paper(id="drawn", items=({"kind": "figure", "name": "gains"},))


@pytest.fixture
def made(browser):
    """The pictures of a bundle."""
    pictures, _ = drain(bundles.draw(PAPER, CONTENTS))
    return pictures


@pytest.fixture
def browser(monkeypatch):
    monkeypatch.setattr(figures, "find_browser", lambda: "/bin/true")
    monkeypatch.setattr(figures, "export", drawn_by("Skia/PDF m1"))


def results(bundle, contents=CONTENTS):
    return {row.what: row for row in drain(redrawn.pictures(bundle, PAPER, contents))}


def test_pictures_are_drawn_again_and_are_the_same_bytes(made):
    assert results(made) == {"3 pictures": ("3 pictures", True, "drawn again, the same bytes")}
    assert results({}) == {}


@pytest.mark.parametrize(
    ("kind", "before", "after", "says"),
    [
        ("svg", b"sparse", b"ours", "it says ours"),
        ("svg", b"<text>0.", b"<text>0.9", "it says 0.9"),
        ("png", b"PNG", b"PNg", "by the same browser"),
        ("pdf", b"/Subject", b"/SubjecT", "by the same browser"),
    ],
)
def test_a_label_a_number_a_byte_of_a_picture_is_named_though_the_manifest_fits(made, kind, before, after, says):
    name = f"figures/gains.{kind}"
    assert before in made[name]
    told = results({**made, name: made[name].replace(before, after, 1)})
    assert told[name].holds is False and says in told[name].told
    assert {what: row.holds for what, row in told.items()} == {name: False, "2 pictures": True}


def test_another_browser_draws_other_bytes_which_is_no_fault_but_words_are_compared(made, monkeypatch):
    theirs = {**made, "figures/gains.png": b"PNG of another"}
    monkeypatch.setattr(figures, "export", drawn_by("Skia/PDF m2"))
    told = results(theirs)
    assert told["pictures of gains"].holds is None and "drawn by Skia/PDF m1" in told["pictures of gains"].told
    changed = results({**theirs, "figures/gains.svg": b"<svg><text>Ours is best</text></svg>"})
    assert changed["figures/gains.svg"].holds is False and "best" in changed["figures/gains.svg"].told


def test_without_a_browser_pictures_are_held_to_the_manifest_alone(made, monkeypatch):
    monkeypatch.setattr(figures, "find_browser", lambda: None)
    assert results(made)["3 pictures"].holds is None


def test_what_is_no_pdf_is_named(made):
    assert results({**made, "figures/gains.pdf": b"%PDF-"})["figures/gains.pdf"].holds is False


@pytest.mark.parametrize(
    "layout", [{"images": [{"source": "http://127.0.0.1/"}]}, {"geo": {"x": 1}}, {"a": {"source": "file:///etc/passwd"}}]
)
def test_a_drawing_that_might_fetch_something_is_not_drawn(made, layout, monkeypatch):
    def never(*arguments, **options):
        raise AssertionError("it was drawn")

    monkeypatch.setattr(figures, "export", never)
    contents = showing({"figure": {**FIGURE, "layout": layout}, "data": []})
    assert "fetch something" in results(made, contents)["figure gains"].told
    chosen = showing({"figure": {**FIGURE, "data": [{"type": "choropleth"}]}})
    assert "fetch something" in results(made, chosen)["figure gains"].told
    assert not results(made, showing({"figure": 3}))["figure gains"].holds
