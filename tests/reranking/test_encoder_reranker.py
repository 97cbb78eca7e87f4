"""Dense rescoring, and several encoders fused."""

import numpy as np
import pytest

from core.config import TrialConfig
from core.embedding.lsa import LSA
from core.embedding.minilm import MiniLM
from core.errors import WorkbenchError
from core.pipeline.stages import Resolved
from core.progress import drain
from core.records import Corpus, Document
from core.reranking.encoder import EncoderReranker
from tests.contract.test_rerankers import QUESTIONS, TEXTS, asked_of, embed


def ranked(scores, row, number):
    return np.argsort(-scores[row], kind="stable")[:number].tolist()


def test_the_recipes_own_encoder_rescores_by_cosine(tmp_path):
    asked = asked_of(tmp_path)
    scores = drain(EncoderReranker().rerank(asked))
    passages = drain(embed(asked.tools.encoder, TEXTS))
    questions = drain(embed(asked.tools.encoder, list(QUESTIONS), query=True))
    real = asked.pool.chunk >= 0
    cosine = np.where(real, np.einsum("qd,qpd->qp", questions, passages[np.maximum(asked.pool.chunk, 0)]), -np.inf)
    assert scores[real] == pytest.approx(cosine[real], abs=1e-5)


def test_only_the_candidates_down_to_its_depth_are_encoded(tmp_path):
    seen = []

    def noting(part, texts, query=False):
        seen.extend(texts)
        return (yield from embed(part, texts, query))

    asked = asked_of(tmp_path)
    drain(EncoderReranker(depth=2).rerank(asked._replace(tools=asked.tools._replace(embed=noting))))
    best = {TEXTS[asked.pool.chunk[row, column]] for row in range(3) for column in ranked(asked.scores, row, 2)}
    assert set(seen) == best | set(QUESTIONS[:3])


def test_a_second_encoder_is_fused_by_its_weight(tmp_path):
    asked = asked_of(tmp_path)
    other = drain(EncoderReranker(model="minilm-cls").rerank(asked))
    fused = drain(EncoderReranker(model="minilm-cls", weight=0.3).rerank(asked))

    def scaled(scores):
        return (scores - scores.min()) / (scores.max() - scores.min())

    for row in range(3):
        real = asked.pool.chunk[row] >= 0
        assert fused[row, real] == pytest.approx(0.3 * scaled(other[row, real]) + 0.7 * scaled(asked.scores[row, real]), abs=1e-5)


def test_an_encoder_that_learns_is_fitted_to_the_chunks(tmp_path):
    asked = asked_of(tmp_path)
    scores = drain(EncoderReranker(model="lsa").rerank(asked))
    fitted = drain(LSA().fit(TEXTS, tmp_path / "fitted"))
    passages, questions = drain(embed(fitted, TEXTS)), drain(embed(fitted, list(QUESTIONS), query=True))
    row, column = 0, ranked(scores, 0, 1)[0]
    a, b = questions[row], passages[asked.pool.chunk[row, column]]
    assert scores[row, column] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-5)


def test_identity_names_the_other_encoder():
    one, two = EncoderReranker(model="minilm-cls"), EncoderReranker(model="lsa")
    assert len({EncoderReranker().identity(), one.identity(), two.identity()}) == 3
    with pytest.raises(WorkbenchError):
        EncoderReranker(model="/no/such/folder").identity()


def test_what_is_put_before_a_question_is_in_the_key(monkeypatch):
    recipe = TrialConfig(rerank="encoder", fusion="sparse_only")
    corpus = Corpus("c", (Document("d", "text"),))
    plain = Resolved(recipe, corpus, "", "").ranking_key()
    monkeypatch.setattr(type(recipe.embedding), "prefix", lambda self, query: "query: " if query else "")
    assert Resolved(recipe, corpus, "", "").ranking_key() != plain


@pytest.mark.parametrize("model", ["recipe", "another"])
def test_what_is_put_before_a_passage_leaves_it_less_room(tmp_path, monkeypatch, model):
    asked, short = asked_of(tmp_path), MiniLM(max_tokens=16)
    asked = asked._replace(tools=asked.tools._replace(encoder=short))
    monkeypatch.setattr(EncoderReranker, "_other", lambda self: short.model_copy())
    sizes = [len(tokens) for tokens in short.load().token_offsets([TEXTS[chunk] for chunk in asked.pool.chunk[0]])]
    asked.chunks.tokens[asked.pool.chunk[0]] = sizes
    rows, columns = np.zeros(len(sizes), int), np.arange(len(sizes))
    assert set(EncoderReranker(model=model).longer(asked, rows, columns)) == {""} and max(sizes) > min(sizes)
    before = "a " * (14 - max(sizes) + 1)  # of 16 tokens two are specials: now the longest does not fit
    monkeypatch.setattr(MiniLM, "prefix", lambda self, query: "" if query else before)
    room = max(sizes) - 1
    told = [f"its first {room} tokens" if size > room else "" for size in sizes]
    assert EncoderReranker(model=model).longer(asked, rows, columns) == told
