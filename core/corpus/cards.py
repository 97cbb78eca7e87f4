"""What a data set is, where it comes from and under which licence: one card.yaml a folder in `datasets/`."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from core import files
from core.config import chosen
from core.errors import WorkbenchError

DATASETS = Path(__file__).resolve().parents[2] / "datasets"
MOST_NAME = 255  # bytes of a file's name, in the usual file systems


def _inside(name: str) -> str:
    if ".." in PurePosixPath(name).parts or name.startswith("/") or "\\" in name or PureWindowsPath(name).drive:
        raise ValueError("a path below the data set's folder belongs here, without '..' and not from the root")
    if any(len(part.encode("utf-8", "replace")) > MOST_NAME for part in PurePosixPath(name).parts) or "\0" in name:
        raise ValueError("no file can have this name")
    return name


Count = Annotated[int, Field(ge=0, le=10**12)]
Below = Annotated[str, AfterValidator(_inside)]


class DataFile(BaseModel):
    """One file as its publisher names it. `name` is its path below GROUNDWORK_DATASETS. url "": nobody publishes it in this form, or
    not safely.

    sha256: None where the publisher states none; then the first download's is remembered and compared later.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Below
    url: str = ""
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
    unpacked: Below = ""  # a member by which an unpacked copy of the single archive is recognised
    documents: Count | None = None
    questions: Count | None = None
    examples: tuple[str, ...] = ()  # ids of questions to begin with

    @property
    def fetched(self) -> bool:
        """Whether its files can be downloaded."""
        return bool(self.files) and all(file.url for file in self.files)


class Status(NamedTuple):
    """One line of the list of corpora. kind: "built-in", "downloadable", "local" (a data set with its card in a folder of the
    user's) or "own" (own documents); counts None where unknown."""

    name: str
    title: str
    kind: str
    present: bool
    where: str
    documents: int | None
    questions: int | None
    note: str


@lru_cache(maxsize=1)
def cards() -> dict[str, Card]:
    """Name -> card of every data set that Groundwork knows, sorted by name."""
    return dict(read_cards(DATASETS))


def read_cards(folder: Path) -> Iterator[tuple[str, Card]]:
    for path in sorted(folder.glob("*/card.yaml")):
        yield path.parent.name, read_card(path)


def read_card(path: Path) -> Card:
    fields = files.read_yaml(path, "The card of a data set", of=dict)
    try:
        return Card(name=path.parent.name, folder=path.parent, **fields)
    except (TypeError, ValueError) as error:
        raise WorkbenchError("The card of a data set is not valid.", where=str(path), todo=str(error)[:500]) from None
