import zlib
from collections.abc import Generator
from pathlib import Path
from typing import Any, ClassVar, Literal

from core.config import knob
from core.corpus.assemble import assemble
from core.corpus.protocol import Loader
from core.corpus.questions import read_questions
from core.corpus.reading import Notes, Source, clean
from core.errors import WorkbenchError
from core.files import Unsealed, damage_in, read_json, read_sealed
from core.records import Corpus, Document, Progress
from core.registry import part


@part("loader")
class Files(Loader):
    """Own documents (PDF, Markdown, HTML, DOCX, text, JSONL) as `ingest` left them, with their pages.

    A document is a file, or a line of a JSONL file. Questions that were given are matched with the documents anew at
    every reading. Choose it by ingesting a folder or uploading files.
    """

    part: Literal["files"] = "files"
    keeps_documents: ClassVar[bool] = True
    questions: str = knob("questions", "Folder of the collection that holds its questions.")

    def load(self, path: Path, name: str) -> Generator[Progress, None, Corpus]:
        notes = Notes()
        documents = yield from self.read_documents(path, notes)
        if damaged := damage_in(path / self.questions):
            raise WorkbenchError(
                f"The questions of this collection are damaged: {damaged} is not as it was written.",
                where=str(path / self.questions),
                todo="Add the file of questions again (`ingest`).",
            )
        asked = Source(path / self.questions, notes) if (path / self.questions).is_dir() else None
        return assemble(name, documents, read_questions(asked, documents) if asked else (), notes)

    def read_documents(self, path: Path, notes: Notes) -> Generator[Progress, None, list[Document]]:
        documents: list[Document] = []
        texts: set[str] = set()
        files = [(record, file) for file in (path / "files").glob("*.status.json") if (record := read_status(file))]
        for done, (record, file) in enumerate(sorted(files, key=lambda pair: pair[0]["name"])):
            if done % 20 == 0:
                yield Progress(done, len(files), "Reading own documents")
            if record["status"] != "ok":
                notes.add(f"File {record['status']}: {record['message']}", record["name"])
                continue
            entries = read_parsed(file.with_name(file.name.replace(".status.", ".parsed.")), record)
            if entries is None:  # it is being replaced just now; its new status makes the corpus be read again
                notes.add("File changed while it was read, left out", record["name"])
                continue
            for entry in entries:
                pages = tuple(entry.get("pages", ()))
                title = clean(entry.get("title", ""))  # where an earlier version read them, ids and titles may have half a sign
                documents.append(Document(clean(entry["id"]), entry["text"], title, record["name"], pages))
                if (text := entry["text"].strip()) in texts:
                    notes.add("Document with the text of an earlier one", documents[-1].id)
                texts.add(text)
        return documents


def read_status(file: Path) -> dict | None:
    """What became of a file; None if it went meanwhile. WorkbenchError where the record is damaged."""
    try:
        return read_sealed(file)
    except FileNotFoundError:
        return None
    except Unsealed:  # of an earlier version
        record = read_json(file, "The record of a file", of=dict)
        if {"name", "status", "message", "documents", "pages", "characters", "content"} <= record.keys():
            return record
        raise _damaged("The record of a file", file, ValueError("it says too little")) from None
    except (OSError, ValueError) as error:
        raise _damaged("The record of a file", file, error) from None


def read_parsed(file: Path, record: dict) -> Any:
    """The documents of a file as they were parsed; None if it went meanwhile. WorkbenchError where they are damaged."""
    try:
        data = file.read_bytes()
        if zlib.crc32(data) != record.get("parsed_crc32", zlib.crc32(data)):
            if read_status(file.with_name(file.name.replace(".parsed.", ".status."))) != record:
                return None  # it is being replaced just now
            raise ValueError("its checksum does not match its contents")
        return read_json(data, of=list, most=len(data), numbers="any")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, WorkbenchError) as error:
        raise _damaged(f"The text of '{record['name']}'", file, error) from None


def _damaged(what: str, file: Path, error: Exception) -> WorkbenchError:
    return WorkbenchError(
        f"{what} is damaged: {error}.",
        where=str(file),
        todo="Add the files of this collection again (`ingest`); those that are whole are not read anew.",
    )
