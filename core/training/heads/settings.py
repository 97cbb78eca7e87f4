"""How a head over the encoder is trained: the settings, as the command line offers them."""

from typing import Literal

from core.config import knob
from core.training import settings as shared


class HeadTraining(shared.TrainingSettings):
    """How an encoder learns labels, tags or answers."""

    lora_rank: int = knob(
        0,
        "Rank of LoRA's matrices beside every matrix of the encoder; 0: all of its weights learn. LoRA needs some ten times the "
        "learning rate.",
        label="LoRA rank",
        ge=0,
        le=256,
    )
    learning_rate: float = shared.learning_rate(0.0002)
    warmup: float = shared.warmup()
    batch_size: int = shared.batch_size(32, "texts")
    epochs: int = shared.epochs(5, "texts")
    max_tokens: int = knob(
        128, "Tokens that the model reads; of a longer passage with its question it reads windows.", unit="tokens", ge=16, le=512
    )
    validation_share: float = knob(
        0.1, "Share of the documents kept for validation, where the file names no part.", gt=0.0, lt=0.5, step=0.05
    )
    test_share: float = knob(0.2, "Share of the documents kept for the test, where nothing names it.", gt=0.0, lt=0.5, step=0.05)
    half: Literal["both", "first", "second"] = knob(
        "both", "Half of the training part's groups that is learnt from: models of different halves have no group in common."
    )
    out_of_scope: str = knob("", "Label of what belongs to no class: its recall is reported apart from the others' accuracy.")
    evaluate_every: int = shared.evaluate_every(200)
    patience: int = shared.patience(5)
    seed: int = shared.seed("splits, order and weights")
