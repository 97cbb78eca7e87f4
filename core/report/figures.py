"""Figures for papers: a plotly figure as vector PDF, SVG, or PNG.

Problem: drawing needs a browser, and kaleido's shared server has handed one thread another thread's figure.
Choice: one process for each picture, `python -m core.report.figures` with the figure on its standard input, ended at a
deadline together with its browser; the picture is checked to be of the format and size asked for.
What would change it: an engine that draws plotly figures without a browser.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from core.errors import WorkbenchError

MIME = {"pdf": "application/pdf", "svg": "image/svg+xml", "png": "image/png"}
DEADLINE_S = 60
PNG_SCALE = 3  # 640 px wide on the page, 1,920 in the file: 300 dpi at 16 cm
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
APPS = ("Google Chrome", "Chromium", "Microsoft Edge")
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


def export(figure: dict[str, Any], format: str, width: int = 640, height: int = 400) -> bytes:
    """The figure (a plotly mapping) as `format` ("pdf", "svg", "png"), width x height in CSS pixels, in print colours."""
    if format not in MIME:
        raise WorkbenchError(f"There is no figure format '{format}'.", todo=f"Formats: {', '.join(MIME)}.")
    browser = find_browser()
    if browser is None:
        raise WorkbenchError("There is no browser to draw the figure with.", todo=WITHOUT_BROWSER)
    with tempfile.TemporaryDirectory(prefix="figure-") as folder:
        task = {"figure": print_style(figure), "format": format, "width": width, "height": height,
                "path": str(Path(folder, f"figure.{format}"))}  # fmt: skip
        _draw(task, browser)
        picture = Path(task["path"]).read_bytes() if os.path.exists(task["path"]) else b""
    if not is_picture(picture, format, width, height):
        raise WorkbenchError(f"The browser did not draw the {format.upper()}.", where=browser,
                             todo="Try again; `python -m core doctor` tests the browser.")  # fmt: skip
    return picture


def print_style(figure: dict[str, Any]) -> dict[str, Any]:
    """A figure for white paper: black text, thin axes, light grid on y, whatever theme the page has."""
    ink, grid = "#1a1a1a", "#e3e5e8"
    layout = dict(figure.get("layout", {}))
    axis = {"linecolor": ink, "tickcolor": ink, "tickfont": {"color": ink, "size": 12}, "gridcolor": grid}
    for name in [key for key in layout if key.startswith(("xaxis", "yaxis"))]:
        layout[name] = axis | layout[name]
    title = layout.get("title")
    layout |= {
        "template": None, "paper_bgcolor": "white", "plot_bgcolor": "white", "width": None, "height": None,
        "font": {**layout.get("font", {}), "color": ink, "family": "Helvetica, Arial, sans-serif"},
    }  # fmt: skip
    if title:  # on the page the title stands above the chart; on paper it needs room of its own
        layout["title"] = {"x": 0.01, "xanchor": "left", "font": {"size": 14}, **title}
        layout["margin"] = {**layout.get("margin", {}), "t": 64}
    return {"data": figure["data"], "layout": layout}


def is_picture(picture: bytes, format: str, width: int, height: int) -> bool:
    """Is this a whole file of that format and size?"""
    if format == "pdf":
        return picture.startswith(b"%PDF-") and b"%%EOF" in picture[-64:]
    if format == "svg":
        return b"<svg" in picture[:400] and picture.rstrip().endswith(b"</svg>")
    size = (int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big"))
    return picture.startswith(b"\x89PNG") and size == (width * PNG_SCALE, height * PNG_SCALE)


def _draw(task: dict[str, Any], browser: str) -> None:
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "BROWSER_PATH": browser, "PYTHONPATH": root}
    process = subprocess.Popen(
        [sys.executable, "-m", "core.report.figures"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, cwd=root, env=environment,
    )  # fmt: skip
    try:
        _, complaint = process.communicate(json.dumps(task).encode(), timeout=DEADLINE_S)
    except subprocess.TimeoutExpired:
        raise WorkbenchError(f"The browser did not draw the figure within {DEADLINE_S} s.", where=browser,
                             todo="Try again when the machine is less busy.") from None  # fmt: skip
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
    size = {"width": task["width"], "height": task["height"]}
    options = {"format": task["format"], **size, "scale": PNG_SCALE if task["format"] == "png" else 1}
    picture = asyncio.run(
        kaleido.calc_fig(task["figure"], opts=options, kopts={"mathjax": False})
    )  # it would be fetched
    Path(task["path"]).write_bytes(picture)


if __name__ == "__main__":
    main()
