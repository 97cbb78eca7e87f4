"""How soon the app answers: first page once installed, the very first start with nothing prepared, switching pages.

Drives the app in headless Chromium. Times are wall-clock seconds of one machine, taken several times; the first start
is taken once more for each repeat, with an empty data folder.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks import ROOT
from benchmarks._options import options
from benchmarks.promises import spread

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()

DONE = "document.querySelector('[data-testid=stApp]').getAttribute('data-test-script-state') != 'running'"


def start(home: str, port: int) -> tuple[subprocess.Popen, float]:
    """The app as `make app` starts it, and the seconds until it served its first page's shell."""
    env = {**os.environ, "GROUNDWORK_HOME": home, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    began = time.perf_counter()
    command = [sys.executable, "-m", "streamlit", "run", "app/server.py", "--server.port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1)
            return process, time.perf_counter() - began
        except OSError:
            time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def browser(engine, profile: str):
    from shutil import which

    binary = which("chromium") or which("google-chrome")
    return engine.chromium.launch_persistent_context(
        profile, executable_path=binary, args=FLAGS, viewport={"width": 1440, "height": 900}
    )


def first_page(page, port: int) -> float:
    began = time.perf_counter()
    page.goto(f"http://127.0.0.1:{port}/")
    page.get_by_role("heading", name="Groundwork").first.wait_for()
    return time.perf_counter() - began


def switch(page, name: str) -> float:
    """Seconds from the click in the navigation until the page is whole."""
    began = time.perf_counter()
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=name).click()
    page.locator(f"[data-testid=stSidebarNavLink][aria-current=page]:has-text('{name}')").wait_for()
    page.wait_for_function(DONE)
    return time.perf_counter() - began


def main(repeats: int = 3) -> dict:
    from playwright.sync_api import sync_playwright

    served, opened, explorable, encoders, switches = [], [], [], [], []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as engine:
        context = browser(engine, f"{folder}/profile")
        for number in range(repeats):
            home, port = f"{folder}/home{number}", free_port()
            process, _ = start(home, port)
            try:  # nothing prepared: until the metrics of the built-in corpus stand on the page
                page, began = context.new_page(), time.perf_counter()
                page.goto(f"http://127.0.0.1:{port}/")
                page.get_by_role("heading", name="Groundwork").first.wait_for()
                while not list(Path(home, "cache").glob("dense/*/meta.json")):
                    if time.perf_counter() - began > 300:
                        raise TimeoutError("the built-in corpus was not prepared within 300 s")
                    time.sleep(0.1)
                page.goto(f"http://127.0.0.1:{port}/search_live")
                page.locator(".gw-card").first.wait_for()
                explorable.append(time.perf_counter() - began)
                page.close()
            finally:
                process.terminate()
                process.wait()
            process, seconds = start(home, port := free_port())
            try:
                page = context.new_page()
                served.append(seconds)
                opened.append(seconds + first_page(page, port))
                began = (
                    time.perf_counter()
                )  # in a process that has drawn the first page only, by its address: no link leads there
                page.goto(f"http://127.0.0.1:{port}/compare_encoders")
                page.get_by_role("heading", name="Encoders").first.wait_for()
                page.wait_for_function(DONE)
                encoders.append(time.perf_counter() - began)
                names = ["Search, live", "Chunks to index", "Corpus", "Trials", "Experiments", "Overview"]
                for turn in range(3):
                    for name in names:
                        seconds = switch(page, name)
                        if turn:  # the first turn loads what each page needs
                            switches.append(seconds)
                page.close()
            finally:
                process.terminate()
                process.wait()
        context.close()
    return {
        "repeats": repeats,
        "server_up_s": statistics.median(served),
        "first_page_s": {"median": statistics.median(opened), "max": max(opened)},
        "first_start_explorable_s": {"median": statistics.median(explorable), "max": max(explorable)},
        "encoders_first_visit_s": {"median": statistics.median(encoders), "max": max(encoders)},
        "page_switch_s": {"median": statistics.median(switches), "max": max(switches), "n": len(switches)},
        "spread": {
            "first_page_s.median": spread(opened),
            "first_start_explorable_s.median": spread(explorable),
            "encoders_first_visit_s.median": spread(encoders),
            "page_switch_s.max": spread(switches),
        },
    }


if __name__ == "__main__":
    options(__doc__)
    print(json.dumps(main()))
