"""Stores of vectors under the same conditions at 16,407 and at 150,000 rows: searches and filters, as `benchmarks.stores` does.

    python -m benchmarks.stores_at_size [--quick] [--only=16407] [--home=FOLDER]

The rows are chunks of `joined-150k`, from the folder that GROUNDWORK_DATASETS names, embedded by LSA in 384 dimensions, which takes
minutes where the default encoder takes most of an hour; --home keeps them for the next time. Each size is recorded as soon as it is
measured; --only measures these anew. --quick: 106 rows of the built-in corpus.
"""

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import DATASETS
from benchmarks._options import options
from benchmarks._sections import measured
from benchmarks.stores import PLAN, told
from core.config import TrialConfig, with_settings
from core.labs.stores.measure import QUICK, measure
from core.progress import drain
from core.workbench import Workbench

SIZES = (16_407, 150_000)
LSA = {"embedding.part": "lsa", "embedding.dimensions": 384, "embedding.min_df": 5}


def at(size: int, quick: bool, home: Path) -> dict[str, Any]:
    bench, dataset = Workbench(home), "python-reference" if quick else "joined-150k"
    recipe = with_settings(TrialConfig(), {"corpus.dataset": dataset, **LSA})
    plan = (QUICK if quick else PLAN)._replace(sizes=(size,), writers=())  # what writes is the same rows at any size
    return told(drain(measure(bench, recipe, plan)))


def main(only: str, home: str, quick: bool) -> dict[str, Any]:
    os.environ["GROUNDWORK_DATASETS"] = str(DATASETS)
    return measured(
        "stores_at_size", {str(size): partial(at, size, quick) for size in ((106,) if quick else SIZES)}, only, quick, home
    )


if __name__ == "__main__":
    print(json.dumps(main(**vars(options(__doc__, "--quick", only="", home="")))))
