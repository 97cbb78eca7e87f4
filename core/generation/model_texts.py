"""Texts that a language model writes for questions, once: recorded by the content of what decides them.

That is the prompt, the model's files, the settings of its sampling, and the seed. Of two processes that wrote the same text
the first to keep it is right, for what is computed side by side may differ by a word.
"""

import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from core.config import PartConfig, fingerprint
from core.errors import TOO_LONG, PromptTooLong, WorkbenchError
from core.generation import structured
from core.models.adapters import SHIPPED
from core.progress import Running, Unready
from core.records import Progress, Token, plain, read_token
from core.store.batches import batches

KIND = "model_texts"  # of the records
BATCH = 16  # prompts that a model of this machine answers at once
KEEP_SECONDS = 5.0  # a killed process loses no more work than this, and a batch
DEADLINE_S = 600.0  # of a batch; the few tokens of each end it long before
TRIES = 3  # failures in a row after which a service is asked no more
# of a generator's knobs those that change no text; the model's file is in its identity
MUTE = {"model", "weights", "threads", "gpu_layers", "own_process", "reuse_prefix", "logprobs", "context_tokens", "retries"}
# how reasons begin that another try would not change
UNFIT = f"failed: {TOO_LONG}"
FINAL = (
    "stop", "length", "failed: the model wrote nothing", "failed: the tokens allowed were used up before any text",
    "failed: refusal", "failed: not ",  # JSON, or of the schema
    UNFIT,
)  # fmt: skip
AGAIN = "What was written is kept: start it again once the model answers, and only the rest is asked for."
CUT = ("length", FINAL[3])  # where the tokens were at their end


class TextTools(NamedTuple):
    """With what texts are written."""

    generator: PartConfig  # the recipe's
    seed: int
    home: Path  # data folder, where what is written is recorded
    most: int | None  # texts that may be written now; None: as many as it takes. More raise `Unready`


def untaught(generator: PartConfig) -> PartConfig:
    """The generator for a task that the adapter that ships did not learn, and would take for a question to be answered: without it."""
    return generator.model_copy(update={"adapter": ""}) if generator.wears() == SHIPPED else generator


class Request(NamedTuple):
    """A prompt with its limits."""

    messages: list[dict[str, str]]  # {"role", "content"}
    max_tokens: int
    stop: tuple[str, ...] = ()
    temperature: float = 0.0
    draw: int = 0  # which of several texts to the same prompt
    json_schema: str = ""  # that binds the text, where the generator takes one
    logprobs: int = 0  # likeliest tokens kept at each place

    @property
    def limits(self) -> tuple:
        """What requests that are answered side by side share."""
        return self.max_tokens, self.stop, self.temperature, self.json_schema, self.logprobs


class ModelText(NamedTuple):
    """What was written, and its cost. None: the endpoint does not tell."""

    text: str
    finish_reason: str  # "stop", "length" or "failed: <why>", then without text
    prompt_tokens: int | None
    tokens: int | None
    seconds: float  # its share of those that were written with it
    cost_usd: float | None = None
    logprobs: tuple[Token, ...] = ()  # where they were asked for


def written(tools: TextTools, requests: Sequence[Request]) -> Generator[Progress, None, list[ModelText]]:
    """The text to each request; the model writes those that are not kept yet. Closing the generator keeps what is done.

    `Unready` where more would have to be written than `tools.most` allows. WorkbenchError where the model, or the service,
    fails: all that was written before is kept, and doing it again asks for the rest only.
    """
    if not requests:
        return []
    if tools.most is not None and tools.generator.converts():
        raise Unready(f"{len(requests):,} texts by the model, whose file is converted first")
    keys, by_key = _recorded_texts(tools, requests)
    absent = {key: request for key, request in zip(keys, requests, strict=True) if key not in by_key}
    if tools.most is not None and len(absent) > tools.most:
        raise Unready(f"{len(absent):,} texts by the model")
    if absent:
        by_key |= yield from _write(tools, absent)
    return [by_key[key] for key in keys]


def at_hand(tools: TextTools, requests: Sequence[Request]) -> list[ModelText | None]:
    """The texts that were written before; None where the model would have to be asked."""
    keys, by_key = _recorded_texts(tools, requests)
    return [by_key.get(key) for key in keys]


def keys_of(tools: TextTools, requests: Sequence[Request]) -> list[str]:
    """Identity of the text to each request."""
    identity = tools.generator.identity()
    settings: dict[tuple, str] = {}
    for request in requests:
        if request.limits not in settings:
            told = _set(tools.generator, request).model_dump(mode="json")
            mute = MUTE - {"logprobs"} if request.logprobs else MUTE  # a text without them does not serve who wants them
            settings[request.limits] = fingerprint(identity, {name: value for name, value in told.items() if name not in mute})
    return [fingerprint(settings[request.limits], request.messages, tools.seed + request.draw) for request in requests]


