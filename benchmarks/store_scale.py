"""A store of 100,000 trials and over 10,000,000 scores: how long a rebuild, the page *Trials* and its answers take.

Records are written without waiting for the disk, in a temporary folder; `rebuild` folds them. Every recipe was measured with two
seeds; a sweep is a grid of 200. Each figure is the worst of its repeats, in one process with one question at a time; the page is
painted in headless Chromium. `--trials 10000` makes a smaller store, `--home FOLDER` keeps it.
"""

import csv
import json
import os
import random
import sys
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path

from benchmarks import startup
from benchmarks._clock import timed
from benchmarks.promises import spread
from core.config import TrialConfig, fingerprint, with_settings
from core.evaluation.metric import MAIN as METRIC
from core.evaluation.metric import headlines
from core.files.ids import ALPHABET
from core.labs.trials import leaderboard, listing, values
from core.progress import drain
from core.store.journal import SUFFIX, encode
from core.workbench import Workbench

PAGE = 1000  # rows that the page shows
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


def answers(home: Path, trials: int) -> dict[str, list[float]]:
    """Seconds of what the page asks, each with values not asked before; of a rebuild and an export one."""
    bench = Workbench(home)
    took = {"rebuild": [timed(lambda: drain(bench.store.rebuild()))]}
    every = listing.everything(bench)
    sweeps, words = (
        [f"sweep{n}" for n in range(min(20, trials // SWEEP))],
        ["weight 0.45", "rrf", "size 96", "Candidate 7", "chunk 128"],
    )
    took["filter"] = [
        timed(lambda f=wanted: every.matching(**f).last_repeats().table(headlines(), 0, PAGE))
        for wanted in [*({"sweep": name} for name in sweeps[:5]), *({"text": text} for text in words)]
    ]
    groups = [values.select(bench, name, "", set(), METRIC)[1] for name in sweeps]
    took["leaderboard"] = [timed(lambda g=group: leaderboard.rows(leaderboard.leaderboard(bench, g, METRIC))) for group in groups]
    with open(home / "table.csv", "w", encoding="utf-8", newline="") as file:

        def export() -> None:
            rows = every.last_repeats().table(headlines())
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)

        took["export"] = [timed(export)]
    return took


def painted(home: Path, turns: int = 5) -> list[float]:
    """Seconds from the click in the navigation until *Trials* is whole, in headless Chromium, its first visit among them."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as profile, sync_playwright() as engine:
        process, _ = startup.start(str(home), port := startup.free_port())
        context = startup.browser(engine, profile)
        try:
            page = context.new_page()
            startup.first_page(page, port)
            page.wait_for_function(startup.DONE)
            took = []
            for _ in range(turns):
                took.append(startup.switch(page, "Trials"))
                page.get_by_test_id("stDataFrame").first.wait_for()
                startup.switch(page, "Overview")
            return took
        finally:
            context.close()
            process.terminate()
            process.wait()


def main(arguments: list[str]) -> None:
    parser = ArgumentParser()
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--quick", action="store_true", help="2,000 trials")
    asked = parser.parse_args(arguments)
    trials = 2_000 if asked.quick else asked.trials
    with tempfile.TemporaryDirectory() as folder:
        home = asked.home or Path(folder)
        write(home, trials)
        took = answers(home, trials) | {"paint": painted(home)}
        scores = Workbench(home).sql("SELECT count(*) FROM scores").rows[0][0]
    figures = {
        "rebuild_s": "rebuild",
        "paint_s": "paint",
        "filter_ms": "filter",
        "leaderboard_ms": "leaderboard",
        "export_s": "export",
    }
    times = {name: [one * (1000 if name.endswith("_ms") else 1) for one in took[step]] for name, step in figures.items()}
    worst = {name: max(of) for name, of in times.items()}
    spreads = {name: spread(of) for name, of in times.items()}
    print(
        json.dumps({"trials": trials, "scores": scores, **worst, "spread": spreads, "load": list(os.getloadavg()[:2])}, indent=1)
    )


if __name__ == "__main__":
    main(sys.argv[1:])
