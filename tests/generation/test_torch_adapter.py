"""Adapters on the torch engine: put on, scaled, taken off without a trace, several only when asked, and refused where they do not
belong."""

import json
import shutil

import numpy as np
import pytest

from core import files
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.generation.odds import log_softmax
from core.generation.torch_lm import Transformers
from core.labs.sampling import searches
from core.labs.sampling.prompts import Reading
from core.models.adapters import RECORD, SETTINGS, WEIGHTS, checked_adapter
from core.models.hub import adapters_home
from core.progress import Running, drain
from core.sampling.search import BeamSearch
from tests.generation.test_torch_lm import tiny_model

HELLO = [{"role": "user", "content": "Tell a story about a fox."}]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    import torch

    torch.set_num_threads(1)
    return Transformers(
        model=str(tiny_model(tmp_path_factory.getbasetemp() / "tiny")),
        dtype="float32",
        context_tokens=512,
        max_tokens=8,
        own_process="no",
    )


def adapter(name, model, seed, **settings):
    """A random adapter of the model, as training writes it."""
    import torch
    from peft import LoraConfig, get_peft_model

    base = model.load()
    base.adapter.change("", 0)
    torch.manual_seed(seed)
    config = LoraConfig(r=2, target_modules=["q_proj", "down_proj"], init_lora_weights=False, task_type="CAUSAL_LM", **settings)
    tuned = get_peft_model(base.model, config)
    folder = adapters_home() / name
    tuned.save_pretrained(folder)
    tuned.unload()
    (folder / RECORD).write_text(json.dumps({"base": {"name": "tiny", "sha256": base.sha256}}))
    return folder


def logits(model, **knobs):
    part = model.model_copy(update=knobs)
    return part.next_logits(part.read(HELLO))


def text(model, **knobs):
    for _ in (running := Running(model.model_copy(update=knobs).generate(HELLO))):
        pass
    return running.result.text


@pytest.mark.slow
def test_switched_off_the_base_computes_the_very_same_logits(model):
    base, said = logits(model), text(model)
    adapter("a", model, 1)
    adapter("b", model, 2, use_dora=True)
    first, second = logits(model, adapter="a"), logits(model, adapter="b")
    assert np.abs(first - base).max() > 1e-3 and np.abs(second - first).max() > 1e-3
    for knobs in ({}, {"adapter": "a", "adapter_scale": 0.0}):
        logits(model, adapter="a")
        assert np.array_equal(logits(model, **knobs), base)
        text(model, adapter="b")
        assert text(model, **knobs) == said
    assert np.array_equal(logits(model, adapter="a"), first) and np.array_equal(logits(model, adapter="b"), second)


def test_adapters_never_stand_on_each_other(model):
    adapter("a", model, 1)
    adapter("b", model, 2)
    after_a = [logits(model, adapter=name) for name in ("a", "b")][1]
    logits(model)
    assert np.array_equal(logits(model, adapter="b"), after_a)
    names = [name for name, _ in model.load().model.named_parameters() if "lora_A" in name]
    assert len(names) == 4  # two matrices of each of two layers, of one adapter


def test_several_are_the_sum_of_what_each_changes(model):
    import torch

    adapter("a", model, 1)
    adapter("b", model, 2)
    base, first, second = logits(model), logits(model, adapter="a"), logits(model, adapter="b")
    assert np.array_equal(logits(model, adapter="a:1,b:0"), first) and np.array_equal(logits(model, adapter="a:0,b:1"), second)
    for nothing in ({"adapter": "a:0,b:0"}, {"adapter": "a:0.5,b:0.7", "adapter_scale": 0.0}, {}):
        both = logits(model, adapter="a:0.5,b:0.7")
        assert np.array_equal(logits(model, **nothing), base)
    assert np.array_equal(logits(model, adapter="b:0.7,a:0.5"), both)
    assert np.array_equal(logits(model, adapter="a:1,b:1.4", adapter_scale=0.5), both)
    own = model.opens()[1]()
    state = own.model.state_dict()
    for name, weight in (("a", 0.5), ("b", 0.7)):  # the weights written down by hand
        tensors = {key.removeprefix("base_model.model."): value for key, value in load_adapter(name).items()}
        for key in [key for key in tensors if "lora_A" in key]:
            change = tensors[key.replace("lora_A", "lora_B")] @ tensors[key]
            state[key.replace("lora_A.weight", "weight")] += weight * (8 / 2) * change
    prompt = torch.tensor([own.prompt(HELLO).tokens])
    with torch.no_grad():
        by_hand = own.model(prompt).logits[0, -1].numpy()
    assert np.abs(both - base).max() > 1e-3 and np.allclose(both, by_hand, atol=1e-4)


