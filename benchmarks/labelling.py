"""How soon the next item stands on the screen after a key, and that no label is lost when many people label at once.

    python -m benchmarks.labelling [--quick]

Five annotators label a study of 2,000 items, four fifths of it labelled already, in five real browsers that
share this machine with the app; each thinks for some three seconds between two keys. A time runs from the key's event to
the frame in which the next item is drawn and the page is at rest, measured in the browser. The same is told for one annotator alone.
Then ten processes label 2,000 items, and every label that was acknowledged is looked for; and Krippendorff's alpha with its
interval is timed.
"""

import asyncio
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import startup
from benchmarks._clock import timed
from benchmarks._options import options
from benchmarks.promises import against, spread
from core.annotation import imports, latest, rounds, saving, versions
from core.annotation.assignment import assignment
from core.annotation.drawing import Candidate, draw
from core.annotation.formats.exchange import to_jsonl
from core.annotation.labels import Label, blank
from core.annotation.rubric import default_rubric
from core.annotation.study import Passage, Study
from core.workbench import Workbench

ITEMS, PEOPLE, WRITERS = 2000, 5, 10
# each annotator has a window in front: none of the five is put to sleep
AWAKE = ["--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding"]
PROBE = """() => {
  window.times = []
  const app = document.querySelector('[data-testid=stApp]')
  const place = () => {
    const [a, b, c] = ['.lab', '.lab-ask', '.lab-progress'].map(s => document.querySelector(s)?.dataset)
    return a && b && c && a.place === b.place && a.item === c.item ? a.place : ''
  }
  let from = place(), began = 0
  const look = () => {
    if (!began || app.dataset.testScriptState === 'running') return
    const now = place()
    if (!now || now === from) return
    const one = { next: now.split('/')[0] !== from.split('/')[0], began, now }
    began = 0; from = now
    requestAnimationFrame(() => setTimeout(() => window.times.push({ ...one, ms: performance.now() - one.began })))
  }
  window.addEventListener('keydown', () => { from = place(); began = performance.now() }, true)
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true })
}"""


def study(name: str, items: int, people: int, each: int) -> Study:
    """Items of the size that answers over five passages have, from the language reference."""
    from pydoc_data.topics import topics

    texts = [" ".join(text.split()) for _, text in sorted(topics.items()) if len(text) > 3000]
    found = []
    for n in range(items):
        text = texts[n % len(texts)]
        passages = tuple(
            Passage(document_id=f"topic-{n}", start=s, end=s + 500, text=text[s : s + 500]) for s in range(0, 2500, 500)
        )
        found.append(
            Candidate(
                f"answer-{n:05}",
                "recipe",
                "python",
                f"Question {n}: what does the reference say here?",
                f"It says: {text[40:160]}. It also says {text[600:700]}.",
                passages,
                (),
            )
        )
    return Study(
        id=name,
        question="Are the answers faithful?",
        rubrics=(default_rubric(),),
        items=draw(found, items, by="none"),
        annotators=tuple(f"annotator {n + 1}" for n in range(people)),
        per_item=each,
        ask=("sentences",),
    )


def whole(frozen: versions.Frozen, annotator: str, item: str) -> Label:
    empty = blank(frozen.study, frozen.round, frozen.study.item(item), annotator)
    labelled = tuple(tuple("supported" for _ in row) for row in empty.sentences)
    return empty.model_copy(update={"sentences": labelled, "seconds": 12.0})


