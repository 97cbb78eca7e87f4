"""What the key-value cache saves and what it costs: seconds a token against context length, with and without it.

Choose it to see why a token's time grows as it does. With the cache a step reads the weights once and the keys of all
tokens before: a constant and a line. Without it every step reads the whole text anew: a line for the matrix products, a
square for the attention. Both are fitted, and the fits say which term is there at this size.

Pope et al. 2022, "Efficiently Scaling Transformer Inference", arXiv:2211.05102, sections 2 and 3.3.
"""

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.errors import WorkbenchError
from core.generation.loading import beside
from core.labs.inside.model import LoadedTransformer, bundled, load
from core.models.loading import WEIGHTS_HERE, data_only
from core.progress import Running
from core.records import Progress


class TimedToken(NamedTuple):
    """One new token. Seconds without the cache are None at lengths where that was not measured."""

    context_tokens: int  # read before the new one
    token: int
    cached_s: float
    uncached_s: float | None
    cache_bytes: int
    same: bool | None  # both gave the same token


class Fit(NamedTuple):
    """Least squares of a polynomial, coefficients from the highest power. A higher degree never has a lower R²; the
    adjusted one counts the terms. NaN where there is nothing to explain or too few points."""

    degree: int
    coefficients: tuple[float, ...]
    r2: float
    adjusted_r2: float

    def at(self, x) -> np.ndarray:
        return np.polyval(self.coefficients, x)


class CacheMeasurement(NamedTuple):
    """The fits are of seconds a token over context length: (linear, quadratic). Tokens a second without the cache are
    of the lengths between too, whose times are interpolated; `speedup` is the ratio of both."""

    steps: tuple[TimedToken, ...]
    prompt_s: float  # to read the prompt into the cache, one token
    cached: tuple[Fit, Fit]
    uncached: tuple[Fit, Fit]
    cached_tokens_per_s: float
    uncached_tokens_per_s: float
    speedup: float
    bytes_per_token: int


def measure(model, ids: list[int], new_tokens: int, every: int = 16) -> Generator[TimedToken, None, CacheMeasurement]:
    """Generates greedily with the cache, yielding each step as it is timed; after every so many, and at both ends, the
    same step is timed without it. `every=1` measures all. Side by side, so that a busy machine slows both alike."""
    import torch

    from core.scratch.models.transformer import Cache

    if new_tokens < 4 or not ids:
        raise WorkbenchError("A curve needs a prompt and at least 4 new tokens.", todo="Ask for more new tokens.")
    weight = model.embed_tokens.weight

    def timed(tokens: list[int], held: Cache | None) -> tuple[int, float]:
        started = time.perf_counter()
        token = int(model(torch.tensor([tokens], device=weight.device), held, last=True)[0, -1].argmax())
        return token, time.perf_counter() - started

    steps: list[TimedToken] = []
    with torch.inference_mode():
        cache = Cache(model.shape, len(ids) + new_tokens, dtype=weight.dtype, device=weight.device)
        timed(ids, None)  # the first pass of a process also finds memory and kernels
        text = list(ids)
        token, prompt_s = timed(text, cache)
    for number in range(new_tokens - 1):
        text.append(token)
        with torch.inference_mode():  # not around the yield: it would hold for the caller too
            before, (token, cached_s) = cache.length, timed(text[-1:], cache)
            plain = timed(text, None) if number % every == 0 or number == new_tokens - 2 else (None, None)
        steps.append(
            TimedToken(before, token, cached_s, plain[1], cache.bytes_used(), None if plain[0] is None else plain[0] == token)
        )
        yield steps[-1]
    return _measured(tuple(steps), prompt_s, len(text), cache.bytes_used())


