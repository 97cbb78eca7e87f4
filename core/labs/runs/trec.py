"""Runs and judgements as TREC writes them: ids only, so no corpus is needed.

A line of a run is `question Q0 document rank score tag`, of judgements `question 0 document grade`; plain or .gz. The order is
that of the scores, the rank is not read; among equal scores the larger document id comes first. All as trec_eval does it. Scores that
were rounded for a file tie, though, and its own order knows better: `ties="file"` keeps it.
"""

import gzip
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal, NamedTuple
from urllib.parse import quote

import numpy as np

from core import files
from core.corpus.beir import judgements
from core.corpus.reading import Notes, Source
from core.errors import WorkbenchError
from core.records import Query

FIELDS = "question Q0 document rank score tag"
Ties = Literal["id", "file"]
FORM = f"A line of a run is: {FIELDS}."
LARGEST = float(np.finfo(np.float32).max)


class Ranking(Sequence[tuple[str, float]]):
    """Documents with their scores, best first: in some 20 bytes each, for runs have millions."""

    __slots__ = ("_names", "_scores")

    def __init__(self, entries: Sequence[tuple[str, float]]) -> None:
        self._names = "\n".join(name for name, _ in entries)  # ids are words, without any white space
        self._scores = array("d", [score for _, score in entries])

    def __len__(self) -> int:
        return len(self._scores)

    def __iter__(self) -> Iterator[tuple[str, float]]:
        return zip(self._names.split("\n") if self._scores else (), self._scores, strict=True)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice) and place.start is None and place.step is None and (place.stop or 0) > 0:
            first = self._scores[: place.stop]  # the best few, for which the others are not taken apart
            return list(zip(self._names.split("\n", len(first))[: len(first)], first, strict=True))
        return list(self)[place]


class TrecRun(NamedTuple):
    """Rankings of questions; all ids are as files have them."""

    name: str
    ranked: Mapping[str, Sequence[tuple[str, float]]]  # question -> documents with their scores, best first


def read_run(path: Path, ties: Ties = "id") -> TrecRun:
    """The run of a file; whatever could not be ranked as it was meant is an error that names the line."""
    source = Source(path, Notes())
    read: dict[str, tuple[bytearray, array]] = {}  # of each question its documents, a line each, and their scores
    for _, (question, document, score) in _entries(source):
        names, scores = read.setdefault(question, (bytearray(), array("f")))
        names += f"{document}\n".encode("utf-8", "surrogatepass")
        scores.append(score)
    if not read:
        raise WorkbenchError("The file ranks nothing.", where=str(path), todo=FORM)
    ranked = {}
    for question in list(read):
        names, scores = read.pop(question)
        documents = names.decode("utf-8", "surrogatepass").split("\n")[:-1]
        if len(set(documents)) < len(documents):
            raise _twice(source, question)
        ranked[question] = Ranking(ordered(zip(documents, scores, strict=True), ties))
    return TrecRun(_stem(path), ranked)


def _entries(source: Source) -> Iterator[tuple[str, tuple[str, str, float]]]:
    """(where it stands, (question, document, score)) of each line."""
    for name in source.find("*"):
        for number, line, _ in source.lines(name):
            if fields := line.decode("utf-8", "replace").split():
                where = f"{source.place(name)}:{number}"
                yield where, _entry(fields, where)


def _twice(source: Source, question: str) -> WorkbenchError:
    """Of a question that ranks a document twice: which, and where."""
    seen: set[str] = set()
    places = ((where, document) for where, (asked, document, _) in _entries(source) if asked == question)
    where, document = next((where, document) for where, document in places if document in seen or seen.add(document))
    what = f"The document '{document}' is ranked twice for question '{question}'."
    return WorkbenchError(what, where=where, todo="Keep one of the two lines.")


def _entry(fields: Sequence[str], where: str) -> tuple[str, str, float]:
    if len(fields) != 6:
        raise WorkbenchError(f"The line has {len(fields)} fields instead of 6.", where=where, todo=FORM)
    try:
        score = float(fields[4])
    except ValueError:
        raise WorkbenchError(f"The score '{fields[4]}' is no number.", where=where, todo=FORM) from None
    if not abs(score) <= LARGEST:  # nor NaN
        raise WorkbenchError(f"The score is {fields[4]}, which cannot be ranked.", where=where, todo="Give finite scores.")
    return fields[0], fields[2], float(np.float32(score))  # trec_eval keeps scores so: what is equal there is a tie here


def ordered(scores: Iterable[tuple[str, float]], ties: Ties = "id") -> list[tuple[str, float]]:
    """(document, score) best first; among equal scores the larger id, or the earlier entry."""
    return sorted(scores, key=lambda entry: (entry[1], entry[0] if ties == "id" else ""), reverse=True)


def read_judgements(path: Path) -> tuple[tuple[Query, ...], tuple[str, ...]]:
    """The judged questions, without their texts, with graded documents; and what was skipped."""
    source = Source(path, Notes())
    judged = judgements(source, source.find("*"), _one_word, _one_word)  # between tabs ids may have white space
    if not any(gold.grade for of_question in judged.values() for gold in of_question):
        todo = "A line of judgements is: question 0 document grade."
        what = " ".join(["No document is judged relevant.", *source.notes.lines()])
        raise WorkbenchError(what, where=str(path), todo=todo)
    return tuple(Query(question, "", tuple(gold)) for question, gold in judged.items()), source.notes.lines()


def run_text(run: TrecRun, depth: int) -> str:
    """The best `depth` documents of each question as lines."""
    return "".join(_run_lines(run, depth))


def _run_lines(run: TrecRun, depth: int) -> Iterator[str]:
    """Those of each question."""
    for question, documents in run.ranked.items():
        yield "".join(
            f"{question} Q0 {document} {rank} {score!r} {written(run.name)}\n"
            for rank, (document, score) in enumerate(documents[:depth], 1)
        )


def judgement_text(questions: Sequence[Query]) -> str:
    """Their judged documents as lines, each with its best grade."""
    grades: dict[tuple[str, str], int] = {}
    for query in questions:
        for gold in query.gold:
            key = query.id, gold.document_id
            grades[key] = max(gold.grade, grades.get(key, 0))
    return "".join(f"{question} 0 {document} {grade}\n" for (question, document), grade in grades.items())


def write_run(run: TrecRun, path: Path, depth: int) -> None:
    """The best `depth` documents of each question as a file, gzipped where its name ends so."""
    _write(_run_lines(run, depth), path, "The run")


def write_judgements(questions: Sequence[Query], path: Path) -> None:
    """Their judged documents, each with its best grade."""
    _write([judgement_text(questions)], path, "The judgements")


def written(identity: str) -> str:
    """An id or name of ours as the one word that files have for it: white space and % as %20 and the like. Ids that were read are such
    words already, and stay as they are: written so again they would be others."""
    return re.sub(r"[\s%]", lambda match: quote(match[0]), identity) or "run"


def _one_word(identity: str) -> str:
    return written(identity) if re.search(r"\s", identity) else identity


def _write(texts: Iterable[str], path: Path, what: str) -> None:
    def write(file: BinaryIO) -> None:
        packed = gzip.GzipFile("", "wb", fileobj=file, mtime=0) if path.suffix == ".gz" else file
        packed.writelines(text.encode("utf-8", "replace") for text in texts)
        if packed is not file:
            packed.close()

    files.write_whole(path, write, what)


def _stem(path: Path) -> str:
    return re.sub(r"\.(gz|txt|trec|run|res)$", "", re.sub(r"\.gz$", "", PurePosixPath(path).name)) or path.name
