"""Values by content, as plain JSON: what is made once, such as a text by a model or the score of an answer, and asked for often.

Below a folder stand shards that are written once and never changed, `<random>.json` with a checksum, {key: value}. A shard
appears by renaming, so a reader sees whole shards only; a damaged one is thrown away and told, and its values are made anew.
Of two processes that made the same value the first to keep it is right.
"""

import os
import threading
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from core import files
from core.files import DiskError

MANY = 40  # shards of a folder, from which they become a single one


class Shards:
    """The shards of a folder, as far as they were read. what: they hold, in the plural, for people ("Texts by a model")."""

    def __init__(self, folder: Path, what: str) -> None:
        self.folder, self.what = folder, what
        self._by_key: dict[str, Any] = {}
        self._shard_of: dict[str, str] = {}  # key -> name of the file
        self._seen: set[str] = set()
        self._own: dict[str, Any] = {}  # what may not be written serves this process
        self._lock = threading.Lock()

    def read(self, keys: Iterable[str]) -> dict[str, Any]:
        """Of the keys those that are kept, after a look for shards of other processes."""
        with self._lock:
            self._refresh()
            both, keys = self._own | self._by_key, list(keys)
            for name in {self._shard_of[key] for key in keys if key in self._shard_of}:
                with suppress(OSError):  # used: what was used longest ago is evicted first; a store may be there to be read only
                    os.utime(self.folder / name)
            return {key: both[key] for key in keys if key in both}

    def _refresh(self) -> None:
        there = self._names()
        if not self._seen <= there:  # somebody has made room
            self._seen, self._by_key, self._shard_of = set(), {}, {}
        for name in there - self._seen:
            values = self._shard(self.folder / name)
            self._by_key.update(values)
            self._shard_of.update(dict.fromkeys(values, name))
            self._seen.add(name)

    def _names(self) -> set[str]:
        try:
            return {name for name in os.listdir(self.folder) if name.endswith(".json")}
        except FileNotFoundError:
            return set()

    def _shard(self, path: Path) -> dict[str, Any]:
        try:
            return dict(files.read_sealed(path)["texts"])
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            if files.errno_of(error) not in files.FORBIDDEN:
                with suppress(OSError):
                    path.unlink()
                files.tell(f"{self.what} were damaged and are made anew: {path}.")
            return {}

    def keep(self, values: dict[str, Any]) -> dict[str, Any]:
        """Writes a shard of them; returns those of them that stand: another process may have been first."""
        try:
            with files.disk_reported(self.what, self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
            with files.hold(self.folder / ".lock", purpose=f"keeping {self.what.lower()}", seconds=60, what="store of them"):
                before = self.read(list(values))
                rest = {key: value for key, value in values.items() if key not in before}
                if rest:
                    self._write(rest)
        except DiskError as error:
            if not error.forbidden:
                raise
            files.tell(f"{self.what} may not be written, so they are not kept: {self.folder}.")
            before, rest = {}, values
            self._own |= rest
        return rest | before

    def _write(self, values: dict[str, Any]) -> None:
        """A shard of them; where there are many shards, one of all that they hold."""
        old = self._names()
        if len(old) < MANY:
            old = set()
        else:
            with self._lock:
                values = self._by_key | values
        files.write_whole(self.folder / f"{uuid.uuid4().hex}.json", files.sealed({"texts": values}), self.what)
        for name in old:
            files.discard(self.folder / name)


_stores: dict[Path, Shards] = {}


def shards(folder: Path, what: str) -> Shards:
    """Those of this folder, the same for all who ask in this process."""
    return _stores.setdefault(folder.absolute(), Shards(folder.absolute(), what))
