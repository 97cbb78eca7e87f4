"""From a fresh start along the bar to a paper with the honest answer, each step a press on a real page."""

import shutil

import pytest

from core.labs.papers import paper as papers
from core.workbench import Workbench
from tests.support.browser import serving
from tests.support.steps import no_error, open_page, settled


@pytest.fixture(scope="module")
def fresh(embedded, tmp_path_factory):
    home = tmp_path_factory.mktemp("path") / "data"
    shutil.copytree(embedded, home)
    with serving(home) as address:
        yield address, home


@pytest.mark.slow
def test_the_bar_leads_from_a_question_to_a_paper_and_back_after_a_restart(fresh, tab):
    address, home = fresh
    tab.set_viewport_size({"width": 900, "height": 900})
    open_page(tab, address)
    tab.get_by_role("button", name="Next: try hybrid search").click()
    tab.get_by_role("button", name="Start", exact=True).click()
    tab.get_by_text("the others differ from it by").wait_for(timeout=270_000)
    tab.get_by_role("button", name="Next: write it down").click()
    tab.get_by_role("heading", name="Write a paper").wait_for()
    settled(tab)
    no_error(tab)
    [paper] = papers.papers(Workbench(home))
    assert [item.name for item in paper.items] == ["recipes", "on-test", "difference-on-test"]
    on_test = papers.taken(Workbench(home), paper.id, "on-test").content
    base, *others = paper.item("on-test").trials
    assert "Hybrid" in next(row["name"] for row in on_test["rows"] if row["trial"] == base) and len(others) == 2
    for [cell] in (row["cells"].values() for row in on_test["rows"] if row["trial"] in others):
        assert cell["difference_low"] < cell["difference"] < cell["difference_high"] and cell["p"] is not None
    tab.get_by_role("button", name="Next: bundle the paper").click()
    tab.get_by_role("button", name="Make the bundle").wait_for()
    # another day: Overview begins with where one was
    other = tab.context.new_page()
    open_page(other, address)
    settled(other)
    assert other.get_by_text("Go on", exact=True).is_visible()
    other.get_by_role("link", name="Back to Write a paper").click()
    other.get_by_role("button", name="Make the bundle").wait_for()
    no_error(other)
    other.close()
