"""Stores that are a library of the process: FAISS, LanceDB, Qdrant's engine."""

from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from core.index.faiss_hnsw import FaissHNSW
from core.index.lancedb_table import LanceDB
from core.index.qdrant import opened_edge
from core.index.stores import bytes_below
from core.labs.stores.store import Absent, BenchStore, missing_module
from core.registry import installed


class FaissStore(BenchStore):
    """The library alone, in memory: what all others are held against. It is no store."""

    name: ClassVar[str] = "faiss"
    title: ClassVar[str] = "FAISS HNSW"
    several: ClassVar[bool] = False
    lasts: ClassVar[bool] = False
    durable_setting: ClassVar[str] = "none: in memory"

    @classmethod
    def version(cls) -> str:
        return f"faiss-cpu {installed('faiss-cpu')}"

    def create(self, dim: int, effort: int = 0) -> None:
        self._part = FaissHNSW(metric="dot")
        self._searcher, self._row, self._buckets = None, [], np.empty(0, np.int64)
        self._place = {}

    def load(self, ids: np.ndarray, vectors: np.ndarray, buckets: np.ndarray) -> None:
        if self._searcher is None:
            self._searcher = self._part.build(vectors, None)
            places = range(len(vectors))
        else:
            places = self._searcher.add(vectors).tolist()
        self._row += ids.tolist()
        self._place |= dict(zip(ids.tolist(), places, strict=True))
        self._buckets = np.append(self._buckets, buckets)

    def update(self, row: int, vector: np.ndarray, bucket: int) -> None:
        self._searcher.update(np.array([self._place[row]]), vector[None])
        self._buckets[self._place[row]] = bucket

    def delete(self, row: int) -> None:
        self._searcher.remove(np.array([self._place.pop(row)]))

    def search(self, query: np.ndarray, k: int, effort: int, below: int | None = None) -> list[int]:
        among = None if below is None else self._buckets < below
        settings = self._part.model_copy(update={"ef_search": effort})
        places = self._searcher.search(query[None], k, settings=settings, among=among).chunk[0]
        return [self._row[place] for place in places.tolist() if place >= 0]

    def ids(self) -> set[int]:
        return set(self._place)

    def size(self) -> int:
        return self._searcher.memory_bytes


class LanceStore(BenchStore):
    """A table of files, which several processes write by taking turns at its versions."""

    name: ClassVar[str] = "lancedb"
    title: ClassVar[str] = "LanceDB"
    durable_setting: ClassVar[str] = "a version of the table a commit, files without fsync"
    effort: ClassVar[str] = "nprobes"
    efforts: ClassVar[tuple[int, ...]] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
    usual_effort: ClassVar[int] = 20

    @classmethod
    def version(cls) -> str:
        return f"lancedb {installed('lancedb')}"

    @cached_property
    def _database(self) -> Any:
        LanceDB().import_engine()  # sees to what stands in its way
        import lancedb

        return lancedb.connect(self.place, read_consistency_interval=timedelta(0))  # a search sees what others have committed

    @cached_property
    def _table(self) -> Any:
        return self._database.open_table("rows")

    def create(self, dim: int, effort: int = 0) -> None:
        import pyarrow

        fields = [("id", pyarrow.int64()), ("bucket", pyarrow.int32()), ("vector", pyarrow.list_(pyarrow.float32(), dim))]
        self._database.drop_table("rows", ignore_missing=True)  # to overwrite it would leave its files
        self._database.create_table("rows", schema=pyarrow.schema(fields))
        self.__dict__.pop("_table", None)

    def load(self, ids: np.ndarray, vectors: np.ndarray, buckets: np.ndarray) -> None:
        self._table.add(self._rows(ids, vectors, buckets))

    def _rows(self, ids: np.ndarray, vectors: np.ndarray, buckets: np.ndarray) -> Any:
        import pyarrow

        flat = pyarrow.array(np.ascontiguousarray(vectors, np.float32).ravel())
        vector = pyarrow.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
        columns = [pyarrow.array(ids.astype(np.int64)), pyarrow.array(buckets.astype(np.int32)), vector]
        return pyarrow.Table.from_arrays(columns, names=["id", "bucket", "vector"])

    def index(self) -> None:
        from lancedb.index import BTree, IvfFlat

        if not (rows := self._table.count_rows()):
            return
        if rows >= 256:  # fewer it searches one by one
            self._table.create_index("vector", config=IvfFlat(distance_type="dot", num_partitions=round(4 * rows**0.5)))
        self._table.create_index("bucket", config=BTree())

    def update(self, row: int, vector: np.ndarray, bucket: int) -> None:
        rows = self._rows(np.array([row]), vector[None], np.array([bucket]))
        self._table.merge_insert("id").when_matched_update_all().execute(rows)

    def delete(self, row: int) -> None:
        self._table.delete(f"id = {row}")

    def search(self, query: np.ndarray, k: int, effort: int, below: int | None = None) -> list[int]:
        search = self._table.search(query).distance_type("dot").select(["id", "_distance"]).limit(k).nprobes(effort)
        if below is not None:
            search = search.where(f"bucket < {below}", prefilter=True)
        return search.to_arrow()["id"].to_pylist()

    def ids(self) -> set[int]:
        return set(self._table.to_arrow()["id"].to_pylist())

    def size(self) -> int:
        return bytes_below(Path(self.place))

    @cached_property
    def _memory(self) -> Any:
        return self._database.open_table("memory")

    def remember(self, keys: list[str], value: str) -> None:
        self._database.create_table("memory", [{"key": key, "value": value} for key in keys], mode="overwrite")
        self.__dict__.pop("_memory", None)

    def read(self, key: str) -> str:
        return self._memory.search().where(f"key = '{key}'").limit(1).to_arrow()["value"][0].as_py()

    def write(self, key: str, value: str) -> None:
        self._memory.update(where=f"key = '{key}'", values={"value": value})


