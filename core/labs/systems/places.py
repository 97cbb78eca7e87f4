"""Where in a corpus the passages of another system stand: by document and characters where it tells them, else by text, exact but
for white space. A text that the corpus has in several places stands in each of them; one that it does not have stands nowhere."""

from collections.abc import Iterable, Sequence
from itertools import islice

from core.corpus.assemble import spans
from core.corpus.questions import DocumentNames
from core.labs.systems.replies import SystemPassage
from core.pipeline.answers import Span
from core.records import Document

MOST_PLACES = 100  # of a text that stands everywhere


class DocumentPlaces:
    """Looks passages up in these documents, each once."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents, self._named = documents, DocumentNames(documents)
        self._memory: dict[SystemPassage, tuple[Span, ...]] = {}

    def of(self, passage: SystemPassage) -> tuple[Span, ...]:
        """Its places, MOST_PLACES at most."""
        if passage not in self._memory:
            self._memory[passage] = tuple(islice(self._looked_up(passage), MOST_PLACES))
        return self._memory[passage]

    def _looked_up(self, passage: SystemPassage) -> Iterable[Span]:
        named = self._named.called(passage.document) if passage.document else []
        if told := [span for document in named if (span := _told(document, passage))]:
            return told
        return list(islice(_with(passage.text, named), MOST_PLACES)) or _with(passage.text, self._documents)


def _told(document: Document, passage: SystemPassage) -> Span | None:
    """The characters that the passage names, where they say what it says; without a text and characters the whole document."""
    whole = not passage.text.strip() and passage.start is None
    start = 0 if whole else passage.start
    end = len(document.text) if whole else passage.end
    if start is not None and end is None:
        end = start + len(passage.text)
    if start is None or not start < end <= len(document.text):
        return None
    same = not passage.text.strip() or document.text[start:end].split() == passage.text.split()
    return (document.id, start, end) if same else None


def _with(text: str, documents: Iterable[Document]) -> Iterable[Span]:
    """Every place of a text in them. Most documents lack its longest word, which is looked for first."""
    longest = max(text.split(), key=len, default="")
    return (
        (document.id, *span)
        for document in documents
        if longest and longest in document.text
        for span in spans(document.text, text)
    )
