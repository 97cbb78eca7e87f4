"""What every loader part is. `docs/adding_a_part.md` shows the smallest one, `tests/contract/test_loaders.py` holds all."""

from abc import abstractmethod
from collections.abc import Generator
from pathlib import Path
from typing import Any, ClassVar

from core.config import PartConfig
from core.corpus.reading import Notes
from core.records import Corpus, Document, Progress


class Loader(PartConfig):
    """Base of loader parts."""

    keeps_documents: ClassVar[bool] = False  # its folder holds them as `read_documents` reads them: no cache needs their text

    def environment(self) -> Any:
        """What the corpus depends on beside its files and the loader's knobs, as a value of JSON."""
        return ()

    def made_of(self) -> tuple[str, ...]:
        """Data sets without which there is nothing to load."""
        return ()

    @abstractmethod
    def load(self, path: Path, name: str) -> Generator[Progress, None, Corpus]:
        """The corpus of that name at the path, a folder or one file, by way of `assemble`, which checks and counts.

        What cannot be read is skipped and told in the notes; a path that holds nothing of this form is a WorkbenchError.
        """

    def read_documents(self, path: Path, notes: Notes) -> Generator[Progress, None, list[Document]]:
        """The documents alone, of a loader that keeps them."""
        raise NotImplementedError
