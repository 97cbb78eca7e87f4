"""The SQL page reads what is stored, says its limits, and cannot do anything else."""

import pyarrow
import pytest
from pandas import Series
from streamlit.testing.v1 import AppTest

from app import session
from app.ui.store import rows
from core.labs.store import query as labs_store
from core.store import tables
from core.workbench import Workbench
from tests.support.screen import visit
from tests.support.synthetic_trials import add_questions, add_trial


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Workbench(tmp_path_factory.mktemp("home"))


@pytest.fixture(autouse=True)
def workbench(bench, monkeypatch):
    monkeypatch.setattr(session, "workbench", lambda: bench)
    # a busy machine takes small queries for slow ones
    monkeypatch.setattr(labs_store, "LIMITS", labs_store.LIMITS._replace(seconds=25.0))
    return bench


def opened(sql: str) -> AppTest:
    return visit("query_store", {"sql": sql})


def ask(sql: str) -> AppTest:
    app = opened(sql)
    return next(button for button in app.button if button.label == "Run").click().run()


def table(app: AppTest):
    assert app.dataframe, [error.value for error in app.error] or "the page shows no table"
    return app.dataframe[0].value


@pytest.mark.slow
def test_a_query_in_the_address_waits_to_be_read_and_runs_when_asked_to(bench, monkeypatch):
    asked, answer = [], bench.store.sql
    monkeypatch.setattr(bench.store, "sql", lambda text, **more: asked.append(text) or answer(text, **more))
    text = "SELECT 6 * 7 AS answer, 'a' AS letter"
    app = opened(text)
    assert app.text_area(key="sql").value == text and not app.dataframe and not asked
    app = next(button for button in app.button if button.label == "Run").click().run()
    assert not app.exception and not app.error
    assert table(app).to_dict("records") == [{"answer": 42, "letter": "a"}]
    assert app.run().dataframe and asked == [text], "what else happens on the page runs it no more"
    app.text_area(key="sql").set_value("SELECT 2 AS b").run()
    assert table(app).to_dict("records") == [{"b": 2}], "typed here, it runs at once"


@pytest.mark.slow
def test_an_empty_box_says_what_to_do_and_its_button_asks_the_first_example():
    app = opened(" ")
    run = next(button for button in app.button if button.label == "Run")
    assert run.disabled and run.proto.type == "secondary" and "start from an example" in "".join(each.value for each in app.html)
    first, text = tables.EXAMPLES[0]
    app = next(button for button in app.button if button.label == first).click().run()
    assert not app.exception and app.text_area(key="sql").value == text
    assert not next(button for button in app.button if button.label == "Run").disabled and "No query" not in str(app.html)


def test_a_query_that_finds_nothing_leads_to_where_trials_are_made():
    app = ask("SELECT 1 AS one WHERE false")
    assert not app.dataframe and next(button for button in app.button if button.label == "Open Search, live")
    assert [button.label for button in app.button if button.proto.type == "primary"] == ["Run"]


@pytest.mark.slow
def test_an_error_keeps_its_lines_long_cells_and_columns_of_one_name_are_told_and_an_example_fills_the_query():
    app = ask("SELECT 1 AS a, SELEC FROM")
    [error] = app.error
    head, code = error.value.split("\n\n", 1)
    assert head.startswith("**") and head.endswith("**") and "**" not in code
    fence, line, caret, end = code.splitlines()[:4]
    assert fence == "```text" and end == "```"
    assert line.startswith("LINE 1: SELECT 1 AS a") and "\\" not in line
    assert caret.strip("^ ") == "" and line[caret.index("^") :].startswith("FROM")
    app.text_area(key="sql").set_value("SELECT repeat('x', 20000) AS a, 2 AS a").run()
    assert "1 cell cut at 10,000 characters" in "".join(html.value for html in app.html)
    assert list(table(app).columns) == ["a", "a (2)"] and len(table(app)["a"][0]) == 10_001
    app.selectbox(key="example").set_value(tables.EXAMPLES[1][0]).run()
    assert app.text_area(key="sql").value == tables.EXAMPLES[1][1]


