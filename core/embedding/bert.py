"""The forward pass of a BERT encoder (Devlin et al. 2019) with pooling, for inference, without padding.

All tokens of a batch lie one after the other in one [tokens, width] matrix, so every matrix product works on real
tokens only; attention runs over groups of texts of equal length, which needs no mask. A text's vector therefore hardly
depends on the texts beside it. Imports torch only when a model is loaded.
"""

from itertools import groupby
from pathlib import Path

import numpy as np

from core.files import read_json

# Attention scores of one step, so many that they stay in the second-level cache; best of 0.06 to 1 million.
SCORES_AT_ONCE_CPU = 250_000
SCORES_AT_ONCE_GPU = 1 << 28


class Bert:
    """Weights of one model folder (Hugging Face layout: config.json, model.safetensors) on one device."""

    def __init__(self, folder: Path, dtype: str, device: str, weights: dict | None = None) -> None:
        """weights: name -> tensor, in place of those of the folder."""
        import torch
        from safetensors.torch import load_file

        config = read_json(folder / "config.json", "The model's config", of=dict, numbers="careless")
        self.heads, self.eps = config["num_attention_heads"], config["layer_norm_eps"]
        self.width = config["hidden_size"]
        self.device = device
        self.scores_at_once = SCORES_AT_ONCE_CPU if device == "cpu" else SCORES_AT_ONCE_GPU
        weights = weights or load_file(folder / "model.safetensors")
        raw = {name.removeprefix("bert."): weight.float() for name, weight in weights.items()}

        def put(*tensors):
            return [t.to(device, getattr(torch, dtype)).contiguous() for t in tensors]

        def both(name):
            return raw[name + ".weight"], raw[name + ".bias"]

        # the type embedding is the same for every token of a single text: one table less to look up
        self.word = raw["embeddings.word_embeddings.weight"].to(device)
        self.position = raw["embeddings.position_embeddings.weight"] + raw["embeddings.token_type_embeddings.weight"][0]
        self.position = self.position.to(device)
        self.norm = [t.to(device) for t in both("embeddings.LayerNorm")]
        self.dtype = getattr(torch, dtype)
        scale = (self.width // self.heads) ** -0.5  # of the scores, folded into the queries before rounding
        self.layers = []
        for i in range(config["num_hidden_layers"]):
            at = f"encoder.layer.{i}."
            q, k, v = (both(f"{at}attention.self.{name}") for name in ("query", "key", "value"))
            self.layers.append(
                (
                    put(torch.cat((q[0] * scale, k[0], v[0])), torch.cat((q[1] * scale, k[1], v[1]))),
                    put(*both(at + "attention.output.dense")),
                    put(*both(at + "attention.output.LayerNorm")),
                    put(*both(at + "intermediate.dense")),
                    put(*both(at + "output.dense")),
                    put(*both(at + "output.LayerNorm")),
                )
            )

    def vectors(self, texts: list[np.ndarray], pooling: str) -> np.ndarray:
        """Pooled, L2-normalised vectors [len(texts), width] float32 of token ids, texts of one length adjacent.

        Pooling is "mean" or "max" over all tokens, specials too, or "cls": the first token's.
        """
        import torch

        # the mean in float32: a sum of 256 bfloat16 numbers would lose the last digits that bfloat16 has
        pool = {"mean": lambda x: x.mean(1, dtype=torch.float32), "cls": lambda x: x[:, 0], "max": lambda x: x.amax(1)}
        with torch.inference_mode():
            groups = [(len(list(same)), length) for length, same in groupby(map(len, texts))]
            ids = torch.from_numpy(np.concatenate(texts).astype(np.int64)).to(self.device)
            places = torch.from_numpy(np.concatenate([np.arange(len(t)) for t in texts])).to(self.device)
            x = self._forward(ids, places, groups)
            pieces = x.split([n * length for n, length in groups])
            pooled = [pool[pooling](piece.view(n, length, -1)) for piece, (n, length) in zip(pieces, groups, strict=True)]
            return torch.nn.functional.normalize(torch.cat(pooled).float(), dim=1).cpu().numpy()

    def _forward(self, ids, places, groups):
        import torch
        from torch.nn.functional import layer_norm, linear

        gelu_ = torch.ops.aten.gelu_  # in place: a fresh matrix of this size costs more than the function

        def norm(x, weights):
            return layer_norm(x, (self.width,), *weights, self.eps)

        x = norm(self.word[ids] + self.position[places], self.norm).to(self.dtype)  # [tokens, width]
        for qkv, out, norm_1, up, down, norm_2 in self.layers:
            x = norm(linear(self._attention(linear(x, *qkv), groups), *out).add_(x), norm_1)
            x = norm(linear(gelu_(linear(x, *up)), *down).add_(x), norm_2)  # [tokens, 4 * width] in between
        return x

    def _attention(self, qkv, groups):
        """qkv [tokens, 3 * width] to [tokens, width]. On two CPU cores some twice as fast as torch's fused attention,
        whose blocks are too small to be fast at 32 dimensions a head."""
        import torch

        out = qkv.new_empty(len(qkv), self.width)
        start = 0
        for n, length in groups:
            step = max(1, self.scores_at_once // (self.heads * length * length))
            for some in [min(step, n - i) for i in range(0, n, step)]:
                stop = start + some * length
                # [3, some, heads, length, head_width], copied once here instead of in every product
                parts = qkv[start:stop].view(some, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4).contiguous()
                q, k, v = parts.view(3, some * self.heads, length, -1)
                mixed = torch.bmm(torch.bmm(q, k.transpose(1, 2)).softmax(-1), v)
                mixed = mixed.view(some, self.heads, length, -1).transpose(1, 2)
                out[start:stop].view(some, length, self.heads, -1).copy_(mixed)
                start = stop
        return out
