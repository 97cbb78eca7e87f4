"""Models whose architecture can be read: the bundled one, published configs, files of this machine and uploads."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import WorkbenchError
from core.models import architecture
from core.models.architecture import Architecture

BUNDLED = "SmolLM2-135M-Instruct (bundled)"
# Configs as published, so that a calculation needs no file.
CONFIGS: dict[str, dict[str, Any]] = {
    "Llama 3.1 8B": {
        "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
        "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 131072,
    },
    "Mixtral 8x7B": {
        "model_type": "mixtral", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
        "intermediate_size": 14336, "vocab_size": 32000, "max_position_embeddings": 32768, "num_local_experts": 8,
        "num_experts_per_tok": 2,
    },
    "Qwen3 30B-A3B": {
        "model_type": "qwen3_moe", "hidden_size": 2048, "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4,
        "head_dim": 128, "intermediate_size": 6144, "moe_intermediate_size": 768, "num_experts": 128, "num_experts_per_tok": 8,
        "vocab_size": 151936, "max_position_embeddings": 40960,
    },
}  # fmt: skip


class CacheSetting(NamedTuple):
    """What a calculation is asked for; attention "" is the model's own."""

    context_tokens: int
    batch: int
    cache: str
    attention: str


# A known answer each: 32 layers, heads of 128, fp16, 131,072 tokens.
KNOWN = {
    "GQA, 8 KV heads, batch 1": CacheSetting(131_072, 1, "float16", ""),
    "GQA, 8 KV heads, batch 10": CacheSetting(131_072, 10, "float16", ""),
    "MHA, 32 KV heads, batch 10": CacheSetting(131_072, 10, "float16", "MHA"),
}


def bundled_file() -> Path:
    from core.generation.llama_engine import LlamaCpp

    return LlamaCpp().path()


def read(source: str) -> Architecture:
    """A model of the list, or the path of a GGUF file, a config.json or a folder."""
    if source == BUNDLED:  # its file bears the name of a training run
        return replace(architecture.read(bundled_file()), name="SmolLM2-135M-Instruct")
    if config := CONFIGS.get(source):
        return architecture.of_config(config, source)
    if not source.strip():
        raise WorkbenchError("No file is named.", todo="Give the path of a GGUF file, a config.json or a model's folder.")
    return architecture.read(source.strip())


def read_upload(name: str, content: bytes) -> Architecture:
    """A file given through the page; its name is only for people."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("model.gguf" if content[:4] == b"GGUF" or name.endswith(".gguf") else "model.json")
        path.write_bytes(content)
        try:
            model = architecture.read(path)
        except WorkbenchError as error:  # where it lay for a moment says nothing
            raise WorkbenchError(error.what, where=name if str(folder) in error.where else error.where, todo=error.todo) from None
    return model if model.name != "model" else replace(model, name=Path(name).stem)
