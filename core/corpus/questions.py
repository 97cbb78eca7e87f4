"""Questions about documents that are already here: CSV, JSONL, SQuAD JSON, or queries and qrels in BEIR's layout."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from core.corpus import beir
from core.corpus.assemble import WHOLE, answer_spans, distinct, plain_question, spans
from core.corpus.reading import Notes, Source, SourceRow, clean, text_of
from core.corpus.tables import rows
from core.errors import WorkbenchError
from core.records import Document, Gold, Query

FORMATS = (".csv", ".tsv", ".jsonl", ".json")
QUESTION = ("question", "query", "text", "user_input")  # the last of Ragas' test sets
HOP = re.compile(r"<\d+-hop>\s*")  # which Ragas writes before each passage of a question that needs several


class Ask(NamedTuple):
    """A question as it stands in a file: its evidence is still words, not spans."""

    id: str
    question: str
    document: str  # name of a document, or ""
    answers: tuple[str, ...]  # alternatives of one another
    context: str  # the passage that the answers stand in, or ""
    answerable: bool
    group: str
    where: str
    history: tuple[str, ...] = ()  # what was said before it, oldest first
    passages: tuple[str, ...] = ()  # evidence as it stands, each a piece of its own
    reference: str = ""  # an answer in other words than the documents', or ""


def read_questions(source: Source, documents: Sequence[Document]) -> list[Query]:
    """What cannot be found is noted: it is never guessed."""
    documents = tuple(distinct(documents, Notes()).values())  # what is left out holds no evidence
    named = DocumentNames(documents)
    if source.find("queries.jsonl") or source.find("queries.jsonl.gz"):

        def known_as(name: str) -> str:
            alike = named.called(name)
            if len(alike) > 1:
                source.notes.add("Judgement names several documents", f"{name}: {', '.join(each.id for each in alike[:3])}")
            return alike[0].id if len(alike) == 1 else name

        return beir.queries(source, "", known_as)
    asks: dict[str, list[Ask]] = defaultdict(list)
    numbers = count(1)  # of all files
    for name in sorted(source.sizes):
        for ask in _asks(source, name, numbers):
            if (before := asks[ask.id]) and ask.question and plain_question(ask.question) != plain_question(before[0].question):
                source.notes.add("Question with the id of another left out", f"{ask.id}: {before[0].where}, {ask.where}")
            else:
                before.append(ask)  # the same id again: one more piece of evidence
    return [_resolve(group, named, documents, source) for group in asks.values()]


def _asks(source: Source, name: str, numbers: Iterator[int]) -> Iterator[Ask]:
    if not name.lower().endswith(FORMATS):
        raise WorkbenchError(
            "Questions of this format cannot be read.", where=name, todo="Give CSV, JSONL, SQuAD JSON, or a BEIR folder."
        )
    if not name.lower().endswith(".json"):
        columns: dict[str, None] = {}  # of all rows
        for row, number in zip(rows(source, name), numbers, strict=False):
            columns |= dict.fromkeys(row.fields)
            yield _ask(row, number, source)
        if columns and columns.keys().isdisjoint(QUESTION):
            what = f"No column is called {' or '.join(QUESTION)}. There are: {', '.join(columns):.200}."
            raise WorkbenchError(what, where=PurePosixPath(name).name, todo="Rename the one that holds the questions.")
        return
    for article in source.json(name).get("data", ()):
        for paragraph in article.get("paragraphs", ()):
            for entry in paragraph.get("qas", ()):
                answers = tuple(dict.fromkeys(text_of(answer, "text") for answer in entry.get("answers", ())))
                question = text_of(entry, "question")
                yield Ask(
                    text_of(entry, "id") or question,
                    question,
                    text_of(article, "title"),
                    answers,
                    text_of(paragraph, "context"),
                    not entry.get("is_impossible", False),
                    "",
                    f"{PurePosixPath(name).name}, '{question:.60}'",
                )


def _ask(row: SourceRow, number: int, source: Source) -> Ask:
    fields = row.fields
    question = text_of(fields, *QUESTION)
    if not question.strip():
        source.notes.add("Question without text", row.where)
    answers = next((value for name in ("answers", "answer") if (value := fields.get(name)) not in (None, "", [])), None)
    texts = tuple(_texts(answers))
    impossible = isinstance(answers, dict) and answers.get("text") == []  # so the hub's copies of SQuAD 2.0 say it
    listed = answers if isinstance(answers, list) else [answers]
    if unread := not texts and not impossible and any(not isinstance(answer, str | None) for answer in listed):
        source.notes.add("Answer that is no text", row.where)
    history = fields.get("history")
    answerable = not impossible and str(fields.get("answerable", "true")).strip().lower() not in ("false", "0", "no")
    return Ask(
        text_of(fields, "id", "_id", "qid") or f"q{number}",
        question.strip(),
        # the whole document would be more evidence than was meant
        "" if unread else text_of(fields, "document", "document_id", "doc", "file", "source").strip(),
        texts,
        text_of(fields, "context"),
        answerable,
        text_of(fields, "group", "level", "type", "category"),
        row.where,
        tuple(clean(said) for said in history if isinstance(said, str)) if isinstance(history, list) else (),
        tuple(HOP.sub("", passage, 1) for passage in _texts(fields.get("reference_contexts"))),
        text_of(fields, "reference").strip(),
    )


def _texts(answers: Any) -> Iterator[str]:
    """Of a text, a list of them, or of SQuAD's objects with a `text`, which is a list in the hub's copies."""
    if isinstance(answers, dict):
        answers = answers.get("text")
    if isinstance(answers, list):
        for answer in answers:
            yield from _texts(answer)
    elif text := text_of({"answer": answers}, "answer").strip():
        yield text


class DocumentNames:
    """What people write for a document: its id, also that within its file, which counts first and as it is written; else its file's
    name and its title in any case, a name also without its folders and its ending."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._ids = {document.id: [document] for document in documents}
        self._within: dict[str, list[Document]] = defaultdict(list)
        self._others: dict[str, list[Document]] = defaultdict(list)
        for document in documents:
            within = document.id.removeprefix(f"{document.source}/")
            self._within[within.strip()].append(document)
            names = {form for name in (document.id, within, document.source) for form in _forms(name)}
            for name in {name.strip().lower() for name in (*names, document.title)}:
                self._others[name].append(document)

    def called(self, name: str) -> list[Document]:
        """Those that the name can mean."""
        return self._ids.get(name) or self._within.get(name.strip()) or self._others.get(name.strip().lower(), [])


