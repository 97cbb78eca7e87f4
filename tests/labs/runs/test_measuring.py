"""Runs measured by hand, fused, compared; and from stored trials by the command line."""

import json

import numpy as np
import pytest

from core import registry
from core.__main__ import main
from core.errors import WorkbenchError
from core.labs.runs import measuring, trec
from core.records import Gold, Query
from core.retrieval.borda import Borda
from core.retrieval.comb_mnz import CombMnz
from core.retrieval.comb_sum import CombSum
from core.retrieval.convex import Convex
from core.retrieval.dense_only import DenseOnly
from core.retrieval.isr import InverseSquareRank
from core.retrieval.rrf import ReciprocalRank
from core.workbench import Workbench
from tests.support.synthetic_trials import add_failed, add_questions, add_trial

NDCG = measuring.Measure("ndcg_linear", 10)


def run(name="a", **ranked) -> trec.TrecRun:
    return trec.TrecRun(
        name, {question: [(d, 1.0 - place / 10) for place, d in enumerate(ds)] for question, ds in ranked.items()}
    )


def questions(**judged) -> tuple[Query, ...]:
    golds = {q: [Gold(d, 0, -1, g, unit) for unit, (d, g) in enumerate(grades.items())] for q, grades in judged.items()}
    return tuple(Query(question, "", tuple(gold)) for question, gold in golds.items())


ASKED = questions(q1={"x": 2, "y": 1, "z": 0}, q2={"x": 1}, q3={"x": 0}, q4={"y": 1})


def test_values_by_hand():
    values = measuring.values(run(q1="zxy", q2="aby", q9="x"), ASKED, [NDCG, measuring.Measure("mrr", 10)])
    ndcg = (2 / np.log2(3) + 1 / np.log2(4)) / (2 + 1 / np.log2(3))
    assert values == pytest.approx(np.array([[ndcg, 1 / 2], [0, 0], [np.nan, np.nan], [0, 0]]), nan_ok=True)


def test_many_documents_without_judgements_push_down():
    """They are no single document that counts once."""
    [[reciprocal], *_] = measuring.values(run(q1="abcdx"), ASKED, [measuring.Measure("mrr", 10)])
    assert reciprocal == pytest.approx(1 / 5)


def test_what_is_not_measured_is_told():
    told = measuring.notes(run(q1="x", q8="x", q9="y"), ASKED)
    assert len(told) == 2 and "2 ranked questions" in told[0] and "q8, q9" in told[0] and "2 judged questions" in told[1]
    assert measuring.notes(trec.TrecRun("t", {q: [("x", 1.0), ("y", 1.0)] for q in ("q1", "q2", "q4")}), ASKED)[0].startswith(
        "t: 3 "
    )
    assert measuring.judged_share(run(q1="xza", q2="b"), ASKED) == pytest.approx(2 / 4)


def test_a_run_of_other_topics_is_refused():
    with pytest.raises(WorkbenchError, match="none of the judged questions"):
        measuring.values(run(other="x"), ASKED, [NDCG])


def test_two_runs_are_fused_as_the_lexical_and_the_dense_ranking():
    fused = measuring.fuse([run(q1="xy", q2="x"), run(q1="yz")], ReciprocalRank(weight=0.25))
    wanted = {"x": 0.75 / 61, "y": 0.75 / 62 + 0.25 / 61, "z": 0.25 / 62}
    assert dict(fused.ranked["q1"]) == pytest.approx(wanted, rel=1e-6)
    assert [document for document, _ in fused.ranked["q1"]] == ["y", "x", "z"] and set(fused.ranked) == {"q1", "q2"}


@pytest.mark.parametrize(("fusion", "wanted"), [
    (ReciprocalRank(weight=0.9), {"x": (1 / 61 + 1 / 62) / 3, "y": (1 / 62 + 2 / 61) / 3}),  # more than two count alike
    (Convex(), {"x": 1 / 3, "y": 2 / 3}),
    (CombSum(), {"x": 1.0, "y": 2.0}),
    (CombMnz(), {"x": 2.0, "y": 6.0}),
    (Borda(), {"x": (2 + 1 + 1) / 3, "y": (1 + 2 + 2) / 3}),
    (InverseSquareRank(), {"x": 2 * (1 + 1 / 4), "y": 3 * (1 / 4 + 1 + 1)}),
])  # fmt: skip
def test_three_runs_are_fused_alike(fusion, wanted):
    fused = measuring.fuse([run(q1="xy"), run(q1="y"), run(q1="yx")], fusion)
    assert dict(fused.ranked["q1"]) == pytest.approx(wanted, rel=1e-6)


def test_what_cannot_be_fused_is_said():
    with pytest.raises(WorkbenchError, match="One run"):
        measuring.fuse([run(q1="x")], CombSum())
    with pytest.raises(WorkbenchError, match="one ranking as it is"):
        measuring.fuse([run(q1="x"), run(q1="y")], DenseOnly())


@pytest.fixture
def stored(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path / "home"))
    store = Workbench(tmp_path / "home").store
    asked = add_questions(store, n=20, unanswerable=2)
    return [add_trial(store, asked, quality=quality, seed=seed) for seed, quality in enumerate((0.4, 0.9))] + [add_failed(store)]


def told(capsys, *words) -> dict:
    code = main([*map(str, words), "--json"])
    return json.loads(capsys.readouterr().out) | {"code": code}


