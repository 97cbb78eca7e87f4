"""A benchmark that is measured section by section: each joins those that stand in its results, and is a line of the history."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import promises
from benchmarks.__main__ import commit, figures, machine


def measured(
    benchmark: str, sections: Mapping[str, Callable[[Path], Mapping[str, Any]]], only: str, quick: bool, home: str = ""
) -> dict[str, Any]:
    """Each section, or those named in `only` by commas, in a data folder of its own or in `home`; recorded as soon as it is measured,
    where it is not quick. Returns all that is measured of the benchmark."""
    wanted = only.split(",") if only else list(sections)
    if unknown := set(wanted) - set(sections):
        raise SystemExit(f"There is no section {', '.join(sorted(unknown))}. There are: {', '.join(sections)}.")
    result, code = {} if quick else stored(benchmark)["result"], commit()  # of the code that runs: hours later it may be another
    for name in wanted:
        print(f"{name} …", file=sys.stderr, flush=True)
        began, load = time.perf_counter(), os.getloadavg()[0]
        with tempfile.TemporaryDirectory() as fresh:
            made = sections[name](Path(home or fresh))
        result[name] = {**made, "seconds": round(time.perf_counter() - began), "load_before": round(load, 1)}
        print(json.dumps(result[name]), file=sys.stderr, flush=True)
        if not quick:
            record(benchmark, name, result[name], code)
    return result


def stored(benchmark: str) -> dict[str, Any]:
    path = promises.RESULTS / f"{benchmark}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else {"result": {}}


def record(benchmark: str, name: str, made: Mapping[str, Any], code: str) -> None:
    """A section with its seconds beside those that stand there; a line of the history."""
    at = {"measured": datetime.now(UTC).isoformat(timespec="seconds"), "load": os.getloadavg(), "commit": code}
    result = stored(benchmark)["result"] | {name: made}
    took = {"seconds": sum(each["seconds"] for each in result.values())}
    text = json.dumps({**at, "machine": machine(), **took, "result": result}, indent=1, ensure_ascii=False)
    (promises.RESULTS / f"{benchmark}.json").write_text(text + "\n", "utf-8")
    line = {"benchmark": benchmark, "section": name, **at, "machine": machine(), "figures": figures({name: made}, benchmark)}
    with (promises.RESULTS / promises.HISTORY).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