def load_adapter(name):
    from safetensors.torch import load_file

    return load_file(adapters_home() / name / WEIGHTS)


def test_several_leave_no_trace(model):
    adapter("a", model, 1)
    adapter("b", model, 2)
    fresh = model.opens()[1]()
    untouched = fresh.next_logits(model, fresh.prompt(HELLO), ())
    for before in ("a:0.5,b:0.7", "b", "a:2,b:0.1", "a"):
        logits(model, adapter=before)
        assert np.array_equal(logits(model), untouched)
    alone = logits(model, adapter="b")
    logits(model, adapter="a:1,b:1")
    assert np.array_equal(logits(model, adapter="b"), alone)
    assert len([name for name, _ in model.load().model.named_parameters() if "lora_A" in name]) == 4  # of one adapter


def test_of_several_each_is_looked_at(model):
    adapter("a", model, 1)
    other = adapter("other", model, 2)
    (other / RECORD).write_text('{"base": {"name": "another", "sha256": "0"}}')
    adapter("dora", model, 3, use_dora=True)
    base = logits(model)
    for mix, words in (
        ("a:0.5,other:0.5", "'other' was trained on another model"),
        ("a:0.5,dora:0.5", "'dora' is DoRA's"),
        ("dora:0.5,a:0.5", "'dora' is DoRA's"),
        ("a:0.5,none:0.5", "no adapter 'none'"),
        ("a:0.5,a:0.5", "names 'a' twice"),
        ("a:3", "the weight '3'"),
        ("a:nan", "the weight 'nan'"),
        ("a:x", "the weight 'x'"),
    ):
        with pytest.raises(WorkbenchError, match=words):
            logits(model, adapter=mix)
        assert np.array_equal(logits(model), base)


def test_a_recipe_names_several_in_one_way():
    def named(text):
        return Transformers(adapter=text).adapter

    assert named("b:0.30, a") == named("a:1,b:.3") == "a:1,b:0.3"
    assert named("a:1") == named("a") == "a" and named("") == "" and named("a:0.5") == "a:0.5"


def test_the_scale_acts_at_once_and_in_proportion(model):
    adapter("a", model, 1)
    base = logits(model)
    changes = [np.abs(logits(model, adapter="a", adapter_scale=scale) - base).max() for scale in (0.0, 0.01, 0.02, 1.0)]
    assert changes[0] == 0 and changes[2] == pytest.approx(2 * changes[1], rel=0.2) and changes[3] > changes[2]


def test_what_the_cache_held_of_other_weights_is_read_anew(model):
    adapter("a", model, 1)
    for knobs in ({}, {"adapter": "a"}, {"adapter": "a", "adapter_scale": 0.5}, {}):
        part = model.model_copy(update=knobs)
        warm = part.next_logits(part.read(HELLO))
        assert np.array_equal(warm, part.model_copy(update={"reuse_prefix": False}).next_logits(part.read(HELLO)))
        several = drain(part.generate_many([HELLO, HELLO]))
        assert several[0].text == several[1].text


def test_the_identity_of_an_answer_names_the_adapters_contents(model):
    plain = model.identity()
    adapter("a", model, 1)
    worn = model.model_copy(update={"adapter": "a"})
    first = worn.identity()
    adapter("a", model, 3)
    half = model.model_copy(update={"adapter": "a", "adapter_scale": 0.5})
    assert len({plain, first, worn.identity(), half.identity()}) == 4
    assert model.model_copy(update={"adapter": "a", "adapter_scale": 0.0}).identity() == plain
    adapter("b", model, 2)
    mixed = [model.model_copy(update={"adapter": text}).identity() for text in ("a:0.5,b:0.3", "a:0.5,b:0.4", "a:0.5,b:0")]
    assert len({*mixed}) == 3 and mixed[2] == half.identity()


