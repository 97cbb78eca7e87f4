"""The page Search, live: its numbers are the library's, the knob's curve, the table by question, and what it does without."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from core.config import TrialConfig, with_settings
from core.workbench import Plan
from tests.small_corpora import with_towns

MAIN = Path(__file__).parents[2] / "app" / "main.py"
TOWNS = ("Lund", "Gent", "Pisa", "Bari", "Metz", "Cork", "Brno", "Linz", "Nice", "Graz", "Oslo", "Ghent")
TEXTS = {f"{town}.txt": f"The market of {town} opens at {hour} and closes late. Nearby stands the old mill of {town}."
         for hour, town in enumerate(TOWNS, 5)}  # fmt: skip
QUESTIONS = [{"id": f"q{hour}", "question": f"When does the market of {town} open?", "document": f"{town}.txt",
              "answer": f"opens at {hour}"} for hour, town in enumerate(TOWNS, 5)]  # fmt: skip
QUESTIONS += [
    {"id": "vague", "question": "Which town never sleeps?", "document": "Pisa.txt", "answer": "old mill of Pisa"}
]
BM25 = {"corpus.dataset": "towns", "fusion.part": "sparse_only", "retrieval.top_k": "5", "evaluation.k": "3"}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return with_towns(tmp_path_factory.mktemp("home"), TEXTS, QUESTIONS)


@pytest.fixture
def page(bench, monkeypatch):
    monkeypatch.setattr(session, "workbench", lambda: bench)

    def start(**address: str) -> AppTest:
        app = AppTest.from_file(MAIN, default_timeout=60)
        for key, value in {**BM25, **address}.items():
            app.query_params[key] = value
        app = app.run().switch_page("../pages/search_live.py").run()
        assert not app.exception
        return app

    return start


def html(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html"))


def recipe() -> TrialConfig:
    return with_settings(TrialConfig(), {k: int(v) if v.isdigit() else v for k, v in BM25.items()})


def test_the_cards_show_what_the_library_measures(page, bench):
    shown = html(page())
    for name in ("hit", "recall", "mrr", "ndcg_linear"):
        one = bench.evaluate(recipe()).intervals[name]
        assert f">{one.mean:.3f}<" in shown and f"{one.low:.3f} to {one.high:.3f}" in shown, name
    assert f"n {len(QUESTIONS)}" in shown and "vs baseline" not in shown


def test_a_pinned_baseline_brings_paired_differences(page, bench):
    app = page(**{"baseline.fusion.part": "sparse_only", "baseline.retrieval.top_k": "1"})
    current, pinned = recipe(), with_settings(recipe(), {"retrieval.top_k": 1})
    found = bench.differences(bench.evaluate(current), bench.evaluate(pinned), ["recall"])["recall"]
    assert f"[{found.low:.3f}, {found.high:.3f}]".replace("-", "−") in html(app)
    moved = sum(bench.by_question(bench.evaluate(current), bench.evaluate(pinned), "recall")["changed"])
    app = app.segmented_control(key="show").set_value("changed").run()
    assert moved > 0 and f"{moved} of {len(QUESTIONS)} questions" in " ".join(c.value for c in app.caption)


def test_a_slider_changes_the_recipe_and_the_curve_follows_it(page):
    app = page()
    slider = next(s for s in app.slider if s.key.endswith("sparse.bm25s.b"))
    app = slider.set_value(0.3).run()
    assert not app.exception
    assert app.selectbox(key="knob").value == "Sparse retrieval: b" and "0.3" in app.query_params["sparse.b"]


def test_the_table_filters_to_what_was_missed(page, bench):
    app = page(**{"retrieval.top_k": "1"})
    missed = sum(
        bench.by_question(bench.evaluate(with_settings(recipe(), {"retrieval.top_k": 1})), None, "recall")["missed"]
    )
    app = app.segmented_control(key="show").set_value("missed").run()
    assert missed and f"{missed} of {len(QUESTIONS)} questions" in " ".join(c.value for c in app.caption)


def test_saving_keeps_a_trial(page, bench):
    before = len(bench.trials())
    app = page()
    next(b for b in app.button if b.key == "save").click().run()
    assert len(bench.trials()) == before + 1 and bench.trials()[0]["status"] == "ok"


def test_documents_without_questions_can_still_be_searched(page):
    app = page(**{"corpus.dataset": "silent"})
    assert "no questions with gold evidence" in app.info[0].value
    app = app.text_input(key="typed").set_value("market of Brno").run()
    assert "Brno" in html(app) and not app.exception


def test_a_recipe_that_must_be_embedded_first_offers_a_job(page, bench, monkeypatch):
    started = []
    monkeypatch.setattr(type(bench), "plan", lambda self, config: Plan(False, "embedding 9,000 texts", 83.0))
    monkeypatch.setattr(bench.jobs, "start", lambda arguments, label: started.append((arguments, label)) or "job")
    app = page()
    assert "embedding 9,000 texts, about 1:23 min" in html(app)
    next(b for b in app.button if b.label == "Prepare now").click().run()
    [(arguments, label)] = started
    assert arguments[:3] == ["prepare", "--dataset", "towns"] and "--set" in arguments and label == "Preparing towns"
