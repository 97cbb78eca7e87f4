"""What a model is made of and what it needs, read from its config.json or GGUF header: no weights are loaded.

Choose the reader to compare models before fetching one, and the calculator to see what fits a machine: weights, key-value
cache and activations by context, batch and precision.

Parameters are counted from the config by the layout of its family, checked in the tests against transformers' own models;
of a GGUF file from the sizes of its tensors. FLOPs a token: Kaplan et al. 2020, arXiv:2001.08361, section 2.1 (two for
each weight of a matrix), with the attention term of Chowdhery et al. 2022 (PaLM), arXiv:2204.02311, appendix B, a third of
it as there is no backward pass. Active parameters of mixtures of experts: Jiang et al. 2024, arXiv:2401.04088. Latent
attention: DeepSeek-AI 2024, arXiv:2405.04434, section 2.1 and table 1. Bits of llama.cpp's formats: its ggml-common.h.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from core import files
from core.errors import WorkbenchError
from core.models.gguf_header import Header, read_header

# Bits a number takes, those of its block's scale and minimum among them.
BITS = {
    "float32": 32.0, "bfloat16": 16.0, "float16": 16.0, "float8": 8.0, "int8": 8.0, "int4": 4.0, "q8_0": 8.5, "q6_K": 6.5625,
    "q5_K": 5.5, "q4_1": 5.0, "q4_K": 4.5, "q4_0": 4.5,
}  # fmt: skip


@dataclass(frozen=True)
class Architecture:
    """One model. Sizes are numbers, not bytes; `parts` maps each part to its parameters, and together they are all."""

    name: str
    kind: str  # model_type of the config, or the architecture named in the GGUF file
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_size: int  # of queries and keys
    value_size: int
    hidden: int  # width within the dense feed-forward part
    vocabulary: int
    context: int  # tokens it was made for; 0: not told
    parts: dict[str, int]
    tied: bool  # the output head is the embedding table
    decoder: bool = True
    experts: int = 0  # of a layer, shared ones not counted
    experts_active: int = 0  # of them, for a token
    expert_hidden: int = 0  # width within an expert
    latent: int = 0  # numbers a token leaves in a layer's cache instead of keys and values
    window: int = 0  # tokens that the windowed layers look back
    windowed_layers: int = 0
    weight_bytes: int | None = None  # of the tensors as they lie in the file
    notes: tuple[str, ...] = field(default=())

    @property
    def parameters(self) -> int:
        return sum(self.parts.values())

    @property
    def active_parameters(self) -> int:
        """Those that work on a token: all but the experts it is not sent to."""
        if not self.experts:
            return self.parameters
        return self.parameters - self.parts["experts"] * (self.experts - self.experts_active) // self.experts

    @property
    def attention(self) -> str:
        if self.latent:
            return "MLA"
        return "MHA" if self.kv_heads == self.heads else "MQA" if self.kv_heads == 1 else "GQA"


def read(source: Path | str | dict) -> Architecture:
    """From a GGUF file, a config.json, a folder that holds one, the text of one, or its mapping."""
    if isinstance(source, dict):
        return of_config(source)
    if str(source).lstrip().startswith("{"):
        return of_config(files.read_json(str(source), "The config", of=dict, where="the text", numbers="careless"))
    path = files.path_of(source)
    if path.is_dir():
        path = path / "config.json"
    files.regular(path, "Give a GGUF file, a config.json, or a folder that holds one.")
    with path.open("rb") as file:
        if file.read(4) == b"GGUF" or path.suffix == ".gguf":
            return of_gguf(path)
    name = path.parent.name if path.name == "config.json" else path.stem
    return of_config(
        files.read_json(path, "The config", of=dict, numbers="careless", todo="Give a GGUF file or a config.json."), name
    )


# -- config.json ----------------------------------------------------------------------------------------------------


class Family(NamedTuple):
    """How a family lays out its layers. A bias is named by the setting that turns it on, or is always there or never."""

    qkv_bias: str | bool = False
    o_bias: str | bool = False
    mlp_bias: str | bool = False
    head_bias: bool = False
    gated: bool = True  # three matrices in the feed-forward part, not two
    norms: int = 2  # of a layer
    norm_bias: bool = False
    qk_norm: str = ""  # of queries and keys: "head" one for all heads, "all" as wide as all of them
    learned_positions: bool = False
    windows_behind: bool = False  # the first `max_window_layers` see everything, where windows are on
    absent: dict[str, Any] = {}  # what holds where the config leaves a setting out


_BIASED = Family("attention_bias", "attention_bias", "mlp_bias")
_OLD = Family(True, True, True, gated=False, norm_bias=True)
_GEMMA = Family("attention_bias", "attention_bias", absent={"tie_word_embeddings": True})
FAMILIES = {
    "llama": _BIASED, "granite": _BIASED, "smollm3": _BIASED._replace(absent={"tie_word_embeddings": True}),
    "mistral": Family(), "mixtral": Family(), "phi3": Family(),
    "olmo2": Family("attention_bias", "attention_bias", qk_norm="all"),
    "qwen2": Family(True, windows_behind=True, absent={"max_window_layers": 28}),
    "qwen2_moe": Family("qkv_bias", absent={"qkv_bias": True}),
    "qwen3": Family("attention_bias", "attention_bias", qk_norm="head", windows_behind=True, absent={"max_window_layers": 28}),
    "qwen3_moe": Family("attention_bias", "attention_bias", qk_norm="head"),
    "gemma": _GEMMA, "gemma2": _GEMMA._replace(norms=4, absent={"tie_word_embeddings": True, "sliding_window_pattern": 2}),
    "gemma3_text": _GEMMA._replace(norms=4, qk_norm="head", absent={
        "tie_word_embeddings": True, "sliding_window_pattern": 6, "vocab_size": 262208, "num_attention_heads": 8,
        "num_key_value_heads": 4, "head_dim": 256,
    }),
    "phi": _OLD._replace(norms=1, head_bias=True),
    "gpt2": _OLD._replace(learned_positions=True, absent={"tie_word_embeddings": True}),
    "gpt_neox": _OLD._replace(qkv_bias="attention_bias", o_bias="attention_bias", absent={"attention_bias": True}),
    "starcoder2": Family("use_bias", "use_bias", "use_bias", gated=False, norm_bias=True,
                         absent={"use_bias": True, "tie_word_embeddings": True}),
    "deepseek": _BIASED, "deepseek_v2": Family(), "deepseek_v3": Family(),
    "bert": _OLD._replace(learned_positions=True),
}  # fmt: skip
_OTHER_NAMES = {
    "hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head", "intermediate_size": "n_inner",
    "max_position_embeddings": "n_positions", "num_local_experts": "num_experts",
}  # fmt: skip


class _Settings:
    """A config's settings under one name each, with the family's own defaults; a missing one is an error that names it."""

    def __init__(self, config: dict, family: Family) -> None:
        self.values = family.absent | {k: v for k, v in config.items() if v is not None}

    def get(self, name: str, default: int = 0) -> Any:
        return self.values.get(name, self.values.get(_OTHER_NAMES.get(name, ""), default))

    def size(self, name: str, default: int | None = None) -> int:
        value = self.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10**9:
            told = "leaves out" if value is None else f"has {value!r} as"
            raise WorkbenchError(f"The config {told} '{name}'.", where=name, todo="Take the whole config.json of the model.")
        return value

    def flag(self, name: str | bool) -> bool:
        return bool(self.get(name)) if isinstance(name, str) else name


def of_config(config: dict, name: str = "") -> Architecture:
    """From the mapping of a Hugging Face config.json. Of a model that also sees or hears, the part that writes."""
    notes: tuple[str, ...] = ()
    if isinstance(config.get("text_config"), dict):
        notes = (f"The language part alone of a {config.get('model_type')} model.",)
        config = {"model_type": config.get("model_type")} | config["text_config"]
    kind = str(config.get("model_type"))
    kind = {"gemma3": "gemma3_text"}.get(kind, kind)
    family = FAMILIES.get(kind)
    if family is None:
        raise WorkbenchError(
            f"The layout of a '{kind}' model is not known here.",
            where="model_type",
            todo=f"Known: {', '.join(sorted(FAMILIES))}; of others read a GGUF file.",
        )
    s = _Settings(config, family)
    layers, width, heads = s.size("num_hidden_layers"), s.size("hidden_size"), s.size("num_attention_heads")
    if not heads or not width:
        raise WorkbenchError("The config has no heads or no width.", where="num_attention_heads")
    head_size = s.size("head_dim", width // heads)
    hidden = s.size("intermediate_size", 4 * width)
    latent = 0
    if kind in ("deepseek_v2", "deepseek_v3"):
        latent = s.size("kv_lora_rank") + s.size("qk_rope_head_dim")
        head_size = s.size("qk_nope_head_dim") + s.size("qk_rope_head_dim")
    shape = Architecture(
        name=name or str(config.get("_name_or_path") or kind),
        kind=kind,
        layers=layers,
        width=width,
        heads=heads,
        kv_heads=s.size("num_key_value_heads", heads),
        head_size=head_size,
        value_size=s.size("v_head_dim") if latent else head_size,
        hidden=hidden,
        vocabulary=s.size("vocab_size"),
        context=s.size("max_position_embeddings", 0),
        parts={},
        tied=s.flag("tie_word_embeddings"),
        decoder=kind != "bert",
        experts=s.size("num_local_experts", s.size("n_routed_experts", 0)),
        experts_active=s.size("num_experts_per_tok", 0),
        expert_hidden=s.size("moe_intermediate_size", hidden),
        latent=latent,
        notes=notes,
        **_windows(s, layers, family),
    )
    return _with_parts(shape, s, family)


def _windows(s: _Settings, layers: int, family: Family) -> dict[str, int]:
    window, kinds = s.size("sliding_window", 0), s.get("layer_types", None)
    if not window or not s.get("use_sliding_window", True):
        return {}
    if isinstance(kinds, list):
        windowed = sum("sliding" in str(kind) for kind in kinds)
    else:  # every so manieth layer sees everything, or the first ones do
        windowed = layers - layers // max(1, s.size("sliding_window_pattern", layers + 1))
        windowed -= min(windowed, s.size("max_window_layers", 0) if family.windows_behind else 0)
    return {"window": window, "windowed_layers": windowed}


def _with_parts(shape: Architecture, s: _Settings, family: Family) -> Architecture:
    width, layers = shape.width, shape.layers
    norm = width * (1 + family.norm_bias)
    attention, inner_norms = _latent_attention(shape, s) if shape.latent else _attention(shape, s, family)
    sparse = _sparse_layers(shape, s)
    parts = {
        "embedding": shape.vocabulary * width,
        "attention": layers * attention,
        "feed-forward": (layers - sparse) * _feed_forward(width, shape.hidden, s, family),
        "norms": layers * (family.norms * norm + inner_norms) + norm,
    }
    if family.learned_positions:
        parts["positions"] = s.size("max_position_embeddings") * width
    if not shape.decoder:  # a BERT has token types, its last norm stands before the layers, and it ends in a pooler
        parts["positions"] += s.size("type_vocab_size", 2) * width
        parts["pooler"] = width * width + width
    elif not shape.tied:
        parts["head"] = shape.vocabulary * width
    if family.head_bias:
        parts["head"] = parts.get("head", 0) + shape.vocabulary
    if sparse:
        each = shape.expert_hidden
        shared = s.size("shared_expert_intermediate_size", s.size("n_shared_experts", 0) * each)
        gate = width if s.get("shared_expert_intermediate_size") else 0  # Qwen weighs its shared expert
        parts["experts"] = sparse * shape.experts * _feed_forward(width, each, s, family)
        parts["shared experts"] = sparse * (_feed_forward(width, shared, s, family) + gate)
        parts["router"] = sparse * width * shape.experts
    parts = {name: count for name, count in parts.items() if count}
    experts = {} if sparse else {"experts": 0, "experts_active": 0, "expert_hidden": 0}
    return Architecture(**(vars(shape) | {"parts": parts} | experts))


def _attention(a: Architecture, s: _Settings, family: Family) -> tuple[int, int]:
    """Parameters of a layer's attention, and of the norms of its queries and keys."""
    q, kv = a.heads * a.head_size, a.kv_heads * a.head_size
    bias = (q + 2 * kv) * s.flag(family.qkv_bias) + a.width * s.flag(family.o_bias)
    norms = {"": 0, "head": 2 * a.head_size, "all": q + kv}[family.qk_norm]
    return 2 * a.width * (q + kv) + bias, norms


