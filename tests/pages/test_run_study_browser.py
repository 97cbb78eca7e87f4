"""The page Experiments in a real browser: a study is defined, run, paused, resumed and compared, and one is watched that runs elsewhere."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.labs.experiments import book
from core.labs.experiments.experiment import written
from core.labs.experiments.standing import standing
from core.labs.trials.comparison import trials
from core.workbench import Workbench
from tests.support.browser import serving
from tests.support.steps import click_row, no_error, open_page, settled
from tests.support.toy_study import toy_home, toy_study

ROOT = Path(__file__).resolve().parents[2]
RECIPE = "corpus.dataset=towns&fusion.part=sparse_only&chunking.part=fixed&chunking.size_tokens=32&embedding.part=lsa"
MANY = toy_study("many", sizes=(12, 16, 20, 24, 28, 32, 40, 48), k1=tuple(round(0.05 * n, 2) for n in range(1, 41)), title="Many")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = toy_home(tmp_path_factory.mktemp("studied") / "data")
    # of recipes that no other study here has made quick: it runs for longer than the page looks away
    own = toy_study(
        "elsewhere", sizes=tuple(range(12, 52, 2)), k1=(1.5, *(round(0.05 * n + 0.02, 2) for n in range(59))), title="Elsewhere"
    )
    book.save(bench, own)
    return bench


@pytest.fixture(scope="module")
def site(bench):
    with serving(bench.home) as address:
        yield address


@pytest.mark.slow
def test_a_study_is_defined_run_and_its_best_point_compared(site, bench, tab):
    open_page(tab, f"{site}/run_study?{RECIPE}")
    tab.get_by_role("button", name="Begin an experiment").click()
    tab.get_by_text("11 trials").first.wait_for()  # nine on dev, then the winner and the base on test
    assert "study=chunking-size-and-sparse-retrieval-k1-towns" in tab.url
    settled(tab)
    box = tab.get_by_role("combobox", name="Values").last  # of k1
    box.fill("4.6")
    box.press("Enter")
    box.press("Escape")  # an open list hides the rest of the page
    tab.get_by_text("14 trials").first.wait_for()
    tab.get_by_role("button", name="Start", exact=True).click()
    tab.get_by_text("All trials are measured").wait_for(timeout=360_000)
    settled(tab)
    no_error(tab)
    tab.reload()  # the address holds it
    tab.get_by_text("All trials are measured").wait_for()
    tab.locator("p").filter(has_text=re.compile(r"differs? significantly from it")).wait_for()
    settled(tab)
    click_row(tab.get_by_test_id("stDataFrame").first, 1)  # of equal means the base, which was measured first, stands above
    tab.get_by_role("button", name="Compare with the base").click()
    tab.get_by_role("heading", name="Differences").wait_for()
    no_error(tab)
    tab.go_back()
    tab.get_by_role("tab", name="Factors").click()
    tab.get_by_text("Difference", exact=True).wait_for()
    no_error(tab)


@pytest.mark.slow
def test_a_study_from_yaml_is_paused_and_goes_on_where_it_was(site, bench, tab):
    open_page(tab, f"{site}/run_study")
    tab.get_by_role("button", name="Open a file").click()
    text = tab.get_by_role("textbox", name="or its text")
    text.fill(written(MANY))
    text.press("Control+Enter")
    tab.locator(".st-key-open_yaml button").click()
    tab.get_by_text("320 trials").first.wait_for()
    tab.get_by_role("button", name="Start", exact=True).click()
    tab.get_by_text(re.compile(r"[1-9]\d* of 320")).first.wait_for()  # live
    tab.get_by_role("button", name="Pause").click()
    tab.get_by_text("Paused").wait_for()
    settled(tab)  # the page is drawn again whole: a press before its end is lost
    measured = len(trials(bench))
    tab.get_by_role("button", name="Resume").click()
    # the leaderboard is live too; its verdict comes once all are measured
    tab.get_by_text(re.compile(r"[1-9]\d* recipes measured so far")).first.wait_for()
    tab.get_by_text("All trials are measured").wait_for(timeout=720_000)
    tab.get_by_text(re.compile("differs? significantly from it")).first.wait_for()
    no_error(tab)
    own = [trial for trial in trials(Workbench(bench.home)) if trial.sweep == "many"]
    assert len(own) == len({trial.config_fingerprint for trial in own}) == 320 and measured > 0
    assert {trial.status for trial in own} == {"ok"}


@pytest.mark.slow
def test_a_study_that_runs_on_the_command_line_is_watched_and_paused(site, bench, tab):
    open_page(tab, f"{site}/run_study?study=elsewhere")
    tab.get_by_text("Not started").wait_for()
    environment = {**os.environ, "GROUNDWORK_HOME": str(bench.home)}
    command = [sys.executable, "-m", "core", "study", "elsewhere", "--workers", "1"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        tab.get_by_text("started on the command line").wait_for()
        tab.get_by_text(re.compile(r"[1-9]\d* of 1,200")).first.wait_for()
        tab.get_by_role("button", name="Pause").click()
        tab.get_by_text("Paused").wait_for()
        process.wait(timeout=240)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
    no_error(tab)
    assert standing(bench, "elsewhere").status == "stopped" and len([t for t in trials(bench) if t.sweep == "elsewhere"]) < 1200
