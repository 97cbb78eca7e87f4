"""Dense search over vectors whose numbers are stored in fewer bits, by FAISS."""

from typing import Any, ClassVar, Literal

import numpy as np

from core.config import knob
from core.index.faiss_tools import FaissIndex, kind, rescore_knob
from core.registry import part


@part("index")
class FaissSQ(FaissIndex):
    """Every vector is looked at, each of its numbers stored in 16, 8 or 4 bits.

    Choose it over `faiss_flat` where memory is short and almost nothing may be lost: a half, a quarter or an eighth of
    the bytes. Over `faiss_ivf_pq` where 48 bytes a vector are not what matters: there is no codebook to train.
    Rescoring reads the vectors it was built from, which are not copied.
    Source: Douze et al. 2024, "The Faiss library", section 4.1 (scalar quantizers).
    """

    order: ClassVar[int] = 40
    title: ClassVar[str] = "FAISS SQ"
    quick: ClassVar[bool] = True
    query_settings: ClassVar[tuple[str, ...]] = ("rescore",)
    part: Literal["faiss_sq"] = "faiss_sq"
    bits: Literal["8bit", "4bit", "fp16"] = knob(
        "8bit",
        "Storage of one number: 4 or 8 bits between its smallest and largest value, or a half float. Fewer take less "
        "memory and rank less exactly.",
        label="Stored as",
    )
    rescore: int = rescore_knob(1)

    def grid(self, num_vectors: int, dim: int) -> dict[str, list[Any]]:
        return {"bits": ["8bit", "4bit", "fp16"], "rescore": [1, 2, 4]}

    def index(self, vectors: np.ndarray):
        import faiss

        quantiser = getattr(faiss.ScalarQuantizer, f"QT_{self.bits}")
        index = faiss.IndexScalarQuantizer(vectors.shape[1], quantiser, kind(self.metric))
        index.train(vectors)
        index.add(vectors)
        return index
