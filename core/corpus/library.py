"""Every corpus by its name: built in, downloaded, in a local folder, or made of own documents."""

import os
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from core.config import code_version, fingerprint
from core.corpus import own
from core.corpus.assemble import distinct, fingerprint_of, plain_question
from core.corpus.cards import Card, Status, cards, read_card
from core.corpus.download import fetch_card
from core.corpus.files import Files
from core.corpus.own import FileStatus, Upload
from core.corpus.packed import pack, unpack
from core.corpus.protocol import Loader
from core.corpus.reading import Notes, shape_reported
from core.errors import WorkbenchError
from core.records import Corpus, Progress, Query
from core.store.cache import StageCache

LOCAL = "GROUNDWORK_DATASETS"  # environment variable: a folder with data sets in their publishers' formats


class Library:
    """The corpora of one home folder. Parsed corpora are kept in its cache."""

    def __init__(self, home: Path, cap_bytes: int = 20 << 30) -> None:
        self.home = Path(home)
        self._cache = StageCache(self.home / "cache", cap_bytes)

    # Finding -------------------------------------------------------------------------------------------------------

    def cards(self) -> tuple[dict[str, Card], dict[str, WorkbenchError]]:
        """The project's cards and those a user put beside own data, and by name what is wrong with any of the latter."""
        by_name, problems = dict(cards()), {}
        for root in self._roots():
            for path in sorted(root.glob("*/card.yaml")):
                if path.parent.name in by_name:
                    continue
                try:
                    by_name[path.parent.name] = read_card(path)
                except WorkbenchError as error:
                    problems.setdefault(path.parent.name, error)
        return by_name, problems

    def available(self) -> list[Status]:
        """Every corpus: built in first, then those present, then those to download."""
        by_name, problems = self.cards()
        statuses = [self._status(card) for card in by_name.values()]
        statuses += [
            Status(c.name, c.title, "own", True, str(c.folder), c.documents, c.questions, c.note)
            for c in own.collections(self.home)
        ]
        statuses += [
            Status(name, "", "own", False, error.where, None, None, f"{error.what} {error.todo}")
            for name, error in problems.items()
        ]
        return sorted(statuses, key=lambda status: (status.kind != "built-in", not status.present, status.name))

    def _status(self, card: Card) -> Status:
        place = self._place(card)
        kind = "built-in" if card.name in cards() else "local"
        if (card.files or card.loader.made_of()) and (kind == "built-in" or not place):
            kind = "downloadable"
        note = "" if place else f"Not here yet. {self._todo(card)}"
        return Status(card.name, card.title, kind, place is not None, str(place or ""), card.documents, card.questions, note)

    def _roots(self) -> list[Path]:
        local = os.environ.get(LOCAL, "")
        return [*([Path(local).expanduser()] if local else []), self.home / "datasets"]

    def _place(self, card: Card) -> Path | None:
        """The file or folder that the card's loader reads, if it is here."""
        if not card.files:
            return None if self._lacks(card) else card.folder
        for root in self._roots():
            for folder in dict.fromkeys((root / Path(card.files[0].name).parent, root / card.name)):
                if all((folder / file.basename).is_file() for file in card.files):
                    return folder / card.files[0].basename if len(card.files) == 1 else folder
                if card.unpacked and (folder / card.unpacked).exists():
                    return folder
        return None

    def _lacks(self, card: Card) -> list[str]:
        """The data sets of which it is made that are not here, or are joined themselves."""
        members, by_name = card.loader.made_of(), self.cards()[0] if card.loader.made_of() else {}
        return [m for m in members if m not in by_name or by_name[m].loader.made_of() or not self._place(by_name[m])]

    def _todo(self, card: Card) -> str:
        """What brings a data set here."""
        if lacking := self._lacks(card):
            return f"It is made of other data sets, and of these {' and '.join(lacking)} must be here first."
        put = "Download it, or put" if card.fetched else "Put"
        return f"{put} {' and '.join(file.name for file in card.files)} into the folder that {LOCAL} names."

    def _find(self, name: str) -> tuple[Loader, Path]:
        by_name, problems = self.cards()
        if name in by_name:
            if place := self._place(by_name[name]):
                return by_name[name].loader, place
            raise WorkbenchError(
                f"The data set '{name}' is not on this machine.", where=by_name[name].homepage, todo=self._todo(by_name[name])
            )
        if name in problems:
            raise problems[name]
        folder = own.folder(self.home, name)
        if not folder.is_dir():
            have = [status.name for status in self.available() if status.present]
            raise WorkbenchError(f"There is no corpus '{name}'.", todo=f"Choose one of: {', '.join(have)}.")
        return Files(), folder

    # Opening -------------------------------------------------------------------------------------------------------

    def stamp(self, name: str) -> str:
        """Changes whenever the corpus would be read differently; takes a few milliseconds."""
        return _stamp(name, *self._find(name))

    def open(self, name: str) -> Generator[Progress, None, Corpus]:
        """The corpus of that name, from the cache where its files have not changed."""
        loader, place = self._find(name)
        key = _stamp(name, loader, place)
        entry = self._cache.load("corpus", key)
        if entry is not None and (corpus := (yield from _completed(unpack(entry[0]["json"]), loader, place))):
            return corpus
        yield Progress(0, 0, f"Reading {name}")
        with shape_reported(str(place), loader.part):
            corpus = yield from loader.load(place, name)
        bare = replace(corpus, documents=()) if loader.keeps_documents else corpus
        self._cache.save("corpus", key, {"json": pack(bare)}, {"name": name})
        return corpus

    # Changing ------------------------------------------------------------------------------------------------------

    def download(self, name: str) -> Generator[Progress, None, Path]:
        """Fetches a data set from its publisher; continues where an earlier attempt stopped."""
        by_name, _ = self.cards()
        if name not in by_name:
            raise WorkbenchError(f"There is no data set '{name}'.", todo=f"Data sets: {', '.join(by_name)}.")
        if self._place(by_name[name]) is None:
            if not by_name[name].fetched:
                raise WorkbenchError(f"'{name}' cannot be downloaded.", todo=self._todo(by_name[name]))
            yield from fetch_card(by_name[name], self.home / "datasets" / name)
        return self._place(by_name[name])

    def ingest(
        self, name: str, files: list[Upload], questions: Upload | None = None
    ) -> Generator[Progress, None, list[FileStatus]]:
        """Adds own documents to the collection of that name, which it creates; a file of the same name is replaced."""
        self.check_name(name)
        return (yield from own.ingest(self.home, name, files, questions))

    def check_name(self, name: str) -> None:
        """Raises WorkbenchError where no own collection can be called so."""
        if own.safe_name(name) in self.cards()[0]:
            raise WorkbenchError(f"'{name}' is the name of a data set.", todo="Choose another name.")

    def files(self, name: str) -> list[FileStatus]:
        """What became of each file of an own collection."""
        folder = own.folder(self.home, name)
        if not folder.is_dir():
            have = ", ".join(each.name for each in own.collections(self.home)) or "none yet"
            raise WorkbenchError(f"There are no own documents called '{name}'.", todo=f"Own collections: {have}.")
        return own.statuses(folder)

    def has_pages(self, name: str, document_id: str) -> bool:
        """Whether the document is an ingested PDF, whose pages can be seen."""
        return own.has_pages(self.home, name, document_id)

    def page_view(self, name: str, document_id: str, page: int, texts: dict[str, str]) -> own.PageView:
        """A page of an ingested PDF as a picture, with {"passage", "sentence"} marked on it."""
        return own.page_view(self.home, name, document_id, page, texts)

    def remove(self, name: str, file: str = "") -> None:
        """Removes one file of an own collection, or the whole collection. Downloads and built-ins are not touched."""
        own.remove(self.home, name, file)