def _latent_attention(a: Architecture, s: _Settings) -> tuple[int, int]:
    """Queries and keys are made from short latent vectors, each with a norm; a part of each key is made for positions."""
    q_rank, kv_rank, rope = s.size("q_lora_rank", 0), s.size("kv_lora_rank"), s.size("qk_rope_head_dim")
    q, nope = a.heads * a.head_size, s.size("qk_nope_head_dim")
    queries = a.width * q_rank + q_rank * q if q_rank else a.width * q
    keys = a.width * (kv_rank + rope) + kv_rank * a.heads * (nope + a.value_size)
    bias = (q_rank + kv_rank + rope + a.width) * s.flag("attention_bias")
    return queries + keys + a.heads * a.value_size * a.width + bias, q_rank + kv_rank


def _feed_forward(width: int, hidden: int, s: _Settings, family: Family) -> int:
    bias = s.flag(family.mlp_bias) * (hidden * (1 + family.gated) + width)
    return (2 + family.gated) * width * hidden + bias


def _sparse_layers(a: Architecture, s: _Settings) -> int:
    """Layers whose feed-forward part is a mixture of experts."""
    if not a.experts:
        return 0
    dense, first = s.get("mlp_only_layers", []), s.size("first_k_dense_replace", 0)
    step, frequency = max(1, s.size("decoder_sparse_step", 1)), max(1, s.size("moe_layer_freq", 1))
    return sum(
        layer not in dense and layer >= first and (layer + 1) % step == 0 and layer % frequency == 0 for layer in range(a.layers)
    )


