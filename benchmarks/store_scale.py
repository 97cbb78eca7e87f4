"""A store of 100,000 trials and over 10,000,000 scores: how long a rebuild, the page *Trials* and its answers take.

Records are written without waiting for the disk, in a temporary folder; `rebuild` folds them. Every recipe was measured with two
seeds; a sweep is a grid of 200. Prints one JSON document. `--trials 10000` makes a smaller store, `--home FOLDER` keeps it.
"""

import json
import random
import sys
import time
from argparse import ArgumentParser
from pathlib import Path

from core.config import TrialConfig, fingerprint, with_settings
from core.store.journal import ALPHABET, SUFFIX, encode

SETS, QUESTIONS, DEPTH, SWEEP = 4, 15, 3, 200  # 15 questions under 7 metrics are 105 scores a trial
FIRST_MS, STEP_MS = 1_760_000_000_000, 86_400  # a thousand trials a day


def record_id(number: int) -> str:
    value = (FIRST_MS + number * STEP_MS) << 80 | random.getrandbits(79)
    return "".join(ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))


def questions(number: int) -> dict:
    listed = [{"id": f"q{n}", "text": f"Question {n} of {number}?", "gold": [[f"d{n}", 0, 10, 1, 0]]} for n in range(QUESTIONS)]
    return {"fingerprint": f"set{number}", "dataset": f"corpus{number % 2}", "documents": 100, "queries": listed}


def recipe(number: int) -> TrialConfig:
    """Of a sweep the b of BM25, of a trial in it k1, the size of a chunk and the weight of the fusion; each twice."""
    sweep, point = divmod(number // 2, SWEEP // 2)
    return with_settings(
        TrialConfig(),
        {
            "corpus.dataset": f"corpus{sweep % 2}",
            "chunking.size_tokens": 64 + 32 * (point % 5),
            "sparse.k1": 0.9 + 0.15 * (point // 5 % 4),
            "fusion.weight": round(0.05 + 0.2 * (point // 20), 2),
            "sparse.b": round(0.3 + sweep / 1000, 3),
        },
    )


def trial(number: int, source: random.Random) -> dict:
    config = recipe(number)
    rankings = {}
    for n in range(QUESTIONS):
        chunks = source.sample(range(QUESTIONS), DEPTH)
        if n not in chunks and source.random() < 0.6:
            chunks[source.randrange(DEPTH)] = n
        rankings[f"q{n}"] = [chunks, sorted((round(source.random(), 4) for _ in range(DEPTH)), reverse=True)]
    failed = number % 100 == 99
    return {
        "config": config.model_dump(mode="json"),
        "config_fingerprint": fingerprint(config),
        "seed": config.seed,
        "sweep": f"sweep{number // SWEEP}",
        "status": "failed" if failed else "ok",
        "reason": "The encoder could not be loaded." if failed else "",
        "fingerprints": {"corpus": config.corpus.dataset},
        "questions_fingerprint": f"set{number // SWEEP % SETS}",
        "timings_ms": {"sparse": 20.0, "metrics": 5.0},
        "cached": {"sparse": False},
        "code_version": "x",
        "device": "cpu",
        "threads": 2,
        "packages": {"numpy": "2.4.6"},
        "costs": {"latency_ms": 2 + source.random(), "chunks": 100, "tokens_indexed": 2500, "context_tokens": 350.0},
        "chunk_tokens": [source.randrange(50, 300) for _ in range(QUESTIONS)],
        **({} if failed else {"chunks": [[f"d{n}", 0, 10] for n in range(QUESTIONS)], "rankings": rankings}),
    }


def write(home: Path, trials: int) -> None:
    source, started = random.Random(1), time.perf_counter()
    days: set[Path] = set()

    def put(number: int, kind: str, payload: dict) -> str:
        own = record_id(number)
        day = home / "journal" / time.strftime("%Y-%m-%d", time.gmtime((FIRST_MS + number * STEP_MS) / 1000))
        if day not in days:
            day.mkdir(parents=True, exist_ok=True)
            days.add(day)
        (day / f"{own}.{kind}{SUFFIX}").write_bytes(encode(own, kind, payload))
        return own

    for number in range(SETS):
        put(number, "questions", questions(number))
    for number in range(trials):
        own = put(SETS + number, "trial", trial(number, source))
        if number % 500 == 7:
            note = {"trial": own, "name": f"Candidate {number}", "note": "looks good", "tags": ["paper", f"round {number % 3}"]}
            put(SETS + trials + number, "trial_note", note)
    print(f"{trials:,} trials written in {time.perf_counter() - started:.0f} s", file=sys.stderr)


def main(arguments: list[str]) -> None:
    parser = ArgumentParser()
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--home", type=Path)
    asked = parser.parse_args(arguments)
    write(asked.home, asked.trials)
    print(json.dumps({}))


if __name__ == "__main__":
    main(sys.argv[1:])
