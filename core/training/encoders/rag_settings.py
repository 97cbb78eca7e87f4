"""How the question side of an encoder is trained with the generator behind it: the settings, as the command line offers them."""

from typing import ClassVar, Literal

from core.config import knob
from core.training import settings as shared


class RagTraining(shared.TrainingSettings):
    """How an encoder learns from what the generator makes of the passages it finds."""

    method: ClassVar[str] = "lora"
    base: str = knob("minilm", "Encoder to start from: minilm, the name of a trained one, or a folder with a BERT model.")
    lora_rank: int = knob(16, "Rank of LoRA's matrices beside the weights that read questions.", ge=1, le=256)
    learning_rate: float = shared.learning_rate(0.0005)
    warmup: float = shared.warmup()
    passages: int = knob(5, "Passages whose answers are summed over, found anew at each step.", unit="passages", ge=2, le=50)
    temperature: float = knob(
        0.1,
        "Divides similarities before the softmax that makes them p(passage | question). Lower trusts the ranking more.",
        gt=0.0,
        le=1.0,
        step=0.01,
    )
    batch_size: int = shared.batch_size(8, "questions")
    epochs: int = shared.epochs(4)
    max_steps: int = shared.max_steps(100, "Steps at most, whatever the epochs say.")
    question_tokens: int = knob(64, "Tokens of a question that training reads.", unit="tokens", ge=8, le=512)
    validation_share: float = shared.validation_share(0.2)
    train_questions: int = knob(200, "Questions learnt from, at most.", unit="questions", ge=10, le=100_000)
    validation_questions: int = knob(40, "Questions an evaluation asks, at most.", unit="questions", ge=10, le=10_000)
    test_questions: int = knob(
        100, "Questions of the test half asked before and after, at most.", unit="questions", ge=10, le=100_000
    )
    evaluate_every: int = shared.evaluate_every(20)
    patience: int = shared.patience(3)
    watch: Literal["likelihood", "ndcg", "recall", "mrr"] = knob(
        "likelihood", "Validation metric that decides which step is best. The likelihood needs no evidence to be marked."
    )
    seed: int = shared.seed("splits, draws, order and LoRA")
