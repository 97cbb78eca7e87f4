"""Agents, view Article: a draft with its evidence, a person's decision, publication, and the gate against people."""

import pytest

from core.articles.publishing import decide
from core.articles.writing import write_article
from core.progress import drain
from tests.articles.test_articles import TOPIC, template, truth  # noqa: F401
from tests.support.failing import RECIPE, recipe
from tests.support.screen import html, visit
from tests.support.scripted_agent import play


def opened(**address: object):
    app = visit("run_agent", {**RECIPE, "agents_view": "Article", **address})
    assert not app.exception and not app.error, [each.value for each in (*app.exception, *app.error)]
    return app


def pressed(app, label: str):
    return next(button for button in app.button if button.label == label)


@pytest.mark.slow
def test_an_article_is_written_decided_and_published_by_presses(bench, monkeypatch, started):
    play(monkeypatch, truth)
    app = opened()
    assert "No article yet" in html(app)
    assert any(caption.value.startswith("Give a topic and press Enter") for caption in app.caption)
    app.text_input(key="article_topic").set_value(TOPIC).run()
    pressed(app, "Write").click().run()
    assert started[0][:3] == ["articles", "write", TOPIC] and "--dataset" in started[0]
    made = drain(write_article(bench, recipe(), TOPIC))
    app = opened(article=made.id)
    table = next(frame.value for frame in app.dataframe if "Sentence" in frame.value.columns)
    assert table["Sentence"].tolist() == [each.text for each in made.draft] and table["Support"].min() > 0.5
    app.text_input(key=f"article_folder/{made.id}").set_value(str(bench.home / "out")).run()
    pressed(app, "Publish").click().run()
    assert started[1] == ["articles", "publish", made.id, str(bench.home / "out")]


@pytest.mark.slow
def test_what_the_gate_does_not_let_out_waits_for_a_person_who_says_why(bench, monkeypatch, started):
    play(monkeypatch, truth)
    monkeypatch.setattr("core.articles.rating.least_support", lambda: 1.1)
    made = drain(write_article(bench, recipe(), TOPIC))
    app = opened(article=made.id)
    told = app.warning[0].value
    assert "waits for a person" in told and "The gate does not accept it" in told
    assert pressed(app, "Accept it").disabled and "Give a name and a reason to decide." in [each.value for each in app.caption]
    app.text_input(key="article_who").set_value("the editor")
    app.text_input(key="article_why").set_value("checked by hand").run()
    pressed(app, "Accept it").click().run()
    assert started[0] == ["articles", "decide", made.id, "--who", "the editor", "--why", "checked by hand"]
    decide(bench, made.id, False, "the editor", "once more")
    pressed(opened(article=made.id), "Go on").click().run()
    assert started[1] == ["articles", "write", made.id]
    drain(write_article(bench, recipe(), made.id))
    assert not [button for button in opened(article=made.id).button if button.label == "Go on"]
    decide(bench, made.id, True, "the editor", "checked by hand")
    assert [button for button in opened(article=made.id).button if button.label == "Publish"]
