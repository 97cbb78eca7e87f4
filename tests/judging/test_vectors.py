"""BERTScore against a plain loop, and similarity against the encoder's own vectors."""

import math
from functools import partial

import numpy as np
import pytest

from core.config import TrialConfig
from core.embedding.lsa import LSA
from core.embedding.minilm import MiniLM
from core.embedding.vectors import embed, encode_all
from core.judging.measure import JudgeTools, scores
from core.judging.measures.bertscore import BertScore, greedy_f1
from core.judging.measures.similarity import Similarity
from core.progress import drain
from core.reranking.token_vectors import token_encoder
from tests.support.judging import said, values

PAIRS = (
    ("The tower was built in 1889 [1].", "The tower was built in 1889."),
    ("It was built in 1889.", "Construction ended in 1889."),
    ("Bread is made of flour.", "Construction ended in 1889."),
)


def looped(said: str, wanted: str) -> float:
    read = {place: tokens for place, tokens in token_encoder(MiniLM(dtype="float32")).read([said, wanted])}
    a, b = ([v for v, (start, end) in zip(read[i].vectors, read[i].spans, strict=True) if start < end] for i in (0, 1))
    precision = sum(max(float(x @ y) for y in b) for x in a) / len(a)
    recall = sum(max(float(x @ y) for x in a) for y in b) / len(b)
    return 2 * precision * recall / (precision + recall)


def test_bertscore_is_that_of_a_plain_loop():
    ours = values(BertScore(), *(said(*pair) for pair in PAIRS))
    assert ours == pytest.approx([looped(answer.replace("[1]", " "), wanted) for answer, wanted in PAIRS], abs=1e-5)
    assert ours[0] > 0.95 > ours[1] > ours[2]


def test_long_texts_are_compared_in_blocks():
    a, b = (np.eye(64, dtype=np.float32)[np.arange(n) % most] for n, most in ((2500, 64), (1100, 32)))
    assert greedy_f1(a, b) == pytest.approx(2 * 0.5 / 1.5, abs=1e-2)  # half of a's directions occur in b, all of b's in a


def test_similarity_is_the_cosine_of_the_encoders_vectors():
    a, b, c = encode_all(
        MiniLM(dtype="float32"), ["It was built in 1889.", "Construction ended in 1889.", "Bread is made of flour."]
    )
    (value,) = values(Similarity(), said("It was built in 1889.", "Bread is made of flour.", "Construction ended in 1889."))
    assert value == pytest.approx(float(a @ b), abs=1e-5) and value > a @ c


def test_an_encoder_without_vectors_of_words_leaves_bertscore_unmeasured(tmp_path):
    tools = JudgeTools(LSA(), partial(embed, folder=tmp_path), TrialConfig().generation)
    (score,) = drain(scores(BertScore(), [said("a", "b")], tools))
    assert math.isnan(score.value) and "lsa" in score.reason


def test_scores_of_pairs_are_kept_by_content(tmp_path):
    tools = JudgeTools(MiniLM(dtype="float32"), partial(embed, folder=tmp_path), TrialConfig().generation)
    cases = [said(*pair) for pair in PAIRS]
    first = drain(scores(BertScore(), cases, tools))
    assert any(folder.name.startswith("bertscore-") for folder in tmp_path.iterdir())
    again = drain(scores(BertScore(), cases[::-1], tools._replace(embed=partial(_no_model, folder=tmp_path))))
    assert np.allclose([score.value for score in again[::-1]], [score.value for score in first])


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_a_text_is_read_once_for_its_words_and_for_its_own_vector(tmp_path, monkeypatch, pooling):
    encoder = MiniLM(dtype="float32", pooling=pooling)
    tools = JudgeTools(encoder, partial(embed, folder=tmp_path), TrialConfig().generation)
    cases = [*(said(*pair) for pair in PAIRS), said("Two  lines:\n one [1].", "two lines")]
    drain(scores(BertScore(), cases, tools))
    anew = drain(scores(Similarity(), cases, tools._replace(embed=partial(embed, folder=tmp_path / "anew"))))
    monkeypatch.setattr(MiniLM, "load", lambda part: pytest.fail("what was read for its words is encoded anew"))
    kept = drain(scores(Similarity(), cases, tools))
    assert [score.value for score in kept] == pytest.approx([score.value for score in anew], abs=1e-6)


def test_a_text_longer_than_the_encoder_reads_keeps_the_vector_that_the_encoder_gives_it(tmp_path):
    encoder = MiniLM(dtype="float32", max_tokens=16)
    tools = JudgeTools(encoder, partial(embed, folder=tmp_path), TrialConfig().generation)
    long = "It was built in 1889. " * 9
    drain(scores(BertScore(), [said(long, "Built in 1889.")], tools))
    (score,) = drain(scores(Similarity(), [said(long, "Built in 1889.")], tools))
    a, b = encode_all(encoder, [long.strip(), "Built in 1889."])
    assert score.value == pytest.approx(float(a @ b), abs=1e-6)


def _no_model(part, texts, folder):
    part.load = lambda: pytest.fail("what is kept was computed anew")
    return (yield from embed(part, texts, folder))
