"""What encoders that learn from the corpus itself share: their words' vectors on disk, and the protocol of an encoder.

A fit is a folder of .npy files, words.json and fit.json with the checksums of the others. It appears by renaming, so it
is whole or absent; a damaged one, or one of another corpus or code, is fitted anew.
"""

import json
import shutil
from collections.abc import Callable, Generator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core import files
from core.config import PartConfig, fingerprint
from core.embedding.minilm import MiniLM
from core.errors import WorkbenchError

TEXTS_AT_ONCE = 512  # progress is told this often


class Learnt(NamedTuple):
    """Words [num_words], and arrays by name with one row a word, or what else the encoder needs."""

    words: list[str]
    arrays: dict[str, np.ndarray]


@dataclass(frozen=True)
class Fitted:
    """An encoder part that has learnt from a corpus; its identity says from which."""

    part: PartConfig
    name: str
    encoder: "WordEncoder"

    def identity(self) -> str:
        return self.name

    def prefix(self, query: bool) -> str:
        return self.part.prefix(query)

    def device(self) -> str:
        return self.part.device()

    def reads(self) -> int | None:
        return self.part.reads()

    def load(self) -> "WordEncoder":
        return self.encoder


class WordEncoder:
    """Texts as sums over their known words. Chunkers count tokens with the bundled encoder's tokenizer.

    vectors: gives [n, dim] of texts, rows of zeros where no word is known; None: not fitted yet.
    mean: [dim], what a text without a known word gets.
    """

    max_tokens, dtype = 1 << 20, "float32"  # no text is cut

    def __init__(self, name: str, dim: int, vectors: Callable | None = None, mean: np.ndarray | None = None) -> None:
        self.name, self.dim, self._vectors, self._mean = name, dim, vectors, mean

    def token_offsets(self, texts: list[str]) -> list[np.ndarray]:
        return MiniLM().load().token_offsets(texts)

    def encode(self, texts: list[str], query: bool = False) -> Generator[tuple[np.ndarray, np.ndarray], None, None]:
        """Yields (indices [b], vectors [b, dim] float32, L2-normalised) in the order of the texts."""
        if self._vectors is None:
            raise WorkbenchError(
                f"The encoder {self.name} has not been fitted to a corpus.",
                todo="Prepare the recipe: it is fitted to the corpus' chunks then.",
            )
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            vectors = self._vectors(texts[start : start + TEXTS_AT_ONCE])
            unknown = ~vectors.any(axis=1)
            vectors[unknown] = self._mean
            yield np.arange(start, start + len(vectors)), unit(vectors)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows [n, dim] scaled to length 1, float32; rows of zeros stay."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def corpus_mean(vectors: np.ndarray) -> np.ndarray:
    """Mean direction [dim] of the corpus' vectors [n, dim], never zero."""
    mean = unit(unit(vectors[vectors.any(axis=1)]).mean(axis=0, dtype=np.float64))
    if not mean.any():
        mean[0] = 1.0  # two opposite texts: any direction is as good
    return mean


def identity(part: PartConfig, texts: list[str]) -> str:
    """Name of the vectors of this part fitted to these texts; their order counts, for training goes through them in it."""
    digest = blake2b(digest_size=16)
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return f"{part.part}-{fingerprint(part.identity(), digest.hexdigest())}"


def opened(folder: Path, name: str) -> Learnt | None:
    """What was learnt under this identity; None where it is absent, damaged (which is told) or another's."""
    try:
        told = files.read_json(folder / "fit.json", of=dict)
        if told["identity"] != name:
            return None
        if any(_hash(folder / f) != value for f, value in told["files"].items()):
            raise ValueError("a file is not as it was written")
        arrays = {Path(f).stem: np.load(folder / f, allow_pickle=False) for f in told["files"] if f.endswith(".npy")}
        return Learnt(files.read_json(folder / "words.json", most=1 << 30, numbers="any"), arrays)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, WorkbenchError):
        if folder.exists():
            files.tell(f"A fitted encoder was damaged and is fitted anew: {folder}.")
        return None


def save(folder: Path, name: str, learnt: Learnt) -> None:
    """Writes beside, then renames. Of two processes that finish at once the first one's stays: both made the same.
    Where nothing may be written the fit serves only this process, and that is told."""
    try:
        needed = sum(array.nbytes for array in learnt.arrays.values())
        with files.made_whole(folder, "The fitted encoder", needed, sync=False) as work:
            work.mkdir(parents=True)
            (work / "words.json").write_text(json.dumps(learnt.words), "utf-8")
            for key, array in learnt.arrays.items():
                np.save(work / f"{key}.npy", array, allow_pickle=False)
            hashes = {file.name: _hash(file) for file in work.iterdir()}
            (work / "fit.json").write_text(json.dumps({"identity": name, "files": hashes}), "utf-8")
            shutil.rmtree(folder, ignore_errors=True)  # damaged, or another's
    except files.DiskError as error:
        if error.forbidden:
            files.tell(f"The fitted encoder may not be written, so it is not kept: {folder}.")
        elif opened(folder, name) is None:
            raise


def _hash(file: Path) -> str:
    return blake2b(file.read_bytes(), digest_size=16).hexdigest()
