"""What every index part is. `docs/adding_a_part.md` shows the smallest one, `tests/contract/test_indexes.py` holds all."""

from abc import ABC, abstractmethod
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from core.config import PartConfig, knob
from core.records import Candidates


class Searcher(ABC):
    """What an index part builds. Searched by several threads at once, also while one of them changes it."""

    dim: int
    size: int  # vectors that can be found
    memory_bytes: int
    disk_bytes: int = 0
    dead: int | None = None  # vectors removed or replaced that still take their place; None: it does not tell

    @abstractmethod
    def search(
        self,
        queries: np.ndarray,
        depth: int,
        tie_order: np.ndarray | None = None,
        *,
        settings: PartConfig | None = None,
        among: np.ndarray | None = None,
    ) -> Candidates:
        """The `depth` nearest rows of each query vector [num_queries, dim] float32, fewer where there are fewer.

        Scores are those of `exact`: higher is better. Among equal scores the larger tie_order [num_ids] ranks first
        (None: the larger id). settings: a part whose query settings hold for this call (default: those it was built
        with). among [num_ids] bool: which rows may be found.
        """

    @abstractmethod
    def add(self, vectors: np.ndarray) -> np.ndarray:
        """Ids [n] int32 of the new vectors [n, dim]; ids are rows, counted on, and never used twice."""

    @abstractmethod
    def remove(self, ids: np.ndarray) -> None:
        """Ids that are not in the index, or are named twice, are a WorkbenchError."""

    @abstractmethod
    def update(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """Puts vectors [n, dim] in the place of those with these ids [n]."""


class Index(PartConfig):
    """Base of index parts: `build` is theirs to write, the rest where it differs from what stands here.

    A knob that `query_settings` names changes a search, any other the build: one build serves every value of a query
    setting. Vectors and questions are checked by `checked` and `asked`, results put in order by `ordered` (common.py).
    """

    order: ClassVar[int] = 100  # among the indexes, which is the order of their colours in charts too
    title: ClassVar[str] = ""  # as a legend says it; "": the part's name
    preset: ClassVar[str] = ""  # on its button beside those of other indexes; "": it has none
    on_disk: ClassVar[bool] = False  # it searches files, which without a folder are temporary ones
    inside: ClassVar[bool] = False  # its searcher's `_index` is a graph or lists of FAISS, which can be read out and drawn
    engine: ClassVar[str] = ""  # the package that builds and searches, imported before a build is timed; "": numpy alone
    quick: ClassVar[bool] = False  # to build, for all that it has an engine: a page need not start a job for it
    query_settings: ClassVar[tuple[str, ...]] = ()  # the one that decides recall most first
    metric: Literal["cosine", "dot", "l2"] = knob(
        "cosine",
        "Similarity of question and chunk: cosine ignores length, dot rewards it. On normalised vectors all three rank alike.",
    )

    @abstractmethod
    def build(self, vectors: np.ndarray, folder: Path | None) -> Searcher:
        """Searcher of vectors [num_chunks, dim] float32; chunk i is row i. The vectors stay as they are.

        With a folder it is saved there, and a saved one of the same vectors, build settings and engine is opened
        instead; a damaged or stale file is built anew. With folder None nothing is left on the disk.
        """

    def grid(self, num_vectors: int, dim: int) -> dict[str, list[Any]]:
        """Settings whose sweep shows the trade-off, with values that so many vectors of so many dimensions allow."""
        return {}

    def import_engine(self) -> None:
        """Loads the package, so that a build's time does not hold it."""
        import_module(self.engine)

    def reads_vectors(self) -> bool:
        """Whether a search reads the vectors that the index was built from, which have to be at hand then."""
        return False


def lists_knob(most: int = 262_144) -> Any:
    return knob(
        0,
        "Lists that k-means makes; 0: 4 times the root of the number of vectors. More are shorter, need more "
        "nprobe and train longer.",
        unit="lists",
        automatic=True,
        ge=0,
        le=most,
    )


def probes_knob() -> Any:
    return knob(16, "Lists a question looks into. More finds more of the true neighbours, slower.", unit="lists", ge=1, le=4096)


def probed(num_vectors: int) -> list[int]:
    """Numbers of lists to look into, for a grid: no more than there are."""
    return [number for number in (1, 2, 4, 8, 16, 32) if number <= 4 * num_vectors**0.5]
