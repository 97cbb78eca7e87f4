"""A mixture of experts written to be read: the layer, its losses, and a small language model trained with it in minutes.

Choose it to see what routing does: a router sends each token to one or two of several feed-forward parts, so a model holds
more weights than work on a token. The rest of the model is `transformer.py`'s.

Top-k gating and the importance loss: Shazeer et al. 2017, "Outrageously Large Neural Networks", arXiv:1701.06538, equations 3
to 7, without the noise. Top-1, capacity and the balancing loss: Fedus, Zoph and Shazeer 2021, "Switch Transformers",
arXiv:2101.03961, equations 1 to 6. Second choices queue behind all first ones: Lepikhin et al. 2020, "GShard",
arXiv:2006.16668, algorithm 1. Router z-loss: Zoph et al. 2022, "ST-MoE", arXiv:2202.08906, equation 5.

Shapes: N tokens (all texts of a batch), W width, E experts, K choices of a token.
"""

import json
import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from core import files
from core.errors import WorkbenchError
from core.models import hardware
from core.models.loading import check_sealed
from core.records import Progress
from core.scratch.models.transformer import Shape, SwiGLU, Transformer
from core.training.experts import RUN, ExpertRun, ExpertStep, MoeConfig, Routing, read_run, variation
from core.training.tokenizers import Reader, TokenizerConfig, opened, train_tokenizer

HELD_OUT = 0.1  # of the documents
WARMUP = 0.1  # of the steps
READ_AT_ONCE = 32  # windows of a text that share the experts' capacity when it is read


class Routed(NamedTuple):
    """What a router did: logits [N, E], probabilities [N, E], experts [N, K], gates [N, K], has_room [N, K]."""

    logits: Tensor
    probabilities: Tensor
    experts: Tensor
    gates: Tensor
    has_room: Tensor


class MixtureOfExperts(nn.Module):
    """Stands where the dense feed-forward part stood. `routed` holds what the last forward pass did."""

    def __init__(self, shape: Shape, experts: int, top_k: int, capacity_factor: float) -> None:
        super().__init__()
        self.router = nn.Linear(shape.width, experts, bias=False)
        self.experts = nn.ModuleList(SwiGLU(shape) for _ in range(experts))
        self.top_k, self.capacity_factor = top_k, capacity_factor
        self.routed: Routed | None = None

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.reshape(-1, x.shape[-1])  # [N, W]
        self.routed = self.route(tokens)
        _, _, chosen, gates, has_room = self.routed
        out = torch.zeros_like(tokens)  # a token that is dropped everywhere passes by: the block adds x to it
        for number, expert in enumerate(self.experts):
            token, choice = ((chosen == number) & has_room).nonzero(as_tuple=True)
            out = out.index_add(0, token, gates[token, choice, None].to(x.dtype) * expert(tokens[token]))
        return out.view_as(x)

    def route(self, tokens: Tensor) -> Routed:
        logits = self.router(tokens).float()  # the exponential needs the digits
        probabilities = logits.softmax(-1)
        gates, chosen = probabilities.topk(self.top_k, dim=-1)  # [N, K]
        if self.top_k > 1:  # alone, a gate of always 1 would teach the router nothing
            gates = gates / gates.sum(-1, keepdim=True)
        room = capacity(len(tokens), len(self.experts), self.top_k, self.capacity_factor)
        return Routed(logits, probabilities, chosen, gates, within(chosen, len(self.experts), room))


def capacity(tokens: int, experts: int, top_k: int, factor: float) -> int:
    """Assignments that an expert takes of a batch: its even share times the factor; 0: all."""
    return math.ceil(factor * tokens * top_k / experts) if factor else tokens


def within(chosen: Tensor, experts: int, room: int) -> Tensor:
    """Which choices [N, K] find room: first come, first served, all first choices before the second ones."""
    queue = one_hot(chosen.T.reshape(-1), experts)  # [K * N, E]
    place = (queue.cumsum(0) * queue).sum(-1)  # from 1
    return (place <= room).view(chosen.shape[1], -1).T


def switch_loss(routed: Routed) -> Tensor:
    """E * sum over experts of f * P: the share of assignments times the mean probability (Fedus et al., equations 4 to 6).

    1 where both are even. f has no gradient: P is pushed down where f is large.
    """
    experts = routed.probabilities.shape[1]
    share = one_hot(routed.experts, experts).float().mean((0, 1))  # [E]
    return experts * (share * routed.probabilities.mean(0)).sum()


def importance_loss(routed: Routed) -> Tensor:
    """CV^2 of the experts' summed gates (Shazeer et al., equations 6 and 7, before the weight)."""
    importance = torch.zeros_like(routed.probabilities).scatter(1, routed.experts, routed.gates).sum(0)  # [E]
    return importance.var(correction=0) / importance.mean().square()


