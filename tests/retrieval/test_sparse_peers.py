"""Our BM25 against the packages bm25s and rank-bm25 on the same tokens."""

import bm25s
import numpy as np
import pytest
from rank_bm25 import BM25Okapi

from core.retrieval.bm25_fast import BM25S
from core.retrieval.rank_bm25 import RankBM25

VARIANTS = ["lucene", "robertson", "atire", "bm25l", "bm25+"]


@pytest.fixture(scope="module")
def texts():
    """Words by a Zipf-like law, so that some stand in more than half of the texts: these have a negative idf."""
    rng = np.random.default_rng(11)
    words = np.array([f"word{i}" for i in range(200)])
    weight = 1 / np.arange(1, 201)
    sizes = rng.integers(1, 60, 120)
    return [" ".join(rng.choice(words, size, p=weight / weight.sum())) for size in sizes]


@pytest.fixture(scope="module")
def queries():
    rng = np.random.default_rng(12)
    known = [" ".join(f"word{i}" for i in rng.integers(0, 200, 6)) for _ in range(40)]
    return [*known, "word0 word0 word1 unseen", "unseen"]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("idf", ["variant", *VARIANTS])
def test_scores_are_those_of_bm25s(texts, queries, variant, idf):
    peer = bm25s.BM25(k1=1.3, b=0.6, delta=0.7, method=variant, idf_method=None if idf == "variant" else idf, dtype="float64")
    peer.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)
    part = BM25S(k1=1.3, b=0.6, delta=0.7, variant=variant, idf=idf)
    ours = part.build(part.tokenize(texts)).scores(part.tokenize(queries))
    theirs = np.array([peer.get_scores(query.split()) for query in queries])
    assert np.abs(ours - theirs).max() < 1e-12
    assert np.abs(theirs).max() > 1


def test_atire_with_the_floored_idf_gives_the_scores_of_rank_bm25(texts, queries):
    part = BM25S(k1=1.2, b=0.4, variant="atire", idf="rank_bm25")
    ours = part.build(part.tokenize(texts)).scores(part.tokenize(queries))
    peer = BM25Okapi([text.split() for text in texts], k1=1.2, b=0.4)
    theirs = np.array([peer.get_scores(query.split()) for query in queries])
    assert min(np.log(len(texts) - n + 0.5) - np.log(n + 0.5) for n in _document_frequencies(texts)) < 0
    assert np.abs(ours - theirs).max() < 1e-12
    through_part = RankBM25(k1=1.2, b=0.4)
    tokens = through_part.tokenize(texts)
    assert np.abs(through_part.build(tokens).scores(through_part.tokenize(queries)) - theirs).max() < 1e-12


def test_both_parts_rank_alike(texts, queries):
    fast, slow = BM25S(variant="atire", idf="rank_bm25"), RankBM25()
    tokens, asked = fast.tokenize(texts), fast.tokenize(queries)
    a, b = fast.build(tokens).search(asked, 20), slow.build(tokens).search(asked, 20)
    assert np.allclose(a.score, b.score, atol=1e-6, equal_nan=True)
    assert (a.chunk == b.chunk).mean() > 0.99  # sums in another order may swap scores that are equal


def _document_frequencies(texts):
    counts = {}
    for text in texts:
        for word in set(text.split()):
            counts[word] = counts.get(word, 0) + 1
    return counts.values()
