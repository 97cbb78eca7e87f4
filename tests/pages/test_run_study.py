"""The page Experiments: beginning, the plan and what is wrong with it, how it stands, and what it says."""

import json
import re

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from app.ui import cards
from app.ui.experiments import factors
from core.config import TrialConfig, with_settings
from core.labs.experiments import book, results
from core.labs.experiments.driver import run
from core.labs.experiments.experiment import made, written
from core.labs.experiments.standing import Announced
from core.labs.trials.comparison import trials
from core.progress import drain
from core.report.table import MEAN, between
from core.retrieval.bm25_fast import BM25S
from core.workbench import Workbench
from tests.support.played_model import play
from tests.support.screen import visit
from tests.support.toy_study import BASE, toy_home, toy_study

SPARSE = {"corpus.dataset": "towns", "fusion.part": "sparse_only", "chunking.part": "fixed", "chunking.size_tokens": "32"}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Measured: sizes by k1. Not started: the same."""
    bench = toy_home(tmp_path_factory.mktemp("toy") / "home")
    drain(run(bench, toy_study("measured", sizes=(16, 24, 32), title="Sizes and k1"), workers=1))
    book.save(bench, toy_study("fresh", title="Not started"))
    return bench.home


def open_page(**address: str) -> AppTest:
    app = visit("run_study", address)
    assert not app.exception and "unexpected error" not in "".join(e.value for e in app.error)
    return app


def button(app: AppTest, key: str):
    return next(b for b in app.button if b.key == key)


def press(app: AppTest, key: str) -> AppTest:
    app = button(app, key).click().run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    told = [e.value for e in [*app.caption, *app.markdown, *app.warning, *app.info, *app.error, *app.success]]
    shown = " ".join(told + [e.proto.body for e in app.get("html")])
    return shown.replace("\\", "").replace(cards.NOTHING, "")


def shown(app: AppTest, column: str):
    return next(d.value for d in app.dataframe if column in d.value.columns)


def opened(app: AppTest) -> str:
    value = app.query_params["study"]
    return value[0] if isinstance(value, list) else value


def figure(app: AppTest) -> dict:
    return json.loads(app.get("plotly_chart")[0].proto.spec)


@pytest.mark.slow
def test_without_a_study_the_page_says_what_one_is_and_begins_one_of_the_recipe_in_use(tmp_path, monkeypatch):
    bench = toy_home(tmp_path / "home")
    monkeypatch.setattr(session, "workbench", lambda: bench)
    app = open_page(**SPARSE)
    assert "one question, asked of many recipes" in texts(app) and not app.dataframe
    assert "Chunking: size 16, 32, 64" in texts(app)
    assert "Chunking: size 64, 127, 254" in texts(open_page(**{"corpus.dataset": "towns"})), "no more than the encoder reads"
    app = press(app, "begin_study")
    [study] = [version.experiment for version in book.latest(bench).values()]
    assert opened(app) == study.id and study.recipe.fusion.part == "sparse_only"
    assert [factor.setting for factor in study.factors] == ["chunking.size_tokens", "sparse.k1"]
    assert (study.choose_on, study.report_on) == ("dev", "test") and "chosen on the dev half of the questions" in texts(app)
    assert "Not started" in texts(app) and "11 trials" in texts(app), "winner and base once more, on test"


def begins(app: AppTest) -> str:
    return next(button.proto.type for button in app.button if button.key == "begin_study")


@pytest.mark.slow
def test_the_list_names_what_is_recorded_and_hides_what_is_archived(bench, monkeypatch):
    app = open_page(study="nowhere")
    assert "“nowhere”, which is not here" in texts(app), "and the list stands there"
    table = shown(app, "Experiment")
    assert dict(zip(table["Experiment"], table["Recipes"], strict=True)) == {"Sizes and k1": 9, "Not started": 0}
    assert "Failed" not in table and "Id" not in table
    best = book.best(bench, [book.load(bench, "measured")])["measured"]
    at = table["Experiment"].tolist().index("Sizes and k1")
    assert best.recipes == 9 and table["Best recipe"][at] == best.title and table["Mean"][at] == best.mean
    told = max(results.measured(bench, book.load(bench, "measured"), "mrr"), key=lambda row: row["mrr"])
    assert best.interval[:4] == pytest.approx(tuple(told[name] for name in ("mrr", "low", "high", "n")))
    assert table["Interval"][at] == between(told["low"], told["high"], MEAN) and table["n"][at] == told["n"]
    assert begins(app) == "primary"
    monkeypatch.setattr("app.ui.experiments.beginning.runs", lambda home, name: name == "measured")
    assert begins(open_page()) == "secondary", "one runs: to look at it comes first"
    app = press(open_page(study="fresh"), "archive_study")
    assert "This experiment is archived" in texts(app)
    assert shown(open_page(), "Experiment")["Experiment"].tolist() == ["Sizes and k1"]


@pytest.mark.slow
def test_a_study_is_opened_from_yaml_and_what_is_wrong_with_one_is_told(bench):
    app = open_page()
    app.text_area(key="study_text").set_value("title: Mine\nfactors:\n- {setting: chunking.sice_tokens, values: [1]}").run()
    app = press(app, "open_yaml")
    assert "'chunking' has no setting 'sice_tokens'" in texts(app) and "Mine" not in book.latest(bench)
    app.text_area(key="study_text").set_value(written(toy_study("measured", k1=(0.1,)))).run()
    app = press(app, "open_yaml")
    assert opened(app) == "measured-2"  # the id was taken
    assert book.load(bench, "measured-2").factors[1].values == (0.1,)


@pytest.mark.slow
def test_a_changed_plan_is_recorded_at_once_and_a_wrong_one_told_beside_its_field(bench):
    app = open_page(study="fresh")
    app.text_input(key="study/fresh/title").set_value("A <b>new</b> name").run()
    assert book.load(bench, "fresh").title == "A <b>new</b> name" and "6 trials" in texts(app)
    app.multiselect(key="study/fresh/factor/sparse.k1/values").set_value(["1.0", "0.5", "3"]).run()
    assert book.load(bench, "fresh").factors[1].values == (0.5, 1.0, 3)  # in their order
    app.multiselect(key="study/fresh/factor/sparse.k1/values").set_value([]).run()
    assert app.warning[0].value.startswith("K1 needs either values or a range")
    assert button(app, "start_study").disabled and book.load(bench, "fresh").factors[1].values == (0.5, 1.0, 3)
    app.multiselect(key="study/fresh/factor/sparse.k1/values").set_value(["9", "1"]).run()
    assert "9 is left out: k1 must be at most 5." in texts(app) and not button(app, "start_study").disabled


@pytest.mark.slow
def test_factors_come_go_and_are_ranges_where_points_are_drawn(bench):
    app = open_page(study="fresh")
    box = next(box for box in app.selectbox if "/add/" in box.key)
    box.set_value("fusion").run()
    assert book.load(bench, "fresh").factors[2].setting == "fusion"
    app = press(app, "study/fresh/factor/fusion/remove")
    assert not [w for w in app.segmented_control if w.key.endswith("/as")]  # a grid takes values alone
    app.selectbox(key="study/fresh/design.kind").set_value("random").run()
    app.segmented_control(key="study/fresh/factor/sparse.k1/as").set_value("Range").run()
    factor = book.load(bench, "fresh").factors[1]
    assert (factor.values, factor.low, factor.high) == ((), 0.5, 1.5)
    app.selectbox(key="study/fresh/design.kind").set_value("grid").run()
    assert "Grid takes values" in texts(app) and button(app, "start_study").disabled
    app.segmented_control(key="study/fresh/factor/sparse.k1/as").set_value("Values").run()
    assert book.load(bench, "fresh").factors[1].values == (0.5, 1.0, 1.5) and book.load(bench, "fresh").design.kind == "grid"


def test_what_is_typed_as_a_method_and_is_none_stops_no_page(bench):
    typed = factors.of_tokens(['["rrf"]', '{"part": ["rrf"]}'], None)
    assert typed == [["rrf"], {"part": ["rrf"]}]
    assert "fusion.weight" in factors.offered(TrialConfig(), [factors.plain("fusion", typed)])


@pytest.mark.slow
def test_each_design_has_only_its_own_knobs_and_reporting_on_test_chooses_on_dev(bench):
    app = open_page(study="fresh")
    app.selectbox(key="study/fresh/report_on").set_value("test").run()
    study = book.load(bench, "fresh")
    assert (study.choose_on, study.report_on) == ("dev", "test")
    app.selectbox(key="study/fresh/choose_on").set_value("all").run()
    assert book.load(bench, "fresh").report_on == ""
    for kind, names in (
        ("grid", set()),
        ("latin", {"trials", "seed"}),
        ("halving", {"trials", "eta", "first_questions", "seed"}),
    ):
        app.selectbox(key="study/fresh/design.kind").set_value(kind).run()
        assert {w.key.rpartition(".")[2] for w in app.number_input if "/design." in w.key} == names


@pytest.mark.slow
def test_what_is_measured_is_ranked_with_the_best_and_its_equals(bench):
    app = open_page(study="measured")
    table = shown(app, "Recipe")
    assert len(table) == 9 and table["Group"].tolist()[0] == "best" and "not significantly worse" in table["Group"].tolist()
    assert {name.removesuffix("  (base)") for name in table["Recipe"]} == {
        f"BM25, fixed chunk {size}, k1 {k1}" for size in (16, 24, 32) for k1 in ("0.5", "1", "1.5")
    }
    assert "The best of 9 means is partly luck" in texts(app) and "BM25, fixed chunk" in texts(app).partition("Best: ")[2][:30]
    assert "All trials are measured" in texts(app) and not [b for b in app.button if b.key == "start_study"]
    board = [row["name"] for row in bench.store.query("SELECT id AS name FROM trials WHERE sweep = 'measured'")]
    assert len(board) == 9
    app = open_page(study="measured", study_view="Frontier")
    assert "Cost" in {box.label for box in app.selectbox} and "on the frontier" in texts(app) and not app.error
    assert "every point that was tried is measured" in texts(open_page(study="measured", study_view="Failures"))
    app = open_page(study="measured", study_view="Factors", study_along="Context")
    chart = figure(app)
    lines = [trace for trace in chart["data"] if "lines" in trace.get("mode", "") and "text" in trace]
    assert [trace["name"] for trace in lines] == ["k1 0.5", "k1 1", "k1 1.5"]
    given = {t.settings["chunking.size_tokens"]: t.costs["context_at_k"].value for t in trials(bench) if t.sweep == "measured"}
    for trace in lines:
        drawn = dict(zip(map(float, trace["text"]), trace["x"], strict=True))
        assert drawn == pytest.approx(given, abs=3) and trace["x"] == sorted(trace["x"])  # rankings differ a little by k1
    assert "(tokens)" in chart["layout"]["xaxis"]["title"]["text"] and "At the same context" in texts(app)


@pytest.mark.slow
def test_factors_are_lines_of_the_difference_to_the_base_and_what_is_not_measured_is_a_gap(bench):
    study = toy_study("measured", sizes=(16, 24, 28, 32), title="Sizes and k1")
    book.save(bench, study)  # 28 is planned, and not measured
    chart = figure(open_page(study="measured", study_view="Factors"))
    lines = [trace for trace in chart["data"] if trace.get("mode") == "lines+markers"]
    assert [trace["name"] for trace in lines] == ["k1 0.5", "k1 1", "k1 1.5"]
    assert all(trace["x"] == [16, 24, 28, 32] and trace["y"][2] is None for trace in lines)
    base = lines[2]["y"][3]
    assert base == 0  # size 32 with k1 1.5 is the base
    assert {trace["name"] for trace in chart["data"]} >= {"Best", "Not significantly different"}


@pytest.mark.slow
def test_a_changed_study_with_trials_waits_to_be_saved_and_keeps_what_is_measured(bench, started):
    app = open_page(study="measured", study_view="Plan")
    app.multiselect(key="study/measured/factor/sparse.k1/values").set_value(["0.5", "1.0", "1.5", "2.0"]).run()
    assert len(book.load(bench, "measured").factors[1].values) == 3  # not recorded yet
    assert "12 trials, 9 of them stored" in texts(app)
    app = press(app, "discard_change")
    assert "All trials are measured" in texts(app)
    app.multiselect(key="study/measured/factor/sparse.k1/values").set_value(["0.5", "1.0", "1.5", "2.0"]).run()
    press(app, "start_study")
    assert started == [["study", "measured"]] and len(book.versions(bench, "measured")) == 2
    outcome = drain(run(bench, book.load(bench, "measured"), workers=1))
    assert (outcome.measured, outcome.reused) == (3, 9)


@pytest.mark.slow
def test_a_change_that_is_not_recorded_is_there_after_a_restart_until_it_is_discarded_or_recorded(bench, started):
    app = open_page(study="measured", study_view="Plan")
    app.multiselect(key="study/measured/factor/sparse.k1/values").set_value(["0.5", "2.0"]).run()
    later = open_page(study="measured", study_view="Plan")  # another session, which knows nothing of the first
    assert [float(token) for token in later.session_state["study/measured/factor/sparse.k1/values"]] == [0.5, 2.0]
    assert "Changed, not recorded yet" in texts(later) and len(book.versions(bench, "measured")) == 1
    press(later, "discard_change")
    app = open_page(study="measured", study_view="Plan")
    assert app.session_state["study/measured/factor/sparse.k1/values"] == ["0.5", "1.0", "1.5"]
    app.multiselect(key="study/measured/factor/sparse.k1/values").set_value([]).run()  # not valid, and kept too
    app = open_page(study="measured", study_view="Plan")
    assert "needs either values or a range" in texts(app) and button(app, "start_study").disabled
    app.multiselect(key="study/measured/factor/sparse.k1/values").set_value(["0.5", "2.0"]).run()
    press(app, "start_study")
    assert len(book.versions(bench, "measured")) == 2 and "not recorded" not in texts(open_page(study="measured"))
    assert not list((bench.home / "drafts").iterdir())


@pytest.mark.slow
def test_a_factor_may_have_several_conditions(bench):
    factors = [
        {"setting": "sparse.k1", "values": [0.5, 1.0]},
        {"setting": "chunking.size_tokens", "values": [16, 32]},
        {"setting": "sparse.b", "values": [0.2, 0.8]},
    ]
    book.save(bench, made(toy_study("fresh").model_dump(mode="json") | {"factors": factors}))
    app = open_page(study="fresh", study_view="Plan")
    place = "study/fresh/factor/sparse.b/when"
    app.selectbox(key=f"{place}/0").set_value("sparse.k1").run()
    app.selectbox(key=f"{place}/1").set_value("chunking.size_tokens").run()
    assert book.load(bench, "fresh").factors[2].when == {"sparse.k1": (0.5,), "chunking.size_tokens": (16,)}
    assert "Varied only when Sparse retrieval: k1 0.5 and Chunking: size 16." in texts(app)
    assert not [box for box in app.selectbox if box.key == f"{place}/2"]  # no other is left
    app.multiselect(key=f"{place}/chunking.size_tokens").set_value(["16", "32"]).run()
    app.multiselect(key=f"{place}/sparse.k1").set_value([]).run()
    assert book.load(bench, "fresh").factors[2].when == {"chunking.size_tokens": (16, 32)} and not app.exception


@pytest.mark.slow
def test_the_pinned_baseline_is_taken_as_what_trials_are_compared_with_and_left_again(bench):
    pin = {"baseline.fusion.part": "sparse_only", "baseline.sparse.k1": "0.7"}
    app = press(open_page(study="fresh", study_view="Plan", **SPARSE, **pin), "compare_with")
    study = book.load(bench, "fresh")
    assert study.compared_with.sparse.k1 == 0.7 and study.compared_with.corpus == study.recipe.corpus
    assert "Every trial is compared with the baseline" in texts(app) and "7 trials" in texts(app)
    app = press(app, "compare_with")  # now back to the base
    assert book.load(bench, "fresh").against is None and "6 trials" in texts(app)
    assert button(app, "compare_with").label == "Compare with the pinned baseline"


@pytest.mark.slow
def test_it_is_chosen_where_a_study_is_measured(bench, started):
    app = press(open_page(study="fresh", study_view="Plan"), "start_study")
    assert started.pop() == ["study", "fresh"], "as a job of the command line"
    app.number_input(key="engine/workers").set_value(3).run()
    press(app, "start_study")
    assert started == [["study", "fresh", "--workers", "3"]]
    app.segmented_control(key="engine/name").set_value("ray").run()
    app.text_input(key="engine/address").set_value(" head:6379 ").run()
    assert "experiment run fresh --engine ray --address head:6379 --workers 3" in " ".join(e.value for e in app.code)
    press(app, "start_study")
    assert started[1] == ["study", "fresh", "--engine", "ray", "--address", "head:6379", "--workers", "3"]


@pytest.mark.slow
def test_a_study_is_packed_and_opened_elsewhere_with_what_was_verified(bench, tmp_path, monkeypatch):
    app = press(open_page(study="measured"), "pack_study")
    [packed] = [data for about, data in [app.session_state["study_packed"]]]
    assert app.get("download_button") and "experiment export measured" in " ".join(e.value for e in app.code)
    other = Workbench(tmp_path / "other")
    monkeypatch.setattr(session, "workbench", lambda: other)
    app = opening(open_page(), packed[: len(packed) // 2])
    assert "damaged, or no experiment" in texts(app) and "mine.zip" in texts(app) and "groundwork-" not in texts(app)
    assert not book.latest(other)
    app = opening(open_page(), packed)
    assert opened(app) == "measured" and "Opened and verified: 1 version, 9 trials, 1 set of questions" in texts(app)
    assert len(shown(app, "Recipe")) == 9 and "means were derived again from the raw rankings and are the same" in texts(app)


def opening(app: AppTest, data: bytes) -> AppTest:
    app.get("file_uploader")[0].set_value(("mine.zip", data, "application/zip")).run()
    return press(app, "open_packed")


@pytest.mark.slow
def test_failures_are_told_with_their_reason_and_retried(bench, started, monkeypatch):
    build = BM25S.build

    def failing(self, tokens):
        if self.k1 == 2.0:
            raise ValueError("the <i>disk</i> is gone")
        return build(self, tokens)

    with monkeypatch.context() as broken:
        broken.setattr(BM25S, "build", failing)
        drain(run(bench, toy_study("measured", sizes=(16,), k1=(0.5, 2.0)), workers=1))
    app = open_page(study="measured", study_view="Failures")
    assert "size 16 · k1 2" in texts(app).replace("\N{NO-BREAK SPACE}", " ") and "the &lt;i&gt;disk&lt;/i&gt; is gone" in texts(
        app
    )
    press(app, "retry_failed")
    assert started == [["study", "measured"]]


@pytest.mark.slow
def test_with_a_failed_point_the_head_does_not_say_that_all_are_measured(bench):
    factors = [{"setting": "embedding", "values": ["lsa", {"part": "trained", "name": "gone"}]}]
    missing = {"id": "missing", "base": BASE | {"fusion": "dense_only"}}
    drain(run(bench, made(missing | {"factors": factors}), workers=1))
    for _ in range(2):
        told = texts(open_page(study="missing"))
        assert "Trials are missing" in told and "1 trial failed" in told and "no trained encoder" in told
        assert "All trials are measured" not in told
        book.describe(bench, "missing", title="Of the second version")
    factors[0]["values"].pop()
    drain(run(bench, made(missing | {"factors": factors}), workers=1))
    app = open_page(study="missing", study_view="Failures")
    assert "All trials are measured" in texts(app) and "1 trial failed" not in texts(app) and "None: every point" in texts(app)
    assert not [b for b in app.button if b.key in ("start_study", "retry_failed")], "a point of an earlier version"


@pytest.mark.slow
def test_its_trials_are_a_press_away_the_open_study_is_there_again_and_a_clone_has_the_plan_alone(bench):
    drain(bench.run(with_settings(TrialConfig(), {"corpus.dataset": "towns", "fusion.part": "sparse_only"})))
    app = press(open_page(study="measured"), "study_trials")
    assert app.session_state["page"] == "compare_trials" and len(shown(app, "Trial")) == 9
    app = app.switch_page("../pages/run_study.py").run()
    assert opened(app) == "measured" and len(shown(app, "Recipe")) == 9
    assert len(shown(press(app, "all_studies"), "Experiment")) == 2
    app = press(open_page(study="measured"), "clone_study")
    clone = book.load(bench, opened(app))
    assert app.session_state["study_view"] == "Plan"  # there is nothing else of it yet
    assert clone.title == "Sizes and k1, copy" and clone.factors == book.load(bench, "measured").factors
    assert not [trial for trial in trials(bench) if trial.sweep == clone.id]
    book.archive(bench, clone.id)
    assert not book.load(bench, opened(press(open_page(study=clone.id), "clone_study"))).archived, "it is there to be changed"


@pytest.mark.slow
def test_the_winner_on_dev_is_told_on_test(bench):
    base = {**BASE, "chunking.size_tokens": 24}
    drain(run(bench, toy_study("halves", sizes=(24, 32), k1=(0.5, 1.0), base=base, choose_on="dev", report_on="test"), workers=1))
    app = open_page(study="halves")
    told = " ".join(e.value for e in app.info).replace("\\", "")
    assert "reported on test: **BM25, fixed chunk 32" in told and ", p" in told and "against the base (n" in told
    first, second = (
        float(words.replace(",", "")) for words in re.search(r"reads ([\d,]+) tokens.*?the base ([\d,]+):", told).groups()
    )
    assert first > 1.2 * second and "times the context" in told, "larger chunks are more text"
    assert "All trials are measured: 7 (5 on dev, 2 on test)" in texts(app)  # the base among them
    drain(run(bench, toy_study("halves", sizes=(24,), k1=(0.5,), base=base | {"retrieval.candidates": 50}), workers=1))
    now = texts(open_page(study="halves"))
    assert "All trials are measured: 2" in now and "on dev" not in now.split("All trials are measured")[1][:20], "of this base"


@pytest.mark.slow
def test_a_question_about_each_recipe_is_answered_on_test_for_each_and_no_best_is_named_there(bench):
    asked = toy_study("each", sizes=(24, 48), k1=(1.5,), choose_on="dev", report_on="test", confirm="all")
    drain(run(bench, asked, workers=1))
    app = open_page(study="each")
    [told] = [e.value.replace("\\", "") for e in app.info]
    assert told.startswith("On test, **BM25, fixed chunk 32") and told.count("\n- **") == 2
    assert {line.rpartition(": ")[2].partition(",")[0] for line in told.splitlines()[1:]} <= {
        "better",
        "worse",
        "not significant",
    }
    assert "Best: **" in texts(app) and "corrected by Holm for 2 comparisons" in texts(app)
    app.selectbox(key="questions/each").set_value(1).run()
    assert "Best: **" not in texts(app) and [e.value for e in app.info]


def test_the_bars_on_top_speak_of_the_experiment_that_is_opened(bench):
    app = open_page(study="measured")
    assert app.session_state["recipes"]["current"].corpus.dataset == "towns" and app.session_state["experiment"] == "measured"
    assert next(each for each in app.segmented_control if each.key == "questions").disabled, "the experiment says which it asks"
    app.session_state["recipes"] = {"current": TrialConfig()}
    app = app.switch_page("../pages/browse_corpus.py").run()
    del app.query_params["study"]  # as a link to a page leaves it behind
    app = app.switch_page("../pages/run_study.py").run()
    assert app.session_state["study_open"] == "" and app.session_state["recipes"]["current"].corpus.dataset == "python-reference"


@pytest.mark.slow
def test_no_verdict_stands_while_trials_are_missing(bench):
    drain(run(bench, toy_study("going", sizes=(24,), k1=(1.5,), choose_on="dev", report_on="test"), workers=1))
    with Announced(bench.home, "going", "here"):
        app = open_page(study="going")
        assert "2 recipes measured so far. Which is best is told once all are." in texts(app)
        assert "Best: **" not in texts(app) and not app.info and "filled: the best" not in texts(app)


@pytest.mark.slow
def test_of_three_factors_each_has_its_main_effect(bench):
    factors = [
        {"setting": "chunking", "values": ["fixed", {"part": "recursive", "size_tokens": 24, "overlap_tokens": 0}]},
        {"setting": "sparse.k1", "values": [0.5, 1.0]},
        {"setting": "sparse.b", "values": [0.2, 0.8]},
    ]
    study = made(toy_study("three").model_dump(mode="json") | {"factors": factors})
    drain(run(bench, study, workers=1))
    names = set(shown(open_page(study="three"), "Recipe")["Recipe"])
    assert "BM25, recursive chunk 24, overlap 0, k1 0.5, b 0.2" in names
    assert "BM25, fixed chunk 32, k1 1.5, b 0.75  (base)" in names  # no value of the factor
    app = open_page(study="three", study_view="Factors")
    levels = shown(app, "Level")
    assert set(levels["Setting"]) >= {"sparse k1", "sparse b"} and not app.error


@pytest.mark.slow
def test_methods_are_compared_one_below_the_other(bench):
    factors = [{"setting": "sparse", "values": ["bm25s", {"part": "bm25s", "stemming": "english"}]}]
    study = toy_study("methods").model_dump(mode="json") | {"factors": factors}
    drain(run(bench, made(study), workers=1))
    chart = figure(open_page(study="methods", study_view="Factors"))
    assert len(chart["data"][0]["y"]) == 2


@pytest.mark.slow
def test_a_sampler_is_varied_where_answers_are_judged(tmp_path, monkeypatch):
    bench = toy_home(tmp_path / "home")
    monkeypatch.setattr(session, "workbench", lambda: bench)
    play(monkeypatch)
    factors = [{"setting": "context.passages", "values": [1, 3]}]
    book.save(bench, toy_study("prompts", factors=factors, title="Prompts"))
    app = open_page(study="prompts", tab="Plan")
    assert "context.passages cannot change ndcg_linear" in texts(app)
    box = next(each for each in app.selectbox if "/add/" in str(each.key))
    assert "Generation: temperature" in box.options
    metrics = next(each for each in app.multiselect if each.label == "Metrics")
    metrics.set_value(["f1", "ndcg_linear"]).run()
    assert not app.exception and "cannot change" not in texts(app)
    next(each for each in app.number_input if each.label == "Questions answered").set_value(4).run()
    study = book.load(bench, "prompts")
    assert study.metrics == ("f1", "ndcg_linear") and study.answers == 4
    drain(run(bench, study, workers=1))
    app = open_page(study="prompts")
    told = shown(app, "To the base")
    assert "Token F1" in told.columns and len(told) == 2 and "n 4 questions" in texts(app)
