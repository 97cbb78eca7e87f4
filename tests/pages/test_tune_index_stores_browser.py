"""The tab Vector stores in a real browser: what two stores were measured at, and four agents that write by a job of the page."""

import pytest

from core.config import TrialConfig, with_settings
from core.labs.stores.measure import QUICK, measure
from core.progress import drain
from tests.support.small_corpora import markets, with_towns
from tests.support.steps import no_error, open_page, settled

ADDRESS = "tune_index?corpus.dataset=towns&index.part=exact&evaluation.k=3&fusion.part=dense_only&view=Vector+stores"
JOB_MS = 600_000  # of a busy machine


@pytest.fixture(scope="module")
def towns(app, home):
    bench = with_towns(home, *markets([f"Town {letter}{other}" for letter in "ABCDEFGHIJKLMNOP" for other in "abcdefg"]))
    recipe = with_settings(TrialConfig(), {"corpus.dataset": "towns"})
    drain(measure(bench, recipe, QUICK._replace(repeats=2), ("faiss", "lancedb")))
    return app


@pytest.mark.slow
def test_measured_stores_stand_there_and_four_agents_write_by_a_job(towns, tab):
    open_page(tab, f"{towns}/{ADDRESS}")
    tab.get_by_text("At the same recall").wait_for()
    assert tab.get_by_role("button", name="Measure all stores").is_enabled()
    settled(tab)
    tab.get_by_text("Searching alone, 106 rows").wait_for()
    tab.get_by_text("Rows a second, one a commit").wait_for()
    no_error(tab)
    tab.get_by_role("button", name="Let four agents write").click()
    tab.get_by_text("What four agents wrote").wait_for(timeout=JOB_MS)
    settled(tab)
    tab.get_by_text("without an error").wait_for()
    no_error(tab)
