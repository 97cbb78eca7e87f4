"""The reader and the calculator: real models counted exactly, published totals, known answers, and files that are not whole."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.models import architecture as arch
from core.models.gguf_header import read_header

GB = 1e9
LLAMA = {
    "model_type": "llama",
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "max_position_embeddings": 4096,
}
MISTRAL = LLAMA | {
    "model_type": "mistral",
    "intermediate_size": 14336,
    "num_key_value_heads": 8,
    "sliding_window": 4096,
    "max_position_embeddings": 32768,
}
MIXTRAL = MISTRAL | {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2, "sliding_window": None}
DEEPSEEK_V3 = {
    "model_type": "deepseek_v3", "vocab_size": 129280, "hidden_size": 7168, "intermediate_size": 18432, "num_hidden_layers": 61,
    "num_attention_heads": 128, "num_key_value_heads": 128, "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8,
    "moe_intermediate_size": 2048, "first_k_dense_replace": 3, "moe_layer_freq": 1, "q_lora_rank": 1536, "kv_lora_rank": 512,
    "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128, "max_position_embeddings": 163840,
    "tie_word_embeddings": False,
}  # fmt: skip
# what the makers' files hold
PUBLISHED = {
    "Llama-2-7B": (LLAMA, 6_738_415_616),
    "Llama-3-8B": (LLAMA | {"vocab_size": 128256, "intermediate_size": 14336, "num_key_value_heads": 8}, 8_030_261_248),
    "Mistral-7B": (MISTRAL, 7_241_732_096),
    "Mixtral-8x7B": (MIXTRAL, 46_702_792_704),
    "Qwen2-7B": ({"model_type": "qwen2", "vocab_size": 152064, "hidden_size": 3584, "intermediate_size": 18944,
                  "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4}, 7_615_616_512),
    "Qwen3-0.6B": ({"model_type": "qwen3", "vocab_size": 151936, "hidden_size": 1024, "intermediate_size": 3072, "head_dim": 128,
                    "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "tie_word_embeddings": True},
                   596_049_920),
    "Gemma-2B": ({"model_type": "gemma", "vocab_size": 256000, "hidden_size": 2048, "intermediate_size": 16384, "head_dim": 256,
                  "num_hidden_layers": 18, "num_attention_heads": 8, "num_key_value_heads": 1}, 2_506_172_416),
    "Gemma-2-2B": ({"model_type": "gemma2", "vocab_size": 256000, "hidden_size": 2304, "intermediate_size": 9216, "head_dim": 256,
                    "num_hidden_layers": 26, "num_attention_heads": 8, "num_key_value_heads": 4, "sliding_window": 4096},
                   2_614_341_888),
    "Phi-2": ({"model_type": "phi", "vocab_size": 51200, "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 32,
               "num_attention_heads": 32, "num_key_value_heads": 32}, 2_779_683_840),
    "Phi-3-mini": ({"model_type": "phi3", "vocab_size": 32064, "hidden_size": 3072, "intermediate_size": 8192,
                    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32}, 3_821_079_552),
    "GPT-2": ({"model_type": "gpt2", "vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024,
               "n_inner": None}, 124_439_808),
    "GPT-NeoX-20B": ({"model_type": "gpt_neox", "vocab_size": 50432, "hidden_size": 6144, "intermediate_size": 24576,
                      "num_hidden_layers": 44, "num_attention_heads": 64}, 20_554_567_680),
    "DeepSeek-MoE-16B": ({"model_type": "deepseek", "vocab_size": 102400, "hidden_size": 2048, "intermediate_size": 10944,
                          "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 16, "n_routed_experts": 64,
                          "n_shared_experts": 2, "num_experts_per_tok": 6, "moe_intermediate_size": 1408,
                          "first_k_dense_replace": 1, "moe_layer_freq": 1}, 16_375_728_128),
    "Qwen1.5-MoE-A2.7B": ({"model_type": "qwen2_moe", "vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 5632,
                           "num_hidden_layers": 24, "num_attention_heads": 16, "num_key_value_heads": 16, "num_experts": 60,
                           "num_experts_per_tok": 4, "moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632},
                          14_315_784_192),
    "Qwen3-30B-A3B": ({"model_type": "qwen3_moe", "vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 6144,
                       "head_dim": 128, "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4,
                       "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768}, 30_532_122_624),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_totals(name):
    config, total = PUBLISHED[name]
    assert arch.read(config).parameters == total


@pytest.mark.parametrize(("config", "total_b", "active_b"), [
    (MIXTRAL, 46.7, 12.9), (DEEPSEEK_V3, 671.0, 37), (PUBLISHED["DeepSeek-MoE-16B"][0], 16.4, 2.8),
    (PUBLISHED["Qwen1.5-MoE-A2.7B"][0], 14.3, 2.7), (PUBLISHED["Qwen3-30B-A3B"][0], 30.5, 3.3),
])  # fmt: skip
def test_mixtures_of_experts_tell_total_and_active(config, total_b, active_b):
    found = arch.read(config)
    assert round(found.parameters / GB, 1) == total_b
    assert found.active_parameters / GB == pytest.approx(active_b, rel=0.03)  # some makers leave the embedding out


def test_the_bundled_generator_is_counted_exactly_from_its_header():
    found = arch.read(LlamaCpp().path())
    assert found.parameters == found.active_parameters == 134_515_008
    assert (found.layers, found.heads, found.kv_heads, found.head_size, found.width) == (30, 9, 3, 64, 576)
    assert (found.hidden, found.vocabulary, found.context, found.tied, found.attention) == (1536, 49152, 8192, True, "GQA")
    size = LlamaCpp().path().stat().st_size
    assert 0.97 * size < found.weight_bytes < size


def test_the_bundled_encoder_is_counted_exactly():
    from core.embedding.minilm import bundled_folder

    with (bundled_folder() / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    sizes = [tensor["shape"] for name, tensor in header.items() if name != "__metadata__" and "position_ids" not in name]
    found = arch.read(bundled_folder())
    assert found.parameters == sum(size[0] * (size[1] if len(size) > 1 else 1) for size in sizes)
    assert not found.decoder and arch.cache_bytes(found, 512) == 0


def test_known_answers_of_the_cache():
    grouped = arch.read(MIXTRAL)  # 32 layers, 8 key-value heads of 32, of 128 numbers
    assert round(arch.cache_bytes(grouped, 131072) / GB, 1) == 17.2
    assert round(arch.cache_bytes(grouped, 131072, batch=10) / GB, 1) == 171.8
    assert round(arch.cache_bytes(grouped, 131072, batch=10, attention="MHA") / GB, 1) == 687.2


def test_kinds_of_attention_windows_and_latents_change_the_cache():
    grouped = arch.read(MIXTRAL)
    whole = arch.cache_bytes(grouped, 8192)
    assert whole == 2 * 32 * 8 * 128 * 8192 * 2  # a key and a value of 16 bits
    assert arch.cache_bytes(grouped, 8192, attention="MHA") == 4 * whole
    assert arch.cache_bytes(grouped, 8192, attention="MQA") == whole / 8
    assert arch.cache_bytes(grouped, 8192, attention="GQA", groups=4) == whole / 2
    assert arch.cache_bytes(grouped, 8192, precision="q8_0") == whole * 8.5 / 16
    windowed = arch.read(MISTRAL)
    assert arch.cache_bytes(windowed, 8192) == arch.cache_bytes(windowed, 4096) == whole / 2
    half = arch.read(PUBLISHED["Gemma-2-2B"][0])
    assert arch.cache_bytes(half, 8192) == 13 * (8192 + 4096) * 2 * 4 * 256 * 2
    latent = arch.read(DEEPSEEK_V3)
    assert latent.attention == "MLA"
    assert arch.cache_bytes(latent, 1000) == 1000 * 61 * (512 + 64) * 2
    assert arch.cache_bytes(latent, 1000, attention="MHA") == 1000 * 61 * 128 * (192 + 128) * 2


def test_layer_types_and_switches_of_windows():
    listed = LLAMA | {"model_type": "qwen2", "sliding_window": 512}
    assert arch.read(listed | {"use_sliding_window": False}).windowed_layers == 0
    kinds = ["sliding_attention"] * 30 + ["full_attention"] * 2
    assert arch.read(listed | {"layer_types": kinds}).windowed_layers == 30


@pytest.mark.parametrize("kind", ["qwen2", "qwen3"])
def test_the_first_layers_of_qwen_see_everything(kind):
    """As transformers' own config lays them out: `max_window_layers` are without a window, 28 where it is left out."""
    from transformers import AutoConfig

    for more in ({}, {"max_window_layers": 24}, {"max_window_layers": 40}):
        config = LLAMA | {"model_type": kind, "sliding_window": 512, "use_sliding_window": True} | more
        theirs = AutoConfig.for_model(**config).layer_types.count("sliding_attention")
        read = arch.read(config)
        assert read.windowed_layers == theirs
        assert arch.cache_bytes(read, 4096) == (theirs * 512 + (32 - theirs) * 4096) * 2 * read.kv_heads * read.head_size * 2


