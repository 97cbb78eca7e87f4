"""Questions about documents that are already here: CSV, JSONL, SQuAD JSON, or queries and qrels in BEIR's layout."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from core.corpus import beir
from core.corpus.assemble import WHOLE, answer_spans, spans
from core.corpus.reading import Source, SourceRow, clean, text_of
from core.corpus.tables import rows
from core.errors import WorkbenchError
from core.records import Document, Gold, Query

FORMATS = (".csv", ".tsv", ".jsonl", ".json")


class Ask(NamedTuple):
    """A question as it stands in a file: its evidence is still words, not spans."""

    id: str
    question: str
    document: str  # name of a document, or ""
    answers: tuple[str, ...]  # alternatives of one another
    context: str  # the passage that the answers stand in, or ""
    answerable: bool
    group: str
    history: tuple[str, ...] = ()  # what was said before it, oldest first


def read_questions(source: Source, documents: Sequence[Document]) -> list[Query]:
    """What cannot be found is noted: it is never guessed."""
    named = names_of(documents)
    if source.find("queries.jsonl"):
        ids = {alias: matches[0].id for alias, matches in named.items() if len(matches) == 1}
        return beir.queries(source, "", lambda identity: ids.get(identity.lower(), identity))
    asks: dict[str, list[Ask]] = defaultdict(list)
    for name in sorted(source.sizes):
        for ask in _asks(source, name):
            asks[ask.id].append(ask)  # the same id again: one more piece of evidence
    return [_resolve(group, named, documents, source) for group in asks.values()]


def _asks(source: Source, name: str) -> Iterator[Ask]:
    if not name.lower().endswith(FORMATS):
        raise WorkbenchError(
            "Questions of this format cannot be read.", where=name, todo="Give CSV, JSONL, SQuAD JSON, or a BEIR folder."
        )
    if not name.lower().endswith(".json"):
        for number, row in enumerate(rows(source, name), 1):
            yield _ask(row, number, source)
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
                )


def _ask(row: SourceRow, number: int, source: Source) -> Ask:
    fields = row.fields
    question = text_of(fields, "question", "query", "text")
    if not question.strip():
        source.notes.add("Question without text", row.where)
    answers = fields.get("answers", fields.get("answer"))
    answers = [answers] if not isinstance(answers, list) else answers
    texts = tuple(text for text in (text_of({"answer": answer}, "answer").strip() for answer in answers) if text)
    history = fields.get("history")
    answerable = str(fields.get("answerable", "true")).strip().lower() not in ("false", "0", "no")
    return Ask(
        text_of(fields, "id", "_id", "qid") or f"q{number}",
        question.strip(),
        text_of(fields, "document", "document_id", "doc", "file", "source").strip(),
        texts,
        text_of(fields, "context"),
        answerable,
        text_of(fields, "group", "level", "type", "category"),
        tuple(clean(said) for said in history if isinstance(said, str)) if isinstance(history, list) else (),
    )


def names_of(documents: Sequence[Document]) -> dict[str, list[Document]]:
    """What people write for a document: its id, its file name, that without the ending, its title; in lower case."""
    by_alias: dict[str, list[Document]] = defaultdict(list)
    for document in documents:
        path = PurePosixPath(document.id)
        for alias in {str(path), path.name, path.stem, document.title, document.source}:
            by_alias[alias.lower()].append(document)
    return by_alias


def _resolve(asks: list[Ask], named: dict[str, list[Document]], documents: Sequence[Document], source: Source) -> Query:
    gold: list[Gold] = []
    for unit, ask in enumerate(asks):
        where = named.get(ask.document.lower(), []) if ask.document else ()
        if ask.document and not where and not ask.context:
            source.notes.add("Question names a document that is not here", f"{ask.id} > {ask.document}")
        elif ask.answerable and ask.answers:
            places = [(document.id, *span) for document in where or documents for span in _evidence(ask, document)]
            gold += (Gold(*place, unit=unit) for place in places)
            if not places:
                source.notes.add("Answer not found word for word in the documents", ask.id)
        elif ask.answerable and len(where) == 1:
            gold.append(Gold(where[0].id, 0, WHOLE, unit=unit))
        elif ask.answerable:
            source.notes.add("Question without evidence, not measured", ask.id)
    first = asks[0]
    answers = tuple(answer for ask in asks for answer in ask.answers)
    return Query(first.id, first.question, tuple(gold), answers, first.answerable, first.group, first.history)


def _evidence(ask: Ask, document: Document) -> Iterator[tuple[int, int]]:
    """Where an answer stands; only inside its context, where the file gives one."""
    text = document.text
    regions = list(spans(text, ask.context)) if ask.context else [(0, len(text))]
    for region in regions:
        for answer in ask.answers:
            hits = list(answer_spans(text, answer, *region))
            yield from hits or (answer_spans(text, answer, *region, printed=True) if document.pages else ())
