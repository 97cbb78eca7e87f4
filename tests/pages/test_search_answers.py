"""The panel of answers on Search, live: how many contexts a moved slider changes, the job that answers them, intervals that narrow,
both gains beside the baseline, and the questions where the one did not become the other."""

from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from app.ui.search import answers as page_answers
from core.labs.answers import answering
from core.labs.answers import live as live_answers
from core.progress import drain
from core.statistics.anytime import DRIFTS
from core.statistics.bootstrap import Interval
from tests.labs.answers.test_answering import SETTINGS, many, template  # noqa: F401
from tests.support.screen import visit

ADDRESS = {"chunking.part": "recursive", "chunking.size_tokens": 64, "evaluation.overlap": 1.0} | SETTINGS


@pytest.fixture(autouse=True)
def usual_sliders(monkeypatch):
    monkeypatch.setattr("app.ui.search.live.RANGE_MS", -1.0)


def start(chart: str = "Answers", **address: object) -> AppTest:
    app = visit("search_live", {**ADDRESS, "chart": chart, **address}, open_stage="sparse")
    assert not app.exception
    return app


def told(app: AppTest, words: str) -> str:
    """The one caption with these words."""
    [text] = [caption.value for caption in app.caption if words in caption.value]
    return text


def cards(app: AppTest) -> str:
    return next((body for body in (e.proto.body for e in app.get("html")) if "Token F1" in body or "F1" in body), "")


def moved(app: AppTest, value: float) -> AppTest:
    return next(s for s in app.slider if s.key.endswith("sparse.bm25s.b")).set_value(value).run()


@pytest.mark.slow
def test_a_moved_slider_tells_how_many_contexts_it_changed_and_a_job_answers_them(bench, reader, started):
    app = start(answer=20)
    assert "0 of 20 questions answered, 20 answers to write" in told(app, "to write")
    next(button for button in app.button if button.label == "Write 20 answers").click().run()
    assert started == [["answer-set", "--ask", "20", *bench.arguments(many())]]
    drain(answering.answer_questions(bench, many(), 20))
    app = start(answer=20)
    assert not [c for c in app.caption if "to write" in c.value] and "n 20" in cards(app)
    before = len(reader.prompts)
    app = moved(app, 0.0)
    changed = drain(bench.evaluating(many(**{"sparse.b": 0.0})))
    cost = answering.cost(bench, changed.config, answering.answer_set(bench, changed, 20).askings)
    left = cost.answers
    assert 0 < left < 20 and told(app, "to write").startswith(f"{20 - left} of 20 questions answered, {left} answer")
    assert f"Write {left} answer{'s' * (left > 1)}" in [button.label for button in app.button], "what will really be asked"
    assert f"n {20 - left} of 20" in cards(app), "one value, of all that is answered"
    assert len(reader.prompts) == before, "nothing is asked while one looks"
    drain(answering.answer_questions(bench, many(**{"sparse.b": 0.0}), 20))
    assert len(reader.prompts) - before == cost.answers
    app = app.run()
    assert not [c for c in app.caption if "to write" in c.value]


@pytest.mark.slow
def test_the_interval_narrows_while_answers_come_in(bench, reader):
    widths = []
    for count in (4, 12, 20):
        drain(answering.answer_questions(bench, many(), count))
        body = cards(start(answer=20))
        assert f"n {count} of 20" in body or count == 20 and "n 20" in body
        low, high = body.split("gw-small")[1].split(">")[1].split("<")[0].split(" to ")
        widths.append(float(high) - float(low))
    assert widths[0] > widths[1] > widths[2]


@pytest.mark.slow
def test_the_switch_starts_the_job_once_a_change(bench, reader, started):
    app = start(answer=5)
    app = next(t for t in app.toggle if t.key == "answer_live").set_value(True).run()
    app = app.run()
    assert started == [["answer-set", "--ask", "5", *bench.arguments(many())]]
    moved(app, 0.3)
    assert started[1:] == [["answer-set", "--ask", "5", *bench.arguments(many(**{"sparse.b": 0.3}))]]


@pytest.mark.slow
def test_both_gains_stand_beside_each_other_and_an_opened_question_shows_its_answers(bench, reader):
    one = {"retrieval.top_k": 1, "context.passages": 1, "sparse.b": 0.0}
    base = {f"baseline.{name}": value for name, value in (ADDRESS | one).items()}
    drain(answering.answer_questions(bench, many(), 20))
    app = start(answer=20, **base)
    assert told(app, "The baseline has answered none")
    drain(answering.answer_questions(bench, many(**one), 20))
    app = start(answer=20, **base)
    assert "on the 20 questions that both have answered" in told(app, "Gain over the baseline")
    table = next(d.value for d in app.dataframe if "Verdict" in d.value.columns)
    assert table["Of"].tolist()[:3] == ["retrieval", "answers", "answers"] and table["Questions"].tolist()[:3] == [20] * 3
    first = answering.answer_set(bench, bench.evaluate(many()), 20).queries[0]
    app = start("Questions", answer=20, chosen=first.id, **base)
    assert len([caption for caption in app.caption if caption.value.startswith("Answer \\(") or "Answer (" in caption.value]) == 2


def test_a_gain_without_an_interval_is_not_called_unmeasured(bench, monkeypatch):
    answers = answering.answer_set(bench, bench.evaluate(many()), 2)
    few, none = (Interval(mean, None, None, n, 2, DRIFTS) for mean, n in ((0.25, 1), (None, 0)))
    rows = page_answers._gain_rows([live_answers.Gain("Token F1", True, 1, each) for each in (few, none)], answers)
    assert [(row["Gain"], row["Verdict"]) for row in rows] == [(0.25, "no interval"), (None, "unmeasured")]


@pytest.mark.slow
def test_a_model_that_is_not_there_leaves_retrieval_standing(bench):
    app = start(**{"generation.model": "/nowhere.gguf"})
    assert any("The model file is not there" in error.value for error in app.error)
    assert any("nDCG" in e.proto.body for e in app.get("html")) and start("Questions").dataframe


@pytest.mark.slow
def test_without_references_there_is_no_panel(bench, monkeypatch):
    monkeypatch.setattr(answering, "can_be_judged", lambda query: False)
    assert not [box for box in start().number_input if box.key == "answer"]


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 30])
def test_any_number_of_questions_can_be_answered(bench, reader, count):
    assert f"0 of {count} question" in told(start(answer=count), "to write")


@pytest.mark.slow
def test_questions_without_a_similar_passage_are_told_and_not_counted_as_work(bench, reader, monkeypatch):
    real = answering.askings
    silent = lambda *a: tuple(each._replace(asks=n > 3) for n, each in enumerate(real(*a)))  # noqa: E731
    monkeypatch.setattr(answering, "askings", silent)
    app = start(answer=20)
    words = told(app, "to write").replace("\\", "")
    assert "0 of 20 questions answered, 16 answers to write, 4 more without a passage similar enough" in words
    assert "Write 16 answers" in [button.label for button in app.button]


def test_what_is_told_of_the_questions_adds_up_where_some_without_a_passage_are_answered():
    asks, answered = [n > 3 for n in range(30)], [n in (0, *range(4, 11)) for n in range(30)]
    those = SimpleNamespace(askings=[SimpleNamespace(asks=each) for each in asks], answers=[each or None for each in answered])
    words = page_answers.progress_words(those, answering.AnswerCost(30, 19, None, silent=4))
    assert [int(word) for word in words.split() if word.isdigit()] == [8, 30, 19, 3] and 8 + 19 + 3 == 30
