"""A study on the page where its question comes up: chosen, its cost told, started by one press, and read in place."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from app.ui import cards
from app.ui.experiments import here
from core.labs.experiments import book, results
from core.labs.experiments.driver import run
from core.labs.trials import comparison
from core.progress import drain
from core.retrieval.bm25_fast import BM25S
from tests.support.screen import visit
from tests.support.toy_study import toy_home

SPARSE = {
    "corpus.dataset": "towns",
    "fusion.part": "sparse_only",
    "embedding.part": "lsa",
    "embedding.dimensions": "8",
    "chunking.part": "fixed",
    "chunking.size_tokens": "16",
}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return toy_home(tmp_path_factory.mktemp("toy") / "home").home


def open_page(page: str, **address: str) -> AppTest:
    app = visit(page, {**SPARSE, **address})
    assert not app.exception and not app.error
    return app


def chunks(**address: str) -> AppTest:
    return open_page("tune_chunks", study_here="true", **address)


def texts(app: AppTest) -> str:
    told = [e.value for e in [*app.caption, *app.markdown, *app.warning, *app.info, *app.error]]
    shown = " ".join(told + [e.proto.body for e in app.get("html")])
    return shown.replace("\\", "").replace(cards.NOTHING, "")


def press(app: AppTest, key: str = "start_study_here") -> AppTest:
    app = next(b for b in app.button if b.key == key).click().run()
    assert not app.exception
    return app


def study_chart(app: AppTest) -> dict:
    specs = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    return next(spec for spec in specs if "difference from the base" in json.dumps(spec["layout"]))


@pytest.mark.slow
def test_chunkers_by_sizes_are_planned_told_started_and_drawn_in_place(bench, started, monkeypatch):
    with monkeypatch.context() as closed:
        closed.setattr(here, "draw", lambda *_: pytest.fail("drawn"))
        open_page("tune_chunks")
    app = chunks()
    assert app.multiselect(key="study_values/chunking").value == ['"fixed"', '"recursive"']
    assert app.multiselect(key="study_values/chunking.size_tokens").value == ["8", "16", "32"]
    app.multiselect(key="study_values/chunking.size_tokens").set_value([]).run()
    assert "needs either values or a range" in app.warning[0].value.replace("\\", "")
    assert not [b for b in app.button if b.key == "start_study_here"]
    app.multiselect(key="study_values/chunking.size_tokens").set_value(["many", "16"]).run()
    assert "Left out: fixed · size many" in texts(app)
    app.multiselect(key="study_values/chunking.size_tokens").set_value(["64", "16", "24"]).run()
    # recursive chunks overlap by 32 tokens, which leaves room for sizes above it alone
    assert "Not started" in texts(app) and "4 trials" in texts(app) and "not measured here yet" in texts(app)
    assert "Left out: recursive · size 16" in texts(app) and "about 137 to 640 tokens a question" in texts(app)
    assert not book.latest(bench)

    app = press(app)
    [study] = [version.experiment for version in book.latest(bench).values()]
    assert started == [["study", study.id]] and study.tags == ("tune chunks",)
    assert study.title == "Chunking method and chunking size, towns"
    assert [factor.values for factor in study.factors] == [("fixed", "recursive"), (16, 24, 64)]

    drain(run(bench, study, workers=1))
    app = chunks()
    assert app.multiselect(key="study_values/chunking.size_tokens").value == ["16", "24", "64"]  # as it is recorded
    assert "All trials are measured" in texts(app) and not [b for b in app.button if b.key == "start_study_here"]
    lines = [trace for trace in study_chart(app)["data"] if trace.get("mode") == "lines+markers"]
    assert [(trace["name"], trace["x"]) for trace in lines] == [("fixed", [16, 24, 64]), ("recursive", [16, 24, 64])]
    assert lines[0]["y"][0] == 0 and lines[1]["y"][:2] == [None, None] and lines[1]["y"][2] is not None
    assert "Best: **" in texts(app) and "not differ significantly from it" in texts(app)
    links = {link.proto.label: link.proto.query_string for link in app.get("page_link")}
    assert links["Open in Experiments"] == f"study={study.id}" and links["Compare in Trials"] == f"sweep={study.id}"

    best = results.results(bench, study, results.of_study(bench, study), study.metrics[0]).best
    assert not [b for b in app.button if b.key == "use_best"], "of equal means the first stands first, and that is in use"
    app = chunks(**{"chunking.size_tokens": "24"})
    next(button for button in app.button if button.key == "use_best").click()
    app.run()
    in_use = app.session_state["recipes"][session.CURRENT]
    assert (in_use.chunking, in_use.corpus) == (comparison.recipe(best).chunking, study.recipe.corpus)
    assert "All trials are measured" in texts(app) and not [b for b in app.button if b.key == "use_best"]


@pytest.mark.slow
def test_a_study_measured_with_another_base_is_told_and_linked(bench, started):
    address = {"study_vary": "Sparse retrieval: k1", "study_and": "Nothing else"}
    app = chunks(**address)
    app.multiselect(key="study_values/sparse.k1").set_value(["0.5", "1.0"]).run()
    press(app)
    [study] = [version.experiment for version in book.latest(bench).values()]
    assert "Not started" in texts(app), "nothing of it is measured yet"
    drain(run(bench, study, workers=1))
    moved = chunks(**address, **{"sparse.b": "0.3", "index.part": "faiss_hnsw"})
    assert "Not measured with this base" in texts(moved) and "Not started" not in texts(moved)
    [link] = [link.proto for link in moved.get("page_link") if "another base" in link.proto.label]
    assert link.query_string == f"study={study.id}" and link.label.endswith("Open it") and "b 0.75" in link.label
    assert not [link for link in chunks().get("page_link") if "another base" in link.proto.label], "of other settings"


@pytest.mark.slow
def test_the_study_is_found_again_while_the_varied_slider_moves_and_grows_by_new_values(bench, started):
    address = {"study_vary": "Chunking: size", "study_and": "Nothing else"}
    app = chunks(**address)
    app.multiselect(key="study_values/chunking.size_tokens").set_value(["16", "24", "32"]).run()
    press(app)
    [study] = [version.experiment for version in book.latest(bench).values()]
    drain(run(bench, study, workers=1))
    app = chunks(**address, **{"chunking.size_tokens": "24"})
    assert "All trials are measured" in texts(app)
    app.multiselect(key="study_values/chunking.size_tokens").set_value(["16", "24", "32", "48"]).run()
    assert "4 trials, 3 of them stored" in texts(app)
    app = press(app)
    assert list(book.latest(bench)) == [study.id] and book.latest(bench)[study.id].number == 2
    assert drain(run(bench, book.load(bench, study.id), workers=1)).reused == 3
    lines = [trace for trace in study_chart(chunks(**address))["data"] if trace.get("mode") == "lines+markers"]
    assert [trace["x"] for trace in lines] == [[16, 24, 32, 48]]
    assert lines[0]["y"][1] == 0  # the recipe in use when it was started last


@pytest.mark.slow
def test_the_pinned_baseline_is_measured_once_and_the_points_are_compared_with_it(bench, started):
    address = {"study_vary": "Sparse retrieval: k1", "study_and": "Nothing else"}
    pin = {"baseline.fusion.part": "sparse_only", "baseline.chunking.part": "fixed", "baseline.chunking.size_tokens": "48"}
    app = chunks(**address, **pin, **{"baseline.embedding.part": "lsa"})
    assert "with the pinned baseline" in texts(app)
    app.multiselect(key="study_values/sparse.k1").set_value(["0.5", "1.0", "1.5"]).run()
    assert "4 trials" in texts(app)
    press(app)
    [study] = [version.experiment for version in book.latest(bench).values()]
    assert study.compared_with.chunking.size_tokens == 48 and study.compared_with.corpus == study.recipe.corpus
    assert drain(run(bench, study, workers=1)).measured == 4
    app = chunks(**address, **pin, **{"baseline.embedding.part": "lsa"})
    chart = json.dumps(next(json.loads(c.proto.spec) for c in app.get("plotly_chart") if "from the baseline" in c.proto.spec))
    [line] = [trace for trace in json.loads(chart)["data"] if trace.get("mode") == "lines+markers"]
    assert line["x"] == [0.5, 1.0, 1.5] and None not in line["y"] and "the baseline" in chart
    [verdict] = [e.value for e in app.markdown if e.value.startswith("Best: ")]
    assert "he baseline" in verdict and "All trials are measured" in texts(app)
    unpinned = chunks(**address)  # the same study, compared with the recipe in use
    assert "the recipe in use: the base" in texts(unpinned) and "All trials are measured" in texts(unpinned)
    [line] = [trace for trace in study_chart(unpinned)["data"] if trace.get("mode") == "lines+markers"]
    assert 0 in line["y"]
    other = chunks(**address, **pin | {"baseline.chunking.size_tokens": "40"}, **{"baseline.embedding.part": "lsa"})
    assert "is not measured on these questions yet" in texts(other)
    assert [b.label for b in other.button if b.key == "start_study_here"] == ["Measure 1 more"]


@pytest.mark.slow
def test_what_another_recipe_said_is_another_study(bench, started):
    press(chunks())
    app = press(chunks(**{"sparse.k1": "0.5"}))
    assert len(book.latest(bench)) == 2 and len(started) == 2
    assert "Not started" in texts(app)


@pytest.mark.slow
def test_failures_are_told_and_retried(bench, started, monkeypatch):
    build = BM25S.build

    def failing(self, tokens):
        if self.k1 == 2.0:
            raise ValueError("the <i>disk</i> is gone")
        return build(self, tokens)

    address = {"study_vary": "Sparse retrieval: k1", "study_and": "Nothing else"}
    app = chunks(**address)
    app.multiselect(key="study_values/sparse.k1").set_value(["1.5", "2.0"]).run()
    press(app)
    [study] = [version.experiment for version in book.latest(bench).values()]
    with monkeypatch.context() as broken:
        broken.setattr(BM25S, "build", failing)
        drain(run(bench, study, workers=1))
    app = chunks(**address)
    assert "1 trial failed" in texts(app) and "the &lt;i&gt;disk&lt;/i&gt; is gone" in texts(app)
    assert [b.label for b in app.button if b.key == "start_study_here"] == ["Retry what failed"]


@pytest.mark.slow
def test_a_corpus_without_questions_says_so(bench):
    assert "there is nothing to measure" in texts(chunks(**{"corpus.dataset": "silent"}))


def search(**address: str) -> AppTest:
    app = open_page("search_live", **address)
    app.session_state.chart = "Experiment"
    app.run()
    assert not app.exception
    return app


@pytest.mark.slow
def test_search_live_begins_with_the_setting_that_was_moved_last(bench, started, monkeypatch):
    monkeypatch.setattr("app.ui.search.live.RANGE_MS", -1.0)
    app = open_page("search_live", knob="Sparse retrieval: b")
    assert not [box for box in app.selectbox if box.key == "study_vary"]  # the tab is closed
    next(slider for slider in app.slider if slider.label == "b").set_value(0.5).run()
    app.session_state.chart = "Experiment"
    app.run()
    assert app.selectbox(key="study_vary").value == "sparse.b" and app.selectbox(key="study_and").value == "none"
    app = press(app)
    [study] = [version.experiment for version in book.latest(bench).values()]
    assert started == [["study", study.id]] and study.tags == ("search live",) and study.recipe.sparse.b == 0.5
    assert [(factor.setting, factor.values) for factor in study.factors] == [("sparse.b", (0.3, 0.5, 0.7))]
    drain(run(bench, study, workers=1))
    lines = [trace for trace in study_chart(app.run())["data"] if trace.get("mode") == "lines+markers"]
    assert [trace["x"] for trace in lines] == [[0.3, 0.5, 0.7]] and lines[0]["y"][1] == 0
    app = search(**{"corpus.questions": "dev"})
    assert app.selectbox(key="study_vary").value == "sparse.k1", "without a move a setting in use"
    press(app)
    [study] = [version.experiment for version in book.latest(bench).values() if version.experiment.id != study.id]
    assert study.choose_on == "dev" and study.recipe.corpus.questions == "dev"


def encoders(chosen: list[str]) -> AppTest:
    app = visit("compare_encoders", {**SPARSE, "chunking.size_tokens": "32"}, encoders=chosen, view="Experiment")
    assert not app.exception
    return app


@pytest.mark.slow
def test_encoders_are_measured_alone_by_what_is_done_to_their_vectors(bench, started):
    app = encoders(["recipe", "lsa"])  # LSA of 8 dimensions, and of as many as it has by default
    values = app.multiselect(key="study_values/embedding").value
    assert [json.loads(token) for token in values] == [{"part": "lsa", "dimensions": 8}, "lsa"]
    assert app.multiselect(key="study_values/transform.projection").value == ['"none"', '"pca"', '"whitening"']
    app.multiselect(key="study_values/transform.projection").set_value(['"none"', '"whitening"']).run()
    assert "4 trials" in texts(app)
    press(app)
    [study] = [version.experiment for version in book.latest(bench).values()]
    assert study.tags == ("compare encoders",) and study.recipe.fusion.part == "dense_only" and study.recipe.index.part == "exact"
    assert drain(run(bench, study, workers=1)).measured == 4
    app = encoders(["recipe", "lsa"])
    chart = study_chart(app)
    assert len([place for trace in chart["data"] for place in trace["x"] if place is not None]) >= 4
    assert "All trials are measured" in texts(app) and "LSA, dimensions 8 · projection whitening" in json.dumps(
        chart, ensure_ascii=False
    )


@pytest.mark.slow
def test_the_encoders_follow_the_choice_on_the_left_until_they_are_edited(bench):
    app = encoders(["recipe", "lsa"])
    app.session_state.encoders = ["lsa"]
    app.run()
    assert app.multiselect(key="study_values/embedding").value == ['"lsa"']
    app.multiselect(key="study_values/embedding").set_value(['"lsa"', '"word2vec"']).run()
    app.session_state.encoders = ["recipe", "lsa"]
    app.run()
    assert app.multiselect(key="study_values/embedding").value == ['"lsa"', '"word2vec"']
