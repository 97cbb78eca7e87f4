"""The search of the first page: what holds the words, with a link to each thing."""

import pytest

from core.labs.experiments import book
from tests.labs.experiments.test_book import sizes
from tests.pages.test_overview import bench, ready  # noqa: F401
from tests.support.screen import html, visit
from tests.support.synthetic_trials import add_questions, add_trial

HOSTILE = "<img src=x onerror=alert(1)> **paper** [a](javascript:x)"


def links(app):
    return {one.proto.label: (one.proto.page, one.proto.query_string) for one in app.get("page_link")}


@pytest.mark.slow
def test_all_that_holds_the_words_is_shown_with_a_link(bench, monkeypatch):  # noqa: F811
    ready(bench, monkeypatch)
    questions = add_questions(bench.store)
    trial = add_trial(bench.store, questions)
    bench.describe(trial, "Tiny best", HOSTILE, ["paper"])
    book.save(bench, sizes(note=HOSTILE))
    app = visit("overview", {"find_all": "paper"})
    assert not app.exception and not app.error
    assert links(app)["Chunk sizes"][1] == "study=chunk-sizes" and links(app)["Tiny best"][1] == f"trials={trial}"
    assert "&lt;img src=x" in html(app) and "<img src=x" not in html(app)
    app.text_input(key="find_all").set_value("what is").run()
    assert "the first 8 of 40" in html(app)
    assert links(app)["What is 3 in tiny?"][1] == "corpus.dataset=tiny&tab=Questions&find_question=What+is+3+in+tiny%3F"
    app.text_input(key="find_all").set_value("zebra").run()
    assert any("Nothing that is stored" in caption.value for caption in app.caption)
    app.text_input(key="find_all").set_value("a " * 20).run()
    assert not app.exception and any("up to 12 words" in error.value for error in app.error)
    app.text_input(key="find_all").set_value("  ").run()
    assert not app.exception and not app.error


@pytest.mark.slow
def test_what_stands_below_is_found_by_its_name_its_corpus_and_what_it_varies(bench, monkeypatch):  # noqa: F811
    ready(bench, monkeypatch)
    trial = add_trial(bench.store, add_questions(bench.store), {"chunking.size_tokens": 508})
    book.save(bench, sizes())
    app = visit("overview", {"find_all": "hybrid 508"})
    for asked in ("hybrid 508", "convex", "CONVEX chunk", "tiny 508"):
        app.text_input(key="find_all").set_value(asked).run()
        assert links(app)["Hybrid convex, chunk 508"][1] == f"trials={trial}", asked
        assert "tiny" in html(app), "beside its corpus"
    app.text_input(key="find_all").set_value("sizes").run()
    assert links(app)["Chunk sizes"][1] == "study=chunk-sizes"
    app.text_input(key="find_all").set_value("python reference").run()
    assert links(app)["python-reference"][1] == "corpus.dataset=python-reference", "a corpus of the list below"