@pytest.mark.slow
def test_flops_are_the_matrix_products_that_torch_counts():
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from core.scratch.models.transformer import Cache, Shape, Transformer

    shape = Shape(layers=3, heads=8, kv_heads=2, head_size=16, width=96, hidden=256, vocabulary=500, context=64, tied=False)
    model, cache = Transformer(shape), Cache(shape, 64)
    config = {
        "model_type": "llama",
        "vocab_size": 500,
        "hidden_size": 96,
        "intermediate_size": 256,
        "num_hidden_layers": 3,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "head_dim": 16,
    }
    found = arch.read(config)
    assert found.parameters == sum(weight.numel() for weight in model.parameters())
    with torch.inference_mode():
        model(torch.zeros(1, 40, dtype=torch.long), cache)
        with FlopCounterMode(display=False) as counter:
            model(torch.zeros(1, 1, dtype=torch.long), cache, watch=lambda *_: None)
    assert counter.get_total_flops() == arch.flops_per_token(found, 41)


def test_an_experts_flops_are_those_of_its_active_part():
    found = arch.read(MIXTRAL)
    assert arch.flops_per_token(found, 0) == pytest.approx(2 * found.active_parameters, rel=0.02)


def test_longest_context_is_the_last_that_fits():
    found = arch.read(MIXTRAL)
    free = arch.memory(found, 5000, 4, "q4_0").total
    assert arch.longest_context(found, free, batch=4, weights="q4_0") == 5000
    assert arch.longest_context(found, 1e9) == 0
    assert arch.longest_context(found, 1e15) == 32768


