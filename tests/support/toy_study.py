"""A study whose trials take milliseconds, and what its trials say, without ids and times."""

import json
from pathlib import Path

from core.labs.experiments.experiment import Experiment, made
from core.workbench import Workbench
from tests.faults.homes import TRIALS
from tests.support.small_corpora import THINGS, WAYS, with_towns

BASE = {
    "corpus": {"dataset": "towns"},
    "chunking": {"part": "fixed", "size_tokens": 32},
    "embedding": {"part": "lsa", "dimensions": 8},
    "fusion": "sparse_only",
}


def toy_home(home: Path) -> Workbench:
    """A workbench with the corpus of the study."""
    asked = [(thing, way) for thing in THINGS for way in WAYS]
    texts = {f"{thing}.md": "\n\n".join(f"{thing.capitalize()} {way}." for way in WAYS) for thing in THINGS}
    questions = [
        {"id": f"q{n}", "question": f"Which {way} {thing}?", "document": f"{thing}.md", "answer": f"{thing.capitalize()} {way}"}
        for n, (thing, way) in enumerate(asked)
    ]
    return with_towns(home, texts, questions)


def toy_study(name: str = "toy", sizes=(16, 32), k1=(0.5, 1.0, 1.5), **changes) -> Experiment:
    factors = [{"setting": "chunking.size_tokens", "values": list(sizes)}, {"setting": "sparse.k1", "values": list(k1)}]
    return made({"id": name, "base": BASE, "factors": factors, **changes})


def table(workbench: Workbench, status: str = "ok") -> list[str]:
    """Recipe, scores and rankings of each stored trial; a trial stored twice is there twice."""
    rows = workbench.store.query(TRIALS)
    return sorted(json.dumps(list(row.values())[1:]) for row in rows if row["status"] == status)
