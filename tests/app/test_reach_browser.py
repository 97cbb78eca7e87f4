"""What has to be in reach, in a real browser: global choices above the fold, the page's own name in the address, presets on one line,
rows that answer to a click, and nothing that moves under the pointer."""

import pytest

from app import navigation
from core.workbench import Workbench
from tests.support.small_corpora import THINGS, with_towns
from tests.support.steps import no_error, open_page, settled
from tests.support.synthetic_trials import add_questions, add_trial

RECIPE = "corpus.dataset=towns&fusion.part=sparse_only"


@pytest.fixture(scope="module")
def towns(app, home):
    texts = {f"{thing}.md": f"The {thing} of the town are older than its market." for thing in THINGS}
    with_towns(home, texts, [{"id": t, "text": f"How old are the {t}?", "document": f"{t}.md"} for t in THINGS])
    store = Workbench(home).store
    for number, dataset in enumerate(("uplands", "lowlands")):
        add_trial(store, add_questions(store, name=dataset, dataset=dataset), {"corpus.dataset": dataset}, 0.5, number)
    return app


def bottom(tab, selector: str) -> float:
    box = tab.locator(selector).first.bounding_box()
    return box["y"] + box["height"]


@pytest.mark.slow
@pytest.mark.parametrize("width", [1440, 900])
def test_global_choices_stand_above_the_fold(towns, tab, width):
    tab.set_viewport_size({"width": width, "height": 900})
    open_page(tab, f"{towns}/?{RECIPE}")
    settled(tab)
    for key in ("corpus", "questions", "of_experiment", "pin"):
        assert bottom(tab, f".st-key-{key}") < 60, key
    assert bottom(tab, ".st-key-path") < 90 and bottom(tab, "h1") < 130
    links = tab.get_by_test_id("stSidebarNavLink")
    assert (
        links.count() == len({(entry.section, entry.link) for entry in navigation.entries().values()}) <= 16
        and bottom(tab, '[data-testid="stSidebarNavLink"] >> nth=-1') <= 900
    )
    assert tab.locator(".st-key-corpus input").input_value() == "towns"


@pytest.mark.slow
def test_pages_that_share_a_link_stand_beside_each_others_title_and_keep_their_addresses(towns, tab):
    open_page(tab, f"{towns}/tune_index?{RECIPE}")
    tab.get_by_role("heading", name="Index", exact=True).wait_for()
    settled(tab)
    row = tab.locator(".st-key-beside")
    assert row.get_by_role("link").all_inner_texts()[-1].endswith("Index")
    row.get_by_role("link", name="Chunks").click()
    tab.get_by_role("heading", name="Chunks", exact=True).wait_for()
    settled(tab)
    assert "/tune_chunks?" in tab.url and "corpus.dataset=towns" in tab.url
    no_error(tab)


@pytest.mark.slow
def test_a_page_is_found_by_its_own_name(towns, tab):
    open_page(tab, f"{towns}/overview?find_all=old")
    tab.get_by_role("heading", name="Groundwork").wait_for()
    settled(tab)
    assert not tab.get_by_text("Page not found").count() and "find_all=old" in tab.url
    no_error(tab)


@pytest.mark.slow
def test_presets_stand_on_one_line_in_a_narrow_window(towns, tab):
    tab.set_viewport_size({"width": 900, "height": 900})
    open_page(tab, f"{towns}/search_live?{RECIPE}")
    tab.locator(".gw-card").first.wait_for()
    settled(tab)
    tops = tab.locator('[class*="-preset"] button').evaluate_all(
        "some => some.map(one => Math.round(one.getBoundingClientRect().top))"
    )
    assert len(tops) == 4 and len(set(tops)) == 1
    lines = tab.locator('[class*="-preset"] button p').evaluate_all(
        "some => some.map(one => Math.round(one.getBoundingClientRect().height / parseFloat(getComputedStyle(one).lineHeight)))"
    )
    assert lines == [1, 1, 1, 1], "words stay whole"


@pytest.mark.slow
def test_the_first_change_moves_nothing_under_the_pointer(towns, tab):
    open_page(tab, f"{towns}/search_live?{RECIPE}")
    tab.locator(".gw-card").first.wait_for()
    settled(tab)
    before = tab.locator(".st-key-recipe_strip").bounding_box()
    tab.get_by_role("radio", name="BM25", exact=True).wait_for()
    strip = tab.locator(".st-key-recipe_strip")
    strip.get_by_role("button", name="BM25").click()  # back to the default: Undo comes
    strip.get_by_role("button", name="Undo").wait_for()
    settled(tab)
    after = tab.locator(".st-key-recipe_strip").bounding_box()
    assert abs(after["height"] - before["height"]) < 1 and after["y"] == before["y"]


@pytest.mark.slow
def test_a_click_anywhere_on_a_row_ticks_the_trial(towns, tab):
    open_page(tab, f"{towns}/compare_trials")
    canvas = tab.locator(".st-key-trials_table canvas").first
    canvas.wait_for()
    settled(tab)
    box = canvas.bounding_box()
    first, second = ((box["x"] + 150, box["y"] + box["height"] - up) for up in (18, 53))  # the text of the two rows
    tab.mouse.click(*first)
    tab.wait_for_url(lambda url: "trials=" in url)
    settled(tab)
    tab.mouse.click(*second)
    tab.wait_for_url(lambda url: "%2C" in url or "," in url.partition("trials=")[2])
    settled(tab)
    tab.mouse.click(*first)  # once more: it is unticked
    tab.wait_for_url(lambda url: "%2C" not in url and "," not in url.partition("trials=")[2])
    no_error(tab)
