"""The page Sampling in a real browser with the bundled model: from a question to bars, a forced token, a comparison and a study."""

import re

import pytest

from tests.support.steps import no_error, open_page, settled

CARDS = ".gw-cards"
QUESTION = "What does a bare raise do if there isn't currently an active exception?"
ADDRESS = (
    "tune_sampling?fusion.part=sparse_only&generation.weights=as_bundled&generation.max_tokens=10&chain=top_k%3D40+temperature%3D0.8"
    "&context.passages=1"
)


def entropy(tab) -> float:
    return float(re.search(r"Entropy\s+([\d.]+)", tab.locator(CARDS).first.inner_text()).group(1))


def hotter(tab) -> None:
    """Moves the temperature from 0.8 to 1.1 by keyboard, and waits for address and numbers to follow."""
    before = entropy(tab)
    tab.get_by_role("slider", name="Temperature").first.focus()
    for _ in range(6):
        tab.keyboard.press("ArrowRight")
    tab.wait_for_function("() => location.href.includes('temperature%3D1.1')")
    tab.wait_for_function("old => !document.querySelector('.gw-cards').innerText.includes(old)", arg=f"{before:.2f}")
    settled(tab)
    assert entropy(tab) > before, "a hotter distribution"


@pytest.mark.slow
def test_a_question_is_looked_into_and_a_token_forced(app, tab):
    open_page(tab, f"{app}/{ADDRESS}")
    tab.get_by_role("button", name=QUESTION).click()
    tab.get_by_text("Possible next tokens").wait_for()
    settled(tab)
    assert "question=What+does+a+bare+raise" in tab.url
    drawn = tab.locator(".js-plotly-plot")
    for title in ("model", "top-k", "all others"):  # a panel a step, and the tail
        drawn.get_by_text(title).first.wait_for()
    hotter(tab)
    assert tab.get_by_text("the model did not run").count()

    tab.get_by_role("button", name="Write the answer").click()
    tab.get_by_role("button", name="Write again").wait_for()
    settled(tab)
    tokens = tab.locator(".st-key-tokens button")
    said = tokens.all_inner_texts()
    assert len(said) > 3
    colours = {tokens.nth(i).evaluate("one => getComputedStyle(one).backgroundColor") for i in range(len(said))}
    assert len(colours) > 1, "a heatmap"
    tokens.nth(2).click()
    tab.get_by_text("What may stand at place 3").wait_for()
    settled(tab)
    others = tab.locator("[class*=st-key-force] button", has_text="%")
    others.nth(next(i for i in range(others.count()) if "●" not in others.nth(i).inner_text())).click()
    tab.get_by_text("1 token forced").wait_for()
    settled(tab)
    now = tokens.all_inner_texts()
    assert now[:2] == said[:2] and now[2] != said[2]
    tab.get_by_role("tab", name="The answer").click()
    tab.get_by_text("Where the model was unsure").wait_for()
    settled(tab)
    assert tab.get_by_text("The passage that carries each sentence").count()
    no_error(tab)


@pytest.mark.slow
def test_a_shared_address_brings_the_view_back_and_settings_stand_side_by_side(app, tab):
    open_page(tab, f"{app}/{ADDRESS}&manner=Text+to+continue&prompt=The+three+primary+colours+are&view=Side+by+side")
    tab.get_by_role("button", name="Write all").wait_for()
    settled(tab)
    assert tab.get_by_role("textbox", name="Text to continue").input_value() == "The three primary colours are"
    tab.get_by_role("button", name="Write all").click()
    tab.get_by_text("First token").nth(1).wait_for()
    settled(tab)
    assert tab.locator(".gw-facts", has_text="tokens/s").count() == 2
    no_error(tab)


@pytest.mark.slow
def test_a_tiny_study_is_drawn_and_every_chain_compared(app, tab):
    open_page(tab, f"{app}/{ADDRESS}&question=What+is+a+generator%3F&view=Experiment")
    tab.get_by_role("button", name="Start the experiment").wait_for()
    settled(tab)
    for name in ("Samples a question", "Questions"):
        tab.get_by_role("slider", name=name).focus()
        tab.keyboard.press("Home")
        settled(tab)
    tab.get_by_role("slider", name="Questions").focus()
    tab.keyboard.press("ArrowRight")
    tab.get_by_text("12 answers").wait_for()
    settled(tab)
    tab.get_by_role("button", name="Start the experiment").click()
    tab.get_by_text("Diversity and quality of sampled answers").wait_for(timeout=360_000)
    settled(tab)
    assert tab.get_by_text(re.compile(r"Holm over 2 comparisons")).count() and tab.get_by_text("4 of 4").count() == 3
    no_error(tab)
