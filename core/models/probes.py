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
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

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
    run: Callable[[], str]  # in the child; gives what it saw
    todo: str  # where it fails


def _token() -> str:
    from core.generation.llama_engine import LlamaCpp
    from core.progress import drain

    part = LlamaCpp(own_process="no", weights="as_bundled", max_tokens=4, context_tokens=256, gpu_layers=999)
    made = drain(part.generate([{"role": "user", "content": "Name a colour."}], deadline_s=60))
    return f"{made.answer_tokens} tokens, the first after {made.first_token_ms:.0f} ms"


def _embedding() -> str:
    import numpy as np

    from core.embedding.minilm import MiniLM

    encoder = MiniLM().load()
    vectors = np.asarray(next(value for value in encoder.encode(["a small text"]) if value is not None)[1])
    return f"a vector of {vectors.shape[-1]} numbers of length {np.linalg.norm(vectors):.2f}"


def _vectors() -> Any:
    import numpy as np

    rows = np.random.default_rng(0).standard_normal((2000, 64), np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _faiss() -> str:
    from core.index.faiss_hnsw import FaissHNSW
    from core.index.faiss_ivf_pq import FaissIVFPQ

    return _found(FaissHNSW(), FaissIVFPQ())


def _hnswlib() -> str:
    from core.index.hnswlib_graph import Hnswlib

    return _found(Hnswlib())


def _found(*parts: Any) -> str:
    rows = _vectors()
    for part in parts:
        found = part.build(rows, None).search(rows[:20], 5)
        if (found.chunk < 0).all():
            raise RuntimeError(f"{part.part} finds nothing")
    return f"{' and '.join(part.part for part in parts)} of {len(rows):,} vectors built and searched"


def _chromadb() -> str:
    from core.index.chroma import Chroma

    return _found(Chroma())


def _lancedb() -> str:
    from core.index.lancedb_table import LanceDB

    return _found(LanceDB())


def _pdf() -> str:
    from core.report.figures import export

    made = export({"data": [{"type": "scatter", "x": [1, 2], "y": [1, 2]}], "layout": {}}, "pdf")
    return f"a page of {len(made) / 1000:.0f} kB"


REINSTALL = "Install {} anew: python -m pip install --force-reinstall --no-cache-dir -r requirements.txt. Meanwhile "
PROBES = {
    "llama.cpp": Probe(
        "generate a token", ("llama-cpp-python",), _token,
        "Build it anew on this machine: python -m pip install --force-reinstall --no-deps --no-cache-dir -r "
        "requirements-llama.txt. Meanwhile choose the engine transformers."),
    "torch": Probe("embed a text", ("torch",), _embedding,
                   REINSTALL.format("torch") + "BM25 (fusion.part=sparse_only) needs no encoder."),
    "faiss": Probe("build a small graph", ("faiss-cpu",), _faiss, REINSTALL.format("faiss-cpu") + "choose the index exact."),
    "hnswlib": Probe("build a small graph", ("hnswlib",), _hnswlib, REINSTALL.format("hnswlib") + "choose the index exact."),
    "chromadb": Probe("build a small collection", ("chromadb",), _chromadb, REINSTALL.format("chromadb") + "choose the index exact."),
    "lancedb": Probe("build a small table", ("lancedb",), _lancedb, REINSTALL.format("lancedb") + "choose the index exact."),
    "PDF": Probe("write a PDF", ("kaleido",), _pdf,
                 "Install Chromium or Chrome, or set BROWSER_PATH to one that works; charts still have their camera icon."),
}  # fmt: skip


def tried(name: str) -> Result:
    """One trial, now; kept for `refuse`."""
    started = time.perf_counter()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        # not the app's own home: the trial must leave nothing there
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", "import sys; from core.models.probes import main; main(sys.argv[1])", name],
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
    _known[name] = result
    _keep(name, result)
    return result


def _judged(code: int | None, out: str, errors: str, seconds: float) -> Result:
    if code is None:
        return Result(f"no result within {LIMIT_S} s", seconds, failed=True)
    if code < 0:
        how = ending(code)
        return Result(f"its process was ended by {how}", seconds, how.partition(",")[0], True)
    with suppress(ValueError, LookupError, TypeError):
        told = json.loads(out.strip().splitlines()[-1])
        return Result(str(told["said"]), seconds, failed=not told["ok"])
    last = next((line.strip() for line in reversed(errors.splitlines()) if line.strip()), "no message")
    return Result(f"{ending(code)}: {last:.200}", seconds, failed=True)


def refuse(name: str) -> None:
    """Raises where the library is known to end its process on this machine; tries it where that is not known yet."""
    if name not in PROBES:
        return
    result = known(name)
    if result.signal in ABORTS:
        raise WorkbenchError(
            f"{name} ends its process on this machine ({result.signal}, when it was to {PROBES[name].does}), "
            "so it is not called within the app.",
            where=_versions(name),
            todo=f"{PROBES[name].todo} `python -m core doctor` tries it again.",
        )


def known(name: str) -> Result:
    """What came of the last trial, or of one made now."""
    if name not in _known:
        with _trying:
            _known[name] = _known.get(name) or _kept(name) or tried(name)
    return _known[name]


def main(name: str) -> None:
    """In the child."""
    _known.update(dict.fromkeys(PROBES, Result("a trial itself", 0.0)))
    with tempfile.TemporaryDirectory(prefix="groundwork-probe-") as home:
        os.environ["GROUNDWORK_HOME"] = home
        try:
            told = {"ok": True, "said": PROBES[name].run()}
        except WorkbenchError as error:
            told = {"ok": False, "said": str(error)}
        except Exception as error:
            told = {"ok": False, "said": f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]:.300}"}
    print(f"\n{json.dumps(told)}", flush=True)


def _versions(name: str) -> str:
    found = []
    for package in PROBES[name].packages:
        with suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    return ", ".join(found)


def _keep(name: str, result: Result) -> None:
    with suppress(OSError, files.DiskError):
        place = _place(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        files.write_whole(place, json.dumps(result._asdict()), sync=False)


def _kept(name: str) -> Result | None:
    """What came of an earlier trial that worked, or was ended by the library."""
    with suppress(OSError, ValueError, TypeError):
        result = Result(**json.loads(_place(name).read_text("utf-8")))
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
    found = find_spec({"llama.cpp": "llama_cpp", "PDF": "kaleido"}.get(name, name))
    return [os.stat(found.origin).st_mtime_ns] if found and found.origin else []


def _processor() -> str:
    with suppress(OSError):
        info = Path("/proc/cpuinfo").read_text("utf-8")
        return fingerprint(re.findall(r"^(?:model name|flags)\s*:.*$", info, re.MULTILINE)[:2])
    return f"{platform.machine()} {platform.processor()} {platform.release()}"


_known: dict[str, Result] = {}
_trying = threading.Lock()
