"""What is done to the encoder's vectors before they are indexed: fitted on the chunks alone, applied to the questions too.

The steps, in the order of TransformConfig's fields, with their sources:

1. centre: x - mean of the chunks.
2. remove_top D: x minus its part along the D directions of most variance (all-but-the-top; Mu and Viswanath 2018,
   algorithm 1; they advise about dim / 100). Centres first.
3. projection, both centred. pca: coordinates in the directions of most variance (those left by step 2). whitening: the
   same, each divided by its standard deviation (Su et al. 2021, "Whitening Sentence Representations", equations 4 to 6).
   A direction whose variance is below 1e-10 of the largest, or below float32's rounding, is null and left out: fewer
   than dim + 1 chunks span fewer than dim directions, and dividing by rounding errors would make noise the signal.
4. cut: the first so many numbers (Matryoshka; Kusupati et al. 2022). After a projection it is the same as fewer dimensions.
5. normalise: x / |x|.
6. quantise: the number format that is stored. Questions stay exact, so distances are asymmetric (Jegou et al. 2011, 3.2).
   - float16: 2 bytes a number.
   - int8: 1 byte; each dimension's range over the chunks in 255 equal steps, so the error is at most half a step.
   - binary: 1 bit; above or below the dimension's mean, read back as the mean of the chunks on that side (the two-level
     quantiser of Lloyd 1982 after its first step). It is the question's dot product with signs that are weighted by
     each dimension's spread, and keeps the vectors' scale, so that cosine, dot and distance all apply.
   - pq: code_bytes parts of the vector, each the nearest of 256 centroids (Jegou et al. 2011). By faiss.
   - opq: pq after a rotation that is learnt to lose least (Ge et al. 2013): it starts from their parametric solution
     (principal directions dealt out so that the parts' variances have equal products), which faiss then refines by
     their non-parametric one. From there 6 rounds lose less than 12 from faiss' random rotation, in a third of the time.

A chunk that steps 1 to 4 take to nothing (it is the mean itself, as texts without a known word are) has no direction
left. It gets a vector along the last axis, of negligible length unless step 5 follows, so that no metric fails on it;
`lost` counts them. A question that is taken to nothing is the zero vector: it is equally near to all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core.config import TransformConfig
from core.errors import WorkbenchError
from core.models.threads import one_thread

PQ_CENTROIDS = 256  # of 8 bits
OPQ_ROUNDS = 6
_NULL = 1e-10  # of the largest variance
_ROUNDING = 1e-14  # of the mean squared length: float32's rounding, squared
_NOTHING = 1e-6  # of a vector's length
_BLOCK_ROWS = 65_536


class Basis(NamedTuple):
    """Principal directions of some vectors. One serves every setting of the steps, on the same vectors."""

    mean: np.ndarray  # [dim] float64
    directions: np.ndarray  # [dim, dim] float64, a column each, most variance first, largest coordinate positive
    variance: np.ndarray  # [dim] float64
    rank: int  # directions that are not null


def principal(vectors: np.ndarray) -> Basis:
    """Eigenvectors of the covariance (of the population, divided by n) of vectors [n, dim] float32."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((len(mean), len(mean)))
    for start in range(0, len(vectors), _BLOCK_ROWS):
        centred = vectors[start : start + _BLOCK_ROWS] - mean
        covariance += centred.T @ centred
    with one_thread():  # its many small steps wait for a second thread: 20 times as long on a busy machine
        variance, directions = np.linalg.eigh(covariance / len(vectors))
    variance, directions = np.maximum(variance[::-1], 0), directions[:, ::-1]
    largest = directions[np.abs(directions).argmax(axis=0), np.arange(len(mean))]
    least = max(_NULL * variance[0], _ROUNDING * (variance.sum() + mean @ mean))
    return Basis(mean, directions * np.sign(largest), variance, int((variance > least).sum()))


