"""The page Encoders: its table is the library's, what is not embedded is offered, a bad setting is told, training is previewed."""

import json
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from app.ui.encoders import choice, trade_off
from app.ui.encoders.choice import looked_at
from core.config import TrialConfig, with_settings
from core.labs.encoders import comparison, geometry, maps
from core.progress import drain
from tests.support.prices import must_embed, prices
from tests.support.screen import html, visit
from tests.support.small_corpora import markets, with_towns

TOWNS = ("Lund", "Gent", "Pisa", "Bari", "Metz", "Cork", "Brno", "Linz", "Nice", "Graz", "Oslo", "Ghent")
TEXTS, QUESTIONS = markets(TOWNS)
QUESTIONS += [{"id": "vague", "question": "Which mill is old?", "document": "Pisa.txt", "answer": "old mill of Pisa"}]
ADDRESS = {"corpus.dataset": "towns", "retrieval.top_k": "5", "evaluation.k": "3", "embedding.part": "lsa"}
SETTINGS = {"corpus.dataset": "towns", "retrieval.top_k": 5, "evaluation.k": 3, "embedding.part": "lsa"}
CHOSEN = ["lsa", "word2vec-idf", "word2vec-mean"]  # no model is loaded for these


def recipe(**settings) -> TrialConfig:
    return with_settings(TrialConfig(), SETTINGS | settings)


@pytest.fixture(scope="module")
def bench(home):
    workbench = with_towns(home, TEXTS, QUESTIONS)
    [first, *_] = [(name, text.encode()) for name, text in TEXTS.items()]
    drain(workbench.library.ingest("single", [first], ("questions.jsonl", json.dumps(QUESTIONS[0]).encode())))
    for offer in comparison.offers(recipe()):
        if offer.id in CHOSEN:
            for name in ("towns", "silent"):
                config = comparison.prepared(comparison.variant(recipe(**{"corpus.dataset": name}), offer.part))
                drain(workbench.prepare(config))
    return workbench


@pytest.fixture
def page(bench, home, monkeypatch):
    monkeypatch.setenv("GROUNDWORK_HOME", str(home))
    monkeypatch.setattr(session, "workbench", lambda: bench)

    def start(encoders=CHOSEN, **address: str) -> AppTest:
        app = visit("compare_encoders", {**ADDRESS, **address}, encoders=encoders)
        assert not app.exception
        return app

    return start


def tab(app: AppTest, name: str) -> AppTest:
    app.session_state["view"] = name
    app = app.run()
    assert not app.exception and not app.error
    return app


def rows(bench, **settings) -> list[comparison.EncoderResult]:
    config = recipe(**settings)
    offers = [offer for offer in comparison.offers(config) if offer.id in CHOSEN]
    return drain(comparison.leaderboard(bench, config, offers, offers[0]))


@pytest.mark.slow
def test_the_table_shows_what_the_library_measures_and_a_question_opens_both_rankings(page, bench):
    app, found = page(), rows(bench)
    shown = html(app)
    assert [row.offer.id for row in found] == CHOSEN
    for row in found:
        one = row.intervals["ndcg_linear"]
        assert f">{one.mean:.3f}<" in shown and f"{one.low:.3f} to {one.high:.3f}" in shown, row.offer.id
        assert f"{row.transform.bytes_per_vector:,.0f} bytes" in shown
    for row in found[1:]:
        change = f"{row.changes['ndcg_linear'].paired.difference:+.3f}".replace("-", "−")
        assert change in shown or change.strip("+−") == "0.000"
    assert any("against LSA: 13 of 13 questions" in caption.value for caption in app.caption)
    lost = sum(o == "lost" for o in bench.by_question(found[1].evaluation, found[0].evaluation, "ndcg_linear")["outcome"])
    app = app.segmented_control(key="show").set_value("lost").run()
    assert any(f"against LSA: {lost} of 13 questions" in caption.value for caption in app.caption)
    app = tab(app, "Gold against random")
    assert all(f"{drain(geometry.separation_of(bench, row)).auc:.3f}" in html(app) for row in found)


