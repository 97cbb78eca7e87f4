"""How an adapter of a generator is trained: the settings, as page and command line offer them."""

from typing import Literal

from pydantic import model_validator

from core.config import knob
from core.training import settings as shared


class LoraTraining(shared.TrainingSettings):
    """How an adapter is trained."""

    rank: int = knob(16, "Rank of LoRA's matrices. Larger can learn more, is slower, and overfits sooner.", ge=1, le=256)
    alpha: float = knob(
        32.0, "What the adapter adds is multiplied by alpha / rank, with rsLoRA by alpha / √rank.", gt=0.0, le=1024.0
    )
    dropout: float = knob(
        0.0, "Share of the adapter's inputs that a step leaves out. Slower: parts of a step then take turns.", ge=0.0, le=0.9
    )
    targets: Literal["all", "attention", "mlp"] = knob(
        "all", "Which matrices of each layer get an adapter. All learns most for its size; attention alone is faster."
    )
    rslora: bool = knob(False, "Scales by the root of the rank, so that large ranks learn as fast as small ones.")
    dora: bool = knob(False, "Learns each weight's length apart from its direction. Closer to full training, and slower.")
    learning_rate: float = shared.learning_rate(0.0005)
    schedule: Literal["linear", "cosine", "constant"] = knob(
        "linear", "How the step size falls to 0 after the warm-up, or that it stays."
    )
    warmup: float = knob(0.05, "Share of the steps over which the step size rises.", ge=0.0, le=0.9, step=0.05)
    weight_decay: float = knob(0.01, "How far a step pulls the adapter towards zero.", ge=0.0, le=1.0)
    batch_size: int = shared.batch_size(8, "examples")
    at_once: int = knob(
        1536,
        "Tokens computed at once; a larger step is gathered from several. Less takes less memory.",
        unit="tokens",
        ge=16,
        le=1_000_000,
    )
    max_steps: int = shared.max_steps(200, "Steps at most.")
    evaluate_every: int = knob(50, "Steps between evaluations on the validation part.", unit="steps", ge=1, le=100_000)
    checkpoint_every: int = knob(10, "Steps between checkpoints, from which a training goes on.", unit="steps", ge=1, le=100_000)
    patience: int = shared.patience(5)
    keep: Literal["best", "last", "step"] = knob(
        "best",
        "Weights that stay and are tested: those with the lowest loss on the validation part, the last ones, or those of a step that is "
        "named. The last two stop at no evaluation.",
    )
    keep_step: int = knob(0, "The step whose weights stay, where keep is step.", unit="steps", ge=0, le=1_000_000)
    samples: int = knob(2, "Answers that each evaluation writes for people to read.", unit="answers", ge=0, le=16)
    max_tokens: int = knob(
        512, "Longer examples are left out, and counted: cut ones would teach to stop anywhere.", unit="tokens", ge=16, le=131072
    )
    answer_tokens: int = knob(64, "Answers with more are left out, and written ones end there.", unit="tokens", ge=1, le=4096)
    train_examples: int = knob(0, "Examples learnt from, at most. 0: all.", unit="examples", ge=0, le=10_000_000)
    validation_examples: int = knob(40, "Examples of an evaluation, at most.", unit="examples", ge=2, le=10_000)
    test_examples: int = knob(100, "Examples asked before and after, at most.", unit="examples", ge=2, le=100_000)
    stored_as: Literal["float32", "bfloat16"] = knob(
        "float32", "Number format in which the adapter is written. bfloat16 takes half the room, and rounds."
    )
    seed: int = shared.seed("the split, the order, distractors and weights")

    @model_validator(mode="after")
    def _step_that_comes(self):
        if self.keep == "step" and not 1 <= self.keep_step <= self.max_steps:
            raise ValueError(f"keep=step needs keep_step: a step from 1 to {self.max_steps}, the last one")
        return self


class AnswerTraining(LoraTraining):
    """How an adapter learns to write answers."""

    begin_with: str = knob("", "Adapter of the same model, rank and matrices to go on from; empty: one that changes nothing yet.")
    mean_over: Literal["tokens", "answers"] = knob(
        "tokens", "What the loss is a mean over. Tokens: a long answer counts more than a short one; answers: each counts alike."
    )


