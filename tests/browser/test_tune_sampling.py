"""The page Sampling in a real browser with the bundled model: a prompt, a slider, the answer's tokens, one of them forced."""

import re

CARDS = ".gw-cards"
ADDRESS = "tune_sampling?fusion.part=sparse_only&generation.weights=as_bundled&generation.max_tokens=16&chain=top_k%3D40+temperature%3D0.8"


def settled(tab) -> None:
    """Until the page's script is done."""
    tab.wait_for_function(
        "document.querySelector('[data-testid=stApp]').getAttribute('data-test-script-state') !== 'running'"
    )
    tab.wait_for_timeout(150)


def no_error(tab) -> None:
    assert not tab.get_by_text("This page met an unexpected error").count()
    assert not tab.get_by_test_id("stException").count()


def entropy(tab) -> float:
    return float(re.search(r"Entropy\s+([\d.]+)", tab.locator(CARDS).first.inner_text()).group(1))


def test_a_chain_is_tuned_and_a_token_forced(app, tab):
    tab.goto(f"{app}/{ADDRESS}")
    tab.get_by_text("Text to continue").first.click()
    tab.get_by_role("button", name="The three primary colours are").click()
    tab.get_by_text("Tokens kept").first.wait_for()
    settled(tab)
    no_error(tab)
    before = entropy(tab)
    slider = tab.get_by_role("slider", name="Temperature").first
    slider.focus()
    for _ in range(6):
        tab.keyboard.press("ArrowRight")
    tab.wait_for_function("url => location.href !== url && location.href.includes('temperature%3D1.1')", arg=tab.url)
    tab.wait_for_function("b => !document.querySelector('.gw-cards').innerText.includes(b)", arg=f"{before:.2f}")
    settled(tab)
    assert entropy(tab) > before, "a hotter distribution"

    tab.get_by_role("button", name="Write the answer").click()
    tab.get_by_role("button", name="Write again").wait_for()
    settled(tab)
    tokens = tab.locator(".st-key-tokens button")
    said = tokens.all_inner_texts()
    assert len(said) > 3
    tokens.nth(2).click()
    tab.get_by_text("Token 3: its distribution").wait_for()
    settled(tab)
    others = tab.locator("[class*=st-key-force] button")
    other = next(i for i in range(others.count()) if "●" not in others.nth(i).inner_text())
    others.nth(other).click()
    tab.get_by_text("1 token forced").wait_for()
    settled(tab)
    assert tokens.all_inner_texts()[:2] == said[:2] and tokens.all_inner_texts()[2] != said[2]
    no_error(tab)

    tab.get_by_role("tab", name="The answer").click()
    tab.get_by_text("Where the model was unsure").wait_for()
    settled(tab)
    no_error(tab)
    tab.get_by_role("tab", name="Study").click()
    tab.get_by_role("button", name="Start the study").wait_for()
    assert tab.get_by_text("sample-study").count()
    no_error(tab)
