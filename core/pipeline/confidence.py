"""How sure a model is of its answer, and the "I don't know." in the place of one of which it is less sure than the recipe asks for.

How sure is the geometric mean of the probabilities that the model gave the answer's tokens (1 / perplexity, as the measure
`generator_probability` has it). What is recorded is the answer as it was written: `context.confidence` is applied to what is
recorded, so that another threshold asks no model. El-Yaniv and Wiener 2010, "On the foundations of noise-free selective
classification", is the idea: a prediction, or none.
"""

import math
from collections.abc import Generator, Sequence
from dataclasses import replace

from core.config import ContextConfig, PartConfig, TrialConfig
from core.context.prompt import UNKNOWN
from core.errors import WorkbenchError
from core.generation.odds import mean_probability
from core.progress import Running
from core.records import Answer, Progress, Token

WITHHELD = "The model's own answer is withheld"  # so begins the note that says it
OF_TEXT = ("quotes", "candidates")  # of the detail, what is told of the text that was
UNTOLD = "The engine gave no log-probabilities for this answer, so that context.confidence could not be applied to it."


def keeps_odds(part: PartConfig) -> bool:
    """Whether an engine can keep the log-probabilities of its tokens."""
    return "logprobs" in type(part).model_fields


def writer(config: TrialConfig) -> PartConfig:
    """The recipe's generator as it can be used now. Where answers are held to a confidence it keeps log-probabilities."""
    part = config.generation.usable()
    if not config.context.confidence or not keeps_odds(part) or part.logprobs:
        return part
    return part.model_copy(update={"logprobs": 1})


def context_of(config: TrialConfig) -> ContextConfig:
    """The recipe's context; without a threshold where a dense score is no similarity but a distance, or a sum of reciprocal ranks:
    neither would ever reach one."""
    similar = config.index.metric != "l2" and not config.query.fuses
    return config.context if similar else config.context.model_copy(update={"threshold": -math.inf})


def check(config: TrialConfig) -> None:
    """Raises where answers are held to a confidence that the engine does not tell."""
    if config.context.confidence and not keeps_odds(config.generation):
        raise WorkbenchError(
            f"The engine {config.generation.part} tells no probabilities of its tokens, so that its answers cannot be held to a "
            "confidence.",
            where="context.confidence",
            todo="Set context.confidence to 0, or choose llama_cpp or transformers as generation.part.",
        )


def doubt(tokens: Sequence[Token], finish_reason: str, least: float) -> float | None:
    """How sure the model was, where that is less than `least`; None: the answer stands. One whose tokens have no
    log-probabilities cannot be judged, and stands."""
    if not least or finish_reason == "abstained" or finish_reason.startswith("failed"):
        return None
    sure = mean_probability(tokens)
    return sure if sure < least else None


def confident(work: Generator[str | Progress, None, Answer], least: float) -> Generator[str | Progress, None, Answer]:
    """The answer that is written there, held to this confidence; nothing of it is shown before it is known to stand."""
    if not least:
        return (yield from work)
    for step in (running := Running(work)):
        yield step if isinstance(step, Progress) else ""
    made = held(running.result, least)
    yield made.text
    return made


def held(answer: Answer, least: float) -> Answer:
    """The answer, or "I don't know." with a note of what it would have said and how sure it was."""
    sure = doubt(answer.tokens, answer.finish_reason, least)
    if sure is None:
        judged = not least or answer.tokens or answer.finish_reason == "abstained" or answer.finish_reason.startswith("failed")
        return answer if judged else replace(answer, notes=(*answer.notes, UNTOLD))
    note = f"{WITHHELD}, for its tokens have a mean probability of {sure:.3f}, below {least:g}: {answer.text}"
    detail = {name: value for name, value in answer.detail.items() if name not in OF_TEXT}
    told = {"text": UNKNOWN, "cited": (), "finish_reason": "abstained", "withheld": answer.text, "detail": detail}
    return replace(answer, **told, notes=(*answer.notes, note))


def as_written(answer: Answer) -> Answer:
    """The answer as the model wrote it, whatever it is held to."""
    if not answer.withheld:
        return answer
    notes = tuple(note for note in answer.notes if not note.startswith(WITHHELD))
    return replace(answer, text=answer.withheld, finish_reason=answer.receipt.finish_reason, withheld="", notes=notes)
