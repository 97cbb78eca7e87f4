"""Approximate dense search in an inverted file that stays on disk, by FAISS."""

import ctypes
import mmap
from collections.abc import Generator
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, ClassVar, Literal

import numpy as np

from core.config import knob
from core.errors import WorkbenchError
from core.index.common import SavedIndex, asked, checked, confirmed, ordered, permitted, rounded, vectors_identity
from core.index.faiss_tools import kind, lists, sampled
from core.index.protocol import Index, Searcher, lists_knob, probed
from core.index.stores import temporary_folder
from core.records import Candidates
from core.registry import part
from core.retrieval.top import best

_BLOCK = 50_000  # vectors in memory at a time while building
_SAMPLE = 40  # vectors a list that k-means learns from
_MAPPED_BYTES = 192 * 2**20  # of the file, touched before its pages are given back


@part("index")
class FaissDisk(Index):
    """The lists of `faiss_ivf` in a file that is mapped, not read: a search touches the pages of the lists it looks into.

    Choose it where the vectors do not fit in memory, or several processes share one index: beside the centres of the lists
    at most some 300 MB of the file are resident at a time, as pages are given back after so many bytes were touched (the
    system keeps them in its cache while there is room). Slower than `faiss_ivf` by the page faults, and by the disk when
    that cache is cold. It is built in blocks of 50,000, from an array that may itself be mapped. Added and changed vectors
    are held in memory and compared exactly until the index is rebuilt.
    Source: Jegou et al. 2011, "Product quantization for nearest neighbor search", section 4 (inverted file); Douze et al.
    2024, "The Faiss library", section 5 (IVF, scalar quantiser, lists on disk).
    """

    order: ClassVar[int] = 60
    title: ClassVar[str] = "FAISS IVF on disk"
    inside: ClassVar[bool] = True
    on_disk: ClassVar[bool] = True
    engine: ClassVar[str] = "faiss"
    query_settings: ClassVar[tuple[str, ...]] = ("nprobe",)
    part: Literal["faiss_disk"] = "faiss_disk"
    nlist: int = lists_knob()
    storage: Literal["float32", "float16", "int8"] = knob(
        "float32",
        "Number format in the file. float16 is half of float32 and ranks nearly as it does; int8 is a quarter, and loses some.",
    )
    nprobe: int = knob(
        16,
        "Lists a question looks into. More finds more of the true neighbours, and reads more of the file.",
        unit="lists",
        ge=1,
        le=4096,
    )

    def grid(self, num_vectors: int, dim: int) -> dict[str, list[Any]]:
        return {"storage": ["float32", "int8"], "nprobe": probed(num_vectors)}

    def build(self, vectors: np.ndarray, folder: Path | None) -> "FaissDiskSearcher":
        """Searcher of vectors [num_chunks, dim] float32; without a folder the file is a temporary one, removed at exit."""
        import faiss

        nlist = lists(self.nlist, len(vectors)) or 1
        checked(vectors[:1], self.metric)
        identity = "".join(vectors_identity(block) for _, block in _blocks(vectors)).encode()
        identity = np.frombuffer(identity, np.uint8)
        saved = SavedIndex(folder or temporary_folder(), self, identity, f"faiss {faiss.__version__}")
        path = saved.file() or saved.write(lambda path: self._write(vectors, nlist, path))
        return FaissDiskSearcher(self, path, vectors.shape)

    def _write(self, vectors: np.ndarray, nlist: int, path: Path) -> None:
        """Two passes over the checked vectors: into which list each goes, then its code to its place in the file."""
        import faiss

        _check(vectors, self.metric)
        index = self._trained(vectors, nlist)
        list_of = np.empty(len(vectors), np.int64)
        for first, block in _blocks(vectors):
            list_of[first : first + len(block)] = index.quantizer.search(checked(block, self.metric), 1)[1][:, 0]
        sizes = np.bincount(list_of, minlength=nlist)
        index.ntotal = len(vectors)
        with path.open("wb+") as file:
            start = _head(file, index, sizes)
            # a list is its codes and then the ids, 8 bytes each
            starts = start + np.concatenate([[0], np.cumsum(sizes)[:-1]]) * (index.code_size + 8)
            file.truncate(start + len(vectors) * (index.code_size + 8))
            filled = np.zeros(nlist, np.int64)
            for first, block in _blocks(vectors):
                numbers = list_of[first : first + len(block)]
                codes = np.empty((len(block), index.code_size), np.uint8)
                block = checked(block, self.metric)
                index.encode_vectors(len(block), *map(faiss.swig_ptr, (block, numbers, codes)))
                order = np.argsort(numbers, kind="stable")
                for run in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1):
                    at = numbers[run[0]]
                    file.seek(starts[at] + filled[at] * index.code_size)
                    file.write(codes[run].tobytes())
                    file.seek(starts[at] + sizes[at] * index.code_size + filled[at] * 8)
                    file.write((run + first).astype(np.int64).tobytes())
                    filled[at] += len(run)

    def _trained(self, vectors: np.ndarray, nlist: int):
        import faiss

        dim = vectors.shape[1]
        centres = faiss.IndexFlat(dim, kind(self.metric))
        if self.storage == "float32":
            index = faiss.IndexIVFFlat(centres, dim, nlist, kind(self.metric))
        else:
            number = {"float16": faiss.ScalarQuantizer.QT_fp16, "int8": faiss.ScalarQuantizer.QT_8bit}[self.storage]
            index = faiss.IndexIVFScalarQuantizer(centres, dim, nlist, number, kind(self.metric))
        sampled(index.cp, _SAMPLE)
        rows = np.arange(len(vectors))
        if len(rows) > nlist * _SAMPLE:
            rows = np.sort(np.random.default_rng(0).choice(len(rows), nlist * _SAMPLE, replace=False))
        some = [block[rows[(rows >= first) & (rows < first + len(block))] - first] for first, block in _blocks(vectors)]
        index.train(checked(np.concatenate(some), self.metric) if some else np.zeros((1, dim), np.float32))
        return index


