"""Vectors by content: a text is encoded once per encoder, whatever corpus, chunking or question set it occurs in.

Below `folder` each encoder has a folder named by its identity, with shards that are written once and never changed:
`<random>.npz` with keys [n, 16] uint8 (blake2b of the text) and vectors [n, dim] float32. A shard appears by renaming,
so a reader sees whole shards only and processes need no lock; the zip's checksums show a damaged one, which is
thrown away and told, and its texts are encoded again.
"""

import os
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, suppress
from hashlib import blake2b
from io import BytesIO
from pathlib import Path

import numpy as np

from core import files
from core.embedding.protocol import LoadedEncoder
from core.errors import broken_part
from core.files import DiskError
from core.models.loading import readable
from core.records import Progress

TOKEN_CHARACTERS = 5  # rough: what counts is that long texts weigh more than short ones
FIXED_TOKENS = 10  # of a text, whatever its length: batching, pooling, storing
SHARD_VECTORS = 1024
SHARD_SECONDS = 5.0  # a killed process loses no more work than this
Weigh = Callable[[list[str], int | None], np.ndarray]  # of texts, and the tokens that the encoder reads of each
Timed = Callable[[int, float, float, float], None]  # texts, their weight, seconds for it, seconds for loading the model
FAILED_TODO = "Where memory ran out, free some or take a smaller model; else copy the model again, or choose another."


def embed(
    encoder_part, texts: list[str], folder: Path, query: bool = False, weigh: Weigh | None = None, timed: Timed | None = None
) -> Generator[Progress, None, np.ndarray]:
    """Vectors [len(texts), dim] float32 of the texts, in their order; encodes the distinct texts not yet in the store.

    Closing the generator keeps what was encoded. timed: is told how long several batches took. weigh: says what each text costs,
    for that; without it all cost the same. Neither decides a vector, so they are handed in.
    """
    store = _store(folder / encoder_part.identity())
    keys = _keys(encoder_part.prefix(query), texts)
    matrix = _Matrix(keys)
    stored = store.read(matrix.first, matrix.put)
    absent = {key: texts[row] for key, row in matrix.first.items() if key not in stored}
    if absent or not texts:
        yield Progress(0, 0, "Loading the model")
        asked = time.monotonic()
        encoder = encoder_part.load()
    if absent:
        with readable("The encoder failed", todo=FAILED_TODO):
            yield from _encode(encoder, absent, query, store, matrix, weigh, timed, asked)
    return matrix.whole() if texts else np.zeros((0, encoder.dim), np.float32)


