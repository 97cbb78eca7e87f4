"""Approximate dense search over product-quantised vectors in an inverted file, by FAISS."""

from typing import Any, ClassVar, Literal

import numpy as np

from core.config import knob
from core.index.common import allowed
from core.index.faiss_tools import FaissIndex, kind, lists, rescore_knob, sampled, threads
from core.index.protocol import lists_knob, probed, probes_knob
from core.registry import part

_BYTES = 32  # of an automatic code, where the dimension allows it
_ROUNDS = 10  # of k-means for the codewords: a third of the time of FAISS's 25, the recall within 0.001
_OPQ_ROUNDS = 10  # of turning the vectors and learning their codewords (FAISS: 50)


@part("index")
class FaissIVFPQ(FaissIndex):
    """Lists as in `faiss_ivf`; within them each vector is a short code, one number for each of its m pieces.

    Choose it where the float vectors do not fit in memory: 32 bytes instead of 1,536 for 384 dimensions. Distances to
    codes are estimates, so let `rescore` rank the candidates again by the vectors it was built from, which are not copied
    and may stay on disk. OPQ rotates the vectors first so that the pieces carry equal weight.
    Source: Jegou et al. 2011, "Product quantization for nearest neighbor search", sections 3 and 4; Ge et al. 2013,
    "Optimized product quantization", section 3.2 (non-parametric).
    """

    order: ClassVar[int] = 30
    title: ClassVar[str] = "FAISS IVF-PQ"
    preset: ClassVar[str] = "IVF-PQ"
    inside: ClassVar[bool] = True
    query_settings: ClassVar[tuple[str, ...]] = ("nprobe", "rescore")
    part: Literal["faiss_ivf_pq"] = "faiss_ivf_pq"
    nlist: int = lists_knob()
    m: int = knob(
        0,
        "Pieces of a vector, a byte each at 8 bits; has to divide the dimension, 0: the most up to 32. More keep "
        "more of the vector and take more memory.",
        unit="pieces",
        automatic=True,
        ge=0,
        le=1024,
    )
    nbits: int = knob(
        0,
        "Bits of a piece's code, so 2 to this power of codewords; 0: 8, fewer under 256 vectors. More are "
        "closer to the vector and train longer.",
        unit="bits",
        automatic=True,
        ge=0,
        le=12,
    )
    opq: bool = knob(False, "Rotates the vectors before they are cut into pieces. Estimates get better, training takes longer.")
    nprobe: int = probes_knob()
    rescore: int = rescore_knob(4)

    def grid(self, num_vectors: int, dim: int) -> dict[str, list[Any]]:
        return {"m": [m for m in (16, 32, 64) if dim % m == 0], "nprobe": probed(num_vectors), "rescore": [1, 4]}

    def index(self, vectors: np.ndarray):
        import faiss

        num, dim = vectors.shape
        m, nbits = self._pieces(dim), self._bits(num)
        if self.opq and num < dim:  # FAISS would abort the process
            raise allowed(
                "index.opq", True, "False", f"OPQ learns from at least {dim} vectors, one for each dimension; there are {num}"
            )
        centres = faiss.IndexFlat(dim, kind(self.metric))
        inner = faiss.IndexIVFPQ(centres, dim, lists(self.nlist, num), m, nbits, kind(self.metric))
        sampled(inner.cp)
        sampled(inner.pq.cp)
        inner.pq.cp.niter = _ROUNDS
        if self.opq:
            rotation, codes = faiss.OPQMatrix(dim, m), faiss.ProductQuantizer(dim, m, nbits)
            sampled(codes.cp)
            rotation.pq, rotation.niter = codes, _OPQ_ROUNDS
            with threads(1):
                rotation.train(vectors)
            rotation.pq = None
            vectors = rotation.apply(vectors)
        inner.train_q1(num, faiss.swig_ptr(vectors), False, kind(self.metric))
        with threads(1):  # k-means of short pieces: on several threads they wait for each other more than they work
            inner.train(vectors)
        inner.add(vectors)
        return faiss.IndexPreTransform(rotation, inner) if self.opq else inner

    def search_parameters(self, selector):
        import faiss

        inner = faiss.SearchParametersIVF(nprobe=self.nprobe, sel=selector)
        return faiss.SearchParametersPreTransform(index_params=inner) if self.opq else inner

    def _pieces(self, dim: int) -> int:
        divisors = [number for number in range(1, dim + 1) if dim % number == 0]
        if self.m and self.m not in divisors:
            raise allowed("index.m", self.m, ["0 (automatic)", *divisors], f"it does not divide the {dim} dimensions")
        return self.m or max(number for number in divisors if number <= _BYTES)

    def _bits(self, num_vectors: int) -> int:
        most = min(12, num_vectors.bit_length() - 1)
        if self.nbits > most:
            raise allowed(
                "index.nbits",
                self.nbits,
                f"0 (automatic) or 1 to {most}",
                f"{num_vectors} vectors cannot train 2^{self.nbits} codewords",
            )
        return self.nbits or min(8, most)
