"""The SQL page reads what is stored, says its limits, and cannot do anything else."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from core.store import tables
from core.workbench import Workbench

MAIN = Path(__file__).parents[2] / "app" / "main.py"


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Workbench(tmp_path_factory.mktemp("home"))


@pytest.fixture(autouse=True)
def workbench(bench, monkeypatch):
    monkeypatch.setattr(session, "workbench", lambda: bench)
    return bench


def ask(sql: str) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=30).run()
    app = app.switch_page("../pages/query_store.py")
    app.query_params["sql"] = sql
    return app.run()


def test_a_query_in_the_address_is_run_and_its_rows_are_shown():
    app = ask("SELECT 6 * 7 AS answer, 'a' AS letter")
    assert not app.exception and not app.error
    assert app.dataframe[0].value.to_dict("records") == [{"answer": 42, "letter": "a"}]


def test_columns_of_one_name_are_told_apart():
    assert list(ask("SELECT 1 AS a, 2 AS a").dataframe[0].value.columns) == ["a", "a (2)"]


@pytest.mark.parametrize("sql", ["DROP TABLE trials", "SELECT 1; SELECT 2", "SELEC 1", "COPY (SELECT 1) TO '/tmp/out.csv'",
                                 "SELECT * FROM read_text('/etc/passwd')"])  # fmt: skip
def test_what_is_not_one_select_is_refused_in_words(sql):
    app = ask(sql)
    assert len(app.error) == 1 and not app.exception and not app.dataframe
    assert "Traceback" not in app.error[0].value


def test_every_example_runs_on_an_empty_store(bench):
    for title, sql in tables.EXAMPLES:
        assert bench.store.sql(sql).rows == [] or title


def test_an_example_fills_the_query():
    app = ask("SELECT 1")
    app.selectbox(key="example").set_value(tables.EXAMPLES[1][0]).run()
    assert app.text_area(key="sql").value == tables.EXAMPLES[1][1]
