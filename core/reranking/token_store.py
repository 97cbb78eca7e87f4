"""Codes of tokens by content of the text: below a folder that names encoder, settings and quantiser, written once.

`<random>.npz` with keys [n, 16] uint8 (blake2b of the text), counts [n] int32 and codes [sum of counts, width] uint8. A shard
appears by renaming, so a reader sees whole ones only and processes need no lock; the zip's checksums show a damaged one,
which is thrown away and told, and its texts are read anew.
"""

import os
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from hashlib import blake2b
from io import BytesIO
from pathlib import Path

import numpy as np

from core import files
from core.files import DiskError

MEMORY_BYTES = 1 << 29  # of shards that are held


def text_key(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class TokenStore:
    """The shards of a folder. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._where: dict[bytes, tuple[str, int, int]] = {}  # key -> shard, first and last row
        self._seen: set[str] = set()
        self._bad: set[str] = set()
        self._unsaved: dict[str, dict[str, np.ndarray]] = {}  # where nothing may be written
        self._lock = threading.RLock()

    def absent(self, keys: Iterable[bytes]) -> set[bytes]:
        """Those of which nothing is kept, after a look for shards that any process added or removed."""
        with self._lock:
            self._refresh()
            return {key for key in keys if key not in self._where}

    def read(self, keys: list[bytes]) -> list[np.ndarray] | None:
        """Codes [n, width] of each; None where a shard went or broke meanwhile: then some are absent."""
        with self._lock:
            where = [self._where.get(key) for key in keys]
        if None in where:
            return None
        shards = {name: self._codes(name) for name in {name for name, _, _ in where}}
        if any(codes is None for codes in shards.values()):
            return None
        return [shards[name][start:stop] for name, start, stop in where]

    def write(self, codes: dict[bytes, np.ndarray]) -> None:
        """A shard of them. Where nothing may be written they serve only this process, and that is told."""
        counts = np.array([len(some) for some in codes.values()], np.int32)
        keys, table = np.frombuffer(b"".join(codes), np.uint8).reshape(-1, 16), np.concatenate(list(codes.values()))
        name, shard = f"{uuid.uuid4().hex}.npz", BytesIO()
        arrays = {"keys": keys, "counts": counts, "codes": table}
        np.savez(shard, **arrays)
        try:
            with files.disk_reported("The token vectors", self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
            files.write_whole(self.folder / name, shard.getvalue(), "The token vectors", sync=False)
        except DiskError as error:
            if not error.forbidden:
                raise
            files.tell(f"The token vectors may not be written, so they are not kept: {self.folder}.")
            self._unsaved[name] = arrays
        with self._lock:
            self._enter(name, keys, counts)

    def _refresh(self) -> None:
        names = os.listdir(self.folder) if self.folder.is_dir() else ()
        there = {name for name in names if name.endswith(".npz")} - self._bad
        there |= self._unsaved.keys()
        if not self._seen <= there:  # some are gone: their texts may be in others
            self._seen, self._where = set(), {}
        for name in there - self._seen:
            if (shard := self._shard(name, "keys", "counts")) is not None:
                self._enter(name, *shard)

    def _enter(self, name: str, keys: np.ndarray, counts: np.ndarray) -> None:
        stops = np.cumsum(counts).tolist()
        starts = [0, *stops[:-1]]
        rows = (key.tobytes() for key in keys)
        self._where.update({key: (name, *piece) for key, *piece in zip(rows, starts, stops, strict=True)})
        self._seen.add(name)

    def _codes(self, name: str) -> np.ndarray | None:
        path = str(self.folder / name)
        with _lock:
            if path in _held:
                _held.move_to_end(path)
                return _held[path]
        shard = self._shard(name, "codes")
        if shard is None:
            return None
        with suppress(OSError):
            os.utime(path)  # used: what was used longest ago is evicted first
        with _lock:
            _held[path] = shard[0]
            while len(_held) > 1 and sum(codes.nbytes for codes in _held.values()) > MEMORY_BYTES:
                _held.popitem(last=False)
        return shard[0]

    def _shard(self, name: str, *arrays: str) -> list[np.ndarray] | None:
        """Arrays of a shard; None where it went meanwhile, or is damaged: then it is thrown away."""
        if name in self._unsaved:
            return [self._unsaved[name][array] for array in arrays]
        path = self.folder / name
        try:
            with np.load(path, allow_pickle=False) as shard:
                return [shard[array] for array in arrays]
        except FileNotFoundError:
            pass
        except Exception as error:  # what a damaged zip archive raises has many kinds
            if files.errno_of(error) not in files.FORBIDDEN:
                with suppress(OSError):
                    path.unlink()
                files.tell(f"Kept token vectors were damaged; their texts are read anew: {path}.")
        with self._lock:
            self._bad.add(name)
            self._seen.discard(name)
            self._where = {key: place for key, place in self._where.items() if place[0] != name}
        return None


_held: OrderedDict[str, np.ndarray] = OrderedDict()  # codes of shards, the last used at the end
_lock = threading.Lock()
_stores: dict[Path, TokenStore] = {}


def token_store(folder: Path) -> TokenStore:
    """The store of a folder, one a process."""
    return _stores.setdefault(folder.absolute(), TokenStore(folder.absolute()))