def _head(file: BinaryIO, index, sizes: np.ndarray) -> int:
    """Writes all of a FAISS index file that comes before the lists' contents; returns where those begin.

    FAISS itself can only write lists that are in memory. The file of an empty index ends with the empty lists: the mark
    "ilar", their number and code size as 8 bytes each, the kind "sprs", and the number of sizes that follow. Written
    instead is the kind "full", with every size.
    """
    import faiss

    whole = faiss.serialize_index(index).tobytes()
    head, tail = whole[:-12], whole[-12:]
    assert head[-20:-16] == b"ilar" and tail == b"sprs" + bytes(8), "another format of FAISS's files"
    file.write(head + b"full" + np.uint64(len(sizes)).tobytes() + sizes.astype(np.uint64).tobytes())
    return file.tell()


def _check(vectors: np.ndarray, metric: str) -> None:
    for first, block in _blocks(vectors):
        try:
            checked(block, metric)
        except WorkbenchError as error:
            if not first:
                raise
            row = first + int(error.where.removeprefix("vector "))
            what = f"After the first {first:,} vectors, {error.what}"
            raise WorkbenchError(what, where=f"vector {row}", todo=error.todo) from None


def _blocks(vectors: np.ndarray) -> Generator[tuple[int, np.ndarray], None, None]:
    """(first row, block [n, dim]); the pages of a mapped array are given back after each block."""
    mapped = getattr(vectors, "_mmap", None)
    for first in range(0, len(vectors), _BLOCK):
        yield first, np.asarray(vectors[first : first + _BLOCK])
        if mapped is not None:
            mapped.madvise(mmap.MADV_DONTNEED)


