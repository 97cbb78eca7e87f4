"""A chart of any page is taken into a paper from its export menu, with its data, caption and command."""

import pytest
from streamlit.testing.v1 import AppTest

from core.labs.papers import checking
from core.labs.papers import paper as papers
from core.progress import drain
from core.workbench import Workbench
from tests.support.synthetic_trials import add_questions, add_trial


def a_page():
    import os

    from app.ui import charts
    from tests.support.small_paper import CHART

    command = f"python -m core curve --set fusion.part=rrf {os.environ['TRIAL']}"
    charts.show(CHART, "Recall by depth", command=command, data=[{"k": 1, "recall": float("nan")}], title="Recall & more")


@pytest.fixture
def bench(tmp_path, monkeypatch):
    bench = Workbench(tmp_path)
    monkeypatch.setenv("TRIAL", add_trial(bench.store, add_questions(bench.store)))
    return bench


@pytest.mark.slow
def test_a_chart_goes_into_a_paper_and_once_more_under_another_name(bench):
    papers.create(bench, "My first: paper")  # AppTest cannot type a new option
    page = AppTest.from_function(a_page, default_timeout=120).run()
    assert not page.exception
    assert page.selectbox(key="export/Recall by depth/paper").value == "my-first-paper", "the only one, or that changed last"
    page.button(key="export/Recall by depth/add").click().run()
    page.button(key="export/Recall by depth/add").click().run()
    assert not page.exception
    paper = papers.load(bench, "my-first-paper")
    assert paper.title == "My first: paper" and [item.name for item in paper.items] == ["recall-by-depth", "recall-by-depth-2"]
    item = paper.items[0]
    assert item.command[:3] == ("recipe", "curve", "--set") and item.trials == (bench.trials()[0]["id"],)
    assert item.caption.startswith("Recall & more.") and paper.colours == {"rrf": "#0072B2", "convex": "#E69F00"}
    assert papers.taken(bench, "my-first-paper", "recall-by-depth").content["data"] == [{"k": 1, "recall": None}]
    assert {row.holds for row in drain(checking.check(bench, "my-first-paper"))} == {None}
