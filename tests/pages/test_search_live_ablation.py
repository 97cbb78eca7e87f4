"""The tab Ablation of Search, live: a forest of differences, and a part that is switched off by one press."""

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from core.config import TrialConfig, with_settings
from core.labs.trials import ablation
from tests.support.screen import visit
from tests.support.small_corpora import with_towns

TOWNS = ("Lund", "Gent", "Pisa", "Bari", "Metz", "Cork", "Brno", "Linz")
TEXTS = {f"{town}.txt": f"The market of {town} opens at {hour}." for hour, town in enumerate(TOWNS)}
QUESTIONS = [
    {"id": town, "question": f"When does {town} open?", "document": f"{town}.txt", "answer": f"opens at {hour}"}
    for hour, town in enumerate(TOWNS)
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return with_towns(tmp_path_factory.mktemp("home"), TEXTS, QUESTIONS)


@pytest.fixture
def start(bench, monkeypatch):
    monkeypatch.setattr(session, "workbench", lambda: bench)
    # as if LSA were the plain default, so that no model is loaded
    monkeypatch.setattr(ablation, "TrialConfig", lambda: with_settings(TrialConfig(), {"embedding.part": "lsa"}))

    def opened(**address: str) -> AppTest:
        app = visit("search_live", {"corpus.dataset": "towns", "embedding.part": "lsa", **address})
        app.session_state["chart"] = "Ablation"
        app.run()
        assert not app.exception and not app.error
        return app

    return opened


@pytest.mark.slow
def test_each_part_is_switched_off_and_one_press_takes_it_out(start, shown_commands):
    app = start(**{"sparse.k1": "0.5"})
    assert any(" ablate --metric ndcg_linear" in command for command in shown_commands)
    rows = next(frame.value for frame in app.dataframe if "Switched off" in frame.value).to_dict("records")
    assert len(rows) == 3 and {row["The part"] for row in rows} <= {"helps", "hurts", "not significant"}
    buttons = {button.label: button for button in app.button if button.label.startswith("Switch off")}
    assert len(buttons) == 3
    next(button for label, button in buttons.items() if "Sparse retrieval" in label).click().run()
    assert not app.exception and app.session_state["recipes"]["current"].sparse.k1 == 1.5


@pytest.mark.slow
def test_a_plain_recipe_has_its_retrievers_to_switch_off(start):
    buttons = [button.label for button in start().button if button.label.startswith("Switch off")]
    assert sorted(buttons) == ["Switch off: Fusion → BM25 alone", "Switch off: Fusion → Dense alone"]
