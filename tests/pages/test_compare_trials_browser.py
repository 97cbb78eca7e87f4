"""The page Trials in a real browser: from the leaderboard over effects to trials side by side."""

import itertools

import pytest

from core.workbench import Workbench
from tests.support.steps import no_error, settled
from tests.support.synthetic_trials import add_questions, add_trial


@pytest.fixture(scope="module")
def ids(home) -> list[str]:
    store = Workbench(home).store
    questions = add_questions(store, name="together", dataset="together")
    points = itertools.product((64, 128, 256), (0.3, 0.5, 0.7))
    return [
        add_trial(
            store, questions, {"chunking.size_tokens": size, "fusion.weight": weight}, 0.3 + 0.5 * (size == 256), number, "s"
        )
        for number, (size, weight) in enumerate(points)
    ]


@pytest.mark.slow
def test_trials_are_ranked_explained_and_laid_side_by_side(app, ids, tab):
    tab.goto(f"{app}/compare_trials?of_corpus=together")
    tab.get_by_text("Recipes by nDCG@10").wait_for(timeout=360_000)
    settled(tab)
    tab.get_by_role("tab", name="Effects").click()
    tab.get_by_text("How much each setting accounts for").wait_for()
    tab.get_by_text("nDCG@10 by chunking size and fusion dense weight").wait_for()
    tab.get_by_text("Recipes by nDCG@10").wait_for(state="detached")  # only the open tab is drawn
    tab.get_by_role("tab", name="Parallel coordinates").click()
    tab.get_by_text("Settings and nDCG@10").wait_for()
    settled(tab)
    assert "together=Parallel" in tab.url
    tab.get_by_role("tab", name="Side by side").click()
    tab.get_by_text("Tick 2 to 5 trials").wait_for()
    tab.goto(f"{app}/compare_trials?of_corpus=together&together=Side+by+side&trials={ids[0]},{ids[8]}")
    tab.get_by_text("Questions won and lost").wait_for()
    tab.get_by_role("tab", name="Leave one article out").click()
    tab.get_by_text("Jackknife over articles").wait_for()
    settled(tab)
    no_error(tab)