def z_loss(routed: Routed) -> Tensor:
    """Mean squared log of the sum of exponentials of the router's logits (Zoph et al., equation 5)."""
    return routed.logits.logsumexp(-1).square().mean()


def build(config: MoeConfig, vocabulary: int) -> Transformer:
    """The transformer with experts in every layer, its weights drawn from the seed."""
    heads = config.width // 16
    shape = Shape(
        layers=config.layers,
        heads=heads,
        kv_heads=heads,
        head_size=16,
        width=config.width,
        hidden=config.hidden,
        vocabulary=vocabulary,
        context=config.context,
        rope_base=10_000.0,
    )
    model = Transformer(shape)
    for block in model.layers:
        block.mlp = MixtureOfExperts(shape, config.experts, config.top_k, config.capacity_factor)
    draw = torch.Generator().manual_seed(config.seed)
    for weight in model.parameters():
        if weight.dim() > 1:
            nn.init.normal_(weight, std=0.02, generator=draw)  # GPT-2's; larger, the tied head starts out sure and wrong
    return model


def routers(model: Transformer) -> list[MixtureOfExperts]:
    return [block.mlp for block in model.layers]


@contextmanager
def room_for(model: Transformer, capacity_factor: float | None) -> Iterator[None]:
    """Another capacity factor for a while; None: the one that the model has."""
    before = [layer.capacity_factor for layer in routers(model)]
    try:
        for layer, own in zip(routers(model), before, strict=True):
            layer.capacity_factor = own if capacity_factor is None else capacity_factor
        yield
    finally:
        for layer, own in zip(routers(model), before, strict=True):
            layer.capacity_factor = own


@dataclass(frozen=True)
class TrainedExperts:
    """A trained model with its tokenizer."""

    run: ExpertRun
    model: Transformer
    reader: Reader


def train(texts: Sequence[str], config: MoeConfig, folder: Path) -> Generator[Progress | ExpertStep, None, TrainedExperts]:
    """Trains on nine tenths of the documents and keeps the model; yields an ExpertStep each. The folder appears whole, by renaming.

    Closing the generator keeps nothing. The same settings and texts give the same model on one machine.
    """
    if folder.exists():
        raise WorkbenchError(
            f"There is a model '{folder.name}' already.", where=str(folder), todo="Choose another name, or delete that folder."
        )
    rng = np.random.default_rng(config.seed)
    order = rng.permutation(len(texts))
    held_out = tuple(sorted(order[: max(1, round(HELD_OUT * len(texts)))].tolist()))
    learnt_from = [text for i, text in enumerate(texts) if i not in set(held_out)]
    with files.made_whole(folder, "The mixture of experts") as work:
        size = TokenizerConfig(size=config.vocabulary)
        tokenizer = yield from train_tokenizer(learnt_from, size, work / "tokenizer")
        reader = opened(tokenizer)
        stream = _stream(reader, learnt_from, config)
        unseen = _stream(reader, [texts[i] for i in held_out], config)
        model = build(config, reader.vocabulary).to(hardware.device())
        steps = yield from _steps(model, stream, config, rng)
        model.requires_grad_(False).eval()
        loss = _held_out_loss(model, unseen, config)
        _save(work, model, config, steps, held_out, loss)
    return TrainedExperts(read_run(folder), model, opened(folder / "tokenizer"))


def _stream(reader: Reader, texts: Sequence[str], config: MoeConfig) -> np.ndarray:
    """All texts' ids, one after the other [n] int64."""
    ids = np.concatenate([np.zeros(0, np.int64), *(split.ids for split in reader.split_many(texts))]).astype(np.int64)
    if len(ids) <= config.context:
        raise WorkbenchError(
            f"The texts have {len(ids):,} tokens, and a row of a batch has {config.context + 1:,}.",
            where="context",
            todo="Choose a larger corpus, or a shorter context.",
        )
    return ids


def _steps(
    model: Transformer, stream: np.ndarray, config: MoeConfig, rng: np.random.Generator
) -> Generator[ExpertStep, None, list[ExpertStep]]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=0.01)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: _rate(done, config.steps))
    balancing = {"switch": switch_loss, "importance": importance_loss}.get(config.balance, switch_loss)
    weight = 0.0 if config.balance == "none" else config.balance_weight
    steps: list[ExpertStep] = []
    for done in range(config.steps):
        starts = rng.integers(0, len(stream) - config.context, config.batch)
        rows = torch.from_numpy(stream[starts[:, None] + np.arange(config.context + 1)])  # [B, context + 1]
        rows = rows.to(model.embed_tokens.weight.device)
        logits = model(rows[:, :-1])  # [B, context, vocabulary]
        loss = cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
        balance = torch.stack([balancing(layer.routed) for layer in routers(model)])  # [L]
        z = torch.stack([z_loss(layer.routed) for layer in routers(model)])
        optimizer.zero_grad()
        (loss + weight * balance.sum() + config.z_weight * z.sum()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rate.step()
        if not math.isfinite(loss.item()):
            raise WorkbenchError(
                f"The training diverged at step {done + 1:,}.", where="learning_rate", todo="Lower the learning rate."
            )
        steps.append(_told(done + 1, config, loss, balance, z, [layer.routed for layer in routers(model)]))
        yield steps[-1]
    return steps


def _rate(done: int, steps: int) -> float:
    """Rises over the warm-up, then falls as a cosine to a tenth."""
    warm = max(1, round(WARMUP * steps))
    if done < warm:
        return (done + 1) / warm
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (done - warm) / max(1, steps - warm)))


