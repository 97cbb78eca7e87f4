"""From what a loader read to a Corpus whose every id is unique and whose every gold span lies in its document."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

from core.config import fingerprint
from core.corpus.reading import Notes
from core.errors import WorkbenchError
from core.records import Corpus, Document, Gold, Query

WHOLE = -1  # as the end of a gold span: the whole document, whatever its length
# of scripts that set no space between words, or hang endings on them: Thai to Burmese, Khmer, Japanese, Chinese, Korean
UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
NUMBER = re.compile(r"\d[.,]\d")


def spans(text: str, answer: str, printed: bool = False) -> Iterator[tuple[int, int]]:
    """Every exact occurrence of an answer; any run of whitespace equals any other (line breaks move).

    printed: in text read from printed pages a word may be divided at the end of a line, and white space may be missing, as
    around the signs of a formula."""
    if words := _words(answer, printed):
        for match in words.finditer(text):
            yield match.span()


@lru_cache(maxsize=1)  # an answer is looked for in every document, one answer after the other
def _in_any_lines(answer: str) -> re.Pattern[str] | None:
    words = answer.split()
    return re.compile(r"\s+".join(map(re.escape, words))) if words else None


def _words(answer: str, printed: bool) -> re.Pattern[str] | None:
    return _as_printed(answer) if printed else _in_any_lines(answer)


def answer_spans(text: str, answer: str, start: int, end: int, printed: bool = False) -> Iterator[tuple[int, int]]:
    """As `spans`, from `start` to `end` of the text, but nothing that stands inside another word or number: 12 is not in 1200."""
    words = _words(answer, printed)
    while words and (match := words.search(text, start, end)):
        cut = _goes_on(text, match.start()) or _goes_on(text, match.end())
        if not cut:
            yield match.span()
        start = match.start() + 1 if cut else match.end()


@lru_cache(maxsize=1)
def _as_printed(answer: str) -> re.Pattern[str] | None:
    words = [r"(?:-?\n)?".join(map(re.escape, word)) for word in answer.split()]
    return re.compile(r"\s*".join(words)) if words else None


def _goes_on(text: str, place: int) -> bool:
    """Whether a word or a number goes on across this place."""
    before, after = text[max(place - 2, 0) : place], text[place : place + 2]
    pair = before[-1:] + after[:1]
    word = len(pair) == 2 and all(sign.isalnum() or unicodedata.category(sign)[0] == "M" for sign in pair)
    number = NUMBER.fullmatch(before + after[:1]) or NUMBER.fullmatch(before[-1:] + after)
    return bool((word and not UNSPACED.search(pair)) or number)


def assemble(name: str, documents: Iterable[Document], queries: Iterable[Query], notes: Notes) -> Corpus:
    """Checks and completes; what does not fit is left out and noted. Raises where no document is left."""
    by_id = distinct(documents, notes)
    if not by_id:
        raise WorkbenchError(
            " ".join([f"'{name}' has no documents.", *notes.lines()]), where=name, todo="Check the source files."
        )
    questions: dict[str, Query] = {}
    for query in queries:
        if not query.text.strip():
            notes.add("Question without text left out", query.id)
        elif query.id in questions:
            notes.add("Question with a repeated id left out", query.id)
        else:
            questions[query.id] = query._replace(gold=tuple(_checked(query, by_id, notes)))
    return Corpus(name, tuple(by_id.values()), tuple(questions.values()), notes.lines(), fingerprint_of(by_id.values()))


def distinct(documents: Iterable[Document], notes: Notes) -> dict[str, Document]:
    """The documents by their ids; what has no text or another's id is left out."""
    by_id: dict[str, Document] = {}
    for document in documents:
        if not document.text.strip():
            notes.add("Document without text left out", document.id)
        elif document.id in by_id:
            notes.add("Document with a repeated id left out", document.id)
        else:
            by_id[document.id] = document
    return by_id


def plain_question(text: str) -> str:
    """A question without what two writings of the same differ in: capitals, white space, the marks around it."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(" ?!.¿¡。")


def fingerprint_of(documents: Iterable[Document]) -> str:
    """Of the documents alone, so that editing questions never re-embeds a text."""
    return fingerprint([(document.id, document.text) for document in documents])


def _checked(query: Query, documents: dict[str, Document], notes: Notes) -> Iterator[Gold]:
    for gold in dict.fromkeys(query.gold):
        document = documents.get(gold.document_id)
        if document is None:
            notes.add("Judgement of an unknown document left out", f"{query.id} > {gold.document_id}")
            continue
        end = len(document.text) if gold.end == WHOLE else gold.end
        if 0 <= gold.start < end <= len(document.text):
            yield gold._replace(end=end)
        else:
            notes.add("Evidence outside its document left out", f"{query.id} > {gold.document_id}")
