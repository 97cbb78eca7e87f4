"""The page Search, live: its numbers are the library's, the knob's curve, the table by question, and what it does without."""

import json
import time
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from app.ui import cards, charts, forms
from app.ui.search import results
from core.config import TrialConfig, with_settings
from core.jobs.jobs import Job
from core.labs.trials import looks, on_dev
from core.progress import drain
from core.workbench import Phase, Plan
from tests.support.prices import must_embed, prices
from tests.support.screen import html, visit
from tests.support.small_corpora import markets, with_towns

TOWNS = ("Lund", "Gent", "Pisa", "Bari", "Metz", "Cork", "Brno", "Linz", "Nice", "Graz", "Oslo", "Ghent")
TEXTS, QUESTIONS = markets(TOWNS)
QUESTIONS += [{"id": "vague", "question": "Which town never sleeps?", "document": "Pisa.txt", "answer": "old mill of Pisa"}]
BM25 = {"corpus.dataset": "towns", "fusion.part": "sparse_only", "retrieval.top_k": "5", "evaluation.k": "3"}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return with_towns(tmp_path_factory.mktemp("home"), TEXTS, QUESTIONS)


@pytest.fixture
def page(bench, monkeypatch):
    monkeypatch.setattr(session, "workbench", lambda: bench)
    # a busy machine takes these small curves for slow ones, and puts them on a button
    monkeypatch.setattr("core.labs.trials.curve.AT_ONCE_MS", float("inf"))
    # the knobs are the usual sliders, which a test can move
    monkeypatch.setattr("app.ui.search.live.RANGE_MS", -1.0)

    def start(opened: str = "sparse", **address: str) -> AppTest:
        app = visit("search_live", {**BM25, **address}, open_stage=opened)
        assert not app.exception
        return app

    return start


def chip(app: AppTest, stage: str) -> AppTest:
    """The knobs of another stage."""
    return app.pills(key="open_stage").set_value(stage).run()


def recipe() -> TrialConfig:
    return with_settings(TrialConfig(), {k: int(v) if v.isdigit() else v for k, v in BM25.items()})


@pytest.mark.slow
def test_the_cards_show_what_the_library_measures_in_a_line_too_and_hit_is_left_out_where_it_is_the_recall(page, bench):
    app = page(show="")  # what the address leaves empty is as usual
    assert not app.error and f"{len(QUESTIONS)} of {len(QUESTIONS)} questions" in " ".join(c.value for c in app.caption)
    shown = html(app)
    for name in ("hit", "recall", "mrr", "ndcg_linear"):
        one = bench.evaluate(recipe()).intervals[name]
        assert f">{one.mean:.3f}<" in shown and f"{one.low:.3f} to {one.high:.3f}" in shown, name
    assert f"n {len(QUESTIONS)}" in shown and "vs baseline" not in shown
    assert "Recall@3" in shown and "Hit@3 ↑" not in shown and "Hit@3 is the same" in shown
    assert all(name in shown.split('class="gw gw-sight"')[-1] for name in ("Recall@3", "MRR@3", "nDCG@3"))


@pytest.mark.slow
def test_what_the_browser_draws_while_a_knob_moves_is_what_the_server_then_says(page, bench, monkeypatch):
    app = page("fusion", **{"fusion.part": "convex", "baseline.fusion.part": "sparse_only"})
    assert not places(app) and any(slider.label == "Dense weight" for slider in app.slider), "too slow: the usual slider"
    monkeypatch.setattr("app.ui.search.live.RANGE_MS", float("inf"))
    monkeypatch.setattr("app.ui.search.live.FINE_MS", float("inf"))
    address = {"baseline.fusion.part": "sparse_only", "baseline.sparse.k1": "0.2", "fusion.part": "convex"}
    drawn = places(page("fusion", **address))
    assert set(drawn) == {"knob", "cards", "curve"} and len(drawn["knob"]["values"]) == 101
    compared = 0
    for value in (0.0, 0.33, 0.5, 0.77, 1.0):
        at = drawn["cards"]["values"].index(value)
        app = page("fusion", **address, **{"fusion.weight": str(value)})
        told = places(app)["cards"]
        assert told["now"] == value and told["cards"][at] == drawn["cards"]["cards"][at]
        settled = bench.evaluate(with_settings(recipe(), {"fusion.part": "convex", "fusion.weight": value}))
        row = results.row_of(settled, bench.evaluate(with_settings(recipe(), {"sparse.k1": 0.2})))
        assert told["cards"][at] == json.loads(json.dumps([cards.lines(card) for card in row])), "to the last digit"
        compared += "vs baseline" in str(told["cards"][at])
    assert compared
    depth = places(page("evaluation", **address, knob="Evaluation: k"))
    assert depth["knob"]["label"].startswith("k") and "Recall@1 " in str(depth["cards"]["cards"][0])


