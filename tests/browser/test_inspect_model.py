"""The page Inside the model in a real browser: known sizes, a cache measured, a head clicked, text split, a wrong file."""

import re

LAYERS, HEADS = 30, 9


def open_page(tab, address: str) -> None:
    tab.goto(address)
    tab.get_by_test_id("stSidebarNav").wait_for()


def settled(tab) -> None:
    """Until the page's script is done."""
    tab.wait_for_function(
        "document.querySelector('[data-testid=stApp]').getAttribute('data-test-script-state') !== 'running'"
    )
    tab.wait_for_timeout(150)


def no_error(tab) -> None:
    assert not tab.get_by_text("This page met an unexpected error").count()
    assert not tab.get_by_test_id("stException").count()


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


def test_the_cache_is_measured_and_a_head_is_opened(app, tab):
    open_page(tab, f"{app}/inspect_model?view=KV+cache&new_tokens=32&every=8")
    tab.get_by_role("button", name="Measure").click()
    tab.get_by_text("Memory of the cache").wait_for(timeout=180_000)  # the bundled model is converted once
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


def test_text_is_split_side_by_side(app, tab):
    open_page(tab, f"{app}/inspect_model?view=Tokenizers")
    tab.get_by_text("vocabulary 30,522").wait_for()
    tab.get_by_text("vocabulary 49,152").wait_for()
    settled(tab)
    assert tab.locator(".gw-passage .gw-a").count() > 4 and tab.locator(".gw-passage .gw-b").count() > 4
    no_error(tab)
