"""The view Another system of Score answers: what is asked and what is wrong with it, then the system against the recipe."""

import pytest

from core.labs.answers.answering import answer_questions
from core.labs.systems import asking, comparing
from core.progress import drain
from tests.pages.test_score_answers import by_key, start, template  # noqa: F401
from tests.support.failing import recipe
from tests.support.foreign_rag import BODY, PLACES, answered
from tests.support.screen import html

VIEW = {"view": "Another system", "system_questions": "6"}


def filled(app, **fields: str):
    for name, value in fields.items():
        by_key(app.text_input, f"system_{name}").set_value(value)
    return app.run()


def words(app) -> str:
    return " ".join(str(each.value) for each in (*app.caption, *app.warning)) + html(app)


@pytest.mark.slow
def test_a_system_is_named_and_its_job_told_before_the_press(bench, reader, started):
    app = start(**VIEW)
    assert "No other system was asked yet" in html(app) and "sent to that address" in words(app)
    assert "start/systems/ask" not in [button.key for button in app.button]
    app = filled(app, name="mine", url="ftp://x")
    assert "cannot be asked" in words(app) and not app.exception
    app = filled(app, url="http://127.0.0.1:9", key="THEIR_KEY")
    assert "of this name holds a key" in words(app)
    app = filled(app, key="")
    assert "6 questions, roughly" in words(app)
    by_key(app.button, "start/systems/ask").click().run()
    about = ["--ask", "6", *bench.arguments(recipe())]
    assert started == [["systems", "ask", "mine", "--url", "http://127.0.0.1:9", "--speaks", "groundwork", *about]]


@pytest.mark.slow
def test_what_it_speaks_says_what_else_is_asked(bench, reader, started):
    app = filled(start(**VIEW), name="mine", url="http://127.0.0.1:9")
    by_key(app.get("button_group"), "system_speaks").set_value("OpenAI chat").run()
    assert "name of a model" in words(app)
    app = filled(app, model="m-1")
    by_key(app.button, "start/systems/ask").click().run()
    by_key(app.get("button_group"), "system_speaks").set_value("JSON").run()
    assert "where the reply holds" in words(app)
    app = filled(app, body=BODY, **PLACES)
    by_key(app.toggle, "system_again").set_value(True).run()
    by_key(app.button, "start/systems/ask").click().run()
    assert started[0][3:9] == ["--url", "http://127.0.0.1:9", "--speaks", "openai", "--model", "m-1"]
    assert "--again" in started[1] and "answer=result.text" in started[1] and BODY in started[1]


@pytest.mark.slow
def test_it_is_held_against_the_recipe(bench, reader, started, shown_commands):
    drain(asking.ask_system(bench, recipe(), "mine", answered, 6))
    app = start(**VIEW)
    app = filled(app, name="mine", url="http://127.0.0.1:9")
    assert "was asked all of these" in words(app)
    rankings = next(each.value for each in app.dataframe)
    assert set(rankings["Of"]) == {"rankings"} and "6 of 6 questions" in words(app)
    by_key(app.button, "start/systems/compare").click().run()
    command = ["systems", "compare", "mine", "--ask", "6", *bench.arguments(recipe())]
    assert started == [command] and not reader.prompts
    drain(answer_questions(bench, recipe(), 6))
    app = start(**VIEW)
    made = comparing.standing(bench, bench.evaluate(recipe()), ["mine"], 6)
    table = next(each.value for each in app.dataframe)
    assert table["Measure"].tolist() == [row["label"] for row in comparing.rows(made)] and {"answers"} < set(table["Of"])
    assert table["n"].tolist() == [row["n"] for row in comparing.rows(made)]
    assert any("systems compare mine --ask 6" in command for command in shown_commands)
    app = start(**VIEW | {"source": "Stored answers", "view": "Scores", "system": "mine"})
    assert by_key(app.selectbox, "system").value == "mine" and not app.exception


@pytest.mark.slow
def test_of_other_questions_it_says_that_it_was_asked_none_of_these(bench, reader, started):
    first, corpus = asking.draw(bench.corpus(recipe()), 0, 1), bench.corpus(recipe())
    seed = next(seed for seed in range(1, 20) if asking.draw(corpus, seed, 1) != first)
    drain(asking.ask_system(bench, recipe(seed=seed), "mine", answered, 1))
    app = start(**VIEW | {"system_questions": "1"})
    assert not app.exception and "asked none of these questions" in html(app)