@pytest.mark.slow
def test_the_details_are_of_the_best_rival_unless_the_address_names_another(page, bench, monkeypatch):
    *_, worse, better = rows(bench)
    means = {worse.offer.id: 0.6, better.offer.id: 0.7}

    def ranked(ready, reference, metric):
        given = [
            SimpleNamespace(offer=row.offer, intervals={metric: SimpleNamespace(mean=means.get(row.offer.id, 1.0))})
            for row in ready
        ]
        chosen = looked_at(given, reference, metric)
        return next(row for row in ready if row.offer == chosen.offer)

    monkeypatch.setattr(choice, "looked_at", ranked)
    assert page().selectbox(key="look").value == better.offer.id
    assert page(look=f"Details of {worse.offer.name}").selectbox(key="look").value == worse.offer.id


@pytest.mark.slow
def test_the_dimension_slider_takes_bytes_off_every_encoder_where_there_is_a_projection(page):
    app = page()
    assert app.select_slider(key="lab/transform.dimensions").disabled
    app = app.segmented_control(key="lab/transform.projection").set_value("whitening").run()
    assert app.query_params["transform.projection"] == "whitening"
    assert not app.select_slider(key="lab/transform.dimensions").disabled
    app = app.segmented_control(key="lab/transform.projection").set_value("pca").run()
    before = html(app)
    app = app.select_slider(key="lab/transform.dimensions").set_value(8).run()
    assert not app.exception and app.query_params["transform.dimensions"] == "8"
    assert html(app).count(">32 bytes<") == len(CHOSEN) and ">32 bytes<" not in before
    app = page(**{"transform.projection": "pca", "transform.dimensions": "300"})
    told = " ".join(warning.value for warning in app.warning)
    assert "dimensions" in told and "300" in told and not app.error, "the vectors rule it out"
    assert app.segmented_control(key="lab/transform.projection").value == "pca"


@pytest.mark.slow
def test_what_is_not_embedded_is_listed_with_what_it_needs(page, bench, monkeypatch):
    started = must_embed(monkeypatch, bench)
    app = page()
    assert "Embedding 9,000 texts, 60 to 85 s" in prices(app)
    next(b for b in app.button if b.label == "Prepare Word2Vec mean").click().run()
    [(arguments, label)] = started
    assert arguments[:3] == ["prepare", "--dataset", "towns"] and "embedding.weighting=mean" in arguments
    assert label == "Preparing Word2Vec mean on towns"


@pytest.mark.slow
def test_the_geometry_is_explained_and_shown_before_and_after(page, bench):
    app = tab(page(**{"transform.centre": "true"}), "Geometry")
    shape = drain(geometry.geometry_of(bench, rows(bench, **{"transform.centre": True})[0]))
    shown = html(app)
    assert f"was {shape.before.average_cosine:.3f}" in shown and "0: no common direction" in shown
    assert shape.after.average_cosine != pytest.approx(shape.before.average_cosine)


@pytest.mark.slow
def test_a_point_of_the_map_is_found_by_its_words(page):
    app = tab(page(), "Map")
    app = app.text_input(key="map_find").set_value("market of Brno").run()
    assert not app.exception and 'The market of Brno <span class="gw-gold">opens at 11' in html(app)
    assert any("2 points have these words" in caption.value for caption in app.caption), "the chunk and its question"


@pytest.mark.slow
def test_a_map_of_more_chunks_than_are_drawn_shows_the_density_of_all(page, monkeypatch):
    monkeypatch.setitem(maps.LIMITS, "pca", 12)
    app = tab(page(**{"seed": "7"}), "Map")  # of another seed no map is remembered
    charts = [json.loads(chart.proto.spec)["data"] for chart in app.get("plotly_chart")]
    assert "heatmap" in [traces[0]["type"] for traces in charts], "under the points"
    assert any("of 12 chunks" in each and "grey: density of all chunks" in each for each in [*map(str, app.caption), html(app)])


@pytest.mark.slow
def test_the_map_tells_which_questions_are_lost_and_leads_to_them_and_back(page, bench):
    app = tab(page(), "Map")
    app = app.segmented_control(key="map_colour").set_value("lost").run()
    assert not app.exception and app.selectbox(key="map_against").value
    query = bench.corpus(app.session_state["recipes"]["current"]).queries[0]
    app.query_params["point"] = query.id
    app.run()
    assert not app.exception and query.text in html(app) + "".join(e.value for e in app.subheader)
    links = {link.proto.page: link.proto.query_string for link in app.get("page_link")}
    assert links["search_live"] == links["explain_failures"] == f"chosen={query.id}"


