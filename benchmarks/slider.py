"""From letting a slider go to the redrawn page, in headless Chromium, on XQuAD with a pinned baseline.

The fusion weight is moved by keyboard, one step a time; the clock stops when the address holds the new value and the
script of the page is done.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.promises import spread
from benchmarks.startup import ROOT, browser, free_port, start

RECIPE = "corpus.dataset=xquad-en&chunking.part=whole_document"
# the number, not the text: 0.61 begins as 0.6 does
DONE = """weight => Number(new URLSearchParams(location.search).get('fusion.weight')) === weight &&
  document.querySelector('[data-testid=stApp]').getAttribute('data-test-script-state') !== 'running'"""


def main(moves: int = 40) -> dict:
    from playwright.sync_api import sync_playwright

    os.environ.setdefault("GROUNDWORK_DATASETS", str(ROOT.parent / "shared" / "datasets"))
    with tempfile.TemporaryDirectory() as home, sync_playwright() as engine:
        subprocess.run(
            [sys.executable, "-m", "core", "prepare", "--dataset", "xquad-en", "--set", "chunking.part=whole_document"],
            cwd=ROOT,
            env={**os.environ, "GROUNDWORK_HOME": home},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        process, _ = start(home, port := free_port())
        try:
            page = browser(engine, f"{home}/profile").new_page()
            page.goto(
                f"http://127.0.0.1:{port}/search_live?{RECIPE}&baseline.fusion.part=rrf&baseline.chunking.part=whole_document"
            )
            page.locator(".gw-card").first.wait_for()
            time.sleep(3)
            slider = page.get_by_role("slider").first
            taken = []
            weight = 0.7
            for move in range(moves + 5):
                left = move < moves // 2 + 5
                weight = round(weight + (-0.01 if left else 0.01), 2)
                slider.focus()
                began = time.perf_counter()
                page.keyboard.press("ArrowLeft" if left else "ArrowRight")
                page.wait_for_function(DONE, arg=weight, polling=10)
                if move >= 5:
                    taken.append((time.perf_counter() - began) * 1000)
                time.sleep(0.3)
        finally:
            process.terminate()
            process.wait()
    taken.sort()
    return {
        "moves": len(taken),
        "median_ms": statistics.median(taken),
        "p95_ms": taken[int(0.95 * len(taken))],
        "max_ms": taken[-1],
        "spread": {"p95_ms": spread(taken)},
    }


if __name__ == "__main__":
    print(json.dumps(main()))
