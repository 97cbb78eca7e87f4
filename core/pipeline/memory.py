"""What stages made, remembered in the process and then on disk; only what is in neither is computed."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from core.pipeline.stages import storage
from core.records import Progress
from core.store.cache import StageCache

LITTLE = 1 << 16  # a result so small is no reason to look for room
MAPPED_ROWS = 20_000  # arrays of so many texts are mapped from the disk rather than held: some 30 MB of vectors
SAMPLED = 20  # items of a collection whose size is looked at
REMEMBERED_BYTES = 1 << 30  # stage results kept in the process; MedQuAD with 16,407 questions is to fit in 4 GB in all


@dataclass
class Trace:
    """What a computation cost: milliseconds by stage, and whether the stage came from memory or disk."""

    ms: dict[str, float] = field(default_factory=dict)
    cached: dict[str, bool] = field(default_factory=dict)


class StageMemory:
    """The results of stages below `home`, shared by the threads of a process."""

    def __init__(self, home: Path, cache_bytes: int) -> None:
        self.home = home
        self.cache = StageCache(home / "cache", cache_bytes)
        self.last_ms: dict[str, float] = {}  # stage -> what computing it cost last
        self._memory: OrderedDict[tuple[str, str], Any] = OrderedDict()
        self._total = self._since = 0  # bytes in memory when all was weighed last, and kept since
        self._lock = threading.Lock()

    def remembers(self, stage: str, key: str) -> bool:
        with self._lock:
            return (stage, key) in self._memory

    def remember(self, stage: str, key: str, make: Callable[[], Any]) -> Any:
        value = self.recall(stage, key)
        return value if value is not None else self.keep(stage, key, make())

    def recall(self, stage: str, key: str) -> Any:
        with self._lock:
            if (stage, key) in self._memory:
                self._memory.move_to_end((stage, key))
                return self._memory[stage, key]
        return None

    def keep(self, stage: str, key: str, value: Any) -> Any:
        with self._lock:
            self._memory[stage, key] = value
            self._memory.move_to_end((stage, key))
            if (size := bytes_of(value)) < LITTLE:
                return value
            self._since += size
            if 2 * self._since < REMEMBERED_BYTES - self._total:
                return value
            # all anew: what was kept may have grown since, by what it remembers itself; the other half of the room is for that
            total = sum(map(bytes_of, self._memory.values()))
            while total > REMEMBERED_BYTES and len(self._memory) > 1:
                total -= bytes_of(self._memory.popitem(last=False)[1])
            self._total, self._since = total, 0
        return value

    def mapped(self, stage: str, key: str, of: Callable[..., Any], arrays: dict[str, np.ndarray] | None = None) -> Any:
        """of(**arrays), the arrays as files of the cache; saved there first where they are given. None where they are not there."""
        if arrays is not None:
            self.cache.save(stage, key, arrays)
        entry = self.cache.load(stage, key, mapped=True)
        return None if entry is None else of(**entry[0])

    def stage(self, stage: str, key: str, record: type, make: Callable, trace: Trace | None) -> Generator[Progress, None, Any]:
        """From memory, else from disk, else made and kept where the stage's row says. `record` is a dataclass of arrays."""
        started, disk = time.perf_counter(), storage(stage) == "disk"
        value = self.recall(stage, key)
        cached = value is not None
        if value is None and disk and (entry := self.cache.load(stage, key)):
            value, cached = self.keep(stage, key, record(**entry[0])), True
        if value is None:
            value = self.keep(stage, key, (yield from make()))
            self.last_ms[stage] = (time.perf_counter() - started) * 1000
            if disk:
                self.cache.save(stage, key, vars(value))
        noted(trace, stage, started, cached)
        return value


def bytes_of(value: Any, depth: int = 4) -> int:
    """Memory of a stage result, about: of many texts or arrays the first few stand for all. What is mapped from a file is none."""
    if hasattr(value, "nbytes"):
        return 0 if in_file(value) else value.nbytes
    if isinstance(value, str):
        return 50 + len(value)
    if isinstance(value, dict):
        items, some = len(value), list(islice(value.values(), SAMPLED))
    elif isinstance(value, (list, tuple)):
        items, some = len(value), value[:SAMPLED]
    else:  # an engine's own objects may refer to each other without end
        fields = vars(value).values() if depth and hasattr(value, "__dict__") else []
        some = list({id(part): part for part in fields}.values())  # two names of one array are one array
        items = len(some)
    return 8 + sum(bytes_of(part, depth - 1) for part in some if depth) * items // max(1, len(some))


def in_file(array: Any) -> bool:
    """Whether an array is mapped from a file, or a view of one that is."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap) and array._mmap is not None:
            return True
        array = array.base
    return False


def noted(trace: Trace | None, stage: str, started: float, cached: bool) -> None:
    if trace is not None:
        trace.ms[stage] = (time.perf_counter() - started) * 1000
        trace.cached[stage] = cached
