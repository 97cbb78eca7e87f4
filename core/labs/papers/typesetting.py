"""A bundle's LaTeX as a PDF, by the TeX of this machine, in a folder that is gone afterwards: what stands in it can run no program,
and reads and writes nothing outside."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

from core import files
from core.errors import WorkbenchError
from core.labs.papers import opening
from core.records import Progress

TEX = "pdflatex"
COMMAND = (TEX, "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "main.tex")
INSTALL = "sudo apt install texlive-latex-recommended lmodern"
SET = re.compile(r"[^/]+\.(tex|bib)|(text|tables|figures)/[^/]+\.(tex|pdf)")  # what LaTeX reads
MOST_SECONDS = 120  # of a pass


class Typeset(NamedTuple):
    file: str
    bytes: int
    undefined: bool  # whether a reference in it leads nowhere


def able() -> bool:
    return shutil.which(TEX) is not None


def typeset(bundle: Path, path: Path | None = None) -> Generator[Progress, None, Typeset]:
    """The PDF of a bundle's zip or folder, written beside it or to that other file."""
    if not able():
        raise WorkbenchError(f"There is no {TEX} on this machine.", todo=f"Install it, on Debian by `{INSTALL}`.")
    every = opening.read(bundle)
    with tempfile.TemporaryDirectory(prefix="typeset-") as name:
        folder = Path(name)
        for file in filter(SET.fullmatch, every):
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_bytes(every[file])
        for done in range(3):
            yield Progress(done, 3, "Setting the PDF")
            _run(folder, COMMAND)
            if not done and r"\citation" in _text(folder / "main.aux") and shutil.which("bibtex"):
                _run(folder, ("bibtex", "main"))
        pdf, log = (folder / "main.pdf").read_bytes(), _text(folder / "main.log")
    path = path or bundle.with_suffix(".pdf")
    files.write_whole(path, pdf, "The PDF")
    return Typeset(str(path), len(pdf), "There were undefined references" in log)


def _run(folder: Path, command: tuple[str, ...]) -> None:
    bounds = {**os.environ, "openin_any": "p", "openout_any": "p"}
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        done = subprocess.run(command, cwd=folder, env=bounds, timeout=MOST_SECONDS, **streams)
    except subprocess.TimeoutExpired:
        raise WorkbenchError(
            f"{command[0]} took more than {MOST_SECONDS} seconds.", todo="Unzip the bundle and run `make`."
        ) from None
    if done.returncode:
        raise WorkbenchError(f"{command[0]} stopped: {_first_error(folder)}", todo="Unzip the bundle and run `make`.")


def _first_error(folder: Path) -> str:
    """Of the log, with the line of the source that it names."""
    lines = _text(folder / "main.log").splitlines()
    start = next((place for place, line in enumerate(lines) if line.startswith("!")), None)
    if start is None:
        return "its log names no error."
    where = next((line for line in lines[start:] if re.match(r"l\.\d+ ", line)), "")
    return f"{lines[start].removeprefix('! ')} {where}".strip()[:300]


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace") if path.exists() else ""