def test_weights_by_precision():
    found = arch.read(LLAMA)
    assert arch.weight_bytes(found) == arch.weight_bytes(found, "bfloat16") == 2 * 6_738_415_616
    assert arch.weight_bytes(found, "float32") == 4 * 6_738_415_616
    bundled = arch.read(LlamaCpp().path())
    assert arch.weight_bytes(bundled) == bundled.weight_bytes < arch.weight_bytes(bundled, "q8_0")


def test_the_machine_at_hand_and_a_containers_limit(tmp_path):
    places = arch.machine()
    assert all(0 <= place.free <= place.total for place in places) and places[0].total > 1e8
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    assert arch._within_limit(arch.Place("x", 5000, 3000), tmp_path) == ("x", 1000, 600)
    (tmp_path / "memory.max").write_text("max\n")
    assert arch._within_limit(arch.Place("x", 5000, 3000), tmp_path) == ("x", 5000, 3000)


def test_the_language_part_of_a_model_that_sees(tmp_path):
    inner = {
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "num_hidden_layers": 34,
        "sliding_window": 1024,
        "model_type": "gemma3_text",
    }
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gemma3", "text_config": inner, "vision_config": {}}))
    found = arch.read(tmp_path)
    assert round(found.parameters / GB, 2) == 3.88 and found.notes and found.windowed_layers == 29


@pytest.mark.parametrize(("source", "said"), [
    ({"model_type": "mamba"}, "mamba"), ({}, "None"), ({"model_type": ["llama"]}, "not known"), 
    (LLAMA | {"hidden_size": None}, "hidden_size"),
    ({k: v for k, v in LLAMA.items() if k != "num_hidden_layers"}, "num_hidden_layers"),
    (LLAMA | {"hidden_size": "wide"}, "hidden_size"), (LLAMA | {"num_attention_heads": 0}, "no heads"),
    (LLAMA | {"num_hidden_layers": -1}, "num_hidden_layers"), ("{", "config cannot be read"), ("{}", "None"),
    ("/nowhere/config.json", "No such file"),
])  # fmt: skip
def test_a_config_that_cannot_be_read_says_why(source, said):
    with pytest.raises(WorkbenchError, match=said):
        arch.read(source)


