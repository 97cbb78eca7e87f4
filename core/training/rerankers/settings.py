"""How a cross-encoder is trained: the settings, as the command line offers them."""

from typing import Literal

from core.config import knob
from core.training import settings as shared


class RerankerTraining(shared.TrainingSettings):
    """How a cross-encoder is trained."""

    loss: Literal["listwise", "pairwise", "pointwise"] = knob(
        "listwise",
        "What a step lowers: the cross-entropy of the evidence among its list (ListNet), of each pair of evidence and "
        "other passage (RankNet), or of each passage by itself.",
    )
    lora_rank: int = knob(40, "Rank of LoRA's matrices. Larger can learn more, and makes a larger file.", ge=1, le=128)
    layers: int = shared.layers(3)
    learning_rate: float = shared.learning_rate(0.0005)
    warmup: float = shared.warmup()
    batch_size: int = shared.batch_size(12, "questions")
    negatives: int = knob(4, "Passages beside the evidence in a question's list.", unit="chunks", ge=1, le=63)
    negatives_depth: int = knob(
        10,
        "First passages of BM25 and of the start encoder that these are drawn of. Fewer are harder, and more often evidence.",
        unit="chunks",
        ge=1,
        le=1000,
    )
    negatives_limit: float = shared.negatives_limit()
    epochs: int = shared.epochs(3)
    max_steps: int = shared.max_steps(300)
    max_tokens: int = knob(160, "Tokens of question and passage together that training reads.", unit="tokens", ge=32, le=512)
    validation_share: float = shared.validation_share(0.1)
    validation_questions: int = knob(100, "Questions an evaluation asks at most.", unit="questions", ge=10, le=10_000)
    test_questions: int = knob(
        300, "Questions of the test half that are ranked before and after.", unit="questions", ge=10, le=100_000
    )
    depth: int = knob(10, "Passages a question that validation and test rank again.", unit="chunks", ge=2, le=100)
    evaluate_every: int = shared.evaluate_every(100)
    patience: int = shared.patience(3)
    seed: int = shared.seed("splits, order and weights")
