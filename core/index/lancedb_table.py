"""Approximate dense search in a LanceDB table."""

import sys
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from core.config import knob
from core.index.common import checked, score_of
from core.index.faiss_tools import lists
from core.index.protocol import Index, lists_knob, probed, probes_knob
from core.index.stores import Nearest, StoreSearcher, bytes_below, private_copy, stored, temporary_folder
from core.registry import part

_BLOCK = 20_000  # vectors handed over at a time
_FEWEST = 256  # rows below which LanceDB searches flat
_CACHE_BYTES = 256 * 2**20  # LanceDB's default is 6 GB


@part("index")
class LanceDB(Index):
    """A table on disk with an inverted file: the embedded vector store that keeps texts, columns and vectors together.

    Choose it to match an application that runs on it, or where a store on disk has to take changes and filters;
    `faiss_disk` searches the same lists faster. A question asked alone costs some 4 ms, most of it on the way to the engine;
    in a batch it is 10 times as fast. On 16,000 vectors ivf_flat was the fastest kind in batches, though it keeps the vectors
    twice; ivf_hnsw_sq with nlist 1, one plain graph, found the most for one question (0.997 of the nearest ten); codes
    (ivf_pq, ivf_rq) take half the disk, and training those of ivf_pq ten times as long. Fewer than 256 rows are searched
    flat, exactly. Rows added or changed are searched flat until they are a tenth, then sorted into the lists. A filter is
    written out id by id: 8,000 ids add some 50 ms to a call. It cannot be held to one thread, and no two builds are quite
    alike: its k-means takes no seed. It asks no network.
    Source: the format is Lance's; Jegou et al. 2011, "Product quantization for nearest neighbor search", section 4
    (ivf_flat, ivf_pq); Gao and Long 2024, "RaBitQ" (ivf_rq); Malkov and Yashunin 2018 (ivf_hnsw_sq).
    """

    order: ClassVar[int] = 70
    title: ClassVar[str] = "LanceDB"
    on_disk: ClassVar[bool] = True
    engine: ClassVar[str] = "lancedb"
    query_settings: ClassVar[tuple[str, ...]] = ("nprobe", "refine")
    part: Literal["lancedb"] = "lancedb"
    kind: Literal["ivf_flat", "ivf_pq", "ivf_rq", "ivf_hnsw_sq"] = knob(
        "ivf_flat",
        "What a list holds: vectors, product codes, codes of one bit a dimension, or a graph. Codes read less and lose some.",
    )
    nlist: int = lists_knob(65_536)
    nprobe: int = probes_knob()
    refine: int = knob(
        4,
        "So many times the results are fetched by their codes and ranked again by the vectors; no "
        "use to ivf_flat. More finds more, slower.",
        ge=1,
        le=100,
    )

    def import_engine(self) -> None:
        _lancedb()

    def grid(self, num_vectors: int, dim: int) -> dict[str, list[Any]]:
        return {"nprobe": probed(num_vectors), "refine": [1, 4]}

    def build(self, vectors: np.ndarray, folder: Path | None) -> "LanceDBSearcher":
        """Searcher of vectors [num_chunks, dim] float32; without a folder the table is a temporary one, removed at exit."""
        lancedb = _lancedb()
        vectors = checked(vectors, self.metric)
        nlist = lists(self.nlist, len(vectors))

        def fill(store: Path) -> None:
            table = lancedb.connect(str(store)).create_table("chunks", schema=_schema(vectors.shape[1]))
            table.add(_batches(np.arange(len(vectors)), vectors))
            if len(vectors) >= _FEWEST:
                _index(table, self, nlist)

        path = stored(folder or temporary_folder(), self, vectors, f"lancedb {lancedb.__version__}", "*", fill)
        return LanceDBSearcher(self, path, *vectors.shape, private=folder is None)


