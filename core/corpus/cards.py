"""What a data set is, where it comes from and under which licence: one card.yaml a folder in `datasets/`."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from core.config import chosen
from core.errors import WorkbenchError

DATASETS = Path(__file__).resolve().parents[2] / "datasets"


class DataFile(BaseModel):
    """One file as its publisher names it. `name` is its path below GROUNDWORK_DATASETS.

    sha256: None where the publisher states none; then the first download's is remembered and compared later.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    url: str
    sha256: str | None = None
    md5: str | None = None

    @property
    def basename(self) -> str:
        return Path(self.name).name


class Card(BaseModel):
    """A data set. No files: it is built in."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    folder: Path
    title: str
    description: str
    loader: chosen("loader")
    licence: str
    citation: str
    homepage: str
    language: str = "en"
    files: tuple[DataFile, ...] = ()
    unpacked: str = ""  # a member by which an unpacked copy of the single archive is recognised
    documents: int | None = None
    questions: int | None = None


@lru_cache(maxsize=1)
def cards() -> dict[str, Card]:
    """Name -> card of every data set that Groundwork knows, sorted by name."""
    return dict(read_cards(DATASETS))


def read_cards(folder: Path) -> Iterator[tuple[str, Card]]:
    for path in sorted(folder.glob("*/card.yaml")):
        yield path.parent.name, read_card(path)


def read_card(path: Path) -> Card:
    try:
        return Card(name=path.parent.name, folder=path.parent, **yaml.safe_load(path.read_text("utf-8")))
    except (ValidationError, yaml.YAMLError, TypeError, UnicodeDecodeError) as error:
        raise WorkbenchError("The card of a data set is not valid.", where=str(path), todo=str(error)) from None
