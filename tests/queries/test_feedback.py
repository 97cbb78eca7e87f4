"""RM3 and Rocchio: numbers computed by hand, what turns them off, and the published figures of CACM."""

import os
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest

from core.index.exact import Exact
from core.queries.rm3 import RM3
from core.queries.rocchio import Rocchio
from core.retrieval.bm25_fast import BM25S
from core.retrieval.rank_bm25 import RankBM25
from core.retrieval.tokens import Tokens
from core.retrieval.top import best

CACM = Path(os.environ.get("GROUNDWORK_DATASETS", Path(__file__).parents[2] / "../shared/datasets")) / "cacm"
TEXTS = ["cat cat fish", "cat dog", "dog dog bone", "tree"]


class Counting:
    """A retriever whose score is how often the words of the question stand in the chunk."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens

    def scores(self, queries: Tokens) -> np.ndarray:
        words = [self.tokens.words(text) for text in range(len(self.tokens))]
        return np.array([[sum(text.count(w) for w in queries.words(q)) for text in words] for q in range(len(queries))], float)

    def search(self, queries, depth, tie_order=None):
        return best(self.scores(queries).astype(np.float32), depth, tie_order, above=0)


def asked(part, texts, questions, searcher=None, depth=10):
    sparse = BM25S()
    chunks, tokens = sparse.tokenize(texts), sparse.tokenize(questions)
    searcher = searcher(chunks) if searcher else sparse.build(chunks)
    ties = np.arange(len(texts), dtype=np.int32)
    return part.search_sparse(searcher, tokens, chunks, depth, ties), part.expanded(searcher, tokens, chunks, ties)


def test_rm3_by_hand():
    """The first two chunks have scores 2 and 1. Shares times score: cat 2 * 2/3 + 1/2 = 11/6, fish 2 * 1/3 = 4/6, dog 3/6.
    The two heaviest are 11/15 and 4/15; half of them and half the question: cat 26/30, fish 4/30."""
    found, words = asked(RM3(terms=2, documents=2, common=1.0), TEXTS, ["cat"], Counting)
    assert words[0] == pytest.approx({"cat": 26 / 30, "fish": 4 / 30})
    assert found.chunk[0].tolist() == [0, 1, -1, -1]
    assert found.score[0, :2] == pytest.approx([2 * 26 / 30 + 4 / 30, 26 / 30])


def test_each_chunk_gives_no_more_words_than_are_added():
    """With one word, chunk 0 gives cat 2 and chunk 1 (cat before dog) cat 1, all of it."""
    assert asked(RM3(terms=1, documents=2, common=1.0), TEXTS, ["cat"], Counting)[1] == [{"cat": pytest.approx(1.0)}]


def test_what_is_no_word_or_too_common_is_not_added():
    texts = ["cat " + "x" * 21 + " under_score 42 mouse", "cat mouse 42"] + ["bird sings"] * 8
    assert asked(RM3(), texts, ["bird"])[1] == [{"bird": 1.0}], "both words of its chunks are in eight of ten: nothing comes in"
    assert asked(RM3(common=0.2), texts, ["cat"])[1][0].keys() == {"cat", "mouse", "42"}


@pytest.mark.parametrize("sparse", [BM25S(), BM25S(variant="bm25l"), RankBM25()])
def test_at_weight_1_the_ranking_is_the_plain_one(sparse):
    texts = [*TEXTS, "a cat and a bone", "the fish, the fish and a tree", "bone bone bone cat dog"]
    questions = ["cat", "dog bone bone", "fish", "", "unknown"]
    chunks, tokens, ties = sparse.tokenize(texts), sparse.tokenize(questions), np.arange(len(texts), dtype=np.int32)
    searcher = sparse.build(chunks)
    plain = searcher.search(tokens, 10, ties)
    found = RM3(weight=1.0, common=1.0).search_sparse(searcher, tokens, chunks, 10, ties)
    assert found.chunk.dtype == np.int32 and found.score.dtype == np.float32
    assert found.chunk.tolist() == plain.chunk.tolist()
    assert (np.isnan(found.score) == (found.chunk < 0)).all()


def test_words_of_the_first_chunks_find_what_the_question_does_not_name():
    texts = [
        "feline cat whiskers",
        "feline whiskers purr",
        "a dog barks",
        "rain falls",
        *(f"filler{i} words{i}" for i in range(20)),
    ]
    assert 1 not in BM25S().build(BM25S().tokenize(texts)).search(BM25S().tokenize(["cat"]), 10).chunk[0]
    assert asked(RM3(), texts, ["cat"])[0].chunk[0, :2].tolist() == [0, 1]


@pytest.mark.skipif(not CACM.is_dir(), reason="needs CACM")
def test_cacm_has_the_published_map():
    """Anserini: 0.3123 and 0.3648. Judgements as they are written: 55 of 796 name documents otherwise than the collection
    does (CACM-46 for CACM-0046), are never found, and count as missed in the published figures too."""
    documents, judged = {}, {}
    with tarfile.open(CACM / "cacm.tar.gz") as archive:
        for member in filter(tarfile.TarInfo.isfile, archive):
            html = archive.extractfile(member).read().decode("utf-8", "replace")
            documents[Path(member.name).stem] = re.sub(r"<[^>]*>", " ", html)
    topics = (CACM / "topics.cacm.txt").read_text("utf-8").split("<DOC>")[1:]
    questions = {re.search(r"<DOCNO>\s*(\d+)", t)[1]: re.sub(r"<DOCNO>.*?</DOCNO>|</DOC>", " ", t, flags=re.S) for t in topics}
    for line in (CACM / "qrels.cacm.txt").read_text("utf-8").splitlines():
        question, _, document, grade = line.split()
        judged.setdefault(question, set()).update([document] if int(grade) > 0 else [])
    ids, asked_of = sorted(documents), list(judged)
    sparse = BM25S(k1=0.9, b=0.4, stemming="porter")
    chunks, tokens = sparse.tokenize([documents[i] for i in ids]), sparse.tokenize([questions[q] for q in asked_of])
    searcher, ties = sparse.build(chunks), np.arange(len(ids), dtype=np.int32)

    def mean_average_precision(found):
        values = []
        for question, row in zip(asked_of, found.chunk, strict=True):
            hits = np.flatnonzero([chunk >= 0 and ids[chunk] in judged[question] for chunk in row]) + 1
            values.append((np.arange(1, len(hits) + 1) / hits).sum() / len(judged[question]))
        return np.mean(values)

    assert len(asked_of) == 52 and len(ids) == 3204
    assert mean_average_precision(searcher.search(tokens, 1000, ties)) == pytest.approx(0.3123, abs=0.01)
    assert mean_average_precision(RM3().search_sparse(searcher, tokens, chunks, 1000, ties)) == pytest.approx(0.3648, abs=0.01)


def vectors(seed=0, number=40, dim=8):
    return np.random.default_rng(seed).normal(size=(number, dim)).astype(np.float32)


def test_rocchio_by_hand():
    stored = np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 0, 1]], np.float32)
    question = np.array([[1, 0, 0]], np.float32)
    part = Rocchio(alpha=0.5, beta=1.0, gamma=0.25, documents=2)
    ranked = np.array([[0, 1, 2]], np.int32)
    # 0.5 * question + the mean of the first two - a quarter of the mean of the last two
    assert part.moved(question, stored, ranked, True)[0] == pytest.approx([0.5 + 0.9 - 0.1, 0.3 - 0.075, -0.125])


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_rocchio_searches_with_the_moved_question(metric):
    stored, questions, index = vectors(), vectors(1, 5), Exact(metric=metric)
    searcher, ties = index.build(stored, None), np.arange(40, dtype=np.int32)
    plain = searcher.search(questions, 10, ties)
    still = Rocchio(alpha=1.0, beta=0.0).search_dense(searcher, questions, stored, 10, ties, index)
    assert still.chunk.tolist() == plain.chunk.tolist()
    part = Rocchio(alpha=0.2, beta=1.0, documents=1)
    found = part.search_dense(searcher, questions, stored, 10, ties, index)
    unit = (lambda v: v / np.linalg.norm(v, axis=1, keepdims=True)) if metric == "cosine" else (lambda v: v)
    moved = 0.2 * unit(questions) + unit(stored[plain.chunk[:, 0]])
    assert found.chunk.tolist() == searcher.search(moved, 10, ties).chunk.tolist() != plain.chunk.tolist()


def test_as_many_first_chunks_count_whatever_is_taken_away():
    """With fewer candidates than `documents` a gamma of next to nothing changes next to nothing."""
    stored, questions, index = vectors(), vectors(1, 5), Exact()
    searcher, ties = index.build(stored, None), np.arange(40, dtype=np.int32)
    plain, barely = (
        Rocchio(alpha=0.2, beta=1.0, gamma=gamma, documents=20).search_dense(searcher, questions, stored, 5, ties, index)
        for gamma in (0.0, 1e-9)
    )
    assert barely.chunk.tolist() == plain.chunk.tolist() and barely.score == pytest.approx(plain.score, abs=1e-5)


def test_a_question_that_would_vanish_is_asked_as_it_is():
    stored, question = np.array([[1, 0], [0, 1]], np.float32), np.array([[1, 0]], np.float32)
    part = Rocchio(alpha=1.0, beta=0.0, gamma=1.0, documents=1)
    assert part.moved(question, stored, np.array([[0]], np.int32), True).tolist() == [[1, 0]]
    assert part.moved(question, stored, np.array([[-1]], np.int32), True).tolist() == [[1, 0]]
