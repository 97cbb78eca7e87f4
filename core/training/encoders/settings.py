"""How an encoder is trained: the settings, as pages and the command line offer them."""

from typing import Literal

from core.config import knob
from core.training import settings as shared

LEARNING_RATE = {"lora": 5e-4, "full": 3e-5}


class TrainConfig(shared.TrainingSettings):
    """How an encoder is trained."""

    base: str = knob("minilm", "Encoder to start from: minilm, the name of a trained one, or a folder with a BERT model.")
    method: Literal["lora", "full"] = knob(
        "lora", "LoRA trains small matrices beside the frozen weights; full trains all, slower and quicker to overfit."
    )
    lora_rank: int = knob(
        16, "Rank of LoRA's matrices. Larger can learn more, and overfit more.", label="LoRA rank", ge=1, le=256
    )
    learning_rate: float = knob(
        0.0, "Step size at its peak; 0: 5e-4 for LoRA, 3e-5 for full. Too large diverges.", ge=0.0, le=0.1, step=0.00001
    )
    warmup: float = shared.warmup()
    temperature: float = knob(
        0.05, "Divides similarities before the softmax. Lower looks at the hardest negatives only.", gt=0.0, le=1.0, step=0.01
    )
    batch_size: int = knob(
        16,
        "Questions of a step; each is a negative source for the others. More is better and slower.",
        unit="questions",
        ge=2,
        le=1024,
    )
    hard_negatives: int = knob(
        1, "Mined negatives added for each question of a batch; 0: only those of the batch.", unit="chunks", ge=0, le=8
    )
    negatives_depth: int = knob(
        30, "BM25 candidates looked at for negatives. Fewer are harder, and more often evidence.", unit="chunks", ge=1, le=1000
    )
    negatives_limit: float = shared.negatives_limit()
    epochs: int = shared.epochs(3)
    max_steps: int = shared.max_steps(200)
    question_tokens: int = knob(32, "Tokens of a question that training reads. Fewer are faster.", unit="tokens", ge=8, le=512)
    passage_tokens: int = knob(
        80, "Tokens of a chunk that training reads; the encoder made reads as many as its base.", unit="tokens", ge=8, le=512
    )
    validation_share: float = shared.validation_share(0.2)
    validation_questions: int = knob(
        120, "Questions an evaluation asks at most. More are a steadier curve, and slower.", unit="questions", ge=20, le=10_000
    )
    validation_chunks: int = knob(
        500, "Chunks an evaluation searches: the evidence, what BM25 finds, and random ones.", unit="chunks", ge=100, le=100_000
    )
    evaluate_every: int = shared.evaluate_every(40)
    patience: int = shared.patience(3)
    watch: Literal["ndcg", "recall", "mrr"] = knob("mrr", "Validation metric that decides which step is best.")
    seed: int = shared.seed("splits, order, dropout, LoRA and the test")

    def peak(self) -> float:
        """The highest learning rate."""
        return self.learning_rate or LEARNING_RATE[self.method]