class LanceDBSearcher(StoreSearcher):
    """Over a table."""

    def __init__(self, settings: LanceDB, path: Path, num_chunks: int, dim: int, private: bool) -> None:
        super().__init__(settings, num_chunks, dim, private)
        self._open(path)

    def _open(self, path: Path) -> None:
        lancedb = _lancedb()
        self._session = lancedb.Session(index_cache_size_bytes=_CACHE_BYTES, metadata_cache_size_bytes=_CACHE_BYTES)
        self._path, self._table = path, lancedb.connect(str(path), session=self._session).open_table("chunks")

    @property
    def memory_bytes(self) -> int:
        """LanceDB's own cache of index and metadata; the pages of its files are the system's."""
        return self._session.size_bytes

    @property
    def disk_bytes(self) -> int:
        return bytes_below(self._path)

    def _nearest(self, queries: np.ndarray, depth: int, part: LanceDB, may: np.ndarray | None) -> Nearest:
        search = self._table.search(queries if len(queries) > 1 else queries[0]).select(["id", "_distance"])
        search = search.distance_type(_distance(part)).limit(depth).nprobes(part.nprobe)
        if self._settings.kind != "ivf_flat":
            search = search.refine_factor(part.refine)
        if may is not None:
            # as many lists more as it takes to find enough that are allowed
            search = search.where(_named(may), prefilter=True).maximum_nprobes(0)
        table = search.to_arrow()
        ids, score = table["id"].to_numpy(), score_of(table["_distance"].to_numpy(), part.metric)
        row = table["query_index"].to_numpy() if len(queries) > 1 else np.zeros(len(ids), np.int64)
        order = np.argsort(row, kind="stable")
        ends = np.searchsorted(row[order], np.arange(1, len(queries)))
        return zip(np.split(ids[order], ends), np.split(score[order], ends), strict=True)

    def _put(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        self._table.add(_batches(ids, vectors))
        self._sort_in()

    def _replace(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        self._table.merge_insert("id").when_matched_update_all().execute(_batches(ids, vectors))
        self._sort_in()

    def _delete(self, ids: np.ndarray) -> None:
        self._table.delete(f"id IN ({', '.join(map(str, ids))})")

    def _copy(self) -> None:
        self._open(private_copy(self._path))

    def _sort_in(self) -> None:
        """Sorts new rows into the lists when they are a tenth, and drops versions that no search reads any more."""
        for index in self._table.list_indices():
            if self._table.index_stats(index.name).num_unindexed_rows > max(_FEWEST, self.size // 10):
                self._table.optimize(cleanup_older_than=timedelta(minutes=1))


def _lancedb():
    _forget_data_sets()
    import lancedb

    return lancedb


def _forget_data_sets() -> None:
    """Whatever looks for Hugging Face's package `datasets` may leave our folder of data sets under its name, which Python
    takes for a package without a file. LanceDB, when it is imported and when rows are added, looks for classes in it."""
    module = sys.modules.get("datasets")
    if module and module.__spec__ and not module.__spec__.has_location:
        del sys.modules["datasets"]


def _schema(dim: int):
    import pyarrow

    return pyarrow.schema([("id", pyarrow.int32()), ("vector", pyarrow.list_(pyarrow.float32(), dim))])


def _batches(ids: np.ndarray, vectors: np.ndarray):
    """Arrow reader of ids [n] and vectors [n, dim]."""
    import pyarrow

    _forget_data_sets()
    schema = _schema(vectors.shape[1])

    def blocks() -> Generator:
        for first in range(0, len(ids), _BLOCK):
            block = slice(first, first + _BLOCK)
            flat = pyarrow.array(vectors[block].ravel())
            columns = [pyarrow.array(ids[block].astype(np.int32)), pyarrow.FixedSizeListArray.from_arrays(flat, vectors.shape[1])]
            yield pyarrow.record_batch(columns, schema=schema)

    return pyarrow.RecordBatchReader.from_batches(schema, blocks())


def _index(table, settings: LanceDB, nlist: int) -> None:
    from lancedb.index import HnswSq, IvfFlat, IvfPq, IvfRq

    kinds = {"ivf_flat": IvfFlat, "ivf_pq": IvfPq, "ivf_rq": IvfRq, "ivf_hnsw_sq": HnswSq}
    table.create_index("vector", config=kinds[settings.kind](distance_type=_distance(settings), num_partitions=nlist))


def _distance(settings: LanceDB) -> str:
    """LanceDB's name; cosine is the dot product of normalised vectors."""
    return "l2" if settings.metric == "l2" else "dot"


def _named(may: np.ndarray) -> str:
    """SQL that names the rows that may be found, or the others where they are fewer."""
    word, rows = ("IN", may) if 2 * may.sum() <= len(may) else ("NOT IN", ~may)
    return f"id {word} ({', '.join(map(str, np.flatnonzero(rows)))})" if rows.any() else "true"
