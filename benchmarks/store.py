"""The store under load: the price of a record, a crowd of writers with a reader among them, and a hundred kills.

Prints one JSON document. The disk's own price of two synced writes stands beside ours, measured in turn with it.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks._clock import timed
from benchmarks._options import options
from benchmarks.promises import spread
from core.files import synced
from core.progress import drain
from core.store.database import Store
from core.store.journal import Journal

WRITER = """
import sys
from benchmarks.store import small
from core.store.database import Store
store = Store(sys.argv[1])
for number in range(int(sys.argv[2])):
    print(store.add("trial", small(number)), flush=True)
"""
WRITERS, TRIALS, KILLS = 8, 500, 100


def small(seed: int, queries: int = 10, depth: int = 10) -> dict:
    random.seed(seed)
    return {
        "config": {"corpus": {"dataset": "toy"}, "fusion": {"part": "rrf", "constant": 60}},
        "seed": seed,
        "status": "ok",
        "questions_fingerprint": f"{queries}",
        "timings_ms": {"fusion": 1.0},
        "chunks": [[f"d{n}", 0, 500] for n in range(240)],
        "rankings": {
            f"q{q}": [random.sample(range(240), depth), [random.random() for _ in range(depth)]] for q in range(queries)
        },
    }


def questions(count: int) -> dict:
    listed = [{"id": f"q{n}", "text": "?", "gold": [[f"d{n % 240}", 0, 10, 1, 0]]} for n in range(count)]
    return {"fingerprint": f"{count}", "dataset": "toy", "documents": 240, "queries": listed}


def derive(trial: dict, questions: dict) -> dict:
    return {"first_score": [next(iter(trial["rankings"][query["id"]][1]), None) for query in questions["queries"]]}


def ms(seconds: list[float]) -> dict[str, float]:
    p50, p95 = (round(float(q) * 1000, 2) for q in np.quantile(seconds, [0.5, 0.95]))
    return {"p50_ms": p50, "p95_ms": p95, "n": len(seconds)}


def floor(folder: Path, data: bytes) -> None:
    """What any durable new file costs on this disk."""
    with open(folder / "temporary", "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.rename(folder / "temporary", folder / "record")
    synced(folder)


def price_of_a_record(home: Path) -> dict:
    journal, payload, bare = Journal(home / "journal"), small(0), home / "bare"
    bare.mkdir()
    size = journal.read(journal.add("trial", payload)) and next(iter(journal.listing().values())).path.stat().st_size
    ours, disk = [], []
    for _ in range(300):
        disk.append(timed(lambda: floor(bare, os.urandom(size))))
        ours.append(timed(lambda: journal.add("trial", payload)))
    return {"journal": ms(ours), "disk": ms(disk), "gzipped_bytes": size}


def a_real_trial(home: Path) -> dict:
    store, payload = Store(home, derive, "1"), small(0, queries=1190, depth=20)
    store.add("questions", questions(1190))
    store.fold()
    write, fold = [], []
    for _ in range(10):
        write.append(timed(lambda: store.add("trial", payload)))
        fold.append(timed(store.fold))
    return {"queries": 1190, "depth": 20, "write": ms(write), "fold": ms(fold)}


def a_crowd(home: Path) -> dict:
    store, reads, counts = Store(home, derive, "1"), [], []
    store.add("questions", questions(10))
    store.fold()
    store.patience_s = 0.1  # as the app's, which is told what is behind
    started = time.perf_counter()
    writers = [start(home, TRIALS) for _ in range(WRITERS)]
    while any(writer.poll() is None for writer in writers):
        reads.append(timed(lambda: counts.append(store.query("SELECT count(*) AS n FROM trials")[0]["n"])))
        time.sleep(0.02)  # a page asks, and draws
    seconds = time.perf_counter() - started
    errors = sum(writer.wait() != 0 for writer in writers)
    store.fold()
    stored = store.query("SELECT count(*) AS n, count(DISTINCT id) AS d FROM trials")[0]
    report = drain(store.verify())
    rebuild = timed(lambda: drain(store.rebuild()))
    reading = [timed(lambda: store.query("SELECT dataset, count(*) FROM trials GROUP BY 1")) for _ in range(30)]
    return {
        "spread": spread(1000 * read for read in reads),
        "writers": WRITERS,
        "trials_each": TRIALS,
        "stored": stored["n"],
        "distinct": stored["d"],
        "failed_writers": errors,
        "seconds": round(seconds, 1),
        "reads_meanwhile": ms(reads),
        "counts_rose": counts == sorted(counts),
        "verify_ok": report.ok,
        "rebuild_s": round(rebuild, 2),
        "query_afterwards": ms(reading),
    }


def kills(home: Path) -> dict:
    acknowledged = set()
    for _ in range(KILLS):
        writer = start(home, 1_000_000)
        lines = [writer.stdout.readline()]
        if not lines[0]:
            raise RuntimeError("A writer ended before it wrote anything: of nothing nothing would be lost.")
        time.sleep(random.uniform(0, 0.2))
        writer.kill()
        lines += writer.communicate()[0].splitlines(keepends=True)
        acknowledged |= {line.strip() for line in lines if line.endswith("\n")}
    store = Store(home, derive, "1")
    stored = [row["id"] for row in store.query("SELECT id FROM trials")]
    report = drain(store.verify())
    return {
        "kills": KILLS,
        "acknowledged": len(acknowledged),
        "lost": len(acknowledged - set(stored)),
        "twice": len(stored) - len(set(stored)),
        "unacknowledged_but_whole": len(set(stored) - acknowledged),
        "verify_ok": report.ok,
    }


def start(home: Path, count: int) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(home), str(count)], stdout=subprocess.PIPE, text=True)


def main() -> None:
    results, data = {}, Path(__file__).parents[1] / "data"
    data.mkdir(exist_ok=True)
    for measure in (price_of_a_record, a_real_trial, a_crowd, kills):
        with tempfile.TemporaryDirectory(dir=data) as home:  # on the real disk: /tmp may be memory
            results[measure.__name__] = measure(Path(home))
    results["spread"] = {"a_crowd.reads_meanwhile.p95_ms": results["a_crowd"].pop("spread")}
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    options(__doc__)
    main()