def places(app: AppTest) -> dict[str, dict]:
    """Role -> what the component was given."""
    sent = [json.loads(one.proto.json) for one in app.get("bidi_component") if one.proto.component_name.endswith("live")]
    return {data["role"]: data for data in sent}


@pytest.mark.slow
def test_looks_are_the_recipes_that_a_person_compared_and_no_curve(page, bench):
    app = page(**{"corpus.questions": "test"})
    questions = bench.resolve(with_settings(recipe(), {"corpus.questions": "test"})).questions
    count = lambda: looks.counted(bench, questions).looked  # noqa: E731
    said = lambda: " ".join(one.value for one in [*app.caption, *app.warning])  # noqa: E731
    assert count() == 1 and "compared" not in said()
    knob = app.selectbox(key="knob")
    app = knob.set_value(next(title for title in knob.options if title.endswith("k1"))).run()
    app = app.button(key="save").click().run()
    assert count() == 1, "neither another curve nor a saved trial"
    for b in (0.3, 0.5):
        app = next(slider for slider in app.slider if slider.key.endswith("sparse.bm25s.b")).set_value(b).run()
    assert count() == 3 and "3 recipes were compared on these test questions" in said()
    assert "You have compared 3 recipes on the test questions." in said()


@pytest.mark.slow
def test_a_pinned_baseline_brings_paired_differences(page, bench):
    current, pinned = recipe(), with_settings(recipe(), {"retrieval.top_k": 1})
    app = page(**{"baseline.fusion.part": "sparse_only", "baseline.retrieval.top_k": "1"})
    found = bench.differences(bench.evaluate(current), bench.evaluate(pinned), ["recall"])["recall"]
    assert found.wins + found.losses == 0 and f"the same on every question, n {found.n}" in html(app), "k ranks are judged"
    some = "id=Pisa*|Oslo*|Lund*|Gent*|Bari*|Metz*"
    hidden = page(**{"retrieval.documents": "id=Pisa*|Oslo*"})
    assert f"hides all evidence of {len(TOWNS) - 2} questions" in " ".join(caption.value for caption in hidden.caption)
    pinned = with_settings(recipe(), {"retrieval.documents": some})
    app = page(**{"baseline.fusion.part": "sparse_only", "baseline.retrieval.documents": some})
    found = bench.differences(bench.evaluate(current), bench.evaluate(pinned), ["recall"])["recall"]
    assert found.wins and f"[{found.low:.3f}, {found.high:.3f}]".replace("-", "−") in html(app)
    moved = sum(bench.by_question(bench.evaluate(current), bench.evaluate(pinned), "recall")["changed"])
    app = app.segmented_control(key="show").set_value("changed").run()
    assert moved > 0 and f"{moved} of {len(QUESTIONS)} questions" in " ".join(c.value for c in app.caption)


