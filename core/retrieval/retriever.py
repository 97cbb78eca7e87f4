"""What every retriever is. `docs/adding_a_part.md` shows the smallest one, `tests/contract/test_retrievers.py` holds all."""

from abc import abstractmethod
from collections.abc import Callable, Generator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from core.config import PartConfig
from core.errors import broken_part
from core.records import Candidates, Progress
from core.retrieval.top import best

BLOCK = 1 << 24  # scores held at a time


class RetrieverTools(NamedTuple):
    """What a retriever may use."""

    texts: list[str]  # of the chunks
    encoder: Any  # the recipe's, fitted
    embed: Callable[..., Generator[Progress, None, np.ndarray]]  # (encoder part, texts, query=False): vectors [n, dim] float32


class Finder(PartConfig):
    """Base of all that stands in a place for retrievers."""

    row: ClassVar[str] = ""  # the stage that finds its candidates, by settings of its own fields; "": that of its place
    encodes: ClassVar[bool] = False  # its scores come from vectors of the recipe's encoder
    quick: ClassVar[bool] = False  # making it ready and searching a corpus take no longer than a page may wait

    def identity(self) -> str:
        """All that decides its scores beside the knobs and the texts: of a model its file. Imports no engine."""
        return ""


class Retriever(Finder):
    """Base of retrievers that a recipe lists beside, or in the place of, the sparse and the dense one."""

    order: ClassVar[int] = 100

    @abstractmethod
    def build(self, tools: RetrieverTools) -> Generator[Progress, None, Any]:
        """What `scores` reads, made of the chunks' texts and remembered."""

    @abstractmethod
    def scores(self, built: Any, questions: list[str], tools: RetrieverTools) -> Generator[Progress, None, np.ndarray]:
        """[num_questions, num_chunks] float32, higher is better; -inf where a chunk is not found. A row depends on nothing but
        its question."""


def search(
    part: Retriever,
    built: Any,
    questions: Sequence[str],
    masks: Sequence[np.ndarray] | None,
    depth: int,
    ties: np.ndarray,
    tools: RetrieverTools,
) -> Generator[Progress, None, Candidates]:
    """The best chunks of each question. masks: of each question the chunks [num_chunks] bool that it may find; None: all."""
    width, step = min(depth, len(ties)), max(1, BLOCK // max(1, len(ties)))
    chunk, score = np.full((len(questions), width), -1, np.int32), np.full((len(questions), width), np.nan, np.float32)
    for at in range(0, len(questions), step):
        rows = slice(at, at + step)
        scores = yield from part.scores(built, list(questions[rows]), tools)
        shape = len(questions[rows]), len(ties)
        if np.shape(scores) != shape or scores.dtype != np.float32 or not scores.max(initial=-np.inf) < np.inf:
            what = f"gives {np.asarray(scores).dtype} scores of shape {np.shape(scores)} for {shape}, or NaN among them"
            raise broken_part("retriever", part.part, what)
        top = best(scores if masks is None else np.where(np.stack(masks[rows]), scores, -np.inf), width, ties)
        chunk[rows, : top.chunk.shape[1]], score[rows, : top.score.shape[1]] = top.chunk, top.score
        yield Progress(min(at + step, len(questions)), len(questions), "Searching the chunks")
    return Candidates(chunk, score)
