"""The panel of answers on Search, live: how many contexts a moved slider changes, the job that answers them, intervals that narrow,
both gains beside the baseline, and the questions where the one did not become the other."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.labs import answering
from core.progress import drain
from tests.labs.test_answering import SETTINGS, many, reader, template  # noqa: F401

MAIN = Path(__file__).parents[2] / "app" / "main.py"
ADDRESS = {"chunking.part": "recursive", "chunking.size_tokens": 64, "evaluation.overlap": 1.0} | SETTINGS


def start(**address: object) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=60)
    for key, value in {**ADDRESS, **address}.items():
        app.query_params[key] = str(value)
    app = app.run().switch_page("../pages/search_live.py").run()
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


def test_a_moved_slider_tells_how_many_contexts_it_changed_and_a_job_answers_them(bench, reader, started):  # noqa: F811
    app = start(answer=20)
    assert "20 of 20 contexts not answered yet, how long is not known" in told(app, "not answered")
    next(button for button in app.button if button.label == "Answer 20 questions").click().run()
    assert started == [["answer-set", "--ask", "20", *bench.arguments(many())]]
    drain(answering.answer_questions(bench, many(), 20))
    app = start(answer=20)
    assert not [c for c in app.caption if "not answered" in c.value] and "n 20" in cards(app)
    before = len(reader.prompts)
    app = moved(app, 0.0)
    changed = drain(bench.evaluating(many(**{"sparse.b": 0.0})))
    cost = answering.cost(bench, changed.config.generation, answering.answer_set(bench, changed, 20).askings)
    assert 0 < cost.answers < 20 and told(app, "not answered").startswith(f"{cost.answers} of 20 contexts not answered yet")
    assert len(reader.prompts) == before, "nothing is asked while one looks"
    drain(answering.answer_questions(bench, many(**{"sparse.b": 0.0}), 20))
    assert len(reader.prompts) - before == cost.answers
    app = app.run()
    assert not [c for c in app.caption if "not answered" in c.value]


def test_the_interval_narrows_while_answers_come_in(bench, reader):  # noqa: F811
    widths = []
    for count in (4, 12, 20):
        drain(answering.answer_questions(bench, many(), count))
        body = cards(start(answer=20))
        assert f"n {count} of 20" in body or count == 20 and "n 20" in body
        low, high = body.split("gw-small")[1].split(">")[1].split("<")[0].split(" to ")
        widths.append(float(high) - float(low))
    assert widths[0] > widths[1] > widths[2]


def test_the_switch_starts_the_job_once_a_change(bench, reader, started):  # noqa: F811
    app = start(answer=5)
    app = next(t for t in app.toggle if t.key == "answer_live").set_value(True).run()
    app = app.run()
    assert started == [["answer-set", "--ask", "5", *bench.arguments(many())]]
    moved(app, 0.3)
    assert started[1:] == [["answer-set", "--ask", "5", *bench.arguments(many(**{"sparse.b": 0.3}))]]


def test_both_gains_stand_beside_each_other_and_an_opened_question_shows_its_answers(bench, reader):  # noqa: F811
    one = {"retrieval.top_k": 1, "context.passages": 1, "sparse.b": 0.0}
    base = {f"baseline.{name}": value for name, value in (ADDRESS | one).items()}
    drain(answering.answer_questions(bench, many(), 20))
    app = start(answer=20, **base)
    assert told(app, "The baseline has not answered")
    drain(answering.answer_questions(bench, many(**one), 20))
    app = start(answer=20, **base)
    assert "on the 20 questions that both answered" in told(app, "Gain over the baseline")
    table = next(d.value for d in app.dataframe if "Verdict" in d.value.columns)
    assert table["Of"].tolist()[:3] == ["retrieval", "answers", "answers"] and table["Questions"].tolist()[:3] == [20] * 3
    first = answering.answer_set(bench, bench.evaluate(many()), 20).queries[0]
    app = start(answer=20, chosen=first.id, **base)
    assert len([caption for caption in app.caption if caption.value.startswith("Answer \\(") or "Answer (" in caption.value]) == 2


def test_a_model_that_is_not_there_leaves_retrieval_standing(bench):
    app = start(**{"generation.model": "/nowhere.gguf"})
    assert any("The model file is not there" in error.value for error in app.error)
    assert any("nDCG" in e.proto.body for e in app.get("html")) and app.dataframe


def test_without_references_there_is_no_panel(bench, monkeypatch):
    monkeypatch.setattr(answering, "can_be_judged", lambda query: False)
    assert not [box for box in start().number_input if box.key == "answer"]


@pytest.mark.parametrize("count", [1, 30])
def test_any_number_of_questions_can_be_answered(bench, reader, count):  # noqa: F811
    assert f"{count} of {count} context" in told(start(answer=count), "not answered")