@pytest.mark.slow
def test_a_difference_at_more_context_is_grey_and_says_so(page):
    app = page(
        **{
            "chunking.size_tokens": "64",
            "chunking.overlap_tokens": "2",
            "baseline.chunking.size_tokens": "8",
            "baseline.chunking.overlap_tokens": "2",
            "baseline.fusion.part": "sparse_only",
        }
    )
    shown = html(app)
    for part in (shown, shown.split('class="gw gw-sight"')[-1]):
        assert "gw-delta up" not in part and "gw-delta down" not in part and "times the context: compare at equal" in part
        assert "First 3 chunks" in part
    assert "baseline 2" in shown


@pytest.mark.slow
def test_the_setting_follows_what_was_moved_and_nothing_else(page):
    app = page(**{"chunking.size_tokens": "24", "chunking.overlap_tokens": "2"})
    slider = next(s for s in app.slider if s.key.endswith("sparse.bm25s.b"))
    app = slider.set_value(0.3).run()
    assert app.selectbox(key="knob").value == "Sparse retrieval: b" and "0.3" in app.query_params["sparse.b"]
    app = chip(app, "chunking")
    assert app.selectbox(key="knob").value == "Chunking: Size"  # the stage that is opened is drawn
    size = next(s for s in app.select_slider if s.key == "current/chunking.recursive.size_tokens?")
    app = size.set_value(32).run()
    assert app.session_state["moves"][0] == "sparse.b"  # a draft is no move
    assert "Nothing has to be embedded: it applies at once." in words(app)
    app = next(b for b in app.button if b.key == "current/chunking/apply").click().run()
    assert app.selectbox(key="knob").value == "Chunking: Size" and "32" in app.query_params["chunking.size_tokens"]
    app = app.selectbox(key="knob").set_value("Sparse retrieval: k1").run()
    assert app.session_state["open_stage"] == "sparse"  # and the knobs of what is drawn are open
    app = next(s for s in app.slider if s.key.endswith("sparse.bm25s.b")).set_value(0.4).run()
    assert app.selectbox(key="knob").value == "Sparse retrieval: b"  # moved again, followed again
    app = app.selectbox(key="knob").set_value("Sparse retrieval: k1").run()
    next(s for s in app.segmented_control if s.key == "current/preset").set_value("sparse_only").run()
    app = next(s for s in app.selectbox if s.key == "current/sparse.part").set_value("bm25s").run()
    assert app.selectbox(key="knob").value == "Sparse retrieval: k1"


@pytest.mark.slow
def test_a_setting_that_a_recipe_does_not_use_is_drawn_again_once_it_does(page):
    app = page(**{"fusion.part": "convex"})
    assert app.selectbox(key="knob").value == "Fusion: Dense weight"

    def preset(app: AppTest, part: str) -> AppTest:
        return next(s for s in app.segmented_control if s.key == "current/preset").set_value(part).run()

    app = preset(app, "sparse_only")
    assert app.selectbox(key="knob").value != "Fusion: Dense weight"
    assert preset(app, "convex").selectbox(key="knob").value == "Fusion: Dense weight"
    app = preset(app, "sparse_only").selectbox(key="knob").set_value("Sparse retrieval: k1").run()
    assert preset(app, "convex").selectbox(key="knob").value == "Sparse retrieval: k1"  # chosen by hand


@pytest.mark.slow
def test_the_address_holds_the_view_of_the_trade_off_and_bad_values_are_harmless(page):
    address = {
        "chunking.overlap_tokens": "2",
        "knob": "Chunking: Size",
        "knob_judged": "Equal context",
        "knob_budget": "300",
        "knob_metric": "MRR",
    }
    app = page(**address)
    assert app.selectbox(key="knob").value == "Chunking: Size" and app.number_input(key="knob_budget").value == 300
    assert app.selectbox(key="knob_metric").value == "mrr" and "300 tokens of context" in html(app)
    for bad in (
        {"knob": "Nothing"},
        {"knob_judged": "x"},
        {"knob_budget": "-7"},
        {"knob_budget": "many"},
        {"knob_metric": "precision"},
    ):
        app = page(**{**address, **bad})
        assert not app.error and not app.exception and "over its range" in html(app)


