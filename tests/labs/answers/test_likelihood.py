"""How likely an answer is over the passages that a recipe finds."""

import json
import math

import pytest

from core.cli.frame import main
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.labs.answers.likelihood import answer_likelihood
from core.progress import drain
from core.workbench import Workbench
from tests.generation.test_torch_lm import tiny_model

TEXTS = [("a.txt", b"Green tea is steeped at eighty degrees."), ("b.txt", b"Black tea takes boiling water.")]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    drain(Workbench(home).library.ingest("tea", TEXTS, None))
    return home


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    model = str(tiny_model(tmp_path_factory.getbasetemp() / "tiny"))
    engine = {"part": "transformers", "model": model, "dtype": "float32", "context_tokens": 1024, "own_process": "no"}
    return {"corpus.dataset": "tea", "fusion": "sparse_only", **{f"generation.{name}": value for name, value in engine.items()}}


def test_an_answer_s_likelihood_is_that_over_the_passages_found(home, settings):
    bench, recipe = Workbench(home), with_settings(TrialConfig(), settings)
    made = drain(answer_likelihood(bench, recipe, "How hot is green tea?", " eighty "))
    assert made.answer == "eighty" and made.tokens == 7 and [row["document_id"] for row in made.passages] == ["a.txt", "b.txt"]
    by_hand = sum(math.exp(row["log_prior"] + row["logprob"]) for row in made.passages)
    assert made.sequence == pytest.approx(math.log(by_hand)) and sum(row["posterior"] for row in made.passages) == pytest.approx(
        1
    )
    even = with_settings(recipe, {"answering": "rag_token", "answering.temperature": 100.0})
    other = drain(answer_likelihood(bench, even, "How hot is green tea?", "eighty"))
    assert (
        abs(other.passages[0]["log_prior"] - math.log(0.5)) < 0.02 and other.passages[0]["logprob"] == made.passages[0]["logprob"]
    )


@pytest.mark.parametrize("changed, answer, words", [
    ({}, " ", "answer is empty"), ({"generation": "llama_cpp"}, "x", "does not hand out"),
])  # fmt: skip
def test_what_cannot_be_told_is_said(home, settings, changed, answer, words):
    recipe = with_settings(TrialConfig(), {"corpus.dataset": "tea", "fusion": "sparse_only"} if changed else settings)
    with pytest.raises(WorkbenchError, match=words):
        drain(answer_likelihood(Workbench(home), recipe, "Tea?", answer))


def test_the_command_prints_it(home, settings, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(home))
    options = [word for name, value in settings.items() if name != "corpus.dataset" for word in ("--set", f"{name}={value}")]
    words = ["likelihood", "Green tea?", "eighty", "--dataset", "tea", *options]
    assert main([*words, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["tokens"] == 7 and len(made["passages"]) == 2 and made["sequence"] < 0
    assert main(words) == 0 and "RAG-Sequence" in capsys.readouterr().out