# -- GGUF -----------------------------------------------------------------------------------------------------------

_GGUF_PARTS = {
    r"^token_embd\.": "embedding", r"^(position_embd|token_types)\.": "positions", r"^output\.": "head", r"norm": "norms",
    r"_exps\.": "experts", r"_shexp\.": "shared experts", r"ffn_gate_inp": "router", r"\.attn_": "attention",
    r"\.ffn_": "feed-forward",
}  # fmt: skip


def of_gguf(path: Path) -> Architecture:
    """From the header of a GGUF file: its metadata and the sizes of its tensors."""
    header = read_header(path)
    try:
        return _of_header(path, header)
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise WorkbenchError(
            f"The GGUF file does not describe a language model: {error}.",
            where=str(path),
            todo="It may hold something else, such as an adapter or a picture encoder.",
        ) from None


def _of_header(path: Path, header: Header) -> Architecture:
    told, notes = header.metadata, []
    kind = told.get("general.architecture")

    def size(name: str, default: int | None = None) -> int:
        value = told.get(f"{kind}.{name}", default)
        if isinstance(value, list):
            if len(set(value)) > 1:
                notes.append(f"'{name}' differs from layer to layer; the largest is taken.")
            value = max(value)
        if value is None:
            raise ValueError(f"it does not tell '{name}'")
        if not 0 <= int(value) <= 10**9:
            raise ValueError(f"it tells {value} as '{name}'")
        return int(value)

    parts: dict[str, int] = {}
    for tensor in header.tensors:
        if not tensor.name.startswith("rope_"):  # tables, not parameters
            part = next((part for pattern, part in _GGUF_PARTS.items() if re.search(pattern, tensor.name)), "other")
            parts[part] = parts.get(part, 0) + tensor.numbers
    if int(told.get("split.count", 1)) > 1:
        notes.append(f"One of {told['split.count']} files: only its own tensors are counted.")
    width, heads, layers = size("embedding_length"), size("attention.head_count"), size("block_count")
    head_size = size("attention.key_length_mla", size("attention.key_length", width // heads))
    rank, mixed = size("attention.kv_lora_rank", 0), "experts" in parts
    # llama.cpp keeps windows for these only; every so manieth of their layers sees everything
    window, full = size("attention.sliding_window", 0), {"gemma2": 2, "gemma3": 6, "gpt-oss": 2, "cohere2": 4}.get(kind)
    if not full:
        window = 0
    return Architecture(
        name=str(told.get("general.name") or path.stem),
        kind=kind,
        layers=layers,
        width=width,
        heads=heads,
        kv_heads=size("attention.head_count_kv", heads),
        head_size=head_size,
        value_size=size("attention.value_length_mla", size("attention.value_length", head_size)),
        vocabulary=size("vocab_size", header.lengths.get("tokenizer.ggml.tokens", 0)),
        hidden=size("feed_forward_length", size("expert_feed_forward_length", 0)),
        context=size("context_length", 0),
        parts=parts,
        tied="head" not in parts,
        decoder=bool(told.get(f"{kind}.attention.causal", True)),
        experts=size("expert_count", 0) if mixed else 0,
        experts_active=size("expert_used_count", 0) if mixed else 0,
        expert_hidden=size("expert_feed_forward_length", size("feed_forward_length", 0)) if mixed else 0,
        latent=rank + size("rope.dimension_count", 0) if rank else 0,
        window=window,
        windowed_layers=layers - layers // full if window else 0,
        weight_bytes=sum(tensor.bytes for tensor in header.tensors),
        notes=tuple(notes),
    )


# -- calculator -----------------------------------------------------------------------------------------------------


def kv_heads_under(a: Architecture, attention: str, groups: int = 8) -> int:
    """Key-value heads if the model had that attention ("MHA", "GQA" with so many groups, or the next fewer that share its heads
    evenly, "MQA"), or as it is ("")."""
    if attention == "GQA":
        return max(n for n in range(1, min(groups, a.heads) + 1) if a.heads % n == 0)
    return {"MHA": a.heads, "MQA": 1}.get(attention, a.kv_heads)


def cache_bytes(
    a: Architecture, context_tokens: int, batch: int = 1, precision: str = "float16", attention: str = "", groups: int = 8
) -> float:
    """The cache of this model, its windows and latent vectors regarded, or as if it had another kind of attention."""
    if not a.decoder:
        return 0.0
    near = min(context_tokens, a.window) if a.windowed_layers else 0
    tokens = (a.layers - a.windowed_layers) * context_tokens + a.windowed_layers * near  # over all layers
    values = kv_heads_under(a, attention, groups) * (a.head_size + a.value_size)
    if a.latent and attention in ("", "MLA"):
        values = a.latent
    return tokens * values * batch * BITS[precision] / 8


def weight_bytes(a: Architecture, precision: str = "") -> float:
    """All weights in that precision; "" as they lie in the GGUF file, or as float16 where there is none."""
    if not precision and a.weight_bytes is not None:
        return float(a.weight_bytes)
    return a.parameters * BITS[precision or "float16"] / 8


def activation_bytes(a: Architecture, tokens_at_once: int, batch: int) -> float:
    """An estimate of what one pass holds at its widest point besides weights and cache: the stream and its normed copy,
    with either queries, keys, values and their mix or the feed-forward part's inner rows, and one row of float32 logits
    a text."""
    attention = a.heads * (a.head_size + a.value_size) + a.kv_heads * (a.head_size + a.value_size)
    inner = 3 * max(a.hidden if "feed-forward" in a.parts else 0, a.expert_hidden * a.experts_active)
    numbers = batch * tokens_at_once * (2 * a.width + max(attention, inner))
    return numbers * BITS["float16"] / 8 + 4 * batch * a.vocabulary


def flops_per_token(a: Architecture, context_tokens: int) -> float:
    """Forward pass of one token that attends to so many: two for each weight of a matrix that works on it, and two for
    each number of the keys and values it meets, per head."""
    matrices = a.active_parameters - sum(a.parts.get(part, 0) for part in ("embedding", "positions", "norms", "head"))
    head = a.vocabulary * a.width if a.decoder else 0
    near = min(context_tokens, a.window) if a.windowed_layers else 0
    met = (a.layers - a.windowed_layers) * context_tokens + a.windowed_layers * near
    return 2.0 * (matrices + head) + 2.0 * a.heads * (a.head_size + a.value_size) * met


class Memory(NamedTuple):
    """Bytes of a running model."""

    weights: float
    cache: float
    activations: float

    @property
    def total(self) -> float:
        return sum(self)


def memory(
    a: Architecture,
    context_tokens: int,
    batch: int = 1,
    weights: str = "",
    cache: str = "float16",
    attention: str = "",
    groups: int = 8,
    tokens_at_once: int = 512,
) -> Memory:
    """What the model takes with full context. A prompt is read in pieces of `tokens_at_once`, llama.cpp's default."""
    return Memory(
        weight_bytes(a, weights),
        cache_bytes(a, context_tokens, batch, cache, attention, groups),
        activation_bytes(a, min(tokens_at_once, context_tokens), batch),
    )


def longest_context(a: Architecture, free_bytes: float, **settings: Any) -> int:
    """Most tokens of context that fit, at most those the model was made for; 0 where not even one does."""
    low, high = 0, a.context or 1 << 20
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if memory(a, middle, **settings).total <= free_bytes else (low, middle - 1)
    return low


class Place(NamedTuple):
    """Memory a model can be put in, in bytes."""

    name: str
    total: int
    free: int


def machine() -> list[Place]:
    """This machine's main memory, as far as this process may take it, and its GPUs."""
    import psutil

    from core.models.hardware import device

    ram = psutil.virtual_memory()
    places = [_within_limit(Place("main memory", ram.total, ram.available))]
    if device() == "cuda":
        import torch

        for number in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(number)
            places.append(Place(torch.cuda.get_device_name(number), total, free))
    return places  # a Mac's GPU uses main memory


def _within_limit(place: Place, group: Path = Path("/sys/fs/cgroup")) -> Place:
    """A container may be allowed less than the machine has."""
    try:
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):  # no such group, or "max": no limit
        return place
    return Place(place.name, min(place.total, limit), max(0, min(place.free, limit - used)))