@pytest.mark.slow
def test_trials_leave_as_runs_and_are_measured_as_before(stored, tmp_path, capsys):
    worse, better, failed = stored
    for name, trial in (("worse.run", worse), ("better.run.gz", better)):
        assert told(capsys, "run-file", trial, tmp_path / name, "--qrels", tmp_path / "qrels")["code"] == 0
    words = ["--qrels", tmp_path / "qrels", "--metric", "ndcg_linear@10", "--metric", "mrr@5"]
    fused = ["--fuse", "comb_mnz", "--out", tmp_path / "fused.run"]
    report = told(capsys, "runs", tmp_path / "worse.run", tmp_path / "better.run.gz", *words, *fused)
    metrics = {row["metric"]: row["mean"] for row in told(capsys, "show", better)["metrics"]}
    assert report["runs"][1]["nDCG@10"] == pytest.approx(metrics["ndcg_linear"])
    assert report["questions"] == 18 and report["runs"][0]["nDCG@10 low"] < report["runs"][0]["nDCG@10"]
    pairs = [(row["run"], row["minus"]) for row in report["compared"] if row["metric"] == "MRR@5"]
    assert pairs == [("better", "worse"), ("comb_mnz of worse and better", "worse"), ("comb_mnz of worse and better", "better")]
    assert report["compared"][0]["difference"] > 0 and report["compared"][0]["p (Holm)"] >= report["compared"][0]["p"]
    again = told(capsys, "runs", tmp_path / "fused.run", better, *words)  # a file beside a trial
    assert again["runs"][0]["nDCG@10"] == pytest.approx(report["runs"][2]["nDCG@10"])
    assert told(capsys, "runs", tmp_path / "worse.run", "nonsense", *words)["code"] == 1
    assert told(capsys, "run-file", failed, tmp_path / "no.run")["error"]["what"] == "The trial has no rankings."


def test_ids_with_white_space_are_the_same_in_a_trial_its_run_and_what_is_fused_of_both(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path / "home"))
    store = Workbench(tmp_path / "home").store
    asked = add_questions(store, n=12, unanswerable=1)
    asked = asked | {"fingerprint": "spaced", "queries": [query | {"id": f"q {query['id']}%"} for query in asked["queries"]]}
    for query in asked["queries"]:
        query["gold"] = [[f"my notes/{document} 100%.txt", *rest] for document, *rest in query["gold"]]
    store.add("questions", asked)
    chunks = [[f"my notes/d{place} 100%.txt", 0, 10] for place in range(12)]
    trial = add_trial(store, asked, quality=0.5, chunks=chunks)
    assert told(capsys, "describe", trial, "--name", "k1=0.9/b 0.4")["code"] == 0
    words = ["--qrels", tmp_path / "qrels", "--metric", "ndcg_linear@10"]
    assert told(capsys, "run-file", trial, tmp_path / "its.run", *words[:2])["code"] == 0
    fused = ["--fuse", "rrf", "--out", tmp_path / "fused.run"]
    report = told(capsys, "runs", tmp_path / "its.run", "k1=0.9/b 0.4", *words, *fused)
    [mean] = {row["mean"] for row in told(capsys, "show", trial)["metrics"] if row["metric"] == "ndcg_linear"}
    assert [row["nDCG@10"] for row in report["runs"]] == pytest.approx([mean] * 3) and mean > 0
    again = told(capsys, "runs", tmp_path / "fused.run", *words)
    assert again["runs"][0]["nDCG@10"] == pytest.approx(mean)
    assert told(capsys, "runs", "no.such.run", *words)["error"]["where"] == "no.such.run"


@pytest.mark.parametrize("words", ["--out x", "--against 3", "--metric map@x", "--metric nonsense", "--fuse nonsense",
                                   "--fuse rrf --set weight=7"])  # fmt: skip
def test_wrong_options_are_said_before_anything_is_measured(words, tmp_path, capsys):
    (tmp_path / "a.run").write_text("q1 Q0 x 1 1 t\n")
    (tmp_path / "qrels").write_text("q1 0 x 1\n")
    said = told(capsys, "runs", tmp_path / "a.run", "--qrels", tmp_path / "qrels", *words.split())
    assert said["code"] == 1 and said["error"]["todo"]


def drawn_run(name, questions, documents, seed):
    draw, ranked = np.random.default_rng(seed), {}
    for q in range(questions):
        drawn = draw.permutation(2 * documents)[:documents]
        ranked[f"q{q}"] = trec.ordered((f"d{d}", float(np.float32(draw.random()))) for d in drawn)
    return trec.TrecRun(name, ranked)


def test_block_by_block_says_the_same(monkeypatch):
    """However few documents are measured, or fused, together."""
    runs, draw = [drawn_run(name, 23, 40, seed) for seed, name in enumerate("ab")], np.random.default_rng(9)
    questions = [
        Query(f"q{q}", "", tuple(Gold(f"d{d}", 0, 1, int(draw.integers(0, 3)), d) for d in draw.permutation(80)[:9]))
        for q in range(25)
    ]
    asked = [measuring.measure_of(words) for words in measuring.METRICS]
    whole = [measuring.values(run, questions, asked) for run in runs]
    fused = {part: measuring.fuse(runs, registry.find("fusion", part)()) for part in ("rrf", "comb_mnz", "convex")}
    monkeypatch.setattr(measuring, "BLOCK", 70)
    assert len(list(measuring.blocks([40] * 23))) == 23
    for run, values in zip(runs, whole, strict=True):
        assert np.array_equal(measuring.values(run, questions, asked), values, equal_nan=True)
    for part, run in fused.items():
        again = measuring.fuse(runs, registry.find("fusion", part)())
        assert {q: list(r) for q, r in again.ranked.items()} == {q: list(r) for q, r in run.ranked.items()}
