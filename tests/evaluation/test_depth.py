"""A metric at depth k sees k ranks, wherever it is told, and what limits it is told beside it."""

import json
from math import inf

import pytest

from core.__main__ import main
from core.config import TrialConfig, with_settings
from core.labs.runs import measuring, trec
from core.labs.trials.comparison import compare, some
from core.pipeline.results import noted_depth
from core.progress import drain
from core.records import Gold, Query
from core.statistics.bootstrap import Interval
from tests.support.small_corpora import with_towns

LAST = 30  # documents; BM25 puts the evidence last: its word is there once, and these documents are the longest
TEXTS = {f"{n:02}.txt": f"bell {'word ' * n}" for n in range(LAST)}
QUESTIONS = [{"id": name, "question": "bell", "document": f"{LAST - n:02}.txt"} for n, name in ((1, "q"), (2, "r"))]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return with_towns(tmp_path_factory.mktemp("home"), TEXTS, QUESTIONS)


def recipe(**settings):
    base = {"corpus.dataset": "towns", "fusion": "sparse_only", "chunking": "whole_document", "retrieval.top_k": 5}
    return with_settings(TrialConfig(), base | {name.replace("__", "."): value for name, value in settings.items()})


@pytest.mark.slow
def test_a_ranking_is_judged_as_deep_as_k_whatever_is_kept_and_shown(bench):
    deep, shallow = (bench.evaluate(recipe(evaluation__k=k)).intervals["hit"] for k in (LAST, 10))
    assert (deep.mean, deep.note, shallow.mean) == (1.0, "", 0.0)
    assert len(bench.search(recipe(evaluation__k=LAST), "bell")) == 5, "the length that is shown stays"


@pytest.mark.slow
def test_curves_trials_and_the_store_go_as_deep(bench):
    config = recipe(evaluation__k=LAST)
    assert [at.mean for at in bench.recall_curve(bench.evaluate(config))] == [0.0] * (LAST - 2) + [0.5, 1.0]
    trial = drain(bench.run(config))
    assert bench.trial_values(trial, "hit") == {"q": 1.0, "r": 1.0}
    [stored] = [row for row in bench.trials() if row["id"] == trial]
    assert stored["metrics"]["hit@30"] == 1.0
    assert [row["mean"] for row in bench.measured(trial)["metrics"] if row["metric"] == "hit"] == [1.0]


@pytest.mark.slow
def test_where_no_ranking_is_as_long_as_k_it_is_told(bench):
    found = bench.evaluate(recipe(evaluation__k=25, retrieval__candidates=12)).intervals["hit"]
    assert (found.mean, found.note) == (0.0, "no ranking is longer than 12")
    trial = drain(bench.run(recipe(evaluation__k=25, retrieval__candidates=12)))
    assert {row["note"] for row in bench.measured(trial)["metrics"]} == {"no ranking is longer than 12"}
    whole = bench.evaluate(recipe(evaluation__k=1000, retrieval__candidates=100)).intervals["hit"]
    assert (whole.mean, whole.note) == (1.0, ""), "all of the corpus was ranked"


@pytest.mark.slow
def test_a_trial_from_before_which_kept_fewer_ranks_than_k_says_so(bench):
    trial = drain(bench.run(recipe(evaluation__k=LAST)))
    record = bench.store.journal.read(trial).payload
    record["rankings"] = {query: [places[:5], scores[:5]] for query, (places, scores) in record["rankings"].items()}
    older = bench.store.add("trial", record)
    assert {row["note"] for row in bench.measured(older)["metrics"]} == {"no ranking is longer than 5"}
    [versus] = compare(bench, *some(bench, [trial]), some(bench, [older]), "hit").rows
    assert "keeps only 5 results" in versus.note
    [same] = compare(bench, *some(bench, [older]), some(bench, [trial]), "hit").rows
    assert "keeps only" not in same.note


def test_the_command_line_tells_it(bench, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(bench.home))
    words = ["--dataset", "towns", "--set", "fusion.part=sparse_only", "--set", "chunking.part=whole_document"]
    words += ["--set", "evaluation.k=25", "--set", "retrieval.candidates=12", "--json"]
    assert main(["evaluate", *words]) == 0
    assert {row["note"] for row in json.loads(capsys.readouterr().out)["metrics"]} == {"no ranking is longer than 12"}


def test_a_run_that_ends_before_k_says_so():
    asked = (Query("q1", "?", (Gold("x", 0, 1),)),)
    run = trec.TrecRun("t", {"q1": [("y", 2.0), ("x", 1.0)]})
    wanted = [measuring.measure_of(words) for words in ("mrr@2", "recall@100", "map@1000")]
    assert measuring.notes(run, asked, wanted) == [
        "t: no ranking is longer than 2; for Recall@100, MAP@1000 what is deeper was not found."
    ]
    assert measuring.notes(run, asked, wanted[:1]) == []


@pytest.mark.parametrize(
    ("k", "longest", "chunks", "told"),
    [(10, 10, 99, False), (10, 9, 99, True), (10, 9, 9, False), (10, 9, inf, True), (10, 0, 99, False)],
)
def test_a_depth_is_noted_only_where_there_is_more_to_be_found(k, longest, chunks, told):
    interval = Interval(0.5, 0.4, 0.6, 3, 3)
    assert bool(noted_depth(interval, k, longest, chunks).note) == told
