"""The page Index: its numbers are the lab's, query settings act at once, and what cannot be built is told at the form."""

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from core.config import TrialConfig, with_settings
from core.labs.index import measuring, scale_forecast
from core.labs.index.cost import answer_cost
from core.progress import drain
from tests.support.prices import must_embed, prices
from tests.support.screen import html, visit
from tests.support.small_corpora import markets, with_towns

TOWNS = ("Lund", "Gent", "Pisa", "Bari", "Metz", "Cork", "Brno", "Linz", "Nice", "Graz", "Oslo", "Riga")
TEXTS, QUESTIONS = markets(TOWNS)
# each of these is answered by one of twelve like texts, of which exact search finds three
QUESTIONS += [
    {"id": f"m{town}", "question": "Where does the old mill stand?", "document": f"{town}.txt", "answer": f"mill of {town}"}
    for town in TOWNS
]
# so few lists looked into that neighbours are lost
IVF = {
    "corpus.dataset": "towns",
    "index.part": "faiss_ivf",
    "index.nlist": "4",
    "index.nprobe": "1",
    "evaluation.k": "3",
    "fusion.part": "dense_only",
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return with_towns(tmp_path_factory.mktemp("home"), TEXTS, QUESTIONS)


@pytest.fixture
def page(bench, monkeypatch):
    monkeypatch.setattr(session, "workbench", lambda: bench)

    def start(view: str = "", **address: str) -> AppTest:
        app = visit("tune_index", {**IVF, **address}, **({"view": view} if view else {}))
        assert not app.exception
        return app

    return start


def words(app: AppTest) -> str:
    return " ".join(one.value for one in [*app.markdown, *app.caption])


def recipe(**settings) -> TrialConfig:
    given = {**IVF, **settings}
    return with_settings(TrialConfig(), {key: int(v) if str(v).isdigit() else v for key, v in given.items()})


@pytest.mark.slow
def test_the_cards_and_the_verdict_are_what_the_lab_measures(page, bench):
    app = page()
    point = drain(measuring.measure_point(bench, recipe(), quick=True))
    cost = drain(answer_cost(bench, recipe()))
    effect = cost.fused.effects["ndcg_linear"]
    assert 0 < point.recall < 1 and effect.equivalence.difference < 0 and f">{point.recall:.3f}<" in html(app)
    assert f">{effect.equivalence.difference * 100:.2f}<".replace("-", "−") in html(app)
    assert "FAISS IVF, nlist 4, nprobe 1" in words(app).replace("\\", "") and "nDCG@" in words(app)
    assert f"{cost.fused.moved} questions of 24 got another ranking" in words(app)


@pytest.mark.slow
def test_what_was_measured_beside_other_work_says_so_for_as_long_as_it_is_shown(page, monkeypatch):
    monkeypatch.setattr("psutil.getloadavg", lambda: (9_999.0, 0.0, 0.0))
    assert "other work was running: load 9999.0 on" in html(page(**{"index.nprobe": "3"}))
    monkeypatch.setattr("psutil.getloadavg", lambda: (0.0, 0.0, 0.0))
    assert "load 9999.0" in html(page(**{"index.nprobe": "3"})) and "other work" not in html(page(**{"index.nprobe": "2"}))


@pytest.mark.slow
def test_a_query_setting_acts_at_once_and_builds_nothing(page, bench):
    app = page()
    before = drain(measuring.measure_point(bench, recipe(), quick=True)).recall
    slider = next(s for s in app.select_slider if s.key == "query/faiss_ivf.nprobe")
    app = slider.set_value(4).run()
    assert not app.exception and app.query_params["index.nprobe"] == "4"
    assert before < 1 and ">1.000<" in html(app)  # all lists are looked into
    assert "no question's value changed" in words(app).replace("\\", "")


@pytest.mark.slow
def test_a_query_setting_that_is_no_number_is_a_switch_or_a_choice(page):
    app = page(**{"index.part": "qdrant", "index.nlist": "", "index.nprobe": ""})
    assert not app.error, app.error[0].value
    app = app.toggle(key="query/qdrant.acorn").set_value(False).run()
    assert not app.error and app.query_params["index.acorn"] == "false" and "Questions a second" in html(app)


@pytest.mark.slow
def test_every_index_draws_its_query_settings():
    app = AppTest.from_function(_query_settings, default_timeout=120).run()
    assert not app.exception
    [drawn] = (box for box in app.selectbox if box.key == "query/postgres_pgvector.iterative_scan")
    assert drawn.value == "relaxed_order" and drawn.options == ["off", "relaxed order", "strict order"]


def _query_settings():
    from app.ui.index import recipe
    from core import registry

    for part in registry.parts("index").values():
        for name in part.query_settings:
            recipe.query_widget(part(), name)


@pytest.mark.slow
def test_exact_search_is_explained_and_offers_a_graph(page):
    app = page(**{"index.part": "exact", "index.nlist": "", "index.nprobe": ""})
    assert any("Exact search loses nothing" in told.value for told in app.caption)
    app = next(b for b in app.button if b.key == "try").click().run()
    assert not app.exception and app.query_params["index.part"] == "faiss_hnsw"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"index.nlist": "500"}, "index.nlist = 500"),
        ({"index.part": "faiss_ivf_pq", "index.m": "7", "index.nlist": "2"}, "index.m = 7"),
    ],
)
def test_what_cannot_be_built_is_told_at_the_form(page, settings, message):
    app = page(**settings)
    [told] = [error.value for error in app.error]
    assert message in told.replace("\\", "") and "Allowed" in told and "unexpected" not in told
    assert "Nothing to measure with this setting" in html(app)
    app = app.segmented_control(key="index/preset").set_value("Exact").run()
    assert not app.error and "Questions a second" in html(app) and "vs exact" not in html(app), "it is what recall is against"


