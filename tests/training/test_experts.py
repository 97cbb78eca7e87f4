"""The mixture of experts: the layer against a dense one and brute force, its losses against their formulas, a short training."""

import math

import numpy as np
import pytest
import torch

from core.config import valid
from core.errors import WorkbenchError
from core.labs.inside.experts import (
    CLOSED,
    KINDS,
    by_kind,
    dropped,
    entropy_bits,
    expert_loads,
    kind_told,
    part_of_speech,
    routed_kinds,
    token_kinds,
)
from core.progress import drain
from core.scratch.models import moe
from core.scratch.models.transformer import Shape, SwiGLU
from core.training import experts
from core.training.experts import ExpertStep, MoeConfig, Routing, experts_folder, read_run, trained_experts, variation

SHAPE = Shape(layers=1, heads=1, kv_heads=1, head_size=16, width=16, hidden=24, vocabulary=10, context=32)
SMALL = {"width": 32, "hidden": 32, "vocabulary": 320, "context": 32, "batch": 8, "experts": 4}


def layer(experts, top_k, capacity_factor=0.0, seed=0):
    torch.manual_seed(seed)
    return moe.MixtureOfExperts(SHAPE, experts, top_k, capacity_factor)


def corpus(documents=40):
    from pydoc_data.topics import topics

    return [topics[name][:1500] for name in sorted(topics)[:documents]]


def test_one_expert_is_the_dense_layer():
    one, dense = layer(1, 1, capacity_factor=1.0), SwiGLU(SHAPE)
    dense.load_state_dict(one.experts[0].state_dict())
    x = torch.randn(2, 9, 16)
    torch.testing.assert_close(one(x), dense(x), rtol=0, atol=1e-6)
    assert one.routed.has_room.all()


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_top_k_equals_every_expert_on_every_token(top_k):
    mixture = layer(5, top_k, seed=top_k)
    x = torch.randn(3, 7, 16)
    with torch.no_grad():
        out = mixture(x)
        for text in range(3):
            for place in range(7):
                token = x[text, place]
                probability = torch.softmax(mixture.router.weight @ token, 0).tolist()
                best = sorted(range(5), key=lambda e: -probability[e])[:top_k]
                whole = sum(probability[e] for e in best) if top_k > 1 else 1.0
                wanted = sum(probability[e] / whole * mixture.experts[e](token) for e in best)
                torch.testing.assert_close(out[text, place], wanted, rtol=1e-5, atol=1e-6)


def test_capacity_keeps_first_choices_first_and_a_dropped_token_passes_by():
    chosen = torch.tensor([[0, 1], [0, 1], [0, 2], [1, 0]])  # three first choices of expert 0, two places
    assert moe.within(chosen, 3, 2).tolist() == [[True, True], [True, False], [False, True], [True, False]]
    assert moe.capacity(8, 4, 1, 1.25) == 3 and moe.capacity(8, 4, 2, 1.0) == 4 and moe.capacity(8, 4, 2, 0.0) == 8
    mixture = layer(4, 1, capacity_factor=0.5)
    x = torch.randn(1, 16, 16)
    out = mixture(x)[0]
    lost = ~mixture.routed.has_room[:, 0]
    assert lost.any() and (out[lost] == 0).all() and (out[~lost] != 0).any(1).all()
    load = torch.bincount(mixture.routed.experts[mixture.routed.has_room], minlength=4)
    assert load.max() <= moe.capacity(16, 4, 1, 0.5) == 2


def test_losses_equal_their_formulas():
    mixture = layer(4, 2)
    mixture(torch.randn(2, 10, 16))
    routed = mixture.routed
    logits, chosen, gates = (t.detach().numpy().astype(float) for t in (routed.logits, routed.experts, routed.gates))
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    share = [sum(chosen.ravel() == e) / chosen.size for e in range(4)]
    even = 4 * sum(share[e] * probabilities[:, e].mean() for e in range(4))
    assert moe.switch_loss(routed).item() == pytest.approx(even, rel=1e-5)
    importance = np.array([gates[chosen == e].sum() for e in range(4)])
    assert moe.importance_loss(routed).item() == pytest.approx((importance.std() / importance.mean()) ** 2, rel=1e-4)
    assert moe.z_loss(routed).item() == pytest.approx((np.log(np.exp(logits).sum(1)) ** 2).mean(), rel=1e-5)