class _Matrix:
    """The vectors of texts, each put where its text stands first: a million of them are in memory once."""

    def __init__(self, keys: list[bytes]) -> None:
        self.first: dict[bytes, int] = {}  # key -> row
        self._first_of = np.fromiter((self.first.setdefault(key, row) for row, key in enumerate(keys)), np.int64, len(keys))
        self._vectors: np.ndarray | None = None

    def put(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        if self._vectors is None:
            self._vectors = np.zeros((len(self._first_of), vectors.shape[1]), np.float32)
        self._vectors[[self.first[key] for key in keys]] = vectors

    def whole(self) -> np.ndarray:
        """[num_texts, dim] float32, once all different texts have theirs."""
        again = np.flatnonzero(self._first_of != np.arange(len(self._first_of)))
        self._vectors[again] = self._vectors[self._first_of[again]]
        return self._vectors


def missing(encoder_part, texts: list[str], folder: Path, query: bool = False) -> list[str]:
    """The texts that `embed` would have to encode, each once. Loads no model."""
    by_key = dict(zip(_keys(encoder_part.prefix(query), texts), texts, strict=True))
    there = _store(folder / encoder_part.identity()).locate(by_key)
    return [text for key, text in by_key.items() if key not in there]


def encode_all(encoder_part, texts: list[str], query: bool = False) -> np.ndarray:
    """Vectors [len(texts), dim] float32 of the texts, in their order; nothing is looked up or kept."""
    encoder = encoder_part.load()
    matrix = np.empty((len(texts), encoder.dim), np.float32)
    for indices, vectors in _batches(encoder, texts, query):
        matrix[indices] = vectors
    return matrix


def _batches(encoder: LoadedEncoder, texts: list[str], query: bool) -> Generator[tuple[np.ndarray, np.ndarray], None, None]:
    """What the encoder yields; WorkbenchError that names it where texts would be left without their vector."""
    met = np.zeros(len(texts), bool)
    with closing(encoder.encode(texts, query=query)) as batches:
        for indices, vectors in batches:
            if vectors.shape != (len(indices), encoder.dim) or not np.isfinite(vectors).all():
                what = f"gives vectors of shape {vectors.shape} for {len(indices)} texts, or with NaN; wanted are {encoder.dim} numbers"
                raise broken_part("encoder", encoder.name, what)
            met[indices] = True
            yield indices, vectors
    if not met.all():
        raise broken_part("encoder", encoder.name, f"gives {met.sum():,} of {len(texts):,} texts a vector")


def _keys(prefix: str, texts: list[str]) -> list[bytes]:
    return [blake2b((prefix + text).encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts]


def _encode(
    encoder,
    absent: dict[bytes, str],
    query: bool,
    store: "_Store",
    matrix: _Matrix,
    weigh: Weigh | None,
    timed: Timed | None,
    asked: float,
) -> Generator[Progress, None, None]:
    keys, texts = list(absent), list(absent.values())
    costs = weigh(texts, encoder.max_tokens) if weigh else np.ones(len(texts))
    done = done_weight = 0
    first = None  # its end and its weight: the model is loaded on the way to it
    began = saved = time.monotonic()
    fresh: dict[bytes, np.ndarray] = {}
    batches = _batches(encoder, texts, query)
    try:
        for indices, vectors in batches:
            some = [keys[i] for i in indices]
            matrix.put(some, vectors)
            fresh.update(zip(some, vectors, strict=True))
            done, done_weight = done + len(indices), done_weight + costs[indices].sum()
            now = time.monotonic()
            first = first or (now, done_weight)
            if len(fresh) >= SHARD_VECTORS or fresh and now - saved > SHARD_SECONDS:  # slow models yield without a vector
                store.write(fresh)
                fresh, saved = {}, now
            yield Progress(done, len(keys), "Reading texts")
        if timed and done_weight > first[1]:
            rate = (done_weight - first[1]) / max(now - first[0], 1e-6)
            timed(done, done_weight, done_weight / rate, max(first[0] - asked - first[1] / rate, 0.0))
        elif timed and done:  # all at once
            timed(done, done_weight, max(now - began, 1e-6), began - asked)
    finally:  # also when cancelled
        batches.close()
        if fresh:
            store.write(fresh)


class _Store:
    """The shards of one encoder, with an index in memory of which text is in which shard."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._where: dict[bytes, tuple[str, int]] = {}  # key -> shard, row
        self._seen: set[str] = set()
        self._bad: set[str] = set()
        self._lock = threading.Lock()

    def locate(self, keys: Iterable[bytes]) -> dict[bytes, tuple[str, int]]:
        """key -> (shard, row) of those that are stored, after a look for shards that any process added or removed."""
        with self._lock:
            self._refresh()
            return {key: self._where[key] for key in keys if key in self._where}

    def _refresh(self) -> None:
        try:
            there = {name for name in os.listdir(self.folder) if name.endswith(".npz")} - self._bad
        except FileNotFoundError:
            there = set()
        if not self._seen <= there:  # some are gone: their texts may be in others
            self._seen, self._where = set(), {}
        for name in there - self._seen:
            keys = self._array(name, "keys")
            if keys is None:
                continue
            rows = keys.tobytes()
            self._where.update((rows[i : i + 16], (name, i // 16)) for i in range(0, len(rows), 16))
            self._seen.add(name)

    def read(self, keys: Iterable[bytes], put: Callable[[Sequence[bytes], np.ndarray], None]) -> set[bytes]:
        """Hands on the stored vectors of these keys, shard by shard; returns which there were."""
        stored: set[bytes] = set()
        while True:
            rows: dict[str, list[tuple[bytes, int]]] = {}
            for key, (name, row) in self.locate([key for key in keys if key not in stored]).items():
                rows.setdefault(name, []).append((key, row))
            if not rows:
                return stored
            for name, some in rows.items():
                vectors = self._array(name, "vectors")
                if vectors is None:
                    continue  # and look again: another shard may hold the same texts
                with suppress(OSError):  # a store that may only be read is read
                    os.utime(self.folder / name)  # used: what was used longest ago is evicted first
                put([key for key, _ in some], vectors[[row for _, row in some]])
                stored.update(key for key, _ in some)

    def _array(self, name: str, of: str) -> np.ndarray | None:
        """An array of a shard; None where the shard went meanwhile, or is damaged: then it is thrown away."""
        path = self.folder / name
        try:
            with np.load(path, allow_pickle=False) as shard:
                return shard[of]
        except FileNotFoundError:
            pass
        except Exception as error:  # what a damaged zip archive raises has many kinds
            if getattr(error, "errno", 0) not in files.FORBIDDEN:
                with suppress(OSError):
                    path.unlink()
                files.tell(f"Stored vectors were damaged; their texts are encoded anew: {path}.")
        self._bad.add(name)
        return None

    def write(self, vectors: dict[bytes, np.ndarray]) -> None:
        """A shard of them. Where nothing may be written they serve only this process, and that is told."""
        shard = BytesIO()
        keys = np.frombuffer(b"".join(vectors), np.uint8).reshape(-1, 16)
        np.savez(shard, keys=keys, vectors=np.stack(list(vectors.values())).astype(np.float32))
        try:
            with files.disk_reported("The vectors", self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
            # synced, or a power cut may leave a name without contents
            files.write_whole(self.folder / f"{uuid.uuid4().hex}.npz", shard.getvalue(), "The vectors")
        except DiskError as error:
            if not error.forbidden:
                raise
            files.tell(f"The vectors may not be written, so what is encoded is not kept: {self.folder}.")


_stores: dict[Path, _Store] = {}


def _store(folder: Path) -> _Store:
    return _stores.setdefault(folder.absolute(), _Store(folder.absolute()))


def weights(texts: Sequence[str], max_tokens: int | None) -> np.ndarray:
    """What encoding each text costs, in tokens about [num_texts] float64; beyond `max_tokens` nothing is read."""
    return weights_of(characters(texts), max_tokens)


def weights_of(lengths: np.ndarray, max_tokens: int | None) -> np.ndarray:
    """The same by their characters."""
    tokens = lengths / TOKEN_CHARACTERS
    return FIXED_TOKENS + (tokens if max_tokens is None else np.minimum(tokens, max_tokens))


def characters(texts: Sequence[str]) -> np.ndarray:
    """Of each text [num_texts] float64."""
    return np.fromiter(map(len, texts), np.float64, len(texts))
