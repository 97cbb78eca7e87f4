"""`python -m tests.faults`: all families on two processes, within a budget of time; one table of what was tried, held, failed.

`--family NAME` tries one family only, `--case FAMILY/ATTACK/CASE` repeats one case, `--seconds N` allows more or less time,
`--seed N` draws other cases than the seed of the day. Ends with 1 if anything failed, also what a family needs and is not there.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from importlib import import_module
from pathlib import Path

from tests.faults.harness import ATTACKS, Lab, Outcome, alone, tried
from tests.faults.inject import built

ROOT = Path(__file__).parents[2]
# family -> its share of the time. The longest first, so that the two processes end together.
FAMILIES = {
    "kills": 5,
    "disks": 4,
    "damage": 5,
    "studies": 4,
    "records": 2,
    "uploads": 2,
    "addresses": 4,
    "sql": 2,
    "endpoints": 2,
    "processes": 2,
    "environment": 1,
    "text": 1,
    "doors": 3,
    "lines": 2,
    "exchange": 3,
    "models": 3,
}
PROCESSES = 2
BEGIN, END = "<!-- faults:begin -->", "<!-- faults:end -->"  # of the table in a page
# forked with, rather than loaded in each case
HEAVY = (
    "core.__main__",
    "core.workbench",
    "duckdb",
    "pandas",
    "pyarrow.compute",
    "bm25s",
    "faiss",
    "scipy.sparse",
    "tokenizers",
    "sklearn.decomposition",
    "sklearn.feature_extraction.text",
    "sklearn.preprocessing",
)
SECONDS = 420  # of the ten minutes; the rest is for what cases overrun and for making the homes
SCREENS = ("streamlit.testing.v1", "plotly.graph_objects", "app.ui.forms", "app.ui.charts", "core.generation.llama_engine")
MORE = {"addresses": SCREENS, "models": ("torch", "transformers.models.llama.modeling_llama", "peft", "safetensors.torch")}


def main() -> int:
    options = _options()
    if options.alone:
        return _family(options)
    there = {name: share for name, share in FAMILIES.items() if Path(__file__).with_name(f"{name}.py").exists()}
    wanted = [options.case.split("/")[0]] if options.case else options.family or list(there)
    fast = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="faults-", dir=fast if fast.is_dir() else None) as folder:
        library = built(Path(folder))
        print(f"The seed is {options.seed}: `make faults SEED={options.seed}` draws the same cases again.", flush=True)
        started, left, running = time.monotonic(), {name: there[name] for name in wanted}, {}
        lock = threading.Lock()

        def family(name: str) -> list[Outcome]:
            """The time still to be given out is shared by the families still to come; where the others took more, each has its own."""
            with lock:
                now, end = time.monotonic(), started + options.seconds
                free = PROCESSES * (end - now) - sum(max(0.0, until - now) for until in running.values())
                least = PROCESSES * options.seconds * there[name] / sum(there[each] for each in wanted)
                seconds = max(least, min(end - now, free * left[name] / sum(left.values())))
                running[name] = now + seconds
                del left[name]
            found = _started(name, seconds, options, Path(folder), library)
            with lock:
                del running[name]
            return found

        with ThreadPoolExecutor(PROCESSES) as pool:
            found = [outcome for outcomes in pool.map(family, wanted) for outcome in outcomes]
    _report(found, time.monotonic() - started, options)
    untried = {one.attack for one in found} - {one.attack for one in found if one.case}
    return 1 if not found or untried or any(one.failure for one in found) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--family", action="append", choices=list(FAMILIES), help="repeatable; all without")
    parser.add_argument("--case", default="", help="repeat one case, as the list of failures names it")
    parser.add_argument("--seed", type=int, default=int(f"{date.today():%Y%m%d}"), help="default: the day, as in 20260131")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"time allowed in all (default: {SECONDS})")
    parser.add_argument("--table", type=Path, help="put the table into this page of Markdown, between its marks")
    parser.add_argument("--alone", default="", help=argparse.SUPPRESS)  # the family this process is for
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _started(name: str, seconds: float, options: argparse.Namespace, folder: Path, library: Path | None) -> list[Outcome]:
    """Runs a family in a process of its own; one that dies has failed."""
    command = [
        sys.executable,
        "-m",
        "tests.faults",
        "--alone",
        name,
        "--seed",
        str(options.seed),
        "--seconds",
        str(seconds),
        "--folder",
        str(folder),
        "--case",
        options.case,
    ]
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    if library:
        environment["LD_PRELOAD"] = str(library)
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    found = []
    for line in process.stdout:
        found.append(Outcome(*json.loads(line)))
        if found[-1].failure and sys.stderr.isatty():
            print(f"failed: {found[-1].attack}/{found[-1].case}", file=sys.stderr)
    if process.wait():
        found.append(Outcome(f"{name}/", "family", 0.0, f"the family's process ended with {process.returncode}"))
    return found


def _family(options: argparse.Namespace) -> int:
    """The body of a family's process: outcomes as lines of JSON."""
    os.environ.pop("LD_PRELOAD", None)  # loaded here; what a case starts goes without
    import_module(f"tests.faults.{options.alone}")
    for heavy in (*HEAVY, *MORE.get(options.alone, ())):
        import_module(heavy)
    lab = Lab(options.folder / options.alone, options.seed)
    lab.folder.mkdir()
    mine = [one for one in ATTACKS.values() if one.family == options.alone]
    for outcome in alone(lab, options.case) if options.case else tried(lab, mine, options.seconds):
        print(json.dumps(outcome), flush=True)
    shutil.rmtree(lab.folder, ignore_errors=True)
    return 0


