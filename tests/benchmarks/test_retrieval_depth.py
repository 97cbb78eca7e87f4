"""The benchmark of retrieval in depth: a question's own candidates, the fusions tried, what is said to beat a retriever."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import retrieval_depth as depth
from core.records import Candidates, Chunks, Document, Gold, Query
from core.retrieval.pool import make_pool


def test_only_a_questions_own_candidates_are_ranked_and_all_of_them():
    found = Candidates(np.array([[0, 1, 2, 3]], np.int32), np.array([[4, 3, 2, 1]], np.float32))
    pool = make_pool({"sparse": found}, np.arange(4, dtype=np.int32))
    query = Query("q", "?", (Gold("d1", 0, 1), Gold("d2", 0, 1, 0), Gold("d3", 0, 1, 0)))
    documents, zeros = tuple(Document(f"d{i}", "x") for i in range(4)), np.zeros(4, np.int32)
    chunks = Chunks(np.arange(4, dtype=np.int32), zeros, zeros + 1, zeros)
    ranked = depth.Ranked(SimpleNamespace(corpus=SimpleNamespace(documents=documents, queries=(query,))), None, chunks, None)
    scores = np.array([[9, 1, -np.inf, 3]], np.float32)
    assert ranked._among_candidates(pool, scores).tolist() == [[-np.inf, 1, -1, 3]]


def test_every_fusion_of_both_retrievers_is_tried():
    words = [depth.spoken(fusion) for fusion in depth.fusions()]
    assert {"comb_mnz", "isr", "convex 0.1", "rrf 0.9", "borda 0.5"} <= set(words) and len(words) == len(set(words))
    assert "sparse_only" not in words


def test_what_is_chosen_elsewhere_had_no_part_of_the_set_and_none_of_those_that_are_test_only():
    def row(use, *means):
        values = {"BM25": np.full(4, 0.5), "dense": np.full(4, 0.4)}
        tried = depth.Tried(np.array([np.full(4, mean) for mean in means]), ["a", "b"])
        return {"use": use, "values": values, "tried": {"fusion": tried}, "chosen": {}}

    rows = {"one": row("choose", 0.9, 0.6), "two": row("choose", 0.5, 0.7), "held": row("report", 0.0, 5.0)}
    depth.elsewhere(rows)
    assert {name: of["chosen"]["fusion elsewhere"] for name, of in rows.items()} == {"one": "b", "two": "a", "held": "a"}
    assert rows["held"]["values"]["fusion chosen elsewhere"].mean() == 0.0


def test_what_beats_the_better_retriever_is_said_with_its_test():
    rng = np.random.default_rng(0)
    bm25, dense = rng.random(60) / 2, rng.random(60) / 4
    rows = {
        "won": {"values": {"BM25": bm25, "dense": dense, "best fusion": bm25 + 0.2}},
        "even": {"values": {"BM25": bm25, "dense": dense, "best fusion": rng.permutation(bm25)}},
        "lost": {"values": {"BM25": bm25, "dense": dense, "best fusion": bm25 - 0.2}},
    }
    depth.compared(rows)
    tests = {name: row["best fusion minus better retriever"] for name, row in rows.items()}
    assert {name: test["beats_it"] for name, test in tests.items()} == {"won": True, "even": False, "lost": False}
    assert rows["won"]["better retriever"] == "BM25" and tests["won"]["difference"] == pytest.approx(0.2)
    assert all(test["p_holm"] >= test["p"] for test in tests.values())


def test_systems_whose_parts_are_absent_and_names_left_out():
    assert depth.there({"query.part": "rm3", "fusion.part": "sparse_only"})
    assert not depth.there({"query.part": "no_such_part"}) and not depth.there({"no_such_stage.part": "rm3"})
    assert depth.left_out("MedQuAD, 1,000 questions", "scifact,medquad") and not depth.left_out("CACM", "")
