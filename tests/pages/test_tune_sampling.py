"""The page Sampling: its numbers are the lab's, sliders run no model, tokens can be forced, and every state has words."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from core import sampling_lab as lab
from core.config import TrialConfig, with_settings
from core.generation.llama_engine import LlamaCpp
from core.generation.sampling.trace import History, trace
from core.pipeline import drain
from core.workbench import Plan, Workbench
from tests.played_model import WORDS, play

MAIN = Path(__file__).parents[2] / "app" / "main.py"
TOWNS = {"Lund": "five", "Gent": "six", "Pisa": "seven"}
TEXTS = {f"{town}.txt": f"The market of {town} opens at {hour} and closes late." for town, hour in TOWNS.items()}
QUESTIONS = [{"id": town, "question": f"When does the market of {town} open?", "document": f"{town}.txt", "answer": f"opens at {hour}"}
             for town, hour in TOWNS.items()]  # fmt: skip
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


def open_page(question: str = QUESTION, view: str = "", **address: str) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=120)
    for key, value in {**ADDRESS, **address}.items():
        app.query_params[key] = value
    app = app.run().switch_page("../pages/tune_sampling.py")
    if view:
        app.session_state["view"] = view
    if question:
        app.session_state["sampled_question"] = question
    app = app.run()
    assert not app.exception and "unexpected" not in " ".join(e.value for e in app.error), [c.value for c in app.code][
        -1
    ]
    return app


def html(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html"))


def press(app: AppTest, key: str) -> AppTest:
    app = next(button for button in app.button if button.key == key).click().run()
    assert not app.exception and "unexpected" not in " ".join(e.value for e in app.error), [c.value for c in app.code][
        -1
    ]
    return app


def recipe() -> TrialConfig:
    return with_settings(TrialConfig(), {**ADDRESS, "generation.max_tokens": 12})


def test_nothing_is_asked_of_the_model_before_a_prompt(bench, model):
    app = open_page(question="")
    assert "The next token, step by step" in html(app) and not model.runs
    app = press(app, f"example/{QUESTIONS[0]['question']}")
    assert "Tokens kept" in html(app) and model.runs == [()]


def test_the_cards_are_the_trace_and_a_slider_runs_no_model(bench, model):
    app = open_page(chain="top_k=8 temperature=0.5")
    reading = lab.reading(bench, recipe(), QUESTION)
    history = History(tuple(reading.prompt.tokens), len(reading.prompt.tokens))
    before = trace(model.logits(reading.prompt, ()), lab.read_chain("top_k=8 temperature=0.5"), history)[-1]
    assert f">{before.entropy_bits:.2f}<" in html(app) and ">8<" in html(app)
    asked = len(model.runs)
    slider = next(s for s in app.slider if s.key == "chain/1.temperature.temperature")
    app = slider.set_value(2.0).run()
    after = trace(model.logits(reading.prompt, ()), lab.read_chain("top_k=8 temperature=2.0"), history)[-1]
    assert f">{after.entropy_bits:.2f}<" in html(app) and after.entropy_bits > before.entropy_bits
    assert len(model.runs) == asked + 1, "only this test's own"
    assert app.query_params["chain"] in ("top_k=8 temperature=2.0", ["top_k=8 temperature=2.0"])


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
    assert len(lab.read_chain(app.session_state["chain"])) >= 2


def test_the_answer_is_written_forced_and_written_again(bench, model):
    app = press(open_page(chain="temperature=2"), "write")
    written = app.session_state["sampled_answer"]
    assert len(written.picks) > 3 and "tokens" in " ".join(c.value for c in app.caption)
    app.session_state["tokens"] = 2
    app = app.run()
    other = next(token for token in range(3, len(WORDS)) if token != written.picks[2].token)
    app.session_state["write_now"] = (2, other)
    app = app.run()
    forced = app.session_state["sampled_answer"]
    assert not app.exception and forced.picks[2].token == other and forced.picks[1].token == written.picks[1].token
    assert "1 token forced" in " ".join(c.value for c in app.caption)
    app = press(app, "write")
    assert app.session_state["sampled_answer"].text == written.text


def test_the_answers_tab_shows_what_carries_it_without_markup(bench, model):
    app = press(open_page(view="The answer", chain="none"), "write")
    written = app.session_state["sampled_answer"]
    assert f">{written.traced.perplexity:.2f}<" in html(app) and "<b>\n" not in html(app)
    assert len(next(d for d in app.dataframe if d.key == "unsure_table" or "Instead" in d.value.columns).value) >= 3


def test_sides_are_written_on_a_button(bench, model):
    app = press(open_page(view="Side by side", chain="temperature=2"), "do/sides")
    assert html(app).count("tokens/s") >= 2 and "Write all" in [b.label for b in app.button]


def test_the_study_shows_its_command_and_its_results(bench, model, monkeypatch):
    started = []
    monkeypatch.setattr(bench.jobs, "start", lambda arguments, label: started.append((arguments, label)) or "job")
    app = open_page(view="Study", chain="temperature=2")
    assert "Nothing is stored" in html(app)
    assert any("sample-study" in code.value and "--samples 5" in code.value for code in app.code)
    app = next(b for b in app.button if b.label == "Start the study").click().run()
    [(arguments, label)] = started
    assert arguments[0] == "sample-study" and arguments.count("--chain") == 3 and label == "Sampling towns"
    found = drain(lab.study(bench, recipe(), ["greedy", "temperature=2"], 5, 12))
    app = app.run()
    table = next(d.value for d in app.dataframe if "Self-BLEU" in d.value.columns)
    assert sorted(table["F1"]) == pytest.approx(sorted(one.measures["f1"].mean for one in found))
    assert "not semantic entropy" not in html(app) and "entailment model" in " ".join(c.value for c in app.caption)


def test_a_bad_chain_in_the_address_and_an_engine_without_logits_are_told(bench, model):
    app = open_page(chain="top_q=3")
    assert (
        "top\\_q" in " ".join(w.value for w in app.warning) and app.session_state["chain"] == lab.PRESETS["llama.cpp"]
    )
    app = open_page(**{"generation.part": "openai_compatible", "generation.max_tokens": "12"})
    assert "hand out" in " ".join(e.value for e in app.error)


def test_a_prompt_beyond_the_context_is_told(bench, model, monkeypatch):
    app = open_page(**{"generation.context_tokens": "128"})
    monkeypatch.setattr(
        LlamaCpp, "read", lambda self, messages: lab.reading.__globals__["_continued"](self.load(), "word " * 300)
    )
    bench.pipeline._memory.clear()
    app = press(app, "write")
    assert "have room for" in " ".join(e.value for e in app.error)


def test_a_recipe_that_must_be_embedded_first_offers_a_job(bench, model, monkeypatch):
    monkeypatch.setattr(type(bench), "plan", lambda self, config: Plan(False, "embedding 9,000 texts", 83.0))
    app = open_page()
    assert "embedding 9,000 texts, about 1:23 min" in html(app) and "Prepare now" in [b.label for b in app.button]
