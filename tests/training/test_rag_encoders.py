"""Training the question side of an encoder through the generator: the loss, what is learnt and what stays, what is never shown."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from core.config import ContextConfig, EvaluationConfig
from core.embedding.minilm import QUESTIONS
from core.embedding.trained import Trained
from core.embedding.vectors import embed
from core.errors import WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.generation.model_texts import TextTools
from core.generation.torch_lm import Transformers
from core.progress import drain
from core.records import Chunks, Corpus, Document, Gold, Query
from core.training.encoders import rag_training
from core.training.encoders.rag_loop import AnswerReader, RagLoop, RagQuestions, log_marginal, marginal_loss
from core.training.encoders.rag_settings import RagTraining
from core.training.encoders.rag_training import NAMES, _answers, _hits, train_rag
from core.training.encoders.splits import corpus_of
from core.training.encoders.start import start_encoder
from core.training.log import read_log
from tests.generation.test_torch_lm import tiny_model
from tests.training.test_encoders import base, marks_of  # noqa: F401, a fixture

SETTINGS = {"passages": 2, "batch_size": 4, "max_steps": 4, "evaluate_every": 2, "learning_rate": 0.02, "epochs": 9}
FEW = {"train_questions": 10, "validation_questions": 10, "test_questions": 10}


def corpus_of_marks(documents=120):
    found = tuple(Document(f"d{i:02}", f"Door {i} is {'red' if i % 2 else 'blue'}.") for i in range(documents))
    queries = tuple(
        Query(f"q{i}", f"What of {i}?", (Gold(found[i].id, 0, len(found[i].text)),), ("red" if i % 2 else "blue",))
        for i in range(documents)
    )
    return Corpus("doors", found, queries, fingerprint="doors")


def whole(corpus):
    size = [len(document.text) for document in corpus.documents]
    columns = np.arange(len(size)), np.zeros(len(size)), np.array(size), np.full(len(size), 9)
    return Chunks(*(column.astype(np.int32) for column in columns)), [document.text for document in corpus.documents]


@pytest.fixture(scope="module")
def generation(tmp_path_factory):
    folder = tiny_model(tmp_path_factory.mktemp("tiny"))
    return Transformers(model=str(folder), context_tokens=1024, max_tokens=4, own_process="no")


def start(config, folder, generation, kept, corpus=None, **other):
    corpus = corpus or corpus_of_marks()
    rest = {"generation": generation, "context": ContextConfig(), "evaluation": EvaluationConfig(k=2)} | other
    return train_rag(config, corpus, *whole(corpus), folder, home=kept, vectors=kept / "vectors", **rest)


@pytest.fixture(scope="module")
def trained(base, generation, tmp_path_factory):  # noqa: F811
    home = tmp_path_factory.mktemp("home")
    found = []

    class Watched(RagQuestions):
        def nearest(self, questions, among=None):
            chunks = super().nearest(questions, among)
            if among is not None:
                found.extend(chunks.ravel().tolist())
            return chunks

    true = RagLoop._measured  # a random generator teaches nothing that holds elsewhere: each step counts as better
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RagLoop, "_measured", lambda self: (m := true(self)) | {"likelihood": m["likelihood"] + self.step})
        patch.setattr("core.training.encoders.rag_training.RagQuestions", Watched)
        made = drain(
            start(RagTraining(base=str(base), **SETTINGS, **FEW), home / "encoders" / "doors", generation, home / "kept")
        )
    return made, found


def test_the_loss_is_the_plain_sum_and_its_gradient_is_prior_less_posterior():
    import torch

    rng = np.random.default_rng(0)
    scores, logs = rng.normal(size=(3, 4)), -5 * rng.random((3, 4))
    plain, gradient = [], np.zeros((3, 4))
    for row in range(3):
        prior = np.exp(scores[row]) / np.exp(scores[row]).sum()
        joint = [p * math.exp(log) for p, log in zip(prior, logs[row], strict=True)]
        plain.append(math.log(sum(joint)))
        gradient[row] = (prior - np.array(joint) / sum(joint)) / 3
    learnt = torch.tensor(scores, requires_grad=True)
    loss = marginal_loss(learnt, torch.tensor(logs))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(-np.mean(plain), abs=1e-12) and log_marginal(scores, logs) == pytest.approx(
        plain
    )
    assert learnt.grad.numpy() == pytest.approx(gradient, abs=1e-12)
    assert torch.autograd.gradcheck(lambda s: marginal_loss(s, torch.tensor(logs)), torch.tensor(scores, requires_grad=True))


def test_likelihoods_are_the_generators_and_asked_for_once(generation, tmp_path, monkeypatch):
    corpus, asked = corpus_of_marks(4), []
    from core.context.prompt import build

    hits = _hits(corpus, *whole(corpus))
    true = Transformers.answer_logprobs
    monkeypatch.setattr(Transformers, "answer_logprobs", lambda self, *a: asked.append(len(a[0])) or true(self, *a))
    reader = AnswerReader(generation, ContextConfig(), corpus, hits, tmp_path)
    logs, tokens = drain(reader.logs(np.array([1]), np.array([[0, 1]])))
    prompt = build(corpus.queries[1].text, [hits[1]], ContextConfig(), generation.count_tokens).messages
    [[row]] = drain(true(generation, [prompt], ["red"]))
    assert logs[0, 1] == pytest.approx(sum(row), abs=1e-3) and tokens[0] == len(row) == 4, "three letters and the end"
    again, _ = drain(AnswerReader(generation, ContextConfig(), corpus, hits, tmp_path).logs(np.array([1]), np.array([[1, 2]])))
    assert again[0, 0] == logs[0, 1] and asked == [2, 1]


@pytest.mark.parametrize("most", [300, 4000])  # beyond the room for passages, beyond the model's window
def test_of_a_chunk_that_has_no_room_in_the_prompt_the_beginning_is_read(generation, tmp_path, most):
    corpus = corpus_of_marks(4)
    long = corpus.documents[0]._replace(text="Door 0 is blue. " * 200)
    corpus = replace(corpus, documents=(long, *corpus.documents[1:]))
    hits, context = _hits(corpus, *whole(corpus)), ContextConfig(max_tokens=most)
    logs, tokens = drain(AnswerReader(generation, context, corpus, hits, tmp_path).logs(np.array([1]), np.array([[0, 1]])))
    assert np.isfinite(logs).all() and tokens[0] == 4
    [text] = drain(_answers(corpus_of(corpus, [1]), np.array([[0, 1]]), hits, context, TextTools(generation, 0, tmp_path, None)))
    assert text


@pytest.mark.slow
def test_only_the_questions_side_is_learnt(trained, base, monkeypatch, tmp_path):  # noqa: F811
    from safetensors.numpy import load_file

    made, _ = trained
    assert (made.folder / "model.safetensors").read_bytes() == (base / "model.safetensors").read_bytes()
    before, after = load_file(base / "model.safetensors"), load_file(made.folder / QUESTIONS)
    moved = {name for name in before if not np.array_equal(before[name], after[name if name in after else f"bert.{name}"])}
    assert moved and all("encoder.layer" in name for name in moved) and made.best_step == 4

    monkeypatch.setattr("core.embedding.trained.hub.encoders_home", lambda: made.folder.parent)
    part, text = Trained(name="doors", dtype="float32"), "Door 3 is red."
    asked, read = (drain(embed(part, [text], tmp_path, query))[0] for query in (True, False))
    assert part.prefix(True) == " " and part.prefix(False) == ""
    assert not np.allclose(asked, read, atol=1e-3), "the same text is another vector as a question"
    start_part = start_encoder(str(base), tmp_path).part
    assert np.allclose(read, drain(embed(start_part, [text], tmp_path))[0], atol=2e-2)
    with pytest.raises(WorkbenchError, match="weights of their own"):
        start_encoder("doors", made.folder.parent)


@pytest.mark.slow
def test_what_it_was_worth_is_measured_and_kept(trained):
    made, _ = trained
    assert tuple(made.comparison) == NAMES and made.sizes["train"] == 10
    record = json.loads((made.folder / "training.json").read_text())
    assert record["comparison"]["likelihood"]["before"] < 0 and record["config"]["watch"] == "likelihood"
    rows = [json.loads(line) for line in (made.folder / "test.jsonl").read_text().splitlines()]
    assert len(rows) == 10 and set(rows[0]["before"]) == set(NAMES)
    mean = np.mean([row["after"]["likelihood"] for row in rows])
    assert mean == pytest.approx(record["comparison"]["likelihood"]["after"])
    checks = [line for line in read_log(made.folder) if line["kind"] == "evaluation"]
    assert [line["step"] for line in checks] == [0, 2, 4] and checks[0].keys() >= {"likelihood", "mrr", "recall", "ndcg"}
    assert made.best_step == max(checks, key=lambda line: line["likelihood"])["step"]


@pytest.mark.slow
def test_training_finds_no_document_of_validation_or_test(trained, base):  # noqa: F811
    from core.evaluation.judged import relevance
    from core.training.encoders.splits import evidence_documents, split_rows

    _, found = trained
    corpus = corpus_of_marks()
    splits = split_rows(corpus, relevance(corpus, whole(corpus)[0], 0.5), 0.2, 0)
    apart = evidence_documents(corpus, splits.validation) | evidence_documents(corpus, splits.test)
    assert len(found) == 4 * 4 * 2 and not {corpus.documents[chunk].id for chunk in found} & apart


def test_an_engine_that_tells_no_likelihood_and_questions_without_answers_are_refused(base, generation, tmp_path):  # noqa: F811
    config = RagTraining(base=str(base), **SETTINGS, **FEW)
    with pytest.raises(WorkbenchError, match="does not say how likely"):
        drain(start(config, tmp_path / "a", LlamaCpp(), tmp_path / "kept"))
    corpus = corpus_of_marks()
    mute = Corpus("doors", corpus.documents, tuple(q._replace(answers=()) for q in corpus.queries), fingerprint="mute")
    with pytest.raises(WorkbenchError, match="reference answer"):
        drain(start(config, tmp_path / "a", generation, tmp_path / "kept", mute))


@pytest.mark.slow
def test_a_training_that_was_stopped_asks_the_generator_for_the_rest_only(base, generation, tmp_path, monkeypatch):  # noqa: F811
    asked = []
    config = RagTraining(base=str(base), **SETTINGS, **FEW)
    work = start(config, tmp_path / "encoders" / "a", generation, tmp_path / "kept")
    for step in work:
        if step.total and step.done == 3:
            break
    work.close()
    generate = Transformers.answer_logprobs
    monkeypatch.setattr(Transformers, "answer_logprobs", lambda self, *a: asked.append(a) or generate(self, *a))
    made = drain(start(config, tmp_path / "encoders" / "a", generation, tmp_path / "kept"))
    lines = read_log(made.folder)
    assert "resume" in [line["kind"] for line in lines]
    assert [line["step"] for line in lines if line["kind"] == "step"] == [1, 2, 3, 4]
    straight = drain(start(config, tmp_path / "encoders" / "b", generation, tmp_path / "kept"))
    assert straight.comparison == made.comparison
    seen = [json.dumps(a[:2]) for a in asked]
    assert len(seen) == len(set(seen)), "the second training asked for nothing that was known"


def test_a_checkpoint_is_of_the_prompt_whose_answers_it_learnt_from(base, generation, tmp_path, monkeypatch):  # noqa: F811
    config, told = RagTraining(base=str(base), **SETTINGS, **FEW), (ContextConfig(), ContextConfig(length="sentence"))
    works = [start(config, tmp_path / "encoders" / "a", generation, tmp_path / "kept", context=each) for each in told]
    few_words, sentence = marks_of(monkeypatch, rag_training, "RagLoop", works)
    assert few_words != sentence
