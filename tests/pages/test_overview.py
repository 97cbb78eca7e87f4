"""The first page: what is here, what was tried, where to start; and the very first start, which prepares the corpus."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from core.workbench import Plan, Workbench

MAIN = Path(__file__).parents[2] / "app" / "main.py"


@pytest.fixture
def bench(tmp_path, monkeypatch):
    bench = Workbench(tmp_path)
    started = []
    monkeypatch.setattr(bench.jobs, "start", lambda arguments, label: started.append(list(arguments)) or "none")
    monkeypatch.setattr(session, "workbench", lambda: bench)
    bench.started = started
    return bench


def overview(**address: str) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=30)
    for key, value in address.items():
        app.query_params[key] = value
    return app


def html(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html"))


def ready(bench, monkeypatch, live: bool = True) -> None:
    monkeypatch.setattr(bench, "plan", lambda config: Plan(live, "embedding 909 texts", 30.0))


def test_the_very_first_start_prepares_the_built_in_corpus(bench, monkeypatch):
    ready(bench, monkeypatch, False)
    monkeypatch.setattr(bench.jobs, "start", lambda arguments, label: (_ for _ in ()).throw(Started(arguments)))
    app = overview().run()
    assert any("Started" in e.value for e in app.error)  # it was asked to start, by the default recipe alone


class Started(Exception):
    pass


def test_another_corpus_is_prepared_only_when_asked_for(bench, monkeypatch):
    ready(bench, monkeypatch, False)
    app = overview(**{"corpus.dataset": "python-api"}).run()
    assert not app.exception and not app.error and not bench.started
    button = next(b for b in app.button if b.label == "Prepare")
    assert any("909 texts" in m.value for m in app.markdown)
    button.click().run()
    assert bench.started == [["prepare", "--dataset", "python-api"]]


def test_a_ready_corpus_starts_nothing_and_the_page_says_what_is_here(bench, monkeypatch):
    ready(bench, monkeypatch)
    app = overview().run()
    assert not app.exception and not app.error and not bench.started
    names = [row for frame in app.dataframe for row in frame.value.get("Corpus", [])]
    assert "Python language reference" in names
    assert "No trials yet" in html(app)


def test_last_trials_are_listed_with_their_metrics(bench, monkeypatch):
    ready(bench, monkeypatch)
    row = {"id": "t", "created": "2026-01-01", "dataset": "tiny", "chunking": "recursive", "fusion": "convex", "status": "ok",
           "config": '{"evaluation": {"k": 5}}', "metrics": {"recall": 0.5, "ndcg_linear": 0.25}, "measured": 12}  # fmt: skip
    monkeypatch.setattr(bench, "trials", lambda *_: [row, {**row, "status": "failed", "metrics": None, "measured": None}])
    app = overview().run()
    assert not app.exception and not app.error
    table = next(frame.value for frame in app.dataframe if "Recipe" in frame.value)
    assert table.iloc[0]["Recall@5"] == 0.5 and table.iloc[0]["nDCG@5"] == 0.25


def test_the_first_page_loads_no_engine():
    import subprocess
    import sys

    code = (
        "import sys\nfrom streamlit.testing.v1 import AppTest\n"
        f"app = AppTest.from_file({str(MAIN)!r}, default_timeout=60).run()\n"
        "assert not app.exception, app.exception\n"
        "print(sorted({'torch', 'transformers', 'sentence_transformers', 'chromadb', 'llama_cpp', 'bm25s', 'plotly'} & set(sys.modules)))"
    )
    import os
    import tempfile

    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "GROUNDWORK_HOME": home, "PYTHONPATH": str(MAIN.parents[1])}
        address = code.replace(".run()\n", "\n", 1).replace("default_timeout=60)", "default_timeout=60)\napp.query_params['corpus.dataset'] = 'python-api'\napp.run()")
        done = subprocess.run([sys.executable, "-c", address], capture_output=True, text=True, env=environment, cwd=MAIN.parents[1])
    assert done.stdout.strip().endswith("[]"), done.stdout + done.stderr[-2000:]
