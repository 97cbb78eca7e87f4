"""A language model as pointwise reranker: what is read off its tokens."""

import numpy as np
import pytest

from core.config import TrialConfig
from core.errors import WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.generation.protocol import Read
from core.progress import drain
from core.reranking.model_pointwise import ModelPointwise, YesOrNo
from tests.contract.test_rerankers import TEXTS, asked_of


class Tokens(dict):
    """A number for each word."""

    def __missing__(self, word):
        self[word] = len(self)
        return self[word]


@pytest.fixture
def yes_of(monkeypatch):
    """A model of this machine that says yes by this function of the prompt: how likely, as log-odds."""
    numbers, prompts = Tokens(), []

    def say(odds, **knobs):
        for word in ("Yes", "yes", "No", "no"):
            numbers[word]

        def logits(self, prompt, written=()):
            prompts.append(prompt.text)
            row = np.full(2000, -30.0, np.float32)
            row[numbers["Yes"]], row[numbers["No"]] = odds(prompt.text) + 3.0, 3.0
            return row

        def read(text):
            tokens = [numbers[word] for word in text.split()]
            return Read(text, tokens, [len(tokens)])

        for name, instead in {
            "identity": lambda self: "played",
            "read": lambda self, messages: read(messages[0]["content"]),
            "read_text": lambda self, text: read("<begin> " + text),
            "pieces": lambda self, text: text.split(),
            "next_logits": logits,
        }.items():
            monkeypatch.setattr(LlamaCpp, name, instead)
        return YesOrNo(LlamaCpp(**knobs)), prompts

    return say


def test_pointwise_scores_are_the_odds_of_yes(yes_of, tmp_path):
    yes_of(lambda prompt: 2.5 if "cheese" in prompt.lower().split("question")[0] else -1.0)
    asked = asked_of(tmp_path)

    def embed(part, texts, query=False):
        yield from ()
        rows = np.empty((len(texts), 1), np.float32)
        for indices, values in part.encode(texts, query):
            rows[indices] = values
        return rows

    scores = drain(ModelPointwise(depth=10).rerank(asked._replace(tools=asked.tools._replace(embed=embed))))
    real = asked.pool.chunk >= 0
    cheese = np.array(["cheese" in TEXTS[chunk].lower() for chunk in asked.pool.chunk[real]])
    assert scores[real] == pytest.approx(np.where(cheese, 2.5, -1.0), abs=1e-4)


def test_a_passage_beyond_the_context_is_read_in_parts_and_the_best_counts(yes_of):
    reader, prompts = yes_of(lambda prompt: 4.0 if "needle" in prompt else -4.0, context_tokens=128)
    passage = "hay " * 300 + "needle " + "hay " * 100
    ((index, score),) = reader.read([("Where?", passage)])
    assert (index.tolist(), score.tolist()) == ([0], [pytest.approx(4.0)])
    assert reader.parts("Where?", passage) == 4 and reader.parts("Where?", "hay") == 1
    assert len(prompts) == 4 and all(len(prompt.split()) < 128 for prompt in prompts)
    assert "".join(p.split("Passage: ")[1].split("\n\n")[0] for p in prompts).count("hay") == 400, "nothing is left out"


def test_of_a_question_beyond_the_context_the_beginning_is_read(yes_of):
    reader, prompts = yes_of(lambda prompt: 4.0 if "needle" in prompt else -4.0, context_tokens=128)
    scores = {
        int(i): float(s) for (i,), (s,) in reader.read([("why " * 200, "needle"), ("why " * 200, "hay"), ("Where?", "needle")])
    }
    assert scores == {0: pytest.approx(4.0), 1: pytest.approx(-4.0), 2: pytest.approx(4.0)}
    assert all(len(prompt.split()) < 128 for prompt in prompts) and len(prompts) == 3 == sum(
        reader.parts(*pair) for pair in [("why " * 200, "needle"), ("why " * 200, "hay"), ("Where?", "needle")]
    )


def test_a_generator_without_logits_is_refused(tmp_path):
    asked = asked_of(tmp_path)
    remote = TrialConfig(generation="openai_compatible").generation
    with pytest.raises(WorkbenchError, match="probabilities"):
        drain(ModelPointwise().rerank(asked._replace(tools=asked.tools._replace(generator=remote))))


def test_the_model_is_in_the_identity_of_a_score(yes_of):
    one, _ = yes_of(lambda prompt: 0.0)
    before, sampled = one.identity(), YesOrNo(LlamaCpp(temperature=1.0)).identity()
    LlamaCpp.identity = lambda self: "another"
    assert before == sampled != YesOrNo(LlamaCpp()).identity()
