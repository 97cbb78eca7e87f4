"""How the faithfulness model is trained: the settings, as the command line offers them."""

from core.config import StageConfig, knob


class FaithfulnessTraining(StageConfig):
    """How the faithfulness model is trained."""

    lora_rank: int = knob(32, "Rank of LoRA's matrices. Larger can learn more, and makes a larger file.", ge=1, le=128)
    layers: int = knob(6, "Upper layers of the encoder that learn. More can learn more, slower.", unit="layers", ge=1, le=48)
    learning_rate: float = knob(0.0005, "Step size at its peak. Too large diverges.", gt=0.0, le=0.1, step=0.00001)
    warmup: float = knob(
        0.05, "Share of the steps over which the learning rate rises; then it falls to 0.", ge=0.0, le=0.9, step=0.05
    )
    batch_size: int = knob(32, "Claims of a step.", unit="claims", ge=1, le=1024)
    max_steps: int = knob(1500, "Steps at most.", unit="steps", ge=1, le=1_000_000)
    max_tokens: int = knob(192, "Tokens of claim and evidence together that training reads.", unit="tokens", ge=128, le=512)
    made: float = knob(
        0.5, "Share of a step's claims that are made from texts by rule, right ones and wrong ones.", ge=0.0, le=0.9, step=0.05
    )
    pairs: float = knob(
        0.15,
        "Share that is sentence pairs of SNLI and its revised form; the rest is what people said of answers.",
        ge=0.0,
        le=0.9,
    )
    word_weight: float = knob(1.0, "What the loss of wrong words counts beside that of verdicts.", ge=0.0, le=100.0, step=0.1)
    texts: int = knob(1500, "Documents each of squad-sentences and MedQuAD that claims are made from.", ge=0, le=100_000)
    validation_claims: int = knob(150, "Claims of each data set that an evaluation judges.", unit="claims", ge=10, le=10_000)
    evaluate_every: int = knob(100, "Steps between evaluations; each also writes a checkpoint.", unit="steps", ge=1, le=100_000)
    patience: int = knob(
        10,
        "Evaluations without a better one after which training stops. The best one is kept.",
        unit="evaluations",
        ge=1,
        le=1000,
    )
    seed: int = knob(0, "Seeds splits, order, made claims and weights.", ge=0, le=2**31 - 1)

    def peak(self) -> float:
        """The highest learning rate."""
        return self.learning_rate
