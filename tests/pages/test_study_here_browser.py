"""A study in place in a real browser: started on Search, live, read there, paused, resumed, and opened in Experiments."""

import re

import pytest

from core.labs.experiments import book
from core.labs.experiments.experiment import made
from core.labs.trials.comparison import trials
from core.workbench import Workbench
from tests.support.browser import serving
from tests.support.steps import no_error, open_page, settled
from tests.support.toy_study import toy_home

RECIPE = "corpus.dataset=towns&fusion.part=sparse_only&chunking.part=fixed&chunking.size_tokens=32&embedding.part=lsa"
VARIED = "study_vary=Sparse+retrieval%3A+k1&study_and=Sparse+retrieval%3A+b"
MANY = {"sparse.k1": [round(0.05 * n, 2) for n in range(1, 17)], "sparse.b": [round(0.05 * n, 2) for n in range(1, 13)]}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return toy_home(tmp_path_factory.mktemp("here") / "data")


@pytest.fixture(scope="module")
def site(bench):
    with serving(bench.home) as address:
        yield address


def open_study(tab, site: str) -> None:
    open_page(tab, f"{site}/search_live?{RECIPE}&{VARIED}")
    tab.get_by_role("tab", name="Experiment").click()


@pytest.mark.slow
def test_a_study_is_started_read_paused_and_resumed_where_its_question_is_asked(site, bench, tab):
    open_study(tab, site)
    tab.get_by_text("9 trials").first.wait_for()
    tab.get_by_text(re.compile("tokens a question")).first.wait_for()
    tab.get_by_role("button", name="Start the experiment").click()
    tab.get_by_text("All trials are measured").wait_for(timeout=360_000)
    tab.get_by_text(re.compile("differs? significantly from it")).first.wait_for()
    tab.locator(".js-plotly-plot").last.wait_for()
    settled(tab)
    no_error(tab)

    [study] = [version.experiment for version in book.latest(Workbench(bench.home)).values()]
    factors = [{"setting": setting, "values": values} for setting, values in MANY.items()]
    book.save(bench, made(study.model_dump(mode="json") | {"factors": factors}))  # as on the page Experiments
    open_study(tab, site)
    tab.get_by_role("button", name=re.compile(r"Measure \d+ more")).click()
    tab.get_by_text(re.compile(r"[1-9]\d* of 193")).first.wait_for()  # the base too, which is none of these
    tab.get_by_role("button", name="Pause").click()
    tab.get_by_text("Paused").wait_for()
    settled(tab)  # the page is drawn again whole: a press before its end is lost
    tab.get_by_role("button", name=re.compile(r"Measure \d+ more")).click()
    tab.get_by_text("All trials are measured").wait_for(timeout=720_000)
    settled(tab)
    no_error(tab)
    own = [trial for trial in trials(Workbench(bench.home)) if trial.sweep == study.id]
    assert len(own) == len({trial.config_fingerprint for trial in own}) >= 193

    tab.get_by_role("link", name="Open in Experiments").click()
    tab.get_by_role("heading", name=study.title).wait_for()
    no_error(tab)