@pytest.mark.slow
def test_the_table_filters_to_what_was_missed(page, bench):
    app = page(**{"retrieval.top_k": "1"})
    missed = sum(bench.by_question(bench.evaluate(with_settings(recipe(), {"retrieval.top_k": 1})), None, "recall")["missed"])
    app = app.segmented_control(key="show").set_value("missed").run()
    assert missed and f"{missed} of {len(QUESTIONS)} questions" in " ".join(c.value for c in app.caption)


@pytest.mark.slow
def test_saving_keeps_a_trial_and_the_latencies_and_the_same_recipe_saved_again_is_told(page, bench):
    before = len(bench.trials())
    app = page(**{"sparse.k1": "1.25"})
    app.session_state["chart"] = "Latency"
    app = next(b for b in app.run().button if b.key == "do/latency").click().run()
    assert "Latency of a question" in html(app)
    app = next(b for b in app.button if b.key == "save").click().run()
    assert len(bench.trials()) == before + 1 and bench.trials()[0]["status"] == "ok"
    saved = bench.trials()[0]["id"]
    [link] = [one.proto for one in app.get("page_link") if one.proto.label.startswith("Saved as")]
    assert saved[-6:] in link.label and link.query_string == f"trials={saved}"
    assert "Latency of a question" in html(app) and "recipe before" not in words(app)
    assert not any("same recipe" in toast.value for toast in app.toast)
    app = next(b for b in app.button if b.key == "save").click().run()
    assert any(f"The same recipe as trial {saved[-6:]}: kept as repeat 2." in toast.value for toast in app.toast)


def test_documents_without_questions_can_still_be_searched(page):
    app = page(**{"corpus.dataset": "silent"})
    assert "no questions with gold evidence" in app.info[0].value
    app = app.text_input(key="typed").set_value("market of Brno").run()
    assert "Brno" in html(app) and not app.exception


def test_a_recipe_that_must_be_embedded_first_offers_a_job(page, bench, monkeypatch):
    started = must_embed(monkeypatch, bench)
    app = page()
    assert "Embedding 9,000 texts, 60 to 85 s" in prices(app)
    next(b for b in app.button if b.label == "Prepare").click().run()
    [(arguments, label)] = started
    assert arguments[:3] == ["prepare", "--dataset", "towns"] and "--set" in arguments and label == "Preparing towns"


SIZES = {"chunking.size_tokens": "24", "chunking.overlap_tokens": "12"}


def words(app: AppTest) -> str:
    return " ".join(one.value for one in [*app.caption, *app.markdown]).replace("\\", "")


@pytest.mark.slow
def test_sizes_not_embedded_are_named_and_one_press_starts_one_job(page, bench, monkeypatch):
    started, whole = [], type(bench).plan
    monkeypatch.setattr(
        type(bench),
        "plan",
        lambda self, recipe: (
            whole(self, recipe)
            if getattr(recipe, "config", recipe).chunking.size_tokens in (24, 64)
            else Plan(False, (Phase("embedding 900 texts"),))
        ),
    )
    monkeypatch.setattr(bench.jobs, "start", lambda arguments, label, *_: started.append(arguments) or "job")
    app = page(**SIZES)
    app = app.selectbox(key="knob").set_value("Chunking: Size").run()
    assert "Gaps in the curve, not measured yet: 16, 32, 48, …, 8,192 tokens (18 values)." in words(app)
    next(b for b in app.button if b.label == "Measure 18 more").click().run()
    [arguments] = started
    assert arguments[0] == "prepare" and arguments[-2] == "--grid" and arguments[-1].startswith("chunking.size_tokens=16,24,32,")
    job = Job(
        "sweep",
        "Chunking: Size, 18 values",
        tuple(arguments),
        "running",
        time.time(),
        done=838,
        total=2485,
        message="size 64 (3 of 18 done): Reading texts",
        heartbeat=time.time(),
        phase_began=time.time() - 10,
    )
    monkeypatch.setattr(bench.jobs, "list", lambda: [job])
    monkeypatch.setattr(bench.jobs, "get", lambda id: job)
    shown = html(app.run())
    assert "size 64 (3 of 18 done): Reading texts · 838 of 2,485 · 84/s · 20 s left in this phase<" in shown
    job = replace(job, status="done")
    assert any("Done: Chunking: Size, 18 values" in toast.value.replace("\\", "") for toast in app.run().toast)
    assert "chunking.size_tokens=24" not in arguments  # the job is found again while the slider moves


