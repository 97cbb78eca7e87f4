"""Runs benchmarks in processes of their own, all or those named, and writes benchmarks/results/NAME.json with machine and versions.

Each also runs alone, with options of its own: `python -m benchmarks.NAME --help`. `python -m benchmarks promises` prints what
was promised beside what was measured last, `python -m benchmarks show NAME` all that NAME measured. Each run is a line of
benchmarks/results/history.jsonl, failed ones too.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.promises import HISTORY, RESULTS, verdicts

HERE = Path(__file__).parent
PACKAGES = [
    "numpy",
    "torch",
    "streamlit",
    "duckdb",
    "bm25s",
    "rank-bm25",
    "chromadb",
    "faiss-cpu",
    "hnswlib",
    "sentence-transformers",
    "llama-cpp-python",
]
CANCELLED = 130
NOT_HERE = 3  # a benchmark's exit code where the machine lacks what it measures
ENDINGS = (signal.SIGINT, signal.SIGTERM)
GRACE_S = 15  # for a cancelled benchmark to end what it started
Command = Callable[[str], Sequence[str]]


def machine() -> dict[str, object]:
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        cpu = next(
            (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), cpu
        )
    return {
        "cpu": cpu,
        "processors": os.cpu_count(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def commit() -> str:
    """Of the code that is measured, with a + where files differ from it; empty without git."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=HERE.parent, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return done.stdout.strip() if not done.returncode else ""

    try:
        changed = git("status", "--porcelain", "--", ".", ":!benchmarks/results", ":!docs")
        return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")
    except OSError:
        return ""


def names() -> list[str]:
    return sorted(p.stem for p in HERE.glob("*.py") if not p.stem.startswith("_") and p.stem != "promises")


def outlook(wanted: list[str], suffix: str, folder: Path) -> str:
    """What each took last time: said before anything starts."""
    lines, sum_s = [], 0
    for name in wanted:
        try:
            last = json.loads((folder / f"{name}{suffix}.json").read_text("utf-8"))
            lines.append(f"  {name}: {last['seconds']:,} s on {last['measured'][:10]}")
            sum_s += last["seconds"]
        except (OSError, ValueError, KeyError):
            lines.append(f"  {name}: not measured yet, so it is not known how long it takes")
    return "\n".join([f"To measure, one after another, and how long each took last time ({sum_s / 60:,.0f} min in all):", *lines])


class NotHere(Exception):
    """The machine lacks what is measured, which the benchmark has said itself."""


def measured(command: Sequence[str]) -> str:
    """What a benchmark prints. It has a process group of its own: cancelled, it and what it started are told to end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)  # one between the start and the `try` would leave it running

    def open_to_them() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)

    options = {"cwd": HERE.parent, "stdout": subprocess.PIPE, "text": True, "start_new_session": True}
    process = subprocess.Popen(command, preexec_fn=open_to_them, **options)
    try:
        open_to_them()
        text, _ = process.communicate()
    except KeyboardInterrupt:
        for told, wait_s in ((signal.SIGINT, GRACE_S), (signal.SIGKILL, GRACE_S)):
            if process.poll() is None:
                os.killpg(process.pid, told)
                try:
                    process.communicate(timeout=wait_s)
                except subprocess.TimeoutExpired:
                    continue
        raise
    if process.returncode == NOT_HERE:
        raise NotHere
    if process.returncode:
        raise RuntimeError(f"it ended with {process.returncode}")
    return text


def run(wanted: list[str], suffix: str, command: Command, folder: Path) -> int:
    """One benchmark after another; what fails is named, and the others go on."""
    folder.mkdir(exist_ok=True)
    print(outlook(wanted, suffix, folder), file=sys.stderr, flush=True)
    about, failed, done, absent = {"commit": commit(), "machine": machine()}, [], [], []
    for name in wanted:
        print(f"{name} …", file=sys.stderr, flush=True)
        started, load = time.monotonic(), [round(number, 2) for number in os.getloadavg()]
        at = {"measured": datetime.now(UTC).isoformat(timespec="seconds"), "load": load, **about}
        try:
            result = json.loads(measured(command(name)))
        except KeyboardInterrupt:
            rest = wanted[len(done) + len(failed) + len(absent) + 1 :]
            said = f"Cancelled in {name}. Measured: {', '.join(done) or 'none'}. Not begun: {', '.join(rest) or 'none'}."
            print(said, file=sys.stderr, flush=True)
            return CANCELLED
        except NotHere:
            absent.append(name)
            continue
        except (RuntimeError, ValueError) as problem:
            failed.append(name)
            print(f"{name} failed: {problem}", file=sys.stderr, flush=True)
            line = {"benchmark": name + suffix, **at, "failed": str(problem)}
        else:
            done.append(name)
            at["seconds"] = round(time.monotonic() - started)
            text = json.dumps({**at, "result": result}, indent=1, ensure_ascii=False)
            (folder / f"{name}{suffix}.json").write_text(text + "\n", "utf-8")
            shown(json.dumps(result, indent=1))
            line = {"benchmark": name + suffix, **at, "figures": figures(result, name + suffix)}
        with (folder / HISTORY).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else NOT_HERE if absent and not done else 0


def shown(text: str) -> None:
    """On standard output, as long as somebody reads it: hours are not lost to `| head`."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def interruptible() -> None:
    """Ended from outside is cancelled, as by Ctrl-C; also where a shell started it in the background, which ignores that."""
    for ending in ENDINGS:
        signal.signal(ending, signal.default_int_handler)


