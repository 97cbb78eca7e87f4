"""What a model was asked for, as earlier versions kept it in the cache: it becomes records, once."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from core import files
from core.errors import WorkbenchError
from core.records import plain
from core.store.batches import batches

MANY = 512  # values of a record
# of a text as it was listed; the oldest have no last one
TEXT = ("text", "finish_reason", "prompt_tokens", "tokens", "seconds", "cost_usd", "logprobs")
RESULTS = {"chains_of_thought": "items", "question_likelihoods": "values", "rag_latency": "total"}
Values = Iterator[tuple[str, dict[str, Any]]]


def take_over(home: Path) -> None:
    """Records what the cache of this data folder holds of that, removes it there, and tells. Killed, it is done again."""
    cache, total = home / "cache", 0
    if not any(_sources(cache)):
        return
    try:
        with files.hold(cache / ".old.lock", purpose="recording what the cache holds of models", seconds=60, what="cache"):
            for folder, kind, values, about in list(_sources(cache)):
                count = 0
                while some := dict(islice(values, MANY)):
                    batches(home).keep(kind, plain(some), **about)
                    count += len(some)
                with suppress(OSError):  # nothing may be removed: this process has read it
                    files.remove_whole(folder, aside=cache / "tmp")
                    total += count
    except WorkbenchError as error:  # no room, say: the next opening tries again
        files.tell(f"What the cache holds of models is not recorded yet: {error.what}")
    if total:
        files.tell(f"What models had written was in the cache alone; it is recorded now: {total:,} answers, scores and texts.")


def _sources(cache: Path) -> Iterator[tuple[Path, str, Values, dict[str, Any]]]:
    """(folder, kind of record, key and value of each, what they share) of what is there."""
    if (folder := cache / "answers").is_dir():
        yield folder, "set_answers", ((key, _answer(meta)) for key, meta in _entries(folder)), {}
    for folder in (cache / "written", cache / "ranked" / "orders"):
        if folder.is_dir():
            yield folder, "model_texts", _texts(folder), {}
    for folder, sign in ((cache / "nats", -1), (cache / "likelihoods", 1)):
        if folder.is_dir():
            yield folder, "likelihoods", _likelihoods(folder, sign), {}
    for folder in cache.glob("scores/*"):
        measure, _, name = folder.name.rpartition("-")
        yield folder, "answer_scores", _of_measure(folder, name), {"measure": measure}
    for lab, field in RESULTS.items():
        if (folder := cache / lab).is_dir():
            yield folder, "lab_results", _of_lab(folder, field), {"lab": lab}


def _texts(folder: Path) -> Values:
    return ((key, _text(value)) for key, value in _shards(folder))


def _likelihoods(folder: Path, sign: int) -> Values:
    return ((key, {"logprob": sign * total, "tokens": tokens}) for key, (total, tokens) in _shards(folder))


def _of_measure(folder: Path, name: str) -> Values:
    return ((name + key, value) for key, value in _shards(folder))


def _of_lab(folder: Path, field: str) -> Values:
    return ((key, {"result": meta[field]}) for key, meta in _entries(folder))


def _entries(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of a stage of the cache the whole ones."""
    for entry in folder.iterdir():
        with suppress(OSError, ValueError, KeyError):
            yield entry.name, files.read_sealed(entry / "meta.json")["meta"]


def _shards(folder: Path) -> Iterator[tuple[str, Any]]:
    for path in folder.glob("*.json"):
        with suppress(OSError, ValueError, KeyError, AttributeError):
            yield from files.read_sealed(path)["texts"].items()


def _answer(meta: dict[str, Any]) -> dict[str, Any]:
    return {**meta, "tokens": [_token(each) for each in meta.get("tokens", [])]}


def _text(value: list[Any]) -> dict[str, Any]:
    text = dict(zip(TEXT, [*value, None, []][: len(TEXT)], strict=False))
    return {**text, "logprobs": [_token(each) for each in text["logprobs"] or []]}


def _token(value: list[Any]) -> dict[str, Any]:
    text, logprob, top = value
    return {"text": text, "logprob": logprob, "top": top}
