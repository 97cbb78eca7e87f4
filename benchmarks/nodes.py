"""Two nodes against one: a corpus' texts embedded, and the trials of a study, by workers of a Ray cluster on this machine.

A node has one processor and one worker. Both run on a cluster of two such nodes, with one worker and with two, in turns, each time on an
empty data folder; the start of the workers, which load their models, is counted, that of the cluster is not. Beside the workers the
driver, Ray's own processes and, on a small machine, each other's memory take part: `processors` says how many there were.

The study has 96 recipes on `python-reference`, sixteen to a chunking. `--quick` takes a tenth of the texts and a third of the study.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks._options import options
from benchmarks.promises import spread
from core.config import TrialConfig, with_settings
from core.jobs.ray_crew import imported
from core.labs.experiments.driver import run
from core.labs.experiments.experiment import made
from core.pipeline import cluster
from core.progress import drain
from core.workbench import Workbench

ROUNDS = 3
TEXTS = 3000
DATASET = "python-api"
FACTORS = {
    "chunking.size_tokens": [64, 96, 128, 192, 256, 384],
    "fusion": [{"part": "convex", "weight": weight / 10} for weight in range(1, 9)],
    "retrieval.candidates": [50, 100],
}


def embedding(quick: bool) -> Callable[[int, str, Path], int]:
    with tempfile.TemporaryDirectory() as home:
        pipeline = Workbench(Path(home)).pipeline
        config = with_settings(TrialConfig(), {"corpus.dataset": DATASET})
        texts = sorted(set(drain(pipeline.texts(drain(pipeline.resolve(config))))))
    texts = texts[:: max(1, len(texts) // (TEXTS // 10 if quick else TEXTS))]

    def once(workers: int, address: str, home: Path) -> int:
        drain(cluster.spread(config.embedding, texts, home / "cache" / "vectors", home, workers, address))
        return len(texts)

    return once


def trials(quick: bool) -> Callable[[int, str, Path], int]:
    values = FACTORS | ({"chunking.size_tokens": FACTORS["chunking.size_tokens"][:2]} if quick else {})
    factors = [{"setting": setting, "values": listed} for setting, listed in values.items()]
    study = made({"id": "nodes", "base": {"corpus": {"dataset": "python-reference"}}, "factors": factors})

    def once(workers: int, address: str, home: Path) -> int:
        outcome = drain(run(Workbench(home), study, "ray", workers, address))
        assert not outcome.failed and not outcome.missing, outcome
        return outcome.measured

    return once


def compared(once: Callable[[int, str, Path], int], address: str, rounds: int) -> dict:
    """Both numbers of workers in turns; what is done a second, and the times as much of two, round by round."""
    speeds: dict[int, list[float]] = {1: [], 2: []}
    for number in range(rounds):
        for workers in sorted(speeds, reverse=bool(number % 2)):
            with tempfile.TemporaryDirectory() as home:
                began = time.perf_counter()
                done = once(workers, address, Path(home))
                speeds[workers].append(done / (time.perf_counter() - began))
    times = [two / one for one, two in zip(speeds[1], speeds[2], strict=True)]
    return {
        "done": done,
        "one_a_second": spread(speeds[1]),
        "two_a_second": spread(speeds[2]),
        "times": median(times),
        "by_round": times,
    }


WORK = {"embedding": embedding, "study": trials}


def main(quick: bool) -> dict:
    imported(own=True)
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 200 << 20}
    nodes = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        nodes.add_node(**node)
        rounds = 1 if quick else ROUNDS
        made = {name: compared(work(quick), nodes.address, rounds) for name, work in WORK.items()}
        told = {f"{name}.times": spread(each.pop("by_round")) for name, each in made.items()}
        return {"processors": len(os.sched_getaffinity(0)), **made, "spread": told}
    finally:
        nodes.shutdown()


if __name__ == "__main__":
    print(json.dumps(main(options(__doc__, "--quick").quick), indent=1))
