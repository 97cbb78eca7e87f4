"""Runs every benchmark in a process of its own and writes benchmarks/results/NAME.json with machine and versions.

`python -m benchmarks [NAME …]`; each also runs alone: `python -m benchmarks.NAME`.
"""

import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

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


def main(arguments: list[str]) -> int:
    """`--full` goes on to the benchmarks named, and their results into a file of their own."""
    names, given = ([a for a in arguments if a.startswith("-") == flag] for flag in (False, True))
    known = sorted(p.stem for p in HERE.glob("*.py") if not p.stem.startswith("_"))
    failed = []
    for name in names or known:
        print(f"{name} …", file=sys.stderr, flush=True)
        started = time.monotonic()
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *given], stdout=subprocess.PIPE, text=True)
        if done.returncode:
            failed.append(name)
            continue
        result = {
            "measured": datetime.now(UTC).date().isoformat(),
            "seconds": round(time.monotonic() - started),
            "machine": machine(),
            "result": json.loads(done.stdout),
        }
        (HERE / "results").mkdir(exist_ok=True)
        file = HERE / "results" / f"{name}{'_full' if '--full' in given else ''}.json"
        file.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
        print(json.dumps(result["result"], indent=1), flush=True)
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