class QdrantStore(BenchStore):
    """Qdrant's engine without its server: a shard that one process has open."""

    name: ClassVar[str] = "qdrant"
    title: ClassVar[str] = "Qdrant (in process)"
    family: ClassVar[str] = "qdrant_edge"
    several: ClassVar[bool] = False
    durable_setting: ClassVar[str] = "write-ahead log"
    relaxed_setting: ClassVar[str] = "no write-ahead log"

    @classmethod
    def absent(cls, servers: dict[str, str]) -> Absent | None:
        return missing_module(cls.title, "qdrant_edge")

    @classmethod
    def version(cls) -> str:
        return f"qdrant-edge-py {installed('qdrant-edge-py')}"

    @cached_property
    def _shard(self) -> Any:
        return opened_edge().EdgeShard.load(self.place)

    def create(self, dim: int, effort: int = 0) -> None:
        from core import files

        edge = opened_edge()
        self.close()
        files.discard(Path(self.place))
        Path(self.place).mkdir(parents=True)
        config = edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(size=dim, distance=edge.Distance.Dot),
            hnsw_config=edge.HnswIndexConfig(m=16, ef_construct=100, full_scan_threshold=10_000),
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=1, default_segment_number=1),
            wal_enabled=self.durable,
        )
        self.__dict__["_shard"] = edge.EdgeShard.create(self.place, config)
        self._shard.update(edge.UpdateOperation.create_field_index("bucket", edge.PayloadSchemaType.Integer))

    def load(self, ids: np.ndarray, vectors: np.ndarray, buckets: np.ndarray) -> None:
        edge = opened_edge()
        for first in range(0, len(ids), 2000):
            block = slice(first, first + 2000)
            rows = zip(ids[block].tolist(), vectors[block].tolist(), buckets[block].tolist(), strict=True)
            points = [edge.Point(row, vector, {"bucket": bucket}) for row, vector, bucket in rows]
            self._shard.update(edge.UpdateOperation.upsert_points(points))

    def index(self) -> None:
        self._shard.optimize()
        self._shard.flush()

    def update(self, row: int, vector: np.ndarray, bucket: int) -> None:
        self.insert(row, vector, bucket)

    def delete(self, row: int) -> None:
        self._shard.update(opened_edge().UpdateOperation.delete_points([row]))

    def search(self, query: np.ndarray, k: int, effort: int, below: int | None = None) -> list[int]:
        edge, only = opened_edge(), None
        if below is not None:
            only = edge.Filter(must=[edge.FieldCondition(key="bucket", range=edge.RangeFloat(lt=below))])
        asked = edge.QueryRequest(
            query=edge.Query.Nearest(query.tolist()), limit=k, params=edge.SearchParams(hnsw_ef=effort), filter=only
        )
        return [point.id for point in self._shard.query(asked)]

    def ids(self) -> set[int]:
        edge = opened_edge()
        number = max(1, self._shard.count(edge.CountRequest()))
        return {record.id for record in self._shard.scroll(edge.ScrollRequest(limit=number))[0]}

    def size(self) -> int:
        return bytes_below(Path(self.place))

    def close(self) -> None:
        if shard := self.__dict__.pop("_shard", None):
            shard.close()
