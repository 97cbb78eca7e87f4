from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Literal

from core.corpus.assemble import assemble, spans
from core.corpus.protocol import Loader
from core.corpus.reading import Notes, Source, text_of
from core.errors import WorkbenchError
from core.records import Corpus, Document, Gold, Progress, Query
from core.registry import part


@part("loader")
class Squad(Loader):
    """Questions on paragraphs with exact answer spans, in SQuAD's JSON.

    A document is a paragraph ("Super_Bowl_50/3"); the answers that several annotators marked are alternatives of one
    unit; impossible questions (2.0) carry no gold. Choose it for SQuAD and everything published in its format.
    Source: Rajpurkar et al. 2016 (1.1), Rajpurkar et al. 2018 (2.0), Artetxe et al. 2020 (XQuAD).
    """

    part: Literal["squad"] = "squad"

    def load(self, path: Path, name: str) -> Generator[Progress, None, Corpus]:
        notes = Notes()
        source = Source(path, notes)
        documents, queries, numbers = [], [], Counter()
        for member in source.find("*.json") or source.find("*.json.gz"):
            articles = source.json(member).get("data")
            if not isinstance(articles, list):
                expected = '{"data": [{"title": …, "paragraphs": […]}]}'
                raise WorkbenchError(
                    "The file has no list 'data'.", where=source.place(member), todo=f"SQuAD's JSON looks like {expected}."
                )
            for done, article in enumerate(articles):
                yield Progress(done, len(articles), f"Reading {member}")
                title = text_of(article, "title") or "untitled"
                for paragraph in article.get("paragraphs", ()):
                    numbers[title] += 1
                    document = Document(
                        f"{title}/{numbers[title]}", text_of(paragraph, "context"), title.replace("_", " "), member
                    )
                    documents.append(document)
                    queries += (question(entry, document, notes) for entry in paragraph.get("qas", ()))
        return assemble(name, documents, queries, notes)


def question(entry: dict, document: Document, notes: Notes) -> Query:
    identity = text_of(entry, "id") or f"{document.id}: {text_of(entry, 'question')}"
    impossible = bool(entry.get("is_impossible", False))
    answers = [] if impossible else [answer for answer in entry.get("answers", ()) if text_of(answer, "text").strip()]
    gold = [Gold(document.id, *span) for answer in answers for span in located(answer, document.text, identity, notes)]
    texts = tuple(dict.fromkeys(text_of(answer, "text") for answer in answers))
    return Query(identity, text_of(entry, "question").strip(), tuple(gold), texts, not impossible, document.title)


def located(answer: dict, text: str, identity: str, notes: Notes) -> list[tuple[int, int]]:
    """The stated span where it holds the answer; else its only occurrence; else nothing, and a note."""
    wanted, start = text_of(answer, "text"), answer.get("answer_start")
    if isinstance(start, int) and text[start : start + len(wanted)] == wanted and start >= 0:
        return [(start, start + len(wanted))]
    occurrences = list(spans(text, wanted))
    if len(occurrences) == 1:
        notes.add("Answer offset was wrong, its only occurrence taken", identity)
        return occurrences
    notes.add("Answer not at its offset, left out", identity)
    return []