def figures(result: dict, benchmark: str) -> dict[str, dict]:
    """Of each promise that was measured, its value and the spread of its repeats, as a line of the history keeps them."""
    measured = [verdict for verdict in verdicts(result, benchmark) if verdict.value is not None]
    return {v.promise.place: {"value": v.value, **(v.spread._asdict() if v.spread else {})} for v in measured}


def read(arguments: list[str]) -> argparse.Namespace:
    """What was asked for; wrong usage and --help end here, and start nothing."""
    every = names()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=f"benchmarks: {', '.join(every)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a benchmark (default: every one), promises, or show NAME")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="less of everything, to try it out; nothing is written")
    size.add_argument("--full", action="store_true", help="the index benchmark at its full size, with a result of its own")
    given = parser.parse_args(arguments)
    showing = given.names[:1] == ["show"]
    named = {name.removesuffix("_full") for name in given.names[1:]} if showing else set(given.names)
    if unknown := sorted(named - {*every, "promises"}):
        parser.error(f"There is no benchmark {', '.join(unknown)}. There are: {', '.join(every)}, promises, and show NAME.")
    if "promises" in given.names and len(arguments) > 1:
        parser.error("promises measures nothing: it stands alone.")
    if showing and (given.quick or given.full or not named):
        parser.error("show takes names of benchmarks, and nothing else.")
    if showing:
        return given
    flags = [flag for flag in ("--quick", "--full") if getattr(given, flag[2:])]
    if unable := [name for name in given.names for flag in flags if not takes(name, flag)]:
        parser.error(f"{', '.join(unable)} has no {flags[0]}.")
    given.flags, given.names = flags, given.names or [name for name in every if all(takes(name, flag) for flag in flags)]
    return given


def takes(name: str, flag: str) -> bool:
    return f'"{flag}"' in (HERE / f"{name}.py").read_text("utf-8")


def main(arguments: list[str]) -> int:
    given = read(arguments)
    if given.names == ["promises"]:
        return show_promises(None)
    if given.names[:1] == ["show"]:
        return show_measured(given.names[1:])
    interruptible()
    suffix = "_full" if given.full else ""
    with tempfile.TemporaryDirectory() as aside:  # a quick run measures next to nothing: its results are printed only
        folder = Path(aside) if given.quick else RESULTS
        ended = run(given.names, suffix, lambda name: [sys.executable, "-m", f"benchmarks.{name}", *given.flags], folder)
    if not given.quick and ended != NOT_HERE:
        show_promises(None if given.names == names() else [name + suffix for name in given.names])
    return ended


def show_measured(names: list[str]) -> int:
    from docs.numbers import everything

    shown("\n\n".join(map(everything, names)))
    return 0


def show_promises(benchmarks: list[str] | None) -> int:
    from docs.numbers import promises

    shown(promises(RESULTS, benchmarks))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
