"""What the embedded cross-encoder is worth on XQuAD, what a question costs, and its share of the machine's matrix product.

    python -m benchmarks.reranking [--pairs N] [--repeats N]

The cascade (whole paragraphs, convex fusion as it comes, then the cross-encoder): depth and weight are chosen by hit@1 on one half
of the articles, and reported on the other with their interval. The time is that of questions that nobody asked before, one by one.
The share is counted as the encoder's benchmark does, over questions with their own paragraph. Run it on an otherwise idle machine;
XQuAD comes from the folder that GROUNDWORK_DATASETS names.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.encoding import SHAPES, peak_flops, seconds, xquad
from benchmarks.promises import spread
from core.config import TrialConfig, with_settings
from core.labs.reranking.effect import effect
from core.reranking.cross_encoder import CrossEncoder
from core.statistics.bootstrap import mean_interval
from core.workbench import Workbench

DEPTHS, WEIGHTS = (5, 4, 3, 2), (0.6, 0.7, 0.75, 0.8, 0.9, 1.0)  # the deepest first: the others then read nothing
TIMED = 30  # questions


def cascade() -> dict[str, Any]:
    """Chosen on the one half of the articles, measured on the other."""
    os.environ.setdefault("GROUNDWORK_DATASETS", str(Path("../shared/datasets").resolve()))
    base = {"corpus.dataset": "xquad-en", "chunking": "whole_document", "fusion": "convex", "rerank": "cross_encoder"}
    with tempfile.TemporaryDirectory() as home:
        bench = Workbench(Path(home))

        def evaluated(half: str, depth: int, weight: float) -> Any:
            more = {"corpus.questions": half, "evaluation.k": 1, "rerank.depth": depth, "rerank.weight": weight}
            return bench.evaluate(with_settings(TrialConfig(), {**base, **more}))

        def hits(half: str, depth: int, weight: float) -> float:
            return float(evaluated(half, depth, weight).values["hit"].mean())

        grid = {(depth, weight): hits("dev", depth, weight) for depth in DEPTHS for weight in WEIGHTS}
        depth, weight = max(grid, key=lambda setting: (grid[setting], -setting[0]))
        test = evaluated("test", depth, weight)
        articles = [query.group for query in test.corpus.queries]
        hit, paired = mean_interval(test.values["hit"], articles), effect(bench, test, "hit").paired
        times = []
        for query in test.corpus.queries[:TIMED]:
            started = time.perf_counter()
            bench.search(test.run, f"{query.text} ")  # other words than the set's, so nothing of it is known
            times.append(time.perf_counter() - started)
    return {
        "depth": depth,
        "weight": weight,
        "hit_dev": grid[depth, weight],
        "hit": hit.mean,
        "hit_low": hit.low,
        "hit_high": hit.high,
        "questions": hit.n,
        "articles": len(set(articles)),
        "before": hit.mean - paired.difference,
        "gain_low": paired.low,
        "gain_high": paired.high,
        "gain_p": paired.p,
        "s_a_question": median(times),
        "s_slowest": max(times),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--pairs", type=int, default=300)
    arguments.add_argument("--repeats", type=int, default=3)
    options = arguments.parse_args()
    load_before = os.getloadavg()[0]
    paragraphs, questions = xquad()
    pairs = [(questions[i], paragraphs[i * len(paragraphs) // options.pairs]) for i in range(options.pairs)]
    part = CrossEncoder()
    reader = part._load()
    lengths = np.array([len(ids) for _, some in reader._batches(pairs, 1024, 4) for ids, _ in some])
    work = 2 * 6 * sum(k * n for k, n in SHAPES) * lengths.sum() + 2 * 2 * 6 * 384 * (lengths**2).sum()
    list(reader.read(pairs))  # loads what the first call loads
    times, peaks = [], []
    for _ in range(options.repeats):
        times.append(seconds(lambda: list(reader.read(pairs))))
        peaks.append(peak_flops(part._dtype()))
    result = {
        "xquad": cascade(),
        "pairs": len(pairs),
        "tokens": int(lengths.sum()),
        "dtype": part._dtype(),
        "pairs_per_s": len(pairs) / median(times),
        "tokens_per_s": lengths.sum() / median(times),
        "peak_gflops": median(peaks) / 1e9,
        "share_of_peak": work / median(times) / median(peaks),
        "spread": spread([work / own / peak for own, peak in zip(times, peaks, strict=True)]),
        "load": [load_before, os.getloadavg()[0]],
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
