"""From letting a slider go to the redrawn page, in headless Chromium, on XQuAD with a pinned baseline.

The fusion weight is moved by keyboard, one step a time, then the depth of a cascade's second step within what was read before; the
clock stops when the address holds the new value and the script of the page is done.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks._options import options
from benchmarks.promises import spread
from benchmarks.startup import ROOT, browser, free_port, start

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


def main(moves: int = 40) -> dict:
    from playwright.sync_api import sync_playwright

    os.environ.setdefault("GROUNDWORK_DATASETS", str(ROOT.parent / "shared" / "datasets"))
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
            moved = taken(page, page.get_by_role("slider").first, "fusion.weight", moves)
            cascade = "&".join(f"{setting}={value}" for setting, value in CASCADE.items())
            page.goto(f"http://127.0.0.1:{port}/search_live?{RECIPE}&{cascade}")
            page.locator("summary", has_text="Reranking, second step").click()
            # within what is kept: every depth up to 60 was read by `prepare`
            depth = taken(page, page.get_by_role("slider", name=re.compile("^Depth")).last, "rerank_2.depth", moves)
        finally:
            process.terminate()
            process.wait()
    return {**moved, "cascade_depth": depth}


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
    times.sort()
    return {
        "moves": len(times),
        "median_ms": statistics.median(times),
        "p95_ms": times[int(0.95 * len(times))],
        "max_ms": times[-1],
        "spread": {"p95_ms": spread(times)},
    }


if __name__ == "__main__":
    options(__doc__)
    print(json.dumps(main()))
