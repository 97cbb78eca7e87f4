"""What the FAISS parts share: opening or building, searching with few microseconds around the library's call, changing.

FAISS numbers vectors by their place in the order of adding. Some of its indexes cannot delete, so none is asked to: a
vector that was removed stays in its place and a bitmap hides it from the search, one that was updated gets a new place
and keeps its id. Memory therefore grows with the changes until the index is rebuilt. Changes are not written to disk.
"""

from abc import abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from operator import sub
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from core.config import PartConfig, knob
from core.errors import WorkbenchError
from core.index.common import UNIT, SavedIndex, allowed, asked, checked, confirmed, ordered, permitted, rounded
from core.index.protocol import Index, Searcher
from core.models.threads import Gate
from core.records import Candidates

_CLEAR = 2**-19  # scores of one vector differ by less, whatever the order of summing
_PARAMETERS_KEPT = 64  # settings whose FAISS parameters are kept between calls


class FaissIndex(Index):
    """Base of the parts whose index FAISS holds in memory: `index` makes it."""

    engine: ClassVar[str] = "faiss"

    def build(self, vectors: np.ndarray, folder: Path | None) -> "FaissSearcher":
        """Searcher of vectors [num_chunks, dim] float32."""
        return FaissSearcher(self, vectors, folder)

    @abstractmethod
    def index(self, vectors: np.ndarray) -> Any:
        """FAISS's index of checked vectors [num_chunks, dim], of which there are two or more."""

    def search_parameters(self, selector: Any) -> Any:
        """How it is searched; selector: of the places that may be found, None: all."""
        import faiss

        return faiss.SearchParameters(sel=selector)

    def reads_vectors(self) -> bool:
        return "rescore" in self.query_settings and self.rescore > 1


def rescore_knob(default: int) -> Any:
    return knob(
        default,
        "So many times the candidates are fetched and ranked again by the float vectors; 1: off. More finds "
        "more of the true neighbours, slower.",
        ge=1,
        le=100,
    )


