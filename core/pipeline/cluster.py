"""Texts embedded by several machines: each worker of a Ray cluster reads shares of them and keeps the vectors in the shared data folder.

A share becomes a file of vectors, whole or absent (`core/embedding/vectors.py`). So a worker that is killed costs what it read in the
last seconds, which another reads again; and a job that is killed goes on with the texts that have no vector yet.
"""

from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple

from core.config import PartConfig, TrialConfig
from core.embedding.vectors import embed, missing
from core.errors import WorkbenchError
from core.jobs.ray_crew import RayCrew
from core.pipeline.pipeline import Pipeline
from core.records import Progress

SHARE = 256  # texts: seconds of work, so that workers end together
HEARD_S = 0.2


class TextShare(NamedTuple):
    """Some of the texts."""

    number: int
    encoder: PartConfig
    texts: list[str]
    folder: str  # of the vectors

    def failed(self, error: WorkbenchError) -> WorkbenchError:
        return error


class EmbeddedShare(NamedTuple):
    texts: int
    encoder: str  # identity of what read them


class ShareReader(NamedTuple):
    """What a worker does."""

    def read(self, share: TextShare) -> Generator[Progress, None, EmbeddedShare]:
        yield from embed(share.encoder, share.texts, Path(share.folder))
        return EmbeddedShare(len(share.texts), share.encoder.identity())


def embed_on_cluster(
    pipeline: Pipeline, config: TrialConfig, workers: int = 0, address: str = ""
) -> Generator[Progress, None, int]:
    """How many of the recipe's chunks were read by the workers; those that have a vector are not read again."""
    run = yield from pipeline.resolve(config)
    if config.embedding.learns:  # reads the corpus as a whole; what it makes of a text is a sum
        return 0
    texts = yield from pipeline.texts(run)
    unseen = missing(config.embedding, texts, pipeline.vectors_folder)
    yield from spread(config.embedding, unseen, pipeline.vectors_folder, pipeline.home, workers, address)
    return len(unseen)


def spread(
    encoder: PartConfig, texts: list[str], folder: Path, home: Path, workers: int, address: str
) -> Generator[Progress, None, None]:
    """Has the texts read, those of like length together, long ones first. folder: of the vectors, at the same path on all machines."""
    texts = sorted(texts, key=len, reverse=True)
    shares = [
        TextShare(number, encoder, texts[first : first + SHARE], str(folder))
        for number, first in enumerate(range(0, len(texts), SHARE))
    ]
    if not shares:
        return
    yield Progress(0, len(texts), "Starting")
    crew = RayCrew(home, workers, address, ShareReader(), "read")
    message, done, left = f"Reading texts by {crew.size} workers", 0, len(shares)
    waiting = iter(shares)
    try:
        while left:
            for worker, share in zip(crew.free(), waiting):  # noqa: B905, as many as there are of both
                crew.give(worker, share)
            for said in crew.heard(HEARD_S):
                if isinstance(said, WorkbenchError):
                    raise said
                if isinstance(said, EmbeddedShare):
                    _check(said, encoder)
                    done, left = done + said.texts, left - 1
                yield Progress(done, len(texts), said.message if isinstance(said, Progress) else message)
            yield Progress(done, len(texts), message)
    finally:
        crew.close()


def _check(share: EmbeddedShare, encoder: Any) -> None:
    if share.encoder != encoder.identity():
        raise WorkbenchError(
            "A machine of the cluster embeds in another way: other code, weights or numbers.",
            where="embedding",
            todo="Use the same commit and packages on all, and name embedding.dtype where processors differ.",
        )
