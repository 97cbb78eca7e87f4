"""Whether the bands of the ladder hold every question once, on two corpora: by retrieval alone, and of some that the bundled
model answered; and whether an answer that is kept is asked again.

The sum is of what `python -m core failures` prints, beside the corpus' own number of questions.
"""

import json
import os
import tempfile
import time

from benchmarks import DATASETS
from benchmarks._options import options
from core.config import TrialConfig, with_settings
from core.labs.failures import ladder as lab
from core.labs.failures import rungs
from core.progress import drain
from core.workbench import Workbench

RECIPES = {
    "python-reference": {"fusion.part": "sparse_only"},
    "xquad-en": {"fusion.part": "sparse_only", "chunking.part": "whole_document"},
}
ASKED = 8


def climbed(bench: Workbench, name: str, asked: int) -> dict:
    config = with_settings(TrialConfig(), {"corpus.dataset": name, **RECIPES[name]})
    questions = len(bench.corpus(config).queries)
    drain(bench.prepare(config))
    started = time.perf_counter()
    bare = drain(lab.standing(bench, config))
    standing_s = time.perf_counter() - started
    first = rungs.cost(bench, bare, asked)
    started = time.perf_counter()
    ladder = drain(rungs.climb(bench, config, asked))
    asking_s = time.perf_counter() - started
    retrieval, answers = (lab.band_rows(ladder, whole) for whole in (False, True))
    sums = [sum(row["questions"] for row in rows) for rows in (retrieval, answers)]
    return {
        "questions": questions,
        "asked": asked,
        "unaccounted": abs(sums[0] - questions) + abs(sums[1] - asked),
        "retrieval": {row["band"]: row["questions"] for row in retrieval},
        "answers": {row["band"]: row["questions"] for row in answers},
        "rungs": {row["rung"]: f"{row['accepted']} of {row['of']}" for row in lab.rung_rows(ladder)},
        "retrieval_ms": 1000 * standing_s,
        "answers_written": first.answers,
        "seconds_an_answer": asking_s / max(first.answers, 1),
        "asked_again": rungs.cost(Workbench(bench.home), bare, asked).answers,
    }


def main(asked: int = ASKED) -> dict:
    os.environ.setdefault("GROUNDWORK_DATASETS", str(DATASETS))
    with tempfile.TemporaryDirectory() as home:
        bench = Workbench(home)
        corpora = {name: climbed(bench, name, asked) for name in RECIPES}
    return {
        "unaccounted": sum(each["unaccounted"] for each in corpora.values()),
        "asked_again": sum(each["asked_again"] for each in corpora.values()),
        "corpora": corpora,
    }


if __name__ == "__main__":
    options(__doc__)
    print(json.dumps(main()))
