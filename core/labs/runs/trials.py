"""A stored trial's rankings as a run, and its questions as judgements."""

from collections.abc import Iterable

from core.errors import WorkbenchError
from core.labs.runs.trec import TrecRun, ordered
from core.records import Gold, Query
from core.workbench import Workbench


def run_of(workbench: Workbench, trial: str) -> tuple[TrecRun, tuple[Query, ...]]:
    """Of a trial by its id or name: its documents, each with the score of its best chunk, and the questions it was asked."""
    record = workbench.show(trial)
    if record["status"] != "ok":
        raise WorkbenchError("The trial has no rankings.", where=record["id"], todo="Choose one that is measured.")
    questions = workbench.store.questions(record["questions_fingerprint"])["queries"]
    ranked = {}
    for question, (places, scores) in record["rankings"].items():
        best: dict[str, float] = {}
        for place, score in zip(places, scores, strict=True):
            document = record["chunks"][place][0]
            best[document] = max(score, best.get(document, score))
        ranked[question] = ordered(best.items())
    asked = tuple(
        Query(query["id"], query["text"], tuple(_documents(Gold(*gold) for gold in query["gold"]))) for query in questions
    )
    return TrecRun(record["id"], ranked), asked


def _documents(golds: Iterable[Gold]) -> list[Gold]:
    """The judged documents, each a unit of its own with the best grade of its spans."""
    grades: dict[str, int] = {}
    for gold in golds:
        grades[gold.document_id] = max(gold.grade, grades.get(gold.document_id, 0))
    return [Gold(document, 0, 1, grade, unit) for unit, (document, grade) in enumerate(grades.items())]
