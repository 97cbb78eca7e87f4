"""How a cross-encoder is trained: the settings, as the command line offers them."""

from typing import Literal

from core.config import StageConfig, knob


class RerankerTraining(StageConfig):
    """How a cross-encoder is trained."""

    loss: Literal["listwise", "pairwise", "pointwise"] = knob(
        "listwise",
        "What a step lowers: the cross-entropy of the evidence among its list (ListNet), of each pair of evidence and "
        "other passage (RankNet), or of each passage by itself.",
    )
    lora_rank: int = knob(40, "Rank of LoRA's matrices. Larger can learn more, and makes a larger file.", ge=1, le=128)
    layers: int = knob(3, "Upper layers of the encoder that learn. More can learn more, slower.", unit="layers", ge=1, le=48)
    learning_rate: float = knob(0.0005, "Step size at its peak. Too large diverges.", gt=0.0, le=0.1, step=0.00001)
    warmup: float = knob(
        0.1, "Share of the steps over which the learning rate rises; then it falls to 0.", ge=0.0, le=0.9, step=0.05
    )
    batch_size: int = knob(12, "Questions of a step.", unit="questions", ge=1, le=1024)
    negatives: int = knob(4, "Passages beside the evidence in a question's list.", unit="chunks", ge=1, le=63)
    negatives_depth: int = knob(
        10,
        "First passages of BM25 and of the start encoder that these are drawn of. Fewer are harder, and more often evidence.",
        unit="chunks",
        ge=1,
        le=1000,
    )
    negatives_limit: float = knob(
        1.2,
        "Passages nearer to the question than this many times the evidence are dropped as likely evidence. Below 1 is "
        "safest, and also drops what the start encoder gets wrong.",
        gt=0.0,
        le=2.0,
        step=0.05,
    )
    epochs: int = knob(3, "Passes over the training questions, at most.", ge=1, le=1000)
    max_steps: int = knob(
        300, "Steps at most, whatever the epochs say. A step takes some seconds on two cores.", unit="steps", ge=1, le=1_000_000
    )
    max_tokens: int = knob(160, "Tokens of question and passage together that training reads.", unit="tokens", ge=32, le=512)
    validation_share: float = knob(
        0.1, "Share of the dev half's questions kept for validation, with all their documents.", gt=0.0, lt=0.9, step=0.05
    )
    validation_questions: int = knob(100, "Questions an evaluation asks at most.", unit="questions", ge=10, le=10_000)
    test_questions: int = knob(
        300, "Questions of the test half that are ranked before and after.", unit="questions", ge=10, le=100_000
    )
    depth: int = knob(10, "Passages a question that validation and test rank again.", unit="chunks", ge=2, le=100)
    evaluate_every: int = knob(100, "Steps between evaluations; each also writes a checkpoint.", unit="steps", ge=1, le=100_000)
    patience: int = knob(
        3, "Evaluations without a better one after which training stops. The best one is kept.", unit="evaluations", ge=1, le=1000
    )
    seed: int = knob(0, "Seeds splits, order and weights.", ge=0, le=2**31 - 1)

    def peak(self) -> float:
        """The highest learning rate."""
        return self.learning_rate
