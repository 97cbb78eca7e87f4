"""Our metrics against trec_eval (through pytrec_eval and ir-measures), query by query."""

import os
from pathlib import Path

import ir_measures
import numpy as np
import pytest
import pytrec_eval

from core.corpus.squad import Squad
from core.evaluation.judged import judge, relevance
from core.progress import drain
from core.records import Chunks, Corpus, Document, Gold, Query
from core.registry import parts
from core.retrieval.bm25_fast import BM25S
from core.retrieval.pool import make_pool
from core.retrieval.rrf import ReciprocalRank
from core.retrieval.sparse_only import SparseOnly
from core.retrieval.top import best, tie_order

XQUAD = Path(os.environ.get("GROUNDWORK_DATASETS", "../shared/datasets")) / "xquad" / "xquad.en.json"
TREC = {"hit": "success", "precision": "P", "recall": "recall", "map": "map_cut", "ndcg_linear": "ndcg_cut"}
PEERS = {*TREC, "mrr", "ndcg_exponential"}  # what trec_eval has; of a metric of our own there is nothing to compare


def whole_documents(documents):
    ends = np.array([len(document.text) for document in documents], np.int32)
    return Chunks(np.arange(len(ends), dtype=np.int32), np.zeros(len(ends), np.int32), ends, ends)


def trec_values(metric, qrels, run, k):
    """trec_eval's value for each query of the run."""
    if metric == "mrr":  # recip_rank has no depth of its own: the run is cut, by trec_eval's own order
        best_first = {q: sorted(scores, key=lambda d: (scores[d], d), reverse=True) for q, scores in run.items()}
        run = {q: {d: run[q][d] for d in ids[:k]} for q, ids in best_first.items()}
        found = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(run)
        return {q: found[q]["recip_rank"] for q in run}
    if metric == "ndcg_exponential":
        measure = ir_measures.nDCG(gains={1: 1, 2: 3, 3: 7}) @ k
        return {m.query_id: m.value for m in ir_measures.iter_calc([measure], qrels, run)}
    found = pytrec_eval.RelevanceEvaluator(qrels, {f"{TREC[metric]}.{k}"}).evaluate(run)
    return {q: found[q][f"{TREC[metric]}_{k}"] for q in run}


def compare(corpus, pool, fused, k):
    """Largest difference of any metric on any query."""
    ids = [f"{document.id}:0-{len(document.text)}" for document in corpus.documents]
    qrels = {q.id: {ids[int(g.document_id[1:])]: g.grade for g in q.gold} for q in corpus.queries}
    run = {
        query.id: {ids[c]: float(s) for c, s in zip(pool.chunk[row], fused[row], strict=True) if s > -np.inf}
        for row, query in enumerate(corpus.queries)
    }
    judged = judge(pool, fused, relevance(corpus, whole_documents(corpus.documents), 0.5), 1000)
    worst = 0.0
    for name, metric in parts("metric").items():
        if name not in PEERS:
            continue
        ours = dict(zip([q.id for q in corpus.queries], metric().values(judged, k), strict=True))
        theirs = trec_values(name, qrels, run, k)
        assert theirs, name
        worst = max(worst, max(abs(ours[q] - value) for q, value in theirs.items()))
    return worst


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [1, 5, 20])
def test_random_rankings_with_ties(seed, k):
    rng = np.random.default_rng(seed)
    documents = tuple(Document(f"d{i}", "x" * int(rng.integers(1, 50))) for i in range(40))
    queries = []
    for i in range(50):
        judged = rng.choice(40, rng.integers(1, 15), replace=False)
        grades = [1, *rng.integers(0, 4, len(judged) - 1)]  # one relevant at least: else there is nothing to measure
        judgements = enumerate(zip(judged, grades, strict=True))
        golds = tuple(Gold(f"d{d}", 0, len(documents[d].text), int(g), n) for n, (d, g) in judgements)
        queries.append(Query(f"q{i}", "?", golds))
    corpus, chunks = Corpus("random", documents, tuple(queries)), whole_documents(documents)
    order = tie_order(documents, chunks)
    pool = make_pool(
        {
            "sparse": best(rng.integers(0, 6, (50, 40)).astype(np.float32), 15, order),
            "dense": best(rng.random((50, 40)).astype(np.float32).round(1), 15, order),
        },
        order,
    )
    for fusion in (SparseOnly(), ReciprocalRank(weight=0.5), ReciprocalRank(weight=0.3)):
        assert compare(corpus, pool, fusion.fuse(pool), k) < 1e-9


@pytest.fixture(scope="module")
def xquad():
    if not XQUAD.exists():
        pytest.skip(f"XQuAD is not at {XQUAD}; GROUNDWORK_DATASETS names the folder of data sets")
    return drain(Squad().load(XQUAD, "xquad"))


@pytest.mark.parametrize("k", [1, 10, 100])
def test_a_real_ranking(xquad, k):
    number = {document.id: i for i, document in enumerate(xquad.documents)}
    documents = tuple(Document(f"d{i}", d.text) for i, d in enumerate(xquad.documents))
    # judgements of whole paragraphs: what trec_eval can express
    whole = [Gold(d.id, 0, len(d.text)) for d in documents]
    queries = tuple(Query(q.id, q.text, (whole[number[q.gold[0].document_id]],)) for q in xquad.queries)
    corpus, chunks = Corpus("xquad", documents, queries), whole_documents(documents)
    order, part = tie_order(documents, chunks), BM25S()
    tokens, asked = part.tokenize([d.text for d in documents]), part.tokenize([q.text for q in queries])
    pool = make_pool({"sparse": part.build(tokens).search(asked, 100, order)}, order)
    assert compare(corpus, pool, SparseOnly().fuse(pool), k) < 1e-9
