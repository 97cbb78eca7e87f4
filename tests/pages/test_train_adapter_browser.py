"""The pages of adapters in a real browser: the data's card, a tiny training with its curves, the switch on Ask and Sampling, and what the
adapter did, asked and read on Compare adapters."""

import re
from urllib.parse import quote

import pytest

from tests.generation.test_torch_lm import tiny_model
from tests.pages.test_train_adapter import QUESTIONS, TEXTS
from tests.support.small_corpora import with_towns
from tests.support.steps import no_error, open_page, settled


@pytest.fixture(scope="module")
def address(home):
    with_towns(home, TEXTS, QUESTIONS)
    model = quote(str(tiny_model(home / "tiny")))
    engine = f"generation.part=transformers&generation.model={model}&generation.context_tokens=1024"
    return f"corpus.dataset=towns&fusion.part=sparse_only&{engine}"


def put(tab, knob: str, value: int) -> None:
    box = tab.locator(f".st-key-adapter-{knob} input")
    box.fill(str(value))
    box.press("Enter")
    settled(tab)


@pytest.mark.slow
def test_an_adapter_is_trained_and_switched_on(app, address, tab):
    open_page(tab, f"{app}/train_adapter?{address}")
    settled(tab)
    tab.get_by_role("button", name="Look at the data").click()
    tab.get_by_text(re.compile("checksum")).wait_for()
    put(tab, "distractors", 0)
    put(tab, "max_steps", 3)
    tab.get_by_role("button", name="Train", exact=True).click()
    tab.get_by_text("Given the right passage").wait_for(timeout=900_000)
    settled(tab)
    no_error(tab)
    tab.get_by_role("button", name="Curves").click()
    tab.locator(".st-key-chart-adapter-loss-towns-1 .js-plotly-plot").wait_for()
    assert "Sample answers" in tab.inner_text("body")
    tab.keyboard.press("Escape")
    tab.get_by_role("button", name="Use this adapter").click()
    tab.get_by_role("button", name="In use").wait_for()
    assert "generation.adapter=towns-1" in tab.url
    for page in ("ask_model", "tune_sampling"):
        open_page(tab, f"{app}/{page}?{address}&generation.adapter=towns-1&generation.adapter_scale=0.5")
        settled(tab)
        tab.get_by_text("Adapter scale").first.wait_for(state="attached")
        no_error(tab)
    open_page(tab, f"{app}/compare_adapters?{address}&ask=2")
    settled(tab)
    tab.get_by_role("button", name=re.compile(r"Write \d+ answers")).click()
    tab.get_by_text("Context or memory").wait_for(timeout=900_000)
    settled(tab)
    no_error(tab)
    tab.locator(".st-key-chart-adapters .js-plotly-plot").wait_for()
    assert "of 2 questions are answered right without any passage" in tab.inner_text("body")
    tab.get_by_role("button", name="Measure perplexity").click()
    tab.get_by_text(re.compile("perplexity.* on python-reference is")).wait_for(timeout=900_000)
    no_error(tab)
