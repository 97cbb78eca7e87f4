"""The experiment of a session: chosen above the page, carried by the address, filled by the trials that are saved."""

import pytest
from streamlit.testing.v1 import AppTest

from core.labs.experiments import book
from core.labs.experiments.experiment import made
from core.progress import drain
from core.workbench import Workbench
from tests.app.test_frame import parameter
from tests.support.screen import visit
from tests.support.small_corpora import with_towns

HOSTILE = "<img src=x onerror=alert(1)> **bold** [a](javascript:x) $x$ :material/home:"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    questions = [
        {"id": "q1", "question": "Where does the Danube rise?", "document": "rivers.txt", "answer": "in the Black Forest"}
    ]
    texts = {"rivers.txt": "The Danube rises in the Black Forest. It flows through ten countries."}
    return with_towns(tmp_path_factory.mktemp("experiment"), texts, questions).home


def open_page(name="overview", **address) -> AppTest:
    return visit(name, {"corpus.dataset": "towns", "fusion.part": "sparse_only", **address})


def open_bar(**address) -> AppTest:
    """The bar of the page that the address names, without the page."""

    def script():
        import streamlit as st

        from app import session
        from app.ui import top_bar

        session.start(st.query_params.get("page", "a"))
        top_bar.draw()

    app = AppTest.from_function(script, default_timeout=120)
    for key, value in {"corpus.dataset": "towns", **address}.items():
        app.query_params[key] = value
    return app.run()


def box(app: AppTest):
    return next(one for one in app.selectbox if one.key == "of_experiment")


@pytest.mark.slow
def test_none_is_chosen_at_first_and_a_choice_goes_into_the_address_and_along(bench):
    book.save(bench, made({"title": "Sizes"}))
    app = open_bar()
    assert box(app).value == "" and "experiment" not in app.query_params
    box(app).set_value("sizes").run()
    assert not app.exception and parameter(app, "experiment") == "sizes"
    app.query_params["page"] = "b"
    del app.query_params["experiment"]  # a link within the app carries what it is for
    app.run()
    assert parameter(app, "experiment") == "sizes" and box(app).value == "sizes"
    box(app).set_value("").run()
    assert "experiment" not in app.query_params and not app.exception
    assert box(open_bar(experiment="sizes")).value == "sizes"


@pytest.mark.slow
def test_a_saved_trial_goes_into_it(bench):
    book.save(bench, made({"title": "Sizes"}))
    app = open_page("search_live", experiment="sizes")
    assert any("run --experiment sizes --dataset towns" in code.value for code in app.code)
    app = next(button for button in app.button if button.key == "save").click().run()
    assert not app.exception and not app.error
    [trial] = bench.trials()
    assert trial["sweep"] == "sizes" and book.experiments(bench)[0].trials == {"ok": 1}


@pytest.mark.slow
def test_a_title_that_is_typed_begins_one(bench):
    def script():
        import streamlit as st

        from app import session
        from app.ui import top_bar

        session.start("here")
        for typed in ("How long?", "how LONG", "   ", "?", None):
            st.session_state["of_experiment"] = typed
            top_bar._set_experiment()
            st.text(f"{session.experiment() or None} {session.told()}")

    app = AppTest.from_function(script, default_timeout=120).run()
    assert not app.exception and book.load(bench, "how-long").title == "How long?"
    assert [text.value for text in app.text] == [
        "how-long []",
        """how-long ["There is already an experiment 'how-long'."]""",
        "None []",
        "study []",
        "None []",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nothing", "../x", "<b>x</b>", "x" * 5000])
def test_one_that_is_not_here_is_told_and_left(bench, name):
    def script():
        import streamlit as st

        from app import session

        session.start("here")
        st.text(" ".join(session.told()))

    app = AppTest.from_function(script, default_timeout=120)
    app.query_params["experiment"] = name
    app.run()
    assert not app.exception and "experiment" not in app.query_params
    assert app.text[0].value == f"A setting in the address was left out: experiment={name[:80]}: there is no such experiment."
    page = open_bar(experiment=name)
    assert not page.exception and box(page).value == ""


@pytest.mark.slow
def test_archived_ones_are_not_offered_and_equal_titles_are_told_apart(bench):
    for name, title in (("a", "Twin"), ("b", "Twin"), ("c", "No experiment"), ("d", HOSTILE[:190]), ("e", "Old")):
        book.save(bench, made({"id": name, "title": title}))
    book.archive(bench, "e")
    app = open_bar()
    assert not app.exception
    assert sorted(box(app).options) == sorted(["No experiment", "Twin (a)", "Twin (b)", "No experiment (c)", HOSTILE[:51] + "…"])
    assert box(open_bar(experiment="e")).value == "e", "an address may lead to it"
    for name in "abcd":
        box(app).set_value(name).run()
        assert not app.exception and parameter(app, "experiment") == name


@pytest.mark.slow
def test_the_bar_asks_the_database_nothing(bench, monkeypatch):
    book.save(bench, made({"title": "Sizes"}))
    bench.store.fold()
    asked = []
    monkeypatch.setattr(type(bench.store), "query", lambda store, *words: asked.append(words) or [])
    app = open_bar(experiment="sizes")
    assert box(app).value == "sizes" and not app.exception and asked == []


@pytest.mark.slow
def test_the_command_line_puts_a_trial_into_it_too(bench, capsys, monkeypatch):
    from core.__main__ import main

    monkeypatch.setenv("GROUNDWORK_HOME", str(bench.home))
    words = ["run", "--dataset", "towns", "--set", "fusion.part=sparse_only", "--json", "--experiment"]
    assert main([*words, "sizes"]) == 1 and "no experiment 'sizes'" in capsys.readouterr().out
    book.save(bench, made({"title": "Sizes"}))
    assert main([*words, "sizes"]) == 0
    assert [row["sweep"] for row in Workbench(bench.home).trials()] == ["sizes"]
    assert drain(bench.store.verify()).ok
