"""The page Ask: every state an answer can be in. The model is played by a script but for one test."""

import json
import math
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from app.ui import forms
from app.ui.answers import asking, engines, faster_copy
from core.config import TEMPLATES, TrialConfig, with_settings
from core.context.prompt import BEYOND
from core.errors import WorkbenchError
from core.generation import prices
from core.generation.gguf_files import Measured, WeightsChoice
from core.generation.receipt import Comparison
from core.labs.engines.speed import EngineSpeed
from core.progress import drain
from core.records import Answer, ChunkOrigin, Progress, Provenance, Receipt, StageRank, TimedStep, Token
from core.workbench import Workbench
from tests.support.screen import visit

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
        yield Progress(0, 0, "Loading the model")
        for word in text.split(" "):
            yield word + " "
        known = {
            "cited": (1,),
            "finish_reason": "stop",
            "prompt": "PROMPT <b>",
            "prompt_tokens": 120,
            "answer_tokens": 11,
            "retrieval_ms": 12.0,
            "first_token_ms": 400.0,
            "generation_ms": 900.0,
            "model": "tiny (sha256 00)",
        }
        settings = config.generation.model_dump(mode="json")
        made = Receipt(
            config.generation.part,
            "engine 1.0",
            "machine",
            "identity",
            "tiny",
            "ab" * 32,
            2,
            128,
            0,
            settings,
            "cd" * 32,
            "ef" * 32,
            "stop",
        )
        return Answer(**{"text": text, "hits": hits, "receipt": made, **known, **fields})

    monkeypatch.setattr(bench, "ask", ask)


def test_a_citation_names_the_page_that_it_opens_where_the_passage_goes_over_two(monkeypatch, bench, datasets_root):
    drain(bench.library.ingest("printed", [datasets_root / "pdf" / "multicolumn.pdf"]))
    play(monkeypatch, bench, "Vienna [1]")
    app = ask(open_page(**{"corpus.dataset": "printed"}), "What is the capital of Austria?")
    assert [b.label for b in app.button if b.key == "source/1"] == ["1 · multicolumn.pdf, page 3 :gray[cited and repeated]"]
    assert "pages 2 to 3" in seen(app)


def open_page(**address: str) -> AppTest:
    return visit("ask_model", {"corpus.dataset": "tiny", "fusion.part": "sparse_only", **address})


def ask(app: AppTest, question: str) -> AppTest:
    app.text_input(key="question").set_value(question)
    return next(b for b in app.button if b.label == "Ask").click().run()


def seen(app: AppTest) -> str:
    """All text on the page; HTML as it is sent."""
    assert not app.exception, app.exception
    return "\n".join(
        str(element.value)
        for kind in ("html", "caption", "subheader", "info", "error", "code", "markdown")
        for element in app.get(kind)
        if hasattr(element, "value")
    )


def answered(app: AppTest) -> list[dict]:
    """The answer on the page: its text, and its citations as chips."""
    [drawn] = app.get("bidi_component")
    return json.loads(drawn.proto.json)["pieces"]


def html(app: AppTest) -> str:
    """All drawn as HTML but the frame's own script, the one element that may run one."""
    drawn = [element.proto for element in app.get("html")]
    assert sum(element.unsafe_allow_javascript for element in drawn) == 1
    return "\n".join(element.body for element in drawn if not element.unsafe_allow_javascript)


REMOTE = {"generation.part": "openai_compatible", "generation.base_url": "http://127.0.0.1:9/v1"}


