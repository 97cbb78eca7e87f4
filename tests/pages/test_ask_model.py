"""The page Ask: every state an answer can be in. The model is played by a script but for one test."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from core.errors import WorkbenchError
from core.records import Answer
from core.workbench import Workbench

MAIN = Path(__file__).parents[2] / "app" / "main.py"
TEXTS = {
    "rivers.txt": "The Danube rises in the Black Forest. It flows through ten countries. <script>alert(1)</script>",
    "mountains.txt": "Mont Blanc is the highest mountain of the Alps. ![x](http://example.invalid/x.png)",
}
QUESTIONS = [
    {"id": "q1", "question": "Where does the Danube rise?", "document": "rivers.txt", "answer": "in the Black Forest"},
    {"id": "q2", "question": "Who painted the Danube?", "answerable": False},
]
QUESTION = QUESTIONS[0]["question"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = Workbench(tmp_path_factory.mktemp("home"))
    questions = "\n".join(map(json.dumps, QUESTIONS)).encode()
    files = [(name, text.encode()) for name, text in TEXTS.items()]
    for _ in bench.library.ingest("tiny", files, ("questions.jsonl", questions)):
        pass
    return bench


@pytest.fixture(autouse=True)
def workbench(bench, monkeypatch):
    monkeypatch.setattr(session, "workbench", lambda: bench)


def play(monkeypatch, bench, text="It rises in the Black Forest [1].", **fields):
    """The model says `text` word by word; fields replace those of its Answer."""

    def ask(config, question):
        hits = tuple(bench.search(config, question))[:2]
        for word in text.split(" "):
            yield word + " "
        known = {"cited": (1,), "finish_reason": "stop", "prompt": "PROMPT <b>", "prompt_tokens": 120, "answer_tokens": 11,
                 "retrieval_ms": 12.0, "first_token_ms": 400.0, "generation_ms": 900.0, "model": "tiny (sha256 00)"}  # fmt: skip
        return Answer(**{"text": text, "hits": hits, **known, **fields})

    monkeypatch.setattr(bench, "ask", ask)


def open_page(**address: str) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=60)
    for key, value in {"corpus.dataset": "tiny", "fusion.part": "sparse_only", **address}.items():
        app.query_params[key] = value
    return app.switch_page("../pages/ask_model.py").run()


def ask(app: AppTest, question: str) -> AppTest:
    app.text_input(key="question").set_value(question)
    return next(b for b in app.button if b.label == "Ask").click().run()


def seen(app: AppTest) -> str:
    """All text on the page; HTML as it is sent."""
    assert not app.exception, app.exception
    return "\n".join(str(element.value) for kind in ("html", "caption", "subheader", "info", "error", "code", "markdown")
                     for element in app.get(kind) if hasattr(element, "value"))  # fmt: skip


def html(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.get("html"))


def test_it_starts_with_what_will_be_here_and_questions_to_try():
    app = open_page()
    assert "The answer, with its sources" in html(app)
    assert [b.label for b in app.button if b.key and b.key.startswith("example/")] == ["Where does the Danube rise?"]


def test_an_answer_shows_its_citation_costs_and_known_answer(monkeypatch, bench):
    play(monkeypatch, bench)
    app = ask(open_page(), QUESTION)
    drawn, said = html(app), seen(app)
    assert '<span class="gw-chip">1</span>' in drawn
    for fact in (
        "ended by itself",
        "prompt 120 tokens",
        "answer 11 tokens",
        "retrieval 12 ms",
        "first token 400 ms",
        "20 tokens/s",
    ):
        assert fact in drawn
    assert "its evidence is in passage 1" in said and "in the Black Forest" in drawn
    assert "PROMPT <b>" in [code.value for code in app.code]
    assert any("core ask" in code.value and "tiny" in code.value and QUESTION in code.value for code in app.code)
    assert any(b.label.startswith("1 · ") and "cited" in b.label and "repeated" in b.label for b in app.button)


def test_an_example_and_a_known_question_are_asked_at_once(monkeypatch, bench):
    play(monkeypatch, bench)
    app = open_page()
    next(b for b in app.button if b.key == "example/q1").click().run()
    assert "ended by itself" in html(app) and app.text_input(key="question").value == QUESTION
    app.selectbox(key="known").select("Who painted the Danube?").run()
    assert "does not hold the answer" in app.info[0].value


def test_words_of_model_and_corpus_are_never_markup(monkeypatch, bench):
    play(monkeypatch, bench, text="<img src=x onerror=alert(1)> ![x](http://example.invalid/y.png) [1] [9]", cited=(1,))
    app = ask(open_page(), "<b>Danube</b> ![x](http://example.invalid/z.png)?")
    drawn = html(app)
    assert "<img" not in drawn and "<script>" not in drawn and "&lt;img" in drawn and "&lt;script&gt;" in drawn
    assert '<span class="gw-chip bad">9</span>' in drawn
    assert not any(
        "![x](" in element.value for kind in ("markdown", "subheader", "caption") for element in app.get(kind)
    )


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"finish_reason": "length"}, "cut at 11 tokens"),
        ({"finish_reason": "deadline"}, "cut at the time limit"),
        ({"finish_reason": "failed: the model wrote nothing", "text": "", "cited": ()}, "the model wrote nothing"),
        ({"finish_reason": "stop", "text": "Bananas are yellow.", "cited": ()}, "cites no passage itself"),
    ],
)
def test_every_ending_is_said_in_plain_words(monkeypatch, bench, fields, words):
    play(monkeypatch, bench, **fields)
    app = ask(open_page(), QUESTION)
    assert words in html(app) + seen(app)


def test_a_repeated_sentence_gets_an_outlined_number_beside_the_model_s_own(monkeypatch, bench):
    play(monkeypatch, bench, text="The Danube rises in the Black Forest. It is long.", cited=())
    app = ask(open_page(), QUESTION)
    assert html(app).count("background:none") == 1 and "outlined number" in seen(app)


def test_nothing_found_is_an_i_dont_know_without_the_model():
    app = ask(open_page(), "zebra quantum")
    assert "I don't know." in html(app).replace("&#x27;", "'") and "No passage was found" in seen(app)


def test_a_problem_is_told_and_the_page_goes_on(monkeypatch, bench):
    app = ask(open_page(**{"generation.model": "/nowhere/x.gguf"}), QUESTION)
    assert "not there" in app.error[0].value and "/nowhere/x" in app.error[0].value and not app.exception
    play(monkeypatch, bench)
    next(b for b in app.button if b.label == "Ask again").click().run()
    assert not app.error and "ended by itself" in html(app)


def test_what_was_stopped_is_kept_and_said_to_be_partial(monkeypatch, bench):
    app = open_page()
    app.session_state["asked"] = {"question": QUESTION, "recipe": app.session_state["recipes"]["current"], "text": "It rises",
                                  "answer": None, "error": None}  # fmt: skip
    app.run()
    assert "It rises" in html(app) and "not stored" in seen(app)


def test_a_changed_recipe_is_pointed_out(monkeypatch, bench):
    play(monkeypatch, bench)
    app = ask(open_page(), QUESTION)
    assert "has changed since" not in seen(app)
    app.number_input(key="seed").set_value(5).run()
    assert "has changed since" in seen(app) and app.session_state["recipes"]["current"].seed == 5


def test_a_passage_opens_in_its_document(monkeypatch, bench):
    play(monkeypatch, bench)
    app = ask(open_page(), QUESTION)
    next(b for b in app.button if b.key == "open/1").click().run()
    assert "It flows through ten countries" in html(app) and "gw-a" in html(app)
    assert "characters 0 to" in html(app)


def test_the_question_of_a_shared_address_stands_in_the_box():
    app = open_page(question=QUESTION)
    assert app.text_input(key="question").value == QUESTION and "ended by itself" not in html(app)


def test_the_bundled_model_answers_and_the_answer_is_stored(bench):
    address = {"generation.max_tokens": "6", "generation.context_tokens": "512", "generation.threads": "1"}
    app = ask(open_page(**address), QUESTION)
    assert "SmolLM2" in html(app)
    stored = bench.store.query("SELECT question, text, finish_reason FROM answers ORDER BY created DESC LIMIT 1")[0]
    assert stored["question"] == QUESTION and stored["text"] and stored["finish_reason"] in ("length", "stop")


def test_an_error_while_searching_does_not_lose_the_page(monkeypatch, bench):
    def broken(config, question):
        raise WorkbenchError("The index is broken.", todo="Prepare again.")
        yield

    monkeypatch.setattr(bench, "ask", broken)
    app = ask(open_page(), QUESTION)
    assert "The index is broken" in app.error[0].value and "No answer was made" in seen(app)
