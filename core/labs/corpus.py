"""What the page Corpus asks of the library: cards, own files, and pages of a PDF as they are printed."""

from collections.abc import Generator

from core.corpus import inbox
from core.corpus.cards import Card
from core.corpus.own import FileStatus, PageView
from core.records import Progress
from core.workbench import Workbench


def cards(workbench: Workbench) -> dict[str, Card]:
    """The cards of all data sets by name, those of own data folders among them."""
    return workbench.library.cards()[0]


def receive(
    workbench: Workbench, name: str, files: list[tuple[str, bytes]], questions: tuple[str, bytes] | None = None
) -> list[str]:
    """Keeps the files that a browser sent, and returns the command that reads them into the collection of that name."""
    workbench.library.check_name(name)
    return ["ingest-received", name, inbox.receive(workbench.home, files, questions)]


def ingest_received(workbench: Workbench, name: str, sent: str) -> Generator[Progress, None, list[FileStatus]]:
    """Reads the files that `receive` kept. Cancelled or killed, they are kept for another run of the same command."""
    files, questions = inbox.received(workbench.home, sent)
    read = yield from workbench.library.ingest(name, files, questions)
    inbox.forget(workbench.home, sent)
    return read


def files(workbench: Workbench, name: str) -> list[FileStatus]:
    """What became of each file of an own collection."""
    return workbench.library.files(name)


def remove(workbench: Workbench, name: str, file: str = "") -> None:
    """Removes one file of an own collection, or the whole collection."""
    workbench.library.remove(name, file)


def has_pages(workbench: Workbench, name: str, document_id: str) -> bool:
    """Whether the document is an ingested PDF, whose pages can be seen."""
    return workbench.library.has_pages(name, document_id)


def page_view(workbench: Workbench, name: str, document_id: str, page: int, texts: dict[str, str]) -> PageView:
    """A page of an ingested PDF as a picture, with {"passage", "sentence"} marked on it."""
    return workbench.library.page_view(name, document_id, page, texts)
