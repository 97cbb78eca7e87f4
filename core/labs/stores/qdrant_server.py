"""Qdrant as a server, where the user has one."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, ClassVar
from uuid import NAMESPACE_OID, uuid4, uuid5

import numpy as np

from core.index.qdrant import Qdrant
from core.index.qdrant_server import QdrantServer
from core.index.stores import PREFIX
from core.labs.stores.store import Absent, BenchStore, RunningStore, missing_module


class QdrantServerStore(BenchStore):
    """A server that is not ours: its collections of a run are named by it, and dropped at the end; it is never killed."""

    name: ClassVar[str] = "qdrant_server"
    title: ClassVar[str] = "Qdrant (server)"
    family: ClassVar[str] = "qdrant"
    serves: ClassVar[bool] = True
    durable_setting: ClassVar[str] = "as its server is set"
    usual_effort: ClassVar[int] = 100  # its ef_construct
    part: ClassVar[Qdrant] = Qdrant(metric="dot")

    @classmethod
    def absent(cls, servers: dict[str, str]) -> Absent | None:
        if cls.family not in servers:
            command = "Put its URL into an environment variable, say QDRANT, and add --qdrant QDRANT."
            return Absent("It is not installed by pip, and no server was named.", command)
        return missing_module(cls.title, "qdrant_client")

    @classmethod
    @contextmanager
    def running(cls, folder: Any, servers: dict[str, str]) -> Iterator[RunningStore]:
        store = cls(f"{servers[cls.family]} {uuid4().hex[:12]}")
        try:
            yield RunningStore(store.place)
        finally:
            for name in (store._rows, store._memory):
                store._drop(name)

    @classmethod
    def version(cls) -> str:
        from core.registry import installed

        return f"by qdrant-client {installed('qdrant-client')}"

    @cached_property
    def _server(self) -> QdrantServer:
        return QdrantServer(self.place.partition(" ")[0])

    def _named(self, what: str) -> str:
        return f"{PREFIX}bench_{self.place.partition(' ')[2]}_{what}"

    @property
    def _rows(self) -> str:
        return self._named("rows")

    @property
    def _memory(self) -> str:
        return self._named("memory")

    def _drop(self, name: str) -> None:
        with self._server.told():
            if self._server.ours(name):
                self._server.client.delete_collection(name)

    def create(self, dim: int, effort: int = 0) -> None:
        self._drop(self._rows)
        with self._server.told():
            self._server.create(self._rows, self.part, dim)
            self._server.client.create_payload_index(self._rows, "bucket", self._server.models.PayloadSchemaType.INTEGER)

    def load(self, ids: np.ndarray, vectors: np.ndarray, buckets: np.ndarray) -> None:
        with self._server.told():
            self._server.upsert(self._rows, ids, vectors, [{"bucket": bucket} for bucket in buckets.tolist()])

    def index(self) -> None:
        with self._server.told():
            self._server.settle(self._rows)

    def update(self, row: int, vector: np.ndarray, bucket: int) -> None:
        self.insert(row, vector, bucket)

    def delete(self, row: int) -> None:
        with self._server.told():
            self._server.client.delete(self._rows, self._server.models.PointIdsList(points=[row]), wait=True)

    def search(self, query: np.ndarray, k: int, effort: int, below: int | None = None) -> list[int]:
        models, only = self._server.models, None
        if below is not None:
            only = models.Filter(must=[models.FieldCondition(key="bucket", range=models.Range(lt=below))])
        how = models.SearchParams(hnsw_ef=effort)
        with self._server.told():
            answer = self._server.client.query_points(
                self._rows, query.tolist(), limit=k, search_params=how, query_filter=only, with_payload=False
            )
        return [point.id for point in answer.points]

    def ids(self) -> set[int]:
        ids, offset = set(), None
        with self._server.told():
            while True:
                records, offset = self._server.client.scroll(self._rows, limit=10_000, offset=offset, with_payload=False)
                ids |= {record.id for record in records}
                if offset is None:
                    return ids

    def size(self) -> int:
        return 0  # it does not tell that of a collection

    def close(self) -> None:
        if server := self.__dict__.pop("_server", None):
            server.client.close()

    def remember(self, keys: list[str], value: str) -> None:
        self._drop(self._memory)
        with self._server.told():
            self._server.create(self._memory, self.part, 2)
            points = self._server.models.Batch(
                ids=list(map(_id, keys)),
                vectors=[[1.0, 1.0]] * len(keys),  # it holds no text without a vector
                payloads=[{"value": value}] * len(keys),
            )
            self._server.client.upsert(self._memory, points, wait=True)

    def read(self, key: str) -> str:
        with self._server.told():
            return self._server.client.retrieve(self._memory, [_id(key)])[0].payload["value"]

    def write(self, key: str, value: str) -> None:
        with self._server.told():
            self._server.client.set_payload(self._memory, {"value": value}, points=[_id(key)], wait=True)


def _id(key: str) -> str:
    return str(uuid5(NAMESPACE_OID, key))
