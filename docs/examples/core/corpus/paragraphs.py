from collections.abc import Generator
from pathlib import Path
from typing import Literal

from core.corpus.assemble import assemble
from core.corpus.protocol import Loader
from core.corpus.reading import Notes, Source
from core.records import Corpus, Document, Progress
from core.registry import part


@part("loader")
class Paragraphs(Loader):
    """Plain text files, a document a paragraph. Choose it over `files` for notes whose paragraphs stand by themselves."""

    part: Literal["paragraphs"] = "paragraphs"

    def load(self, path: Path, name: str) -> Generator[Progress, None, Corpus]:
        source = Source(path, Notes())
        files, documents = source.find("*.txt"), []
        for done, file in enumerate(files):
            yield Progress(done, len(files), f"Reading {file}")
            for number, text in enumerate(source.text(file).split("\n\n"), 1):
                documents.append(Document(f"{file}#{number}", text.strip(), source=file))
        return assemble(name, documents, (), source.notes)
