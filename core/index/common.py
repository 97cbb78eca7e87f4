"""What every index does alike: checking vectors, putting results in order, keeping files that are whole or absent."""

import hashlib
from collections.abc import Callable, Iterable
from operator import gt
from pathlib import Path
from uuid import uuid4

import numpy as np

from core import files
from core.config import PartConfig, fingerprint
from core.errors import WorkbenchError
from core.index.protocol import Index
from core.records import Candidates
from core.retrieval.top import pack

UNIT = 1e-6  # a squared length this close to 1 is that of a normalised float32 vector, and is left as it is
_BUILD_S = 3600.0  # that one process waits for another which builds the same
# between 8 and 16 the last bit of a float32 is worth 2^-20; an array is added faster than a number
_TWELVE = np.array(12, np.float32)


def build_settings(part: Index) -> Index:
    """The part with its query settings at their defaults: what a build depends on."""
    fields = type(part).model_fields
    return part.model_copy(update={name: fields[name].default for name in part.query_settings})


def checked(vectors: np.ndarray, metric: str, dim: int | None = None, num: int | None = None) -> np.ndarray:
    """Vectors to index as [n, dim] float32, of length 1 for cosine; raises WorkbenchError on what no index can hold.

    `dim`, `num`: what the index they are added to and the ids they belong to ask for. Normalised ones are not copied.
    """
    vectors = np.ascontiguousarray(vectors, np.float32)
    if vectors.ndim != 2 or not vectors.shape[1]:
        raise WorkbenchError(
            f"Vectors have to be a table [number, dimension], not of shape {vectors.shape}.",
            todo="Check what the encoder returns.",
        )
    if dim not in (None, vectors.shape[1]) or num not in (None, len(vectors)):
        raise WorkbenchError(
            f"The new vectors have shape {vectors.shape}, wanted is [{len(vectors) if num is None else num}, {dim}].",
            todo="Embed them with the encoder and transform of the index, one for each id.",
        )
    squared = np.einsum("ij,ij->i", vectors, vectors)
    if not np.isfinite(squared).all():
        rows = np.flatnonzero(~np.isfinite(squared))
        raise WorkbenchError(
            f"{len(rows):,} of {len(vectors):,} vectors hold NaN or infinity.",
            where=f"vector {rows[0]}",
            todo="Check the encoder and the transform; embed these texts again.",
        )
    if metric != "cosine":
        return vectors
    if not squared.all():
        rows = np.flatnonzero(squared == 0)
        raise WorkbenchError(
            f"{len(rows):,} of {len(vectors):,} vectors are zero, and cosine has no angle to them.",
            where=f"vector {rows[0]}",
            todo="Leave these texts out, or set index.metric to dot or l2.",
        )
    lengths = _lengths(squared)
    return vectors if (lengths == 1).all() else vectors / lengths[:, None]


def _lengths(squared: np.ndarray) -> np.ndarray:
    """What to divide by for length 1 [n] float32: 1 where that is so already, and for zero vectors."""
    return np.where((np.abs(squared - 1) < UNIT) | (squared == 0), np.float32(1), np.sqrt(squared))


def asked(queries: np.ndarray, metric: str, dim: int) -> np.ndarray:
    """Query vectors as [num_queries, dim] float32, of length 1 for cosine; a zero row stays one."""
    queries = np.ascontiguousarray(queries, np.float32)
    if queries.shape == (1, dim):  # so much faster than what follows that a fast index notices
        length = float(np.vdot(queries, queries))
        if -UNIT < length - 1 < UNIT or metric != "cosine" and length < np.inf:
            return queries
    if queries.ndim != 2 or queries.shape[1] != dim:
        raise WorkbenchError(
            f"The questions' vectors have shape {queries.shape}, the index holds {dim} dimensions.",
            todo="Embed questions and chunks with the same encoder and transform.",
        )
    squared = np.einsum("ij,ij->i", queries, queries)
    if not np.isfinite(squared).all():
        raise WorkbenchError(
            "A question's vector holds NaN or infinity.",
            where=f"question {np.flatnonzero(~np.isfinite(squared))[0]}",
            todo="Check the encoder and the transform; embed the questions again.",
        )
    return queries if metric != "cosine" else queries / _lengths(squared)[:, None]


def permitted(among: np.ndarray, num_ids: int) -> np.ndarray:
    """The mask of rows that may be found, checked: [num_ids] bool, one for every id ever given out."""
    among = np.asarray(among)
    if among.shape != (num_ids,) or among.dtype != bool:
        raise WorkbenchError(
            f"The filter is {among.dtype} of shape {among.shape}; it has to say True or False for each of {num_ids:,} ids.",
            todo="Give one truth value for each chunk.",
        )
    return among


def confirmed(ids: np.ndarray, live: np.ndarray) -> np.ndarray:
    """Ids as [n] int64, each once and in the index; live [num_ids] bool says which of those given out still are."""
    ids = np.asarray(ids, np.int64).ravel()
    absent = ids[(ids < 0) | (ids >= len(live))]
    absent = absent if len(absent) else ids[~live[ids]]
    if len(absent) or len(np.unique(ids)) < len(ids):
        what = f"Id {absent[0]} is not in the index." if len(absent) else "An id is named twice."
        raise WorkbenchError(what, where="ids", todo="Name each id once, none that was removed.")
    return ids


