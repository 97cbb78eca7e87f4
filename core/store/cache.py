"""The stage cache: every stage's result on disk under the fingerprint of all that it depends on.

An entry is a folder of .npy files and a meta.json; it is written beside and renamed into place, so it is whole or absent.
Entries used longest ago go first when the cap is reached. It holds nothing that cannot be computed again.
"""

import json
import os
import shutil
import time
import uuid
from contextlib import suppress
from pathlib import Path

import numpy as np

from core.errors import WorkbenchError


class Cache:
    def __init__(self, folder: Path, cap_bytes: int) -> None:
        self.folder, self.cap_bytes = Path(folder), cap_bytes

    def load(self, stage: str, key: str, *, mmap: bool = False) -> tuple[dict[str, np.ndarray], dict] | None:
        """(arrays, meta) of an entry, or None where it is absent or damaged (then it is dropped and computed again)."""
        entry = self.folder / stage / key
        try:
            meta = json.loads((entry / "meta.json").read_text("utf-8"))
            arrays = {}
            for name, size in meta["sizes"].items():
                path = entry / f"{name}.npy"
                if path.stat().st_size != size:
                    raise ValueError(f"{path} has another size than was written")
                arrays[name] = np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
            os.utime(entry / "meta.json")  # marks the entry as used, for eviction
            return arrays, meta["meta"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, OSError):
            self._drop(entry)
            return None

    def has(self, stage: str, key: str) -> bool:
        return (self.folder / stage / key / "meta.json").exists()

    def save(self, stage: str, key: str, arrays: dict[str, np.ndarray], meta: dict | None = None) -> None:
        entry = self.folder / stage / key
        work = self.folder / "tmp" / uuid.uuid4().hex
        try:
            work.mkdir(parents=True)
            for name, array in arrays.items():
                np.save(work / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
            sizes = {name: (work / f"{name}.npy").stat().st_size for name in arrays}
            (work / "meta.json").write_text(json.dumps({"sizes": sizes, "meta": meta or {}}), "utf-8")
            entry.parent.mkdir(parents=True, exist_ok=True)
            self._drop(entry)
            os.rename(work, entry)
        except OSError as error:
            shutil.rmtree(work, ignore_errors=True)
            if self.has(stage, key):
                return  # another process wrote the same content first
            raise WorkbenchError(f"The cache could not be written: {error.strerror}.", where=str(self.folder),
                                 todo="Free some disk space, or set GROUNDWORK_HOME to another disk.") from error  # fmt: skip
        self.evict(keep=entry)

    def entries(self) -> list[tuple[float, int, Path]]:
        """(last used, bytes, path) of all that may go, the one used longest ago first.

        Beside the entries these are the vector store's shards and the folders of dense indexes and fitted encoders.
        """
        metas = self.folder.glob("*/*/meta.json")
        stamps = [(meta.parent, meta) for meta in metas if meta.parent.parent.name != "tmp"]  # others are at work there
        stamps += [
            (path, path)
            for pattern in ("vectors/*/*.npz", "index/*", "encoders/*")
            for path in self.folder.glob(pattern)
        ]
        found = []
        for path, stamp in stamps:
            try:
                files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
                found.append((stamp.stat().st_mtime, sum(file.stat().st_size for file in files), path))
            except FileNotFoundError:
                continue  # another process dropped it meanwhile
        return sorted(found)

    def evict(self, keep: Path | None = None) -> None:
        entries = self.entries()
        total = sum(size for _, size, _ in entries)
        for _, size, entry in entries:
            if total <= self.cap_bytes:
                break
            if entry != keep:
                self._drop(entry)
                total -= size
        for stray in (self.folder / "tmp").glob("*"):  # left by a process that was killed while writing
            with suppress(FileNotFoundError):  # another process is done with it
                if time.time() - stray.stat().st_mtime > 3600:
                    shutil.rmtree(stray, ignore_errors=True)

    def _drop(self, entry: Path) -> None:
        if entry.exists():
            trash = self.folder / "tmp" / uuid.uuid4().hex
            trash.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.rename(entry, trash)  # out of sight at once, so that no reader sees half an entry
            except FileNotFoundError:
                return
            if trash.is_file():
                trash.unlink(missing_ok=True)
            else:
                shutil.rmtree(trash, ignore_errors=True)
