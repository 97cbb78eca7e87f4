import json
from collections.abc import Generator
from pathlib import Path
from typing import Any, Literal

from core.config import PartConfig, knob
from core.corpus.assemble import assemble
from core.corpus.questions import read_questions
from core.corpus.reading import Notes, Source
from core.records import Corpus, Document, Progress
from core.registry import part


@part("loader")
class Files(PartConfig):
    """Own documents (PDF, Markdown, HTML, DOCX, text, JSONL) as `ingest` left them, with their pages.

    A document is a file, or a line of a JSONL file. Questions that were given are matched with the documents anew at
    every reading. Choose it by ingesting a folder or uploading files.
    """

    part: Literal["files"] = "files"
    questions: str = knob("questions", "Folder of the collection that holds its questions.")

    def load(self, path: Path, name: str) -> Generator[Progress, None, Corpus]:
        notes = Notes()
        documents: list[Document] = []
        files = [(record, file) for file in (path / "files").glob("*.status.json") if (record := _read(file))]
        for done, (record, file) in enumerate(sorted(files, key=lambda pair: pair[0]["name"])):
            if done % 20 == 0:
                yield Progress(done, len(files), "Reading own documents")
            if record["status"] != "ok":
                notes.add(f"File {record['status']}: {record['message']}", record["name"])
                continue
            parsed = file.with_name(file.name.replace(".status.", ".parsed."))
            entries = _read(parsed)
            if entries is None:  # it is being replaced just now; its new status makes the corpus be read again
                notes.add("File changed while it was read, left out", record["name"])
                continue
            for entry in entries:
                pages = tuple(entry.get("pages", ()))
                documents.append(Document(entry["id"], entry["text"], entry.get("title", ""), record["name"], pages))
        asked = Source(path / self.questions, notes) if (path / self.questions).is_dir() else None
        return assemble(name, documents, read_questions(asked, documents) if asked else (), notes)


def _read(file: Path) -> Any:
    """What the JSON file holds, None if it went meanwhile."""
    try:
        return json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return None