def test_the_switch_loss_is_1_where_even_and_e_where_all_go_to_one():
    def routed(probabilities, experts):
        p = torch.tensor(probabilities)
        return moe.Routed(p.log(), p, torch.tensor(experts)[:, None], p.max(1).values[:, None], p[:, :1] > 0)

    even = routed([[0.25] * 4] * 4, [0, 1, 2, 3])
    assert moe.switch_loss(even).item() == pytest.approx(1)
    assert moe.switch_loss(routed([[1.0, 0, 0, 0]] * 4, [0] * 4)).item() == pytest.approx(4)
    assert variation(np.array([1.0, 0, 0, 0])) == pytest.approx(math.sqrt(3))
    assert entropy_bits(np.full(4, 0.25)) == pytest.approx(2) and entropy_bits(np.eye(4)[0]) == 0


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same short training with and without the balancing loss."""
    home, found = tmp_path_factory.mktemp("moe"), {}
    for name, settings in {"with": {}, "without": {"balance": "none"}}.items():
        config = MoeConfig(**SMALL, steps=60, **settings)
        found[name] = drain(moe.train(corpus(), config, home / name))
    return found


@pytest.mark.slow
def test_the_balancing_loss_evens_the_load_and_saves_tokens(runs):
    def last(name, what):
        return np.mean([getattr(step, what) for step in runs[name].run.steps[-20:]])

    assert last("with", "cv") < 0.7 * last("without", "cv")
    assert last("with", "dropped") < last("without", "dropped")
    assert last("with", "balance") < last("without", "balance")


@pytest.mark.slow
def test_training_learns_and_tells_every_step(runs):
    run = runs["with"].run
    assert [step.done for step in run.steps] == list(range(1, 61))
    assert run.steps[-1].loss < run.steps[0].loss - 0.5 and run.steps[0].loss == pytest.approx(math.log(320), abs=0.3)
    assert run.held_out_loss < run.steps[0].loss - 0.5 and len(run.held_out) == 4
    assert all(len(lists) == 2 for lists in run.steps[-1][4:])


@pytest.mark.slow
def test_a_model_reads_the_same_after_it_was_kept(runs):
    trained = runs["with"]
    again = moe.load(trained.run.folder)
    texts = [corpus()[i] for i in trained.run.held_out]
    one, two = moe.read(trained, texts), moe.read(again, texts)
    for name in one.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert again.run == trained.run
    assert not list(trained.run.folder.parent.glob(".*")), "nothing half made is left"


def test_routing_counts_every_token_once_and_its_statistics_agree(runs):
    texts = ["The for statement loops over 10 read_lines(x).", "Und die Größe?"]
    routing = moe.read(runs["with"], texts, capacity_factor=0.0)
    tokens = sum(len(runs["with"].reader.split(text).ids) for text in texts)
    assert len(routing.ids) == tokens and routing.has_room.all() and (dropped(routing) == 0).all()
    load = expert_loads(routing)
    np.testing.assert_allclose(load.sum(1), 1)
    np.testing.assert_array_equal(load, [np.bincount(routing.experts[:, one, 0], minlength=4) / tokens for one in (0, 1)])
    np.testing.assert_array_equal(routing.experts[..., 0], routing.probabilities.argmax(-1))
    np.testing.assert_allclose(routing.gates[..., 0], routing.probabilities.max(-1))
    kind = routed_kinds(routing, texts)
    assert len(kind) == tokens
    table = by_kind(routing, kind)
    present = np.unique(kind)
    np.testing.assert_allclose(table[:, present].sum(-1), 1)
    assert np.isnan(table[:, np.setdiff1d(range(len(KINDS)), present)]).all()
    told = kind_told(routing, kind)
    assert ((told >= 0) & (told <= 1) | np.isnan(told)).all()


def test_kind_told_is_1_where_the_kind_decides_and_0_where_it_does_not():
    def routing(experts):
        n = len(experts)
        zeros, ones = np.zeros(n, np.int32), np.ones((n, 1, 1))
        return Routing(zeros, zeros, np.zeros((n, 2)), np.array(experts)[:, None, None], ones, ones > 0, np.full((n, 1, 2), 0.5))

    kind = np.array([1, 1, 2, 2], np.int8)
    assert kind_told(routing([0, 0, 1, 1]), kind)[0] == pytest.approx(1)
    assert kind_told(routing([0, 1, 0, 1]), kind)[0] == pytest.approx(0)
    assert np.isnan(kind_told(routing([0, 0, 0, 0]), kind)[0])


def test_kinds_of_tokens_follow_the_word_they_stand_in():
    text = "The loop  x_1 = 42"
    offsets = np.array([[0, 3], [3, 6], [6, 8], [8, 9], [9, 11], [11, 13], [13, 15], [15, 18]])
    names = [KINDS[kind] for kind in token_kinds(text, offsets)]
    assert names == ["determiner", "noun or other", "noun or other", "space", "name in code", "name in code", "sign", "number"]


def test_parts_of_speech_by_list_and_by_ending():
    text = "the king was quickly looping over red unusable objects and them"
    assert [part_of_speech(word) for word in text.split()] == [
        "determiner",
        "noun or other",
        "auxiliary",
        "adverb",
        "verb in -ed, -ing",
        "preposition",
        "noun or other",
        "adjective",
        "noun or other",
        "conjunction",
        "pronoun",
    ]
    words = [word for words in CLOSED.values() for word in words.split()]
    assert len(words) == len(set(words)), "a word has one class"


def test_the_same_seed_gives_the_same_model_and_closing_keeps_nothing(tmp_path):
    config = MoeConfig(**SMALL, steps=3, top_k=2, balance="importance")
    runs = [drain(moe.train(corpus(15), config, tmp_path / name)).run for name in ("one", "two")]
    assert runs[0].steps == runs[1].steps and runs[0].held_out_loss == runs[1].held_out_loss
    left = moe.train(corpus(15), config, tmp_path / "left")
    while not isinstance(next(left), ExpertStep):
        pass
    left.close()
    assert sorted(path.name for path in tmp_path.glob("*")) == ["one", "two"]


def test_what_cannot_be_is_said(tmp_path):
    with pytest.raises(WorkbenchError, match="2 of 1 experts"):
        valid(MoeConfig, {"experts": 1, "top_k": 2})
    with pytest.raises(WorkbenchError, match="a row of a batch has 33"):
        drain(moe.train(["short text", "another"], MoeConfig(**SMALL, steps=1), tmp_path / "short"))
    with pytest.raises(WorkbenchError, match="no model"):
        moe.load(tmp_path / "absent")
    (tmp_path / "there").mkdir()
    with pytest.raises(WorkbenchError, match="already"):
        next(moe.train(corpus(3), MoeConfig(), tmp_path / "there"))


def test_trained_models_are_found_by_name(runs, monkeypatch):
    monkeypatch.setattr(experts, "moe_home", lambda: runs["with"].run.folder.parent)
    assert set(trained_experts()) == {"with", "without"} and experts_folder("with") == runs["with"].run.folder
    assert read_run(experts_folder("without")).config.balance == "none"
