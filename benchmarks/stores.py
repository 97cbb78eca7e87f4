"""Stores of vectors under the same conditions, as `python -m core stores` measures them: searches, filters, writers, agents, kills.

All that can be started here takes part: FAISS, Chroma's server, LanceDB, PostgreSQL with pgvector, Qdrant's engine; what is left out
stands there with the reason. The vectors are those of `python-reference`: 106 of them, and all. `quick_s` is of what the page's button
starts; `--quick` takes that alone, with some agents and kills. Times are of seven stores in turns; what else ran is in `load`.
"""

import json
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks._options import options
from core.config import TrialConfig, with_settings
from core.labs.stores import advice
from core.labs.stores.contention import contend
from core.labs.stores.kill import kill
from core.labs.stores.measure import QUICK, MeasurePlan, measure
from core.progress import drain
from core.workbench import Workbench

NUMBERS = ("title", "setting", "quantity", "size", "below", "writers", "value", "low", "high", "unit", "durable")
NUMBERS += ("effort", "by_default")  # the tuned setting, and what the store's own default gives
AGENTS = (
    "title",
    "workload",
    "arm",
    "operations",
    "acknowledged",
    "failed",
    "retries",
    "lost",
    "duplicated",
    "stale",
    "skewed",
    "p99_ms",
)
KILLS = ("title", "setting", "moments", "killed", "acknowledged", "missing", "beyond", "unreadable")
PLAN = MeasurePlan(questions=100, writers=(1, 2, 4, 8), rows=50, fresh=20)
WRONG = ("lost", "duplicated", "stale", "skewed")


def slim(rows: Iterable[Mapping[str, Any]], names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in names if row.get(name) is not None} for row in rows]


def told(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a measurement showed."""
    return {
        "left_out": [f"{row['title']}: {row['detail']['reason']} {row['detail']['command']}" for row in record["left_out"]],
        "claims": [claim._asdict() for claim in advice.claims(record["rows"])],
        "measured": slim(({**row["detail"], **row} for row in record["rows"]), NUMBERS),
    }


def main(quick: bool) -> dict:
    with tempfile.TemporaryDirectory() as home:
        bench = Workbench(Path(home))
        recipe = with_settings(TrialConfig(), {"corpus.dataset": "python-reference"})
        chunks = drain(bench.prepare(recipe))["chunks"]
        began = time.perf_counter()
        record = drain(measure(bench, recipe, QUICK))
        quick_s = time.perf_counter() - began
        if not quick:
            record = drain(measure(bench, recipe, PLAN._replace(sizes=(106, chunks))))
        agents = drain(contend(bench, 10 if quick else 300))["rows"]
        kills = drain(kill(bench, 3 if quick else 50))["rows"]
        right, durable = (
            [row for row in agents if row["arm"] == "right"],
            [row for row in kills if row["setting"] in settings(record)],
        )
        return {
            "quick_s": quick_s,
            "right": {
                "acknowledged": sum(row["acknowledged"] for row in right),
                "wrong": sum(row[name] or 0 for row in right for name in WRONG),
            },
            "durable": {
                "acknowledged": sum(row["acknowledged"] for row in durable),
                "missing": sum(row["missing"] for row in durable),
            },
            "advice": list(advice.sentences(bench)),
            **told(record),
            "agents": slim(agents, AGENTS),
            "kills": slim(kills, KILLS),
        }


def settings(record: Mapping[str, Any]) -> set[str]:
    """The durable ones."""
    return {row["setting"] for row in record["rows"] if row["quantity"] == "recall"}


if __name__ == "__main__":
    print(json.dumps(main(options(__doc__, "--quick").quick), indent=1))
