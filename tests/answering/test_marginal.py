"""RAG-Sequence and RAG-Token against what is computed without them: single prompts, one token at a time, plain sums."""

import math

import numpy as np
import pytest

from core.answering.marginal import likelihood
from core.answering.one_prompt import OnePrompt
from core.answering.rag_sequence import RagSequence
from core.answering.rag_token import RagToken
from core.config import ContextConfig
from core.errors import WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.generation.torch_lm import Transformers
from core.progress import drain
from tests.contract.test_answering import HITS, material
from tests.generation.test_torch_lm import tiny_model

ANSWER = "Tea is wet."


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    model = str(tiny_model(tmp_path_factory.getbasetemp() / "tiny"))
    return Transformers(model=model, dtype="float32", max_tokens=10, context_tokens=1024, own_process="no")


def next_probabilities(engine, messages, written: list[int]) -> np.ndarray:
    """[vocabulary] float64 of one prompt by itself, without cache, padding or batch."""
    import torch

    model = engine.load()
    ids = torch.tensor([[*model.prompt(messages).tokens, *written]])
    with torch.inference_mode():
        logits = model.model(input_ids=ids).logits[0, -1].double().numpy()
    e = np.exp(logits - logits.max())
    return e / e.sum()


def token_table(engine, prompts, answer: str) -> list[list[float]]:
    """p(token | passage, tokens before), the end last."""
    tokens = [*engine.load().tokenize(answer), engine.load().tokenizer.eos_token_id]
    return [[next_probabilities(engine, each, tokens[:n])[token] for n, token in enumerate(tokens)] for each in prompts]


@pytest.mark.slow
def test_the_likelihood_of_an_answer_is_the_sum_computed_by_hand(engine):
    sides = RagToken(temperature=0.3).sides(material(engine))
    prior, table = [math.exp(log) for log in sides.log_prior], token_table(engine, sides.prompts, ANSWER)
    sequence = sum(p * math.prod(row) for p, row in zip(prior, table, strict=True))
    token = math.prod(sum(p * row[n] for p, row in zip(prior, table, strict=True)) for n in range(len(table[0])))
    [logs, other] = drain(engine.answer_logprobs(sides.prompts, [ANSWER, "No"]))
    made = likelihood(sides.log_prior, logs)
    assert made.tokens == len(ANSWER) + 1 and len(other[0]) == 3
    assert made.sequence == pytest.approx(math.log(sequence), abs=1e-3)
    assert made.token == pytest.approx(math.log(token), abs=1e-3)
    assert other == [pytest.approx(np.log(row), abs=1e-3) for row in token_table(engine, sides.prompts, "No")], "after another"


@pytest.mark.slow
def test_one_passage_alone_is_plain_decoding_token_by_token(engine):
    for settings in ({}, {"temperature": 0.9, "top_k": 20}, {"max_tokens": 40}):
        tool = engine.model_copy(update={**settings, "logprobs": 1})
        single = material(tool, hits=HITS[:1], seed=4)
        plain, made = (drain(way.write(single)) for way in (OnePrompt(), RagToken()))
        assert made.text == plain.text and len(plain.text) > 5 and made.prompt == plain.prompt
        assert [row["text"] for row in made.detail["tokens"]] == [token.text for token in plain.tokens]
        assert made.detail["logprob"] == pytest.approx(sum(token.logprob for token in plain.tokens), abs=1e-3)
        assert {row["shares"][0] for row in made.detail["tokens"]} == {1.0} and made.detail["prior"] == [1.0]


@pytest.mark.slow
def test_each_token_is_the_likeliest_of_the_mixture_and_its_shares_are_bayes_rule(engine):
    way = RagToken(temperature=0.5)
    sides, made = way.sides(material(engine)), drain(way.write(material(engine)))
    prior, written = np.exp(sides.log_prior), []
    for row in made.detail["tokens"][:6]:
        joint = prior[:, None] * np.array([next_probabilities(engine, each, written) for each in sides.prompts])
        token = int(joint.sum(0).argmax())
        assert engine.load().text_of(token) == row["text"]
        assert row["shares"] == pytest.approx((joint[:, token] / joint[:, token].sum()).tolist(), abs=1e-3)
        written.append(token)
    assert len(written) == 6


def test_the_sequence_s_marginal_is_the_log_sum_of_separate_scores_and_the_greatest_is_taken(engine):
    way = RagSequence(temperature=0.5)
    sides, made = way.sides(material(engine)), drain(way.write(material(engine)))
    values = {}
    for row in made.detail["answers"]:
        separate = [drain(engine.answer_logprobs([each], [row["text"]]))[0][0] for each in sides.prompts]
        values[row["text"]] = np.logaddexp.reduce([log + sum(logs) for log, logs in zip(sides.log_prior, separate, strict=True)])
        assert row["logprob"] == pytest.approx(values[row["text"]], abs=1e-3)
    assert made.text == max(values, key=values.get) and len(values) > 1 and made.detail["calls"] == len(HITS)
    alone = [drain(OnePrompt().write(material(engine, hits=[hit]))).text for hit in HITS[:1]]
    assert alone[0] == made.detail["answers"][0]["text"], "an answer from a passage is that of its prompt"


def test_scores_become_probabilities_by_the_temperature(engine):
    scores = [hit.score for hit in HITS]
    for temperature in (0.1, 2.0):
        prior = np.exp(RagToken(temperature=temperature).log_prior(tuple(HITS)))
        expected = [math.exp(score / temperature) for score in scores]
        assert prior.tolist() == pytest.approx([value / sum(expected) for value in expected])
    assert np.exp(RagToken(temperature=0.001).log_prior(tuple(HITS))).tolist() == pytest.approx([1, 0, 0], abs=1e-6)


def test_an_engine_without_mixtures_is_refused_and_late_is_late(engine):
    with pytest.raises(WorkbenchError, match=r"llama_cpp cannot answer by rag_token"):
        RagToken().check(LlamaCpp())
    with pytest.raises(WorkbenchError, match="before the deadline"):
        drain(engine.answer_logprobs(RagToken().sides(material(engine)).prompts, [ANSWER], 0.0))
    assert not engine.load().lock.locked()


@pytest.mark.slow
def test_one_passage_alone_is_plain_decoding_with_the_bundled_model_too():
    tool = Transformers(max_tokens=24, dtype="float32", own_process="no", logprobs=1)
    single = material(tool, seconds=600, hits=HITS[:1], context=ContextConfig())
    plain, made = (drain(way.write(single)) for way in (OnePrompt(), RagToken()))
    assert made.text == plain.text and [row["text"] for row in made.detail["tokens"]] == [token.text for token in plain.tokens]
