"""The embedded reader over the questions and passages by which `benchmarks.answerer` measures the language model.

    python -m benchmarks.reader [--quick] [--only=xquad,gold] [--questions=N]

The sections, measures and rules are those told there, of the way of answering `reader` with its embedded model: spans of the passages that
a small encoder marks. `xquad_both` and so on: five of its candidates are weighed by the language model, too, beside the reader alone, and
paired; all questions of XQuAD, 250 of the others.
`beside`: the first 250 of XQuAD's questions also by the language model with its adapter, as the default recipe asks it.
--questions: at most so many of each section; without it all that there are. --quick: 4, and nothing written.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import DATASETS, _sections
from benchmarks._options import options
from benchmarks.answerer import Bench, measured
from core.models.adapters import SHIPPED
from core.workbench import Workbench

READER = {"reader": {"answering.part": "reader"}}
BY_BOTH = {"both": {"answering.part": "reader", "answering.candidates": 5, "generation.adapter": SHIPPED}}
BESIDE = 250  # questions
BESIDE_IT = READER | {"answerer": {"generation.adapter": SHIPPED}}
ASKED = ("xquad", "gold", "removed", "conflict", "injected", "clean", "python", "medquad", "hotpot")


def main(only: str, questions: int, quick: bool) -> dict[str, Any]:
    os.environ["GROUNDWORK_DATASETS"] = str(DATASETS)
    with tempfile.TemporaryDirectory() as fresh:
        workbench, most = Workbench(Path(fresh)), questions or 4 * quick
        asked = {name: (name, Bench(workbench, READER, most)) for name in ASKED}
        least = min(BESIDE, most or BESIDE)
        asked |= {f"{n}_both": (n, Bench(workbench, BY_BOTH | READER, most if n == "xquad" else least)) for n in ASKED}
        asked["beside"] = "xquad", Bench(workbench, BESIDE_IT, least)
        return _sections.measured("reader", {name: lambda _, own=own: measured(*own) for name, own in asked.items()}, only, quick)


if __name__ == "__main__":
    print(json.dumps(main(**vars(options(__doc__, "--quick", only="", questions=0)))))