def _forms(name: str) -> set[str]:
    path = PurePosixPath(name)
    return {name, name.removesuffix(path.suffix), path.name, path.stem}


def _resolve(asks: list[Ask], named: DocumentNames, documents: Sequence[Document], source: Source) -> Query:
    gold: list[Gold] = []
    for unit, ask in enumerate(asks):
        where = named.called(ask.document) if ask.document else []
        if ask.document and not where and not (ask.context or ask.passages):
            source.notes.add("Question names a document that is not here", f"{ask.id} > {ask.document}")
        elif ask.answerable and ask.answers:
            places = [(document.id, *span) for document in where or documents for span in _evidence(ask, document)]
            gold += (Gold(*place, unit=unit) for place in places)
            if not places:
                source.notes.add("Answer not found word for word in the documents", ask.id)
        elif ask.answerable and ask.passages:
            for number, passage in enumerate(ask.passages):
                places = [
                    (document.id, *span)
                    for document in where or documents
                    for span in _places(document, partial(spans, document.text, passage))
                ]
                gold += (Gold(*place, unit=unit + number * len(asks)) for place in places)
                if not places:
                    source.notes.add("Passage not found word for word in the documents", ask.id)
        elif ask.answerable and len(where) == 1:
            gold.append(Gold(where[0].id, 0, WHOLE, unit=unit))
        elif ask.answerable and where:
            source.notes.add("Question names several documents, not measured", f"{ask.id} > {ask.document}")
        elif ask.answerable:
            source.notes.add("Question without evidence, not measured", ask.id)
    first = asks[0]
    answers = tuple(answer for ask in asks for answer in (*ask.answers, ask.reference) if answer)
    return Query(first.id, first.question, tuple(gold), answers, first.answerable, first.group, first.history)


def _evidence(ask: Ask, document: Document) -> Iterator[tuple[int, int]]:
    """Where an answer stands; only inside its context, where the file gives one."""
    text = document.text
    regions = _places(document, partial(spans, text, ask.context)) if ask.context else [(0, len(text))]
    for region in regions:
        for answer in ask.answers:
            yield from _places(document, partial(answer_spans, text, answer, *region))


def _places(document: Document, spans_of: Callable[..., Iterator[tuple[int, int]]]) -> list[tuple[int, int]]:
    """Where it stands as written, or else, in a PDF, as printed."""
    return list(spans_of()) or (list(spans_of(printed=True)) if document.pages else [])
