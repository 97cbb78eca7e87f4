"""Training a cross-encoder: its gradient and losses by other ways, that it learns, stops and goes on, and what it writes."""

import json

import numpy as np
import pytest

from core.config import EvaluationConfig
from core.embedding import minilm
from core.errors import WorkbenchError
from core.models.identity import files_identity
from core.progress import drain
from core.reranking import bert_pairs
from core.reranking.bert_pairs import HEAD, BertPairs, PairTokens, adapted
from core.training.log import read_log, work_folder
from core.training.low_rank import SCALE
from core.training.rerankers import training
from core.training.rerankers.lists import List
from core.training.rerankers.loop import measure
from core.training.rerankers.model import LowRank, list_loss
from core.training.rerankers.settings import RerankerTraining
from tests.support.small_disk import files_of_at_most
from tests.training.test_encoders import base, marks_of, small_corpus, whole  # noqa: F401, a fixture

SMALL = {"max_steps": 6, "batch_size": 4, "negatives": 2, "evaluate_every": 3, "layers": 1, "lora_rank": 4, "epochs": 9}
SMALL |= {
    "learning_rate": 1e-2,
    "validation_questions": 10,
    "test_questions": 10,
    "depth": 4,
    "max_tokens": 48,
    "validation_share": 0.3,
}


@pytest.fixture(autouse=True)
def _small_start(base, monkeypatch):  # noqa: F811
    monkeypatch.setattr(training, "bundled_folder", lambda: base)


def start(folder, evaluation=None, **settings):
    corpus = small_corpus()
    return training.train(RerankerTraining(**SMALL | settings), corpus, *whole(corpus), folder, evaluation=evaluation)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["listwise", "pairwise", "pointwise"])
def test_the_loss_falls_and_what_is_written_is_what_was_trained(loss, tmp_path, base):  # noqa: F811
    result = drain(start(tmp_path / "rerankers" / loss, loss=loss, max_steps=24, evaluate_every=24))
    steps = [line["loss"] for line in read_log(result.folder) if line["kind"] == "step"]
    assert len(steps) == 24 and np.mean(steps[-8:]) < np.mean(steps[:8])
    record = json.loads((result.folder / "training.json").read_text())
    assert record["comparison"].keys() == {"mrr", "hit"} and record["sizes"]["test_asked"] == 10
    settings = json.loads((result.folder / "reranker.json").read_text())
    assert settings["base_files"] == files_identity(base) and settings["max_tokens"] == 48
    assert not work_folder(result.folder).exists()


@pytest.mark.slow
def test_stopped_it_goes_on_where_it_was_and_ends_the_same(tmp_path):
    from safetensors.torch import load_file

    straight = drain(start(tmp_path / "a" / "one"))
    running = start(tmp_path / "b" / "one")
    while not next(running).message.startswith("Step 5"):
        pass
    running.close()
    again = drain(start(tmp_path / "b" / "one"))
    assert {line["kind"] for line in read_log(again.folder)} >= {"resume", "end"}
    one, other = (load_file(result.folder / "adapter.safetensors") for result in (straight, again))
    assert one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)


def test_a_checkpoint_is_of_the_evidence_that_was_learnt_from(tmp_path, monkeypatch):
    judged = [EvaluationConfig(**some) for some in ({}, {"resamples": 200}, {"overlap": 0.4})]
    usual, same, other = marks_of(monkeypatch, training, "ListLoop", [start(tmp_path / "one", some) for some in judged])
    assert usual == same != other


