"""Chains, searches and engines side by side on one prompt."""

import math
from collections.abc import Generator, Sequence
from typing import NamedTuple

from core import registry
from core.config import PartConfig, TrialConfig
from core.errors import WorkbenchError
from core.generation.loading import loaded
from core.generation.protocol import finished
from core.labs.sampling.chains import describe_chain, write_chain
from core.labs.sampling.prompts import Reading
from core.labs.sampling.searches import search
from core.progress import Running
from core.records import Progress
from core.sampling.filters import Step
from core.sampling.search import SEARCHES
from core.sampling.writing import rate, write


class Side(NamedTuple):
    """One setting or engine on the prompt. None: unmeasured. problem: why there is no answer."""

    name: str
    about: str
    text: str = ""
    reason: str = ""
    tokens: int | None = None
    first_ms: float | None = None
    tokens_per_s: float | None = None
    perplexity: float | None = None
    problem: str = ""


def written_sides(
    config: TrialConfig, reading: Reading, wanted: Sequence[tuple[str, Sequence[Step] | PartConfig]], max_tokens: int
) -> Generator[Progress, None, list[Side]]:
    """One after another, so that they do not slow each other. wanted: (name, a chain, a search, or an engine with its own
    sampling)."""
    sides = []
    for done, (name, what) in enumerate(wanted):
        if not isinstance(what, PartConfig):
            working, about = _chain_side(config, reading, what, max_tokens), describe_chain(what)
        elif what.part in SEARCHES:
            working, about = _search_side(config, reading, what, max_tokens), write_chain([what]).replace(",", ", ")
        else:
            warmth = f", temperature {what.temperature:g}" if "temperature" in type(what).model_fields else ""
            about = what.part.replace("_", " ") + warmth
            working = _engine_side(what, reading, config.seed, max_tokens)
        yield Progress(done, len(wanted), name)
        try:
            for step in (running := Running(working)):
                yield Progress(done, len(wanted), f"{name}: {step.message}" if isinstance(step, Progress) else name)
            sides.append(running.result._replace(name=name, about=about))
        except WorkbenchError as error:
            sides.append(Side(name, about, problem=" ".join(filter(None, (error.what, error.todo)))))
    return sides


def _chain_side(config: TrialConfig, reading: Reading, steps: Sequence[Step], max_tokens: int):
    # nothing remembered: the speed is that of the model
    written = yield from write(config.generation, reading.prompt, {}, steps, seed=config.seed, max_tokens=max_tokens)
    text, reason = finished(written.text, written.reason)
    return Side(
        "",
        "",
        text,
        reason,
        len(written.picks),
        1000 * written.first_s,
        written.tokens_per_s,
        written.traced.perplexity,
        _problem(reason),
    )


def _search_side(config: TrialConfig, reading: Reading, how: PartConfig, max_tokens: int):
    result = yield from search(config, reading, how, max_tokens)
    best = result.lines[0]
    text, reason = finished(best.text, "stop" if best.ended else "length")
    return Side(
        "",
        "",
        text,
        reason,
        len(best.tokens),
        1000 * result.first_s,
        result.tokens_per_s,
        math.exp(-best.logprob / len(best.tokens)),
        _problem(reason),
    )


def _engine_side(part: PartConfig, reading: Reading, seed: int, max_tokens: int):
    part = part.usable()
    if part.local:  # a service may need its limit for what it thinks besides
        part = part.having(max_tokens=max_tokens)
    yield from loaded(part)
    made = yield from part.generate(reading.messages, seed)
    speed = rate(made.answer_tokens, (made.generation_ms - made.first_token_ms) / 1000)
    return Side(
        "", "", made.text, made.finish_reason, made.answer_tokens, made.first_token_ms, speed, None, _problem(made.finish_reason)
    )


def _problem(reason: str) -> str:
    return reason.removeprefix("failed: ") if reason.startswith("failed") else ""


def engines(config: TrialConfig) -> dict[str, PartConfig]:
    """Every engine with its own sampler; the recipe's own with its settings."""
    return {
        name: config.generation if config.generation.part == name else cls() for name, cls in registry.parts("generator").items()
    }