@pytest.mark.slow
def test_it_starts_with_questions_to_try_the_engines_place_and_speed(monkeypatch, bench):
    monkeypatch.setattr(engines, "without_gpu", lambda: True)
    app = open_page()
    assert "The answer, with its sources" in html(app) and "no data leaves it" in html(app) and "no GPU support" in seen(app)
    assert [b.label for b in app.button if b.key and b.key.startswith("example/")] == ["Where does the Danube rise?"]
    assert "Measure" in [b.label for b in app.button]
    next(b for b in app.button if b.label == "Ask").click().run()
    assert [toast.value for toast in app.toast] == ["Type a question first."]
    with monkeypatch.context() as silent:
        silent.setattr("app.ui.answers.asking.lab.examples", lambda *_: [])
        assert "Try one of these" not in seen(app.run())
    monkeypatch.setattr(engines, "without_gpu", lambda: False)
    formats = (Measured("as_bundled", 400, 60, 2.0, 1.0, 0.0), Measured("q4_0", 900, 80, 1.0, 0.8, 0.29))
    found = EngineSpeed("machine", "2026-01-02T03:04:05", "tiny", 2, 630, {"1": 0.5, "4": 1.25}, 2000.0, 400.0, 3, 4, formats)
    monkeypatch.setattr("core.labs.engines.speed.stored", lambda workbench, config: found)
    drawn = html(app.run())
    for words in ("1.25 answers/s", "2.5 times", "first token 400 ms", "5.0 times", "3 of 4", "2.0 times, KL 0.290 nats"):
        assert words in drawn, words
    assert "Measure again" in [b.label for b in app.button] and "2026" in seen(app) and "no GPU" not in seen(app)


@pytest.mark.slow
def test_a_place_that_the_passages_are_sent_to_is_named_before_they_are(monkeypatch):
    monkeypatch.setattr(engines, "without_gpu", lambda: True)
    app = open_page(**REMOTE)
    assert "sent to 127" in seen(app) and "a server on this machine" in seen(app) and "no data leaves it" not in html(app)
    assert "no GPU" not in seen(app) and not {"Measure", "Measure again"} & {b.label for b in app.button}
    remote = {"generation.part": "anthropic"}
    assert "api.anthropic.com" in seen(open_page(**remote)).replace("\\", "")
    alone = open_page(**remote, **{"answering.part": "reader"})
    assert "sent to" not in seen(alone) and "squad-reader" in html(alone) and "no data leaves it" in html(alone)


@pytest.mark.slow
def test_an_answer_shows_its_citation_costs_and_known_answer(monkeypatch, bench):
    play(monkeypatch, bench)
    app = ask(open_page(), QUESTION)
    drawn, said = html(app), seen(app)
    assert '<span class="gw-chip plain">1</span>' in drawn
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
    next(b for b in app.button if b.key == "open/1").click().run()
    assert "It flows through ten countries" in html(app) and "gw-a" in html(app) and "characters 0 to" in html(app)
    assert "have changed since" not in seen(app)
    app.number_input(key="seed").set_value(5).run()
    assert "have changed since" in seen(app) and app.session_state["recipes"]["current"].seed == 5
    play(monkeypatch, bench, text="The Danube rises in the Black Forest. It is long.", cited=())
    app = ask(app, QUESTION)
    assert [piece["number"] for piece in answered(app) if piece.get("kind") == "repeated"] == [1]
    assert "outlined number" in seen(app)


@pytest.mark.slow
def test_an_example_and_a_known_question_are_asked_at_once(monkeypatch, bench):
    play(monkeypatch, bench)
    app = open_page()
    next(b for b in app.button if b.key == "example/q1").click().run()
    assert "ended by itself" in html(app) and app.text_input(key="question").value == QUESTION
    app.selectbox(key="known").select("Who painted the Danube?").run()
    assert "does not contain the answer" in app.info[0].value