def test_a_name_is_taken_once_and_has_no_slash(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(WorkbenchError, match="already"):
        drain(start(tmp_path / "taken"))
    with pytest.raises(WorkbenchError, match="cannot name"):
        drain(start(tmp_path / "no name"))


def test_a_full_disk_is_told_with_what_to_do(tmp_path):
    full = files_of_at_most(20_000)
    with pytest.raises(WorkbenchError, match=r"could not be written.*Free some space.*goes on from its last checkpoint"), full:
        drain(start(tmp_path / "rerankers" / "one"))
    assert not (tmp_path / "rerankers" / "one").exists()


def test_one_training_of_a_name_at_a_time(tmp_path):
    running = start(tmp_path / "one")
    next(running)
    with pytest.raises(WorkbenchError, match="A reranker 'one' is being trained already"):
        next(start(tmp_path / "one"))
    running.close()
    assert read_log(tmp_path / "one")[-1]["kind"] == "interrupted"


def test_the_merged_model_and_its_gradient_are_those_of_peft(base, monkeypatch):  # noqa: F811
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import BertModel

    monkeypatch.setattr("core.models.hardware.fast_dtype", lambda: "float32")
    model = LowRank(base, 4, 1, 0)
    draw = torch.Generator().manual_seed(1)
    for tensor in model.trained.values():
        tensor.copy_(torch.randn(tensor.shape, generator=draw) * 0.1)
    targets = r"encoder\..*\.(query|key|value|dense)"
    library = BertModel.from_pretrained(base, add_pooling_layer=False, dtype=torch.float32, attn_implementation="eager")
    library = get_peft_model(library, LoraConfig(r=4, lora_alpha=int(4 * SCALE), target_modules=targets))
    factors = {}
    for name, weight in library.named_parameters():
        for kind in ("lora_A", "lora_B"):
            if kind in name:
                own = name.split("base_model.model.")[1].replace(f".{kind}.default.weight", f".weight.{kind}")
                weight.data.copy_(model.trained[own])
                factors[own] = weight
    assert len(factors) == 12
    sequences = [(np.array([101, 2054, 2003, 102, 4937, 3899, 102]), 4), (np.array([101, 2054, 102, 4937, 102]), 3)]
    leaves = model.leaves()
    gradients = model.divided(model.gradients(leaves, model.scores(leaves, sequences).sum()))
    total, head = 0, {name: model.trained[name] for name in HEAD}
    for ids, at in sequences:
        types = (torch.arange(len(ids)) >= at).long()
        x = library(input_ids=torch.tensor(ids)[None], token_type_ids=types[None]).last_hidden_state
        total = total + bert_pairs.judged(x, torch.tensor([at]), torch.tensor([len(ids)]), head).sum()
    total.backward()
    for name, weight in factors.items():
        assert torch.allclose(gradients[name], weight.grad, atol=1e-4), name
    scores = BertPairs(base, "float32", "cpu", model.merged()).scores(sequences)
    assert np.isclose(scores.sum(), float(total.detach()), atol=1e-4)
    merged = library.merge_and_unload().state_dict()
    own = adapted(model.base, model.trained, SCALE)
    assert all(torch.allclose(own[name], merged[name], atol=1e-6) for name in merged)


def test_the_losses_are_their_formulas():
    import torch

    scores, lists = np.array([2.0, 1.0, -1.0, 0.5, 0.0]), [np.array([True, False, False]), np.array([True, False])]

    def of(kind):
        return float(list_loss(kind, torch.tensor(scores), lists))

    softmax = np.exp(scores[:3]) / np.exp(scores[:3]).sum()
    assert np.isclose(of("listwise"), -np.log(softmax[0]) - np.log(np.exp(0.5) / (np.exp(0.5) + 1)))
    pairs = np.mean([np.log1p(np.exp(-1)), np.log1p(np.exp(-3))])
    assert np.isclose(of("pairwise"), pairs + np.log1p(np.exp(-0.5)))
    sure = -np.log(1 / (1 + np.exp(-scores * np.array([1, -1, -1, 1, -1]))))
    assert np.isclose(of("pointwise"), sure[:3].mean() + sure[3:].mean())


@pytest.mark.parametrize("kind", ["listwise", "pairwise", "pointwise"])
def test_a_list_of_its_evidence_alone_leaves_the_loss_a_number(kind):
    """Where no other passage than the evidence was found for a question."""
    import torch

    scores, one, pair = torch.tensor([0.5, 2.0, 1.0]), np.array([True]), np.array([True, False])
    alone, both = float(list_loss(kind, scores[:1], [one])), float(list_loss(kind, scores, [one, pair]))
    assert np.isfinite(alone) and np.isclose(both, alone + float(list_loss(kind, scores[1:], [pair])))
    assert kind == "pointwise" or alone == 0


def test_a_ranking_is_measured_by_its_first_evidence():
    lists = [List(0, np.arange(3), np.array([False, True, False])), List(1, np.arange(2), np.zeros(2, bool))]
    assert measure(lists, [np.array([1.0, 0.5, 0.0]), np.array([1.0, 0.0])]).tolist() == [[0.5, 0.0], [0.0, 0.0]]


def test_windows_read_every_token_of_a_long_passage():
    tokens = PairTokens(minilm.bundled_folder(), 32)
    question, passage = tokens.ids(["who was it?", " ".join(f"word{i}" for i in range(60))])
    windows = tokens.windows(question, passage)
    assert len(windows) > 2 and max(len(ids) for ids, _ in windows) == 32
    assert {token for ids, at in windows for token in ids[at:-1]} == set(passage.tolist())
    [(ids, at)] = tokens.windows(question, passage[:5])
    assert ids[at : at + 5].tolist() == passage[:5].tolist() and at == len(question) + 2
    assert len(tokens.windows(np.arange(500), passage)[0][0]) == 32  # a question as long as that is cut


@pytest.mark.parametrize("at, ids", [(2, [101, 102, 4937, 102]), (3, [101, 4937, 102, 102]), (2, [101, 102, 102])])
def test_empty_texts_have_a_score(at, ids, base):  # noqa: F811
    model = LowRank(base, 2, 1, 0)
    assert np.isfinite(BertPairs(base, "float32", "cpu", model.merged()).scores([(np.array(ids), at)])).all()
