import sys
from collections.abc import Generator
from pathlib import Path
from typing import Literal

from core.corpus.assemble import assemble, spans
from core.corpus.protocol import Loader
from core.corpus.reading import Notes, Source, text_of
from core.records import Corpus, Document, Gold, Progress, Query
from core.registry import part


@part("loader")
class PythonReference(Loader):
    """The language reference that every CPython carries, with questions written for this project.

    A document is a topic of `pydoc_data.topics`. Topics repeat each other ("for" stands in "compound" too), so every
    exact occurrence of an answer is an alternative of the same unit. Python versions word things differently: an
    answer that this Python's text does not hold is named in the notes and its question left out.
    Choose it to start without network; 465,000 characters, so everything on it is fast.
    """

    part: Literal["python_reference"] = "python_reference"

    def environment(self) -> str:
        return sys.version

    def load(self, path: Path, name: str) -> Generator[Progress, None, Corpus]:
        from pydoc_data.topics import topics

        notes = Notes()
        source = Source(path, notes)
        documents = [Document(topic, text, heading(text), "pydoc_data") for topic, text in sorted(topics.items())]
        rows = [row.fields for member in source.find("questions.jsonl") for row in source.json_lines(member)]
        queries, missing = [], []
        for done, row in enumerate(rows):
            if done % 20 == 0:
                yield Progress(done, len(rows), "Finding answers in the reference")
            identity, answer = text_of(row, "id"), text_of(row, "answer")
            answerable = bool(row.get("answerable", True))
            places = [(document.id, *span) for document in documents for span in spans(document.text, answer)]
            if answerable and not places:
                missing.append(identity)
                continue
            gold = tuple(Gold(*place) for place in places) if answerable else ()
            queries.append(
                Query(
                    identity, text_of(row, "question"), gold, (answer,) if answerable else (), answerable, text_of(row, "level")
                )
            )
        if missing:
            lacking = f"{len(missing)} of {len(rows)} questions: answer not in this Python's text"
            notes.add(f"{lacking}: {', '.join(missing)}")
        return assemble(name, documents, queries, notes)


def heading(text: str) -> str:
    """The first line, which the reference underlines ('The "for" statement')."""
    return text.lstrip().partition("\n")[0].strip()
