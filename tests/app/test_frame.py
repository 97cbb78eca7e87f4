"""The frame: pages that exist, the recipe in the address, forms that change it, failures that stay calm."""

import json
import time

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from app.ui import forms
from core import config as recipes
from core import registry
from core.config import PART_KINDS, TrialConfig, difference, with_settings
from core.errors import WorkbenchError
from core.labs.doctor.machine import checked
from core.labs.trials import comparison
from core.pipeline.speed import Estimate
from core.workbench import Phase, Plan, Workbench
from tests.support.prices import prices
from tests.support.screen import visit

TEXTS = {
    "rivers.txt": "The Danube rises in the Black Forest. It flows through ten countries. <script>alert(1)</script>",
    "mountains.txt": "Mont Blanc is the highest mountain of the Alps. Its summit is covered by ice.",
}
QUESTIONS = [
    {"id": "q1", "question": "Where does the Danube rise?", "document": "rivers.txt", "answer": "in the Black Forest"},
    {"id": "q2", "question": "Which is the highest mountain of the Alps?", "document": "mountains.txt", "answer": "Mont Blanc"},
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    questions = "\n".join(json.dumps(q) for q in QUESTIONS).encode()
    bench = Workbench(folder)
    for _ in bench.library.ingest(
        "tiny", [(name, text.encode()) for name, text in TEXTS.items()], ("questions.jsonl", questions)
    ):
        pass
    return folder


@pytest.fixture(autouse=True)
def workbench(home, monkeypatch):
    bench = Workbench(home)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    bench.started = []  # no job runs here
    monkeypatch.setattr(bench.jobs, "start", lambda arguments, label, *_: bench.started.append((arguments, label)) or "job")
    return bench


def open_page(name: str = "overview", **address: str) -> AppTest:
    return visit(name, {"corpus.dataset": "tiny", **address})


def recipe_page(**address: str) -> AppTest:
    """Every form of the recipe, without the rest of a page."""

    def script():
        from app import session
        from app.ui import forms

        session.start("here")
        forms.recipe_form(tuple(field for field in session.workbench().stages() if field != "corpus"))

    app = AppTest.from_function(script, default_timeout=120)
    for key, value in address.items():
        app.query_params[key] = value
    return app.run()


def recipe(app: AppTest) -> TrialConfig:
    return app.session_state["recipes"]["current"]


def parameter(app: AppTest, key: str) -> str:
    return app.query_params[key][0] if isinstance(app.query_params[key], list) else app.query_params[key]


# The address -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("stage", PART_KINDS)
def test_every_part_survives_the_way_through_the_address_and_its_form(stage):
    def script():
        import streamlit as st

        from app import session
        from app.ui import forms

        session.start("here")
        forms.stage_form(st.query_params["stage"])

    for name in registry.parts(PART_KINDS[stage]):
        wanted = with_settings(TrialConfig(), {f"{stage}.part": name})
        app = AppTest.from_function(script, default_timeout=120)
        for key, value in {**difference(wanted), "stage": stage}.items():
            app.query_params[key] = str(value)
        app.run()
        assert not app.exception and not app.warning
        assert recipe(app) == wanted


@pytest.mark.slow
def test_the_address_restores_the_recipe_but_what_is_not_valid():
    app = recipe_page(**{"chunking.size_tokens": "128", "fusion.part": "rrf", "fusion.constant": "10", "seed": "7"})
    assert (recipe(app).chunking.size_tokens, recipe(app).fusion.part, recipe(app).seed) == (128, "rrf", 7)
    app = recipe_page(**{"chunking.size_tokens": "-3", "fusion.weight": "0.25", "nonsense.x": "1"})
    assert recipe(app).fusion.weight == 0.25
    assert recipe(app).chunking == TrialConfig().chunking
    assert "size_tokens" in app.session_state["notes"][0]


@pytest.mark.slow
def test_defaults_leave_the_address_empty_and_a_change_enters_it():
    app = recipe_page()
    assert not dict(app.query_params)
    weight = next(s for s in app.slider if s.key.endswith(".weight"))
    weight.set_value(0.25).run()
    assert parameter(app, "fusion.weight") == "0.25"
    assert app.session_state["moves"] == ("fusion.weight", 1)
    weight = next(s for s in app.slider if s.key.endswith(".weight"))
    weight.set_value(TrialConfig().fusion.weight).run()
    assert not dict(app.query_params)


@pytest.mark.slow
def test_the_recipe_outlives_a_page_switch():
    app = open_page(**{"fusion.weight": "0.25"})
    for name in ("query_store", "browse_corpus", "overview"):
        app.switch_page(f"../pages/{name}.py").run()
        assert not app.exception
        assert recipe(app).fusion.weight == 0.25
        assert parameter(app, "fusion.weight") == "0.25"


def test_a_second_recipe_outlives_pages_that_do_not_show_it():
    def script():
        import streamlit as st

        from app import session

        page = st.query_params.get("page", "a")
        session.start(page)
        if page == "a":
            session.change({"chunking.size_tokens": 64}, "right")
        st.text(str(session.config("right").chunking.size_tokens) if page != "b" else "")

    app = AppTest.from_function(script, default_timeout=120).run()
    assert parameter(app, "right.chunking.size_tokens") == "64"
    app.query_params["page"] = "b"
    app.run()
    assert "right.chunking.size_tokens" not in app.query_params
    app.query_params["page"] = "c"
    assert app.run().text[0].value == "64"


# Forms -------------------------------------------------------------------------------------------------------------


def test_every_knob_of_every_part_has_a_widget():
    for kind in PART_KINDS.values():
        for name, part in registry.parts(kind).items():
            missing = set(part.model_fields) - {"part"} - {knob.name for knob in forms.knobs(part)}
            assert not missing, f"{name}: no widget for {missing}"


@pytest.mark.slow
def test_a_cheap_knob_acts_at_once_and_an_expensive_one_on_its_button():
    app = recipe_page()
    size = next(s for s in app.select_slider if s.key.endswith("size_tokens?"))
    size.set_value(128).run()
    assert recipe(app).chunking == TrialConfig().chunking
    next(s for s in app.select_slider if s.key.endswith("size_tokens?")).set_value(128)
    next(b for b in app.button if b.key == "current/chunking/apply").click().run()
    assert recipe(app).chunking.size_tokens == 128
    assert parameter(app, "chunking.size_tokens") == "128"
    assert any("128 tokens" in e.label for e in app.expander)


@pytest.mark.slow
def test_another_chunker_keeps_its_sizes_and_the_head_says_what_waits():
    app = recipe_page(**{"chunking.size_tokens": "512", "chunking.overlap_tokens": "64"})
    size = next(s for s in app.select_slider if s.key.endswith("size_tokens?"))
    assert "254" in size.options, "the way back to the default"
    app = next(s for s in app.selectbox if s.key == "current/chunking.part?").set_value("sliding_window").run()
    head = next(e.label for e in app.expander if "Chunking" in e.label).replace("\\", "")
    assert "sliding window, 512 tokens, overlap 64" in head and "not applied yet" in head
    assert recipe(app).chunking.part == "recursive"
    next(s for s in app.selectbox if s.key == "current/chunking.part?").set_value("sentence").run()
    assert recipe(app).chunking.part == "recursive"
    next(b for b in app.button if b.key == "current/chunking/apply").click().run()
    assert recipe(app).chunking == registry.find("chunker", "sentence")(size_tokens=512), "it brings knobs of its own"


def test_one_press_applies_a_chunking_and_starts_what_it_takes(workbench, monkeypatch):
    monkeypatch.setattr(
        type(workbench),
        "plan",
        lambda self, config: Plan(config.chunking.size_tokens == 254, (Phase("embedding 900 texts", Estimate(8.0, 12.0)),)),
    )
    app = recipe_page()
    assert next(b for b in app.button if b.key == "current/chunking/apply").disabled  # nothing waits
    app = next(s for s in app.select_slider if s.key.endswith("size_tokens?")).set_value(128).run()
    assert "Applying starts a job:" in [one.value for one in app.caption] and prices(app) == ["Embedding 900 texts, 8 to 12 s"]
    app = next(b for b in app.button if b.key == "current/chunking/apply").click().run()
    [(arguments, label)] = workbench.started
    assert recipe(app).chunking.size_tokens == 128 and arguments[0] == "prepare" and "chunking.size_tokens=128" in arguments
    assert label == "Preparing python-reference"


def test_presets_change_the_fusion_and_what_the_form_shows():
    app = recipe_page()
    app.segmented_control(key="current/preset").set_value("sparse_only").run()
    assert recipe(app).fusion.part == "sparse_only"
    assert next(s for s in app.selectbox if s.key == "current/fusion.part").value == "sparse_only"


def test_settings_that_contradict_each_other_are_told_in_the_form():
    app = recipe_page(**{"chunking.size_tokens": "64", "chunking.overlap_tokens": "32"})
    size = next(s for s in app.select_slider if s.key.endswith("size_tokens?"))
    app = size.set_value(16).run()
    assert not app.exception and recipe(app).chunking.size_tokens == 64
    assert "The overlap (32 tokens) has to be below the size" in app.warning[0].value.replace("\\", "")
    assert next(b for b in app.button if b.key == "current/chunking/apply").disabled


def test_what_a_slider_refuses_is_named_and_said_no_longer_than_it_matters(workbench):
    def page():
        import streamlit as st

        from app import session
        from app.ui import forms

        forms.stage_form("chunking", apply=False)
        st.button("Elsewhere", on_click=session.change, args=({"chunking.size_tokens": 128},))

    app = AppTest.from_function(page, default_timeout=60)
    app.query_params.update({"chunking.size_tokens": "64", "chunking.overlap_tokens": "32"})
    size = next(s for s in app.run().select_slider if s.key.endswith("size_tokens"))
    app = size.set_value(16).run()
    assert app.warning[0].value.replace("\\", "").startswith("Not set: size 16. The overlap (32 tokens) has to be below the size")
    assert not app.button[-1].click().run().warning


def test_a_number_that_may_be_anything_above_nothing_is_typed_not_drawn_by_tens():
    from core.training.adapters.settings import AdapterTraining

    [alpha] = [knob for knob in forms.knobs(AdapterTraining) if knob.name == "alpha"]
    assert (alpha.kind, alpha.low, alpha.step) == ("number", 1.0, 1.0)


def test_a_dot_marks_what_differs_from_the_baseline():
    app = recipe_page(**{"baseline.fusion.weight": "0.5"})
    dotted = [e.label for e in app.expander if "●" in e.label]
    assert len(dotted) == 1 and "Fusion" in dotted[0]


def test_all_forms_take_little_time():
    def empty():
        pass

    pages, times = (AppTest.from_function(empty, default_timeout=120).run(), recipe_page()), ([], [])
    for page, took in [*zip(pages, times, strict=True)] * 5:
        started = time.process_time()  # of this process: others may keep the machine busy
        page.run()
        took.append(time.process_time() - started)
    assert min(times[1]) < 50 * min(times[0])  # an empty page takes AppTest 3 ms, the forms take some 35 ms


# Baseline ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_pin_keeps_the_recipe_and_unpin_forgets_it():
    app = open_page(**{"fusion.weight": "0.25"})
    next(b for b in app.button if b.key == "pin").click().run()
    assert parameter(app, "baseline.fusion.weight") == "0.25"
    next(b for b in app.button if b.key == "unpin").click().run()
    assert "baseline.fusion.weight" not in app.query_params


def test_the_baseline_answers_the_questions_of_the_current_recipe():
    def script():
        import streamlit as st

        from app import session

        session.start("here")
        session.change({"corpus.questions": "dev", "evaluation.k": 5})
        st.json(session.baseline().model_dump(mode="json"))

    app = AppTest.from_function(script, default_timeout=120)
    app.query_params["baseline"] = "default"
    app.run()
    shown = json.loads(app.json[0].value)
    assert shown["corpus"]["questions"] == "dev" and shown["evaluation"]["k"] == 5


# Failures ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("error", [WorkbenchError("It is *broken*.", where="file.csv:3", todo="Mend it."), ValueError("secret")])
def test_a_failing_page_is_told_calmly_and_the_app_lives(workbench, monkeypatch, error):
    app = open_page()

    def fail(*_):
        raise error

    monkeypatch.setattr(comparison, "trials", fail)
    app.run()
    assert not app.exception  # Streamlit's own red box
    [box] = [e.value for e in app.error]
    if isinstance(error, WorkbenchError):
        assert "It is \\*broken\\*" in box and "file.csv" in box and "Mend it" in box
        assert not any("Traceback" in c.value for c in app.code)
    else:
        assert "secret" not in box and any("secret" in c.value for c in app.code)
    monkeypatch.undo()
    monkeypatch.setattr(session, "workbench", lambda: workbench)
    app.run()
    assert not app.error


@pytest.mark.slow
def test_an_unknown_corpus_in_the_address_says_what_to_choose():
    app = open_page("browse_corpus", **{"corpus.dataset": "no-such-thing"})
    assert any("no\\-such\\-thing" in e.value or "no-such-thing" in e.value for e in app.error)


# What the recipe's words look like ----------------------------------------------------------------------------------


def test_a_stage_is_described_in_a_few_words():
    config = recipes.with_settings(TrialConfig(), {"chunking.size_tokens": 512, "chunking.overlap_tokens": 0})
    assert forms.describe(config.chunking).startswith("recursive, 512 tokens")
    assert forms.describe(config.evaluation).startswith("k 10")
    assert forms.describe(config.context).startswith("passages 3, maximum 1,200 tokens"), "a number with its unit"
    assert forms.describe(TrialConfig().chunking).count("tokens") == 1, "which is said once"


# The strip under the title: what is not default, undo and redo ------------------------------------------------------


def strip(app: AppTest) -> list[str]:
    return [button.label.replace("\\", "") for button in app.button if (button.key or "").startswith("recipe_strip/")]


def press(app: AppTest, key: str) -> AppTest:
    return next(button for button in app.button if button.key == key).click().run()


@pytest.mark.slow
def test_pages_of_the_recipe_say_what_is_not_default_and_reset_it():
    app = open_page("run_study", **{"chunking.size_tokens": "512", "index.part": "faiss_hnsw", "index.ef_search": "1"})
    assert strip(app)[:3] == ["Chunking: size 512 tokens", "Dense index: FAISS HNSW", "Dense index: efSearch 1"]
    app = press(app, "recipe_strip/index.ef_search")
    assert recipe(app).index == registry.find("index", "faiss_hnsw")() and recipe(app).chunking.size_tokens == 512
    assert "index.ef_search" not in app.query_params
    app = press(app, "recipe_strip/all")
    assert not session_changed(app) and recipe(app).corpus.dataset == "tiny"
    assert strip(app) == ["Undo", "Redo"] and not strip(open_page("run_study")), "a default recipe is quiet"


def session_changed(app: AppTest) -> dict:
    return {path: value for path, value in difference(recipe(app)).items() if not path.startswith("corpus.")}


@pytest.mark.slow
def test_undo_and_redo_walk_through_the_settings():
    app = open_page("run_study", **{"fusion.weight": "0.5", "chunking.size_tokens": "512"})
    app = press(press(app, "recipe_strip/fusion.weight"), "recipe_strip/chunking.size_tokens")
    assert not session_changed(app)
    app = press(press(app, "recipe_strip/undo"), "recipe_strip/undo")
    assert session_changed(app) == {"fusion.weight": 0.5, "chunking.size_tokens": 512}
    assert next(button for button in app.button if button.key == "recipe_strip/undo").disabled
    assert parameter(app, "fusion.weight") == "0.5"
    app = press(app, "recipe_strip/redo")
    assert session_changed(app) == {"chunking.size_tokens": 512}
    app = press(app, "recipe_strip/chunking.size_tokens")  # a change of one's own: nothing is left to redo
    assert next(button for button in app.button if button.key == "recipe_strip/redo").disabled


@pytest.mark.slow
def test_the_values_of_one_drag_are_one_step(monkeypatch):
    def script():
        import streamlit as st

        from app import session

        session.start("here")
        for weight in st.query_params.get_all("drag"):
            session.change({"fusion.weight": float(weight)})
        st.session_state.steps = len(st.session_state.past)

    app = AppTest.from_function(script, default_timeout=120)
    app.query_params["drag"] = ["0.1", "0.2", "0.3"]
    assert app.run().session_state["steps"] == 1
    monkeypatch.setattr(session, "SAME_STEP_S", 0.0)
    app = AppTest.from_function(script, default_timeout=120)
    app.query_params["drag"] = ["0.1", "0.2", "0.3"]
    assert app.run().session_state["steps"] == 3


@pytest.mark.slow
def test_each_preset_is_a_step_of_its_own():
    app = recipe_page()
    for preset in ("rrf", "sparse_only"):
        next(one for one in app.segmented_control if one.key == "current/preset").set_value(preset).run()
    assert [step["current"].fusion.part for step in app.session_state["past"]] == ["convex", "rrf"]


@pytest.mark.slow
def test_a_late_value_of_the_method_before_changes_nothing():
    app = recipe_page()
    next(one for one in app.segmented_control if one.key == "current/preset").set_value("sparse_only")
    next(one for one in app.slider if one.key == "current/fusion.convex.weight").set_value(0.3)
    app.run()
    assert recipe(app).fusion.part == "sparse_only" and not app.warning


@pytest.mark.slow
def test_a_recipe_without_vectors_embeds_nothing(workbench, monkeypatch):
    monkeypatch.setattr("core.workbench.LIVE_CHARACTERS", 10)
    address = {"corpus.dataset": "tiny", "chunking.size_tokens": "48", "chunking.overlap_tokens": "0"}
    sparse = with_settings(TrialConfig(), {**address, "fusion.part": "sparse_only"})
    monkeypatch.setattr(type(sparse.embedding), "absent", lambda self: False, raising=False)
    assert workbench.plan(sparse).what == "chunking 2 documents"
    assert workbench.plan(sparse.model_copy(update={"fusion": TrialConfig().fusion})).what == "chunking and embedding 2 documents"
    app = open_page("search_live", **{**address, "fusion.part": "sparse_only"})
    labels = ""
    for stage in ("chunking", "embedding"):
        app = app.pills(key="open_stage").set_value(stage).run()
        labels += " ".join(one.value for one in app.markdown)
    assert "chunks anew" in labels and "re-embeds" not in labels


@pytest.mark.slow
def test_a_setting_that_cannot_be_reset_alone_says_so():
    app = open_page("run_study", **{"chunking.size_tokens": "2048", "chunking.overlap_tokens": "1000"})
    app = press(app, "recipe_strip/chunking.size_tokens")
    assert recipe(app).chunking.size_tokens == 2048
    assert any("cannot be reset while the others stand" in warning.value for warning in app.warning)


def test_no_word_of_the_code_stands_in_a_form():
    for kind in PART_KINDS.values():
        for part in registry.parts(kind).values():
            told = [forms._about(part), *(knob.help for knob in forms.knobs(part)), *(knob.label for knob in forms.knobs(part))]
            assert not [text for text in told if registry.CODED.search(text)], part
    assert registry.plain_words("`min_max` beside top_k, in `core/x_y.py`") == "min max beside top k, in `core/x_y.py`"


@pytest.mark.slow
def test_what_the_store_left_out_is_told_on_every_page_until_it_was_seen(home, workbench):
    path = workbench.store.journal.folder / "2026-01-01" / "01m7w3rnn9r431634579kt3drr.trial.jsonl.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a record")
    try:
        app = open_page("query_store", sql="SELECT 1")
        app = open_page("compare_trials")
        told = [one.value for one in app.sidebar.markdown if "01m7w3rnn9r431634579kt3drr" in one.value]
        assert len(told) == 1 and "was left out" in told[0], app.sidebar
        app.button(key="seen_notices").click().run()
        assert not app.exception and not [one for one in app.sidebar.markdown if "was left out" in one.value]
        assert next(one for one in checked(workbench, reuse=True) if one.name == "What is stored").ok is False
    finally:
        path.unlink()
        path.parent.rmdir()