@pytest.mark.slow
def test_values_that_are_not_valid_are_left_out_and_at_equal_context_every_size_has_the_same_tokens(page):
    app = page(**SIZES)
    app = app.selectbox(key="knob").set_value("Chunking: Size").run()
    assert not app.error and not app.exception
    assert "Left out: 8, 12 tokens. The overlap (12 tokens) has to be below the size." in words(app)
    assert f"{len(QUESTIONS)} of {len(QUESTIONS)} questions" in words(app)  # the rest of the page is there
    assert "large chunks win here: compare at equal context" in words(app)
    app = app.segmented_control(key="knob_judged").set_value("Equal context").run()
    app = app.number_input(key="knob_budget").set_value(64).run()
    assert not app.exception and "Every value gets 64 tokens a question" in words(app)
    assert "precision" not in app.selectbox(key="knob_metric").options and "64 tokens of context" in html(app)
    [figure] = [one.value for one in app.code if "over its range" in one.value]
    assert "nDCG, judged on 64 tokens of context for each question" in figure and "depth k" not in figure
    assert "chunks: recursive, overlap" in figure
    assert any("--budget 64" in code.value and " curve " in code.value for code in app.code)


@pytest.mark.slow
def test_choosing_on_test_questions_is_told_with_a_way_out(page, bench):
    app = page()
    assert "All questions include the test half: a value chosen here cannot be confirmed on it." in words(app)
    app = app.selectbox(key="knob").set_value("Sparse retrieval: k1").run()
    app = next(b for b in app.button if b.key == "choose_on_dev").click().run()
    assert not app.exception
    [k1] = [knob for knob in forms.knobs(type(recipe().sparse)) if knob.name == "k1"]
    made = drain(on_dev.choose(bench, recipe(), "sparse.k1", forms.points(k1), "ndcg_linear"))
    k1_slider = lambda: next(s for s in app.slider if s.key.endswith("sparse.bm25s.k1"))  # noqa: E731
    assert made.sentence() in words(app) and k1_slider().value == made.value
    app = k1_slider().set_value(4.9).run()
    assert "is the best of" not in words(app), "it is told as long as it is in use"
    app = page(**{"corpus.questions": "dev"})
    assert "cannot confirm" not in words(app) and any(b.key == "choose_on_dev" for b in app.button)
    assert "scored highest of" in words(app) and "no other differs significantly from it (paired, 95%, Holm)" in words(app)
    assert ", as did " in words(app), "of equally high ones none is called the only one"


