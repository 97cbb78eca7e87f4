"""A small mixture of experts: settings and results of its training, and what its routers chose. Loads no torch.

The model is `scratch/models/moe.py`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
from pydantic import model_validator

from core import files
from core.config import StageConfig, knob
from core.files import read_json
from core.training.tokenizers import folder_of

RUN = "run.json"


class MoeConfig(StageConfig):
    """A decoder-only transformer whose feed-forward parts are experts, and how it is trained."""

    experts: int = knob(4, "Experts of a layer. More hold more at the same work a token; each sees fewer tokens.", ge=1, le=64)
    top_k: int = knob(1, "Experts that a token is sent to. 1 is cheapest; 2 learn steadier, at twice the work.", ge=1, le=8)
    capacity_factor: float = knob(
        1.25,
        "Room of an expert, as a multiple of its even share; what does not fit is dropped. "
        "0: no limit. Less is even work, and loses tokens.",
        ge=0.0,
        le=16.0,
        step=0.05,
    )
    balance: Literal["switch", "importance", "none"] = knob(
        "switch", "Loss that spreads tokens over the experts: of shares times probabilities, or of the gates' variation."
    )
    balance_weight: float = knob(
        0.01, "Weight of that loss. Too little leaves experts idle, too much routes blindly.", ge=0.0, le=10.0, step=0.001
    )
    z_weight: float = knob(
        0.001, "Weight of the router z-loss, which keeps the router's logits small. 0 turns it off.", ge=0.0, le=1.0, step=0.001
    )
    layers: int = knob(2, "Layers. More learn more, slower.", ge=1, le=12)
    width: Literal[32, 64, 128, 256] = knob(64, "Numbers that stand for a token between layers, 16 a head.")
    hidden: int = knob(128, "Width within an expert. More learns more, slower.", ge=8, le=2048)
    vocabulary: int = knob(512, "Tokens of the byte-level BPE that is trained on the same texts.", unit="tokens", ge=300, le=8192)
    context: int = knob(64, "Tokens that the model looks back on.", unit="tokens", ge=8, le=1024)
    batch: int = knob(16, "Texts of a step; capacity is shared among their tokens. More is steadier, slower.", ge=1, le=256)
    steps: int = knob(300, "Training steps; the default takes about a minute on two cores.", unit="steps", ge=1, le=100_000)
    learning_rate: float = knob(0.003, "Step size at its peak. Too large diverges.", gt=0.0, le=0.1, step=0.0005)
    seed: int = knob(0, "Seeds weights, held-out documents and batches.", ge=0, le=2**31 - 1)

    @model_validator(mode="after")
    def _enough_experts(self) -> Self:
        if self.top_k > self.experts:
            raise ValueError(f"a token cannot be sent to {self.top_k} of {self.experts} experts")
        return self


class ExpertStep(NamedTuple):
    """Progress, with what one training step measured; lists have a number a layer. NaN and empty: nothing was measured yet."""

    done: int
    total: int
    message: str
    loss: float = float("nan")  # of the next token, nats
    balance: tuple[float, ...] = ()  # the balancing loss before its weight, whether it is trained on or not; 1 is even
    z: tuple[float, ...] = ()
    cv: tuple[float, ...] = ()  # of the experts' load
    entropy_bits: tuple[float, ...] = ()  # of a token's router, mean
    dropped: tuple[float, ...] = ()  # share of assignments


@dataclass(frozen=True)
class ExpertRun:
    """A finished training. held_out: documents that were not trained on; held_out_loss: nats a token, nothing dropped."""

    folder: Path
    config: MoeConfig
    steps: tuple[ExpertStep, ...]
    held_out: tuple[int, ...]
    held_out_loss: float


@dataclass(frozen=True)
class Routing:
    """What the routers chose. T tokens, L layers, K choices, E experts.

    ids [T] int32; text [T] int32: which text; offsets [T, 2] int32: characters of it.
    experts [T, L, K] int16; gates [T, L, K] float32; has_room [T, L, K] bool: not dropped; probabilities [T, L, E] float32.
    """

    ids: np.ndarray
    text: np.ndarray
    offsets: np.ndarray
    experts: np.ndarray
    gates: np.ndarray
    has_room: np.ndarray
    probabilities: np.ndarray


def moe_home() -> Path:
    """Where trained models lie, each in a folder of its name."""
    return files.home() / "moe"


def experts_folder(name: str) -> Path:
    return folder_of(name, moe_home())


def trained_experts() -> list[str]:
    """Newest first."""
    files = sorted(moe_home().glob(f"[!.]*/{RUN}"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    return [file.parent.name for file in files]


def read_run(folder: Path) -> ExpertRun:
    """A training's settings and measurements, without its weights."""
    saved = read_json(folder / RUN, "The record of the training", of=dict)
    steps = tuple(ExpertStep(*(tuple(v) if isinstance(v, list) else v for v in step)) for step in saved["steps"])
    return ExpertRun(folder, MoeConfig(**saved["config"]), steps, tuple(saved["held_out"]), saved["held_out_loss"])


def variation(load: np.ndarray) -> np.ndarray:
    """Coefficient of variation over the last axis: standard deviation over mean. 0: even; sqrt(E - 1): all to one."""
    return load.std(axis=-1) / load.mean(axis=-1)