@pytest.mark.slow
def test_words_of_model_and_corpus_are_never_markup(monkeypatch, bench):
    play(monkeypatch, bench, text="<img src=x onerror=alert(1)> ![x](http://example.invalid/y.png) [1] [9]", cited=(1,))
    app = ask(open_page(), "<b>Danube</b> ![x](http://example.invalid/z.png)?")
    drawn = html(app)
    assert "<img" not in drawn and "<script>" not in drawn and "&lt;script&gt;" in drawn
    text, one, _, nine, *_ = answered(app)  # set as text by the component; the browser test looks at what comes of it
    assert text["text"].startswith("<img src=x") and (one["number"], one["kind"]) == (1, "cited")
    assert (nine["number"], nine["kind"]) == (9, "bad")
    assert not any("![x](" in element.value for kind in ("markdown", "subheader", "caption") for element in app.get(kind))


ENDINGS = [
    ({"finish_reason": "length", "answer_tokens": None}, "cut"),
    ({"finish_reason": "length"}, "cut at 11 tokens"),
    ({"finish_reason": "length", "detail": {"steps": [], "end": "same_call", "calls": 1}}, "run ended: same call twice"),
    ({"finish_reason": "deadline"}, "cut at the time limit"),
    ({"finish_reason": "failed: the model wrote nothing", "text": "", "cited": ()}, "the model wrote nothing"),
    ({"finish_reason": "stop", "text": "Bananas are yellow.", "cited": ()}, "cites no passage itself"),
    ({"finish_reason": "failed: refusal", "text": "", "cited": ()}, "the model refused"),
    ({"finish_reason": "failed: HTTP 429: slow down (4 tries)", "text": "", "cited": ()}, "had too many requests"),
    ({"prompt_tokens": None, "answer_tokens": None, "reused_tokens": None}, "answer tokens not counted"),
    ({"cost_usd": 0.00042, "retries": 2}, "cost $0.00042"),
    ({"first_token_ms": 400.0, "generation_ms": 30_400.0}, "0.33 tokens/s"),
]


@pytest.mark.slow
def test_every_ending_is_said_in_plain_words(monkeypatch, bench):
    app, before = open_page(), ""
    for fields, words in ENDINGS:
        play(monkeypatch, bench, **fields)
        ask(app, QUESTION)
        said = html(app) + seen(app)
        assert words in said and (before in ("", "cut") or before not in said), words
        before = words


@pytest.mark.slow
def test_a_problem_is_told_and_the_page_goes_on(monkeypatch, bench):
    app = ask(open_page(**{"generation.model": "/nowhere/x.gguf"}), QUESTION)
    assert "not there" in app.error[0].value and "/nowhere/x" in app.error[0].value and not app.exception
    assert not asking.press([app.session_state["recipes"]["current"]]).takes.units  # its failure is no time of an answer
    play(monkeypatch, bench)
    next(b for b in app.button if b.label == "Ask again").click().run()
    assert not app.error and "ended by itself" in html(app)


@pytest.mark.slow
def test_what_was_stopped_is_kept_and_said_to_be_partial(monkeypatch, bench):
    app = open_page()
    run = {"recipe": app.session_state["recipes"]["current"], "text": "It rises", "answer": None, "error": None, "again": None}
    app.session_state["asked"] = {"question": QUESTION, "runs": [run]}
    app.run()
    assert "It rises" in html(app) and "not stored" in seen(app)


def test_the_question_of_a_shared_address_stands_in_the_box():
    app = open_page(question=QUESTION)
    assert app.text_input(key="question").value == QUESTION and "ended by itself" not in html(app)


@pytest.mark.slow
def test_the_bundled_model_answers_and_the_answer_is_stored(bench):
    address = {"generation.max_tokens": "6", "generation.context_tokens": "512", "generation.threads": "1"}
    app = ask(open_page(**address), QUESTION)
    assert "SmolLM2" in html(app)
    app = ask(app, "zebra quantum")
    assert answered(app) == [{"text": "I don't know."}] and "No passage was found" in seen(app), "the model is not asked"
    stored = bench.store.query(
        "SELECT question, text, finish_reason FROM answers WHERE text <> ? ORDER BY id DESC", ["I don't know."]
    )[0]
    assert stored["question"] == QUESTION and stored["text"] and stored["finish_reason"] in ("length", "stop")


