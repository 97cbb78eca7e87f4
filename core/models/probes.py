"""Small trials of every native library in a process of its own: whether it works on this processor, or ends its process.

What came of a trial is kept for each version of the library and each processor, so that a library known to abort here is
refused with a reason, and never called in the app's own process. `doctor` tries all of them anew.
"""

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from core import files
from core.config import fingerprint
from core.errors import WorkbenchError
from core.jobs.child import ending, environment

LIMIT_S = 120  # of one trial: torch alone takes some 10 s to import on a busy machine
# what a library does to its process; a trial that was killed or took too long says nothing about the library
ABORTS = ("SIGSEGV", "SIGILL", "SIGABRT", "SIGBUS", "SIGFPE", "SIGTRAP", "SIGSYS")


class Result(NamedTuple):
    """What came of one trial."""

    said: str  # what it did, or why it failed
    seconds: float
    signal: str = ""  # that ended the process, "" where it went on
    failed: bool = False


class Probe(NamedTuple):
    does: str  # in words
    packages: tuple[str, ...]
    todo: str  # where it fails


REINSTALL = "Install {} anew: python -m pip install --force-reinstall --no-cache-dir -r requirements.txt. Meanwhile "
REBUILD = "python -m pip install --force-reinstall --no-deps --no-cache-dir -r requirements-llama.txt"
PROBES = {
    "llama.cpp": Probe(
        "generate a token", ("llama-cpp-python",),
        f"Build it anew on this machine: {REBUILD}. Meanwhile choose the engine transformers."),
    "AMX": Probe("read a text by llama.cpp's AMX kernels", ("llama-cpp-python",),
                 f"Build llama.cpp anew on this machine: {REBUILD}. Meanwhile it is used without them, and slower."),
    "torch": Probe("embed a text", ("torch",),
                   REINSTALL.format("torch") + "BM25 (fusion.part=sparse_only) needs no encoder."),
    "faiss": Probe("build a small graph", ("faiss-cpu",), REINSTALL.format("faiss-cpu") + "choose the index exact."),
    "hnswlib": Probe("build a small graph", ("hnswlib",), REINSTALL.format("hnswlib") + "choose the index exact."),
    "chromadb": Probe("build a small collection", ("chromadb",), REINSTALL.format("chromadb") + "choose the index exact."),
    "lancedb": Probe("build a small table", ("lancedb",), REINSTALL.format("lancedb") + "choose the index exact."),
    "PDF": Probe("write a PDF", ("kaleido",),
                 "Install Chromium or Chrome, or set BROWSER_PATH to one that works; charts still have their camera icon."),
}  # fmt: skip


def tried(name: str) -> Result:
    """One trial, now; kept for `refuse`."""
    started = time.perf_counter()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        # not the app's own home: the trial must leave nothing there
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", "import sys; from core.labs.doctor.probing import main; main(sys.argv[1])", name],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
        )
        try:
            code = process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            process.kill()
            process.wait()
        texts = []
        for file in (out, errors):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    seconds = time.perf_counter() - started
    result = _judged(code, *texts, seconds)
    _results[name] = result
    _keep(name, result)
    return result


def _judged(code: int | None, out: str, errors: str, seconds: float) -> Result:
    if code is None:
        return Result(f"no result within {LIMIT_S} s", seconds, failed=True)
    if code < 0:
        how = ending(code)
        return Result(f"its process was ended by {how}", seconds, how.partition(",")[0], True)
    with suppress(WorkbenchError, LookupError, TypeError):
        told = files.read_json(out.strip().splitlines()[-1])
        return Result(str(told["said"]), seconds, failed=not told["ok"])
    last = next((line.strip() for line in reversed(errors.splitlines()) if line.strip()), "no message")
    return Result(f"{ending(code)}: {last:.200}", seconds, failed=True)


def refuse(name: str) -> None:
    """Raises where the library is known to end its process on this machine; tries it where that is not known yet."""
    if name not in PROBES:
        return
    result = result_of(name)
    if result.signal in ABORTS:
        raise WorkbenchError(
            f"{name} ends its process on this machine ({result.signal}, when it was to {PROBES[name].does}), "
            "so it is not called within the app.",
            where=_versions(name),
            todo=f"{PROBES[name].todo} `python -m core doctor` tries it again.",
        )


def result_of(name: str) -> Result:
    """What came of the last trial, or of one made now."""
    if name not in _results:
        with _trying:
            _results[name] = _results.get(name) or _read(name) or tried(name)
    return _results[name]


def assume_all_work() -> None:
    """Within a trial, which tries nothing else."""
    _results.update(dict.fromkeys(PROBES, Result("a trial itself", 0.0)))


def _versions(name: str) -> str:
    versions = []
    for package in PROBES[name].packages:
        with suppress(PackageNotFoundError):
            versions.append(f"{package} {version(package)}")
    return ", ".join(versions)


def _keep(name: str, result: Result) -> None:
    with suppress(OSError, files.DiskError):
        place = _place(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        files.write_whole(place, json.dumps(result._asdict()), sync=False)


def _read(name: str) -> Result | None:
    """What came of an earlier trial that worked, or was ended by the library."""
    with suppress(OSError, WorkbenchError, TypeError):
        result = Result(**files.read_json(_place(name), of=dict))
        if not result.failed or result.signal in ABORTS:
            return result
    return None


def _place(name: str) -> Path:
    # of an environment of its own, which all homes on this machine share; else of the home
    own = sys.prefix != sys.base_prefix and os.access(sys.prefix, os.W_OK)
    key = fingerprint(_versions(name), _build(name), _processor())
    return (Path(sys.prefix) / "share" if own else files.home() / "cache") / "groundwork-probes" / f"{name}-{key}.json"


def _build(name: str) -> list[int]:
    """Changes where the package was installed anew in the same version."""
    spec = find_spec({"llama.cpp": "llama_cpp", "AMX": "llama_cpp", "PDF": "kaleido"}.get(name, name))
    return [os.stat(spec.origin).st_mtime_ns] if spec and spec.origin else []


def _processor() -> str:
    with suppress(OSError):
        info = Path("/proc/cpuinfo").read_text("utf-8")
        return fingerprint(re.findall(r"^(?:model name|flags)\s*:.*$", info, re.MULTILINE)[:2])
    return f"{platform.machine()} {platform.processor()} {platform.release()}"


_results: dict[str, Result] = {}
_trying = threading.Lock()
