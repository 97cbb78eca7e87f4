from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from core.config import PartConfig, knob
from core.corpus.assemble import WHOLE, assemble
from core.corpus.protocol import Loader
from core.corpus.questions import read_questions
from core.corpus.reading import Notes, Source, text_of
from core.corpus.tables import rows
from core.errors import WorkbenchError
from core.records import Corpus, Document, Gold, Progress, Query
from core.registry import part


@part("loader")
class Jsonl(Loader):
    """Documents as JSON lines with a text, an id and a title; questions in a file questions.* beside them, or the titles.

    Choose it for exports of your own; for judged collections BEIR's layout says more.
    """

    part: Literal["jsonl"] = "jsonl"
    text: str = knob("text", "Field that holds the text.")
    id: str = knob("id", "Field that holds the id; the line number where it is missing.")
    title: str = knob("title", "Field that holds the title.")
    titles: bool = knob(False, "Each title is a question too, whose evidence is its document: search for a known item.")

    def load(self, path: Path, name: str) -> Generator[Progress, None, Corpus]:
        return (yield from load_table(self, path, name, ("*.jsonl", "*.jsonl.gz"), self.titles))


def load_table(
    part: PartConfig, path: Path, name: str, patterns: tuple[str, ...], titles: bool = False
) -> Generator[Progress, None, Corpus]:
    """Documents from every matching table, then the questions in questions.* beside them, and the titles where they ask."""
    source = Source(path, Notes())
    asked = source.find("questions.*")
    files = [file for pattern in patterns for file in source.find(pattern) if file not in asked]
    if not files:
        raise WorkbenchError(
            f"There is no {' or '.join(patterns)}.",
            where=str(path),
            todo="Put the table into this folder, or choose another loader.",
        )
    documents: dict[str, Document] = {}
    for file in files:
        for number, row in enumerate(rows(source, file)):
            if number % 2000 == 0:
                yield Progress(row.position, row.size, f"Reading {PurePosixPath(file).name}")
            identity = text_of(row.fields, part.id.lower(), "_id")
            if not identity:  # files of two folders may have one name
                identity = f"{PurePosixPath(file).parent}/{row.where}" if row.where in documents else row.where
            text = text_of(row.fields, part.text.lower())
            if not text.strip():  # told here, where the line is known
                source.notes.add("Document without text left out", row.where)
            elif identity in documents:
                source.notes.add("Document with a repeated id left out", f"{identity}, {row.where}")
            else:
                documents[identity] = Document(identity, text, text_of(row.fields, part.title.lower()), file)
    read = [*documents.values()]
    source.sizes = {file: source.sizes[file] for file in asked}
    queries = read_questions(source, read) if asked else []
    return assemble(name, read, [*queries, *(_asked(read) if titles else ())], source.notes)


def _asked(documents: Iterable[Document]) -> Iterator[Query]:
    """The titles as questions; documents of one title are alternatives of one another."""
    of_title: dict[str, list[str]] = defaultdict(list)
    for document in documents:
        if document.title.strip():
            of_title[document.title.strip()].append(document.id)
    for title, ids in of_title.items():
        yield Query(f"title of {ids[0]}", title, tuple(Gold(identity, 0, WHOLE) for identity in ids))