def test_files_that_are_neither(tmp_path):
    for name, content, said in [
        ("a.gguf", b"<html>", "not a GGUF"),
        ("config.json", b"\xff\xfe\x00", "neither"),
        ("config.json", b"[1]", "no mapping"),
        ("b.gguf", b"", "not a GGUF"),
        ("c.gguf", b"GGUF", "cannot be read"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WorkbenchError, match=said):
            arch.read(tmp_path / name)


def small_gguf(path: Path, **more) -> Path:
    """A mixture of experts with a two-number vocabulary's worth of weights."""
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(path, "qwen3moe")
    for add, value in [
        ("block_count", 1),
        ("embedding_length", 8),
        ("feed_forward_length", 16),
        ("head_count", 2),
        ("head_count_kv", 1),
        ("expert_count", 4),
        ("expert_used_count", 2),
        ("context_length", 32),
    ]:
        getattr(writer, f"add_{add}")(value)
    for key, value in more.items():
        writer.add_uint32(key.replace("__", "."), value)
    writer.add_token_list(["a", "b", "c"])
    for name, size in [
        ("token_embd", (3, 8)),
        ("blk.0.attn_q", (8, 8)),
        ("blk.0.ffn_gate_exps", (4, 4, 8)),
        ("blk.0.ffn_gate_inp", (4, 8)),
        ("blk.0.attn_norm", (8,)),
        ("output_norm", (8,)),
        ("output", (3, 8)),
        ("rope_freqs", (4,)),
    ]:
        writer.add_tensor(f"{name}.weight", np.zeros(size, np.float32))
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    return path


def test_a_gguf_of_experts_by_parts(tmp_path):
    found = arch.read(small_gguf(tmp_path / "moe.gguf"))
    assert found.parts == {"embedding": 24, "attention": 64, "experts": 128, "router": 32, "norms": 16, "head": 24}
    assert (found.experts, found.experts_active, found.active_parameters, found.vocabulary) == (4, 2, 288 - 64, 3)
    assert not found.tied and found.attention == "MQA"
    assert arch.read(small_gguf(tmp_path / "part.gguf", split__count=3)).notes


@pytest.mark.slow
def test_the_header_is_what_the_gguf_package_reads():
    from gguf import GGUFReader

    path = LlamaCpp().path()
    ours, theirs = read_header(path), GGUFReader(path)
    assert {name: field.contents() for name, field in theirs.fields.items() if name in ours.metadata} == ours.metadata
    assert ours.lengths == {name: len(f.data) for name, f in theirs.fields.items() if f.types[0].name == "ARRAY"}
    assert {name for name in theirs.fields if not name.startswith("GGUF.")} == {*ours.metadata, *ours.lengths}
    assert [(t.name, t.shape, t.format, t.numbers, t.bytes) for t in ours.tensors] == [
        (t.name, tuple(t.shape), t.tensor_type.name, t.n_elements, t.n_bytes) for t in theirs.tensors
    ]


def test_a_gguf_cut_or_damaged_anywhere_is_an_error_for_people_or_still_read(tmp_path):
    whole = small_gguf(tmp_path / "whole.gguf").read_bytes()
    path, dice = tmp_path / "bad.gguf", random.Random(0)
    for length in range(4, len(whole) - 32, 7):  # the last 32 bytes are padding
        path.write_bytes(whole[:length])
        with pytest.raises(WorkbenchError):
            arch.read(path)
    for _ in range(300):
        spoilt = bytearray(whole)
        spoilt[dice.randrange(4, 900)] = dice.randrange(256)
        path.write_bytes(spoilt)
        try:
            arch.read(path)
        except WorkbenchError as error:
            assert str(path) in str(error)


def test_reading_loads_no_engine():
    code = (
        "import sys; from core.models import architecture; from core.labs.inside import cache; import core.scratch.models.attention;"
        "architecture.read(sys.argv[1]); print({'torch', 'transformers', 'llama_cpp'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code, str(LlamaCpp().path())], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
