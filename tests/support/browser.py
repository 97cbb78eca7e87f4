"""A running app with a data folder of its own, and a headless browser."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.jobs.jobs import Jobs
from core.labs.store.estimates import estimate_rows

ROOT = Path(__file__).resolve().parents[2]
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


@contextmanager
def free_port() -> Generator[int, None, None]:
    """A port of this machine that the system gives nobody else meanwhile: who names it may listen there all the same."""
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


@pytest.fixture(scope="module")
def port():
    with free_port() as number:
        yield number


@contextmanager
def serving(home: Path, first: str = "") -> Generator[str, None, None]:
    """Address of an app that is started on this data folder, and stopped by its process id. first: what its process runs before."""
    with free_port() as port:
        process = started(home, port, first)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=120)
            if path := os.environ.get("GROUNDWORK_ESTIMATES"):  # for benchmarks.estimates
                with open(path, "a", encoding="utf-8") as file:
                    file.writelines(json.dumps(row) + "\n" for row in estimate_rows(Jobs(home).list()))


def started(home: Path, port: int, first: str = "") -> subprocess.Popen:
    """An app of its own, once it answers."""
    env = {**os.environ, "GROUNDWORK_HOME": str(home), "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    program = f"{first}\nfrom streamlit.web import cli\ncli.main(prog_name='streamlit')"
    command = [sys.executable, "-c", program, "run", "app/server.py", "--server.port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    for _ in range(1200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=10)
            return process
        except OSError:
            assert process.poll() is None, "the app ended at its start"
            time.sleep(0.25)
    raise AssertionError("the app does not answer")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("browser") / "data"


@pytest.fixture(scope="module")
def app(home):
    """Address of the running app."""
    with serving(home) as address:
        yield address


@pytest.fixture(scope="session")
def embedded(tmp_path_factory) -> Path:
    """A data folder in which the built-in corpus is prepared, once for all workers of a run: to be copied."""
    from core.config import TrialConfig
    from core.files import hold
    from core.progress import drain
    from core.workbench import Workbench

    place = tmp_path_factory.getbasetemp()
    place = (place.parent if "PYTEST_XDIST_WORKER" in os.environ else place) / "embedded"
    with hold(place.with_suffix(".lock"), purpose="preparing the built-in corpus", seconds=3600):
        if not place.is_dir():
            begun = place.with_suffix(".begun")
            drain(Workbench(begun).prepare(TrialConfig()))
            begun.rename(place)
    return place


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if binary is None:
        pytest.skip("no Chromium or Chrome on this machine")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as engine:
        context = engine.chromium.launch_persistent_context(
            str(tmp_path_factory.mktemp("profile")),
            executable_path=binary,
            args=FLAGS,
            accept_downloads=True,
            viewport={"width": 1440, "height": 900},
        )
        context.set_default_timeout(180_000)
        yield context
        context.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    item.failed = report.when == "call" and report.failed
    return report


@pytest.fixture
def tab(browser, request):
    page = browser.new_page()
    yield page
    if getattr(request.node, "failed", False):  # pytest shows it below the traceback
        print(f"{page.url}\n{page.locator('body').inner_text()[-6000:]}")
    page.close()