@pytest.mark.slow
def test_what_was_computed_stays_at_the_next_click(page, monkeypatch):
    monkeypatch.setattr("core.labs.trials.curve.AT_ONCE_MS", -1.0)  # as on a large corpus
    rings, line = [], charts.line
    monkeypatch.setattr(charts, "line", lambda *a, **more: rings.append(more.get("current")) or line(*a, **more))
    app = page()
    app = app.selectbox(key="knob").set_value("Sparse retrieval: k1").run()
    assert "over its range" not in html(app)
    app = next(b for b in app.button if b.key == "do/curve").click().run()
    assert "k1 over its range" in html(app)
    app = next(b for b in app.button if b.key == "pin").click().run()
    assert "k1 over its range" in html(app) and "recipe before" not in words(app)
    slider = next(s for s in app.slider if s.key.endswith("sparse.bm25s.k1"))
    app = slider.set_value(0.72).run()  # the ring moves, the curve is the same
    assert "k1 over its range" in html(app) and "recipe before" not in words(app)
    slider = next(s for s in app.slider if s.key.endswith("sparse.bm25s.b"))
    app = slider.set_value(0.3).run()
    app = app.selectbox(key="knob").set_value("Sparse retrieval: k1").run()
    assert "k1 over its range" in html(app)
    assert "results of the previous recipe: Sparse retrieval: b 0.75." in words(app).replace("\\", "")
    assert rings[-1] is None  # the value in use is no point of that curve
    # of other questions, or judged at another depth, it is not shown for these
    app = next(one for one in app.segmented_control if one.key == "questions").set_value("dev").run()
    assert "over its range" not in html(app) and "Other settings were measured last." in words(app)
    app = next(one for one in app.segmented_control if one.key == "questions").set_value("all").run()
    assert "k1 over its range" in html(app)
    app = chip(app, "evaluation")
    app = next(one for one in [*app.slider, *app.select_slider] if one.key == "current/evaluation.k").set_value(2).run()
    app = app.selectbox(key="knob").set_value("Sparse retrieval: k1").run()
    assert "over its range" not in html(app)


@pytest.mark.slow
def test_the_chosen_setting_survives_a_recipe_that_waits(page, bench, monkeypatch):
    app = page()
    app = app.selectbox(key="knob").set_value("Sparse retrieval: b").run()
    with monkeypatch.context() as waiting:
        waiting.setattr(type(bench), "plan", lambda self, config: Plan(False, (Phase("embedding 9,000 texts"),)))
        app = app.run()
        assert "prepared once" in html(app)
    app = app.run()
    assert app.selectbox(key="knob").value == "Sparse retrieval: b"


@pytest.mark.slow
def test_the_last_result_stays_greyed_while_a_recipe_is_not_prepared(page, bench, monkeypatch):
    app, plan = page(), type(bench).plan
    shown = [one for one in html(app).split("gw-value") if "Recall" in one or "nDCG" in one]
    waits = lambda self, recipe, *a: (  # noqa: E731
        Plan(False, (Phase("embedding 9,000 texts"),))
        if getattr(recipe, "sparse", None) and recipe.sparse.b == 0.3
        else plan(self, recipe, *a)
    )
    monkeypatch.setattr(type(bench), "plan", waits)
    app = next(slider for slider in app.slider if slider.key.endswith("sparse.bm25s.b")).set_value(0.3).run()
    assert prices(app) == ["Embedding 9,000 texts, not measured here yet"] and "Previous result: BM25" in words(app)
    assert shown and all(one[:40] in html(app) for one in shown) and "Recall by depth" in html(app)
    app = next(one for one in app.segmented_control if one.key == "questions").set_value("dev").run()
    assert "The last result" not in words(app), "of other questions"


@pytest.mark.slow
def test_a_question_in_the_address_is_opened_and_stays_while_the_table_is_filtered(page):
    app = page(chosen="q7")
    assert "When does the market of Pisa open?" in [one.value.replace("\\", "") for one in app.subheader]
    app = app.text_input(key="find").set_value("Pisa").run()
    assert "When does the market of Pisa open?" in [one.value.replace("\\", "") for one in app.subheader]
    app = app.text_input(key="find").set_value("Lund").run()
    assert "When does the market of Pisa open?" not in [one.value.replace("\\", "") for one in app.subheader]


@pytest.mark.slow
def test_a_slider_move_looks_at_the_files_of_the_corpus_once(page, bench, monkeypatch):
    app, looks = page("fusion", **{"fusion.part": "convex", "baseline.fusion.part": "rrf"}), []
    looked = bench.library.stamp
    monkeypatch.setattr(bench.library, "stamp", lambda name: looks.append(name) or looked(name))
    [weight] = [slider for slider in app.slider if slider.key == "current/fusion.convex.weight"]
    weight.set_value(0.31).run()
    assert not app.exception and app.session_state.recipes["current"].fusion.weight == 0.31
    assert looks == ["towns"]
