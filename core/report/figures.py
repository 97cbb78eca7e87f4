"""Figures for papers: a plotly figure as vector PDF, SVG, or PNG.

Problem: drawing needs a browser, and kaleido's shared server has handed one thread another thread's figure.
Choice: one process for each picture, `python -m core.report.figures` with the figure on its standard input, ended at a
deadline together with its browser; the picture is checked to be of the format and size asked for. What a figure looks like
on paper is in `print_style`.
What would change it: an engine that draws plotly figures without a browser.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zlib
from html import escape, unescape
from importlib.metadata import version
from pathlib import Path
from typing import Any

from core.errors import WorkbenchError
from core.report.print_style import print_style, size_px

MIME = {"pdf": "application/pdf", "svg": "image/svg+xml", "png": "image/png"}
DEADLINE_S = 60
PNG_DPI = 576  # which line drawings want; six dots for one of the screen
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
APPS = ("Google Chrome", "Chromium", "Microsoft Edge")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--no-pdf-header-footer",
)
WITHOUT_BROWSER = (
    "PDF needs Chrome or Chromium on this machine: install one, or set BROWSER_PATH to it. The camera icon on the "
    "chart saves SVG without it."
)


def find_browser() -> str | None:
    """Path of a browser that can draw, or None. BROWSER_PATH goes first."""
    named = os.environ.get("BROWSER_PATH")
    mac = [f"{root}/Applications/{app}.app/Contents/MacOS/{app}" for root in ("", str(Path.home())) for app in APPS]
    for path in (named, *map(shutil.which, NAMES), *mac):
        if path and os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    return None


def export(
    figure: dict[str, Any],
    file_format: str,
    width_mm: float = 84,
    title: str = "",
    caption: str = "",
    *,
    dpi: int = PNG_DPI,
    serif: bool = False,
    panel: str = "",
) -> bytes:
    """The figure (a plotly mapping) as `format` ("pdf", "svg", "png") in print colours, so wide, with type of 8 points.

    title, caption: what it is, for the properties of a PDF, so that a file found later still says what it shows. The same
    figure is the same bytes, by the same browser.
    dpi: of PNG. serif: type as LaTeX has it. panel: a letter in the upper left corner.
    """
    if file_format not in MIME:
        raise WorkbenchError(f"There is no figure format '{file_format}'.", todo=f"Formats: {', '.join(MIME)}.")
    browser = find_browser()
    if browser is None:
        raise WorkbenchError("There is no browser to draw the figure with.", todo=WITHOUT_BROWSER)
    width, height = size_px(figure, width_mm, panel)
    with tempfile.TemporaryDirectory(prefix="figure-") as folder:
        task = {
            "figure": print_style(figure, width_mm, serif, panel),
            "scale": dpi / 96,
            "format": file_format,
            "width": width,
            "height": height,
            "path": str(Path(folder, f"figure.{file_format}")),
        }
        _draw(task, browser)
        picture = Path(task["path"]).read_bytes() if os.path.exists(task["path"]) else b""
    if not is_picture(picture, file_format, width, height, dpi / 96):
        raise WorkbenchError(
            f"The browser did not draw the {file_format.upper()}.",
            where=browser,
            todo="Try again; `python -m core doctor` tests the browser.",
        )
    return {"pdf": _signed_pdf, "svg": _sized_svg, "png": _sized_png}[file_format](picture, width_mm, title, caption)


def is_picture(picture: bytes, file_format: str, width: int, height: int, scale: float = PNG_DPI / 96) -> bool:
    """Is this a whole file of that format and size?"""
    if file_format == "pdf":
        return picture.startswith(b"%PDF-") and b"%%EOF" in picture[-64:]
    if file_format == "svg":
        return b"<svg" in picture[:400] and picture.rstrip().endswith(b"</svg>")
    size = (int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big"))
    near = all(abs(pixels - side * scale) <= 1 for pixels, side in zip(size, (width, height), strict=True))
    return picture.startswith(b"\x89PNG") and near


def _signed_pdf(picture: bytes, width_mm: float, title: str, caption: str) -> bytes:
    """Exactly so wide, and with our title in its properties: the drawing library writes its own there."""
    from io import BytesIO

    from pypdf import PdfWriter
    from pypdf.generic import RectangleObject

    writer = PdfWriter(clone_from=BytesIO(picture))
    [page] = writer.pages
    box, width = page.mediabox, width_mm * 72 / 25.4
    beside = (float(box.width) - width) / 2  # below half a pixel
    page.mediabox = RectangleObject((float(box.left) + beside, box.bottom, float(box.right) - beside, box.top))
    page.cropbox = page.trimbox = page.bleedbox = page.artbox = page.mediabox
    maker = f"{(writer.metadata or {}).get('/Producer', 'a browser')}, plotly {version('plotly')}"  # whose bytes these are
    writer.metadata = {"/Title": title or "Figure", "/Subject": caption, "/Creator": "Groundwork", "/Producer": maker}
    made = BytesIO()
    writer.write(made)
    return made.getvalue()


def pdf_faults(picture: bytes, width_mm: float) -> list[str]:
    """What is wrong with a PDF for print: another width than asked for, or type that is not in the file."""
    from io import BytesIO

    from pypdf import PdfReader

    [page] = PdfReader(BytesIO(picture)).pages
    wide = float(page.mediabox.width) * 25.4 / 72
    faults = [f"it is {wide:.2f} mm wide, not {width_mm:g}"] if abs(wide - width_mm) > 0.05 else []
    return faults + [f"the font {name} is not in it" for name, kind in pdf_fonts(picture).items() if not kind]


def pdf_fonts(picture: bytes) -> dict[str, str]:
    """Font in a PDF -> how it stands there: "Type 1", "TrueType", "CFF" or "Type 3"; "" where it does not."""
    from io import BytesIO

    from pypdf import PdfReader

    files, fonts = {"": "Type 1", "2": "TrueType", "3": "CFF"}, {}
    for page in PdfReader(BytesIO(picture)).pages:
        for name, reference in page.get("/Resources", {}).get("/Font", {}).items():
            font = reference.get_object()
            told = font.get("/DescendantFonts", [font])[0].get_object().get("/FontDescriptor", {})
            kind = next((kind for ending, kind in files.items() if f"/FontFile{ending}" in told), "")
            fonts[str(font.get("/BaseFont", name))] = "Type 3" if font.get("/Subtype") == "/Type3" else kind
    return fonts


def _sized_svg(picture: bytes, width_mm: float, title: str, caption: str) -> bytes:
    """In millimetres: a word processor takes bare numbers for pixels of its own size. plotly draws the names of its parts."""
    picture = re.sub(rb"\btrace[0-9a-f]{6}\b", b"trace", picture)
    if drawn := re.search(rb'id="defs-([0-9a-f]{6})"', picture):
        nameless = re.sub(rb"(?<=[A-Za-z-])" + drawn[1], b"", picture)
        own = hashlib.sha256(nameless).hexdigest()[:6].encode()  # two on one page must not share them
        picture = re.sub(rb"(?<=[A-Za-z-])" + drawn[1], own, picture)
    head, body = re.match(rb"(.*?<svg[^>]*>)(.*)", picture, re.DOTALL).groups()
    sizes = [float(re.search(rb'\b%s="([\d.]+)' % side, head)[1]) for side in (b"width", b"height")]
    for side, px in zip((b"width", b"height"), sizes, strict=True):
        mm = width_mm * px / sizes[0]
        head = re.sub(rb'\b%s="[^"]*"' % side, b'%s="%.2fmm"' % (side, mm), head, count=1)
    if b"viewBox" not in head:
        head = head.replace(b"<svg", b'<svg viewBox="0 0 %g %g"' % tuple(sizes), 1)
    return head + f"<title>{escape(title or 'Figure')}</title>".encode() + body


def _sized_png(picture: bytes, width_mm: float, title: str, caption: str) -> bytes:
    """With its resolution, so that it is placed at the width it was drawn for."""
    per_metre = round(int.from_bytes(picture[16:20], "big") / width_mm * 1000)
    chunk = b"pHYs" + per_metre.to_bytes(4, "big") * 2 + b"\x01"
    after = 33  # signature and header
    return picture[:after] + (9).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big") + picture[after:]


def _draw(task: dict[str, Any], browser: str) -> None:
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "BROWSER_PATH": browser, "PYTHONPATH": root}
    process = subprocess.Popen(
        [sys.executable, "-m", "core.report.figures"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=root,
        env=environment,
    )
    try:
        _, complaint = process.communicate(json.dumps(task).encode(), timeout=DEADLINE_S)
    except subprocess.TimeoutExpired:
        raise WorkbenchError(
            f"The browser did not draw the figure within {DEADLINE_S} s.",
            where=browser,
            todo="Try again when the machine is less busy.",
        ) from None
    finally:
        _end(process)
    if process.returncode:
        reason = (complaint.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        raise WorkbenchError(f"The figure could not be drawn: {reason}", where=browser)


def _end(process: subprocess.Popen) -> None:
    """Ends the child and all that it started: the browser leads a session of its own, so a signal to the group misses it."""
    import psutil

    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=3)
    process.wait()


def main() -> None:
    """In the child: one figure from standard input to the file that the task names."""
    import asyncio

    import kaleido

    task = json.load(sys.stdin)
    vector = task["format"] in ("pdf", "svg")
    options = {
        "format": "svg" if vector else task["format"],
        "width": task["width"],
        "height": task["height"],
        "scale": 1 if vector else task["scale"],
    }
    # without mathjax, which would be fetched
    picture = asyncio.run(kaleido.calc_fig(task["figure"], opts=options, kopts={"mathjax": False}))
    path = Path(task["path"])
    path.write_bytes(picture)
    if task["format"] == "pdf":
        _print(path, task["width"], task["height"])


def _print(path: Path, width: int, height: int) -> None:
    """The SVG in the file as a PDF in its place, on a page of just its size: kaleido's own has margins that cut the figure."""
    from core.report.outlines import faces

    page, drawing = path.with_suffix(".html"), path.read_bytes()
    families = re.search(rb"font-family: ([^;]+);", drawing)
    style = faces(unescape(families[1].decode()), drawing.decode("utf-8", "replace")) if families else ""
    page.write_bytes(
        b"<!doctype html><meta charset='utf-8'><style>%s@page { size: %dpx %dpx; margin: 0 } html, body { margin: 0 } "
        b"svg { display: block }</style>" % (style.encode(), width, height) + drawing
    )
    path.unlink()
    command = [
        os.environ["BROWSER_PATH"],
        *FLAGS,
        f"--user-data-dir={path.parent / 'profile'}",
        f"--print-to-pdf={path}",
        page.as_uri(),
    ]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()
