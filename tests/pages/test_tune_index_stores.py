"""The tab Vector stores: before anything was tried its buttons and prices, afterwards what the records say."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from app.ui.index import stores
from core.config import TrialConfig, with_settings
from core.labs.stores import answers, tables
from core.labs.stores.bench import STORES, StoreRecorder
from core.labs.stores.store import Absent
from core.progress import drain
from core.workbench import Workbench
from tests.support.screen import html, visit
from tests.support.small_corpora import markets, with_towns

TOWNS = ("Lund", "Gent", "Pisa", "Bari", "Metz", "Cork")
ADDRESS = {"corpus.dataset": "towns", "index.part": "exact", "evaluation.k": 3, "fusion.part": "dense_only"}
pytestmark = pytest.mark.slow  # each embeds a corpus and draws a whole page


@pytest.fixture
def bench(tmp_path, monkeypatch):
    bench = with_towns(tmp_path / "towns", *markets(TOWNS))
    monkeypatch.setattr(session, "workbench", lambda: bench)
    return bench


def page() -> AppTest:
    app = visit("tune_index", ADDRESS, view="Vector stores")
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    return " ".join(each.value for each in [*app.markdown, *app.caption]).replace("\\", "").replace(":small[]", "")


def record(bench: Workbench) -> None:
    recorder, lance = StoreRecorder(bench), STORES["lancedb"]
    number = {"value": 1.0, "low": 0.9, "high": 1.1, "repeats": [0.9, 1.0, 1.1], "size": 106, "dataset": "towns", "unit": "ms"}
    detail = {"setting": "nprobes", "effort": 4, "by_default": 3.6, "wanted": 10, "way": "before the search", "plan": ""}
    quantities = ("recall", "load", "bytes", "search_p50", "search_p99", "writes", "mixed_p50", "mixed_p99")
    for quantity in quantities:
        more = {"writers": 1} if quantity == "writes" else {}
        recorder.keep("store_measurements", lance, quantity, number | more | {"quantity": quantity, "detail": detail})
    for writers in (2, 4):
        recorder.keep(
            "store_measurements", lance, f"writes/{writers}", number | {"quantity": "writes", "writers": writers, "detail": {}}
        )
    for quantity in ("rows_returned", "search_p99", "search_p50", "filtered_recall"):
        recorder.keep(
            "store_measurements",
            lance,
            f"{quantity}/10",
            number
            | {"quantity": quantity, "below": 10, "value": 1.0 if quantity == "filtered_recall" else 10.0, "detail": detail},
        )
    drawn = [
        {"agent": a, "number": 0, "began": a, "read_at": a + 1, "ended": a + 5, "acknowledged": True, "lost": a < 3}
        for a in range(4)
    ]
    counts = {
        "operations": 4,
        "acknowledged": 4,
        "failed": 0,
        "retries": 0,
        "duplicated": 0,
        "stale": 0,
        "skewed": 0,
        "seconds": 1.0,
    }
    for arm, lost in (("naive", 3), ("right", 0)):
        row = counts | {"workload": "list", "arm": arm, "lost": lost, "p50_ms": 1.0, "p99_ms": 2.0, "history": drawn}
        recorder.keep("store_histories", lance, f"list/{arm}", row)
        recorder.keep("store_histories", lance, f"counter/{arm}", row | {"workload": "counter", "history": []})
    row = {"moments": 5, "killed": "the process that writes", "acknowledged": 90, "missing": 2, "beyond": 0, "unreadable": 0}
    recorder.keep("store_kills", lance, "durable=True", row | {"reopen_s": [0.1, 0.2], "by_moment": []})
    recorder.left_out("measure", {"cockroach": Absent("No server was named.", "--cockroach NAME")})


def test_before_anything_was_tried_it_offers_its_buttons_with_what_each_takes(bench):
    app = page()
    assert "No store was tried yet" in html(app)
    labels = {button.label for button in app.button}
    assert {"Let four agents write", "Measure all stores", "Kill while they write", "Compare the answers"} <= labels
    assert "Four agents on each store" in words(app) and "All stores at 106 rows" in words(app)


def test_it_draws_what_the_records_say(bench):
    record(bench)
    app = page()
    said = words(app)
    assert "loses 3 of 4 in LanceDB, without an error" in said and "a lock of one's own around LanceDB" in said
    assert "Too few rows by their own defaults: LanceDB (3.6 of 10 at 1%)" in said and "(2 of 90)" in said
    assert "CockroachDB: No server was named. --cockroach NAME (measure)" in said
    assert app.selectbox(key="store_history").options == [
        "LanceDB: reads a list, appends, writes it, naive",
        "LanceDB: reads a list, appends, writes it, right",
    ]
    frames = {tuple(frame.value.columns): frame.value for frame in app.dataframe}
    drawn = [tables.table(bench, name) for name in tables.TABLES]
    for table in drawn:
        frame = frames[tuple(column.title for column in table.columns)]
        assert len(frame) == len(table.rows)
    *_, nodes, leaves = json.loads(app.get("plotly_chart")[0].proto.spec)["data"]
    assert [text.replace("<br>", " ") for text in leaves["text"]] == [
        "<b>LanceDB</b> 4 updates/s of one counter by a lock of our own around reading and writing",
        "none of those tried kept every confirmed row",
        "<b>LanceDB</b> p99 10.00 ms at recall 0.95 where 1% of 106 rows are left",
        "<b>LanceDB</b> 1.00 ms at recall 0.95",
        "not measured; python -m core stores measure --sizes N would decide it",
    ]
    assert nodes["text"][-2:] == ["Are there at most 106 rows?", "Are there more rows?"]
    kill = next(frame for frame in frames.values() if "Missing" in frame.columns)
    assert kill["Missing"].tolist() == [2] and kill["Missing, share"].tolist() == ["0.6% to 7.7%"]


def test_what_a_store_costs_the_answer_is_shown_for_the_recipe_that_it_was_made_of(bench, monkeypatch):
    monkeypatch.setattr(answers, "PARTS", {"faiss": {"part": "faiss_hnsw"}})
    drain(answers.answers(bench, with_settings(TrialConfig(), {**ADDRESS, "evaluation.k": 5}), answers.AnswersPlan()))
    assert "What a store costs the answer" not in words(page())
    drain(answers.answers(bench, with_settings(TrialConfig(), ADDRESS), answers.AnswersPlan()))
    app = page()
    assert "What a store costs the answer" in words(app)
    [frame] = [frame.value for frame in app.dataframe if "Exact search" in frame.value.columns]
    assert frame["Of"].tolist() == ["nDCG@3", "Token F1"] and frame["Questions"].tolist() == [6, 6]


def test_the_axis_of_writers_is_that_of_the_curves_that_are_drawn():
    row = {"title": "Chroma", "setting": "log", "writers": 1, "value": 20.0, "low": 10.0, "high": 30.0}
    memory = row | {"title": "FAISS HNSW", "value": 9000.0, "low": 8000.0, "high": 9500.0}  # of one writer alone
    drawn = stores.writers([row | {"writers": 4}, memory, row])
    curves = [trace for trace in drawn["data"] if trace.get("mode") == "lines+markers"]
    assert [(curve["name"], curve["x"]) for curve in curves] == [("Chroma", [1, 4])]
    assert 30 < 10 ** drawn["layout"]["yaxis"]["range"][1] < 100
