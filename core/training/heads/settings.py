"""How a head over the encoder is trained: the settings, as the command line offers them."""

from typing import Literal

from core.config import StageConfig, knob


class HeadTraining(StageConfig):
    """How an encoder learns labels, tags or answers."""

    lora_rank: int = knob(
        0,
        "Rank of LoRA's matrices beside every matrix of the encoder; 0: all of its weights learn. LoRA needs some ten times the "
        "learning rate.",
        label="LoRA rank",
        ge=0,
        le=256,
    )
    learning_rate: float = knob(0.0002, "Step size at its peak. Too large diverges.", gt=0.0, le=0.1, step=0.00001)
    warmup: float = knob(
        0.1, "Share of the steps over which the learning rate rises; then it falls to 0.", ge=0.0, le=0.9, step=0.05
    )
    batch_size: int = knob(32, "Texts of a step.", unit="texts", ge=1, le=1024)
    epochs: int = knob(5, "Passes over the training texts, at most.", ge=1, le=1000)
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
    out_of_scope: str = knob("", "Label of what belongs to no class: its recall is told apart from the others' accuracy.")
    evaluate_every: int = knob(200, "Steps between evaluations; each also writes a checkpoint.", unit="steps", ge=1, le=100_000)
    patience: int = knob(
        5, "Evaluations without a better one after which training stops. The best one is kept.", unit="evaluations", ge=1, le=1000
    )
    seed: int = knob(0, "Seeds splits, order and weights.", ge=0, le=2**31 - 1)

    def peak(self) -> float:
        """The highest learning rate."""
        return self.learning_rate