@pytest.mark.slow
def test_a_sweep_shows_its_command_before_it_starts(page, bench, monkeypatch):
    started = []
    monkeypatch.setattr(bench.jobs, "start", lambda arguments, label, *_: started.append((arguments, label)) or "job")
    app = page()
    app = app.text_input(key="grid/faiss_ivf.nprobe").set_value("1, 2,4").run()
    command = next(code.value for code in app.code if "index sweep" in code.value)
    assert "--grid index.nprobe=1,2,4" in command and "index.nprobe=1 " not in command.replace("=1,", "")
    next(b for b in app.button if b.label == "Start the sweep").click().run()
    [(arguments, label)] = started
    assert arguments[0] == "index-sweep" and label == "Sweeping FAISS IVF" and "index.nprobe=1,2,4" in arguments
    app = app.text_input(key="grid/faiss_ivf.nprobe").set_value("many").run()
    assert app.warning and not app.exception


@pytest.mark.slow
def test_kept_points_are_listed_and_failures_have_their_reason(page, bench):
    drain(measuring.sweep(bench, recipe(), {"index.nlist": [4, 900], "index.nprobe": [1, 2]}))
    app = page()
    assert "2 kept points" in html(app) and "2 settings failed" in [e.label for e in app.expander]
    assert "index.nlist = 900" in html(app)


@pytest.mark.slow
def test_every_tab_opens(page):
    assert "what happens" in html(page("Structure")).lower() and "lists that are not searched" in words(page("Structure"))
    assert "Verdict" in html(page("Cost to the ranking"))
    assert "Sent to exact search" in html(page("Exact fallback"))
    app = page("Filters")
    app = next(b for b in app.button if b.key == "do/filters").click().run()
    assert not app.exception and not app.error and "Recall under a filter" in html(app)
    app = next(s for s in app.select_slider if s.key == "query/faiss_ivf.nprobe").set_value(4).run()
    assert "Recall under a filter" in html(app) and "results of the previous recipe" in words(app)


@pytest.mark.slow
def test_the_life_of_an_index_and_a_switch_of_encoder_are_told(page):
    app = page("Updates")
    app = next(b for b in app.button if b.key == "do/churn").click().run()
    assert not app.error and "questions were asked during the changes" in words(app) and "ebuild" in words(app)
    app = next(b for b in app.button if b.key == "do/switch").click().run()
    assert not app.error and "12 chunks moved from one encoder to the other" in words(app)


@pytest.mark.slow
def test_the_forecast_has_its_price_and_says_what_a_small_corpus_lacks(page, monkeypatch):
    app = page("Forecast")
    assert any("make no forecast" in error.value for error in app.error)
    monkeypatch.setattr(scale_forecast, "LEAST_DOCUMENTS", 2)
    app = page("Forecast")
    assert not app.error and {"Forecast", "Check against the whole"} <= {button.label for button in app.button}
    assert sum("indexes built and measured" in price for price in prices(app)) == 2


@pytest.mark.slow
def test_an_index_without_an_inside_says_for_which_there_is_one(page):
    app = page("Structure", **{"index.part": "faiss_sq", "index.nlist": "", "index.nprobe": ""})
    assert "not drawn" in app.info[0].value and "FAISS HNSW" in app.info[0].value


@pytest.mark.slow
def test_what_has_to_be_embedded_first_offers_a_job(page, bench, monkeypatch):
    started = must_embed(monkeypatch, bench)
    app = page()
    assert "Embedding 9,000 texts, 60 to 85 s" in prices(app)
    next(b for b in app.button if b.label == "Prepare").click().run()
    assert started[0][0][:3] == ["prepare", "--dataset", "towns"] and started[0][1] == "Preparing towns"


@pytest.mark.slow
def test_a_large_index_is_built_by_a_job(page, bench, monkeypatch):
    monkeypatch.setattr("core.workbench.LIVE_INDEXED", 10)
    app = page(**{"index.nlist": "3"})
    assert any("Building FAISS IVF of 12 vectors" in told for told in prices(app)) and any(
        b.label == "Prepare" for b in app.button
    )


@pytest.mark.slow
def test_documents_without_questions_are_told(page):
    assert "no questions" in page(**{"corpus.dataset": "silent"}).info[0].value
