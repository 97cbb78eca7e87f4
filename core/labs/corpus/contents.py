"""What the page Corpus asks: documents and questions as lists, cards, own files, and pages of a PDF as they are printed."""

from collections.abc import Generator, Iterable, Sequence
from typing import Any

from core.corpus import inbox
from core.corpus.cards import Card
from core.corpus.own import FileStatus, PageView
from core.errors import WorkbenchError
from core.records import Corpus, Document, Progress, Query
from core.workbench import Workbench


def cards(workbench: Workbench) -> dict[str, Card]:
    """The cards of all data sets by name, those of own data folders among them."""
    return workbench.library.cards()[0]


def about(workbench: Workbench, corpus: Corpus) -> dict[str, Any]:
    """The corpus' card, where it has one, and how much there is of it."""
    card = cards(workbench).get(corpus.name)
    return {
        **(card.model_dump(mode="json", exclude={"folder", "documents", "questions"}) if card else {"name": corpus.name}),
        "documents": len(corpus.documents),
        "characters": sum(len(document.text) for document in corpus.documents),
        "questions": len(corpus.queries),
        "unanswerable": sum(not query.answerable for query in corpus.queries),
        "notes": list(corpus.notes),
    }


def asked_of(corpus: Corpus) -> dict[str, list[int]]:
    """Document id -> places of the questions that have gold evidence in it."""
    asked: dict[str, list[int]] = {}
    for place, query in enumerate(corpus.queries):
        for document_id in dict.fromkeys(gold.document_id for gold in query.relevant):
            asked.setdefault(document_id, []).append(place)
    return asked


def document_rows(corpus: Corpus) -> list[dict[str, Any]]:
    """A row a document; questions: those with evidence in it."""
    asked = asked_of(corpus)
    return [
        {
            "id": document.id,
            "document": document.title or document.id,
            "characters": len(document.text),
            "questions": len(asked.get(document.id, ())),
            "source": document.source,
        }
        for document in corpus.documents
    ]


def question_rows(corpus: Corpus) -> list[dict[str, Any]]:
    """A row a question; evidence: pieces of it, alternatives counted once."""
    return [
        {
            "id": query.id,
            "question": query.text,
            "group": query.group,
            "evidence": len({gold.unit for gold in query.relevant}),
            "answerable": query.answerable,
            "answers": " ".join("; ".join(dict.fromkeys(query.answers)).split()),
        }
        for query in corpus.queries
    ]


def documents_with(corpus: Corpus, words: str = "", source: str | None = None) -> list[int]:
    """Places of the documents with these words in their title (their id, where they have none) or text, of this source."""
    if not words and source is None:
        return list(range(len(corpus.documents)))
    _check(source, {document.source for document in corpus.documents}, "document of the source")

    def fits(document: Document) -> bool:
        return source in (None, document.source) and any(
            words.lower() in text.lower() for text in (document.title or document.id, document.text)
        )

    return [place for place, document in enumerate(corpus.documents) if fits(document)]


def questions_with(
    rows: Sequence[dict[str, Any]], words: str = "", group: str | None = None, answerable: bool | None = None
) -> list[int]:
    """Places of the rows of `question_rows` with these words in question or answers, of this group and kind."""
    _check(group, {row["group"] for row in rows}, "question of the group")

    def fits(row: dict[str, Any]) -> bool:
        return (
            group in (None, row["group"])
            and answerable in (None, row["answerable"])
            and any(words.lower() in row[name].lower() for name in ("question", "answers"))
        )

    return [place for place, row in enumerate(rows) if fits(row)]


def _check(value: str | None, there: set[str], what: str) -> None:
    if value is not None and value not in there:
        some = ", ".join(sorted(filter(None, there))[:20]) or "none"
        raise WorkbenchError(f"There is no {what} '{value}'.", todo=f"There are: {some}.")


def document_of(corpus: Corpus, document_id: str) -> Document:
    for document in corpus.documents:
        if document.id == document_id:
            return document
    raise WorkbenchError(f"There is no document '{document_id}'.", todo="`python -m core corpus documents` lists their ids.")


def question_of(corpus: Corpus, words: str) -> Query:
    """By its id, else by its text."""
    for query in (*(query for query in corpus.queries if query.id == words), *corpus.queries):
        if words in (query.id, query.text):
            return query
    raise WorkbenchError(f"There is no question '{words}'.", todo="`python -m core corpus questions` lists their ids.")


def evidence_rows(corpus: Corpus, queries: Iterable[Query], document_id: str = "") -> list[dict[str, Any]]:
    """The gold evidence of questions, of one document alone where it is named; a row a piece, with its text."""
    texts = {document.id: document.text for document in corpus.documents}
    return [
        {
            "question": query.text,
            "document": gold.document_id,
            "start": gold.start,
            "end": gold.end,
            "grade": gold.grade,
            "text": texts[gold.document_id][gold.start : gold.end],
        }
        for query in queries
        for gold in query.gold
        if document_id in ("", gold.document_id)
    ]


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
