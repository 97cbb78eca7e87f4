import numpy as np
import pytest

from core.evaluation.judged import judge, judge_rankings, relevance
from core.evaluation.recall import Recall
from core.records import Candidates, Chunks, Corpus, Document, Gold, Query
from core.registry import parts
from core.retrieval.pool import make_pool, rankings
from core.retrieval.sparse_only import SparseOnly
from core.retrieval.top import tie_order

DOCUMENTS = (Document("a", "x" * 100), Document("b", "y" * 100), Document("c", "z" * 100))


def chunks_of(*spans):
    document, start, end = np.array(spans, np.int32).T
    return Chunks(document, start, end, np.ones(len(spans), np.int32))


def judged(golds, chunks, order, top_k=10, overlap=0.5):
    """One query with these golds whose ranking is the chunks in `order`."""
    corpus = Corpus("test", DOCUMENTS, (Query("q", "?", tuple(golds)),))
    found = Candidates(np.array([order], np.int32), -np.arange(len(order), dtype=np.float32)[None])
    pool = make_pool({"sparse": found}, tie_order(DOCUMENTS, chunks))
    return judge(pool, SparseOnly().fuse(pool), relevance(corpus, chunks, overlap), top_k)


def values(j, k):
    return {name: float(metric().values(j, k)[0]) for name, metric in parts("metric").items()}


def test_a_repeat_of_found_evidence_counts_for_precision_only():
    chunks = chunks_of((0, 0, 50), (0, 10, 60), (1, 0, 50), (2, 0, 50))
    golds = [Gold("a", 20, 40, 1, 0), Gold("b", 20, 40, 1, 1)]
    got = values(judged(golds, chunks, [0, 1, 3, 2]), 4)
    assert got["precision"] == 3 / 4 and got["recall"] == 1 and got["hit"] == 1 and got["mrr"] == 1
    assert got["map"] == pytest.approx((1 / 1 + 2 / 4) / 2)
    ideal = 1 + 1 / np.log2(3)
    assert got["ndcg_linear"] == got["ndcg_exponential"] == pytest.approx((1 + 1 / np.log2(5)) / ideal)


def test_a_chunk_with_several_units_brings_all_of_them_and_ndcg_is_capped():
    chunks = chunks_of((0, 0, 100), (1, 0, 100))
    golds = [Gold("a", 0, 10, 1, 0), Gold("a", 50, 60, 1, 1), Gold("b", 0, 10, 2, 2)]
    first = values(judged(golds, chunks, [0, 1]), 2)
    assert first["recall"] == 1 and first["map"] == 1  # precision at a rank is capped at 1
    assert first["ndcg_linear"] == 1  # (1 + 1) + 2 / log2(3) is more than the ideal's 2 + 1 / log2(3)
    late = values(judged(golds, chunks_of((0, 30, 40), (1, 0, 100)), [0, 1]), 2)  # nothing at rank 1
    assert late["ndcg_linear"] == pytest.approx((2 / np.log2(3)) / (2 + 1 / np.log2(3)))
    assert values(judged(golds, chunks, [1]), 1)["ndcg_exponential"] == 1


def test_alternatives_of_one_unit_are_found_once():
    chunks = chunks_of((0, 0, 50), (1, 0, 50))
    golds = [Gold("a", 0, 20, 1, 7), Gold("b", 0, 20, 2, 7)]
    got = values(judged(golds, chunks, [0, 1]), 2)
    assert got["recall"] == 1 and got["precision"] == 1 and got["ndcg_linear"] == 1


@pytest.mark.parametrize(("overlap", "covering"), [(0.1, {0, 1, 2}), (0.5, {0, 1}), (0.51, {1}), (1.0, {1})])
def test_overlap_is_measured_on_the_shorter_of_chunk_and_span(overlap, covering):
    chunks = chunks_of((0, 0, 30), (0, 25, 35), (0, 38, 80), (1, 20, 40))
    corpus = Corpus("test", DOCUMENTS, (Query("q", "?", (Gold("a", 20, 40),)),))
    assert set(relevance(corpus, chunks, overlap).pair_chunk.tolist()) == covering


def test_long_chunks_before_short_ones_are_not_missed():
    chunks = chunks_of((0, 0, 100), (0, 10, 20), (0, 30, 40))
    corpus = Corpus("test", DOCUMENTS, (Query("q", "?", (Gold("a", 32, 38),)),))
    assert relevance(corpus, chunks, 0.5).pair_chunk.tolist() == [0, 2]


