"""What share of the machine's matrix product the embedded cross-encoder reaches, counted as the encoder's benchmark does.

    python -m benchmarks.reranking [--pairs N] [--repeats N]

Pairs: XQuAD's questions, each with its own paragraph. Run it on an otherwise idle machine.
"""

import argparse
import json
import os
from statistics import median

import numpy as np

from benchmarks.encoding import SHAPES, peak_flops, seconds, xquad
from benchmarks.promises import spread
from core.reranking.cross_encoder import CrossEncoder


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