def _recorded_texts(tools: TextTools, requests: Sequence[Request]) -> tuple[list[str], dict[str, ModelText]]:
    """(the key of each request, what is kept). What another window than the generator's has cut is no text of this one, which has a key of
    its own there."""
    keys = keys_of(tools, requests)
    by_key = _read(tools, keys)
    window = tools.generator.model_dump().get("context_tokens")
    own = {
        key: fingerprint(key, window)
        for key, request in zip(keys, requests, strict=True)
        if key in by_key and window and _cut_elsewhere(by_key[key], request, window)
    }
    keys = [own.get(key, key) for key in keys]
    return keys, by_key | (_read(tools, list(own.values())) if own else {})


def _cut_elsewhere(text: ModelText, request: Request, window: int) -> bool:
    """Whether a text ended where prompt and text filled a window, and that was another one; or its prompt fits into this one."""
    if text.finish_reason.startswith(UNFIT):
        least = structured.grammar(request.json_schema).longest if request.json_schema else 1
        return text.prompt_tokens + least <= window
    cut = (
        text.finish_reason.startswith(CUT) and None not in (text.tokens, text.prompt_tokens) and text.tokens < request.max_tokens
    )
    return cut and text.prompt_tokens + text.tokens != window


def _set(part: PartConfig, request: Request) -> PartConfig:
    """The generator with the request's limits, as far as it has such knobs."""
    return part.having(
        max_tokens=request.max_tokens,
        stop=request.stop,
        temperature=request.temperature,
        json_schema=request.json_schema,
        logprobs=request.logprobs,
    )


def _write(tools: TextTools, absent: dict[str, Request]) -> Generator[Progress, None, dict[str, ModelText]]:
    """Writes them, and keeps those that would not come out otherwise another time."""
    # prompts that share most of their start next to each other: it is read once
    order = sorted(absent, key=lambda key: (absent[key].limits, [message["content"] for message in absent[key].messages]))
    groups: list[list[str]] = []
    size = BATCH if tools.generator.local else 1
    for key in order:
        if not groups or len(groups[-1]) == size or absent[groups[-1][0]].limits != absent[key].limits:
            groups.append([])
        groups[-1].append(key)
    by_key: dict[str, ModelText] = {}
    fresh: dict[str, ModelText] = {}
    saved, failures, in_a_row, why = time.monotonic(), 0, 0, ""
    try:
        for group in groups:
            texts = yield from _batch(tools, [absent[key] for key in group], len(by_key), len(absent))
            for key, text in zip(group, texts, strict=True):
                if text.finish_reason.startswith(FINAL):
                    by_key[key] = fresh[key] = text
                    in_a_row = 0
                else:
                    failures, in_a_row, why = failures + 1, in_a_row + 1, text.finish_reason.removeprefix("failed: ")
            if in_a_row >= TRIES:
                break
            if time.monotonic() - saved > KEEP_SECONDS:
                by_key |= _keep(tools, fresh)
                fresh, saved = {}, time.monotonic()
    finally:
        if fresh:
            by_key |= _keep(tools, fresh)
    if failures:
        raise WorkbenchError(
            f"The model failed, and {len(absent) - len(by_key):,} of {len(absent):,} texts are not written: {why}.",
            where=tools.generator.model,
            todo=AGAIN,
        )
    return by_key


def _batch(tools: TextTools, requests: list[Request], done: int, total: int) -> Generator[Progress, None, list[ModelText]]:
    """The texts to requests of the same settings, of a model on this machine all at once. A prompt that does not fit fails alone."""
    part, seeds = _set(tools.generator, requests[0]), [tools.seed + request.draw for request in requests]
    prompts = [request.messages for request in requests]
    started = time.monotonic()
    if part.local:
        steps = part.generate_many(prompts, seeds, DEADLINE_S, len(prompts))
    else:
        steps = part.generate(prompts[0], seeds[0], DEADLINE_S)
    try:
        for step in (running := Running(steps)):
            yield Progress(done, total, step.message if isinstance(step, Progress) else "Texts by the model")
    except PromptTooLong as error:
        if half := len(requests) // 2:  # it was told before anything was written
            first = yield from _batch(tools, requests[:half], done, total)
            return first + (yield from _batch(tools, requests[half:], done + half, total))
        size = len(part.read(prompts[0]).tokens) if part.local else 0
        return [ModelText("", f"failed: {error.what}", size, 0, 0.0, 0.0)]
    answers = running.result if part.local else [running.result]
    seconds = (time.monotonic() - started) / len(prompts)
    return [ModelText(a.text, a.finish_reason, a.prompt_tokens, a.answer_tokens, seconds, a.cost_usd, a.tokens) for a in answers]


def text_of(value: dict[str, Any]) -> ModelText:
    """As it was recorded."""
    logprobs = tuple(read_token(each) for each in value["logprobs"])
    return ModelText(**{name: value[name] for name in ModelText._fields} | {"logprobs": logprobs})


def _read(tools: TextTools, keys: Sequence[str]) -> dict[str, ModelText]:
    return {key: text_of(value) for key, value in batches(tools.home).read(KIND, keys).items()}


def _keep(tools: TextTools, texts: dict[str, ModelText]) -> dict[str, ModelText]:
    part = tools.generator
    about = {"engine": part.part, "model": str(part.model), "identity": part.identity()}
    standing = batches(tools.home).keep(KIND, {key: plain(text) for key, text in texts.items()}, **about)
    return {key: text_of(value) for key, value in standing.items()}