@dataclass(frozen=True, eq=False)
class Transform:
    """Fitted steps with what they made of the chunks."""

    chunks: np.ndarray  # [n, dim] float32, as they are stored: quantised and read back
    full: np.ndarray  # [n, dim] float32 before quantisation, to rescore by; the same array where nothing is quantised
    dim: int
    bytes_per_vector: float  # of the stored code
    bytes_fixed: int  # means, directions, rotations and codebooks, whatever the number of vectors
    lost: int  # chunks that were taken to nothing
    steps: "Steps"
    stored: Callable[[np.ndarray], np.ndarray]  # [m, dim] unquantised -> as they are stored

    def queries(self, vectors: np.ndarray) -> np.ndarray:
        """Questions' vectors [m, encoder dim] float32 in the chunks' space [m, dim] float32, unquantised."""
        return self.steps.apply(_table(vectors, "questions", self.steps.dim))[0]


@dataclass(frozen=True, eq=False)
class Steps:
    """Steps 1 to 5; None and 0 are steps not taken."""

    dim: int  # of what goes in
    mean: np.ndarray | None = None  # [dim] float32
    removed: np.ndarray | None = None  # [dim, remove_top] float32, where no projection leaves them out
    directions: np.ndarray | None = None  # [dim, d] float32
    deviation: np.ndarray | None = None  # [d] float32, whitening's divisor
    cut: int = 0
    normalise: bool = False

    def apply(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """([n, d] float32, [n] bool: taken to nothing, a zero row) of vectors [n, dim] float32."""
        first, lost = self._block(vectors[:_BLOCK_ROWS])
        if len(vectors) <= _BLOCK_ROWS:
            return first, lost
        out, lost = np.empty((len(vectors), first.shape[1]), np.float32), np.empty(len(vectors), bool)
        for start in range(0, len(vectors), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            out[block], lost[block] = self._block(vectors[block])
        return out, lost

    def _block(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y = x if self.mean is None else x - self.mean
        if self.removed is not None:
            y = y - (y @ self.removed) @ self.removed.T
        if self.directions is not None:
            y = y @ self.directions
        y = y[:, : self.cut] if self.cut else y
        before, after = _lengths(x), _lengths(y)
        lost = (after <= _NOTHING * before) & (before > 0)
        if self.deviation is not None:
            y = y / self.deviation
            after = _lengths(y)
        if self.normalise:
            y = y / np.where(after > 0, after, 1)[:, None]
        return np.where(lost[:, None], np.float32(0), y), lost

    @property
    def bytes(self) -> int:
        return sum(a.nbytes for a in (self.mean, self.removed, self.directions, self.deviation) if a is not None)


def identity_transform(config: TransformConfig) -> bool:
    """Whether the vectors stay as the encoder made them. Settings that only serve a step not taken count for nothing."""
    return not (
        config.centre
        or config.remove_top
        or config.cut
        or config.normalise
        or config.projection != "none"
        or config.quantise != "none"
    )


def fit(config: TransformConfig, vectors: np.ndarray, basis: Basis | None = None) -> Transform:
    """The transform of chunk vectors [n, dim] float32. `basis`, if given, is `principal(vectors)`, to be computed once for
    many settings. Raises WorkbenchError naming the setting that these vectors rule out and what it may be."""
    vectors = _table(vectors, "chunks")
    if identity_transform(config) or not len(vectors):
        dim = vectors.shape[1]
        return Transform(vectors, vectors, dim, 4.0 * dim, 0, 0, Steps(dim), lambda rows: rows)
    steps = _steps(config, vectors, basis)
    full, lost = steps.apply(vectors)
    if lost.all():
        setting = _first(config)
        raise _refused(
            setting, getattr(config, setting), "it leaves nothing of any chunk's vector", getattr(TransformConfig(), setting)
        )
    if lost.any():
        full[lost, -1] = 1 if config.normalise else _NOTHING * _lengths(full).mean()
    stored, bytes_per_vector, bytes_fixed = _QUANTISERS[config.quantise](config, full)
    chunks = full if config.quantise == "none" else _in_blocks(stored, full)
    return Transform(chunks, full, full.shape[1], bytes_per_vector, steps.bytes + bytes_fixed, int(lost.sum()), steps, stored)


def _steps(config: TransformConfig, vectors: np.ndarray, basis: Basis | None) -> Steps:
    dim, top, keep = vectors.shape[1], config.remove_top, config.dimensions
    mean = removed = directions = deviation = None
    left = dim
    if top or config.projection != "none":
        basis = basis or principal(vectors)
        mean = basis.mean.astype(np.float32)
        span = f"{len(vectors):,} chunks of {dim} dimensions vary in {basis.rank}"
        if not basis.rank:
            setting = "remove_top" if top else "projection"
            raise _refused(setting, getattr(config, setting), "the chunks' vectors are all the same", "0" if top else "none")
        if top >= basis.rank:
            raise _refused("remove_top", top, span, f"0 to {basis.rank - 1}")
        if config.projection == "none":
            removed = np.ascontiguousarray(basis.directions[:, :top], np.float32)
        else:
            left = basis.rank - top
            if keep > left:
                spare = f"{span}, {top} of them removed" if top else span
                raise _refused("dimensions", keep, spare, f"0 (all {left}), or 1 to {left}")
            left = keep or left
            directions = np.ascontiguousarray(basis.directions[:, top : top + left], np.float32)
            if config.projection == "whitening":
                deviation = np.sqrt(basis.variance[top : top + left]).astype(np.float32)
    elif config.centre:
        mean = (basis.mean if basis else vectors.mean(axis=0, dtype=np.float64)).astype(np.float32)
    if config.cut > left:
        raise _refused("cut", config.cut, f"the vectors have {left} numbers here", f"0 (all), or 1 to {left}")
    if config.cut and directions is not None:
        directions = np.ascontiguousarray(directions[:, : config.cut])
        deviation = None if deviation is None else deviation[: config.cut]
    return Steps(dim, mean, removed, directions, deviation, config.cut, config.normalise)


# Quantisers: (config, full [n, d]) -> what stores and reads back [m, d] float32, bytes a vector, bytes once


def _exact(config: TransformConfig, full: np.ndarray):
    return lambda rows: rows, 4.0 * full.shape[1], 0


def _float16(config: TransformConfig, full: np.ndarray):
    largest = float(np.finfo(np.float16).max)
    reach = max(full.max(), -full.min())
    if reach > largest:
        raise _refused(
            "quantise",
            "float16",
            f"numbers reach {reach:,.0f}, float16 ends at {largest:,.0f}",
            "none, int8, binary, pq, opq, or any of them with transform.normalise",
        )

    def stored(rows: np.ndarray) -> np.ndarray:
        return np.clip(rows, -largest, largest).astype(np.float16).astype(np.float32)

    return stored, 2.0 * full.shape[1], 0


def _int8(config: TransformConfig, full: np.ndarray):
    low = full.min(axis=0)
    step = (full.max(axis=0) - low) / 255
    divisor = np.where(step > 0, step, 1)

    def stored(rows: np.ndarray) -> np.ndarray:
        return np.rint(np.clip((rows - low) / divisor, 0, 255)) * step + low

    return stored, 1.0 * full.shape[1], low.nbytes + step.nbytes


def _binary(config: TransformConfig, full: np.ndarray):
    mean = full.mean(axis=0, dtype=np.float64)
    middle = mean.astype(np.float32)
    count = np.zeros(len(mean))
    total = np.zeros(len(mean))
    for start in range(0, len(full), _BLOCK_ROWS):
        rows = full[start : start + _BLOCK_ROWS]
        above = rows > middle
        count += above.sum(axis=0)
        total += np.where(above, rows, 0).sum(axis=0, dtype=np.float64)
    high = np.where(count > 0, total / np.maximum(count, 1), mean).astype(np.float32)
    below = len(full) - count
    low = np.where(below > 0, (mean * len(full) - total) / np.maximum(below, 1), mean).astype(np.float32)
    fixed = middle.nbytes + low.nbytes + high.nbytes
    return lambda rows: np.where(rows > middle, high, low), float(-(-full.shape[1] // 8)), fixed


def _product(config: TransformConfig, full: np.ndarray):
    n, dim = full.shape
    parts = config.code_bytes
    divisors = [str(m) for m in range(1, min(dim, 512) + 1) if dim % m == 0]
    if dim % parts:
        raise _refused("code_bytes", parts, f"the {dim} dimensions have to fall into that many equal parts", ", ".join(divisors))
    if n < PQ_CENTROIDS:
        raise _refused(
            "quantise", config.quantise, f"{n} chunks cannot train {PQ_CENTROIDS} centroids", "none, float16, int8, binary"
        )
    if config.quantise == "opq" and n < dim:  # FAISS would abort the process
        raise _refused(
            "quantise",
            "opq",
            f"its rotation is learnt from at least {dim} chunks, one for each dimension; there are {n}",
            "none, float16, int8, binary, pq",
        )
    import faiss

    rotation = None
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # its threads wait for each other: two took seven times as long on a busy machine
    try:
        if config.quantise == "opq":
            rotation = faiss.OPQMatrix(dim, parts)
            faiss.copy_array_to_vector(_balanced(principal(full), parts).ravel(), rotation.A)
            rotation.niter, rotation.niter_pq_0 = OPQ_ROUNDS, 10
            rotation.train(full)
        quantiser = faiss.ProductQuantizer(dim, parts, 8)
        quantiser.cp.min_points_per_centroid = 1  # or it warns on the terminal below 39
        quantiser.train(rotation.apply(full) if rotation else full)
    finally:
        faiss.omp_set_num_threads(threads)

    def stored(rows: np.ndarray) -> np.ndarray:
        codes = quantiser.compute_codes(np.ascontiguousarray(rotation.apply(rows) if rotation else rows, np.float32))
        vectors = quantiser.decode(codes)
        return rotation.reverse_transform(vectors) if rotation else vectors

    return stored, float(parts), 4 * PQ_CENTROIDS * dim + (4 * dim * dim if rotation else 0)


def _balanced(basis: Basis, parts: int) -> np.ndarray:
    """Rotation [dim, dim] float32, rows are directions: the parametric solution (Ge et al. 2013, eigenvalue allocation).

    Each direction, most variance first, goes to the part with room whose variances so far have the smallest product.
    """
    weight = np.log(np.maximum(basis.variance, max(_NULL * basis.variance[0], 1e-30)))
    weight -= weight[-1] - 1e-3  # positive: a part that got more has more
    dealt: list[list[int]] = [[] for _ in range(parts)]
    product = np.zeros(parts)
    for direction, amount in enumerate(weight):
        chosen = product.argmin()
        dealt[chosen].append(direction)
        product[chosen] += amount
        if len(dealt[chosen]) == len(weight) // parts:
            product[chosen] = np.inf
    return np.ascontiguousarray(basis.directions[:, np.concatenate(dealt)].T, np.float32)


_QUANTISERS = {"none": _exact, "float16": _float16, "int8": _int8, "binary": _binary, "pq": _product, "opq": _product}


def _in_blocks(function: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> np.ndarray:
    """function(rows) [n, d] float32; its temporary arrays stay small."""
    out = np.empty(rows.shape, np.float32)
    for start in range(0, len(rows), _BLOCK_ROWS):
        out[start : start + _BLOCK_ROWS] = function(rows[start : start + _BLOCK_ROWS])
    return out


def _table(vectors: np.ndarray, whose: str, dim: int | None = None) -> np.ndarray:
    vectors = np.ascontiguousarray(vectors, np.float32)
    if vectors.ndim != 2 or not vectors.shape[1] or dim not in (None, vectors.shape[1]):
        raise WorkbenchError(
            f"The {whose}' vectors have shape {vectors.shape}, not [number, {dim or 'dimensions'}].",
            todo="Embed questions and chunks with the same encoder.",
        )
    finite = np.isfinite(_lengths(vectors))
    if not finite.all():
        raise WorkbenchError(
            f"{(~finite).sum():,} of the {whose}' {len(vectors):,} vectors hold NaN or infinity.",
            where=f"vector {np.flatnonzero(~finite)[0]}",
            todo="Embed these texts again.",
        )
    return vectors


def _lengths(rows: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("ij,ij->i", rows, rows))


def _first(config: TransformConfig) -> str:
    """The first setting that takes something away."""
    return next(name for name in ("centre", "remove_top", "projection", "cut") if getattr(config, name) not in (0, "none"))


def _refused(setting: str, value: object, why: str, allowed: object) -> WorkbenchError:
    return WorkbenchError(
        f"transform.{setting} = {value} is not possible here: {why}.", where=f"transform.{setting}", todo=f"Allowed: {allowed}."
    )
