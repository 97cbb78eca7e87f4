"""The page Train an adapter in a real browser: the data's card, a tiny training with its curves, and the switch on Ask and Sampling."""

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
    tab.get_by_text("Given the right passage").wait_for(timeout=300_000)
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