class FaissSearcher(Searcher):
    """Searcher over the index that `part.index(vectors)` makes.

    Parts with a query setting `rescore` have their candidates ranked again by the vectors as they were given, which are
    not copied: hand over a memory-mapped array and they stay on disk.
    """

    def __init__(self, part: FaissIndex, vectors: np.ndarray, folder: Path | None) -> None:
        import faiss

        vectors = np.ascontiguousarray(vectors, np.float32)
        normal = checked(vectors, part.metric)
        self._part, self._metric, self.dim, self.size = part, part.metric, vectors.shape[1], len(vectors)
        self._saved = SavedIndex(folder, part, vectors, f"faiss {faiss.__version__}") if folder is not None else None
        self._index = _opened(self._saved)
        if self._index is None:
            # nothing can be trained on one vector: exact search until the index is rebuilt
            self._index = part.index(normal) if len(vectors) > 1 else flat(normal, part.metric)
            if self._saved:
                self._saved.write(lambda path: faiss.write_index(self._index, str(path)))
        self._originals = Originals(vectors, normal, part.metric) if "rescore" in part.query_settings else None
        self._id_at: np.ndarray | None = None  # [places] int32, place -> id; None: place and id are the same
        self._place_of = np.arange(len(vectors))  # [ids] int64, the place of each id ever given out
        self._live: np.ndarray | None = None  # [places] bool; None: all are
        self._selector = None  # hides the places that are not live
        self._parameters: dict[int, tuple] = {}
        self._bytes: int | None = None
        self._gate = Gate()
        # search_c is what FAISS's Python method `search` calls; `this`, the bare pointer, saves the wrapper looking for it
        self._search = partial(type(self._index).search_c, self._index.this)
        self._pointer, self._squared, self._one = faiss.swig_ptr, faiss.fvec_norm_L2sqr, (1, self.dim)

    def search(
        self,
        queries: np.ndarray,
        depth: int,
        tie_order: np.ndarray | None = None,
        *,
        settings: PartConfig | None = None,
        among: np.ndarray | None = None,
    ) -> Candidates:
        """The `depth` nearest chunks that the index finds of each query vector [num_queries, dim] float32."""
        part = self._part if settings is None else settings
        pointer, queries = self._pointer, np.ascontiguousarray(queries, np.float32)
        # one question of length 1 needs no more; FAISS measures it in a fifth of numpy's time
        if queries.shape != self._one or not -UNIT < self._squared(pointer(queries), self.dim) - 1 < UNIT:
            queries = asked(queries, self._metric, self.dim)
        self._gate.enter()
        try:
            depth = min(depth, self.size)
            wanted = depth if self._originals is None else min(depth * part.rescore, self.size)
            shape = (len(queries), wanted)
            scores, places = np.empty(shape, np.float32), np.empty(shape, np.int64)
            if scores.size:
                how = self._how(part, among)  # held in a variable: `this` does not keep its selector alive
                self._search(shape[0], pointer(queries), wanted, pointer(scores), pointer(places), how.this)
            rescored = wanted > depth or self._originals is not None and part.rescore > 1
            if rescored:
                scores = self._originals.scores(queries, places)
            elif self._metric == "l2":
                scores = -np.sqrt(np.maximum(scores, 0, out=scores), out=scores)
            if self._id_at is not None:
                places = np.where(places >= 0, self._id_at[places], -1)
        finally:
            self._gate.leave()
        if shape[0] == 1 and depth > 1 and not rescored and places.item(-1) >= 0:  # FAISS puts what it did not find last
            # the usual call while someone types, where a numpy call more is 1% of the time: FAISS has sorted, clear
            # differences need neither rounding nor another order, and a few ties are ordered fastest by plain Python
            values = scores.tolist()[0]
            if min(map(sub, values, values[1:])) > _CLEAR:
                return Candidates(places.astype(np.int32), scores)
            if self._metric == "cosine":
                values = rounded(scores).tolist()[0]
            ids = places.tolist()[0]
            order = ids if tie_order is None else tie_order[ids].tolist()
            ids = [chunk for _, _, chunk in sorted(zip(values, order, ids, strict=True), reverse=True)]
            return Candidates(np.array((ids,), np.int32), scores)
        if self._metric == "cosine":
            scores = rounded(scores)
        candidates = ordered(places, scores, tie_order)
        return candidates if wanted == depth else Candidates(candidates.chunk[:, :depth], candidates.score[:, :depth])

    def _how(self, part: PartConfig, among: np.ndarray | None):
        """FAISS parameters of a search with the part's query settings."""
        if among is not None:
            among = permitted(among, len(self._place_of))
            places = among if self._id_at is None else among[self._id_at]
            return self._parameters_of(part, _bitmap(places if self._live is None else places & self._live))
        held = self._parameters.get(id(part))  # faster than its hash; the part is held beside, so its id stays its own
        if held is None:
            if type(part) is not type(self._part):
                raise WorkbenchError(
                    f"The index was built as {self._part.part}, it cannot search with settings of {part.part}.",
                    todo="Build an index of that part.",
                )
            if len(self._parameters) >= _PARAMETERS_KEPT:
                self._parameters = {}
            held = self._parameters[id(part)] = (part, self._parameters_of(part, self._selector))
        return held[1]

    def _parameters_of(self, part: PartConfig, selector: Any) -> Any:
        """The part's; what stands in for its index on one vector reads the plain ones, and no selector that lies deeper."""
        import faiss

        return (
            faiss.SearchParameters(sel=selector) if isinstance(self._index, faiss.IndexFlat) else part.search_parameters(selector)
        )

    def add(self, vectors: np.ndarray) -> np.ndarray:
        """Ids [n] int32 of the new vectors [n, dim]."""
        new = checked(vectors, self._metric, self.dim)
        with self._gate.closed():
            ids = np.arange(len(self._place_of), len(self._place_of) + len(new))
            self._append(new, ids)
            self._changed()
        return ids.astype(np.int32)

    def remove(self, ids: np.ndarray) -> None:
        with self._gate.closed():
            self._hide(self._places(ids))
            self._changed()

    def update(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """Puts vectors [n, dim] in the place of those with these ids [n]."""
        new = checked(vectors, self._metric, self.dim, len(ids))
        with self._gate.closed():
            self._hide(self._places(ids))
            self._append(new, np.asarray(ids, np.int64))
            self._changed()

    @property
    def dead(self) -> int:
        """Vectors that were removed or updated and still take their place."""
        return self._index.ntotal - self.size

    @property
    def memory_bytes(self) -> int:
        """Of the index as it would be written, and of originals that were added since; the given vectors are not counted."""
        if self._bytes is None:
            with self._gate.closed():
                self._bytes = _serialised_bytes(self._index)
        return self._bytes + (self._originals.bytes if self._originals else 0)

    @property
    def disk_bytes(self) -> int:
        return self._saved.bytes() if self._saved else 0

    def _places(self, ids: np.ndarray) -> np.ndarray:
        live = np.ones(len(self._place_of), bool) if self._live is None else self._live[self._place_of]
        return self._place_of[confirmed(ids, live)]

    def _hide(self, places: np.ndarray) -> None:
        if self._live is None:
            self._live = np.ones(self._index.ntotal, bool)
        self._live[places] = False

    def _append(self, new: np.ndarray, ids: np.ndarray) -> None:
        places = np.arange(self._index.ntotal, self._index.ntotal + len(new))
        if self._id_at is None and not np.array_equal(ids, places):
            self._id_at = np.arange(self._index.ntotal, dtype=np.int32)
        with threads(1):  # the same graph every time
            self._index.add(new)
        if self._originals is not None:
            self._originals.add(new)
        if self._live is not None:
            self._live = np.append(self._live, np.ones(len(new), bool))
        if self._id_at is not None:
            self._id_at = np.append(self._id_at, ids.astype(np.int32))
        fresh = ids >= len(self._place_of)
        self._place_of[ids[~fresh]] = places[~fresh]
        self._place_of = np.append(self._place_of, places[fresh])

    def _changed(self) -> None:
        self.size = self._index.ntotal if self._live is None else int(self._live.sum())
        self._selector = None if self._live is None else _bitmap(self._live)
        self._parameters, self._bytes = {}, None


class Originals:
    """The float vectors behind an index of codes, by place: those it was built from, and those added since."""

    def __init__(self, vectors: np.ndarray, normal: np.ndarray, metric: str) -> None:
        self._vectors, self._metric = vectors, metric
        self._added = np.empty((0, vectors.shape[1]), np.float32)
        # length of each where they differ from 1 and the metric cares
        self._lengths = None if normal is vectors else np.sqrt(np.einsum("ij,ij->i", vectors, vectors))

    @property
    def bytes(self) -> int:
        return self._added.nbytes + (0 if self._lengths is None else self._lengths.nbytes)

    def add(self, normal: np.ndarray) -> None:
        self._added = np.concatenate([self._added, normal])

    def scores(self, queries: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Exact scores [n, depth] float32 of the vectors at places [n, depth] int64; -inf at -1."""
        scores = self._against(self._vectors, queries, places)
        if self._lengths is not None and len(self._lengths):
            scores /= self._lengths[np.clip(places, 0, len(self._lengths) - 1)]
        if len(self._added):
            later = places >= len(self._vectors)
            added = self._against(self._added, queries, places - len(self._vectors))
            scores = np.where(later, added, scores)
        return scores

    def _against(self, vectors: np.ndarray, queries: np.ndarray, places: np.ndarray) -> np.ndarray:
        import faiss

        if len(self._added):
            places = np.where(places < len(vectors), places, -1)
        scores = np.empty(places.shape, np.float32)
        measure = faiss.fvec_L2sqr_by_idx if self._metric == "l2" else faiss.fvec_inner_products_by_idx
        measure(*map(faiss.swig_ptr, (scores, queries, vectors, places)), vectors.shape[1], *places.shape)
        return -np.sqrt(scores, out=scores) if self._metric == "l2" else scores


def flat(vectors: np.ndarray, metric: str):
    """FAISS index that compares a question with every vector."""
    import faiss

    index = faiss.IndexFlat(vectors.shape[1], kind(metric))
    index.add(vectors)
    return index


def kind(metric: str) -> int:
    """FAISS's number of a metric; cosine is the inner product of normalised vectors."""
    import faiss

    return faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT


def lists(nlist: int, num_vectors: int) -> int:
    """Lists of an inverted file; 0 stands for 4 times the root of the number of vectors, as FAISS's guidelines say."""
    if nlist > num_vectors:
        raise allowed(
            "index.nlist",
            nlist,
            f"0 (automatic) or 1 to {num_vectors}",
            f"there are only {num_vectors} vectors to be centres of lists",
        )
    return nlist or min(num_vectors, round(4 * num_vectors**0.5))


def sampled(clustering, per_centre: int = 64) -> None:
    """K-means on at most so many vectors for each centre (FAISS: 256), silent about fewer than 39: four times faster on
    a million vectors."""
    clustering.max_points_per_centroid, clustering.min_points_per_centroid = per_centre, 1


@contextmanager
def threads(number: int) -> Generator[None, None, None]:
    """FAISS on so many threads inside (0: all), for the calling thread only."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(number or before)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _opened(saved: SavedIndex | None):
    import faiss

    path = saved and saved.file()
    try:
        return faiss.read_index(str(path)) if path else None
    except RuntimeError:  # whole by its checksum, yet not what this FAISS reads
        return None


def _bitmap(mask: np.ndarray):
    """Selector of the places where the mask is True."""
    import faiss

    return faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))


def _serialised_bytes(index) -> int:
    import faiss

    total = 0

    def count(block: bytes) -> None:
        nonlocal total
        total += len(block)

    writer = faiss.PyCallbackIOWriter(count)
    faiss.write_index(index, writer)
    return total