def _report(found: list[Outcome], seconds: float, options: argparse.Namespace) -> None:
    by_attack: dict[str, list[Outcome]] = defaultdict(list)
    for name in FAMILIES:
        if (path := Path(__file__).with_name(f"{name}.py")).exists():
            import_module(f"tests.faults.{path.stem}")
    of = {one.attack: one.of for one in found if not one.case}
    for one in found:
        by_attack[one.attack] += [one] * bool(one.case)
    rows = [
        (
            *name.split("/"),
            ATTACKS[name].what if name in ATTACKS else "",
            len(tries),
            "no end" if of.get(name, 0) is None else of.get(name) or "?",
            sum(not one.failure for one in tries),
            sum(bool(one.failure) for one in tries),
            sum(one.seconds for one in tries),
        )
        for name, tries in by_attack.items()
    ]
    sums = [sum(row[place] for row in rows if isinstance(row[place], int)) for place in (3, 4, 5, 6)]
    total = ("all", "", "", *sums, seconds)
    width = max(len(row[2]) for row in [*rows, total])
    print(f"{'family':<12} {'attack':<20} {'what':<{width}} {'tried':>6} {'of':>6} {'held':>6} {'failed':>6} {'s':>5}")
    for row in [*rows, total]:
        print(f"{row[0]:<12} {row[1]:<20} {row[2]:<{width}} {row[3]:>6} {row[4]:>6} {row[5]:>6} {row[6]:>6} {row[7]:>5.0f}")
    if untried := [name for name, tries in by_attack.items() if not tries]:
        print(f"Not tried: {', '.join(untried)}")
    for one in found:
        if one.failure:
            print(f"FAILED {one.attack}/{one.case}: {one.failure}")
    if options.table:
        lines = ["| family | attack | tried | of | held | failed |", "|---|---|---:|---:|---:|---:|"]
        lines += [f"| {row[0]} | {row[2] or row[1]} | {' | '.join(map(str, row[3:7]))} |" for row in [*rows, total]]
        text = options.table.read_text("utf-8") if options.table.exists() else f"{BEGIN}\n{END}\n"
        before, after = text.partition(BEGIN)[0], text.partition(END)[2]
        options.table.write_text(before + "\n".join([BEGIN, *lines, END]) + after, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
