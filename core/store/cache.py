"""The stage cache: every stage's result on disk under the fingerprint of all that it depends on.

An entry is a folder of .npy files and a meta.json; it is written beside and renamed into place, so it is whole or absent.
meta.json carries the checksum of each array, of itself and the name of the entry: what does not match is thrown away, told,
and computed again. Therefore nothing is synced. Entries used longest ago go first when the cap is reached. It holds
nothing that cannot be computed again; what a model was asked for is in the journal (`batches.py`).
"""

import math
import os
import shutil
import time
import uuid
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np

from core import files
from core.errors import WorkbenchError
from core.files import DiskError

LOOKED = 20  # saved entries, after which all are looked at whatever their size
# what stands beside the results of stages and goes with them -> (what it is called, where it lies)
BESIDE = {
    "vectors": ("vectors", "vectors/*/*.npz"),
    "index": ("indexes", "index/*"),
    "encoders": ("fitted encoders", "encoders/*"),
    "ranked": ("rerankers' scores", "ranked/*/*"),
}


def cap_of_environment() -> int:
    """The cap in bytes that the environment sets, 5 GB where it sets none."""
    setting = os.environ.get("GROUNDWORK_CACHE_GB", "").strip() or "5"
    try:
        cap = float(setting)
    except ValueError:
        cap = math.nan
    if not 0 <= cap < 1e9:  # nor NaN
        raise WorkbenchError(
            f"The size of the cache is '{setting[:40]}', which is no number of gigabytes.",
            where="GROUNDWORK_CACHE_GB",
            todo="Set it to a number of gigabytes, such as 5, or unset it.",
        )
    return int(cap * 1e9)


class StageCache:
    def __init__(self, folder: Path, cap_bytes: int) -> None:
        self.folder, self.cap_bytes = Path(folder), cap_bytes
        self._total = self._since = 0  # bytes of all entries when they were looked at last, and saved here since
        self._saves = 0

    def load(self, stage: str, key: str, mapped: bool = False) -> tuple[dict[str, np.ndarray], dict] | None:
        """(arrays, meta) of an entry, or None where it is absent or damaged (then it is dropped and computed again). mapped: the
        arrays stay in their files, read once for their checksums, and hold no memory that others could not have."""
        entry = self.folder / stage / key
        try:
            about = files.read_sealed(entry / "meta.json")
            if about["entry"] != f"{stage}/{key}":
                raise ValueError("it is another entry's")
            arrays = {}
            for name, written in about["arrays"].items():
                arrays[name] = np.load(entry / f"{name}.npy", "r" if mapped else None, allow_pickle=False)
                if _seal(arrays[name]) != written:
                    raise ValueError(f"{name} is not as it was written")
        except (FileNotFoundError, NotADirectoryError):
            if (entry / "meta.json").exists():  # not gone as a whole, as an entry that was evicted
                self._damaged(stage, entry)
            return None
        except files.Unsealed:
            self._damaged(stage, entry, "had no checksum")
            return None
        except Exception as error:  # of a damaged header many kinds; also a disk that fails
            if getattr(error, "errno", 0) not in files.FORBIDDEN:
                self._damaged(stage, entry)
            return None
        with suppress(OSError):  # a cache that may only be read is read
            os.utime(entry / "meta.json")  # marks the entry as used, for eviction
        return arrays, about["meta"]

    def used(self, beside: Path) -> None:
        """Marks a folder that stands beside the entries as used, for eviction."""
        with suppress(OSError):  # it was made in memory alone, or may only be read
            os.utime(beside)

    def has(self, stage: str, key: str) -> bool:
        return (self.folder / stage / key / "meta.json").exists()

    def save(self, stage: str, key: str, arrays: dict[str, np.ndarray], meta: dict | None = None) -> None:
        """Writes an entry. DiskError where there is no room; where nothing may be written at all, that is told and the
        result serves only this process."""
        entry = self.folder / stage / key
        work = self.folder / "tmp" / uuid.uuid4().hex
        try:
            with files.disk_reported("The cache", self.folder, sum(array.nbytes for array in arrays.values())):
                work.mkdir(parents=True)
                whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
                for name, array in whole.items():
                    np.save(work / f"{name}.npy", array, allow_pickle=False)
                seals = {name: _seal(array) for name, array in whole.items()}
                about = {"entry": f"{stage}/{key}", "arrays": seals, "meta": meta or {}}
                (work / "meta.json").write_text(files.sealed(about), "utf-8")
                entry.parent.mkdir(parents=True, exist_ok=True)
                self._drop(entry)
                files.take_place(work, entry, sync=False)
        except (DiskError, OSError) as error:
            shutil.rmtree(work, ignore_errors=True)
            if self.has(stage, key):
                return  # another process, or thread, wrote the same content first
            if not (isinstance(error, DiskError) and error.forbidden):
                raise
            files.tell(f"The cache may not be written, so what is computed is not kept: {self.folder}.")
        self._since, self._saves = self._since + sum(array.nbytes for array in arrays.values()), self._saves + 1
        # to look at all costs more than to save one: most of the room is left to what others save meanwhile
        if self._saves % LOOKED == 1 or 10 * self._since > self.cap_bytes - self._total:
            self.evict(keep=entry)

    def _damaged(self, stage: str, entry: Path, what: str = "was damaged") -> None:
        self._drop(entry)
        files.tell(f"A cached result ({stage}) {what} and is computed anew: {entry}.")

    def entries(self) -> list[tuple[float, int, Path]]:
        """(last used, bytes, path) of all that may go, the one used longest ago first.

        Beside the entries these are shards of vectors, and the folders of dense indexes, fitted encoders and rerankers.
        """
        metas = self.folder.glob("*/*/meta.json")
        stamps = [(meta.parent, meta) for meta in metas if meta.parent.parent.name != "tmp"]  # others are at work there
        stamps += [(path, path) for _, pattern in BESIDE.values() for path in self.folder.glob(pattern)]
        stamped = []
        for path, stamp in stamps:
            try:
                inside = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
                stamped.append((stamp.stat().st_mtime, sum(file.stat().st_size for file in inside), path))
            except FileNotFoundError:
                continue  # another process dropped it meanwhile
        return sorted(stamped)

    def sizes(self) -> dict[str, int]:
        """Bytes of what may go, by what it is, the largest first."""
        held: dict[str, int] = {}
        for _, size, path in self.entries():
            what, _ = BESIDE.get(path.relative_to(self.folder).parts[0], ("results of stages", ""))
            held[what] = held.get(what, 0) + size
        return dict(sorted(held.items(), key=lambda item: -item[1]))

    def evict(self, keep: Path | None = None) -> None:
        entries = self.entries()
        total = sum(size for _, size, _ in entries)
        for _, size, entry in entries:
            if total <= self.cap_bytes:
                break
            if entry != keep:
                self._drop(entry)
                total -= size
        self._total, self._since = total, 0
        for stray in (self.folder / "tmp").glob("*"):  # left by a process that was killed while writing
            with suppress(FileNotFoundError):  # another process is done with it
                if time.time() - stray.stat().st_mtime > 3600:
                    shutil.rmtree(stray, ignore_errors=True)

    def _drop(self, entry: Path) -> None:
        try:
            files.remove_whole(entry, aside=self.folder / "tmp")
        except FileNotFoundError:
            pass
        except OSError:  # no room for the folder of what is to go, or nothing may be written
            files.discard(entry)


def _seal(array: np.ndarray) -> list:
    """What an array has to be again when it is read: type, shape and the CRC-32 of its numbers (some 6 GB/s)."""
    return [array.dtype.str, list(array.shape), zlib.crc32(array)]
