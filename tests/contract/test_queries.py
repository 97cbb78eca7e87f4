"""One suite for every query transform: a part joins by existing. `core/queries/protocol.py` says the contract in words."""

import numpy as np
import pytest

from core import registry
from core.config import TrialConfig
from core.progress import drain
from core.queries.protocol import QueryTools, QueryTransform, Unready
from core.records import Query
from core.retrieval.pool import checked
from tests.support.parts import is_described
from tests.support.small_corpora import THINGS, WAYS

pytestmark = pytest.mark.parametrize("name", list(registry.parts("query")))
TEXTS = [f"{thing.capitalize()} {way}." for thing, way in zip(THINGS, WAYS * 3, strict=True)]
QUERIES = (Query("a", "What of cheese?"), Query("b", "Which is made from old recipes?"), Query("c", "zzz"))
DEPTH = 5


def part(name: str) -> QueryTransform:
    return registry.find("query", name)()


def tools(folder, most=None) -> QueryTools:
    recipe = TrialConfig()
    return QueryTools(recipe.generation, 0, folder, most)


def test_it_is_described(name):
    is_described("query", name, QueryTransform)


def test_each_question_has_a_text_for_each_retriever(name, tmp_path):
    if part(name).asks_model:
        with pytest.raises(Unready):
            drain(part(name).texts(QUERIES, tools(tmp_path, 0)))
        return
    asked = drain(part(name).texts(QUERIES, tools(tmp_path)))
    assert len(asked) == len(QUERIES), f"texts gives {len(asked)} for {len(QUERIES)} questions"
    for each in asked:
        assert each.sparse and each.dense + each.passages, "a question is left without a text: take `as_it_stands(query)`"


def test_no_questions_are_no_texts(name, tmp_path):
    assert drain(part(name).texts((), tools(tmp_path))) == []


def test_both_searches_give_candidates(name, tmp_path):
    recipe = TrialConfig()
    tokens = recipe.sparse.tokenize(TEXTS)
    questions = recipe.sparse.tokenize([query.text for query in QUERIES])
    ties = np.arange(len(TEXTS), dtype=np.int32)
    sparse = part(name).search_sparse(recipe.sparse.build(tokens), questions, tokens, DEPTH, ties)
    checked(sparse, "sparse retriever", recipe.sparse, len(QUERIES), len(TEXTS))
    vectors = np.random.default_rng(1).normal(size=(len(TEXTS), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    dense = part(name).search_dense(recipe.index.build(vectors, tmp_path), vectors[:3], vectors, DEPTH, ties, recipe.index)
    checked(dense, "index", recipe.index, 3, len(TEXTS))
    assert sparse.chunk.shape[1] <= DEPTH and dense.chunk.shape[1] <= DEPTH, f"more than the {DEPTH} asked for"
