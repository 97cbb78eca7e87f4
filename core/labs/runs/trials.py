"""A stored trial's rankings as a run, and its questions as judgements."""

from collections.abc import Iterable

from core.errors import WorkbenchError
from core.labs.runs.trec import TrecRun, ordered, written
from core.records import Gold, Query
from core.workbench import Workbench


def run_of(workbench: Workbench, trial: str) -> tuple[TrecRun, tuple[Query, ...]]:
    """Of a trial by its id or name: its documents, each with the score of its best chunk, and the questions it was asked; all ids as
    files have them, so that it is measured by judgements, and beside runs, that were written."""
    record = workbench.show(trial)
    if record["status"] != "ok":
        raise WorkbenchError("The trial has no rankings.", where=record["id"], todo="Choose one that is measured.")
    questions = workbench.store.questions(record["questions_fingerprint"])["queries"]
    ranked = {}
    for question, (places, scores) in record["rankings"].items():
        best: dict[str, float] = {}
        for place, score in zip(places, scores, strict=True):
            document = written(record["chunks"][place][0])
            best[document] = max(score, best.get(document, score))
        ranked[written(question)] = ordered(best.items())
    asked = tuple(
        Query(written(query["id"]), query["text"], tuple(_documents(Gold(*gold) for gold in query["gold"])))
        for query in questions
    )
    return TrecRun(record["id"], ranked), asked


def _documents(golds: Iterable[Gold]) -> list[Gold]:
    """The judged documents, each a unit of its own with the best grade of its spans."""
    grades: dict[str, int] = {}
    for gold in golds:
        document = written(gold.document_id)
        grades[document] = max(gold.grade, grades.get(document, 0))
    return [Gold(document, 0, 1, grade, unit) for unit, (document, grade) in enumerate(grades.items())]