@pytest.mark.slow
def test_the_best_trial_on_each_corpus_is_an_example_and_a_trial_is_a_link(bench, monkeypatch):
    title, text = tables.EXAMPLES[0]
    assert "best trial" in title and bench.store.sql(text).rows == []
    trial_id = bench.store.add(
        "trial",
        {
            "config": {"corpus": {"dataset": "toy"}},
            "questions_fingerprint": "set",
            "rankings": {},
            "config_fingerprint": "c",
            "seed": 1,
            "status": "ok",
            "chunks": [],
        },
    )
    app = ask("SELECT id AS trial, 'x' AS other FROM trials")
    assert table(app).to_dict("records") == [{"trial": f"/compare_trials?trials={trial_id}", "other": "x"}]


def test_means_have_three_decimals_and_no_small_p_becomes_zero():
    assert [rows._pattern(Series(values)) for values in ([0.54, None, 0.0], [1e-6, 0.5], [12345.6])] == ["%.3f", "%.4g", "%.4g"]


def test_whole_numbers_beside_null_stay_whole(bench):
    answered = labs_store.answered(bench, "SELECT 9007199254740993 AS large, 1.5 AS other UNION ALL SELECT NULL, NULL")
    frame, looks = rows.linked(answered)
    assert frame["large"].tolist() == [9007199254740993, None] and list(looks) == ["other"]
    assert str(pyarrow.Table.from_pandas(frame).schema.field("large").type) == "int64", "as the page is sent it"


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """A store of its own with one question set of a corpus, and a half of it."""
    bench = Workbench(tmp_path)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    return bench.store, add_questions(bench.store), add_questions(bench.store, n=20, name="half")


@pytest.mark.slow
def test_of_each_corpus_one_best_trial_is_told_by_name_and_an_answer_follows_the_store(stored, monkeypatch):
    monkeypatch.setattr("app.ui.store.query.AT_ONCE_S", float("inf"))
    store, whole, half = stored
    add_trial(store, half, quality=1.0)
    add_trial(store, whole, {"fusion.part": "rrf"}, quality=0.1)
    app = visit("query_store")

    def rows():
        return table(app).to_dict("records")

    [row] = rows()
    assert row["name"] == "Hybrid RRF, defaults" and row["questions"] == 40 and 0 < row["nDCG@10"] < 1
    named, later = (add_trial(store, whole, {"fusion.part": "sparse_only"}, seed=1) for _ in range(2))
    app = app.switch_page("../pages/search_live.py").switch_page("../pages/query_store.py").run()
    assert [(row["trial"], row["name"]) for row in rows()] == [(f"/compare_trials?trials={later}", "BM25, defaults")]
    store_note = session.workbench().describe(named, name="BM25")
    app = app.run()
    assert store_note["name"] == "BM25" and [row["name"] for row in rows()] == ["BM25"]


@pytest.mark.slow
def test_a_slow_answer_is_not_asked_for_again_but_told_to_be_old(stored):
    store, whole, _ = stored
    app = ask("SELECT count(*) AS trials FROM trials")
    answered = app.session_state["sql_answer"]
    app.session_state["sql_answer"] = answered._replace(seconds=5.0)
    add_trial(store, whole)
    app = app.run()
    assert table(app)["trials"].tolist() == [0]
    assert [one.value for one in app.warning] == ["New records were stored since this result. Press Run for the latest."]
    app = next(button for button in app.button if button.label == "Run").click().run()
    assert table(app)["trials"].tolist() == [1] and not app.warning


@pytest.mark.slow
def test_what_is_not_one_select_is_refused_in_words():
    app = opened("")
    for sql in (
        "DROP TABLE trials",
        "SELECT 1; SELECT 2",
        "SELEC 1",
        "COPY (SELECT 1) TO '/tmp/out.csv'",
        "SELECT * FROM read_text('/etc/passwd')",
    ):
        app.text_area(key="sql").set_value(sql).run()
        assert len(app.error) == 1 and not app.exception and not app.dataframe, sql
        assert "Traceback" not in app.error[0].value


def test_every_example_runs_on_an_empty_store(bench):
    for title, sql in tables.EXAMPLES:
        assert bench.store.sql(sql).columns, title
