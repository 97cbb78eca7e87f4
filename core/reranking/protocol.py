"""What every reranker is. `docs/adding_a_part.md` shows the smallest one, `tests/contract/test_rerankers.py` holds all."""

from abc import abstractmethod
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from core.config import PartConfig, fingerprint, knob
from core.errors import broken_part
from core.records import Chunks, Corpus, Progress, Query
from core.retrieval.pool import Pool
from core.retrieval.top import best, pack, unpack

APART = "\x1f"  # between question and passage of a pair, as it is kept: a character for this, which no text of words has
Embed = Callable[..., Generator[Progress, None, np.ndarray]]


class RankTools(NamedTuple):
    """What a reranker may use."""

    texts: list[str]  # of the chunks
    encoder: Any  # the recipe's, fitted
    embed: Embed  # (encoder part, texts, query=False): vectors [n, dim] float32 by content, kept on disk
    folder: Path  # of other things kept by content
    home: Path  # data folder, where what a model writes is recorded
    generator: PartConfig  # the recipe's
    seed: int
    most: int | None  # texts or pairs that may be computed now; None: as many as it takes. More raise `Unready`


class Asked(NamedTuple):
    """What a stage ranks again: the pool of some questions, and the scores [Q, P] of the stage above (None: there is none)."""

    corpus: Corpus
    chunks: Chunks
    queries: tuple[Query, ...]
    pool: Pool
    scores: np.ndarray | None
    tools: RankTools | None  # None for the fusion, which needs none


class Ranker(PartConfig):
    """Base of all that stands in a place for rerankers."""

    order: ClassVar[int] = 100
    asks_model: ClassVar[bool] = False  # its scores come from the recipe's generator
    encodes: ClassVar[bool] = False  # its scores come from vectors, of the recipe's encoder too

    def identity(self) -> str:
        """All that decides its scores beside the knobs, the texts and, where it asks it, the generator. Imports no engine."""
        return ""

    @abstractmethod
    def rerank(self, asked: Asked) -> Generator[Progress, None, np.ndarray]:
        """New scores [Q, P] float32: -inf where those of the stage above are, finite elsewhere. A row depends on nothing but
        that row."""


def share(default: float = 1.0) -> Any:
    """The knob of every reranker's weight; a default below 1 is one that was chosen by measuring: docs/methods.md."""
    return knob(
        default,
        "Share of this reranker's score; the rest is the score so far, both scaled to 0 to 1 within the question. 1 forgets "
        "what ranked before.",
        ge=0.0,
        le=1.0,
        step=0.05,
    )


class Reranker(Ranker):
    """Base of rerankers: the best `depth` are ranked again, what stands behind them keeps its order."""

    # a score depends on its question and passage, not on the scores so far or the passages beside it: the pool remembers it
    by_itself: ClassVar[bool] = True
    depth: int = knob(
        20,
        "So many of the best are ranked again. More can raise what was ranked too low, and takes longer.",
        unit="chunks",
        ge=1,
        le=1000,
    )
    weight: float = share()

    @abstractmethod
    def scores(self, asked: Asked, rows: np.ndarray, columns: np.ndarray) -> Generator[Progress, None, np.ndarray]:
        """A score [n] float32 of each of these cells of the pool, higher is better, never NaN."""

    def longer(self, asked: Asked, rows: np.ndarray, columns: np.ndarray) -> list[str]:
        """Of each of these cells how the passage is read where it is longer than what is read at once; "": it is not."""
        return [""] * len(rows)

    def rerank(self, asked: Asked) -> Generator[Progress, None, np.ndarray]:
        top = best(asked.scores, self.depth).chunk  # [Q, depth] columns, best first
        rows, places = np.nonzero(top >= 0)
        columns = top[rows, places]
        empty = np.full(asked.pool.chunk.shape, np.nan, np.float32)
        held = asked.pool.once(self._key(asked), lambda: empty, asked.tools.texts) if self.by_itself else empty
        new = np.flatnonzero(np.isnan(held[rows, columns]))
        if len(new):
            scores = yield from self.scores(asked, rows[new], columns[new])
            if np.shape(scores) != new.shape or not np.isfinite(scores).all():
                what = f"gives scores of shape {np.shape(scores)} for {len(new):,} passages, or NaN among them"
                raise broken_part("reranker", self.part, what)
            held[rows[new], columns[new]] = scores
        return above_the_rest(asked.scores, rows, columns, held[rows, columns], self.weight)

    def _key(self, asked: Asked) -> str:
        """Of the scores that the pool remembers, so that a moved depth looks nothing up."""
        tools, settings = asked.tools, self.model_dump(mode="json", exclude={"depth", "weight"})
        writer = (tools.generator, tools.seed) if self.asks_model else ()
        return fingerprint(settings, self.identity(), tools.encoder.identity(), writer)


