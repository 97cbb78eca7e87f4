"""How the question side of an encoder is trained with the generator behind it: the settings, as the command line offers them."""

from typing import ClassVar, Literal

from core.config import StageConfig, knob


class RagTraining(StageConfig):
    """How an encoder learns from what the generator makes of the passages it finds."""

    method: ClassVar[str] = "lora"
    base: str = knob("minilm", "Encoder to start from: minilm, the name of a trained one, or a folder with a BERT model.")
    lora_rank: int = knob(16, "Rank of LoRA's matrices beside the weights that read questions.", ge=1, le=256)
    learning_rate: float = knob(0.0005, "Step size at its peak. Too large diverges.", gt=0.0, le=0.1, step=0.00001)
    warmup: float = knob(
        0.1, "Share of the steps over which the learning rate rises; then it falls to 0.", ge=0.0, le=0.9, step=0.05
    )
    passages: int = knob(5, "Passages whose answers are summed over, found anew at each step.", unit="passages", ge=2, le=50)
    temperature: float = knob(
        0.1,
        "Divides similarities before the softmax that makes them p(passage | question). Lower trusts the ranking more.",
        gt=0.0,
        le=1.0,
        step=0.01,
    )
    batch_size: int = knob(8, "Questions of a step.", unit="questions", ge=1, le=1024)
    epochs: int = knob(4, "Passes over the training questions, at most.", ge=1, le=1000)
    max_steps: int = knob(100, "Steps at most, whatever the epochs say.", unit="steps", label="At most", ge=1, le=1_000_000)
    question_tokens: int = knob(64, "Tokens of a question that training reads.", unit="tokens", ge=8, le=512)
    validation_share: float = knob(
        0.2, "Share of the dev half's questions kept for validation, with all their documents.", gt=0.0, lt=0.9, step=0.05
    )
    train_questions: int = knob(200, "Questions learnt from, at most.", unit="questions", ge=10, le=100_000)
    validation_questions: int = knob(40, "Questions an evaluation asks, at most.", unit="questions", ge=10, le=10_000)
    test_questions: int = knob(
        100, "Questions of the test half asked before and after, at most.", unit="questions", ge=10, le=100_000
    )
    evaluate_every: int = knob(20, "Steps between evaluations; each also writes a checkpoint.", unit="steps", ge=1, le=100_000)
    patience: int = knob(
        3, "Evaluations without a better one after which training stops. The best one is kept.", unit="evaluations", ge=1, le=1000
    )
    watch: Literal["likelihood", "ndcg", "recall", "mrr"] = knob(
        "likelihood", "Validation metric that decides which step is best. The likelihood needs no evidence to be marked."
    )
    seed: int = knob(0, "Seeds splits, draws, order and LoRA.", ge=0, le=2**31 - 1)

    def peak(self) -> float:
        """The highest learning rate."""
        return self.learning_rate
