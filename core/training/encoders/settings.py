"""How an encoder is trained: the settings, as pages and the command line offer them."""

from typing import Literal

from core.config import StageConfig, knob

LEARNING_RATE = {"lora": 5e-4, "full": 3e-5}


class TrainConfig(StageConfig):
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
    warmup: float = knob(
        0.1, "Share of the steps over which the learning rate rises; then it falls to 0.", ge=0.0, le=0.9, step=0.05
    )
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
    negatives_limit: float = knob(
        1.2,
        "Candidates nearer to the question than this many times the evidence are dropped as "
        "likely evidence. Below 1 is safest, and also drops what the start encoder gets wrong.",
        gt=0.0,
        le=2.0,
        step=0.05,
    )
    epochs: int = knob(3, "Passes over the training questions, at most.", ge=1, le=1000)
    max_steps: int = knob(
        200,
        "Steps at most, whatever the epochs say. A step takes some seconds on two cores.",
        unit="steps",
        label="At most",
        ge=1,
        le=1_000_000,
    )
    question_tokens: int = knob(32, "Tokens of a question that training reads. Fewer are faster.", unit="tokens", ge=8, le=512)
    passage_tokens: int = knob(
        80, "Tokens of a chunk that training reads; the encoder made reads as many as its base.", unit="tokens", ge=8, le=512
    )
    validation_share: float = knob(
        0.2, "Share of the dev half's questions kept for validation, with all their documents.", gt=0.0, lt=0.9, step=0.05
    )
    validation_questions: int = knob(
        120, "Questions an evaluation asks at most. More are a steadier curve, and slower.", unit="questions", ge=20, le=10_000
    )
    validation_chunks: int = knob(
        500, "Chunks an evaluation searches: the evidence, what BM25 finds, and random ones.", unit="chunks", ge=100, le=100_000
    )
    evaluate_every: int = knob(40, "Steps between evaluations; each also writes a checkpoint.", unit="steps", ge=1, le=100_000)
    patience: int = knob(
        3, "Evaluations without a better one after which training stops. The best one is kept.", unit="evaluations", ge=1, le=1000
    )
    watch: Literal["ndcg", "recall", "mrr"] = knob("mrr", "Validation metric that decides which step is best.")
    seed: int = knob(0, "Seeds splits, order, dropout, LoRA and the test.", ge=0, le=2**31 - 1)

    def peak(self) -> float:
        """The highest learning rate."""
        return self.learning_rate or LEARNING_RATE[self.method]
