"""The page Inside the model in a real browser: known sizes, a cache measured, a head clicked, text split, experts trained in a job."""

import re

import pytest

from tests.support.steps import no_error, open_page, settled

LAYERS, HEADS = 30, 9


@pytest.mark.slow
def test_architecture_and_its_calculator(app, tab, tmp_path):
    open_page(tab, f"{app}/inspect_model")
    tab.get_by_text("134,515,008").wait_for()
    tab.get_by_role("button", name="MHA, 32 KV heads, batch 10: 687.2 GB").click()
    tab.locator(".gw-value", has_text="687.2").wait_for()
    settled(tab)
    assert "context=131%2C072" in tab.url or "context=131072" in tab.url
    no_error(tab)

    (tmp_path / "broken.gguf").write_bytes(b"GGUF\x03\x00\x00\x00")
    open_page(tab, f"{app}/inspect_model?model=A+file+of+this+machine")
    box = tab.get_by_role("textbox", name="Path")
    box.fill(str(tmp_path / "broken.gguf"))
    box.press("Enter")
    tab.get_by_test_id("stAlert").get_by_text("broken.gguf").wait_for()
    no_error(tab)


@pytest.mark.slow
def test_the_cache_is_measured_and_a_head_is_opened(app, tab):
    open_page(tab, f"{app}/inspect_model?view=KV+cache&new_tokens=32&every=8")
    tab.get_by_role("button", name="Measure").click()
    tab.get_by_text("Memory of the cache").wait_for(timeout=900_000)  # the bundled model is converted once
    settled(tab)
    assert tab.get_by_text(re.compile(r"^Adjusted R²")).count() == 2
    no_error(tab)

    tab.get_by_role("tab", name="Attention").click()
    tab.get_by_role("button", name="Read the prompt").click()
    tab.get_by_text("click a head to open it").wait_for()
    settled(tab)
    plot = tab.locator(".js-plotly-plot .nsewdrag").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    tab.mouse.click(box["x"] + box["width"] * 12.5 / LAYERS, box["y"] + box["height"] * 4.5 / HEADS)
    tab.get_by_text("layer 12, head 4").first.wait_for()
    no_error(tab)


@pytest.mark.slow
def test_text_is_split_side_by_side_and_a_tokenizer_trained(app, tab):
    open_page(tab, f"{app}/inspect_model?view=Tokenizers")
    tab.get_by_text("vocabulary 30,522").wait_for()
    tab.get_by_text("vocabulary 49,152").wait_for()
    settled(tab)
    assert tab.locator(".gw-passage .gw-a").count() > 4 and tab.locator(".gw-passage .gw-b").count() > 4
    tab.get_by_text("Train one on this corpus").click()
    tab.get_by_role("textbox", name="Name").fill("small one")
    size = tab.get_by_role("spinbutton", name="Vocabulary (tokens)")
    size.fill("700")
    size.press("Enter")  # the button still moves while the expander opens, and a click may miss it
    tab.get_by_text("vocabulary 700").wait_for()
    settled(tab)  # the third text pushes the button down
    tab.get_by_role("button", name="Compare on the corpus").click()
    tab.get_by_text("Vocabulary use", exact=True).wait_for()
    settled(tab)
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Report").click()
    report = download.value.path().read_text("utf-8")
    assert "small one" in report and "Fertility" in report
    no_error(tab)


@pytest.mark.slow
def test_experts_are_trained_in_a_job_that_a_reload_finds_again(app, tab):
    address = f"{app}/inspect_model?view=Mixture+of+experts&moe_steps=100&moe_layers=1"
    open_page(tab, address)
    tab.get_by_role("button", name="Train both").click()
    tab.get_by_role("button", name="Cancel").wait_for()
    open_page(tab, address)
    tab.get_by_role("button", name="Cancel").click()
    tab.get_by_role("button", name="Resume").click()
    tab.get_by_text("Experts by part of speech").wait_for(timeout=540_000)
    tab.get_by_text("Expert of each token by layer").wait_for()
    settled(tab)
    assert tab.get_by_text("Held-out loss").count() == 2
    no_error(tab)
