"""What the embedded cross-encoder is worth on XQuAD, what a question costs, and its share of the machine's matrix product.

    python -m benchmarks.reranking [--pairs N] [--repeats N]

The cascade (whole paragraphs, convex fusion as it comes, then MaxSim and the cross-encoder): its depths and weights are chosen by hit@1
on one half of the articles and held to the other, both ways, so that every question is measured by a cascade that it did not choose. The
interval draws articles. The time is that of questions that nobody asked before, one by one.
The share is counted as the encoder's benchmark does, over questions with their own paragraph. Run it on an otherwise idle machine;
XQuAD comes from the folder that GROUNDWORK_DATASETS names.
"""

import argparse
import json
import os
import tempfile
import time
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import DATASETS
from benchmarks._clock import timed
from benchmarks.encoding import SHAPES, peak_flops, xquad
from benchmarks.promises import spread
from core.config import TrialConfig, with_settings
from core.corpus.library import split
from core.reranking.cross_encoder import CrossEncoder
from core.statistics.bootstrap import mean_interval
from core.workbench import Workbench

DEPTHS, WEIGHTS, FIRST = (
    (5, 4, 3, 2),
    (0.5, 0.6, 0.7, 0.8, 1.0),
    (0.0, 0.5, 0.75, 1.0),
)  # the deepest first: the others then read nothing
TIMED = 30  # questions


def cascade() -> dict[str, Any]:
    """Chosen on the one half of the articles, measured on the other, both ways."""
    os.environ.setdefault("GROUNDWORK_DATASETS", str(DATASETS))
    base = {"corpus.dataset": "xquad-en", "chunking": "whole_document", "fusion": "convex", "evaluation.k": 1}
    with tempfile.TemporaryDirectory() as home:
        bench = Workbench(Path(home))
        plain = bench.evaluate(with_settings(TrialConfig(), base))
        grid = {
            (first, depth, weight): with_settings(plain.config, settings(first, depth, weight))
            for first, depth, weight in product(FIRST, DEPTHS, WEIGHTS)
        }
        hits = {setting: bench.evaluate(recipe).values["hit"] for setting, recipe in grid.items()}
        dev = {query.id for query in split(plain.corpus, "dev").queries}
        on_dev = np.array([query.id in dev for query in plain.corpus.queries])
        halves, held = {}, np.full(len(on_dev), np.nan)
        for name, here in (("dev", ~on_dev), ("test", on_dev)):  # what the one half chose is held to the other
            setting = max(hits, key=lambda setting, here=here: (round(float(hits[setting][here].mean()), 9), -setting[1]))
            held[~here] = hits[setting][~here]
            halves[name] = {"chosen": setting, "hit": float(hits[setting][~here].mean()), "questions": int((~here).sum())}
        articles = [query.group for query in plain.corpus.queries]
        hit = mean_interval(held, articles)
        gain = mean_interval(held - plain.values["hit"], articles)
        run, times = bench.resolve(grid[halves["test"]["chosen"]]), []
        for query in plain.corpus.queries[:TIMED]:
            started = time.perf_counter()
            bench.search(run, f"{query.text} ")  # other words than the set's, so nothing of it is known
            times.append(time.perf_counter() - started)
    return {
        "hit": hit.mean,
        "hit_low": hit.low,
        "hit_high": hit.high,
        "before": float(plain.values["hit"].mean()),
        "gain_low": gain.low,
        "gain_high": gain.high,
        "questions": hit.n,
        "articles": len(set(articles)),
        "measured_on": halves,
        "s_a_question": median(times),
        "s_slowest": max(times),
        "spread": {"s_a_question": spread(times)},
    }


def settings(first: float, depth: int, weight: float) -> dict[str, Any]:
    """MaxSim of the first 10 with this share (0: without), whatever their length, then the cross-encoder of so many."""
    last = {"part": "cross_encoder", "depth": depth, "weight": weight}
    before = {"part": "maxsim", "depth": 10, "weight": first, "length_penalty": 0.0}
    steps = (before, last) if first else (last,)
    return {
        f"{stage}.{name}": value
        for stage, step in zip(("rerank", "rerank_2"), steps, strict=False)
        for name, value in step.items()
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
    lengths = np.array([len(ids) for some in reader._windows(pairs) for ids, _ in some])
    work = 2 * 6 * sum(k * n for k, n in SHAPES) * lengths.sum() + 2 * 2 * 6 * 384 * (lengths**2).sum()
    list(reader.read(pairs))  # loads what the first call loads
    times, peaks = [], []
    for _ in range(options.repeats):
        times.append(timed(lambda: list(reader.read(pairs))))
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
        "spread": {"share_of_peak": spread(work / own / peak for own, peak in zip(times, peaks, strict=True))},
        "load": [load_before, os.getloadavg()[0]],
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