def test_queries_without_gold_are_unmeasured_and_lost_evidence_is_missed():
    chunks = chunks_of((0, 0, 50))
    none = values(judged([], chunks, [0]), 3)
    assert all(np.isnan(value) for value in none.values())
    only_zero = values(judged([Gold("a", 0, 10, 0)], chunks, [0]), 3)
    assert all(np.isnan(value) for value in only_zero.values())
    elsewhere = values(judged([Gold("a", 60, 90), Gold("gone", 0, 5, 1, 1)], chunks, [0]), 3)
    assert all(value == 0 for value in elsewhere.values())


def test_grade_zero_is_not_relevant():
    chunks = chunks_of((0, 0, 50), (1, 0, 50))
    got = values(judged([Gold("a", 0, 10, 0, 0), Gold("b", 0, 10, 1, 1)], chunks, [0, 1]), 2)
    assert got["precision"] == 0.5 and got["recall"] == 1 and got["mrr"] == 0.5


def test_the_ranking_ends_at_top_k():
    chunks = chunks_of((0, 0, 50), (1, 0, 50))
    got = values(judged([Gold("b", 0, 10)], chunks, [0, 1], top_k=1), 5)
    assert all(value == 0 for value in got.values())


@pytest.fixture(scope="module")
def random_case():
    """Overlapping chunks, several golds a query, tied scores, queries without gold."""
    rng = np.random.default_rng(9)
    documents = tuple(Document(f"d{i}", "x" * 200) for i in range(20))
    spans = [(d, s, min(s + int(rng.integers(20, 60)), 200)) for d in range(20) for s in range(0, 200, 25)]
    chunks = chunks_of(*spans)
    queries = []
    for i in range(60):
        starts = rng.integers(0, 180, rng.integers(0, 5))
        golds = tuple(
            Gold(f"d{rng.integers(0, 20)}", int(s), int(s) + 20, int(rng.integers(0, 4)), int(rng.integers(0, 3))) for s in starts
        )
        queries.append(Query(f"q{i}", "?", golds))
    corpus = Corpus("random", documents, tuple(queries))
    scores = rng.integers(0, 9, (60, len(chunks))).astype(np.float32)
    everything = Candidates(np.tile(np.arange(len(chunks), dtype=np.int32), (60, 1)), scores)
    pool = make_pool({"sparse": everything}, tie_order(documents, chunks))
    return corpus, chunks, pool, SparseOnly().fuse(pool)


def test_stored_rankings_give_exactly_the_same_judgement(random_case):
    corpus, chunks, pool, fused = random_case
    live = judge(pool, fused, relevance(corpus, chunks, 0.4), 50)
    stored = [
        [(corpus.documents[chunks.document[c]].id, int(chunks.start[c]), int(chunks.end[c])) for c in row]
        for row in rankings(pool, fused, 50).chunk
    ]
    again = judge_rankings(corpus, stored, 0.4, 50)
    for name in ("hit_row", "hit_rank", "unit_rank", "first_rank"):
        assert np.array_equal(getattr(live, name), getattr(again, name)), name
    for metric in parts("metric").values():
        assert np.array_equal(metric().values(live, 10), metric().values(again, 10), equal_nan=True)
    assert (live.hit_rank < 50).any() and live.measured.any() and not live.measured.all()


def test_the_recall_curve_is_the_mean_recall_at_each_depth(random_case):
    corpus, chunks, pool, fused = random_case
    live = judge(pool, fused, relevance(corpus, chunks, 0.4), 50)
    curve = Recall().curve(live, 50)
    assert curve == pytest.approx([np.nanmean(Recall().values(live, k)) for k in range(1, 51)])


def test_another_relevance_on_the_same_pool_is_not_confused(random_case):
    corpus, chunks, pool, fused = random_case
    strict, lax = relevance(corpus, chunks, 1.0), relevance(corpus, chunks, 0.1)
    assert len(judge(pool, fused, strict, 50).hit_rank) < len(judge(pool, fused, lax, 50).hit_rank)
    assert np.array_equal(judge(pool, fused, strict, 50).hit_rank, judge(pool, fused, strict, 50).hit_rank)
