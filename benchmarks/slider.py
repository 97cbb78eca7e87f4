"""From letting a slider go to the redrawn page, in headless Chromium, on XQuAD with a pinned baseline.

The fusion weight is dragged by the mouse, from the browser's own time of each input until the frame that shows it is painted, and let
go; then it is moved by keyboard, one step a time, as is the depth of a cascade's second step within what was read before; these
clocks stop when the address holds the new value and the script of the page is done.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

from benchmarks import DATASETS, ROOT
from benchmarks._options import options
from benchmarks.promises import spread
from benchmarks.startup import browser, free_port, start

RECIPE = "corpus.dataset=xquad-en&chunking.part=whole_document"
CASCADE = {
    "fusion.part": "sparse_only",
    "rerank.part": "encoder",
    "rerank.depth": 100,
    "rerank_2.part": "maxsim",
    "rerank_2.depth": 40,
}
DONE = """([setting, before]) => new URLSearchParams(location.search).get(setting) !== before &&
  document.querySelector('[data-testid=stApp]').getAttribute('data-test-script-state') !== 'running'"""
# a message that is posted within a frame is handled once it is painted
PAINTED = """() => { window.paints = []; addEventListener('pointermove', event => { if (event.buttons) requestAnimationFrame(() => {
  const { port1, port2 } = new MessageChannel(), asked = event.timeStamp
  port1.onmessage = () => window.paints.push(performance.now() - asked)
  port2.postMessage(0) }) }, true) }"""


def main(moves: int = 40) -> dict:
    from playwright.sync_api import sync_playwright

    os.environ.setdefault("GROUNDWORK_DATASETS", str(DATASETS))
    with tempfile.TemporaryDirectory() as home, sync_playwright() as engine:
        for settings in ({}, CASCADE):
            words = [word for setting, value in settings.items() for word in ("--set", f"{setting}={value}")]
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "core",
                    "prepare",
                    "--dataset",
                    "xquad-en",
                    "--set",
                    "chunking.part=whole_document",
                    *words,
                ],
                cwd=ROOT,
                env={**os.environ, "GROUNDWORK_HOME": home},
                check=True,
                stdout=subprocess.DEVNULL,
            )
        process, _ = start(home, port := free_port())
        try:
            page = browser(engine, f"{home}/profile").new_page()
            weight = (
                f"http://127.0.0.1:{port}/search_live?{RECIPE}&baseline.fusion.part=rrf&baseline.chunking.part=whole_document"
            )
            page.goto(weight)
            followed = dragged(page, moves // 2)
            moved = taken(page, page.get_by_role("slider", name="Dense weight"), "fusion.weight", moves)
            cascade = "&".join(f"{setting}={value}" for setting, value in CASCADE.items())
            page.goto(f"http://127.0.0.1:{port}/search_live?{RECIPE}&{cascade}")
            page.locator(".st-key-open_stage button", has_text="Reranking, second step").click()
            # within what is kept: every depth up to 60 was read by `prepare`
            depth = taken(page, page.get_by_role("slider", name=re.compile("^Depth")).last, "rerank_2.depth", moves)
        finally:
            process.terminate()
            process.wait()
    return {**moved, **followed, "cascade_depth": depth}


def dragged(page, times: int) -> dict:
    """Input to paint of a knob dragged over its range so many times, and from each letting go to the page that is done."""
    page.locator(".gw-knob-track").wait_for()
    time.sleep(3)
    page.evaluate(PAINTED)
    box, let_go = page.locator(".gw-knob-track").bounding_box(), []
    at = lambda share: (box["x"] + share * box["width"], box["y"] + box["height"] / 2)  # noqa: E731
    for turn in range(times):
        before = page.evaluate("setting => new URLSearchParams(location.search).get(setting)", "fusion.weight")
        shares = [step / 20 for step in range(19 - turn % 3)]
        page.mouse.move(*at(shares[0]))
        page.mouse.down()
        for share in shares:
            page.mouse.move(*at(share))
            time.sleep(0.02)
        began = time.perf_counter()
        page.mouse.up()
        page.wait_for_function(DONE, arg=["fusion.weight", before], polling=10)
        let_go.append((time.perf_counter() - began) * 1000)
        time.sleep(0.3)
    paints = page.evaluate("window.paints")
    return {"paint": times_of(paints), "let_go": times_of(let_go)}


def taken(page, slider, setting: str, moves: int) -> dict:
    """Milliseconds of so many moves by a step, down and up in turn; the first five are not counted."""
    page.locator(".gw-card").first.wait_for()
    time.sleep(3)
    times = []
    for move in range(moves + 5):
        slider.focus()
        before = page.evaluate("setting => new URLSearchParams(location.search).get(setting)", setting)
        began = time.perf_counter()
        page.keyboard.press("ArrowRight" if move % 2 else "ArrowLeft")
        page.wait_for_function(DONE, arg=[setting, before], polling=10)
        if move >= 5:
            times.append((time.perf_counter() - began) * 1000)
        time.sleep(0.3)
    return times_of(times)


def times_of(times: list[float]) -> dict:
    return {
        "moves": len(times),
        "median_ms": statistics.median(times),
        "p95_ms": float(np.quantile(times, 0.95)),
        "max_ms": max(times),
        "spread": {"p95_ms": spread(times)},
    }


if __name__ == "__main__":
    options(__doc__)
    print(json.dumps(main()))
