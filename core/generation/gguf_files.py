"""A faster copy of a small GGUF file, made once with llama.cpp's own conversion and kept in the cache.

The number format of the weights decides how fast a prompt is read: Q4_1, in which the bundled model comes, has no fast
kernel for many rows at once, BF16 and Q8_0 have. A copy has the same weights, rounded anew, so its text may differ; how
far is measured here and kept beside the copy, and every answer names the file it came from. Q4_0 is as fast as BF16 and
left to who asks for it: made from the bundled Q4_1 it is another model (0.27 nats away, BF16 0.003).
"""

import ctypes
import json
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple

from core.config import fingerprint, knob
from core.errors import WorkbenchError
from core.files import made_whole, models, read_json, write_whole
from core.generation.odds import divergence, log_softmax
from core.models import llama_packages
from core.models.identity import file_hash

Weights = Literal["auto", "as_bundled", "bf16", "q4_0", "q8_0"]
FILE_TYPES = {"q4_0": 2, "q8_0": 7, "bf16": 32}  # llama.cpp's enum llama_ftype
AUTO = ("as_bundled", "bf16", "q8_0")
LARGEST_BYTES = 400_000_000  # a larger file is left as it is by "auto": a copy in BF16 may take four times its room
# a question with its passages, and a short answer
PROMPT_TOKENS, ANSWER_TOKENS = 630, 60
PLACES = 24  # at which predictions are compared
LIMIT_S = 60  # of a measurement; on a machine too busy for it the file stays as it is until the next start
# nats; "auto" takes no copy whose predictions lie further from the given file's
LARGEST_DIVERGENCE = 0.02


class Measured(NamedTuple):
    """One number format on this machine, compared with the file as given on the same tokens."""

    weights: str
    # in CPU seconds of all threads together, for what other programs take of the machine does not count in them
    prompt_tokens_per_cpu_s: float
    answer_tokens_per_cpu_s: float
    question_cpu_s: float  # 630 tokens read and 60 written
    same_token: float  # share of places whose likeliest token is the one of the file as given
    divergence: float  # mean Kullback-Leibler divergence of the next token from the file as given, in nats


class WeightsChoice(NamedTuple):
    weights: str
    path: Path
    measured: tuple[Measured, ...] = ()  # empty where nothing was to be chosen

    @property
    def copied(self) -> str:
        """The number format of a copy that has to be made in any case, as one with an adapter: the fastest of copies."""
        copies = [row for row in self.measured if row.weights != "as_bundled"]
        return best.weights if (best := fastest(copies)) else self.weights


def fastest(rows: Iterable[Measured]) -> Measured | None:
    """Of those that say nearly the same as the file as given."""
    return min((row for row in rows if row.divergence <= LARGEST_DIVERGENCE), key=lambda row: row.question_cpu_s, default=None)


def weights_knob():
    return knob(
        "auto",
        "Number format of the weights: as the file has them, or a copy converted once. Auto measures which "
        "is fastest here and says nearly the same; small files only.",
    )


def choice(path: Path, weights: str) -> WeightsChoice:
    """The file to load, converted or measured if that was not done before (some seconds)."""
    if weights == "as_bundled" or (weights == "auto" and (path.stat().st_size > LARGEST_BYTES or llama_packages.offloads())):
        return WeightsChoice("as_bundled", path)
    if weights != "auto":
        return WeightsChoice(weights, converted(path, weights))
    key = _key(path)
    with _choosing:  # kept for the life of the process: the model must not change under it
        if key not in _chosen or not _chosen[key].path.is_file():
            _chosen[key] = _choose(path, _record(path, key))
        return _chosen[key]


def ready(path: Path, weights: str) -> bool:
    """Whether `choice` has nothing left to convert or to measure."""
    if weights == "as_bundled" or (weights == "auto" and path.stat().st_size > LARGEST_BYTES):
        return True
    if weights != "auto":
        return _copy(path, weights).is_file()
    key = _key(path)
    chosen = _chosen.get(key) or _recorded(path, _record(path, key))
    return llama_packages.offloads() or bool(chosen and chosen.path.is_file())


def converted(path: Path, weights: str) -> Path:
    """The copy in that number format, made now if it is not there."""
    copy = _copy(path, weights)
    with _converting:
        if not copy.is_file():
            _convert(path, copy, FILE_TYPES[weights])
    return copy


