"""A cascade in the browser: a step is chosen, its depth dragged, a second step follows, and one press takes all out."""

import re

import pytest

from tests.support.small_corpora import THINGS, with_towns
from tests.support.steps import no_error, open_page, settled


@pytest.fixture(scope="module")
def towns(app, home):
    texts = {f"{thing}.md": f"The {thing} of the town are older than its market." for thing in THINGS}
    questions = [{"id": t, "text": f"How old are the {t}?", "document": f"{t}.md"} for t in THINGS]
    with_towns(home, texts, questions)
    return app


def choose(tab, stage: re.Pattern, part: str) -> None:
    """Opens the form of a stage and takes a part there."""
    form = tab.get_by_test_id("stExpander").filter(has=tab.locator("summary", has_text=stage))
    form.locator("summary").click()
    box = form.get_by_role("combobox", name=re.compile("^Method"))
    option = tab.get_by_role("option", name=part, exact=True)
    box.wait_for()
    while not option.count():  # a list that was opened closes again while the form still unfolds
        box.click()
        tab.wait_for_timeout(700)
    option.click()


@pytest.mark.slow
def test_a_cascade_is_built_dragged_and_taken_out(towns, tab):
    open_page(tab, f"{towns}/search_live?corpus.dataset=towns&embedding.part=lsa&fusion.part=sparse_only")
    tab.locator(".gw-card").first.wait_for()
    settled(tab)
    assert not tab.get_by_text("Reranking, second step").count()
    choose(tab, re.compile(r"Reranking [a-z]"), "mmr")
    tab.get_by_text(re.compile(r"Reranking \(mmr of the best \d+\)")).wait_for()
    settled(tab)
    assert "rerank.part=mmr" in tab.url
    told = tab.get_by_text(re.compile(r"Reranking \(mmr")).inner_text()

    depth = tab.get_by_role("slider", name=re.compile("^Depth")).first
    depth.focus()
    tab.keyboard.press("ArrowLeft")
    tab.wait_for_url(re.compile(r"rerank\.depth="))
    settled(tab)
    assert tab.get_by_text(re.compile(r"Reranking \(mmr")).inner_text() != told
    no_error(tab)

    choose(tab, re.compile(r"Reranking, second step"), "encoder")
    tab.get_by_text(re.compile(r"mmr of the best \d+, then encoder of the best \d+")).wait_for()
    settled(tab)
    tab.get_by_text("Reranking, third step").wait_for()

    tab.get_by_role("button", name="Switch reranking off").click()
    tab.wait_for_url(lambda url: "rerank" not in url)
    settled(tab)
    assert not tab.get_by_text(re.compile(r"Reranking \(")).count() and not tab.get_by_text("Reranking, second step").count()
    no_error(tab)
