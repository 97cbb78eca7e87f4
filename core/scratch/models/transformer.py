"""A decoder-only transformer written to be read, in one file after nanoGPT's manner; it runs SmolLM2's weights.

Choose it to see inside a model: every step from token ids to logits stands here, the attention of every layer can be
watched, and the key-value cache can be left out. To answer questions use the engines, which read any model.

The block is Llama's (Touvron et al. 2023, arXiv:2302.13971, section 2.2): RMSNorm before each part (Zhang and Sennrich
2019, arXiv:1910.07467, equation 4), rotary positions (Su et al. 2021, arXiv:2104.09864, equation 34), causal attention
(Vaswani et al. 2017, arXiv:1706.03762, equation 1) and SwiGLU (Shazeer 2020, arXiv:2002.05202, equation 6). Queries share
keys and values in groups (Ainslie et al. 2023, arXiv:2305.13245): as many key-value heads as heads is multi-head
attention, one is multi-query attention (Shazeer 2019, arXiv:1911.02150).

Shapes: B texts, T tokens given, K tokens attended to (T and those in the cache), H heads, G key-value heads, D head size.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention, silu

from core.errors import WorkbenchError
from core.files import read_json

Watch = Callable[[int, Tensor], None]  # called with each layer's number and its attention [B, H, T, K]


@dataclass(frozen=True)
class Shape:
    """The numbers that make a model. The defaults are SmolLM2-135M's."""

    layers: int = 30
    heads: int = 9
    kv_heads: int = 3  # = heads: multi-head, 1: multi-query, between: grouped-query attention
    head_size: int = 64
    width: int = 576
    hidden: int = 1536  # width within the feed-forward part
    vocabulary: int = 49152
    context: int = 8192
    rope_base: float = 100_000.0
    eps: float = 1e-5
    tied: bool = True  # the output head is the embedding table


class Cache:
    """Keys and values of the tokens read so far, so that a new token costs one row instead of all rows again."""

    def __init__(self, shape: Shape, capacity: int, batch: int = 1, dtype=torch.float32, device="cpu") -> None:
        sizes = shape.layers, batch, shape.kv_heads, capacity, shape.head_size
        self.keys = torch.empty(sizes, dtype=dtype, device=device)
        self.values = torch.empty_like(self.keys)
        self.length, self.capacity = 0, capacity

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Stores the new k, v [B, G, T, D] of a layer behind the old and returns all of them [B, G, K, D]."""
        end = self.length + k.shape[2]
        self.keys[layer, :, :, self.length : end] = k
        self.values[layer, :, :, self.length : end] = v
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def bytes_used(self) -> int:
        """Of the tokens held; the memory taken is that of `capacity` tokens."""
        return 2 * self.keys[:, :, :, : self.length].numel() * self.keys.element_size()


class RMSNorm(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()  # squares of half-precision numbers overflow
        return self.weight * (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)).to(x.dtype)


def rotary_tables(shape: Shape) -> tuple[Tensor, Tensor]:
    """Cosine and sine [context, D / 2] of position times frequency; frequencies fall from 1 to nearly 1 / rope_base."""
    frequency = shape.rope_base ** -(torch.arange(0, shape.head_size, 2).float() / shape.head_size)
    angle = torch.arange(shape.context).float()[:, None] * frequency
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns each pair of numbers of x [B, heads, T, D] by its position's angle.

    A pair is number i and i + D/2, as Hugging Face stores the weights; the paper, and GGUF files, pair 2i and 2i + 1.
    """
    first, second = x.chunk(2, dim=-1)  # [B, heads, T, D / 2] each
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def seen(new: int, total: int, device) -> Tensor:
    """Mask [new, total]: the new tokens are the last ones, and each sees itself and what stands before it."""
    return torch.ones(new, total, dtype=torch.bool, device=device).tril(total - new)


class Attention(nn.Module):
    def __init__(self, shape: Shape, layer: int) -> None:
        super().__init__()
        self.shape, self.layer = shape, layer
        self.q_proj = nn.Linear(shape.width, shape.heads * shape.head_size, bias=False)
        self.k_proj = nn.Linear(shape.width, shape.kv_heads * shape.head_size, bias=False)
        self.v_proj = nn.Linear(shape.width, shape.kv_heads * shape.head_size, bias=False)
        self.o_proj = nn.Linear(shape.heads * shape.head_size, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, cache: Cache | None, watch: Watch | None) -> Tensor:
        batch, new, _ = x.shape
        q, k, v = (
            project(x).view(batch, new, -1, self.shape.head_size).transpose(1, 2)  # [B, H or G, T, D]
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is not None:
            k, v = cache.extend(self.layer, k, v)  # [B, G, K, D]
        mixed = fused(q, k, v) if watch is None else self.watched(q, k, v, watch)  # [B, H, T, D]
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, new, -1))

    def watched(self, q: Tensor, k: Tensor, v: Tensor, watch: Watch) -> Tensor:
        """Attention by the book, the probabilities shown to `watch`. Takes memory for all H * T * K of them."""
        batch, heads, new, size = q.shape
        q = q.reshape(batch, k.shape[1], -1, new, size)  # [B, G, H / G, T, D]: a group of queries for each key-value head
        scores = q @ k[:, :, None].transpose(-1, -2) * size**-0.5  # [B, G, H / G, T, K]
        scores = scores.masked_fill(~seen(new, k.shape[2], q.device), float("-inf"))
        weights = scores.float().softmax(-1).to(v.dtype)
        watch(self.layer, weights.flatten(1, 2))
        return (weights @ v[:, :, None]).view(batch, heads, new, size)


