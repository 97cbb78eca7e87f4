"""How the faithfulness model is trained: the settings, as the command line offers them."""

from core.config import knob
from core.training import settings as shared


class FaithfulnessTraining(shared.TrainingSettings):
    """How the faithfulness model is trained."""

    lora_rank: int = knob(32, "Rank of LoRA's matrices. Larger can learn more, and makes a larger file.", ge=1, le=128)
    layers: int = shared.layers(6)
    learning_rate: float = shared.learning_rate(0.0005)
    warmup: float = shared.warmup(0.05)
    batch_size: int = shared.batch_size(32, "claims")
    max_steps: int = shared.max_steps(1500, "Steps at most.")
    max_tokens: int = knob(192, "Tokens of claim and evidence together that training reads.", unit="tokens", ge=128, le=512)
    made: float = knob(
        0.5, "Share of a step's claims that are made from texts by rule, right ones and wrong ones.", ge=0.0, le=0.9, step=0.05
    )
    pairs: float = knob(0.15, "Share that is sentence pairs of SNLI and its revised form.", ge=0.0, le=0.9)
    checked: float = knob(0.0, "Share that is claims of FEVER, Fool Me Twice and ExpertQA.", ge=0.0, le=0.9)
    own: float = knob(
        0.0, "Share that is what the answerer that ships answers itself; the rest is what people said of answers.", ge=0.0, le=0.9
    )
    questions: int = knob(1200, "Questions of SQuAD's training set that it is asked.", ge=1, le=100_000)
    begin_with: str = knob(
        "", "Model of faithfulness of the same rank and layers to go on from; empty: one that has learnt nothing."
    )
    word_weight: float = knob(1.0, "What the loss of wrong words counts beside that of verdicts.", ge=0.0, le=100.0, step=0.1)
    texts: int = knob(1500, "Documents each of squad-sentences and MedQuAD that claims are made from.", ge=0, le=100_000)
    validation_claims: int = knob(150, "Claims of each data set that an evaluation judges.", unit="claims", ge=10, le=10_000)
    evaluate_every: int = shared.evaluate_every(100)
    patience: int = shared.patience(10)
    seed: int = shared.seed("splits, order, made claims and weights")