def test_an_adapter_that_does_not_belong_is_refused_with_the_reason(model):
    from safetensors.torch import load_file, save_file

    folder = adapter("a", model, 1)
    base = logits(model)

    def refused(words, change):
        shutil.rmtree(adapters_home() / "bad", ignore_errors=True)
        bad = shutil.copytree(folder, adapters_home() / "bad")
        change(bad)
        with pytest.raises(WorkbenchError, match=words):
            logits(model, adapter="bad")
        assert np.array_equal(logits(model), base)

    def changed(edit):
        def change(bad):
            weights = load_file(bad / WEIGHTS)
            edit(weights)
            save_file(weights, bad / WEIGHTS)

        return change

    refused(
        "trained on another model, other", lambda bad: (bad / RECORD).write_text('{"base": {"name": "other", "sha256": "0"}}')
    )
    refused("trained on another model", lambda bad: (bad / RECORD).write_text("{"))
    refused("lacks 1 tensors", changed(lambda weights: weights.pop(next(iter(weights)))))
    refused("has beside", changed(lambda weights: weights.update(more=next(iter(weights.values())).clone())))
    refused(
        "other shape|another shape", changed(lambda w: w.update({next(iter(w)): next(iter(w.values()))[:, :-1].contiguous()}))
    )
    refused("no number", changed(lambda weights: next(iter(weights.values())).fill_(float("nan"))))
    refused("cannot be read", lambda bad: (bad / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-40]))
    refused("cannot be read", lambda bad: (bad / SETTINGS).write_text("{"))
    refused("lacks adapter_config", lambda bad: (bad / SETTINGS).unlink())

    def pickled(bad):
        (bad / WEIGHTS).unlink()
        (bad / "adapter_model.bin").write_bytes(b"x")

    refused("no safetensors but adapter_model.bin", pickled)
    with pytest.raises(WorkbenchError, match="There is no adapter 'c'"):
        model.model_copy(update={"adapter": "c"}).identity()


def test_a_name_leads_nowhere_else(model):
    adapter("a", model, 1)
    for name in ("../adapters/a", "", ".", "a/../a"):
        with pytest.raises(WorkbenchError, match="There is no adapter"):
            checked_adapter(name, model.load().sha256)


def published(folder, **settings):
    """The adapter's settings as another program may have written them."""
    (folder / SETTINGS).write_text(json.dumps(json.loads((folder / SETTINGS).read_text()) | settings))
    return folder


@pytest.mark.parametrize("start", [True, False, "gaussian", "eva", "orthogonal", "mica"])
def test_how_its_training_began_is_never_done_again(model, start):
    folder = adapter("a", model, 1)
    base, worn = logits(model), logits(model, adapter="a")
    published(folder, init_lora_weights=start, eva_config={"rho": 2.0})
    assert np.array_equal(logits(model, adapter="a"), worn) and np.array_equal(logits(model), base)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"init_lora_weights": "pissa"}, "pissa"),
        ({"init_lora_weights": "pissa_niter_4"}, "pissa_niter_4"),
        ({"init_lora_weights": "olora"}, "olora"),
        ({"init_lora_weights": "corda"}, "corda"),
        ({"init_lora_weights": "loftq"}, "loftq"),
        ({"init_lora_weights": "lora_ga"}, "lora_ga"),
        ({"layer_replication": [[0, 1], [0, 2]]}, "layer_replication"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"trainable_token_indices": [1, 2]}, "trainable_token_indices"),
        ({"target_parameters": ["weight"]}, "target_parameters"),
        ({"layers_to_transform": [0]}, "layers_to_transform"),
        ({"bias": "all"}, "bias"),
        ({"lora_bias": True}, "lora_bias"),
        ({"use_qalora": True}, "use_qalora"),
        ({"alora_invocation_tokens": [1]}, "alora_invocation_tokens"),
        ({"velora_config": {"rank": 1}}, "velora_config"),
        ({"of_tomorrow": 1}, "of_tomorrow"),
        ({"peft_type": "IA3"}, "peft_type"),
        ({"target_modules": "(q|down)_proj"}, "target_modules"),
        ({"target_modules": ["(a+)+$"]}, "target_modules"),
        ({"rank_pattern": {"(a+)+$": 2}}, "rank_pattern"),
        ({"r": True}, "r: True"),
        ({"r": 2_000_000_000}, "rank 2,000,000,000"),
        ({"lora_alpha": float("nan")}, "lora_alpha"),
    ],
)
def test_settings_beyond_plain_lora_are_refused_by_name(model, settings, named):
    published(adapter("a", model, 1), **settings)
    base = logits(model)
    with pytest.raises(WorkbenchError, match=named):
        logits(model, adapter="a")
    assert np.array_equal(logits(model), base)


