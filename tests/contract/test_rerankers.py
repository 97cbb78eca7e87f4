"""One suite for every reranker: a part joins by existing. `core/reranking/protocol.py` says the contract in words."""

import numpy as np
import pytest

from core import registry
from core.config import TrialConfig, with_settings
from core.embedding.vectors import encode_all
from core.progress import drain
from core.records import Candidates, Chunks, Corpus, Document, Query
from core.reranking.protocol import Asked, Ranker, RankTools, Reranker
from core.retrieval.pool import Pool, make_pool
from tests.support.parts import is_described
from tests.support.small_corpora import THINGS, WAYS

pytestmark = pytest.mark.parametrize("name", list(registry.parts("reranker")))
TEXTS = [f"{thing.capitalize()} {way}." for thing, way in zip(THINGS, WAYS * 3, strict=True)]
QUESTIONS = ("What of cheese?", "Which is made from old recipes?", "What breaks when it is warm?", "Who?")
DEPTH = 4
GENERATOR = None


def embed(part, texts, query=False):
    yield from ()
    return encode_all(part, texts, query)


@pytest.fixture(autouse=True)
def _small_model(name, monkeypatch, tmp_path_factory):
    """A part that asks the recipe's generator asks a random one of two layers, which answers at once."""
    if registry.find("reranker", name).asks_model:
        from tests.generation.test_torch_lm import tiny_model

        knobs = {"model": str(tiny_model(tmp_path_factory.getbasetemp() / "tiny")), "dtype": "float32", "own_process": "no"}
        part = registry.find("generator", "transformers")(**knobs, context_tokens=1024)
        monkeypatch.setitem(globals(), "GENERATOR", part)


def asked_of(folder, rows=(0, 1, 2, 3)) -> Asked:
    """Pools of up to ten of the passages; the last question has none, the third only two."""
    rng = np.random.default_rng(3)
    chunk = np.argsort(rng.random((len(QUESTIONS), len(TEXTS))), axis=1)[:, :10].astype(np.int32)
    chunk[2, 2:], chunk[3] = -1, -1
    score = np.where(chunk < 0, np.nan, np.linspace(9, 1, 10)).astype(np.float32)
    pool = make_pool({"dense": Candidates(chunk, score)}, np.arange(len(TEXTS), dtype=np.int32))
    rows = np.array(rows)
    pool = Pool(pool.chunk[rows], {"dense": pool.score["dense"][rows]}, {"dense": pool.rank["dense"][rows]})
    numbers = np.arange(len(TEXTS), dtype=np.int32)
    chunks = Chunks(numbers, np.zeros_like(numbers), np.array([len(t) for t in TEXTS], np.int32), np.full_like(numbers, 6))
    documents = tuple(Document(f"d{i}", text) for i, text in enumerate(TEXTS))
    queries = tuple(Query(f"q{row}", QUESTIONS[row]) for row in rows)
    recipe = with_settings(TrialConfig(), {"embedding.dtype": "float32"})  # bfloat16 rounds by how many texts are read at once
    tools = RankTools(TEXTS, recipe.embedding, embed, folder, folder, GENERATOR or recipe.generation, 0, None)
    scores = np.where(pool.chunk < 0, -np.inf, pool.score["dense"]).astype(np.float32)
    return Asked(Corpus("c", documents, queries), chunks, queries, pool, scores, tools)


def part(name: str, **knobs) -> Ranker:
    cls = registry.find("reranker", name)
    return cls(**{"depth": DEPTH, **knobs}) if issubclass(cls, Reranker) else cls()


def test_it_is_described(name):
    is_described("reranker", name, Ranker)


def test_every_candidate_keeps_a_score_and_no_pad_gets_one(name, tmp_path):
    asked = asked_of(tmp_path)
    scores = drain(part(name).rerank(asked))
    assert scores.shape == asked.scores.shape and scores.dtype == np.float32, (
        f"rerank gives {scores.dtype} {scores.shape} for {asked.scores.shape}: give a float32 score for each cell"
    )
    assert np.array_equal(np.isneginf(scores), np.isneginf(asked.scores)), "pads are -inf, and no candidate is"
    assert not np.isnan(scores).any(), "give no NaN"


def test_what_stands_behind_its_depth_keeps_its_order(name, tmp_path):
    asked, ranker = asked_of(tmp_path), part(name)
    depth = ranker.depth if isinstance(ranker, Reranker) else 0
    before, after = (np.argsort(-each, axis=1, kind="stable") for each in (asked.scores, drain(ranker.rerank(asked))))
    real = (asked.scores > -np.inf).sum(axis=1)
    for row, number in enumerate(real):
        assert before[row, depth:number].tolist() == after[row, depth:number].tolist(), (
            f"of {number} candidates those behind the best {depth} are ranked otherwise: rank them below, as they were"
        )
        assert set(before[row, :depth]) == set(after[row, :depth]), "what is ranked again stays above the rest"


def test_a_question_is_ranked_without_the_others(name, tmp_path):
    whole = drain(part(name).rerank(asked_of(tmp_path / "a")))
    for row in (2, 0):
        alone = drain(part(name).rerank(asked_of(tmp_path / "b", [row])))[0]
        assert np.allclose(np.nan_to_num(alone), np.nan_to_num(whole[row]), rtol=0.02, atol=0.02), (
            "a question's scores change with the questions beside it"
        )


def test_weight_zero_leaves_the_ranking_as_it_was(name, tmp_path):
    if not issubclass(registry.find("reranker", name), Reranker):
        return
    asked = asked_of(tmp_path)
    before, after = (
        np.argsort(-each, axis=1, kind="stable") for each in (asked.scores, drain(part(name, weight=0).rerank(asked)))
    )
    real = (asked.scores > -np.inf).sum(axis=1)
    assert all(before[row, :number].tolist() == after[row, :number].tolist() for row, number in enumerate(real)), (
        "with the weight 0 the score so far alone decides"
    )


def test_what_comes_in_stays_as_it_is(name, tmp_path):
    asked, copy = asked_of(tmp_path), asked_of(tmp_path)
    first = drain(part(name).rerank(asked))
    assert np.array_equal(asked.scores, copy.scores), "rerank writes into the scores of the stage above: change a copy"
    assert np.array_equal(first, drain(part(name).rerank(asked))), "two calls give two rankings"


def test_a_moved_depth_gives_what_a_fresh_start_gives(name, tmp_path):
    if not issubclass(registry.find("reranker", name), Reranker):
        return
    dragged, fresh = asked_of(tmp_path), asked_of(tmp_path)
    drain(part(name, depth=2).rerank(dragged))
    # not to the last digit: how many texts a model reads at once decides how it rounds
    assert np.allclose(drain(part(name).rerank(dragged)), drain(part(name).rerank(fresh)), rtol=0, atol=1e-5), (
        "after another depth on the same pool the scores are others: where they depend on the passages beside them or on the "
        "scores so far, set `by_itself = False`"
    )


def test_how_a_long_passage_is_read_is_told_of_each(name, tmp_path):
    if not issubclass(registry.find("reranker", name), Reranker):
        return
    asked = asked_of(tmp_path)
    rows, columns = np.nonzero(asked.pool.chunk >= 0)
    told = part(name).longer(asked, rows, columns)
    assert told == [""] * len(rows), (
        "passages of a few words are read whole: longer says of each cell a text, and nothing of these"
    )
