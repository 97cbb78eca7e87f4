"""How fast llama.cpp answers on this machine: in batches, with the passages kept in memory, with the weights in other formats.

What is compared takes turns, and the median over the rounds counts: what else the machine does hits all of them alike.
"""

import json
import time
from collections.abc import Generator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

from core.config import ContextConfig, PartConfig, TrialConfig, fingerprint
from core.context.prompt import build
from core.errors import WorkbenchError
from core.files import read_json, write_whole
from core.generation import gguf_files
from core.generation.gguf_files import Measured
from core.generation.loading import loaded
from core.models.hardware import machine
from core.progress import drain
from core.records import Hit, Progress, plain
from core.workbench import Workbench

ROUNDS = 3
BATCHES = (1, 4, 8, 16)
FORMATS = ("as_bundled", "bf16", "q4_0")
FIXED = {
    "adapter": "",
    "max_tokens": 32,
    "temperature": 0.0,
    "stop": (),
    "json_schema": "",
    "logprobs": 0,
    "reuse_prefix": True,
    "own_process": "no",
}
PASSAGES, PASSAGE_CHARS = 5, 500
QUESTIONS = (
    "What does the with statement do?",
    "Which methods does a context manager have?",
    "When is __exit__ called?",
    "What does __enter__ return?",
)
THINGS = ("round", "cold", "made of wood", "older than Rome", "loud", "blue", "edible", "written in C")


class EngineSpeed(NamedTuple):
    """As measured; each number is the median of its rounds."""

    machine: str
    created: str  # ISO 8601, UTC
    model: str
    threads: int
    prompt_tokens: int  # of a question with its passages
    answers_per_s: dict[str, float]  # by answers at once; short questions without passages
    first_cold_ms: float  # first token, the passages read anew
    first_kept_ms: float  # the passages kept from the question before
    same_text: int  # of `questions`, those answered the same either way
    questions: int
    formats: tuple[Measured, ...]  # empty for a large file, and on a machine too busy for it


def stored(workbench: Workbench, config: TrialConfig) -> EngineSpeed | None:
    """What was last measured of this model with these threads and GPU layers on this machine."""
    with suppress(TypeError, KeyError, WorkbenchError):
        speeds = read_json(_place(workbench, config.generation), of=dict)
        return EngineSpeed(**{**speeds, "formats": tuple(Measured(**row) for row in speeds["formats"])})
    return None


def measure(workbench: Workbench, config: TrialConfig) -> Generator[Progress, None, EngineSpeed]:
    if config.generation.part != "llama_cpp":
        raise WorkbenchError(
            f"The speed of the engine {config.generation.part} is not measured here.",
            where="generation.part",
            todo="Choose llama_cpp; the page Ask shows the speed of every answer of the others.",
        )
    place = _place(workbench, config.generation)
    part = config.generation.usable().model_copy(update=FIXED)
    yield from loaded(part)
    path, many, cold, warm, same = part.path(), {size: [] for size in BATCHES}, [], [], set()
    asked = [[{"role": "user", "content": f"Name {n} things that are {what}."}] for n in (2, 3) for what in THINGS]
    files, had = {}, set()
    if path.stat().st_size <= gguf_files.LARGEST_BYTES:
        yield Progress(0, 0, "Converting the weights")
        had = {name for name in FORMATS if gguf_files.ready(path, name)}
        files = {name: path if name == "as_bundled" else gguf_files.converted(path, name) for name in FORMATS}
    tables, done, total = [], 0, ROUNDS * (len(BATCHES) + 1 + bool(files))
    try:
        for _ in range(ROUNDS):
            for size in BATCHES:
                started = time.perf_counter()
                for _ in part.generate_many(asked, batch=size):
                    yield Progress(done, total, f"{size} at once" if size > 1 else "one at a time")
                many[size].append(len(asked) / (time.perf_counter() - started))
                done += 1
            for number, question in enumerate(QUESTIONS):  # each run leaves the passages, another question behind them
                yield Progress(done, total, "with the passages kept, and read anew")
                before = _asked(part.model_copy(update={"reuse_prefix": False}), QUESTIONS[number - 1])
                after = _asked(part, question)
                cold.append(before.first_token_ms)
                warm.append(after.first_token_ms)
                same |= {(QUESTIONS[number - 1], before.text), (question, after.text)}
            done += 1
            if files:
                yield Progress(done, total, "the weights in other formats")
                with suppress(WorkbenchError):  # no time on a busy machine
                    tables.append(gguf_files.measure(files))
                done += 1
    finally:
        for name in files.keys() - had:
            files[name].unlink(missing_ok=True)
    differing = len(same) - len(QUESTIONS)
    speed = EngineSpeed(
        machine(),
        datetime.now(UTC).isoformat(timespec="seconds"),
        after.model,
        part.load().threads,
        after.prompt_tokens,
        {str(size): median(values) for size, values in many.items()},
        median(cold),
        median(warm),
        len(QUESTIONS) - differing,
        len(QUESTIONS),
        tuple(_middle(rows) for rows in zip(*tables, strict=True)),
    )
    place.parent.mkdir(parents=True, exist_ok=True)
    write_whole(place, json.dumps(plain(speed)), "The speeds")
    return speed


def _asked(part: PartConfig, question: str):
    from pydoc_data.topics import topics

    text = topics["with"]
    hits = [
        Hit(n + 1, 1.0, f"with#{n}", "with", at, at + PASSAGE_CHARS, text[at : at + PASSAGE_CHARS])
        for n, at in enumerate(range(0, PASSAGES * PASSAGE_CHARS, PASSAGE_CHARS))
    ]
    context = ContextConfig(passages=PASSAGES, max_tokens=4000)
    return drain(part.generate(build(question, hits, context, part.count_tokens).messages))


def _middle(rows: tuple[Measured, ...]) -> Measured:
    """Of one format, over the rounds; what is no time is the same in all of them."""
    return Measured(rows[0].weights, *(median(values) for values in list(zip(*rows, strict=True))[1:]))


def _place(workbench: Workbench, part: PartConfig) -> Path:
    file = part.path()
    seen = file.stat()  # its hash would take seconds on each opening of the page
    key = fingerprint(str(file), seen.st_size, seen.st_mtime_ns, part.threads, part.gpu_layers, machine())
    return workbench.home / "cache" / "speed" / f"{key}.json"