def test_ranks_by_matrix_are_taken(model):
    adapter("a", model, 1, rank_pattern={"q_proj": 3}, alpha_pattern={"down_proj": 1.5})
    base = logits(model)
    assert np.abs(logits(model, adapter="a") - base).max() > 1e-3
    assert np.array_equal(logits(model), base)


def test_a_base_that_came_back_as_another_is_loaded_anew_and_told(model, monkeypatch):
    adapter("a", model, 1)
    monkeypatch.setattr(files, "notices", [])
    base, worn = logits(model), logits(model, adapter="a")
    with_another = model.load().model
    for weight in with_another.parameters():
        weight.data = weight.data * 1.01
    assert np.array_equal(logits(model), base)
    assert "loaded again" in " ".join(files.notices) and model.load().model is not with_another
    assert np.array_equal(logits(model, adapter="a"), worn)


def test_what_is_left_of_an_adapter_that_does_not_fit_is_no_part_of_the_base(model):
    long = [
        {"role": "user", "content": "Tell a story about a fox. " * 12}
    ]  # more than one piece, the first of which could be reused

    def asked(**knobs):
        part = model.model_copy(update=knobs)
        return part.next_logits(part.read(long))

    adapter("a", model, 1)
    published(adapter("b", model, 2), target_modules=["q_proj", "absent"])
    base = asked()
    asked(adapter="a")
    with pytest.raises(WorkbenchError):
        asked(adapter="b")
    assert np.array_equal(asked(), base)


def test_merging_refuses_what_wearing_refuses(model):
    folder, own = adapter("a", model, 1), model.opens()[1]()
    before = {name: weight.clone() for name, weight in own.model.state_dict().items()}
    published(folder, init_lora_weights="olora")
    with pytest.raises(WorkbenchError, match="olora"):
        own.adapter.merge("a", 1.0)
    assert own.model.state_dict().keys() == before.keys()
    assert all((weight == before[name]).all() for name, weight in own.model.state_dict().items())


def test_a_search_reads_with_the_adapter_that_the_recipe_names(model):
    adapter("a", model, 1)
    worn = model.model_copy(update={"adapter": "a", "adapter_scale": 0.5})
    prompt = model.read(HELLO)
    logits(model)  # the last to ask wore none
    found = drain(searches.search(TrialConfig(generation=worn), Reading(prompt, HELLO, (), ""), BeamSearch(width=1), 4))
    odds = log_softmax(
        np.float64([worn.next_logits(prompt, found.lines[0].tokens[:n]) for n in range(len(found.lines[0].tokens))])
    )
    assert found.lines[0].logprob == pytest.approx(odds[range(len(odds)), found.lines[0].tokens].sum(), abs=1e-4)


def test_a_search_with_the_model_of_llama_cpp_wears_what_that_wears():
    part = searches.searcher(LlamaCpp(adapter="a:0.7,b:0.3", adapter_scale=0.5))
    assert (part.part, part.adapter, part.adapter_scale) == ("transformers", "a:0.7,b:0.3", 0.5)
