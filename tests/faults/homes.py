"""Data folders to attack: made once, copied for each case; and what a home says, to hold against the undisturbed one."""

import fcntl
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.harness import Lab, asked, forked, told, verb
from tests.support.annotated import judge_all, rating
from tests.support.small_corpora import THINGS, WAYS

MORE = (
    "was praised by travellers",
    "is kept in a cool cellar",
    "came over the sea",
    "is counted each autumn",
    "was forbidden for a century",
    "is given away at weddings",
)
DATASET = ("--dataset", "towns")
CHUNKS = ("--set", "chunking.part=fixed", "--set", "chunking.size_tokens=32")
LSA = ("--set", "embedding.part=lsa", "--set", "embedding.dimensions=8")
FLOAT32 = ("--set", "embedding.dtype=float32")  # in bfloat16 the last digits go by how many texts are encoded at once
SPARSE = (*DATASET, *CHUNKS, *LSA, "--set", "fusion.part=sparse_only")
DENSE = (*DATASET, *CHUNKS, *LSA, "--set", "fusion.part=dense_only")
HYBRID = (*DATASET, *CHUNKS, *FLOAT32, "--set", "fusion.part=rrf")  # with the bundled encoder, whose vectors are stored
TRAINED = (*DATASET, *CHUNKS, "--set", "embedding.part=trained", "--set", "embedding.name=own", "--set", "fusion.part=dense_only")
GRID = ("--grid", "sparse.k1=0.5:2:0.5")
INDEX_GRID = ("--grid", "index.ef_search=10,20")
# with the bundled encoder too: LSA has no vectors of tokens
MAXSIM = (*DATASET, *CHUNKS, *FLOAT32, "--set", "fusion.part=sparse_only", "--set", "rerank.part=maxsim")
HNSW = (*DENSE, "--set", "index.part=faiss_hnsw")


def texts() -> dict[str, str]:
    return {
        f"{thing}.md": f"# {thing}\n\n" + "\n\n".join(f"{thing.capitalize()} {way}." for way in (*WAYS, *MORE))
        for thing in THINGS
    }


def questions() -> str:
    asked = [(f"{way} {thing}", thing, f"{thing.capitalize()} {way}") for thing in THINGS for way in (*WAYS, *MORE)]
    return "\n".join(
        json.dumps({"id": f"q{n}", "question": f"Which {words}?", "document": f"{thing}.md", "answer": answer})
        for n, (words, thing, answer) in enumerate(asked)
    )


def empty(place: Path) -> None:
    place.mkdir()


def towns(place: Path) -> None:
    """A corpus of one's own with questions; nothing measured."""
    source = place.parent / "source"
    source.mkdir(exist_ok=True)
    for name, text in texts().items():
        (source / name).write_text(text)
    (place.parent / "questions.jsonl").write_text(questions())
    verb(place, "ingest", "towns", source, "--questions", place.parent / "questions.jsonl").well()


def measured(place: Path) -> None:
    """Every kind of file that a home holds, but for trained encoders."""
    towns(place)
    for recipe in (SPARSE, DENSE, HNSW, HYBRID, MAXSIM):
        verb(place, "run", *recipe, limit_s=120).well()
    verb(place, "index-sweep", *HNSW, *INDEX_GRID, limit_s=120).well()
    forked(lambda: _labelled(place), place).well()
    (place / "prices.yaml").write_text("models: {m: {input: 1, output: 10}}")
    (place / "chains.json").write_text('{"mine": "top_k=40 temperature=0.8"}')
    forked(lambda: _job(place), place).well()
    told(place, "trials")


def _labelled(place: Path) -> int:
    from core.annotation import rounds
    from core.workbench import Workbench

    workbench = Workbench(place)
    judge_all(workbench, rounds.freeze(workbench, rating(pilot=0), "main"))
    return 0


def _job(place: Path) -> int:
    import time

    from core.jobs.jobs import Jobs

    jobs = Jobs(place)
    job_id = jobs.start(["trials"], "Listing the trials")
    while jobs.get(job_id).active:
        time.sleep(0.05)
    return 0


def trained(place: Path) -> None:
    """With an encoder of one's own and a trial of it."""
    towns(place)
    verb(place, "train-encoder", "own", *DATASET, *CHUNKS, "--train", "epochs=1", "--train", "patience=1", limit_s=300).well()
    verb(place, "run", *TRAINED, limit_s=120).well()


def copy(lab: Lab, template: Callable[[Path], None], to: Path) -> Path:
    """A fresh copy of the template, which the first process to ask for it makes."""
    shelf = lab.folder.parent / "templates" / template.__name__
    shelf.mkdir(parents=True, exist_ok=True)
    with open(shelf / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shelf / "done").exists():
            assert not (shelf / "begun").exists(), f"the home '{template.__name__}' could not be made"
            (shelf / "begun").touch()
            template(shelf / "home")
            (shelf / "done").touch()
    shutil.copytree(shelf / "home", to, symlinks=True)
    return to


# What a home says ---------------------------------------------------------------------------------------------------

TRIALS = """SELECT t.id, t.config_fingerprint AS recipe, t.status, (SELECT list(s ORDER BY s) FROM
(SELECT (query_id, metric, value)::VARCHAR AS s FROM scores WHERE trial_id = t.id)) AS scores,
(SELECT list(r ORDER BY r) FROM (SELECT (query_id, documents, starts, scores)::VARCHAR AS r FROM rankings
WHERE trial_id = t.id)) AS rankings FROM trials t ORDER BY t.id"""


def trials(home: Path) -> dict[str, Any]:
    """id -> [recipe, status, scores, rankings] of each stored trial."""

    def read(home: Path) -> Any:
        from core.workbench import Workbench

        return [list(row.values()) for row in Workbench(home).store.query(TRIALS)]

    return {trial: rest for trial, *rest in asked(home, read)}


def labels(home: Path) -> list[str]:
    """ids of all labels that the study's pages would show."""

    def read(home: Path) -> Any:
        from core.workbench import Workbench

        return [one["id"] for one in Workbench(home).store.labels.all("toy")]

    return asked(home, read)


def distinct(found: dict[str, Any]) -> set[str]:
    """The good trials by what they say; the same recipe measured twice is one of them."""
    return {json.dumps(said) for said in found.values() if said[1] == "ok"}


def verified(home: Path) -> None:
    """The journal is whole, and the database says what it says."""
    report = told(home, "verify")
    assert report["ok"], f"verify: {report['problems'][:2]}"
