"""What every encoder part is. `docs/adding_a_part.md` shows the smallest one, `tests/contract/test_encoders.py` holds all."""

from abc import abstractmethod
from collections.abc import Generator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from core.config import PartConfig
from core.records import Progress


class LoadedEncoder(Protocol):
    """What an encoder part loads. Safe to use from several threads."""

    name: str
    dtype: str  # number format of the computation
    dim: int  # length of a vector
    max_tokens: int  # of a text; what lies beyond is not read

    def token_offsets(self, texts: list[str]) -> list[np.ndarray]:
        """Characters [start, end) of every token of each whole text, specials left out: [num_tokens, 2] int32 each."""

    def encode(self, texts: list[str], query: bool = False) -> Generator[tuple[np.ndarray, np.ndarray], None, None]:
        """Yields (indices [b], vectors [b, dim] float32) until each text has its vector once, in any order.

        A text's vector does not depend on the texts beside it. Closing the generator stops the work.
        """


class Offer(NamedTuple):
    """An encoder that can stand beside others."""

    id: str  # stands in the address
    name: str
    part: "Encoder"


class Encoder(PartConfig):
    """Base of encoder parts: identity and `load` are theirs to write, the rest where it differs from what stands here.

    A part with a knob `download` may fetch its model: it has a knob `model` too, `absent` and `fetch`.
    """

    order: ClassVar[int] = 100  # among the encoders, also where they stand side by side
    title: ClassVar[str] = ""  # for people; "": the part's name
    quick: ClassVar[bool] = True  # it encodes some thousand texts within a minute, so that a page need not start a job
    learns: ClassVar[bool] = False  # from the corpus' chunks: `fit` is called before anything is encoded

    @classmethod
    def offers(cls) -> list[Offer]:
        """The settings of it that are compared with other encoders, wherever these stand side by side."""
        name = cls.model_fields["part"].default
        return [Offer(name, cls.title or name.replace("_", " "), cls())]

    @abstractmethod
    def identity(self) -> str:
        """Name of its vectors, a folder's name too: changes with everything that changes them. Imports no engine."""

    @abstractmethod
    def load(self) -> LoadedEncoder:
        """The encoder, one per process; the engine is imported here or later. One that learns only counts tokens so far."""

    def prefix(self, query: bool) -> str:
        """What is put before a question, or before a chunk."""
        return ""

    def device(self) -> str:
        return "cpu"

    def reads(self) -> int | None:
        """Tokens of a text that are read, specials counted; None: unknown, or all."""
        return None

    def fit(self, texts: list[str], folder: Path) -> Generator[Progress, None, Any]:
        """An encoder like this one, fitted to the chunks' texts and saved in the folder, or opened from it."""
        raise NotImplementedError(f"{self.part} learns nothing")
        yield