class AdapterTraining(AnswerTraining):
    """How an adapter learns answers, and of what."""

    passage_characters: int = knob(
        600, "Of a longer document the passage is what stands around the evidence.", unit="characters", ge=50, le=100_000
    )
    source: Literal["corpus", "documents", "trials", "labels"] = knob(
        "corpus",
        "Questions of the corpus; questions that the recipe's engine writes of its documents; stored answers that are right by "
        "their reference; or stored answers that people found supported.",
    )
    questions: int = knob(
        300,
        "Passages that the engine writes a question about; most do not pass the filters.",
        unit="passages",
        ge=1,
        le=1_000_000,
    )
    answers: Literal["sentences", "written"] = knob(
        "sentences",
        "The engine is given a sentence of the passage, drawn by seed, and writes the question that it answers; or it writes both. "
        "Small models ask better than they answer.",
    )
    answerable: Literal["both", "again", "stands", "either"] = knob(
        "both",
        "When a written question counts as answerable: the engine, asked it again over the passage, agrees with its answer; the answer "
        "stands in the passage; either, or both. A small model agrees with its own mistakes.",
    )
    agree: float = knob(0.5, "Token F1 of the two answers from which they agree.", ge=0.0, le=1.0, step=0.05)
    stands: float = knob(
        0.8, "Share of an answer's word trigrams in the passage from which it stands there.", ge=0.0, le=1.0, step=0.05
    )
    copied: float = knob(
        0.5,
        "A written question with more than this share of its word trigrams in the passage is copied.",
        ge=0.0,
        le=1.0,
        step=0.05,
    )
    right: float = knob(
        1.0, "Token F1 with a reference from which a stored answer is right. 1: the same words.", ge=0.05, le=1.0, step=0.05
    )
    study: str = knob("", "The study whose labels are taken; empty: all that are frozen.")
    distractors: int = knob(1, "Passages of other documents beside the right one, in any order.", unit="passages", ge=0, le=16)
    distractors_by: Literal["chance", "retrieval"] = knob(
        "chance",
        "Retrieval takes the passages that the recipe ranks highest among those without evidence: harder, and what it will meet.",
    )
    without_gold: float = knob(
        0.0,
        "Share of the examples to learn from that lack the right passage; their answer is that it is not known.",
        ge=0.0,
        le=0.9,
        step=0.05,
    )
    cite: bool = knob(True, "Answers end with the number of their passage, as the prompt asks.")
    alike: float = knob(
        0.7,
        "Examples to learn from that resemble one of the other parts so far are left out: the share of their shingles that both have.",
        ge=0.1,
        le=1.0,
        step=0.05,
    )

    @model_validator(mode="after")
    def _something_to_read(self):
        if self.without_gold and not self.distractors:
            raise ValueError("without_gold needs distractors: an example without any passage teaches nothing about reading")
        return self


class PreferenceTraining(LoraTraining):
    """How an adapter learns which answers are preferred."""

    source: Literal["preferences", "labels", "trials"] = knob(
        "preferences",
        "Pairs that people compared; pairs of stored answers to a question of which people found more of one supported; or of which "
        "one is nearer to the reference.",
    )
    study: str = knob("", "The study whose labels are taken; empty: all that are frozen.")
    margin: float = knob(
        0.5, "How far scores of two answers must differ: share of supported sentences, or token F1.", ge=0.01, le=1.0, step=0.05
    )
    same_passages: bool = knob(
        True, "Pairs written from different passages are left out. Off: the prompt has the preferred answer's."
    )
    alike: float = knob(
        0.7, "Pairs to learn from whose question resembles one of the other parts so far are left out.", ge=0.1, le=1.0, step=0.05
    )

    beta: float = knob(
        0.1,
        "What leaving the reference costs. Small lets the model go far, to where it says nothing sensible; large changes little.",
        gt=0.0,
        le=10.0,
        step=0.01,
    )
    learning_rate: float = shared.learning_rate(0.0001, "Step size at its peak. Too large breaks the model.")
    prompt_characters: int = knob(
        0,
        "Of longer passages in a prompt the sentences nearest to the question, its first paragraph, up to so many. 0: whole prompts.",
        unit="characters",
        ge=0,
        le=1_000_000,
    )
    max_tokens: int = knob(
        640, "Pairs with a longer prompt and answer are left out, and counted.", unit="tokens", ge=16, le=131072
    )
    test_prompts: int = knob(
        100, "Prompts of the test part that are answered before and after, at most.", unit="prompts", ge=2, le=100_000
    )
    answer_tokens: int = knob(192, "Answers with more are left out, and written ones end there.", unit="tokens", ge=1, le=4096)
