"""Where a model looks: attention maps, how focused each head is, and how much of it falls on parts of the prompt.

Choose the maps to see single tokens, the entropy to find heads that copy (low) or average (high), the shares to ask which
chunk an answer was read from. Attention shows where information could flow, not that it was used: Jain and Wallace 2019,
"Attention is not Explanation", arXiv:1902.10186. Much of it rests on the first token for want of anything to say: Xiao
et al. 2023, "Efficient Streaming Language Models with Attention Sinks", arXiv:2309.17453.

Entropy of a head: Clark et al. 2019, "What Does BERT Look At?", arXiv:1906.04341, section 4.1 (there in nats).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

FIRST = "first token"
REST = "rest"


class Text(NamedTuple):
    """A prompt in the model's tokens; token i is characters [start, end) = offsets[i] of the prompt."""

    ids: list[int]
    tokens: list[str]
    offsets: list[tuple[int, int]]


class AttentionSummary(NamedTuple):
    """Of the queries asked about: entropy [layers, heads] in bits and mass [layers, heads, len(spans)], both means over
    the queries, float32. The spans' masses sum to 1: the first token and what belongs to no span have their own."""

    spans: tuple[str, ...]
    entropy_bits: np.ndarray
    mass: np.ndarray


def read(tokenizer, prompt: str) -> Text:
    """The prompt in the tokens of a `tokenizers.Tokenizer`, marks of the chat template read as such."""
    coded = tokenizer.encode(prompt, add_special_tokens=False)
    return Text(coded.ids, [prompt[a:b] for a, b in coded.offsets], coded.offsets)


def token_spans(text: Text, characters: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """Tokens [start, end) of each span of characters [start, end). A token on a border belongs to the span that has its
    first visible character, so spans that touch share no token."""
    firsts = []
    for (start, end), token in zip(text.offsets, text.tokens, strict=True):
        firsts.append(min(start + len(token) - len(token.lstrip()), max(start, end - 1)))
    return {name: tuple(np.searchsorted(firsts, (start, end)).tolist()) for name, (start, end) in characters.items()}


def maps(model, ids: list[int], dtype=np.float16) -> np.ndarray:
    """Attention [layers, heads, queries, keys] of a whole prompt; row q is what token q attends to.

    As float16 a prompt of 630 tokens takes 214 MB with SmolLM2: for a long one take `summary`, which keeps none.
    """
    attention = np.zeros((model.shape.layers, model.shape.heads, len(ids), len(ids)), dtype)

    def keep(layer: int, weights) -> None:
        attention[layer] = weights[0].float().cpu().numpy()

    _watch(model, ids, keep)
    return attention


def summary(model, ids: list[int], spans: Mapping[str, tuple[int, int]], queries: slice = slice(-1, None)) -> AttentionSummary:
    """Entropy and mass of every head. `queries` are the asking tokens: by default the last, from which the answer starts.

    Spans are token ranges [start, end) that do not overlap.
    """
    owner = np.full(len(ids), len(spans) + 1)
    for number, (start, end) in enumerate(spans.values()):
        owner[start:end] = number
    owner[0] = len(spans)
    entropies, masses = [], []

    def keep(_, weights) -> None:
        some = weights[0, :, queries].float().cpu().numpy()
        entropies.append(entropy_bits(some).mean(-1))
        masses.append(mass(some, owner, len(spans) + 2).mean(-2))

    _watch(model, ids, keep)
    return AttentionSummary((*spans, FIRST, REST), np.stack(entropies), np.stack(masses))


def entropy_bits(weights: np.ndarray) -> np.ndarray:
    """Of attention [..., keys] to [...]: 0 where one key has all, log2(keys) where all have the same."""
    logs = np.log2(weights, out=np.zeros_like(weights), where=weights > 0)
    return -(weights * logs).sum(-1)


def mass(weights: np.ndarray, owner: np.ndarray, owners: int) -> np.ndarray:
    """Of attention [..., keys] with each key's owner [keys] to the owners' shares [..., owners]."""
    belongs = (owner[:, None] == np.arange(owners)).astype(weights.dtype)  # [keys, owners]
    return weights @ belongs


def _watch(model, ids: list[int], keep) -> None:
    import torch

    with torch.inference_mode():
        model(torch.tensor([ids], device=model.embed_tokens.weight.device), last=True, watch=keep)
