"""MMR against a loop as the paper writes it, and what its ends of the scale mean."""

import numpy as np
import pytest

from core.progress import drain
from core.reranking.mmr import MMR, marginal
from tests.contract.test_rerankers import QUESTIONS, TEXTS, asked_of, embed


def plain_loop(relevance, vectors, share):
    """Carbonell and Goldstein 1998, one candidate at a time."""
    left, taken = list(range(len(relevance))), []
    while left:
        values = []
        for i in left:
            nearest = max((float(np.dot(vectors[i], vectors[j])) for j in taken), default=0.0)
            values.append(share * relevance[i] - (1 - share) * nearest)
        pick = left[int(np.argmax(values))]
        taken.append(pick)
        left.remove(pick)
    return taken


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_it_equals_a_plain_loop(share):
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(6, 12, 16))
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    relevance = rng.random((6, 12)).astype(np.float32)
    values = marginal(relevance, (vectors @ vectors.transpose(0, 2, 1)).astype(np.float32), share)
    for row in range(6):
        assert np.argsort(-values[row], kind="stable").tolist() == plain_loop(relevance[row], vectors[row], share)
        assert (np.diff(np.sort(values[row])) > 0).all(), "equal scores would be put in another order than they were taken in"


@pytest.mark.parametrize("relevance", ["ranking", "dense"])
def test_the_part_equals_the_loop_on_the_encoders_vectors(tmp_path, relevance):
    asked = asked_of(tmp_path)
    scores = drain(MMR(depth=6, share=0.4, relevance=relevance).rerank(asked))
    vectors = drain(embed(asked.tools.encoder, TEXTS))
    questions = drain(embed(asked.tools.encoder, list(QUESTIONS), query=True))
    for row in range(3):
        before = np.argsort(-asked.scores[row], kind="stable")[: min(6, (asked.pool.chunk[row] >= 0).sum())]
        mine = vectors[asked.pool.chunk[row, before]]
        old = asked.scores[row, before]
        relevant = mine @ questions[row] if relevance == "dense" else (old - old.min()) / (old.max() - old.min())
        expected = before[plain_loop(relevant, mine, 0.4)].tolist()
        assert np.argsort(-scores[row], kind="stable")[: len(expected)].tolist() == expected


def test_of_two_passages_that_say_the_same_the_second_waits():
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    values = marginal(np.array([[1.0, 0.9, 0.5]], np.float32), (vectors @ vectors.T)[None], 0.5)
    assert np.argsort(-values[0]).tolist() == [0, 2, 1]
    assert values[0] == pytest.approx([0.5, -0.05, 0.25]), "each has the value that it was taken with"


def test_with_lambda_1_the_order_stays(tmp_path):
    asked = asked_of(tmp_path)
    before, after = (np.argsort(-s, axis=1, kind="stable") for s in (asked.scores, drain(MMR(share=1.0).rerank(asked))))
    real = (asked.scores > -np.inf).sum(axis=1)
    assert all(b[:n].tolist() == a[:n].tolist() for b, a, n in zip(before, after, real, strict=True))