def test_an_error_while_searching_does_not_lose_the_page(monkeypatch, bench):
    def broken(config, question):
        raise WorkbenchError("The index is broken.", todo="Prepare again.")
        yield

    monkeypatch.setattr(bench, "ask", broken)
    app = ask(open_page(), QUESTION)
    assert "The index is broken" in app.error[0].value and "No answer was made" in seen(app)


@pytest.mark.slow
def test_an_engine_that_cannot_answer_in_that_way_has_a_way_on(monkeypatch, bench):
    app = ask(open_page(**{"answering.part": "rag_token"}), QUESTION)
    assert "cannot answer by" in app.error[0].value and any(button.label == "Ask by transformers" for button in app.button)
    play(monkeypatch, bench)
    next(button for button in app.button if button.label == "Ask in one prompt").click().run()
    assert not app.error and not app.exception and app.session_state["recipes"]["current"].answering.part == "one_prompt"
    assert "in the Black Forest" in html(app)


@pytest.mark.slow
def test_a_missing_key_and_a_silent_endpoint_are_told_and_stored_as_failed(bench, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.setattr(bench, "took", lambda *told: pytest.fail("the time of what failed says nothing of an answer"))
    app = ask(open_page(**{"generation.part": "anthropic"}), QUESTION)
    assert "There is no key" in app.error[0].value and not app.exception
    app = ask(open_page(**REMOTE, **{"generation.retries": "0"}), QUESTION)
    assert "cannot be reached" in app.error[0].value
    stored = bench.store.query("SELECT text, finish_reason, engine FROM answers ORDER BY id DESC LIMIT 2")
    assert [row["text"] for row in stored] == [None, None] and all("failed: The" in row["finish_reason"] for row in stored)


@pytest.mark.slow
def test_engines_side_by_side_are_asked_in_turn_and_compared(monkeypatch, bench):
    asked = []
    play(monkeypatch, bench)
    played = bench.ask

    def each(config, question):
        asked.append(config.generation.temperature)
        if len(asked) == 3:
            raise WorkbenchError("The endpoint cannot be reached.")
        return (yield from played(config, question))

    monkeypatch.setattr(bench, "ask", each)
    app = open_page(engines="1")
    app.radio(key="engines").set_value(4).run()
    app = ask(app, QUESTION)
    assert asked == [0.0, 0.7, 1.0, 1.3]
    drawn = html(app)
    assert "temperature 0.7" in drawn and "temperature 1.3" in drawn and "cannot be reached" in app.error[0].value
    assert drawn.count("the same</td>") == 2 and "not finished</td>" in drawn and "20.0</td>" in drawn


def test_an_answer_is_run_again_and_compared(monkeypatch, bench):
    play(monkeypatch, bench)

    def ask_again(config, question, first):
        yield "It rises in the Alps."
        return "It rises in the Alps.", Comparison("token", 8, 6, 4, 4, False, True, ("threads",))

    monkeypatch.setattr(bench, "ask_again", ask_again)
    app = ask(open_page(), QUESTION)
    assert "engine 1.0" in html(app)
    next(b for b in app.button if b.label == "Run again and compare").click().run()
    assert "4 of 8 tokens" in html(app) and "conclusion differs" in app.warning[0].value and "threads" in seen(app)
    assert '<span class="gw-b">Alps.</span>' in html(app)


def test_a_faster_copy_is_offered_where_the_file_was_used_as_it_came(monkeypatch, bench):
    from core.generation.llama_engine import LlamaCpp

    monkeypatch.setattr(LlamaCpp, "converts", lambda self: True)
    play(monkeypatch, bench)
    app = ask(open_page(), QUESTION)
    assert "Make the copy" not in [b.label for b in app.button]  # the answer came from the format that was asked for
    app.session_state["asked"]["runs"][0]["answer"].receipt.settings["weights"] = "as_bundled"
    app.run()
    assert "Make the copy" in [b.label for b in app.button]


@pytest.mark.slow
def test_tokens_are_coloured_by_how_unsure_the_model_was(monkeypatch, bench):
    tokens = (Token("It", math.log(0.75), (("It", math.log(0.75)), ("<i>", math.log(0.25)))), Token(" <b>", math.log(0.25)))
    play(monkeypatch, bench, tokens=tokens)
    drawn = html(ask(open_page(), QUESTION))
    assert 'rgba(230,159,0,0.20)" title="&#x27;It&#x27; 75.0%">It</span>' in drawn
    assert "rgba(230,159,0,0.60)" in drawn and "&lt;b&gt;</span>" in drawn and "<b></span>" not in drawn


def test_stop_texts_have_signs_for_what_cannot_be_seen_and_a_schema_is_a_text():
    schema = '{"type": "object"}'
    app = open_page(**{"generation.stop": '["\\n"]', "generation.json_schema": json.dumps(schema)})
    assert app.text_area(key="current/generation.llama_cpp.json_schema").value == schema and not app.warning
    assert app.query_params["generation.json_schema"] in (json.dumps(schema), [json.dumps(schema)])
    box = app.multiselect(key="current/generation.llama_cpp.stop")
    assert box.label == "Stop texts" and box.value == [r"\n"]
    typed = [r"\n", r"Q:\t", r"\\n"]
    assert forms._taken(typed) == ["\n", "Q:\t", r"\n"] and forms.held(tuple(forms._taken(typed))) == typed


def test_prices_are_edited_and_a_wrong_table_is_not_taken(bench, monkeypatch):
    monkeypatch.setenv("GROUNDWORK_HOME", str(bench.home))
    app = open_page(**REMOTE)
    save = next(b for b in app.button if b.label == "Save prices")
    app.text_area(key="prices").set_value("models: {default: {input: 2, output: 3}}")
    app = save.click().run()
    assert "Saved" in app.success[0].value and prices.table()["default"].output == 3
    app.text_area(key="prices").set_value("models: {default: {input: dear}}")
    app = next(b for b in app.button if b.label == "Save prices").click().run()
    assert "cannot be read" in app.error[0].value and prices.table()["default"].output == 3
    app.text_area(key="prices").set_value(" ")
    next(b for b in app.button if b.label == "Save prices").click().run()
    assert "default" not in prices.table() and not (bench.home / "prices.yaml").exists()


def test_what_a_copy_of_the_weights_gains_is_said(monkeypatch, bench):
    rows = (Measured("as_bundled", 400, 60, 2.0, 1.0, 0.0), Measured("bf16", 1000, 66, 1.0, 0.96, 0.003))
    said = faster_copy.copy_gains(WeightsChoice("bf16", Path("x"), rows))
    assert "BF16: prompts 2.5 and answers 1.1 times" in said and "96%" in said and "0.003 nats" in said
    assert "used as it is" in faster_copy.copy_gains(WeightsChoice("as_bundled", Path("x"), rows))
    assert faster_copy.copy_gains(WeightsChoice("as_bundled", Path("x"))) == ""


@pytest.mark.slow
def test_an_answer_tells_where_it_comes_from_and_where_its_time_went(monkeypatch, bench):
    places = {"sparse": StageRank(1, 2.5), "fused": StageRank(2, 0.25)}
    chunks = (
        ChunkOrigin(1, 7, "rivers.txt", 0, 40, None, places),
        ChunkOrigin(None, 8, "mountains.txt", 5, 9, None, {"fused": StageRank(1, 0.5)}),
    )
    steps = (TimedStep("sparse", 25.0), TimedStep("reranked", 50.0), TimedStep("writing", 925.0))
    play(monkeypatch, bench, provenance=Provenance("tiny", "ab" * 32, chunks, steps), notes=("1 chunk was left out.",), id="a1")
    app = ask(open_page(), QUESTION)
    [table] = [frame.value for frame in app.dataframe if "Passage" in frame.value and "Characters" in frame.value]
    assert table["Passage"].tolist() == ["1", "not given"] and table["Fusion"].tolist() == ["2 (0.25)", "1 (0.5)"]
    assert table.iloc[1]["Sparse"] == "not met"
    assert "Where 1.0 s went" in html(app)
    [chart] = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    [bars] = [trace for trace in chart["data"] if trace["type"] == "bar"]
    assert chart["layout"]["yaxis"]["ticktext"] == ["Answer", "Sparse search", "Reranking", "Writing the answer"]
    assert bars["base"] == [0, 0, 25, 75] and bars["x"] == [1000, 25, 50, 925], "writing begins where reranking ends"
    assert "1 chunk was left out." in seen(app) and "python -m core answers show a1 --json" in seen(app) and not app.warning
    note = f"2 passages were cut, the last first: {BEYOND} them and the answer."
    play(monkeypatch, bench, notes=("1 chunk was left out.", note))
    assert [warning.value.replace("\\", "") for warning in ask(app, QUESTION).warning] == [note]
    assert "The origin of this answer was not recorded." in seen(app)


@pytest.mark.slow
def test_the_prompt_is_edited_previewed_and_kept_in_the_recipe():
    app = open_page(**{"generation.part": "openai_compatible"})  # no model to load
    app.session_state["prompt_editor"] = True
    app.run()
    assert "Read" not in seen(app) and "[1] The Danube rises" in seen(app) and "The same as the built-in one." in seen(app)
    for kind, (variables, _) in TEMPLATES.items():
        assert [line[4:].partition(":")[0] for line in app.text_area(key=f"draft/{kind}").help.splitlines()] == variables
    app.text_area(key="draft/template").set_value("Read $passages for $question $nothing").run()
    assert any("no variable $nothing" in error.value.replace("\\", "") for error in app.error)
    assert next(b for b in app.button if b.label == "Use in the recipe").disabled
    app.text_area(key="draft/template").set_value("Read $passages for $question").run()
    assert not app.error and "Read [1] The Danube rises" in seen(app)
    assert '<ins class="gw-b">Read ' in html(app) and '<del class="gw-a">' in html(app)
    next(b for b in app.button if b.label == "Use in the recipe").click().run()
    assert app.query_params["context.template"] in ("Read $passages for $question", ["Read $passages for $question"])
    next(b for b in app.button if b.label == "Back to the built-in").click().run()
    assert "context.template" not in app.query_params and app.text_area(key="draft/template").value.startswith("$instructions")


def test_every_stage_that_decides_the_passages_has_its_form_here(bench):
    """They follow from the table of stages: a new one needs no edit of the page."""
    app = open_page()
    titles = [*(expander.label for expander in app.get("expander")), *(head.value for head in app.markdown)]
    stages = bench.stages()
    for field in (*bench.ranking_fields(), "context", "answering", "generation"):
        shown = any(f"**{stages[field].title}**" in title for title in titles)
        assert shown == bench.shows(field, session.defaults()), field


@pytest.mark.slow
def test_a_quoting_answer_opens_the_place_of_each_quote(bench, monkeypatch):
    quote = {"start": 0, "end": 20, "passage": 1, "document_id": "rivers.txt", "from": 4, "to": 24}
    play(monkeypatch, bench, "Danube rises in the ", way={"part": "quotes"}, detail={"quotes": [quote]})
    app = ask(open_page(**{"answering.part": "quotes"}), QUESTION)
    assert app.tabs[0].label == "Quotes" and "characters 4 to 24" in seen(app)
    app.button(key="quote/0").click().run()
    assert '<span class="gw-said">' in seen(app) or "gw-said" in seen(app)


@pytest.mark.slow
def test_a_reader_shows_its_candidates_by_the_sum_that_decides(bench, monkeypatch):
    rows = [
        {"passage": 1, "text": "Alps", "margin": 5.0, "logprob": -9.0},
        {"passage": 2, "text": "Black", "margin": 3.0, "logprob": -1.0},
    ]
    detail = {"quotes": [], "candidates": rows}
    play(monkeypatch, bench, "Black [2]", way={"part": "reader", "candidates": 2}, detail=detail)
    app = ask(open_page(**{"answering.part": "reader", "answering.candidates": "2"}), QUESTION)
    assert "their sum, which decides" in seen(app)
    [table] = [each.value for each in app.dataframe if "Sum" in each.value]
    assert table["Span"].tolist() == ["Black", "Alps"] and table["Sum"].tolist() == [2.0, -4.0]


@pytest.mark.slow
def test_each_token_has_the_colour_of_its_passage(bench, monkeypatch):
    tokens = [{"text": "<b>Black", "shares": [0.9, 0.1]}, {"text": " Forest", "shares": [0.2, 0.8]}]
    answers = [{"passage": 1, "text": "Black", "logprob": -9.0}, {"passage": 2, "text": "", "logprob": None}]
    detail = {"prior": [0.7, 0.3], "tokens": tokens, "logprob": -3.25, "answers": answers}
    app = open_page(**{"fusion.part": "convex", "answering.part": "rag_token"})
    for part in ("rag_token", "rag_sequence"):
        play(monkeypatch, bench, "<b>Black Forest", way={"part": part}, detail=detail)
        page = seen(ask(app, QUESTION))
        assert "&lt;b&gt;Black" in page and "<b>Black" not in page and 'title="1: 90%, 2: 10%"' in page
        assert "rgba(0,114,178,0.52)" in page and "rgba(230,159,0,0.42)" in page and "\N{MINUS SIGN}3.25 nats" in page
        table = app.dataframe[0].value
        assert table["p(passage | question)"].round(6).tolist() == [70, 30]
        assert table["Mean share of a token"].round(6).tolist() == [55, 45]


def test_each_retrieval_in_mid_answer_is_shown(bench, monkeypatch):
    row = {"tentative": "In <i>Spain</i>.", "least": 0.123, "query": "In <i>.", "passages": [1, 2], "text": "In the Forest [2]."}
    sure = {"tentative": "It is.", "least": 0.9, "query": "", "passages": [1, 2], "text": "It is."}
    way = {"part": "flare", "threshold": 0.4, "rounds": 3}
    play(monkeypatch, bench, "In the Forest [2]. It is.", way=way, detail={"sentences": [row, sure]})
    page = seen(ask(open_page(**{"answering.part": "flare"}), QUESTION))
    assert "tokens/s" not in page, "the tokens of all texts, in the time of one"
    assert "1 time of 3 at most" in page and "least probable token 12.3%" in page and "least probable token 90.0%" in page
    assert ":material/search: In " in page and page.count(":material/search:") == 1 and "In <i>Spain" not in page


def test_the_answers_from_single_passages_are_shown(bench, monkeypatch):
    rows = [
        {"passage": 1, "text": "In <b>it", "ended": "stop", "used": True},
        {"passage": 2, "text": "I don't know.", "ended": "stop", "used": False},
    ]
    play(monkeypatch, bench, "In it [1].", way={"part": "per_passage"}, detail={"answers": rows})
    page = seen(ask(open_page(**{"fusion.part": "convex", "answering.part": "per_passage"}), QUESTION))
    assert "In &lt;b&gt;it" in page and "left out" in page and "know." in page


@pytest.mark.slow
def test_the_likelihood_of_the_reference_or_any_answer_is_a_press_away(monkeypatch, bench):
    from core.labs.answers import likelihood as lab

    asked = []

    def measure(workbench, config, question, text):
        asked.append((config.generation.part, question, text))
        yield Progress(0, 0, "Loading the model")
        if not text.strip():
            raise WorkbenchError("The answer is empty.", todo="Give the words whose likelihood is asked for.")
        place = {"document_id": "<b>rivers.txt", "start": 0, "end": 40}
        rows = [
            {"passage": 1, **place, "log_prior": math.log(0.75), "logprob": -2.0, "posterior": 0.9},
            {"passage": 2, **place, "log_prior": math.log(0.25), "logprob": -9.0, "posterior": 0.1},
        ]
        return lab.AnswerLikelihood(text, 4, -8.0, -6.0, rows)

    monkeypatch.setattr(lab, "answer_likelihood", measure)
    play(monkeypatch, bench)
    app = ask(open_page(), QUESTION)
    told = seen(app)
    assert not asked and "The engine llama.cpp cannot read passages side by side, so transformers reads its model" in told
    assert "with answerer finds an answer" in told
    app.button(key="likelihood_now").click().run()
    assert asked == [("transformers", QUESTION, "in the Black Forest")]
    page = seen(app)
    assert "\N{MINUS SIGN}8.00 nats over 4 tokens: perplexity 7.4" in page and "perplexity 4.5" in page
    assert "python -m core answers likelihood" in page and "'in the Black Forest'" in page
    table = next(frame.value for frame in app.dataframe if "Share of the answer" in frame.value)
    assert table["Share of the answer"].tolist() == [90, 10] and table["p(passage | question)"].round(6).tolist() == [75, 25]
    app.text_area(key=f"likelihood/{QUESTION}").set_value("in Spain").run()
    assert "nats over" not in seen(app), "another answer is not measured yet"
    app.text_area(key=f"likelihood/{QUESTION}").set_value(" ").run()
    app.button(key="likelihood_now").click().run()
    assert any("The answer is empty" in error.value for error in app.error)


def test_an_answer_names_the_adapter_that_its_model_wore():
    plain, worn = (
        with_settings(TrialConfig(), {"generation.part": "transformers"} | more) for more in ({}, {"generation.adapter": "a"})
    )
    assert engines.model_of(plain, "tiny") == "tiny" and engines.model_of(worn, "tiny") == "tiny with a"
    less = with_settings(worn, {"generation.adapter_scale": 0.5})
    assert engines.model_of(less, "tiny") == "tiny with a, scale 0.5" and engines.model_of(TrialConfig(), "tiny") == "tiny"
    assert "SmolLM2-135M-Instruct (bundled) with a<" in html(
        open_page(**{"generation.part": "transformers", "generation.adapter": "a"})
    )


@pytest.mark.slow
def test_adapters_are_chosen_and_weighed(monkeypatch):
    monkeypatch.setattr("app.ui.adapters.worn.at_hand", lambda: ["a", "b"])
    app = open_page(**{"generation.part": "transformers"})

    def chosen():
        return next(box for box in app.multiselect if box.key.endswith("adapter|names"))

    def weights():
        return {slider.label: slider for slider in app.slider if slider.label.endswith("counts")}

    def recipe():
        return app.query_params.get("generation.adapter", "")

    assert not chosen().value and not weights() and not recipe()
    chosen().set_value(["a"]).run()
    assert recipe() == "a" and not weights()
    chosen().set_value(["a", "b"]).run()
    assert recipe() == "a:0.5,b:0.5" and list(weights()) == ["a counts", "b counts"]
    weights()["b counts"].set_value(0.0).run()
    assert recipe() == "a:0.5,b:0" and weights()["b counts"].value == 0
    chosen().set_value(["a"]).run()
    assert recipe() == "a" and not weights() and not app.exception
    chosen().set_value([]).run()
    assert not recipe() and not app.exception
    app = open_page(**{"generation.part": "transformers", "generation.adapter": "a:0.3"})
    assert chosen().value == ["a"] and weights()["a counts"].value == 0.3
