"""A small mixture of experts and what its routers do: settings, results, and the statistics of routing. Loads no torch.

The model is `scratch/moe.py`. Statistics are functions over `Routing`, what every layer's router chose for every token; the
"kind" of a token is the part of speech of the word it stands in, told by lists of the closed classes and by endings, which is
where a tagger starts before it looks at context (Brill 1992, "A Simple Rule-Based Part of Speech Tagger", section 2).
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
from pydantic import model_validator

from core.config import StageConfig, knob
from core.models import hub as models
from core.training import tokenizers as lab

RUN = "run.json"
# The closed classes of English, each word in the one it is most often of; open ones are told by their endings.
CLOSED = {
    "determiner": "a an the this that these those all any each both some such other every no another either neither",
    "pronoun": "i me my you your he him his she her it its we us our they them their who whom whose which what there one itself "
               "themselves himself herself myself yourself something anything nothing everything",
    "preposition": "of in on at by for from to with without into onto over under between through during before after about "
                   "against as than like per via until within upon among across behind below above toward towards",
    "conjunction": "and or but nor so yet if unless while because although though whether since when where then",
    "auxiliary": "is are was were be been being am do does did has have had can could may might must shall should will would",
    "adverb": "not only also too very just more most never always often again still already now here however",
}  # fmt: skip
ENDINGS = {
    "adverb": ("ly",),
    "verb in -ed, -ing": ("ed", "ing"),
    "adjective": ("able", "ible", "ous", "ive", "al", "ic", "ful", "less"),
}
STEM = 3  # letters before an ending: "red" and "king" are no forms of verbs
CLASS_OF = {word: name for name, words in CLOSED.items() for word in words.split()}
KINDS = (*CLOSED, *[name for name in ENDINGS if name not in CLOSED], "noun or other", *lab.KINDS[1:], "space")


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


class Step(NamedTuple):
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
class Run:
    """A finished training. held_out: documents that were not trained on; held_out_loss: nats a token, nothing dropped."""

    folder: Path
    config: MoeConfig
    steps: tuple[Step, ...]
    held_out: tuple[int, ...]
    held_out_loss: float


@dataclass(frozen=True)
class Routing:
    """What the routers chose. T tokens, L layers, K choices, E experts.

    ids [T] int32; text [T] int32: which text; offsets [T, 2] int32: characters of it; kind [T] int8: place in KINDS.
    experts [T, L, K] int16; gates [T, L, K] float32; kept [T, L, K] bool: not dropped; probabilities [T, L, E] float32.
    """

    ids: np.ndarray
    text: np.ndarray
    offsets: np.ndarray
    kind: np.ndarray
    experts: np.ndarray
    gates: np.ndarray
    kept: np.ndarray
    probabilities: np.ndarray


def moe_home() -> Path:
    """Where trained models lie, each in a folder of its name."""
    return models.home() / "moe"


def folder_of(name: str) -> Path:
    return lab.folder_of(name, moe_home())


def trained() -> list[str]:
    """Newest first."""
    files = sorted(moe_home().glob(f"[!.]*/{RUN}"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    return [file.parent.name for file in files]


def read_run(folder: Path) -> Run:
    """A training's settings and measurements, without its weights."""
    saved = json.loads((folder / RUN).read_text("utf-8"))
    steps = tuple(Step(*(tuple(v) if isinstance(v, list) else v for v in step)) for step in saved["steps"])
    return Run(folder, MoeConfig(**saved["config"]), steps, tuple(saved["held_out"]), saved["held_out_loss"])


# Statistics of routing, a number a layer


def loads(routing: Routing) -> np.ndarray:
    """[L, E] share of the assignments that each expert was chosen for, dropped ones too."""
    experts = np.arange(routing.probabilities.shape[2])
    return (routing.experts[..., None] == experts).mean(axis=(0, 2))


def variation(load: np.ndarray) -> np.ndarray:
    """Coefficient of variation over the last axis: standard deviation over mean. 0: even; sqrt(E - 1): all to one."""
    return load.std(axis=-1) / load.mean(axis=-1)


def entropy_bits(probabilities: np.ndarray) -> np.ndarray:
    """Entropy over the last axis in bits; 0: sure, log2(E): any expert."""
    return -(probabilities * np.log2(np.where(probabilities > 0, probabilities, 1))).sum(axis=-1)


def dropped(routing: Routing) -> np.ndarray:
    """[L] share of the assignments that found no room."""
    return 1 - routing.kept.mean(axis=(0, 2))


def by_kind(routing: Routing) -> np.ndarray:
    """[L, kinds, E] share of each kind's assignments that went to each expert; NaN where a kind does not occur."""
    table = _kind_counts(routing)
    whole = table.sum(axis=-1, keepdims=True)
    return np.divide(table, whole, out=np.full(table.shape, np.nan), where=whole > 0)


def kind_told(routing: Routing) -> np.ndarray:
    """[L] share of the entropy of the expert chosen that the kind of token explains: I(kind; expert) / H(expert).

    0: routed whatever the kind; 1: the kind decides. NaN where all go to one expert. Biased upwards on few tokens.
    """
    joint = _kind_counts(routing)
    joint = joint / joint.sum(axis=(1, 2), keepdims=True)
    of_expert = entropy_bits(joint.sum(axis=1))
    shared = entropy_bits(joint.sum(axis=2)) + of_expert - entropy_bits(joint.reshape(len(joint), -1))
    return np.divide(shared, of_expert, out=np.full(len(joint), np.nan), where=of_expert > 1e-12)


def _kind_counts(routing: Routing) -> np.ndarray:
    """[L, kinds, E] float64 assignments."""
    _, layers, choices = routing.experts.shape
    table = np.zeros((layers, len(KINDS), routing.probabilities.shape[2]))
    for layer in range(layers):
        np.add.at(table[layer], (np.repeat(routing.kind, choices), routing.experts[:, layer].reshape(-1)), 1)
    return table


def token_kinds(text: str, offsets: np.ndarray) -> np.ndarray:
    """[T] int8: the kind of the word in which each token's last character that is no space stands."""
    of_character = np.full(len(text) + 1, KINDS.index("space"), np.int8)
    spans, kinds = lab.word_spans(text)
    for (start, end), kind in zip(spans.tolist(), kinds.tolist(), strict=True):
        word = part_of_speech(text[start:end]) if kind == 0 else lab.KINDS[kind]
        of_character[start:end] = KINDS.index(word)
    solid = [max((i for i in range(start, end) if not text[i].isspace()), default=end - 1) for start, end in offsets.tolist()]
    return of_character[np.array(solid, np.int64)]


@lru_cache(maxsize=1 << 16)
def part_of_speech(word: str) -> str:
    small = word.lower()
    if known := CLASS_OF.get(small):
        return known
    endings = ((name, end) for name, ends in ENDINGS.items() for end in ends)
    return next((name for name, end in endings if small.endswith(end) and len(small) >= STEM + len(end)), "noun or other")