class FaissDiskSearcher(Searcher):
    """Changes put new arrays in the place of the old: a search under way goes on in those it began with."""

    def __init__(self, settings: FaissDisk, path: Path, shape: tuple[int, int]) -> None:
        import faiss

        self._settings, self._path, self.dim = settings, path, shape[1]
        self._index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
        mapped = faiss.downcast_InvertedLists(self._index.invlists)
        self._mapping = int(mapped.ptr), mapped.totsize
        # of the lists that questions go to, which are the longer ones
        uneven = mapped.imbalance_factor() if shape[0] else 1.0
        self._list_bytes = int(max(1.0, shape[0] / self._index.nlist * uneven) * (self._index.code_size + 8))
        self._touched = 0  # bytes of the file at most, since its pages were given back
        in_file, self._changed = np.ones(shape[0], bool), False
        # rows of the file as they were; ids given out and not removed; vectors added or changed since, and their ids
        self._rows = in_file, in_file, np.empty((0, self.dim), np.float32), np.empty(0, np.int64)
        self._lock = Lock()  # one change at a time

    @property
    def size(self) -> int:
        return int(self._rows[1].sum())

    @property
    def memory_bytes(self) -> int:
        """Centres, sizes, and vectors added since; and of the file what may be resident at a time."""
        held = self._index.nlist * (4 * self.dim + 32) + sum(array.nbytes for array in self._rows)
        return held + min(self._mapping[1], _MAPPED_BYTES)

    @property
    def disk_bytes(self) -> int:
        return sum(path.stat().st_size for path in self._path.parent.iterdir())

    def search(
        self,
        queries: np.ndarray,
        depth: int,
        tie_order: np.ndarray | None = None,
        *,
        settings: FaissDisk | None = None,
        among: np.ndarray | None = None,
    ) -> Candidates:
        """The `depth` nearest chunks of the lists looked into; scores are those of the stored numbers."""
        queries = asked(queries, self._settings.metric, self.dim)
        in_file, live, later, later_ids = self._rows
        may = live if among is None else live & permitted(among, len(live))
        depth, nprobe = min(depth, int(live.sum())), (settings or self._settings).nprobe
        hidden = among is not None or self._changed
        ids, scores = self._in_file(queries, depth, nprobe, in_file & may[: len(in_file)] if hidden else None)
        if len(later):
            near = queries @ later.T
            if self._settings.metric == "l2":
                near = np.square(queries).sum(axis=1)[:, None] + np.square(later).sum(axis=1) - 2 * near
                near = -np.maximum(near, 0)
            near[:, ~may[later_ids]] = -np.inf
            few = best(near, depth)
            ids = np.concatenate([ids, np.where(few.chunk >= 0, later_ids[few.chunk], -1)], axis=1)
            scores = np.concatenate([scores, few.score], axis=1)
        if self._settings.metric == "l2":
            scores = -np.sqrt(np.maximum(-scores, 0))
        candidates = ordered(ids, rounded(scores) if self._settings.metric == "cosine" else scores, tie_order)
        return Candidates(candidates.chunk[:, :depth], candidates.score[:, :depth])

    def _in_file(self, queries: np.ndarray, depth: int, nprobe: int, may: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Ids int64 and scores [n, depth] of the rows of the file that may [rows] bool be found (None: all)."""
        import faiss

        selector = None if may is None else faiss.IDSelectorBitmap(np.packbits(may, bitorder="little"))
        how = faiss.SearchParametersIVF(nprobe=nprobe, sel=selector)
        scores = np.full((len(queries), depth), -np.inf, np.float32)
        ids = np.full(scores.shape, -1, np.int64)
        reads = min(nprobe, self._index.nlist) * self._list_bytes
        step = max(1, _MAPPED_BYTES // reads)
        for first in range(0, len(queries) if depth else 0, step):
            block = queries[first : first + step]
            self._touched += len(block) * reads
            if self._touched > _MAPPED_BYTES:
                _give_back(*self._mapping)
                self._touched = len(block) * reads
            rows = slice(first, first + len(block))
            scores[rows], ids[rows] = self._index.search(block, depth, params=how)
        return ids, -scores if self._settings.metric == "l2" else scores

    def add(self, vectors: np.ndarray) -> np.ndarray:
        """Ids [n] int32 of the new vectors [n, dim]."""
        new = checked(vectors, self._settings.metric, self.dim)
        with self._lock:
            in_file, live, later, later_ids = self._rows
            ids = np.arange(len(live), len(live) + len(new))
            live = np.append(live, np.ones(len(new), bool))
            self._rows = in_file, live, np.concatenate([later, new]), np.append(later_ids, ids)
        return ids.astype(np.int32)

    def remove(self, ids: np.ndarray) -> None:
        with self._lock:
            live = self._rows[1].copy()
            live[confirmed(ids, live)] = False
            in_file, later, later_ids = self._without(ids)
            self._changed, self._rows = True, (in_file, live, later, later_ids)

    def update(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """Puts vectors [n, dim] in the place of those with these ids [n]."""
        new = checked(vectors, self._settings.metric, self.dim, len(ids))
        with self._lock:
            live = self._rows[1]
            ids = confirmed(ids, live)
            in_file, later, later_ids = self._without(ids)
            later, later_ids = np.concatenate([later, new]), np.append(later_ids, ids)
            self._changed, self._rows = True, (in_file, live, later, later_ids)

    def _without(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        in_file, _, later, later_ids = self._rows
        ids, in_file, stay = np.asarray(ids), in_file.copy(), ~np.isin(later_ids, ids)
        in_file[ids[ids < len(in_file)]] = False
        return in_file, later[stay], later_ids[stay]


def _give_back(address: int, num_bytes: int) -> None:
    """Takes the pages of a mapped file out of this process; the next touch brings them back from the system's cache."""
    if hasattr(mmap, "MADV_DONTNEED"):
        ctypes.CDLL(None).madvise(ctypes.c_void_p(address), ctypes.c_size_t(num_bytes), mmap.MADV_DONTNEED)
