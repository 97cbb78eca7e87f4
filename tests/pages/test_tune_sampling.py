"""The page Sampling: its numbers are the lab's, sliders run no model, tokens can be forced, and every state has words."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from app.ui.sampling import next_token
from app.ui.sampling.study import study_table
from core.config import TrialConfig, with_settings
from core.labs.sampling import prompts, searches, study
from core.labs.sampling.chains import PRESETS, read_chain
from core.pipeline.speed import Estimate
from core.progress import drain
from core.sampling.trace import History, trace
from core.statistics.bootstrap import Interval
from core.workbench import Phase, Plan, Workbench
from tests.support.played_model import WORDS, play
from tests.support.prices import prices
from tests.support.screen import html, visit

TOWNS = {"Lund": "five", "Gent": "six", "Pisa": "seven"}
TEXTS = {f"{town}.txt": f"The market of {town} opens at {hour} and closes late." for town, hour in TOWNS.items()}
QUESTIONS = [
    {"id": town, "question": f"When does the market of {town} open?", "document": f"{town}.txt", "answer": f"opens at {hour}"}
    for town, hour in TOWNS.items()
]
ADDRESS = {"corpus.dataset": "towns", "fusion.part": "sparse_only", "generation.max_tokens": "12"}
QUESTION = QUESTIONS[1]["question"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    workbench = Workbench(tmp_path_factory.mktemp("home"))
    asked = ("questions.jsonl", "\n".join(map(json.dumps, QUESTIONS)).encode())
    drain(workbench.library.ingest("towns", [(name, text.encode()) for name, text in TEXTS.items()], asked))
    return workbench


@pytest.fixture
def bench(made, monkeypatch):
    monkeypatch.setattr(session, "workbench", lambda: made)
    made.pipeline._memory.clear()
    return made


@pytest.fixture
def model(monkeypatch):
    return play(monkeypatch)


def open_page(question: str = QUESTION, view: str = "", continued: str = "", **address: str) -> AppTest:
    said = {"view": view, "question": question, "manner": continued and "text", "prompt": continued}
    app = visit("tune_sampling", {**ADDRESS, **address}, **{key: value for key, value in said.items() if value})
    assert not app.exception and "unexpected" not in " ".join(e.value for e in app.error), [c.value for c in app.code][-1]
    return app


def press(app: AppTest, key: str) -> AppTest:
    app = next(button for button in app.button if button.key == key).click().run()
    assert not app.exception and "unexpected" not in " ".join(e.value for e in app.error), [c.value for c in app.code][-1]
    return app


def recipe() -> TrialConfig:
    return with_settings(TrialConfig(), {**ADDRESS, "generation.max_tokens": 12})


@pytest.mark.slow
def test_nothing_is_asked_of_the_model_before_a_prompt(bench, model):
    app = open_page(question="")
    assert "The next token, step by step" in html(app) and not model.runs
    app = press(app, f"example/{QUESTIONS[0]['question']}")
    assert "Possible next tokens" in html(app) and model.runs == [()]


@pytest.mark.slow
def test_the_cards_are_the_trace_and_a_slider_runs_no_model(bench, model):
    app = open_page(chain="top_k=8 temperature=0.5")
    reading = prompts.reading(bench, recipe(), QUESTION)
    history = History(tuple(reading.prompt.tokens), len(reading.prompt.tokens))
    before = trace(model.logits(reading.prompt, ()), read_chain("top_k=8 temperature=0.5"), history)[-1]
    assert f">{before.entropy_bits:.2f}<" in html(app) and ">8<" in html(app)
    asked = len(model.runs)
    slider = next(s for s in app.slider if s.key == "chain/1.temperature.temperature")
    app = slider.set_value(2.0).run()
    after = trace(model.logits(reading.prompt, ()), read_chain("top_k=8 temperature=2.0"), history)[-1]
    assert f">{after.entropy_bits:.2f}<" in html(app) and after.entropy_bits > before.entropy_bits
    assert len(model.runs) == asked + 1, "only this test's own"
    assert app.query_params["chain"] in ("top_k=8 temperature=2.0", ["top_k=8 temperature=2.0"])


@pytest.mark.slow
def test_beside_the_chain_stands_what_the_recipe_samples_with_where_it_differs(bench, model):
    def said(chain: str, **address: str) -> list[str]:
        return [each.value for each in open_page(question="", chain=chain, **address).caption if "this page only" in each.value]

    assert said("top_k=8 temperature=0.5") == ["This chain applies on this page only; the recipe samples with temperature 0."]
    assert said("greedy") == [] and said("top_k=8 temperature=0") == []
    warm = {"generation.temperature": "0.5", "generation.top_p": "0.9"}
    assert said("greedy", **warm) == ["This chain applies on this page only; the recipe samples with temperature 0.5, top-p 0.9."]
    assert said("top_p=0.9 temperature=0.5", **warm) == []


@pytest.mark.slow
def test_steps_are_added_moved_and_removed(bench, model):
    app = open_page(chain="top_k=8 temperature=0.5")
    assert press(app, "down/0").session_state["chain"] == "temperature=0.5 top_k=8"
    app = app.selectbox(key="add").set_value("mirostat").run()
    assert app.session_state["chain"] == "temperature=0.5 top_k=8 mirostat=5.0"
    app = app.selectbox(key="add").set_value("mirostat").run()
    assert "once" in " ".join(w.value for w in app.warning) and app.session_state["chain"].count("mirostat") == 1
    app = press(app, "remove/1")
    assert app.session_state["chain"] == "temperature=0.5 mirostat=5.0"
    app = press(app, "random")
    assert len(read_chain(app.session_state["chain"])) >= 2


@pytest.mark.slow
def test_the_answer_is_written_forced_and_written_again(bench, model):
    app = press(open_page(chain="temperature=2"), "write")
    written = app.session_state["sampled_answer"][1]
    assert len(written.picks) > 3 and "tokens" in " ".join(c.value for c in app.caption)
    app.session_state["tokens"] = 2
    app = app.run()
    other = next(token for token in range(3, len(WORDS)) if token != written.picks[2].token)
    app.session_state["write_now"] = (2, other)
    app = app.run()
    forced = app.session_state["sampled_answer"][1]
    assert not app.exception and forced.picks[2].token == other and forced.picks[1].token == written.picks[1].token
    assert "1 token forced" in " ".join(c.value for c in app.caption)
    app = press(app, "write")
    assert app.session_state["sampled_answer"][1].text == written.text


@pytest.mark.slow
def test_the_answers_tab_shows_what_carries_it_without_markup(bench, model):
    app = press(open_page(view="The answer", chain="none"), "write")
    written = app.session_state["sampled_answer"][1]
    assert f">{written.traced.perplexity:.2f}<" in html(app) and "<b>\n" not in html(app)
    assert len(next(d for d in app.dataframe if d.key == "unsure_table" or "Instead" in d.value.columns).value) >= 3


@pytest.mark.slow
def test_sides_are_written_on_a_button(bench, model):
    app = press(open_page(view="Side by side", chain="temperature=2"), "do/sides")
    assert html(app).count("tokens/s") >= 2 and "Write all" in [b.label for b in app.button]


@pytest.mark.slow
def test_the_study_shows_its_command_its_results_and_the_paired_test(bench, model, monkeypatch):
    started = []
    monkeypatch.setattr(bench.jobs, "start", lambda arguments, label, *_: started.append((arguments, label)) or "job")
    app = open_page(view="Experiment", chain="temperature=2")
    assert "Nothing is stored" in html(app)
    assert any("sampling experiment" in code.value and "--samples 5" in code.value for code in app.code)
    app = next(b for b in app.button if b.label == "Start the experiment").click().run()
    [(arguments, label)] = started
    assert arguments[0] == "sample-study" and arguments.count("--chain") == 3 and label == "Sampling towns"
    chains = ["temperature=2.0", "greedy", "top_k=2"]
    found = drain(study.sample_study(bench, recipe(), chains, 5, 3))
    app = app.run()
    assert found[0].chain == chains[0] and all(f">{one.measures['f1'].mean:.3f}<" in html(app) for one in found)
    said = " ".join(m.value for m in app.markdown)
    told = " ".join(c.value for c in app.caption)
    assert "F1 against **temperature=2" in said and "Holm over 2 comparisons" in told and "15 of 15" in html(app)
    assert "no corrected p can fall below 0.5" in told, "three questions: 2 comparisons times 2 of 8 patterns"
    app = app.selectbox(key="study/reference").set_value("greedy").run()
    assert "F1 against **Deterministic**" in " ".join(m.value for m in app.markdown) and not app.exception
    assert "entailment model" in " ".join(c.value for c in app.caption)


def test_a_long_word_above_a_panel_stands_in_two_lines():
    heads = [next_token.broken(name) for name in ("model itself", "top-k 40", "temperature 0.8", "greedy")]
    assert heads == ["model<br>itself", "top-k<br>40", "temper-<br>ature<br>0.8", "greedy"]


def test_samples_without_an_answer_are_counted_beside_the_measures(monkeypatch):
    shown = []
    monkeypatch.setattr("app.ui.sampling.study.st.html", shown.append)
    monkeypatch.setattr("app.ui.sampling.study.st.caption", shown.append)
    half = Interval(0.5, None, None, 2, 3)
    one = study.ChainResult("greedy", dict.fromkeys(study.MEASURES, half), 3, 15, 4, None)
    study_table([one], {"greedy": "a<b"}, ("f1", "distinct_2"))
    assert "11 of 15" in shown[0] and "2 of 3 questions" in shown[0] and "a&lt;b" in shown[0] and "not counted as 0" in shown[1]
    none = dict.fromkeys(study.MEASURES, Interval(None, None, None, 0, 3))  # no passage fits into the window
    study_table([one._replace(measures=none, failed=15)], {"greedy": "a"}, ("f1", "distinct_2"))
    assert "0 of 15" in shown[2] and shown[2].count("not measured") == 3


@pytest.mark.slow
def test_a_search_is_drawn_and_can_be_stepped_through(bench, model, monkeypatch):
    lines = [searches.Continuation(" six <b>", (10, 2), -1.5, -0.75), searches.Continuation(" six late", (10, 14), -2.5, -1.25)]

    def search(config, reading, how, most):
        yield lines[:1]
        yield lines
        return searches.Searched([line._replace(ended=True) for line in lines], [], 0.1, 0.5)

    monkeypatch.setattr("app.ui.sampling.searches.search", search)
    app = press(open_page(view="Searches"), "do/search")
    assert "six </span>&lt;b&gt; ■" in html(app) and ">\u22120.750<" in html(app)
    app = next(s for s in app.slider if s.key.startswith("after/")).set_value(1).run()
    assert "Open beginnings" in html(app) and "■" not in html(app)


@pytest.mark.slow
def test_a_text_is_continued_as_it_is(bench, model):
    app = open_page(question="", continued="The market of", chain="top_k=3")
    assert "prompt 3 tokens" in html(app) and ">3<" in html(app) and model.runs == [()]


@pytest.mark.slow
def test_a_cancelled_reading_is_not_begun_again_by_itself(bench, model, monkeypatch):
    app = open_page(question="")
    told = {"what": None}
    read = prompts.read

    def slow(workbench, config, text, manner):
        told["what"] = (config, text, manner)
        return (yield from read(workbench, config, text, manner))

    monkeypatch.setattr(prompts, "read", slow)
    app.session_state["question"] = QUESTION
    app = app.run()
    app.session_state["cancelled"] = told["what"]
    app = app.run()
    assert "The model has not read this prompt" in html(app) and "Possible next tokens" not in html(app)
    assert "Possible next tokens" in html(press(app, "read_now"))


@pytest.mark.slow
def test_a_bad_chain_in_the_address_and_an_engine_without_logits_are_told(bench, model):
    app = open_page(chain="top_q=3")
    assert "top\\_q" in " ".join(w.value for w in app.warning) and app.session_state["chain"] == PRESETS["llama.cpp defaults"]
    app = open_page(**{"generation.part": "openai_compatible", "generation.max_tokens": "12"})
    assert "does not return" in " ".join(e.value for e in app.error)


def test_a_prompt_beyond_the_context_is_told(bench, model):
    app = open_page(question="", continued="word " * 300, **{"generation.context_tokens": "128"})
    assert "have room for" in " ".join(e.value for e in app.error)


def test_a_recipe_that_must_be_embedded_first_offers_a_job(bench, model, monkeypatch):
    monkeypatch.setattr(
        type(bench),
        "plan",
        lambda self, config, answering=False: Plan(False, (Phase("embedding 9,000 texts", Estimate(61.0, 83.0)),)),
    )
    app = open_page()
    assert "Embedding 9,000 texts, 60 to 85 s" in prices(app) and "Prepare" in [b.label for b in app.button]