def fused(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The same by torch's kernel, which never holds all probabilities at once (Dao et al. 2022, arXiv:2205.14135)."""
    new, total, grouped = q.shape[2], k.shape[2], q.shape[1] != k.shape[1]
    if new == 1 and grouped:  # one token: a group's queries become rows, and the shared keys are read once for all of them
        return scaled_dot_product_attention(q.view(len(k), k.shape[1], -1, q.shape[3]), k, v).reshape(q.shape)
    mask = seen(new, total, q.device) if 1 < new < total else None
    return scaled_dot_product_attention(q, k, v, mask, is_causal=new == total, enable_gqa=grouped)


class SwiGLU(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.width, shape.hidden, bias=False)
        self.up_proj = nn.Linear(shape.width, shape.hidden, bias=False)
        self.down_proj = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    def __init__(self, shape: Shape, layer: int) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(shape.width, shape.eps)
        self.self_attn = Attention(shape, layer)
        self.post_attention_layernorm = RMSNorm(shape.width, shape.eps)
        self.mlp = SwiGLU(shape)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, cache: Cache | None, watch: Watch | None) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, cache, watch)
        return x + self.mlp(self.post_attention_layernorm(x))


class Transformer(nn.Module):
    """Modules bear the names of the weights in Hugging Face's files, so these load without a table of names."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Block(shape, layer) for layer in range(shape.layers))
        self.norm = RMSNorm(shape.width, shape.eps)
        self.lm_head = None if shape.tied else nn.Linear(shape.width, shape.vocabulary, bias=False)
        self.rotary = rotary_tables(shape)  # no buffer: it stays float32 whatever the weights become

    def forward(self, ids: Tensor, cache: Cache | None = None, *, last: bool = False, watch: Watch | None = None) -> Tensor:
        """Logits [B, T, vocabulary] after each of ids [B, T], or [B, 1, vocabulary] after the last alone."""
        start = 0 if cache is None else cache.length
        end = start + ids.shape[1]
        room = self.shape.context if cache is None else min(cache.capacity, self.shape.context)
        if end > room:
            raise WorkbenchError(
                f"The text has {end:,} tokens, and there is room for {room:,}.",
                todo="Shorten the prompt, or ask for fewer new tokens.",
            )
        x = self.embed_tokens(ids)  # [B, T, width]
        cos, sin = (table[start:end].to(x.device, x.dtype) for table in self.rotary)  # [T, D / 2]
        for block in self.layers:
            x = block(x, cos, sin, cache, watch)
        if cache is not None:
            cache.length = end
        x = self.norm(x[:, -1:] if last else x)
        return linear(x, self.embed_tokens.weight if self.lm_head is None else self.lm_head.weight)


@torch.inference_mode()
def generate(model: Transformer, ids: list[int], new_tokens: int, use_cache: bool = True) -> Iterator[int]:
    """Yields the likeliest next token, again and again. Without the cache every token is read anew at every step."""
    weight = model.embed_tokens.weight
    cache = Cache(model.shape, len(ids) + new_tokens, dtype=weight.dtype, device=weight.device) if use_cache else None
    text = torch.tensor([ids], device=weight.device)
    new = text
    for _ in range(new_tokens):
        logits = model(new if use_cache else text, cache, last=True)  # [1, 1, vocabulary]
        new = logits[:, -1].argmax(-1, keepdim=True)  # [1, 1]
        text = torch.cat((text, new), dim=1)
        yield int(new)


def shape_of(folder: Path) -> Shape:
    """The shape that a model folder's config.json tells; raises where the model is not of this kind."""
    config = read_json(folder / "config.json", "The model's config", of=dict, numbers="careless")
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind, bent = config.get("model_type"), rope.get("rope_type", rope.get("type", "default")) != "default"
    if (
        kind not in ("llama", "mistral")
        or bent
        or any(config.get(name) for name in ("attention_bias", "mlp_bias", "sliding_window"))
    ):
        raise WorkbenchError(
            f"The transformer written here does not read this kind of model ({kind}).",
            where=str(folder),
            todo="Choose one of Llama's plain kind: no biases, no scaled positions, no window.",
        )
    heads = config["num_attention_heads"]
    return Shape(
        layers=config["num_hidden_layers"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_size=config.get("head_dim") or config["hidden_size"] // heads,
        width=config["hidden_size"],
        hidden=config["intermediate_size"],
        vocabulary=config["vocab_size"],
        context=config["max_position_embeddings"],
        rope_base=rope.get("rope_theta") or config.get("rope_theta") or 10_000.0,
        eps=config["rms_norm_eps"],
        tied=config.get("tie_word_embeddings", False),
    )


def load(folder: Path, dtype: torch.dtype = torch.float32, device: str = "cpu") -> Transformer:
    """The model of a Hugging Face folder (config.json and safetensors)."""
    from safetensors.torch import load_file

    shape = shape_of(folder)
    weights = {}
    for file in sorted(folder.glob("*.safetensors")):
        weights |= {name.removeprefix("model."): weight.to(dtype) for name, weight in load_file(file).items()}
    if shape.tied:
        weights.pop("lm_head.weight", None)
    with torch.device("meta"):  # no memory and no random numbers for weights that are replaced at once
        model = Transformer(shape)
    model.rotary = rotary_tables(shape)
    try:
        model.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise WorkbenchError(
            f"The weights do not fit the model: {str(error).splitlines()[-1].strip()}",
            where=str(folder),
            todo="The folder may be incomplete: fetch it again.",
        ) from None
    return model.requires_grad_(False).eval().to(device)
