"""Metadata filters: what a filter says, and that it decides before anything is ranked."""

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.index.exact import Exact
from core.records import Corpus, Document, Gold, Query
from core.retrieval.bm25_fast import BM25S
from core.retrieval.metadata import Within, hidden_gold, permitted

DOCUMENTS = (
    Document("a-1", "cats purr", "Intro to cats", "manual/cats.md"),
    Document("a-12", "dogs bark", "Intro to dogs", "manual/dogs.md"),
    Document("b-1", "cats sleep", "Reference", "api.md"),
    Document("b-2", "(no title)", "", "API.md"),
)


QUESTION = Query("q", "cats")


def may_find(text, query=QUESTION):
    allowed = permitted(text, DOCUMENTS, [query])
    return [DOCUMENTS[i].id for i in np.flatnonzero(allowed.masks[allowed.which[0]])]


@pytest.mark.parametrize(
    "text, ids",
    [
        ("", ["a-1", "a-12", "b-1", "b-2"]),
        ("  ;  ", ["a-1", "a-12", "b-1", "b-2"]),
        ("intro", ["a-1", "a-12"]),
        ("source=api.md", ["b-1", "b-2"]),
        ("id=a-1", ["a-1"]),
        ("id=a-1*", ["a-1", "a-12"]),
        ("id=?-1", ["a-1", "b-1"]),
        ("id!=a-*", ["b-1", "b-2"]),
        ("source=manual/*; title=*DOGS", ["a-12"]),
        ("title=reference|intro to cats", ["a-1", "b-1"]),
        ("source=.*", []),
        ("dogs | reference", ["a-12", "b-1"]),
        ("nothing of it", []),
    ],
)
def test_what_a_filter_says(text, ids):
    assert may_find(text) == ids


@pytest.mark.parametrize("text", ["author=x", "title=", "intro; colour!=red", "source={colour}"])
def test_what_says_nothing_of_a_document_is_refused(text):
    with pytest.raises(WorkbenchError) as told:
        may_find(text)
    assert told.value.where == "retrieval.documents" and told.value.todo


def test_a_question_says_what_it_may_find():
    assert may_find("source={group}.md", Query("q", "cats", group="api")) == ["b-1", "b-2"]
    assert may_find("source={group}", Query("q", "cats", group="a(p")) == [], "its words are no pattern"
    assert may_find("source={group}", Query("q", "cats")) == ["a-1", "a-12", "b-1", "b-2"], "it says nothing"
    queries = [Query(str(i), "cats", group=group) for i, group in enumerate(("api", "x", "api", ""))]
    allowed = permitted("source={group}*", DOCUMENTS, queries)
    assert allowed.which.tolist() == [0, 1, 0, 2] and allowed.masks.sum(axis=1).tolist() == [2, 0, 4]


def test_evidence_that_is_hidden_is_counted():
    queries = (
        Query("1", "x", (Gold("a-1", 0, 4),)),
        Query("2", "x", (Gold("a-1", 0, 4), Gold("b-1", 0, 4))),
        Query("3", "x", (Gold("b-1", 0, 4, grade=0),)),
        Query("4", "x", answerable=False),
    )
    corpus = Corpus("c", DOCUMENTS, queries)
    hidden = {text: hidden_gold(permitted(text, DOCUMENTS, queries), corpus) for text in ("id=b-*", "id=none")}
    assert hidden == {"id=b-*": 1, "id=none": 2} and hidden_gold(None, corpus) == 0


@pytest.mark.parametrize("sparse", [BM25S(), BM25S(variant="bm25+")])
def test_the_filter_decides_before_the_ranking(sparse):
    """A depth of 3 holds three permitted chunks, though each of the best 20 is hidden; scores are those without a filter."""
    rng = np.random.default_rng(2)
    texts = [" ".join(rng.choice(["cat", "dog", "bird", "fish", "tree"], 6)) for _ in range(40)]
    tokens, ties = sparse.tokenize(texts), np.arange(40, dtype=np.int32)
    searcher, questions = sparse.build(tokens), sparse.tokenize(["cat dog", "unknown", "fish"])
    whole = searcher.search(questions, 40, ties)
    mask = np.ones(40, bool)
    mask[whole.chunk[0, :20]] = False
    inside = Within(searcher, mask, False).search(questions, 3, ties)
    for row in range(3):
        expected = [(c, s) for c, s in zip(whole.chunk[row], whole.score[row], strict=True) if c >= 0 and mask[c]][:3]
        assert [(c, s) for c, s in zip(inside.chunk[row], inside.score[row], strict=True) if c >= 0] == expected
    vectors = rng.normal(size=(40, 8)).astype(np.float32)
    dense = Within(Exact().build(vectors, None), mask, True).search(vectors[:5], 3, ties, settings=Exact())
    assert mask[dense.chunk].all() and dense.chunk.shape == (5, 3)