def prepared(home: Path, items: int) -> versions.Frozen:
    """The study with four fifths of its labels."""
    workbench = Workbench(home)
    frozen = rounds.freeze(workbench, study("speed", items, PEOPLE, PEOPLE), "main")
    given = [
        whole(frozen, name, item) for name, mine in assignment(frozen.study, "main").items() for item in mine[: items * 4 // 5]
    ]
    path = home / "labels.jsonl"
    path.write_text(to_jsonl(given), "utf-8")
    imports.import_labels(workbench, "speed", path)
    return frozen


async def annotate(page: Any, keys: int, seed: int, think_s: float) -> list[dict[str, Any]]:
    """Presses answer keys, one a screen, and returns what each took."""
    dice = random.Random(seed)
    for number in range(keys):
        await page.keyboard.press(dice.choice("1234"))
        await page.wait_for_function(f"window.times.length > {number}", timeout=60_000)
        await asyncio.sleep(think_s * dice.uniform(0.5, 1.5))
    return await page.evaluate("window.times")


async def windows(port: int, folder: str, people: list[str], keys: int, think_s: float) -> dict[str, Any]:
    from shutil import which

    from playwright.async_api import async_playwright

    async with async_playwright() as engine:
        contexts, pages = [], []
        for number, name in enumerate(people):  # a browser each: only one tab of a browser is in front, the others are slowed
            context = await engine.chromium.launch_persistent_context(
                f"{folder}/{number}",
                executable_path=which("chromium") or which("google-chrome"),
                args=[*startup.FLAGS, *AWAKE],
                viewport={"width": 1440, "height": 900},
            )
            page = await context.new_page()
            await page.goto(f"http://127.0.0.1:{port}/label_answers?study=speed&annotator={name}", timeout=120_000)
            await page.locator(".lab-row.now").wait_for(timeout=120_000)
            await page.wait_for_function(startup.DONE)
            await page.evaluate(PROBE)
            contexts.append(context)
            pages.append(page)
        found = await asyncio.gather(*(annotate(page, keys, seed, think_s) for seed, page in enumerate(pages)))
        for context in contexts:
            await context.close()
    items = [one["ms"] for times in found for one in times[2:] if one["next"]]  # the first keys load what is needed
    every = [one["ms"] for times in found for one in times[2:]]
    return {"windows": len(people), "next_item_ms": quantiles(items), "any_key_ms": quantiles(every), "spread": spread(items)}


def quantiles(values: list[float]) -> dict[str, float]:
    p50, p95 = (round(float(q), 1) for q in np.percentile(values, [50, 95]))
    return {"p50": p50, "p95": p95, "max": round(max(values), 1), "n": len(values)}


def write(home: str, name: str, path: str, ready: Any) -> None:
    """One annotator's process: labels everything, and notes what was acknowledged."""
    workbench = Workbench(Path(home))
    frozen = versions.load(workbench, "many")
    ready.wait(300)  # all ten at once
    with open(path, "w", encoding="utf-8") as notes:
        for item in assignment(frozen.study, "main")[name]:
            label, began = whole(frozen, name, item), time.perf_counter()
            label_id = saving.label(workbench, frozen, label).id
            notes.write(json.dumps([label_id, item, (time.perf_counter() - began) * 1000]) + "\n")


def together(home: Path, items: int) -> dict[str, Any]:
    """Ten processes at once, and a look for each acknowledged label."""
    workbench = Workbench(home)
    rounds.freeze(workbench, study("many", items, WRITERS, 1), "main")
    frozen, spawn = versions.load(workbench, "many"), multiprocessing.get_context("spawn")
    ready = spawn.Barrier(WRITERS + 1)
    notes = {name: home / f"{number}.jsonl" for number, name in enumerate(frozen.study.annotators)}
    running = [spawn.Process(target=write, args=(str(home), name, str(path), ready)) for name, path in notes.items()]
    for process in running:
        process.start()
    ready.wait(300)
    began = time.perf_counter()
    for process in running:
        process.join()
    seconds = time.perf_counter() - began
    said = {
        label_id: (name, item, ms)
        for name, path in notes.items()
        for label_id, item, ms in map(json.loads, path.read_text("utf-8").splitlines())
    }
    fresh = Workbench(home)
    kept = [(one["id"], one["annotator"], one["item"]) for one in fresh.store.labels.all("many")]
    there = {label_id: (name, item) for label_id, name, item in kept}
    standing = {one.id for one in latest.labels(fresh, "many")}
    lost = [
        label_id for label_id, (name, item, _) in said.items() if there.get(label_id) != (name, item) or label_id not in standing
    ]
    return {
        "writers": WRITERS,
        "acknowledged": len(said),
        "lost": len(lost) + items - len(said),
        "twice": len(kept) - len(there),
        "label_ms": quantiles([ms for *_, ms in said.values()]),
        "labels_per_s": round(len(said) / seconds, 1),
    }


def alpha_seconds(level: str) -> list[float]:
    """Alpha of 10,000 labels, 2,500 items by four people, with 2,000 resamples; three times, each with its own seed."""
    from core.statistics.agreement.alpha import alpha
    from core.statistics.agreement.coefficient import estimate

    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, size=(2500, 1))
    values = np.where(rng.random((2500, 4)) < 0.7, truth, rng.integers(0, 4, size=(2500, 4))).astype(float)
    return [timed(lambda seed=seed: estimate(alpha(values, level), resamples=2000, seed=seed)) for seed in range(3)]


def main(quick: bool = False) -> dict:
    items, keys = (300, 14) if quick else (ITEMS, 60)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        frozen = prepared(home, items)
        process, _ = startup.start(str(home), port := startup.free_port())
        try:
            print("  windows", file=sys.stderr, flush=True)
            people = list(frozen.study.annotators)
            alone = asyncio.run(windows(port, f"{folder}/one", people[:1], keys, 0.2))
            at_once = asyncio.run(windows(port, f"{folder}/five", people, keys, 3.0))
        finally:
            process.terminate()
            process.wait()
        print("  writers", file=sys.stderr, flush=True)
        writers = together(Path(folder, "many"), items)
    alphas = {level: alpha_seconds(level) for level in ("nominal", "ordinal", "interval")}
    alpha_s = {level: max(seconds) for level, seconds in alphas.items()}
    alone.pop("spread")
    spreads = {
        "required.key_to_next_item_p95_ms": at_once.pop("spread"),
        "required.alpha_s": spread(alphas[max(alpha_s, key=alpha_s.get)]),
    }
    required = {
        "key_to_next_item_p95_ms": at_once["next_item_ms"]["p95"],
        "labels_lost": writers["lost"],
        "labels_twice": writers["twice"],
        "alpha_s": max(alpha_s.values()),
    }
    return {
        "required": {name: against("labelling", name, value) for name, value in required.items()},
        "items": items,
        "one": alone,
        "five": at_once,
        "writers": writers,
        "alpha_s": alpha_s,
        "spread": spreads,
        "load": list(os.getloadavg()[:2]),
    }


if __name__ == "__main__":
    print(json.dumps(main(options(__doc__, "--quick").quick)))
