"""A cascade in the browser: a step is chosen, its depth dragged, a second step follows, and one press takes all out; a depth
that is moved changes the numbers, and the words of a question meet those of a passage."""

import re

import pytest

from core.config import TrialConfig, with_settings
from core.progress import drain
from tests.support.small_corpora import THINGS, with_towns
from tests.support.steps import no_error, open_page, settled

# by words the four bells come before noon; token by token noon comes first, where it is among those that are ranked again
MATCHED = {"corpus.dataset": "towns", "fusion.part": "sparse_only", "rerank.part": "maxsim", "rerank.weight": "1.0"}


@pytest.fixture(scope="module")
def towns(app, home):
    texts = {f"{thing}.md": f"The {thing} of the town are older than its market." for thing in THINGS}
    texts |= {f"bell{n}.md": f"A bell, a bell, a bell: bell number {n} rings and rings." for n in range(4)}
    texts["noon.md"] = "At noon the great bell of the old church rings, and all who work in the fields go home to eat."
    questions = [{"id": t, "text": f"How old are the {t}?", "document": f"{t}.md"} for t in THINGS]
    questions.append({"id": "noon", "text": "At what hour of the day does the bell ring?", "document": "noon.md"})
    drain(with_towns(home, texts, questions).prepare(with_settings(TrialConfig(), MATCHED)))
    return app


def opened(tab, title: str):
    """The knobs of a stage, which its chip opens."""
    tab.locator(".st-key-open_stage button").filter(has=tab.get_by_text(title, exact=True)).click()
    form = tab.locator("[class*=st-key-current-]").filter(has=tab.get_by_text(title, exact=True)).first
    form.wait_for()
    settled(tab)
    return form


def choose(tab, title: str, part: str) -> None:
    """Opens the knobs of a stage and takes a part there."""
    opened(tab, title).get_by_role("combobox", name=re.compile("^Method")).click()
    tab.get_by_role("option", name=part, exact=True).click()


@pytest.mark.slow
def test_a_cascade_is_built_dragged_and_taken_out(towns, tab):
    open_page(tab, f"{towns}/search_live?corpus.dataset=towns&embedding.part=lsa&fusion.part=sparse_only")
    tab.locator(".gw-card").first.wait_for()
    settled(tab)
    assert not tab.get_by_text("Reranking, second step").count()
    choose(tab, "Reranking", "mmr")
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

    choose(tab, "Reranking, second step", "encoder")
    tab.get_by_text(re.compile(r"mmr of the best \d+, then encoder of the best \d+")).wait_for()
    settled(tab)
    tab.get_by_text("Reranking, third step").wait_for()

    tab.get_by_role("button", name="Switch reranking off").click()
    tab.wait_for_url(lambda url: "rerank" not in url)
    settled(tab)
    assert not tab.get_by_text(re.compile(r"Reranking \(")).count() and not tab.get_by_text("Reranking, second step").count()
    no_error(tab)


@pytest.mark.slow
def test_a_depth_moved_changes_the_numbers(towns, tab):
    address = "&".join(f"{name}={value}" for name, value in MATCHED.items())
    open_page(tab, f"{towns}/search_live?{address}")
    card = tab.locator(".gw-card", has_text="nDCG").first
    card.wait_for()
    settled(tab)
    cascade = card.inner_text()
    assert "1.000" in cascade
    depth = opened(tab, "Reranking").get_by_role("slider", name=re.compile("^Depth"))
    depth.focus()
    tab.keyboard.press("Home")
    tab.wait_for_url(re.compile(r"rerank\.depth=1\b"))
    settled(tab)
    assert "1.000" not in card.inner_text() and tab.get_by_text("Reranking (maxsim of the best 1)").count()
    depth.focus()
    tab.keyboard.press("End")
    tab.wait_for_url(lambda url: "rerank.depth=1&" not in url + "&")
    settled(tab)
    assert card.inner_text() == cascade
    no_error(tab)


@pytest.mark.slow
def test_the_words_of_a_question_meet_those_of_a_passage(towns, tab):
    address = "&".join(f"{name}={value}" for name, value in MATCHED.items())
    open_page(tab, f"{towns}/search_live?{address}&chosen=noon")
    tab.get_by_text("Word by word", exact=True).click()
    assert met(tab, 1, "bell") == ("bell", "bell")
    asked, passage = met(tab, 1, "hour")
    assert asked == "hour" and passage in "At noon the great bell of the old church rings".split()
    tab.get_by_role("combobox", name="Passage").click()
    tab.get_by_role("option", name=re.compile("^2. ")).click()
    assert met(tab, 2, "ring")[1] == "rings"
    no_error(tab)


def met(tab, rank: int, word: str) -> tuple[str, str]:
    """What the framed cell of a question's word says when the mouse is over it: (that word, the passage's)."""
    chart = tab.locator(f".st-key-chart-word-by-word-{rank}")
    chart.locator(".hm image").first.wait_for(state="attached")
    settled(tab)
    asked = [name.split()[0] for name in chart.locator(".ytick").all_text_contents()]
    assert asked == "At what hour of the day does the bell ring".split()
    chart.scroll_into_view_if_needed()
    frame = chart.locator(".shapelayer path").nth(asked.index(word)).bounding_box()
    said = chart.locator(".hoverlayer .hovertext")
    while not said.count():  # the chart listens once it is drawn
        for shift in (3, 2):
            tab.mouse.move(frame["x"] + frame["width"] / shift, frame["y"] + frame["height"] / shift)
        tab.wait_for_timeout(200)
    words = re.fullmatch(r"(.*) matches (.*): [01]\.\d{3}", said.text_content())
    tab.mouse.move(0, 0)
    said.wait_for(state="detached")
    return words[1], words[2]


@pytest.mark.slow
def test_the_button_that_saves_is_whole_at_every_width(towns, tab):
    address = "&".join(f"{key}={value}" for key, value in MATCHED.items())
    open_page(tab, f"{towns}/search_live?{address}")
    button = tab.locator(".st-key-save button:visible").first
    button.wait_for()
    settled(tab)
    for width in range(1200, 2000, 40):
        tab.set_viewport_size({"width": width, "height": 900})
        tab.wait_for_timeout(200)
        cut = "b => [...b.querySelectorAll('*')].some(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth)"
        assert not button.evaluate(cut), width