def ordered(ids: np.ndarray, scores: np.ndarray, tie_order: np.ndarray | None) -> Candidates:
    """Candidates of what an engine found: ids [n, depth], -1 where there was none; scores [n, depth], higher is better.

    Best first; among equal scores the larger tie_order (default: the larger id) first, as `exact` puts them.
    """
    ids, scores = np.asarray(ids).astype(np.int32), np.asarray(scores, np.float32)
    if len(ids) == 1 and ids.size <= 64 and min(ids[0].tolist(), default=0) >= 0:
        # the usual call while someone types: plain Python is several times as fast as numpy's calls here
        values = scores[0].tolist()
        if all(map(gt, values, values[1:])):
            return Candidates(ids, scores)
        places = ids[0].tolist() if tie_order is None else tie_order[ids[0]].tolist()
        order = sorted(range(len(values)), key=lambda i: (values[i], places[i]), reverse=True)
        return Candidates(ids[:, order], scores[:, order])
    falling = scores[:, 1:] < scores[:, :-1]
    if ids.size == 0 or falling.all() and ids.min() >= 0:
        return Candidates(ids, scores)
    real = ids >= 0
    scores = np.where(real, scores, np.float32(np.nan))
    rows = np.flatnonzero(~(falling.all(axis=1) & real.all(axis=1)))
    place = np.where(real[rows], ids[rows], 0)
    keys = pack(np.where(real[rows], scores[rows], -np.inf), place if tie_order is None else tie_order[place])
    keys[~real[rows]] = np.iinfo(np.int64).min
    order = np.argsort(keys, axis=1)[:, ::-1]
    ids[rows] = np.take_along_axis(ids[rows], order, axis=1)
    scores[rows] = np.take_along_axis(scores[rows], order, axis=1)
    return Candidates(ids, scores)


def score_of(distance: np.ndarray, metric: str) -> np.ndarray:
    """The score that `exact` gives, of an engine's distance: 1 - product, or for l2 the squared length between."""
    if metric == "l2":
        return -np.sqrt(np.maximum(distance, 0))
    return rounded(1 - distance) if metric == "cosine" else 1 - distance


def rounded(scores: np.ndarray) -> np.ndarray:
    """Cosine similarities to 20 bits after the point, in place: a product's last bits depend on where a row stands, and
    texts that are equal must tie wherever they stand."""
    np.add(scores, _TWELVE, scores)
    return np.subtract(scores, _TWELVE, scores)


def vectors_identity(vectors: np.ndarray) -> str:
    """Fingerprint of the numbers themselves: what a saved index was built from."""
    vectors = np.ascontiguousarray(vectors)
    return hashlib.blake2b(vectors.view(np.uint8).data, digest_size=10, person=str(vectors.shape)[:16].encode()).hexdigest()


def allowed(setting: str, value: object, values: Iterable[object] | str, why: str) -> WorkbenchError:
    """The error of a setting that these vectors rule out: names it and what may stand there."""
    choices = values if isinstance(values, str) else ", ".join(map(str, values))
    return WorkbenchError(f"{setting} = {value} is not possible here: {why}.", where=setting, todo=f"Allowed: {choices}.")


class SavedIndex:
    """The one file of an index in a folder, or a folder of them, whole or absent.

    A note beside it says its checksum and what it was built from; the note is renamed into place after the file is
    written, so a build that was killed, a damaged file and one of other vectors, settings or engine count as absent.
    """

    kind = "file", ".index"  # what the note calls it, how its name ends

    def __init__(self, folder: Path, part: PartConfig, vectors: np.ndarray, engine: str) -> None:
        self._home = folder / f"{part.part}-{fingerprint(build_settings(part))}"
        self._of = {"vectors": vectors_identity(vectors), "engine": engine}
        self._needed = vectors.nbytes if vectors.ndim == 2 else 0  # about; unknown where only a fingerprint is given
        self._seen: Path | None = None

    def file(self) -> Path | None:
        self._seen, damaged = self._look()
        if damaged:
            files.tell(f"A saved index was damaged and is built anew: {self._home}.")
        return self._seen

    def _look(self) -> tuple[Path | None, bool]:
        """The file, and whether one is there that is damaged."""
        try:
            note = files.read_sealed(self._home / "ready.json")
            path, digest = self._home / note.pop(self.kind[0]), note.pop("digest")
            if note == self._of and path.exists() and self.digest(path) == digest:
                return path, False
            return None, note == self._of
        except FileNotFoundError:  # never built here
            return None, False
        except (OSError, ValueError, KeyError, AttributeError, TypeError, WorkbenchError):
            return None, True

    def write(self, write: Callable[[Path], None]) -> Path:
        """The file, written unless another process has done so since `file` looked."""
        with files.disk_reported("The index", self._home, self._needed):
            self._home.mkdir(parents=True, exist_ok=True)
        beside = self._home.with_name(f".{self._home.name}.lock")  # the size of an index is that of its folder
        with files.hold(beside, purpose="building an index", seconds=_BUILD_S, what="index"):
            path, _ = self._look()
            return path if path and path != self._seen else self._written(write)

    def _written(self, write: Callable[[Path], None]) -> Path:
        # a fresh name each time: Chroma keeps state about paths in the process, and a killed build stays unusable
        path = self._home / f"{uuid4().hex}{self.kind[1]}"
        try:
            with files.disk_reported("The index", self._home, self._needed):
                write(path)
                note = files.sealed({**self._of, self.kind[0]: path.name, "digest": self.digest(path)})
                files.write_whole(self._home / "ready.json", note, sync=False)
        except BaseException:
            files.discard(path)
            raise
        for other in self._home.iterdir():
            if other.suffix == self.kind[1] and other != path:
                files.discard(other)
        return path

    def digest(self, path: Path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()

    def bytes(self) -> int:
        return sum(path.stat().st_size for path in self._home.glob("*") if path.is_file())
