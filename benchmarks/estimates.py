"""What jobs were told to take before their press, against what they took: all that the browser tests start by clicks.

    python -m benchmarks.estimates [--quick] [--of=FILE]

Each app that a browser test has started tells its finished jobs as it is stopped, in the file that GROUNDWORK_ESTIMATES names: the price
was told from that machine's own rates, on a data folder where most work had never run. --of: a file from such a run, which `make test-all`
writes too where the variable is set. --quick: the tests of one page.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import ROOT
from benchmarks._options import options
from benchmarks.promises import bounded
from core.labs.store.estimates import FACTOR, held
from core.statistics.proportion import wilson

TOLD = "GROUNDWORK_ESTIMATES"
QUICK = "tests/pages/test_tune_index_browser.py"


def pressed(quick: bool, into: Path) -> None:
    """All browser tests, one after the other; what fails among them is theirs to tell."""
    files = [QUICK] if quick else sorted(str(path) for path in (ROOT / "tests").glob("*/*_browser.py"))
    command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=--import-mode=importlib", *files]
    subprocess.run(command, cwd=ROOT, env={**os.environ, TOLD: str(into)}, stdout=sys.stderr, check=False)


def told(rows: list[dict[str, Any]]) -> dict[str, Any]:
    by_verb = {verb: [row for row in rows if row["verb"] == verb] for verb in sorted({row["verb"] for row in rows})}
    return {
        "jobs": len(rows),
        "factor": FACTOR,
        "within": bounded(held(rows)),
        "in_range": bounded(wilson(sum(row["in the range"] for row in rows), len(rows))),
        "verbs": {
            verb: {
                "jobs": len(some),
                "in_range": sum(row["in the range"] for row in some),
                "factors": [row["factor"] for row in some],
            }
            for verb, some in by_verb.items()
        },
    }


def main(of: str, quick: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as aside:
        path = Path(of) if of else Path(aside) / "told.jsonl"
        if not of:
            pressed(quick, path)
        lines = dict.fromkeys(path.read_text("utf-8").splitlines())  # an app that was started again tells its jobs again
        return told([json.loads(line) for line in lines])


if __name__ == "__main__":
    print(json.dumps(main(**vars(options(__doc__, "--quick", of=""))), indent=1))
