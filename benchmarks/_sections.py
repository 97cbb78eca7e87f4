"""A benchmark that is measured section by section: each joins those that stand in its results, and is a line of the history."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from benchmarks import promises
from benchmarks.__main__ import commit, figures, machine


def stored(benchmark: str) -> dict[str, Any]:
    path = promises.RESULTS / f"{benchmark}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else {"result": {}}


def record(benchmark: str, name: str, made: Mapping[str, Any]) -> None:
    """A section with its seconds beside those that stand there; a line of the history."""
    at = {"measured": datetime.now(UTC).isoformat(timespec="seconds"), "load": os.getloadavg(), "commit": commit()}
    result = stored(benchmark)["result"] | {name: made}
    took = {"seconds": sum(each["seconds"] for each in result.values())}
    text = json.dumps({**at, "machine": machine(), **took, "result": result}, indent=1, ensure_ascii=False)
    (promises.RESULTS / f"{benchmark}.json").write_text(text + "\n", "utf-8")
    line = {"benchmark": benchmark, **at, "machine": machine(), "figures": figures({name: made}, benchmark)}
    with (promises.RESULTS / promises.HISTORY).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
