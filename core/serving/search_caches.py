"""What searches gave before: of each step of a question by the key of the stage that made it, and whole replies by the corpus' stamp.

A stage's key holds all that decides its result, the corpus too, so that after a change other keys are asked for and the old values
are the first to go; whole replies are emptied.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

from core.pipeline.memory import bytes_of
from core.pipeline.stages import STAGES

MOST_BYTES = 64 << 20  # of a cache
EMBEDDING, RETRIEVAL, RERANKING, SEARCH = "embedding", "retrieval", "reranking", "search"
_STEPS = {"encode": EMBEDDING} | {stage.name: RERANKING for stage in STAGES if stage.ranks}  # any other is retrieval


class CacheUse(NamedTuple):
    """hits: values that were there; misses: values that had to be made. entries: that are there now."""

    hits: int
    misses: int
    entries: int


class BoundedCache:
    """Values of `most_bytes` in all, least recently used out first. For several threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._total, self._stamp, self._lock = most_bytes, 0, "", threading.Lock()
        self._hits = self._misses = 0
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()  # value, bytes

    @property
    def use(self) -> CacheUse:
        return CacheUse(self._hits, self._misses, len(self._entries))

    def get(self, key: Hashable, stamp: str = "") -> Any:
        """None where it is not there. stamp: what was put under another one is forgotten."""
        with self._lock:
            self._follow(stamp)
            if key not in self._entries:
                return None
            self._hits += 1
            self._entries.move_to_end(key)
            return self._entries[key][0]

    def put(self, key: Hashable, value: Any, stamp: str = "") -> None:
        size = bytes_of(value)
        with self._lock:
            self._follow(stamp)
            self._misses += 1
            self._total += size - self._entries.pop(key, (None, 0))[1]
            self._entries[key] = value, size
            while self._total > self._most:
                self._total -= self._entries.popitem(last=False)[1][1]

    def _follow(self, stamp: str) -> None:
        if stamp != self._stamp:
            self._entries.clear()
            self._total, self._stamp = 0, stamp


def search_caches() -> dict[str, BoundedCache]:
    return {name: BoundedCache() for name in (EMBEDDING, RETRIEVAL, RERANKING, SEARCH)}


class QuestionSteps(dict):
    """`Shared` of one search (core/pipeline/pipeline.py): a step that is in its cache took no time. hits: names of the caches that had
    something."""

    def __init__(self, caches: Mapping[str, BoundedCache]) -> None:
        super().__init__()
        self._caches, self.hits = caches, dict[str, None]()

    def __contains__(self, entry: object) -> bool:
        """What is there now stays there for this search."""
        if not super().__contains__(entry):
            name = _STEPS.get(entry[0], RETRIEVAL)
            if (value := self._caches[name].get(entry)) is not None:
                super().__setitem__(entry, (value, 0.0))
                self.hits[name] = None
        return super().__contains__(entry)

    def __setitem__(self, entry: tuple, made: tuple[Any, float]) -> None:
        super().__setitem__(entry, made)
        self._caches[_STEPS.get(entry[0], RETRIEVAL)].put(entry, made[0])
