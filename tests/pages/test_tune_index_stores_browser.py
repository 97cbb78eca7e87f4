"""The tab Stores in a real browser: the quick measurement and four agents, each a job, and what they leave on the page."""

import pytest

from tests.support.small_corpora import markets, with_towns
from tests.support.steps import no_error, open_page, settled

ADDRESS = "tune_index?corpus.dataset=towns&index.part=exact&evaluation.k=3&fusion.part=dense_only&view=Stores"
JOB_MS = 600_000  # of a busy machine


@pytest.fixture(scope="module")
def towns(app, home):
    with_towns(home, *markets([f"Town {letter}{other}" for letter in "ABCDEFGHIJKLMNOP" for other in "abcdefg"]))
    return app


@pytest.mark.slow
def test_stores_are_measured_by_a_job_and_stand_there(towns, tab):
    open_page(tab, f"{towns}/{ADDRESS}")
    tab.get_by_role("button", name="Prepare").click()
    tab.get_by_role("tab", name="Stores").click(timeout=JOB_MS)
    tab.get_by_text("No store was tried yet").wait_for()
    tab.get_by_role("button", name="Measure all stores").click()
    tab.get_by_text("At the same recall").wait_for(timeout=JOB_MS)
    settled(tab)
    tab.get_by_text("Searching alone, 106 rows").wait_for()
    tab.get_by_text("Rows a second, one a commit").wait_for()
    no_error(tab)
    tab.get_by_role("button", name="Let four agents write").click()
    tab.get_by_text("What four agents wrote").wait_for(timeout=JOB_MS)
    settled(tab)
    tab.get_by_text("without an error").wait_for()
    no_error(tab)
