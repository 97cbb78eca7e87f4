"""The first page: what is here, what was tried, where to start; and the very first start, which prepares the corpus."""

import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from app import session
from app.ui import cells, jobs
from core.jobs.jobs import Job
from core.labs.experiments import book
from core.labs.papers import paper as papers
from core.labs.path import steps
from core.labs.trials import comparison
from core.labs.trials.leaderboard import leaderboard
from core.pipeline.speed import Estimate
from core.workbench import Phase, Plan, Workbench
from tests.support.annotated import frozen_study, judge_all
from tests.support.prices import prices
from tests.support.screen import MAIN, html, visit
from tests.support.synthetic_trials import add_failed, add_questions, add_trial

MINE = """title: My own set
description: Documents of a folder.
loader: {part: beir}
licence: none
citation: none
homepage: https://example.invalid/
"""
ENGINES = ("torch", "transformers", "sentence_transformers", "chromadb", "llama_cpp", "bm25s", "sklearn")


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A workbench whose jobs are only noted: `started`."""
    bench = Workbench(tmp_path)
    bench.started = []

    def start(arguments, label, *_):
        now = time.time()
        bench.started.append(
            Job(f"job{len(bench.started)}", label, tuple(arguments), "running", now, done=3, total=9, phase_began=now)
        )
        return bench.started[-1].id

    monkeypatch.setattr(bench.jobs, "start", start)
    monkeypatch.setattr(bench.jobs, "list", lambda: bench.started[::-1])
    monkeypatch.setattr(bench.jobs, "get", lambda id: next(job for job in bench.started if job.id == id))
    monkeypatch.setattr(session, "workbench", lambda: bench)
    return bench


def links_of(app) -> list[str]:
    return [link.proto.label.replace("\\:", ":") for link in app.get("page_link")]


def ready(bench, monkeypatch, live: bool = True) -> None:
    monkeypatch.setattr(bench, "plan", lambda config: Plan(live, (Phase("embedding 909 texts", Estimate(20.0, 30.0)),)))


@pytest.mark.slow
def test_the_very_first_start_prepares_the_built_in_corpus_with_progress_and_cancel(bench, monkeypatch):
    ready(bench, monkeypatch, False)
    app = visit("overview")
    assert not app.exception and not app.error
    assert [job.arguments for job in bench.started] == [("prepare", "--dataset", "python-reference")]
    assert "3 of 9" in html(app) and any(b.label == "Cancel" for b in app.button)


@pytest.mark.slow
def test_a_job_that_died_is_told_and_can_be_resumed(bench, monkeypatch):
    ready(bench, monkeypatch, False)
    command = ("prepare", "--dataset", "python-reference")
    job = Job("a", "Preparing python-reference", command, "died", time.time(), expected=(90.0, 240.0), error="Killed: 9")
    bench.started.append(job)
    resumed = []
    monkeypatch.setattr(bench.jobs, "resume", resumed.append)
    app = visit("overview")
    assert "Killed: 9" in [t.value for t in app.text]
    assert any("At most the whole again" in caption.value and "1.5 to 4 min" in caption.value for caption in app.caption)
    next(b for b in app.button if b.label == "Resume").click().run()
    assert resumed == ["a"]


@pytest.mark.slow
def test_a_job_that_is_silent_is_told_so_and_works_on_unless_it_is_cancelled(bench, monkeypatch):
    """Its heart is late, as on a machine that is short of processors: to resume it would kill it, and begin again."""
    ready(bench, monkeypatch, False)
    command = ("prepare", "--dataset", "python-reference")
    silent = Job("a", "Preparing python-reference", command, "died", time.time(), error="It does not respond.", hangs=True)
    bench.started.append(silent)
    app = visit("overview")
    labels = [button.label for button in app.button]
    assert "does not respond" in html(app) and "Cancel" in labels and "Resume" not in labels
    assert any("Nothing was heard of it" in each.value and "goes on by itself" in each.value for each in app.caption)
    assert jobs.active() == [silent], "the page and its bar go on looking"
    bench.started[:] = [replace(silent, status="running", error="", hangs=False, done=4, total=9, phase_began=time.time())]
    app = app.run()
    assert "4 of 9" in html(app) and "does not respond" not in html(app)


@pytest.mark.slow
def test_a_job_that_was_refused_is_told_so_and_is_not_resumed(bench, monkeypatch):
    ready(bench, monkeypatch)
    why = "Faithfulness of 13 answers is 0.909: its lower end is not at least 0.95."
    bench.started.append(
        Job("a", "Publishing strict", ("serving", "publish", "strict"), "failed", time.time(), error=why, refused=True)
    )
    app = visit("overview", {"job": "a"})
    assert (
        "<span>refused</span>" in html(app)
        and '<div class="gw-bar">' not in html(app)
        and why in [each.value for each in app.text]
    )
    assert "Resume" not in [button.label for button in app.button]


@pytest.mark.slow
def test_what_is_up_is_told_and_can_be_stopped(bench, monkeypatch):
    ready(bench, monkeypatch)
    up = Job("a", "Serving towns", ("serve", "--published", "towns"), "up", 0.0, message="Up here", started=1.0, heartbeat=126.0)
    bench.started.append(up)
    stopped = []
    monkeypatch.setattr(bench.jobs, "cancel", stopped.append)
    app = visit("overview")
    assert not app.exception and "Up here · for 2:05 min" in html(app)
    next(b for b in app.button if b.label == "Stop").click().run()
    assert stopped == ["a"]


@pytest.mark.slow
def test_another_corpus_is_prepared_only_when_asked_for(bench, monkeypatch):
    ready(bench, monkeypatch, False)
    app = visit("overview", {"corpus.dataset": "python-api"})
    assert not app.exception and not app.error and not bench.started
    button = next(b for b in app.button if b.label == "Prepare")
    assert prices(app) == ["Embedding 909 texts, 20 to 30 s"]
    button.click().run()
    assert [job.arguments for job in bench.started] == [("prepare", "--dataset", "python-api")]


@pytest.mark.slow
def test_a_ready_corpus_starts_nothing_and_the_page_says_what_is_here(bench, monkeypatch):
    ready(bench, monkeypatch)
    app = visit("overview")
    assert not app.exception and not app.error and not bench.started
    names = [row for frame in app.dataframe for row in frame.value.get("Corpus", [])]
    assert "python-reference" in names, "as in the bar, in trials and in commands"
    assert "No trials yet" in html(app)


@pytest.mark.slow
def test_last_trials_are_called_by_what_differs(bench, monkeypatch):
    ready(bench, monkeypatch)
    questions = add_questions(bench.store)
    add_trial(bench.store, questions, seed=1)
    add_trial(bench.store, questions, {"chunking.size_tokens": 512}, seed=2)
    add_failed(bench.store)
    app = visit("overview")
    assert not app.exception and not app.error
    table = next(frame.value for frame in app.dataframe if "Trial" in frame.value)
    assert table["Trial"].tolist() == ["Hybrid convex, defaults", "Hybrid convex, chunk 512", "Hybrid convex, defaults"]
    assert table["Status"].tolist() == ["failed", "ok", "ok"]
    assert table["n"].tolist()[1:] == [39, 39] and table["nDCG@10"].tolist()[0] == ""
    for told, trial in zip(table["nDCG@10"].tolist()[1:], comparison.trials(bench)[1:], strict=True):
        row = leaderboard(bench, [trial], "ndcg_linear").rows[0].interval
        assert told == f"{trial.metrics['ndcg_linear']:.3f} ({row.low:.3f} to {row.high:.3f})"


@pytest.mark.slow
def test_last_trials_of_several_corpora_stand_beside_their_corpus(bench, monkeypatch):
    ready(bench, monkeypatch)
    for of in ("hills", "plains"):
        add_trial(bench.store, add_questions(bench.store, name=of, dataset=of))
    looks, show = {}, cells.show
    monkeypatch.setattr(
        cells, "show", lambda data, own, key="", **more: looks.update({key: own}) or show(data, own, key=key, **more)
    )
    table = next(frame.value for frame in visit("overview").dataframe if "Trial" in frame.value)
    assert list(table)[:2] == ["Trial", "Corpus"] and table["Corpus"].tolist() == ["plains", "hills"]
    assert sum(looks["last_trials"][name]["width"] for name in list(table)[:3]) < 560, (
        "name, corpus and metric are in sight in any window"
    )


@pytest.mark.slow
def test_the_same_recipe_on_both_halves_is_told_apart(bench, monkeypatch):
    ready(bench, monkeypatch)
    questions = add_questions(bench.store)
    for seed, half in enumerate(("dev", "test")):
        add_trial(bench.store, questions, {"corpus.questions": half}, seed=seed)
    table = next(frame.value for frame in visit("overview").dataframe if "Trial" in frame.value)
    assert len(set(table["Trial"])) == 1 and [corpus.split(", ")[1] for corpus in table["Corpus"]] == ["test", "dev"]


@pytest.mark.slow
def test_it_says_what_it_is_and_what_is_here_comes_before_what_could_be_downloaded(bench, monkeypatch):
    ready(bench, monkeypatch)
    folder = bench.home / "datasets" / "mine"
    folder.mkdir(parents=True)
    (folder / "card.yaml").write_text(MINE)
    (folder / "corpus.jsonl").write_text('{"_id": "d1", "text": "The Danube rises in the Black Forest."}\n')
    app = visit("overview")
    assert not app.exception and not app.error
    assert any("research workbench for retrieval-augmented generation" in caption.value for caption in app.caption)
    here, absent = [frame.value for frame in app.dataframe if "Corpus" in frame.value]
    origins = dict(zip(here["Corpus"], here["From"], strict=True))
    assert (
        here.loc[here["In use"] != "", "Corpus"].tolist() == ["python-reference"] and origins["python-api"] == "made on first use"
    )
    assert origins["python-reference"] == "built in" and origins["mine"] == "own data folder"
    assert len(absent) == sum(s.kind == "downloadable" and not s.present for s in bench.datasets()) and "From" not in absent


@pytest.mark.slow
def test_who_comes_back_goes_on_where_they_were(bench, monkeypatch):
    ready(bench, monkeypatch)
    assert "Go on" not in [head.value for head in visit("overview").subheader]
    visit("query_store", {"fusion.weight": "0.25", "baseline.fusion.part": "sparse_only"})
    study, paper = book.create(bench, "Sizes of chunks"), papers.create(bench, "On fusion")
    frozen = frozen_study(bench)
    judge_all(bench, frozen)
    bench.started.append(Job("j", "Preparing hills", ("prepare",), "failed", 0.0, finished=time.time() + 1))
    app = visit("overview")
    assert not app.exception and not app.error and "Go on" in [head.value for head in app.subheader]
    pages = [link.proto.page + "?" + link.proto.query_string for link in app.get("page_link")]
    links = dict(zip(links_of(app), pages, strict=True))
    assert "fusion.weight=0.25" in links["Back to SQL"] and "baseline.fusion.part" in links["Back to SQL"]
    assert links["Experiment: Sizes of chunks"].endswith(f"run_study?study={study.id}")
    assert links["Paper: On fusion"].endswith(f"write_paper?paper={paper.id}") and links["Preparing hills"].endswith("?job=j")
    told = html(app)
    assert "weight 0.25, compared with BM25, defaults, on python-reference" in told and "on python-reference, not started" in told
    done = sum(one["complete"] for one in bench.store.labels.current(frozen.study.id).values())
    assert f"{frozen.round} round, {done} of {done} screens labelled" in told and "nothing in it yet" in told


def test_what_leads_to_the_same_place_has_one_line(bench, monkeypatch):
    ready(bench, monkeypatch)
    paper, ended = papers.create(bench, "On fusion"), time.time() + 60
    visit("write_paper", {"paper": paper.id})
    for job, label, of, status in (
        ("a", "Bundle", paper.id, "done"),
        ("b", "Report", paper.id, "failed"),
        ("c", "Other", "x", "done"),
    ):
        bench.started.append(Job(job, f"{label} of {of}", ("export", of), status, 0.0, finished=ended))
    app = visit("overview")
    labels = links_of(app)
    assert "Back to Write a paper" in labels and "Paper: On fusion" not in labels, "the page left last is the paper's"
    assert "Paper: On fusion · nothing in it yet" in html(app)
    assert "Report of on-fusion" in labels and "Other of x" in labels and "Bundle of on-fusion" not in labels
    visit("query_store")
    assert "Paper: On fusion" in links_of(visit("overview"))


def test_a_trial_of_one_question_stands_among_the_last_ones(bench, monkeypatch):
    ready(bench, monkeypatch)
    add_trial(bench.store, add_questions(bench.store, n=1, name="single", dataset="single", unanswerable=0), quality=1.0)
    app = visit("overview")
    table = next(frame.value for frame in app.dataframe if "Trial" in frame.value)
    assert not app.error and (table["n"][0], table.iloc[0, 2]) == (1, "1.000")


def test_who_begins_is_led_to_own_documents(bench, monkeypatch):
    ready(bench, monkeypatch)
    [link] = [link for link in visit("overview").get("page_link") if "Use your own documents" in link.proto.label]
    assert link.proto.page == "browse_corpus" and link.proto.query_string == "tab=Own+documents"


def asked(app) -> list[str]:
    return [element.value for element in app.markdown if element.value.startswith("**A first question")]


def test_the_first_question_is_of_the_corpus_measured_last_and_gone_once_there_is_a_paper(bench, monkeypatch):
    ready(bench, monkeypatch)
    [title] = asked(visit("overview"))
    assert "does hybrid search help on python-reference" in title
    for _ in bench.library.ingest("hills", [("a.txt", b"The hill.")], ("q.csv", b"question,document\nWhich?,a.txt\n")):
        pass
    add_trial(bench.store, add_questions(bench.store, name="hills", dataset="hills"))
    assert asked(visit("overview")) == [], "measured without the question"
    book.create(bench, steps.first_question("hills"))
    [title] = asked(visit("overview"))
    assert "hills" in title
    papers.create(bench, "On hills")
    assert asked(visit("overview")) == []


@pytest.mark.slow
def test_the_first_page_loads_no_engine(tmp_path):
    """In a process of its own, on a corpus that needs preparing."""
    code = f"""
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file({str(MAIN)!r}, default_timeout=120)
app.query_params["corpus.dataset"] = "python-api"
app.run()
assert not app.exception and not app.error
print(sorted({set(ENGINES)!r} & set(sys.modules)))
"""
    environment = {**os.environ, "GROUNDWORK_HOME": str(tmp_path), "PYTHONPATH": str(MAIN.parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=MAIN.parents[1])
    assert done.stdout.strip() == "[]", done.stdout + done.stderr[-2000:]