class Pairwise(Reranker):
    """Base of rerankers whose score of a question and a passage depends on these two texts alone: it is kept by content, so
    that a depth moved below what is kept answers at once."""

    @abstractmethod
    def identity(self) -> str:
        """All that decides a score beside the two texts, knobs among it, a folder's name too. Imports no engine."""

    @abstractmethod
    def read(self, pairs: list[tuple[str, str]]) -> Generator[tuple[np.ndarray, np.ndarray], None, None]:
        """Yields (indices [b], scores [b] float32) until each (question, passage) has its score once, in any order."""

    def reads(self) -> int | None:
        """Tokens of a pair that are read; None: unknown, or all."""
        return None

    def reads_like(self) -> str:
        """An encoder of the same size, which reads about as fast; "": none is known."""
        return ""

    def windows(self, pairs: list[tuple[str, str]]) -> list[int]:
        """In how many windows each (question, passage) is read, of which the best counts."""
        return [1] * len(pairs)

    def longer(self, asked: Asked, rows: np.ndarray, columns: np.ndarray) -> list[str]:
        counts = self.windows(pairs_of(asked, rows, columns))
        return [f"in {count} windows, of which the best score counts" if count > 1 else "" for count in counts]

    def scores(self, asked: Asked, rows: np.ndarray, columns: np.ndarray) -> Generator[Progress, None, np.ndarray]:
        pairs = [APART.join(pair) for pair in pairs_of(asked, rows, columns)]
        return (yield from asked.tools.embed(Pairs(self), pairs))[:, 0]


def pairs_of(asked: Asked, rows: np.ndarray, columns: np.ndarray) -> list[tuple[str, str]]:
    """(question, passage) of each of these cells of the pool."""
    chunks, texts = asked.pool.chunk[rows, columns], asked.tools.texts
    return [(asked.queries[row].text, texts[chunk]) for row, chunk in zip(rows.tolist(), chunks.tolist(), strict=True)]


class Pairs:
    """A pairwise reranker as what keeps vectors by text sees it: an encoder of one dimension, a pair is one text."""

    dim, dtype, max_tokens = 1, "float32", None

    def __init__(self, part: Pairwise) -> None:
        self.part, self.name = part, part.part
        self.identity, self.reads = part.identity, part.reads
        self.alike = part.reads_like() if isinstance(part, Pairwise) else ""

    def prefix(self, query: bool) -> str:
        return ""

    def load(self) -> "Pairs":
        return self

    def encode(self, texts: list[str], query: bool = False) -> Generator[tuple[np.ndarray, np.ndarray], None, None]:
        for indices, scores in self.part.read([tuple(text.split(APART, 1)) for text in texts]):
            yield indices, np.asarray(scores, np.float32)[:, None]


def above_the_rest(before: np.ndarray, rows: np.ndarray, columns: np.ndarray, scores: np.ndarray, weight: float) -> np.ndarray:
    """Scores [Q, P] float32: these cells by their new scores, with what is left of weight by those before, and above all
    others, which keep their order."""
    mixed = scores.astype(np.float64)
    if weight < 1.0:
        so_far = before[rows, columns].astype(np.float64)
        number = len(before)
        mixed = weight * scaled(rows, mixed, number) + (1 - weight) * scaled(rows, so_far, number)
    lowest = np.full(len(before), np.inf)
    np.minimum.at(lowest, rows, mixed)
    rest = before.copy()
    rest[rows, columns] = -np.inf
    highest = rest.max(axis=1, initial=-np.inf)
    # what stands behind is moved down as a whole, so that its best stays below the worst of these
    down = np.where(np.isfinite(highest) & np.isfinite(lowest), np.maximum(highest - lowest + 1.0, 0.0), 0.0)
    result = rest - down[:, None].astype(np.float32)
    if len(some := np.flatnonzero(_ties(result) > _ties(rest))):
        result[some] = _in_order(rest[some], result[some])
    result[rows, columns] = mixed
    return result


def _ties(scores: np.ndarray) -> np.ndarray:
    """Of each row of scores [Q, P] how many are equal to the next one [Q] int64."""
    ordered = np.sort(scores, axis=1)
    return (ordered[:, 1:] == ordered[:, :-1]).sum(axis=1)


def _in_order(before: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """The moved scores [Q, P] float32 in the order of those before: where rounding made different ones equal, they are set apart
    by the least that float32 knows."""
    scores, columns = unpack(np.sort(pack(before, np.arange(before.shape[1], dtype=np.int32)), axis=1)[:, ::-1])
    steps = np.zeros(scores.shape, np.int64)
    steps[:, 1:] = np.cumsum(scores[:, 1:] < scores[:, :-1], axis=1)
    numbers = pack(np.take_along_axis(moved, columns, axis=1), np.int64(0)) >> 32  # as integers, neighbours differ by 1
    numbers = np.minimum.accumulate(numbers + steps, axis=1) - steps
    np.put_along_axis(moved, columns, unpack(numbers << 32)[0], axis=1)
    return moved


def scaled(rows: np.ndarray, scores: np.ndarray, number: int) -> np.ndarray:
    """Within each question to 0 to 1; 1 where all are equal."""
    low, high = np.full(number, np.inf), np.full(number, -np.inf)
    np.minimum.at(low, rows, scores)
    np.maximum.at(high, rows, scores)
    span = (high - low)[rows]
    return np.where(span > 0, (scores - low[rows]) / np.where(span > 0, span, 1.0), 1.0)