def _key(path: Path) -> str:
    return fingerprint(file_hash(path), version("llama-cpp-python"), AUTO, LARGEST_DIVERGENCE)


def _record(path: Path, key: str) -> Path:
    return _folder(path) / f"choice-{key}.json"


def _folder(path: Path) -> Path:
    return models() / f"{file_hash(path)[:20]}-gguf"


def _copy(path: Path, weights: str) -> Path:
    return _folder(path) / f"{path.stem}-as-{weights}.gguf"


def _convert(path: Path, copy: Path, file_type: int) -> None:
    import llama_cpp

    from core.generation.llama_model import quiet

    quiet()
    copy.parent.mkdir(parents=True, exist_ok=True)
    how = llama_cpp.llama_model_quantize_default_params()
    how.ftype, how.allow_requantize = file_type, True
    with made_whole(copy, "The copy of the model", path.stat().st_size) as work:
        if llama_cpp.llama_model_quantize(str(path).encode(), str(work).encode(), ctypes.byref(how)):
            raise WorkbenchError(
                "llama.cpp cannot convert the model.",
                where=str(path),
                todo="Set generation.weights to as_bundled, or free some disk space.",
            )


def _recorded(path: Path, record: Path) -> WeightsChoice | None:
    with suppress(WorkbenchError, ValueError, TypeError, KeyError):
        choice = read_json(record, of=dict)
        copy = path if choice["weights"] == "as_bundled" else _copy(path, choice["weights"])
        return WeightsChoice(choice["weights"], copy, tuple(Measured(*row) for row in choice["measured"]))
    return None


def _choose(path: Path, record: Path) -> WeightsChoice:
    if choice := _recorded(path, record):
        return choice if choice.path.is_file() else choice._replace(path=converted(path, choice.weights))
    had = {weights: _copy(path, weights).is_file() for weights in AUTO}
    try:
        files = {w: path if w == "as_bundled" else converted(path, w) for w in AUTO}
        table = measure(files)
    except WorkbenchError:  # no time, no room on the disk, or a kind of model that llama.cpp does not convert
        return WeightsChoice("as_bundled", path)
    best = fastest(table) or table[0]
    for weights, file in files.items():
        if weights not in (best.weights, "as_bundled") and not had[weights]:
            file.unlink(missing_ok=True)
    write_whole(record, json.dumps({"weights": best.weights, "measured": table}), "The choice of weights")
    return WeightsChoice(best.weights, files[best.weights], tuple(table))


def measure(files: dict[str, Path]) -> list[Measured]:
    """Speeds on a text that every Python carries, and the agreement of the predictions."""
    from pydoc_data.topics import topics

    import numpy as np

    from core.generation.llama_model import PIECE, LlamaModel
    from core.generation.protocol import Read

    # one thread: two that wait for each other on a busy machine take many times as long
    engines = {weights: LlamaModel(file, 512, 1, 0) for weights, file in files.items()}
    tokens = engines["as_bundled"].tokenize(topics["with"])[: PIECE + PLACES]
    ends = list(range(PIECE, len(tokens) + 1))
    reading, writing, seen, until = {}, {}, {}, time.monotonic() + LIMIT_S
    for engine in engines.values():  # brings the weights into memory
        for _ in engine.read(Read("", tokens[:8], [8]), reuse=0):
            pass
    for weights, engine in engines.items():
        clock, rows = [], []
        for _ in engine.read(Read("", tokens, ends), reuse=0):
            clock.append(time.process_time())
            if time.monotonic() > until:
                raise WorkbenchError("The machine is too busy to measure the model's formats.")
            rows.append(engine.logits() if len(clock) > 1 else None)
        seen[weights] = np.array(rows[1:], np.float64)  # [places, vocabulary]
        reading[weights] = (clock[1] - clock[0]) / PIECE
        writing[weights] = float(np.median(np.diff(clock[1:])))
    table, reference = [], log_softmax(seen["as_bundled"])
    for weights in files:
        other, read_s, write_s = log_softmax(seen[weights]), reading[weights], writing[weights]
        same = (reference.argmax(axis=1) == other.argmax(axis=1)).mean()
        question_s = PROMPT_TOKENS * read_s + ANSWER_TOKENS * write_s
        table.append(Measured(weights, 1 / read_s, 1 / write_s, question_s, float(same), divergence(reference, other)))
    return table


_choosing, _converting = threading.Lock(), threading.Lock()
_chosen: dict[str, WeightsChoice] = {}
