"""A life as arrays, recorded once, over which policies are tried without a model."""

from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from core.config import fingerprint
from core.memory.facts import words
from core.memory.life import Event, Life, LifeRules, lived
from core.memory.store import bundled
from core.progress import Unready
from core.records import Progress
from core.store.cache import StageCache, cap_of_environment
from core.workbench import Workbench

STAGE, VERSION = "memory_life", 2
AT_ONCE = 512  # texts that are encoded, or held against all others, together


class RecordedLife(NamedTuple):
    """E sentences in the order in which they are said, Q questions asked week by week."""

    week: np.ndarray  # [E] float64 when it is said
    since: np.ndarray  # [E] float64 week from which it holds
    key: np.ndarray  # [E] int64 subject and attribute, -1: chatter
    value: np.ndarray  # [E] int64 which value, -1: that it ended
    first: np.ndarray  # [E] int64 place of the sentence that said the same first
    importance: np.ndarray  # [E] float64
    similar: np.ndarray  # [E] float64 largest cosine with what was said before
    asked_week: np.ndarray  # [Q] float64
    asked_key: np.ndarray  # [Q] int64
    asked_value: np.ndarray  # [Q] int64
    relevance: np.ndarray  # [Q, E] float32 as memory has it


def recorded_life(workbench: Workbench, seed: int) -> RecordedLife:
    """That of a seed, from the cache. Raises Unready where it was not recorded yet: `record_life` does."""
    entry = _cache(workbench).load(STAGE, _key(seed))
    if entry is None:
        raise Unready("The life is simulated first.")
    return RecordedLife(**entry[0])


def record_life(workbench: Workbench, seed: int) -> Generator[Progress, None, RecordedLife]:
    """Records it where it is not yet: every sentence and question is encoded once."""
    cache = _cache(workbench)
    entry = cache.load(STAGE, _key(seed))
    if entry is not None:
        return RecordedLife(**entry[0])
    life = lived(LifeRules(), seed)
    vectors = yield from encoded([event.text for event in life.events], False)
    asked = yield from encoded([text for _, _, text, _ in life.asked], True)
    made = arrays(life, vectors, asked)
    cache.save(STAGE, _key(seed), made._asdict())
    return made


def encoded(texts: list[str], query: bool) -> Generator[Progress, None, np.ndarray]:
    """Unit vectors [n, dim] float32 of texts, each distinct one encoded once."""
    distinct = list(dict.fromkeys(texts))
    parts: list[np.ndarray] = []
    for done in range(0, len(distinct), AT_ONCE):
        yield Progress(done, len(distinct), "Reading what was asked" if query else "Reading what was said")
        parts.append(bundled(distinct[done : done + AT_ONCE], query))
    place = {text: number for number, text in enumerate(distinct)}
    return np.concatenate(parts)[[place[text] for text in texts]]


def arrays(life: Life, vectors: np.ndarray, asked: np.ndarray) -> RecordedLife:
    """vectors [E, dim], asked [Q, dim]."""
    values: dict[tuple[int, str], int] = {}
    value = [-1 if event.kind == "end" else values.setdefault((event.key, event.value), len(values)) for event in life.events]
    asked_value = [values.get((key, said), -2) for _, key, _, said in life.asked]
    by_column: dict[str, list[Any]] = {
        name: [getattr(event, name) for event in life.events] for name in ("week", "since", "importance", "key")
    }
    overlap = _overlap([text for _, _, text, _ in life.asked], life.events)
    return RecordedLife(
        week=np.array(by_column["week"], np.float64),
        since=np.array(by_column["since"], np.float64),
        key=np.array(by_column["key"], np.int64),
        value=np.array(value, np.int64),
        first=np.array(_first(life.events), np.int64),
        importance=np.array(by_column["importance"], np.float64),
        similar=_similar(vectors),
        asked_week=np.array([week for week, *_ in life.asked], np.float64),
        asked_key=np.array([key for _, key, *_ in life.asked], np.int64),
        asked_value=np.array(asked_value, np.int64),
        relevance=((asked @ vectors.T + overlap) / 2).astype(np.float32),
    )


def _first(events: tuple[Event, ...]) -> list[int]:
    """Of what is said again, since its last change, the place of the first time."""
    latest: dict[int, tuple[str, int]] = {}
    places = []
    for place, event in enumerate(events):
        said, first = latest.get(event.key, ("", place))
        first = first if event.key >= 0 and said == event.value and event.kind != "end" else place
        places.append(first)
        latest[event.key] = event.value if event.kind != "end" else "", first
    return places


def _similar(vectors: np.ndarray) -> np.ndarray:
    """[E] float64 largest cosine with an earlier one, -1 for the first."""
    largest = np.full(len(vectors), -1.0)
    for start in range(0, len(vectors), AT_ONCE):
        block = vectors[start : start + AT_ONCE] @ vectors[: start + AT_ONCE].T
        block[np.triu_indices(len(block), start, block.shape[1])] = -1.0
        largest[start : start + AT_ONCE] = block.max(axis=1)
    return largest


def _overlap(questions: list[str], events: tuple[Event, ...]) -> np.ndarray:
    """[Q, E] float64 share of a question's words that a sentence has, rare ones counting more."""
    from scipy.sparse import csr_array

    said = [words(f"{event.text} {event.subject} {event.attribute}") for event in events]
    column = {word: number for number, word in enumerate(dict.fromkeys(word for text in said for word in text))}
    asked = [words(text) for text in questions]

    def counts(texts: list[list[str]]) -> Any:
        rows, columns = zip(
            *((row, column[word]) for row, text in enumerate(texts) for word in text if word in column), strict=True
        )
        return csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(texts), len(column)))

    there = counts(said)
    idf = np.log1p(len(events) / (there.sum(axis=0) + 1))
    weighted = counts(asked).multiply(idf[None]).tocsr()
    unmet = np.array([sum(word not in column for word in text) for text in asked]) * np.log1p(len(events))
    return (weighted @ there.T).toarray() / (weighted.sum(axis=1) + unmet)[:, None]


def _cache(workbench: Workbench) -> StageCache:
    return StageCache(workbench.home / "cache", cap_of_environment())


def _key(seed: int) -> str:
    return fingerprint(STAGE, VERSION, seed, LifeRules()._asdict())