def _measured(steps: tuple[TimedToken, ...], prompt_s: float, tokens: int, cache_bytes: int) -> CacheMeasurement:
    lengths = np.array([step.context_tokens for step in steps], float)
    cached = np.array([step.cached_s for step in steps])
    both = [step for step in steps if step.uncached_s is not None]
    at, plain = np.array([s.context_tokens for s in both], float), np.array([s.uncached_s for s in both])
    fast = (len(steps) + 1) / (prompt_s + cached.sum())
    slow = (len(steps) + 1) / (prompt_s + np.interp(lengths, at, plain).sum())
    return CacheMeasurement(
        steps,
        prompt_s,
        (fit(lengths, cached, 1), fit(lengths, cached, 2)),
        (fit(at, plain, 1), fit(at, plain, 2)),
        float(fast),
        float(slow),
        float(fast / slow),
        cache_bytes // tokens,
    )


def fit(x, y, degree: int) -> Fit:
    """Least squares of y over x by a polynomial of that degree."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(x) <= degree:
        return Fit(degree, (float("nan"),) * (degree + 1), float("nan"), float("nan"))
    coefficients = np.polyfit(x, y, degree)
    around, left = ((y - y.mean()) ** 2).sum(), ((y - np.polyval(coefficients, x)) ** 2).sum()
    r2 = float(1 - left / around) if around > 0 else float("nan")
    freedom = len(x) - degree - 1
    adjusted = 1 - (1 - r2) * (len(x) - 1) / freedom if freedom > 0 else float("nan")
    return Fit(degree, tuple(coefficients.tolist()), r2, adjusted)


@dataclass(frozen=True)
class LibrarySpeed:
    """The same greedy text by transformers, whose cache is on."""

    tokens: int
    here_per_s: float
    library_per_s: float
    same_text: bool


def prompt_ids(tools: LoadedTransformer, text: str, tokens: int) -> list[int]:
    """So many tokens of a text, repeated where it is too short."""
    ids = tools.tokenizer.encode(text, add_special_tokens=False).ids
    if not ids:
        raise WorkbenchError("The text has no tokens.", todo="Give a corpus with text.")
    return (ids * (tokens // len(ids) + 1))[:tokens]


def measure_bundled(
    ids: list[int], new_tokens: int, every: int, seen: list[TimedToken]
) -> Generator[Progress, None, CacheMeasurement]:
    """Times each new token with the cache, and every so many without; `seen` grows as they are timed."""
    tools = yield from load()
    for step in (running := Running(measure(tools.model, ids, new_tokens, every))):
        seen.append(step)
        yield Progress(len(seen), new_tokens - 1, f"{step.context_tokens:,} tokens of context")
    return running.result


def beside_library(ids: list[int], new_tokens: int) -> Generator[Progress, None, LibrarySpeed]:
    """Our cached generation and transformers', three times each in turns; the faster run of each counts."""
    tools = yield from load()
    from core.scratch.models.transformer import generate

    library = yield from beside(lambda: _library(bundled()), "Loading the model in transformers")
    times: dict[str, list[float]] = {"here": [], "library": []}
    texts: Mapping[str, list[int]] = {}
    for turn in range(3):
        for number, (name, run) in enumerate(
            (("here", lambda: list(generate(tools.model, ids, new_tokens))), ("library", lambda: library(ids, new_tokens)))
        ):
            yield Progress(2 * turn + number, 6, f"Generating {new_tokens} tokens {'in transformers' if number else 'here'}")
            started = time.perf_counter()
            texts = {**texts, name: run()}
            times[name].append(time.perf_counter() - started)
    return LibrarySpeed(
        new_tokens, new_tokens / min(times["here"]), new_tokens / min(times["library"]), texts["here"] == texts["library"]
    )


def _library(folder: Path):
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(data_only(folder), dtype=torch.float32, **WEIGHTS_HERE).eval()

    def generate(ids: list[int], new_tokens: int) -> list[int]:
        with torch.inference_mode():
            prompt = torch.tensor([ids])
            out = model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                do_sample=False,
                max_new_tokens=new_tokens,
                min_new_tokens=new_tokens,
                pad_token_id=0,
            )
        return out[0, len(ids) :].tolist()

    return generate
