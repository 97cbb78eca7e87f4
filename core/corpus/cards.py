"""What a data set is, where it comes from and under which licence: one card.yaml a folder in `datasets/`."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, NamedTuple

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from core.config import chosen
from core.errors import WorkbenchError

DATASETS = Path(__file__).resolve().parents[2] / "datasets"
MAX_CARD, MAX_DEPTH = 1 << 16, 16  # bytes, lists and mappings within each other


def _inside(name: str) -> str:
    if ".." in PurePosixPath(name).parts or name.startswith("/") or "\\" in name or PureWindowsPath(name).drive:
        raise ValueError("a path below the data set's folder belongs here, without '..' and not from the root")
    return name


Count = Annotated[int, Field(ge=0, le=10**12)]
Below = Annotated[str, AfterValidator(_inside)]


class DataFile(BaseModel):
    """One file as its publisher names it. `name` is its path below GROUNDWORK_DATASETS.

    sha256: None where the publisher states none; then the first download's is remembered and compared later.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Below
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
    unpacked: Below = ""  # a member by which an unpacked copy of the single archive is recognised
    documents: Count | None = None
    questions: Count | None = None


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
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CARD + 1)
        if len(data) > MAX_CARD:
            raise ValueError(f"it is larger than {MAX_CARD >> 10} kB")
        _check_bounds(data)
        return Card(name=path.parent.name, folder=path.parent, **yaml.safe_load(data))
    except (yaml.YAMLError, TypeError, ValueError, OSError) as error:
        raise WorkbenchError("The card of a data set is not valid.", where=str(path), todo=str(error)[:500]) from None


def _check_bounds(data: bytes) -> None:
    """Refuses, while reading, what a few lines of YAML can make endless."""
    depth = 0
    for event in yaml.parse(data, yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ValueError("it is nested too deeply")
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("it refers to parts of itself (an anchor and '*'); write them out")
