"""What every loader part is. `docs/adding_a_part.md` shows the smallest one, `tests/contract/test_loaders.py` holds all."""

from abc import abstractmethod
from collections.abc import Generator
from pathlib import Path
from typing import Any

from core.config import PartConfig
from core.records import Corpus, Progress


class Loader(PartConfig):
    """Base of loader parts."""

    def environment(self) -> Any:
        """What the corpus depends on beside its files and the loader's knobs, as a value of JSON."""
        return ()

    @abstractmethod
    def load(self, path: Path, name: str) -> Generator[Progress, None, Corpus]:
        """The corpus of that name at the path, a folder or one file, by way of `assemble`, which checks and counts.

        What cannot be read is skipped and told in the notes; a path that holds nothing of this form is a WorkbenchError.
        """
