"""The pictures of a bundle, drawn again from their drawings and held against each other byte by byte.

The same drawing is the same bytes by the same browser with the same type; a PDF says by which it was made. By another browser
bytes say nothing, and the words of the SVG are compared alone. A stranger's drawing is drawn only where it can fetch nothing.
"""

import html
import io
import re
from collections.abc import Generator, Mapping
from typing import Any

from core.errors import WorkbenchError
from core.labs.papers import documents
from core.labs.papers.checking import Checked
from core.labs.papers.paper import Paper, PaperFigure, Taken
from core.records import Progress
from core.report import figures

TYPES = ("scatter", "scattergl", "bar", "heatmap", "histogram", "box", "violin", "contour")  # which fetch nothing
FETCHING = ("images", "source", "geo", "map", "mapbox")
NEST = 40  # levels of a drawing


def pictures(bundle: Mapping[str, bytes], paper: Paper, showed: Mapping[str, Taken]) -> Generator[Progress, None, list[Checked]]:
    """Whether each picture is what its drawing gives."""
    items = [item for item in paper.items if item.kind == "figure" and _kinds(bundle, item)]
    number, results, same = sum(len(_kinds(bundle, item)) for item in items), [], 0
    if items and figures.find_browser() is None:
        return [Checked(f"{number} pictures", None, "held to the manifest alone: there is no browser here to draw them with")]
    for done, item in enumerate(items):
        yield Progress(done, len(items), f"Drawing {item.name} again")
        own = {kind: bundle[name] for kind, name in _kinds(bundle, item).items()}
        try:
            now = _drawn(paper, item, showed[item.name].content, own)
        except WorkbenchError as error:
            results.append(Checked(f"figure {item.name}", False, f"its pictures cannot be drawn again: {error.what}"))
            continue
        other = [kind for kind in own if own[kind] != now[kind]]
        same += len(own) - len(other)
        results += _differing(item, own, now, other) if other else []
    if same:
        results.append(Checked(f"{same} pictures", True, "drawn again, the same bytes"))
    return results


def _kinds(bundle: Mapping[str, bytes], item: PaperFigure) -> dict[str, str]:
    """Format -> file, of the pictures that the bundle has."""
    names = {kind: f"figures/{item.name}.{kind}" for kind in figures.MIME}
    return {kind: name for kind, name in names.items() if name in bundle}


def _drawn(paper: Paper, item: PaperFigure, content: Any, own: Mapping[str, bytes]) -> dict[str, bytes]:
    try:
        figure = documents.final(paper, content)
        fetches = _fetches(figure) or next(
            (t for t in (trace.get("type", "scatter") for trace in figure["data"]) if t not in TYPES), ""
        )
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise WorkbenchError(f"its drawing is none: {type(error).__name__}") from None
    if fetches:
        raise WorkbenchError(f"its drawing might fetch something ({str(fetches)[:40]}), and is not drawn")
    return {kind: documents.picture(paper, item, content, kind) for kind in own}


def _fetches(part: Any, depth: int = 0) -> str:
    """The name in a drawing by which a browser would be made to fetch something; "" where there is none."""
    if depth > NEST:
        return "too deep"
    inner = part.values() if isinstance(part, Mapping) else part if isinstance(part, list | tuple) else ()
    names = [name for name in FETCHING if isinstance(part, Mapping) and part.get(name)]
    return next((name for name in (*names, *(_fetches(each, depth + 1) for each in inner)) if name), "")


def _differing(item: PaperFigure, own: Mapping[str, bytes], now: Mapping[str, bytes], other: list[str]) -> list[Checked]:
    ours, theirs = (_maker(pictures.get("pdf", b"")) for pictures in (now, own))
    words = sorted(_words(own["svg"]) - _words(now["svg"])) if "svg" in other else []
    said = f"; it says {', '.join(words[:5])}, which the drawing does not" if words else ""
    if theirs is None:
        return [Checked(f"figures/{item.name}.pdf", False, "it is no PDF that can be read")]
    if ours == theirs:
        told = f"it is not what its drawing gives by the same browser and type{said}"
        return [Checked(f"figures/{item.name}.{kind}", False, told) for kind in other]
    if any(re.search(r"[^\W\d]", word) for word in words):
        return [Checked(f"figures/{item.name}.svg", False, f"it is not what its drawing gives{said}")]
    told = f"held to the manifest alone: drawn by {theirs or 'what it does not say'}, here by {ours}, whose bytes are others"
    return [Checked(f"pictures of {item.name}", None, told + "; the words of its SVG are those of its drawing" * ("svg" in own))]


def _maker(pdf: bytes) -> str | None:
    """What a PDF says that it was drawn by and with which type; "" where it says nothing or there is none, None of what is no PDF."""
    from pypdf import PdfReader

    if not pdf:
        return ""
    try:
        reader = PdfReader(io.BytesIO(pdf))
        producer = str((reader.metadata or {}).get("/Producer", ""))
        return f"{producer} with {', '.join(figures.pdf_fonts(pdf)) or 'no type'}" if producer.startswith("Skia") else ""
    except Exception:  # a stranger's bytes may be anything
        return None


def _words(svg: bytes) -> set[str]:
    text = svg.decode("utf-8", "replace")
    return {word for part in re.findall(r">([^<>]+)<", text) for word in html.unescape(part).split()}
