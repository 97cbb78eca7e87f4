"""The page Index in a real browser: a graph is chosen, its query setting moved, a sweep run, its inside and a question opened."""

import re
import shutil

import pytest

from tests.support.steps import click_row, no_error, open_page, settled

CARDS = ".gw-cards"
# a graph so thin that neighbours are lost on a few hundred chunks
THIN = "index.m=4&index.ef_construction=10&index.ef_search=4&index.part=faiss_hnsw&retrieval.candidates=10"


@pytest.fixture(scope="module")
def home(embedded, tmp_path_factory):
    return shutil.copytree(embedded, tmp_path_factory.mktemp("browser") / "data")


@pytest.mark.slow
def test_an_index_is_tuned(app, tab):
    open_page(tab, f"{app}/tune_index")
    tab.get_by_text("Exact search loses nothing").wait_for()
    tab.get_by_role("button", name="Try HNSW").click()
    tab.get_by_text("efSearch", exact=True).first.wait_for()
    settled(tab)
    assert "index.part=faiss_hnsw" in tab.url
    no_error(tab)

    open_page(tab, f"{app}/tune_index?{THIN}")
    tab.get_by_text("got another ranking").first.wait_for()
    settled(tab)
    before = tab.locator(CARDS).first.inner_text()
    assert re.search(r"Recall@10.*\n0\.\d{3}\n0\.\d{3} to 0\.\d{3}", before), before
    slider = tab.get_by_role("slider", name="efSearch").first
    slider.focus()
    for _ in range(4):
        tab.keyboard.press("ArrowRight")
    tab.wait_for_function("b => document.querySelector('.gw-cards').innerText.split('\\n')[1] !== b.split('\\n')[1]", arg=before)
    settled(tab)
    assert recall(tab.locator(CARDS).first.inner_text()) > recall(before) and "index.ef_search" in tab.url
    no_error(tab)

    tab.get_by_text("Sweep of settings").click()
    tab.get_by_role("textbox", name="m", exact=True).fill("4,16")
    tab.keyboard.press("Enter")
    settled(tab)
    tab.get_by_role("textbox", name="efSearch", exact=True).fill("10,40")
    tab.get_by_role("button", name="Start the sweep").click()  # straight from the box: with its new values
    tab.get_by_text(re.compile(r"^4 kept points")).wait_for()
    settled(tab)
    no_error(tab)

    tab.get_by_role("tab", name="Structure").click()
    tab.get_by_text("The walk of this question").wait_for()
    tab.get_by_text(re.compile(r"hops, \d+ of 7\d\d vectors compared")).wait_for()
    no_error(tab)

    tab.get_by_role("radio", name="Lost").or_(tab.get_by_role("button", name="Lost", exact=True)).first.click()
    tab.get_by_text(re.compile(r"^(?!288)\d+ of 288 questions\. Click")).wait_for()
    settled(tab)
    click_row(tab.get_by_test_id("stDataFrame").last)
    tab.get_by_text("missed by the index").first.wait_for()
    assert tab.locator(".gw-passage").count() >= 10
    no_error(tab)


@pytest.mark.slow
def test_a_setting_that_cannot_be_built_leaves_the_page_alive(app, tab):
    open_page(tab, f"{app}/tune_index?index.part=faiss_ivf_pq&index.m=7")
    tab.get_by_text("index.m = 7 is not possible here").wait_for()
    settled(tab)
    no_error(tab)
    tab.get_by_role("radio", name="IVF", exact=True).or_(tab.get_by_role("button", name="IVF", exact=True)).first.click()
    tab.get_by_text("got another ranking").first.wait_for()
    no_error(tab)


def recall(cards: str) -> float:
    return float(cards.split("\n")[1])