@pytest.mark.slow
def test_the_training_command_follows_the_form(page, bench, monkeypatch):
    started = []
    monkeypatch.setattr(bench.jobs, "start", lambda arguments, label, *_: started.append(arguments) or "job")
    app = tab(page(), "Train")
    app = app.number_input(key="train/max_steps").set_value(7).run()
    assert any("encoders train towns-1 --train max_steps=7 --dataset towns" in code.value for code in app.code)
    app.button(key="train/start").click().run()
    assert started[0][:4] == ["train-encoder", "towns-1", "--train", "max_steps=7"]


@pytest.mark.slow
def test_a_trained_encoder_that_is_not_better_says_so_and_can_be_used(page, bench, home):
    one = {
        "before": 0.5,
        "after": 0.49,
        "difference": -0.01,
        "low": -0.03,
        "high": 0.01,
        "p": 0.3,
        "exact": False,
        "effect_size": -0.1,
        "wins": 1,
        "losses": 2,
        "ties": 9,
        "n": 12,
        "total": 13,
        "note": "",
    }
    record = {
        "name": "mine",
        "config": {"watch": "mrr", "base": "minilm"},
        "evaluation": {"confidence": 0.95, "k": 10},
        "corpus": {"name": "towns"},
        "best_step": 4,
        "steps": 9,
        "stopped": "early",
        "seconds": {"training": 3.0},
        "sizes": {"train": 5, "validation": 2, "test": 13},
        "comparison": {"ndcg": one, "recall": one, "mrr": one},
        "created": "2026-01-01",
    }
    folder = home / "encoders" / "mine"
    folder.mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (folder / name).write_text("{}")
    (folder / "training.json").write_text(json.dumps(record))
    try:
        app = tab(page(), "Train")
        assert any("Not better" in m.value for m in app.markdown) and "−0.010" in html(app)
        assert "stopped early" in html(app) and "5 to train, 2 to validate, 13 to test" in html(app)
        app.button(key="use/mine").click().run()
        assert app.session_state["recipes"]["current"].embedding.name == "mine"
    finally:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


@pytest.mark.slow
def test_a_corpus_without_questions_still_shows_its_vectors(page):
    app = page(**{"corpus.dataset": "silent"})
    assert "no questions with gold evidence" in app.info[0].value
    assert not app.get("plotly_chart")
    assert "There are no questions with evidence to measure." in [caption.value for caption in app.caption]
    assert "Average cosine" in html(tab(app, "Geometry"))
    tab(app, "Map")


@pytest.mark.slow
def test_one_document_has_no_spread_to_measure(page):
    app = page(**{"corpus.dataset": "single"})
    assert "1.000" in html(app)
    shown = html(tab(app, "Geometry"))
    assert "nan" not in shown.lower() and ">–<" in shown


@pytest.mark.slow
def test_a_model_that_is_not_here_is_told_for_its_encoder_alone(page, bench):
    app = page(encoders=["recipe", "lsa"], **{"embedding.part": "sentence_transformers", "embedding.model": "no/such"})
    assert "is not on this machine" in app.warning[0].value and not app.error
    assert f"{rows(bench)[0].intervals['recall'].mean:.3f}" in html(app), "the others go on"


@pytest.mark.slow
def test_a_large_corpus_is_asked_all_its_questions_on_a_button(page, monkeypatch):
    monkeypatch.setattr(comparison, "QUESTIONS", 6)
    app = page()
    assert any("n 6 of 6 questions" in caption.value for caption in app.caption)
    app = app.button(key="ask_all").click().run()
    assert any("n 13 of 13 questions" in caption.value for caption in app.caption) and not app.exception
    app = app.segmented_control(key="lab/transform.projection").set_value("pca").run()
    assert any("n 6 of 6 questions" in caption.value for caption in app.caption), "a slider answers at once again"


@pytest.mark.slow
def test_a_long_curve_waits_for_its_button(page, monkeypatch):
    monkeypatch.setattr(trade_off, "SLOW_POINTS", 0)
    app = page(**{"evaluation.k": "2"})
    assert not app.get("plotly_chart")
    app = app.button(key="do_curve").click().run()
    assert app.get("plotly_chart") and not app.exception and not app.error


def test_no_encoder_chosen_says_what_will_be_here(page):
    assert "Choose at least one encoder" in html(page(encoders=[]))
