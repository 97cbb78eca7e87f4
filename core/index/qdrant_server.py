"""Qdrant as a server, by the URL that an environment variable holds: its collections, and a searcher over one.

A key for it is in the variable of the same name with _API_KEY. Neither is stored or told. Each collection of ours says so in its metadata.
"""

import os
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from core import files
from core.errors import WorkbenchError
from core.index.common import rounded
from core.index.postgres_server import absent
from core.index.stores import Nearest, ServerSearcher, StoreServer

OURS = "groundwork"  # entry of a collection's metadata
WAIT_S = 60  # for an answer
BUILD_S = 3600
_BATCH = 1000  # points handed over at a time


def scores_of(scores: list[float], metric: str) -> np.ndarray:
    """The scores that `exact` gives, of Qdrant's: a product, or for l2 the length between."""
    scores = np.array(scores, np.float32)
    return -scores if metric == "l2" else rounded(scores) if metric == "cosine" else scores


def served(part: Any, vectors: np.ndarray, folder: Path | None) -> "QdrantServerSearcher":
    """Searcher over a collection of the server that `part.server` names. What is saved is there, not in the folder; without a folder
    it is a collection of this searcher's own, dropped with it."""
    server = QdrantServer(part.server)
    return QdrantServerSearcher(part, server, server.table(part, vectors, folder), *vectors.shape, private=folder is None)


class QdrantServer(StoreServer):
    """Its collections."""

    noun: ClassVar[str] = "collection"

    def __init__(self, variable: str) -> None:
        try:
            import qdrant_client
        except ImportError as error:
            raise absent("A Qdrant server", error) from error
        if not (url := os.environ.get(variable)):
            raise WorkbenchError(
                f"The environment variable {variable} holds no address of a Qdrant server.",
                where=variable,
                todo="Put its URL there, or leave index.server empty: then the engine runs in this process.",
            )
        self._variable, self.models = variable, qdrant_client.models
        try:
            key = os.environ.get(f"{variable}_API_KEY")
            self.client = qdrant_client.QdrantClient(url=url, api_key=key, timeout=WAIT_S, check_compatibility=False)
        except Exception:  # whatever reads an address; what it says may hold it
            raise WorkbenchError(
                "The address of the Qdrant server cannot be read.", where=variable, todo="It begins with http:// or https://."
            ) from None
        super().__init__()

    @contextmanager
    def told(self) -> Generator[None, None, None]:
        """What the server refuses, or its silence, in words; the client's own error may hold the address."""
        from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

        try:
            yield
        except ResponseHandlingException as error:
            said = f"no answer ({type(error.source).__name__})"
        except UnexpectedResponse as error:
            said = f"{error.status_code} {_said(error.content)}"
        except ApiException as error:
            said = type(error).__name__
        else:
            return
        raise WorkbenchError(f"Qdrant failed: {said}.", where=self._variable, todo="Look at the server, and try again.")

    def holds(self, name: str, of: str, rows: int) -> bool:
        with self.told():
            if not self.ours(name):
                return False
            told = self.client.get_collection(name).config.metadata[OURS]
            if told == of and self.client.count(name, exact=True).count == rows:
                return True
            self.client.delete_collection(name)
            return False

    def ours(self, name: str) -> bool:
        """Whether a collection of this name is there. WorkbenchError where it is not ours."""
        if not self.client.collection_exists(name):
            return False
        if OURS not in (self.client.get_collection(name).config.metadata or {}):
            raise WorkbenchError(
                f"The server has a collection {name} that is not Groundwork's, and it is left alone.",
                where=name,
                todo="Rename that collection, or name another server.",
            )
        return True

    def fill(self, name: str, part: Any, vectors: np.ndarray, of: str) -> None:
        with self.told():
            self.create(name, part, vectors.shape[1])
            self.upsert(name, np.arange(len(vectors)), vectors)
            self.settle(name)
            self.client.update_collection(name, metadata={OURS: of})

    def create(self, name: str, part: Any, dim: int) -> None:
        models = self.models
        distance = (
            models.Distance.EUCLID if part.metric == "l2" else models.Distance.DOT
        )  # of normalised vectors it is the cosine
        self.client.create_collection(
            name,
            vectors_config=models.VectorParams(size=dim, distance=distance),
            # sizes in KB, above which there is a graph and it is walked: the least that the server takes
            hnsw_config=models.HnswConfigDiff(m=part.m, ef_construct=part.ef_construction, full_scan_threshold=10),
            optimizers_config=models.OptimizersConfigDiff(indexing_threshold=1, default_segment_number=1),
            metadata={OURS: "being built"},
        )

    def upsert(self, name: str, ids: np.ndarray, vectors: np.ndarray, payloads: list[dict[str, Any]] | None = None) -> None:
        for first in range(0, len(ids), _BATCH):
            block = slice(first, first + _BATCH)
            about = payloads[block] if payloads else None
            rows = self.models.Batch(ids=ids[block].tolist(), vectors=vectors[block].tolist(), payloads=about)
            self.client.upsert(name, rows, wait=True)

    def settle(self, name: str) -> None:
        """Until the graph holds all rows, as the server says."""
        until = time.monotonic() + BUILD_S
        while self.client.get_collection(name).status != "green":
            if time.monotonic() > until:
                raise WorkbenchError("Qdrant does not finish its index.", where=name, todo="Look at the server's log.")
            time.sleep(0.1)

    def copy(self, name: str, new: str, part: Any, rows: int, dim: int) -> None:
        offset = None
        with self.told():
            self.create(new, part, dim)
            while True:
                records, offset = self.client.scroll(name, limit=_BATCH, offset=offset, with_payload=False, with_vectors=True)
                self.upsert(new, np.array([record.id for record in records]), np.array([record.vector for record in records]))
                if offset is None:
                    break
            self.settle(new)

    def building(self, folder: Path) -> AbstractContextManager[Any]:
        return files.hold(folder / "building", purpose="building an index", seconds=BUILD_S, what="index")

    def _remove(self, name: str) -> None:
        with self.told():
            self.client.delete_collection(name)


def _said(content: bytes) -> str:
    """The server's own words."""
    with suppress(WorkbenchError, KeyError, TypeError):
        return str(files.read_json(content, of=dict)["status"]["error"])[:200].rstrip(".")
    return "no reason given"


class QdrantServerSearcher(ServerSearcher):
    """Over a collection of a server."""

    @property
    def memory_bytes(self) -> int:
        """An estimate, as the server does not tell that of a collection: the vectors, and two links of four bytes for each of m."""
        return max(self.size, 1) * (4 * self.dim + 8 * self._settings.m)

    def _nearest(self, queries: np.ndarray, depth: int, part: Any, may: np.ndarray | None) -> Nearest:
        models = self._server.models
        only = may if may is None else models.Filter(must=[models.HasIdCondition(has_id=np.flatnonzero(may).tolist())])
        params = models.SearchParams(hnsw_ef=part.ef_search, acorn=models.AcornSearchParams(enable=part.acorn))
        asked = [models.QueryRequest(query=query.tolist(), limit=depth, params=params, filter=only) for query in queries]
        with self._server.told():
            answers = self._server.client.query_batch_points(self._name, asked)
        for points in (answer.points for answer in answers):
            yield [point.id for point in points], scores_of([point.score for point in points], part.metric)

    def _put(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        with self._server.told():
            self._server.upsert(self._name, ids, vectors)

    _replace = _put

    def _delete(self, ids: np.ndarray) -> None:
        with self._server.told():
            self._server.client.delete(self._name, self._server.models.PointIdsList(points=ids.tolist()), wait=True)
