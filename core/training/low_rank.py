"""A reader of pairs while it learns: the frozen encoder, matrices of low rank beside each of its matrices, and heads.

A step merges W + scale * B A once and runs forward and backward over the merged matrices in the fast number format, some
lists at a time, each share on a core of its own. The gradient G of a merged matrix is then divided among its factors:
scale * Bᵀ G for A and scale * G Aᵀ for B, which is LoRA's gradient (Hu et al. 2022, section 4.1) without small products.
"""

import json
import shutil
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from core.files import read_json
from core.models import hardware
from core.models.all_cores import on_all_cores, workers_alone
from core.models.identity import files_identity
from core.reranking.bert_pairs import adapted
from core.training.steps import TrainingSteps, adamw

SCALE = 2.0  # of the product of the low-rank matrices
SEQUENCES_AT_ONCE = 16  # of an evaluation
ROUND_TO = 16  # tokens: sequences are padded to a multiple of it, so that there are few lengths
QKV = tuple(f"attention.self.{name}" for name in ("query", "key", "value"))
ALONE = ("attention.output.dense", "intermediate.dense", "output.dense")
NORMS = ("attention.output.LayerNorm", "output.LayerNorm")


class LowRankPairs:
    """An encoder of pairs from a BERT folder. `trained`: what learns, by the names that the adapter's file has."""

    def __init__(self, folder: Path, rank: int, layers: int, seed: int) -> None:
        """layers: so many of the upper ones learn."""
        import torch
        from safetensors.torch import load_file

        config = read_json(folder / "config.json", "The model's config", of=dict, numbers="careless")
        self._heads, self._eps, self._layers = (
            config[name] for name in ("num_attention_heads", "layer_norm_eps", "num_hidden_layers")
        )
        self.base = {n.removeprefix("bert."): w.float() for n, w in load_file(folder / "model.safetensors").items()}
        self._dtype, self._pad = getattr(torch, hardware.fast_dtype()), config.get("pad_token_id") or 0
        width = config["hidden_size"]
        draw = torch.Generator().manual_seed(seed)
        self.trained = {}
        self._learning = range(max(0, self._layers - layers), self._layers)
        for layer in self._learning:
            for matrix in (*QKV, *ALONE):
                name = f"encoder.layer.{layer}.{matrix}.weight"
                rows, columns = self.base[name].shape
                self.trained[f"{name}.lora_A"] = torch.randn(rank, columns, generator=draw) / columns**0.5
                self.trained[f"{name}.lora_B"] = torch.zeros(rows, rank)
        head = self._start(width)
        self.trained |= head
        self._head = tuple(head)

    @abstractmethod
    def _start(self, width: int) -> dict[str, Any]:
        """The head before anything is learnt."""

    def _pooler(self, width: int) -> dict[str, Any]:
        """The encoder's own, behind which a head of one vector stands."""
        import torch

        fresh = {"pooler.dense.weight": torch.eye(width), "pooler.dense.bias": torch.zeros(width)}
        return {name: self.base.get(name, weight).clone() for name, weight in fresh.items()}

    def merged(self) -> dict[str, Any]:
        """All weights as they are now."""
        return adapted(self.base, self.trained, SCALE, self._head)

    def leaves(self) -> dict[str, Any]:
        """The merged weights as a step uses them: those of which it needs the gradient ask for it."""
        import torch

        merged, leaves = self.merged(), {}
        for layer in range(self._layers):
            at = f"encoder.layer.{layer}."
            joined = [torch.cat([merged[f"{at}{name}.{kind}"] for name in QKV]) for kind in ("weight", "bias")]
            leaves[f"{at}qkv.weight"], leaves[f"{at}qkv.bias"] = joined
            leaves |= {f"{at}{name}.{kind}": merged[f"{at}{name}.{kind}"] for name in ALONE for kind in ("weight", "bias")}
            leaves |= {f"{at}{name}.{kind}": merged[f"{at}{name}.{kind}"] for name in NORMS for kind in ("weight", "bias")}
        leaves = {name: tensor.to(self._dtype) for name, tensor in leaves.items()}
        leaves |= {name: self.trained[name].detach().clone() for name in self._head}
        for name in self._asking():
            leaves[name].requires_grad_(True)
        return leaves

    def gradients(self, leaves: dict[str, Any], loss: Any) -> dict[str, Any]:
        """Of the leaves that learn."""
        import torch

        names = self._asking()
        return dict(zip(names, torch.autograd.grad(loss, [leaves[name] for name in names]), strict=True))

    def _asking(self) -> list[str]:
        return [*(f"encoder.layer.{i}.{name}.weight" for i in self._learning for name in ("qkv", *ALONE)), *self._head]

    def divided(self, gradients: dict[str, Any]) -> dict[str, Any]:
        """Gradients of the leaves as those of `trained`."""
        result = {name: gradients[name].float() for name in self._head}
        for layer in self._learning:
            at = f"encoder.layer.{layer}."
            parts = dict(zip(QKV, gradients[f"{at}qkv.weight"].float().chunk(3), strict=True))
            parts |= {name: gradients[f"{at}{name}.weight"].float() for name in ALONE}
            for name, gradient in parts.items():
                matrix = f"{at}{name}.weight"
                left, right = self.trained[f"{matrix}.lora_B"], self.trained[f"{matrix}.lora_A"]
                result[f"{matrix}.lora_A"] = SCALE * (left.T @ gradient)
                result[f"{matrix}.lora_B"] = SCALE * (gradient @ right.T)
        return result

    def encoded(self, leaves: dict[str, Any], sequences: list[tuple[np.ndarray, int]]) -> tuple[list[int], list[tuple]]:
        """Of (token ids, where the passage begins): which of them come in turn, and for those of one padded length their
        vectors [n, length, width], where the passages begin [n] and where the sequences end [n]."""
        import torch
        from torch.nn.functional import gelu, layer_norm, linear

        lengths = [-(-len(ids) // ROUND_TO) * ROUND_TO for ids, _ in sequences]
        order = sorted(range(len(sequences)), key=lambda i: lengths[i])
        groups, rows, masks = [], [], []
        for length, some in groupby(order, key=lambda i: lengths[i]):
            members = list(some)
            groups.append((len(members), length))
            ids = np.full((len(members), length), self._pad)
            types, unseen = np.zeros_like(ids), np.zeros(ids.shape, np.float32)
            for row, i in enumerate(members):
                tokens, at = sequences[i]
                ids[row, : len(tokens)], types[row, at : len(tokens)] = tokens, 1
                unseen[row, len(tokens) :] = -np.inf
            places = np.tile(np.arange(length), len(members))
            rows.append([torch.from_numpy(some.reshape(-1)) for some in (ids, places, types)])
            mask = torch.from_numpy(unseen).to(self._dtype)[:, None, None]
            masks.append(mask.expand(-1, self._heads, 1, -1).reshape(-1, 1, length))
        ids, places, types = (torch.cat(column) for column in zip(*rows, strict=True))
        words, positions, kinds = (
            self.base[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")
        )
        width = words.shape[1]
        norm = self.base["embeddings.LayerNorm.weight"], self.base["embeddings.LayerNorm.bias"]
        x = layer_norm(words[ids] + positions[places] + kinds[types], (width,), *norm, self._eps).to(self._dtype)
        for layer in range(self._layers):

            def of(name: str, at: str = f"encoder.layer.{layer}.") -> tuple:
                return leaves[f"{at}{name}.weight"], leaves[f"{at}{name}.bias"]

            mixed = self._attention(linear(x, *of("qkv")), groups, masks)
            x = layer_norm(linear(mixed, *of(ALONE[0])) + x, (width,), *of(NORMS[0]), self._eps)
            x = layer_norm(linear(gelu(linear(x, *of(ALONE[1]))), *of(ALONE[2])) + x, (width,), *of(NORMS[1]), self._eps)
        ends = torch.tensor([(sequences[i][1], len(sequences[i][0])) for i in order])
        pieces, each = x.split([n * length for n, length in groups]), ends.split([n for n, _ in groups])
        views = [(x.view(n, length, -1), *some.T) for x, (n, length), some in zip(pieces, groups, each, strict=True)]
        return order, views

    def _attention(self, qkv: Any, groups: list[tuple[int, int]], masks: list[Any]) -> Any:
        import torch

        pieces = []
        for (start, (n, length)), mask in zip(_starts(groups), masks, strict=True):
            parts = qkv[start : start + n * length].view(n, length, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
            q, k, v = parts.reshape(3, n * self._heads, length, -1).unbind(0)
            weights = (torch.bmm(q, k.transpose(1, 2)) * q.shape[-1] ** -0.5 + mask).softmax(-1)
            mixed = torch.bmm(weights, v).view(n, self._heads, length, -1).transpose(1, 2)
            pieces.append(mixed.reshape(n * length, -1))
        return torch.cat(pieces)


def _starts(groups: list[tuple[int, int]]) -> list[tuple[int, tuple[int, int]]]:
    """(first token, group) of groups of (texts, their length) that lie one after the other."""
    ends = np.cumsum([n * length for n, length in groups])
    return [(int(end - n * length), (n, length)) for end, (n, length) in zip(ends, groups, strict=True)]


class LowRankLoop(TrainingSteps):
    """Trains one. A step is cut into shares, each for a core: the same ones on any number of cores."""

    remedy = "Lower learning_rate or raise warmup"
    model: LowRankPairs

    def _take(self, model: LowRankPairs, decays: Callable[[str, Any], bool]) -> None:
        self.model, self._weights, self._optimizer = model, model.trained, adamw(model.trained, decays)

    @abstractmethod
    def _shares(self) -> list[list[Any]]:
        """Of step `self.step`."""

    @abstractmethod
    def _loss(self, leaves: dict[str, Any], share: list[Any], step: Sequence[Any]) -> Any:
        """What this share adds to the loss of its step."""

    def _learn(self) -> tuple[float, Callable[[], None]]:
        import torch

        leaves, shares = self.model.leaves(), self._shares()
        step = [each for share in shares for each in share]

        def learn(share: list[Any]) -> tuple[float, dict[str, Any]]:
            with torch.enable_grad():
                loss = self._loss(leaves, share, step)
            return float(loss.detach()), self.model.gradients(leaves, loss)

        pool, workers = workers_alone()
        done = dict(on_all_cores(pool, workers, learn, enumerate(shares)))

        def backward() -> None:
            total = {name: sum(done[i][1][name].float() for i in range(len(shares))) for name in done[0][1]}
            for name, gradient in self.model.divided(total).items():
                self._weights[name].grad = gradient

        return sum(done[i][0] for i in range(len(shares))), backward


def read_all(read: Callable[[list[Any]], Iterable[Any]], sequences: Sequence[tuple[np.ndarray, int]]) -> list[Any]:
    """What is read of each sequence, on all cores; those of like length together."""
    order = sorted(range(len(sequences)), key=lambda i: -len(sequences[i][0]))
    shares = [order[i : i + SEQUENCES_AT_ONCE] for i in range(0, len(order), SEQUENCES_AT_ONCE)]
    pool, workers = workers_alone()
    results: list[Any] = [None] * len(sequences)
    for share, some in on_all_cores(pool, workers, read, ((share, [sequences[i] for i in share]) for share in shares)):
        for i, each in zip(share, some, strict=True):
            results[i] = each
    return results


def write_low_rank(folder: Path, names: tuple[str, str], trained: dict[str, Any], max_tokens: int, base: Path) -> None:
    """What was trained, without the encoder, which is bundled. names: of the files with weights and settings."""
    import torch
    from safetensors.torch import save_file

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    save_file({name: w.to(torch.bfloat16).contiguous() for name, w in trained.items()}, folder / names[0])
    settings = {"base": "all-MiniLM-L6-v2", "base_files": files_identity(base), "scale": SCALE, "max_tokens": max_tokens}
    (folder / names[1]).write_text(json.dumps(settings, indent=1) + "\n", "utf-8")
