from collections.abc import Generator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Literal

from core import files
from core.config import knob
from core.corpus.assemble import assemble
from core.corpus.protocol import Loader
from core.corpus.reading import Notes
from core.records import Corpus, Document, Progress, Query
from core.registry import part


@part("loader")
class Joined(Loader):
    """Other data sets as one corpus, each read by its own card; nothing of them is copied.

    Ids get the name of their data set in front (`medquad/…`), which is also the group of each question: the filter `id={group}/*`
    lets a question find its own data set alone. Of a data set with many questions some are drawn, the same each time. Choose it for
    size, and to ask whether retrieval holds among documents of other kinds.
    """

    part: Literal["joined"] = "joined"
    members: tuple[str, ...] = knob(("python-reference",), "Names of the data sets.", min_length=1)
    questions: int = knob(500, "Questions of one data set at most, drawn by their ids.", unit="questions", ge=1, le=1_000_000)

    def made_of(self) -> tuple[str, ...]:
        return self.members

    def environment(self) -> list[str]:
        """The stamps of the data sets."""
        return [_library().stamp(member) for member in self.members]

    def load(self, path: Path, name: str) -> Generator[Progress, None, Corpus]:
        documents: list[Document] = []
        queries: list[Query] = []
        told = []
        for member in self.members:
            corpus = yield from _library().open(member)
            documents += (each._replace(id=f"{member}/{each.id}") for each in corpus.documents)
            drawn = sorted(corpus.queries, key=lambda query: sha256(query.id.encode("utf-8", "surrogatepass")).digest())
            queries += (_named(each, member) for each in drawn[: self.questions])
            told += (f"{member}: {line}" for line in corpus.notes)
            if len(drawn) > self.questions:
                told.append(f"{member}: {self.questions:,} of its {len(drawn):,} questions, drawn by their ids.")
        notes = Notes()
        made = assemble(name, documents, queries, notes)
        return replace(made, notes=(*told, *made.notes))


def _named(query: Query, member: str) -> Query:
    gold = tuple(each._replace(document_id=f"{member}/{each.document_id}") for each in query.gold)
    return query._replace(id=f"{member}/{query.id}", gold=gold, group=member)


def _library():
    from core.corpus.library import Library  # it reads cards, and so finds the loaders

    return Library(files.home())
