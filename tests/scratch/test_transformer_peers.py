"""The transformer written here against transformers' Llama, and the reader's parameter counts against its models."""

from pydoc_data.topics import topics

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.models import architecture
from core.scratch.models import attention


def a_llama(folder, kv_heads, tied):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(kv_heads)
    config = LlamaConfig(
        vocab_size=300,
        hidden_size=48,
        intermediate_size=80,
        num_hidden_layers=3,
        num_attention_heads=6,
        head_dim=16,
        num_key_value_heads=kv_heads,
        max_position_embeddings=256,
        tie_word_embeddings=tied,
        initializer_range=0.3,
        rope_parameters={"rope_type": "default", "rope_theta": 5000.0},
        attn_implementation="eager",
    )
    model = LlamaForCausalLM(config).eval()
    for name, weight in model.named_parameters():
        if "norm" in name:  # ones would hide a norm in the wrong place
            torch.nn.init.normal_(weight, 1.0, 0.2)
    model.save_pretrained(folder)
    return model


def library_texts(model, prompts, new_tokens):
    import torch

    with torch.inference_mode():
        out = model.generate(
            prompts,
            attention_mask=torch.ones_like(prompts),
            max_new_tokens=new_tokens,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
    return out[:, prompts.shape[1] :]


@pytest.fixture(scope="module", params=[(6, True), (2, False), (1, True)], ids=["MHA", "GQA", "MQA"])
def pair(request, tmp_path_factory):
    import torch

    from core.scratch.models import transformer

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("llama")
    return a_llama(folder, *request.param), transformer.load(folder)


IDS = np.random.default_rng(0).integers(0, 300, 40).tolist()


@pytest.mark.slow
def test_logits_and_attention_are_the_librarys(pair):
    import torch

    library, ours = pair
    batch = torch.tensor([IDS, IDS[::-1]])
    seen = []
    with torch.inference_mode():
        expected = library(batch, output_attentions=True)
        assert (ours(batch) - expected.logits).abs().max() < 1e-4
        assert (ours(batch, watch=lambda _, weights: seen.append(weights)) - expected.logits).abs().max() < 1e-4
        assert (ours(batch, last=True) - expected.logits[:, -1:]).abs().max() < 1e-4
    assert max((a - b).abs().max() for a, b in zip(seen, expected.attentions, strict=True)) < 1e-5
    found = attention.maps(ours, IDS, np.float32)
    assert np.abs(found - torch.cat([layer[:1] for layer in expected.attentions]).numpy()).max() < 1e-5


@pytest.mark.slow
def test_greedy_text_is_the_librarys_with_and_without_the_cache(pair):
    import torch

    from core.scratch.models.transformer import generate

    library, ours = pair
    expected = library_texts(library, torch.tensor([IDS]), 200)[0].tolist()
    assert list(generate(ours, IDS, 200)) == expected
    assert list(generate(ours, IDS, 60, use_cache=False)) == expected[:60]
    assert len(set(expected)) > 20, "a text that repeats one token would prove nothing"


@pytest.mark.parametrize("pieces", [(1,) * 40, (7, 1, 13, 19), (40,), (39, 1)])
def test_a_text_read_in_pieces_is_the_text_read_at_once(pair, pieces):
    import torch

    from core.scratch.models.transformer import Cache

    _, ours = pair
    text, cache, found = torch.tensor([IDS, IDS[::-1]]), Cache(ours.shape, 40, batch=2), []
    with torch.inference_mode():
        for piece in text.split(pieces, dim=1):
            watch = (lambda *_: None) if len(found) % 2 else None  # both ways of attention on one cache
            found.append(ours(piece, cache, watch=watch))
        assert (torch.cat(found, 1) - ours(text)).abs().max() < 1e-4
        with pytest.raises(WorkbenchError, match="room for 40"):
            ours(text[:, :1], cache)


def test_a_kind_of_model_that_is_not_read_and_weights_that_are_missing(tmp_path):
    import json

    from core.scratch.models.transformer import load, shape_of

    a_llama(tmp_path, 2, False)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    for change in [{"model_type": "gpt2"}, {"attention_bias": True}, {"rope_parameters": {"rope_type": "llama3"}}]:
        path.write_text(json.dumps(config | change))
        with pytest.raises(WorkbenchError, match="does not read"):
            shape_of(tmp_path)
    path.write_text(json.dumps(config | {"num_hidden_layers": 4}))
    with pytest.raises(WorkbenchError, match="do not fit"):
        load(tmp_path)


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM

    from core.labs.inside import model
    from core.scratch.models import transformer

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDWORK_HOME", str(tmp_path_factory.mktemp("home")))
        folder = model.bundled()
    library = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    return library, transformer.load(folder), Tokenizer.from_file(str(folder / "tokenizer.json"))


@pytest.mark.slow
def test_the_bundled_tokens_are_llama_cpps(bundled):
    """Digits one by one above all: transformers' reading of the GGUF file loses that."""
    from core.labs.inside import tokenizers
    from core.training.tokenizers import opened, tokenizer_files

    llama = opened(tokenizer_files()["SmolLM2"])
    texts = [*tokenizers.SAMPLES.values(), "1999 to 2024: 3.14159, x12345y", *list(topics.values())[:40]]
    for text in texts:
        assert bundled[2].encode(text, add_special_tokens=False).ids == llama.split(text).ids.tolist()


@pytest.mark.slow
def test_smollm2_gives_the_librarys_logits_and_text(bundled):
    """8 prompts, 100 tokens each. All prompts have 40 tokens, so that both sides write the texts side by side: one
    after the other they would take far longer, as each step reads all weights."""
    import torch

    from core.scratch.models.transformer import Cache, generate

    library, ours, tokenizer = bundled
    texts = [" ".join(text.split()) for _, text in sorted(topics.items()) if len(text) > 1000][:8]
    prompts = torch.tensor([attention.read(tokenizer, text).ids[:40] for text in texts])
    expected = library_texts(library, prompts, 100)
    cache, new, found = Cache(ours.shape, 140, batch=8), prompts, []
    with torch.inference_mode():
        for _ in range(100):
            new = ours(new, cache, last=True)[:, -1].argmax(-1, keepdim=True)
            found.append(new)
        assert torch.equal(torch.cat(found, 1), expected)
        for text in torch.cat((prompts, expected), 1).split(2):  # all texts' logits at once would take half a gigabyte
            assert (ours(text) - library(text).logits).abs().max() < 1e-3
    assert list(generate(ours, prompts[0].tolist(), 40)) == expected[0, :40].tolist()
    assert len({tuple(row) for row in expected.tolist()}) == 8


SMALL = {
    "vocab_size": 1000,
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "intermediate_size": 160,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
NO_GROUPS = {"num_key_value_heads": 8}
EXPERTS = {"moe_intermediate_size": 32, "num_experts": 6}
LATENT = NO_GROUPS | {
    "q_lora_rank": 24,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 16,
    "v_head_dim": 12,
    "n_routed_experts": 8,
    "n_shared_experts": 2,
    "moe_intermediate_size": 32,
    "first_k_dense_replace": 1,
    "num_experts_per_tok": 2,
}


@pytest.mark.parametrize(("kind", "changes"), [
    ("llama", {}), ("llama", {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True}), ("mistral", {"head_dim": 12}),
    ("qwen2", {}), ("qwen3", {"head_dim": 16}), ("gemma", {"head_dim": 32}), ("gemma2", {"head_dim": 32}),
    ("gemma3_text", {"head_dim": 32}), ("phi", {}), ("phi3", {}), ("gpt2", {}), ("gpt_neox", NO_GROUPS),
    ("gpt_neox", NO_GROUPS | {"attention_bias": False}), ("mixtral", {"num_local_experts": 4}),
    ("qwen2_moe", EXPERTS | {"shared_expert_intermediate_size": 48}), ("qwen3_moe", EXPERTS | {"head_dim": 16}),
    ("qwen3_moe", EXPERTS | {"head_dim": 16, "decoder_sparse_step": 2, "mlp_only_layers": [1]}),
    ("deepseek_v2", LATENT), ("deepseek_v2", LATENT | {"q_lora_rank": None}), ("deepseek_v3", LATENT),
    ("smollm3", {}), ("granite", {}), ("olmo2", {}), ("starcoder2", {}), ("starcoder2", {"use_bias": False}), ("bert", NO_GROUPS),
])  # fmt: skip
def test_parameters_are_those_of_the_librarys_model(kind, changes):
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    config = AutoConfig.for_model(kind, **(SMALL | changes if kind != "gpt2" else {}))
    with torch.device("meta"):
        model = (AutoModel if kind == "bert" else AutoModelForCausalLM).from_config(config)
    assert architecture.read(config.to_dict()).parameters == sum(weight.numel() for weight in model.parameters())
