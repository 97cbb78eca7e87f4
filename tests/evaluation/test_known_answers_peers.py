"""Whole XQuAD paragraphs, bundled encoder, cosine, bm25s lucene with English stopwords: numbers known beforehand."""

import os
from pathlib import Path

import numpy as np
import pytest

from core.corpus.squad import Squad
from core.embedding.minilm import MiniLM
from core.embedding.vectors import embed
from core.evaluation.hit import HitRate
from core.evaluation.judged import judge, relevance
from core.evaluation.ndcg_linear import NDCGLinear
from core.index.exact import Exact
from core.progress import drain
from core.records import Chunks
from core.retrieval.bm25_fast import BM25S
from core.retrieval.convex import Convex
from core.retrieval.dense_only import DenseOnly
from core.retrieval.pool import make_pool
from core.retrieval.rrf import ReciprocalRank
from core.retrieval.sparse_only import SparseOnly
from core.retrieval.top import tie_order

XQUAD = Path(os.environ.get("GROUNDWORK_DATASETS", "../shared/datasets")) / "xquad" / "xquad.en.json"


@pytest.fixture(scope="module")
def retrieved(tmp_path_factory):
    if not XQUAD.exists():
        pytest.skip(f"XQuAD is not at {XQUAD}; GROUNDWORK_DATASETS names the folder of data sets")
    corpus = drain(Squad().load(XQUAD, "xquad"))
    texts, questions = [d.text for d in corpus.documents], [q.text for q in corpus.queries]
    ends = np.array([len(text) for text in texts], np.int32)
    chunks = Chunks(np.arange(len(ends), dtype=np.int32), np.zeros(len(ends), np.int32), ends, ends)
    order, lexical, folder = tie_order(corpus.documents, chunks), BM25S(), tmp_path_factory.mktemp("vectors")
    index = Exact().build(drain(embed(MiniLM(), texts, folder)), folder)
    asked = drain(embed(MiniLM(), questions, folder, query=True))
    searcher, tokens = lexical.build(lexical.tokenize(texts)), lexical.tokenize(questions)

    def judged(fusion):
        found = {"sparse": searcher.search(tokens, 240, order), "dense": index.search(asked, 240, order)}
        pool = make_pool(found, order)
        return judge(pool, fusion.fuse(pool), relevance(corpus, chunks, 0.5), 100)

    return judged


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fusion", "hit_at_1"),
    [(DenseOnly(), 0.884), (SparseOnly(), 0.918), (ReciprocalRank(), 0.930), (Convex(weight=0.7), 0.947)],
    ids=lambda value: getattr(value, "part", ""),
)
def test_hit_at_1(retrieved, fusion, hit_at_1):
    assert HitRate().values(retrieved(fusion), 1).mean() == pytest.approx(hit_at_1, abs=0.005)


@pytest.mark.slow
def test_ndcg_of_the_convex_combination(retrieved):
    assert NDCGLinear().values(retrieved(Convex(weight=0.7)), 10).mean() == pytest.approx(0.977, abs=0.005)
