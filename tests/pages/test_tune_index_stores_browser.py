"""The tab Vector stores in a real browser: each of its buttons starts a job, and what it measured is drawn, in the tree as well."""

import pytest

from core.config import TrialConfig, with_settings
from core.progress import drain
from tests.support.small_corpora import markets, with_towns
from tests.support.steps import no_error, open_page, settled

ADDRESS = "tune_index?corpus.dataset=towns&index.part=exact&evaluation.k=3&fusion.part=dense_only&view=Vector+stores"
JOB_MS = 600_000  # of a busy machine


@pytest.fixture(scope="module")
def towns(app, home):
    bench = with_towns(home, *markets([f"Town {letter}{other}" for letter in "ABCDEFGHIJKLMNOP" for other in "abcdefg"]))
    drain(
        bench.prepare(
            with_settings(TrialConfig(), {"corpus.dataset": "towns", "index.part": "exact", "fusion.part": "dense_only"})
        )
    )
    return app


def pressed(tab, button: str, heading: str) -> None:
    """The button starts a job; once it is done the heading stands there."""
    tab.get_by_role("button", name=button).click()
    tab.get_by_text(heading, exact=True).wait_for(timeout=JOB_MS)
    settled(tab)
    no_error(tab)


def leaves(tab) -> list[str]:
    """Texts of the tree's leaves, first question first."""
    tab.get_by_text("Which store for whom", exact=True).wait_for()
    drawn = tab.locator(".js-plotly-plot").first.locator(".scatterlayer .trace").last.locator(".textpoint")
    drawn.first.wait_for()
    return drawn.all_text_contents()


@pytest.mark.slow
def test_each_button_starts_a_job_whose_measurements_are_drawn(towns, tab):
    open_page(tab, f"{towns}/{ADDRESS}")
    tab.get_by_text("No store was tried yet").wait_for()
    settled(tab)
    pressed(tab, "Let four agents write", "Four agents, one memory")
    tab.get_by_text("What four agents wrote").wait_for()
    tab.get_by_text("without an error").wait_for()
    share, *others = leaves(tab)
    assert "updates/s of one counter" in share and others and all("not measured" in text for text in others)
    pressed(tab, "Measure all stores", "At the same recall")
    tab.get_by_text("Searching alone, 106 rows").wait_for()
    tab.get_by_text("Rows a second, one a commit").wait_for()
    _, write, filtered, search, more = leaves(tab)
    assert "ms at recall 0.95" in filtered and "ms at recall 0.95" in search
    assert "not measured" in write and "--sizes N" in more
    pressed(tab, "Kill while they write", "Killed while they write")
    assert "rows/s by four" in leaves(tab)[1]
    pressed(tab, "Compare the answers", "What a store costs the answer")
    tab.get_by_text("Paired by question with exact search").wait_for()