@torch.no_grad()
def _told(done: int, config: MoeConfig, loss: Tensor, balance: Tensor, z: Tensor, layers: list[Routed]) -> ExpertStep:
    counts = torch.stack([torch.bincount(r.experts.flatten(), minlength=config.experts) for r in layers])  # [L, E]
    cv = variation(counts.cpu().numpy())
    entropy = torch.stack([-(r.probabilities * r.logits.log_softmax(-1)).sum(-1).mean() for r in layers]) / math.log(2)
    lost = torch.stack([1 - r.has_room.float().mean() for r in layers])
    message = f"Step {done:,}: loss {loss:.3f}, variation of the load {cv.mean():.2f}"
    lists = (tuple(map(float, row)) for row in (balance, z, cv, entropy, lost))
    return ExpertStep(done, config.steps, message, float(loss), *lists)


@torch.no_grad()
def _held_out_loss(model: Transformer, stream: np.ndarray, config: MoeConfig) -> float:
    """Nats a token, on windows side by side; no expert is full, so windows do not depend on each other."""
    rows = len(stream) // (config.context + 1)
    windows = torch.from_numpy(stream[: rows * (config.context + 1)].reshape(rows, -1)).to(model.embed_tokens.weight.device)
    with room_for(model, 0.0):
        losses = [
            cross_entropy(model(some[:, :-1]).flatten(0, 1), some[:, 1:].flatten(), reduction="sum").item()
            for some in windows.split(READ_AT_ONCE)
        ]
    return sum(losses) / (rows * config.context)


def _save(
    work: Path, model: Transformer, config: MoeConfig, steps: list[ExpertStep], held_out: tuple[int, ...], loss: float
) -> None:
    from safetensors.torch import save_file

    save_file({name: weight.cpu().contiguous() for name, weight in model.state_dict().items()}, work / "model.safetensors")
    run = {"config": config.model_dump(mode="json"), "steps": steps, "held_out": held_out, "held_out_loss": loss}
    (work / RUN).write_text(json.dumps(run), "utf-8")
    files.seal_folder(work)


def load(folder: Path) -> TrainedExperts:
    """A model that was trained here."""
    from safetensors.torch import load_file

    if not (folder / RUN).is_file():
        raise WorkbenchError(f"There is no model '{folder.name}'.", where=str(folder), todo="Train it first.")
    check_sealed(folder, "The mixture of experts")
    run, reader = read_run(folder), opened(folder / "tokenizer")
    model = build(run.config, reader.vocabulary)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return TrainedExperts(run, model.requires_grad_(False).eval().to(hardware.device()), reader)


@torch.no_grad()
def read(trained: TrainedExperts, texts: Sequence[str], capacity_factor: float | None = None) -> Routing:
    """How every token of the texts is routed; long texts in windows of the model's context, READ_AT_ONCE sharing room.

    capacity_factor: another than the one trained with (0: nothing is dropped).
    """
    model, context = trained.model, trained.run.config.context
    columns: dict[str, list[np.ndarray]] = {name: [] for name in Routing.__dataclass_fields__}
    for number, split in enumerate(trained.reader.split_many(texts)):
        columns["ids"].append(split.ids)
        columns["text"].append(np.full(len(split.ids), number, np.int32))
        columns["offsets"].append(split.offsets)
        full = len(split.ids) // context * context
        ids = torch.from_numpy(split.ids.astype(np.int64)).to(model.embed_tokens.weight.device)
        windows = list(ids[:full].view(-1, context).split(READ_AT_ONCE)) if full else []
        for rows in windows + ([ids[None, full:]] if full < len(ids) else []):
            with room_for(model, capacity_factor):
                model(rows)
            layers = [layer.routed for layer in routers(model)]
            for name in ("experts", "gates", "has_room", "probabilities"):
                columns[name].append(torch.stack([getattr(routed, name) for routed in layers], 1).cpu().numpy())
    if not columns["experts"]:
        raise WorkbenchError("The texts hold no token.", todo="Give a text that is not empty.")
    arrays = {name: np.concatenate(parts) for name, parts in columns.items()}
    return Routing(**arrays | {"experts": arrays["experts"].astype(np.int16)})