def split(corpus: Corpus, part: str) -> Corpus:
    """All questions, or a half of them: "dev" or "test".

    Questions that share a gold document fall into the same half, so that no evidence leaks, and so do those whose gold
    documents have one title, as the paragraphs of an article, and the same question asked again; unanswerable ones are divided
    by their own id. Where more than half of the questions hang together by their titles, titles do not count; where they do by
    documents (densely judged collections), no such division exists: then each goes with the first of its gold documents, and a
    note says so.
    """
    if part == "all":
        return corpus
    if part not in ("dev", "test"):
        raise WorkbenchError(f"There is no half '{part}'.", todo="Choose all, dev or test.")
    anchors, notes = articles(corpus), corpus.notes
    if _most(anchors) > max(len(corpus.queries) // 2, 1):
        asked: dict[Any, str] = {}
        alone = {query.id: next((g.document_id for g in query.relevant), query.id) for query in corpus.queries}
        texts = _texts(corpus.queries)
        anchors = {name: asked.setdefault(texts.get(name, (name,)), document) for name, document in alone.items()}
        notes += ("Questions share so much evidence that dev and test have documents in common.",)
    queries = tuple(q for q in corpus.queries if (int(fingerprint(anchors[q.id]), 16) % 2 == 0) == (part == "dev"))
    return Corpus(corpus.name, corpus.documents, queries, notes, corpus.fingerprint)


def articles(corpus: Corpus) -> dict[str, str]:
    """Query id -> smallest document id of all that are linked to it through shared gold documents or their titles; through
    documents alone where titles would link more than half of the questions."""
    titles = {document.id: document.title for document in corpus.documents if document.title}
    anchors = linked(corpus.queries, titles)
    return anchors if _most(anchors) <= max(len(corpus.queries) // 2, 1) else linked(corpus.queries)


def _most(anchors: Mapping[str, str]) -> int:
    return max(Counter(anchors.values()).values(), default=0)


def linked(queries: Sequence[Query], titles: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Query id -> smallest document id of all that are linked to it through shared gold documents, through those with one of these
    titles, or by being the same question."""
    parent: dict[str, str] = {}
    first: dict[str, str] = {}  # document of each title
    texts, of_text = _texts(queries), {}  # document of each text
    alone: dict[str, str] = {}  # question of each text that has none

    def root(document: str) -> str:
        while parent.setdefault(document, document) != document:
            parent[document] = document = parent[parent[document]]
        return document

    def anchor(identity: str, documents: Sequence[str]) -> str:
        if documents:
            return root(documents[0])
        text = texts.get(identity)
        return root(of_text[text]) if text in of_text else alone.setdefault(text, identity) if text else identity

    relevant = {query.id: [gold.document_id for gold in query.relevant] for query in queries}
    for identity, documents in relevant.items():
        alike = [first.setdefault(titles[document], document) for document in documents if document in titles]
        if documents and identity in texts:
            alike.append(of_text.setdefault(texts[identity], documents[0]))
        for document in (*documents[1:], *alike):
            low, high = sorted((root(documents[0]), root(document)))
            parent[high] = low
    return {identity: anchor(identity, documents) for identity, documents in relevant.items()}


def _texts(queries: Sequence[Query]) -> dict[str, str]:
    """Query id -> its text, of those that may be the same question: not where more than half of all are worded alike."""
    texts = {query.id: plain_question(query.text) for query in queries}
    counts = Counter(texts.values())
    return {identity: text for identity, text in texts.items() if text and counts[text] <= max(len(texts) // 2, 2)}


def _completed(corpus: Corpus, loader: Loader, place: Path) -> Generator[Progress, None, Corpus | None]:
    """A corpus as the cache keeps it, with its documents; None where they are other ones: a file changed just now."""
    if not loader.keeps_documents:
        return corpus
    documents = distinct((yield from loader.read_documents(place, Notes())), Notes()).values()
    return replace(corpus, documents=tuple(documents)) if fingerprint_of(documents) == corpus.fingerprint else None


def _stamp(name: str, loader: Loader, place: Path) -> str:
    # two levels deep, folders too: below that a changed folder time must do, for some sets have 600,000 files
    states = _states(str(place), 2) if place.is_dir() else [(str(place), place.stat())]
    files = sorted((path, state.st_size, state.st_mtime_ns) for path, state in states)
    return fingerprint(name, loader, files, loader.environment(), code_version(loader, pack))


def _states(folder: str, levels: int) -> Iterator[tuple[str, os.stat_result]]:
    """Files and folders with their states, so many levels deep. `scandir` takes a tenth of the time of `Path`."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:  # of an ingestion that goes on meanwhile
        for entry in entries:
            with suppress(FileNotFoundError):
                yield entry.path, entry.stat()
            if levels > 1 and entry.is_dir():
                yield from _states(entry.path, levels - 1)
