"""The page Compare adapters: what it asks for, the job it starts, and the grid, tables and answers that it shows."""

import pytest
from streamlit.testing.v1 import AppTest

from core.labs.adapters import grid as lab
from core.progress import drain
from tests.labs.adapters.test_grid import prompts, template  # noqa: F401, fixtures
from tests.pages.test_score_answers import by_key, html
from tests.support.failing import RECIPE, recipe
from tests.support.prices import prices
from tests.support.screen import visit


@pytest.fixture
def named(monkeypatch):
    """An adapter called a."""
    import app.ui.adapters.grid as grid

    monkeypatch.setattr("core.models.adapters.at_hand", lambda: ["a"])
    monkeypatch.setattr(grid, "at_hand", lambda: ["a"])


def open_page(**address) -> AppTest:
    app = visit("compare_adapters", {**RECIPE, **address})
    assert not app.exception and not app.error, [each.value for each in (*app.exception, *app.error)]
    return app


@pytest.mark.slow
def test_without_adapters_the_page_leads_to_where_one_is_trained(bench, monkeypatch):
    monkeypatch.setattr("app.ui.adapters.grid.at_hand", list)
    app = open_page()
    assert "No adapter was trained here yet" in html(app)
    labels = [link.proto.label for link in app.get("page_link")]
    assert labels.count("Train an adapter") == 2, "in the row of pages, and where it is needed"


@pytest.mark.slow
def test_a_recipe_that_is_not_ready_is_prepared_by_a_press(bench, named, started):
    app = open_page(**{"query.part": "hyde"})
    next(button for button in app.button if button.label == "Prepare").click().run()
    assert started[0][0] == "prepare" and "prepared once" in html(app)


@pytest.mark.slow
def test_it_tells_what_is_left_and_starts_a_job(bench, prompts, named, started):  # noqa: F811
    app = open_page()
    assert any(told.endswith("not measured here yet") and " answers, roughly " in told for told in prices(app)) and not prompts
    assert any("2 models (no adapter, a) in 5 contexts" in caption.value for caption in app.caption)
    assert "Not all answers for it are written yet" in html(app)
    button = next(button for button in app.button if button.label.startswith("Write"))
    number = button.label.removeprefix("Write ")
    assert any(told.startswith(number) for told in prices(app)), "the button and its price say the same number"
    button.click().run()
    assert started[0][:4] == ["compare-adapters", "a", "--scale", "1"]


@pytest.mark.slow
def test_grid_main_table_reliance_and_questions_are_shown(bench, prompts, named):  # noqa: F811
    drain(lab.compare_adapters(bench, recipe(), ["a"], count=6))
    app = open_page()
    tables = [each.value.to_dict("list") for each in app.dataframe]
    main = next(table for table in tables if "System" in table)
    assert main["System"] == ["Neither", "Retrieval alone", "Fine-tuning alone", "Both"]
    grid = next(table for table in tables if "Interaction" in table)
    assert len(grid["Context"]) == 10
    follows = next(table for table in tables if "Follows" in table)
    assert follows["Follows"] == [pytest.approx(4 / 6), 1.0] and "2 possibly memorised" in html(app)
    by_key(app.toggle, "fresh").set_value(True).run()
    again = next(table for table in (each.value.to_dict("list") for each in app.dataframe) if "Interaction" in table)
    assert again["Token F1"] != grid["Token F1"] and not app.exception
    app.query_params["chosen"] = "0"
    app.run()
    assert "Contradicting evidence" in html(app)
