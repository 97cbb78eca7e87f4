"""The measurement of one query setting of an index: raw results first; every number that is shown is a function over them."""

import base64
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

BLOCK = 50  # single questions of a setting in a row


@dataclass(frozen=True, eq=False)
class IndexMeasurement:
    """One query setting as measured.

    chunk: [num_queries, k] int32, -1 where fewer were found. recall: [num_queries] float64, against exact search.
    single_us: [n] float64, one question a call on one thread, in the order of asking. batch_s: seconds of each batch of
    all the questions, on all threads.
    """

    chunk: np.ndarray
    recall: np.ndarray
    single_us: np.ndarray
    batch_s: tuple[float, ...]

    def latency_us(self, quantile: float) -> float:
        """NaN where there are too few questions for it: a 99th percentile takes 100."""
        enough = len(self.single_us) * (1 - quantile) > 1 - 1e-9
        return float(np.quantile(self.single_us, quantile)) if enough else float("nan")

    @property
    def single_qps(self) -> float:
        """Questions a second, one at a time on one thread: of the median block, so that a pause of the machine, which may
        be as long as a hundred questions, does not count."""
        blocks = np.array_split(self.single_us, max(1, len(self.single_us) // BLOCK))
        return float(1e6 / np.median([block.mean() for block in blocks])) if len(self.single_us) else float("nan")

    @property
    def batch_qps(self) -> float:
        return float(len(self.chunk) / np.median(self.batch_s)) if self.batch_s and len(self.chunk) else float("nan")

    def numbers(self) -> dict[str, float | None]:
        """What is drawn and stored as columns; None: unmeasured."""
        measured = self.recall[~np.isnan(self.recall)]
        values = {
            "recall": float(measured.mean()) if len(measured) else float("nan"),
            "single_qps": self.single_qps,
            "batch_qps": self.batch_qps,
            "p50_us": self.latency_us(0.5),
            "p95_us": self.latency_us(0.95),
            "p99_us": self.latency_us(0.99),
        }
        return {name: None if np.isnan(value) else value for name, value in values.items()}

    def stored(self) -> dict[str, Any]:
        """As plain JSON values; the ids as compressed int32 in base 64."""
        packed = zlib.compress(np.ascontiguousarray(self.chunk, "<i4").tobytes())
        return {
            "ids": {"shape": list(self.chunk.shape), "int32": base64.b64encode(packed).decode()},
            "recalls": [None if np.isnan(r) else r for r in self.recall.tolist()],
            "single_us": self.single_us.tolist(),
            "batch_s": list(self.batch_s),
        }


def stored_measurement(payload: dict[str, Any]) -> IndexMeasurement:
    """The Raw that `Raw.stored` made these values from."""
    chunk = np.frombuffer(zlib.decompress(base64.b64decode(payload["ids"]["int32"])), "<i4")
    recalls = np.array([np.nan if r is None else r for r in payload["recalls"]], np.float64)
    return IndexMeasurement(
        chunk.astype(np.int32).reshape(payload["ids"]["shape"]),
        recalls,
        np.array(payload["single_us"], np.float64),
        tuple(payload["batch_s"]),
    )
