"""Runs and judgements as TREC writes them: ids only, so no corpus is needed.

A line of a run is `question Q0 document rank score tag`, of judgements `question 0 document grade`; plain or .gz. The order is
that of the scores, the rank is not read; among equal scores the larger document id comes first. All as trec_eval does it. Scores that
were rounded for a file tie, though, and its own order knows better: `ties="file"` keeps it.
"""

import gzip
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple
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


class TrecRun(NamedTuple):
    """Rankings of questions."""

    name: str
    ranked: dict[str, list[tuple[str, float]]]  # question -> documents with their scores, best first


def read_run(path: Path, ties: Ties = "id") -> TrecRun:
    """The run of a file; whatever could not be ranked as it was meant is an error that names the line."""
    source, scores = Source(path, Notes()), {}
    for name in source.find("*"):
        for number, line, _ in source.lines(name):
            if fields := line.decode("utf-8", "replace").split():
                question, document, score = _entry(fields, f"{source.place(name)}:{number}")
                of_question = scores.setdefault(question, {})
                if document in of_question:
                    raise WorkbenchError(
                        f"The document '{document}' is ranked twice for question '{question}'.",
                        where=f"{source.place(name)}:{number}",
                        todo="Keep one of the two lines.",
                    )
                of_question[document] = score
    if not scores:
        raise WorkbenchError("The file ranks nothing.", where=str(path), todo=FORM)
    return TrecRun(_stem(path), {question: ordered(of_question.items(), ties) for question, of_question in scores.items()})


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
    source, judged = Source(path, Notes()), {}
    for name in source.find("*"):
        for question, gold in judgements(source, name).items():
            judged.setdefault(question, []).extend(gold)
    if not any(gold.grade for of_question in judged.values() for gold in of_question):
        todo = "A line of judgements is: question 0 document grade."
        raise WorkbenchError("No document is judged relevant.", where=str(path), todo=todo)
    return tuple(Query(question, "", tuple(gold)) for question, gold in judged.items()), source.notes.lines()


def run_text(run: TrecRun, depth: int) -> str:
    """The best `depth` documents of each question as lines."""
    return "".join(
        f"{written(question)} Q0 {written(document)} {rank} {score!r} {written(run.name)}\n"
        for question, documents in run.ranked.items()
        for rank, (document, score) in enumerate(documents[:depth], 1)
    )


def judgement_text(questions: Sequence[Query]) -> str:
    """Their judged documents as lines, each with its best grade."""
    grades: dict[tuple[str, str], int] = {}
    for query in questions:
        for gold in query.gold:
            key = query.id, gold.document_id
            grades[key] = max(gold.grade, grades.get(key, 0))
    return "".join(f"{written(question)} 0 {written(document)} {grade}\n" for (question, document), grade in grades.items())


def write_run(run: TrecRun, path: Path, depth: int) -> None:
    """The best `depth` documents of each question as a file, gzipped where its name ends so."""
    _write(run_text(run, depth), path, "The run")


def write_judgements(questions: Sequence[Query], path: Path) -> None:
    """Their judged documents, each with its best grade."""
    _write(judgement_text(questions), path, "The judgements")


def written(identity: str) -> str:
    """An id or name as one word: white space and % as %20 and the like."""
    return re.sub(r"[\s%]", lambda match: quote(match[0]), identity) or "run"


def _write(text: str, path: Path, what: str) -> None:
    data = text.encode("utf-8", "replace")
    files.write_whole(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data, what)


def _stem(path: Path) -> str:
    return re.sub(r"\.(gz|txt|trec|run|res)$", "", re.sub(r"\.gz$", "", PurePosixPath(path).name)) or path.name
