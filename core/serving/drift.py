"""Drift: are the questions that a service gets still like those that it was published with, and does it find passages as good for them?"""

from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from core.embedding.vectors import embed
from core.records import Progress
from core.report.table import COUNT, DAY_TIME, MEAN, P_VALUE, Column, Table, corrected_p
from core.serving.publishing import Publication, recipe_of
from core.serving.served import ServedAnswer, served_answers
from core.statistics.corrections import correct_defined
from core.statistics.two_sample import FEWEST, kernel_two_sample
from core.workbench import Workbench

HOURS, LEVEL = 30 * 24.0, 0.05
MOST = 300  # questions of a sample: the newest, of those at publication the first
FARTHEST = 10  # questions that are listed
PUBLISHED, EARLIER = "at publication", "the earlier half of them"


class ServiceDrift(NamedTuple):
    """tests, farthest: rows as their tables name them. questions: different ones that were answered."""

    questions: int
    tests: list[dict[str, Any]]
    farthest: list[dict[str, Any]]

    @property
    def sentence(self) -> str:
        differ = [f"the {row['what']} differ from {row['against']}" for row in self.tests if row["differ"]]
        if differ:
            return f"Drift: {', '.join(differ)} (level {LEVEL:.0%}, all tests together)."
        if all(row["p"] is None for row in self.tests):
            return f"{self.questions:,} different questions were answered; {FEWEST} on either side are needed."
        return f"No significant drift over {self.questions:,} questions."


def drift(workbench: Workbench, publication: Publication, hours: float = HOURS) -> Generator[Progress, None, ServiceDrift]:
    """Of the different questions that the published recipe answered in the last hours, the newest: their vectors by its encoder, and the
    score of the best passage, against those at publication, and the later half against the earlier one. For one look; p is corrected for
    the tests that are told together."""
    run = yield from workbench.pipeline.resolve(recipe_of(publication))
    answers = served_answers(workbench, hours, publication.name)
    asked = _different([each for each in answers if each.recipe == publication.recipe])[-MOST:]
    before = [canary for canary in publication.canaries if canary["question"].strip()][:MOST]
    texts = [*(canary["question"] for canary in before), *(each.question for each in asked)]
    encoder = yield from workbench.pipeline.encoder(run)
    vectors = _unit((yield from embed(encoder, texts, workbench.pipeline.vectors_folder, True)))
    own, new = vectors[: len(before)], vectors[len(before) :]
    scores = np.array([[np.nan if each.score is None else each.score] for each in asked]).reshape(-1, 1)
    published = np.array([[canary.get("score", np.nan)] for canary in before], np.float64).reshape(-1, 1)
    half = len(asked) // 2
    tests = [
        _test("questions", PUBLISHED, own, new),
        _test("questions", EARLIER, new[:half], new[half:]),
        _test("scores", PUBLISHED, published, scores),
        _test("scores", EARLIER, scores[:half], scores[half:]),
    ]
    corrected = correct_defined([test["p"] for test in tests])
    rows = [{**test, "p (Holm)": p, "differ": p is not None and p < LEVEL} for test, p in zip(tests, corrected, strict=True)]
    return ServiceDrift(len(asked), rows, _farthest(asked, new, before, own))


def drift_table(told: ServiceDrift) -> Table:
    columns = (
        Column("what", "Compared", width=110),
        Column("against", width=200),
        Column("before", "Before", COUNT),
        Column("now", "Now", COUNT),
        Column("median_before", "Median before", MEAN, "Of scores."),
        Column("median_now", "Median now", MEAN),
        Column("mmd", "Distance", "%.4f", "Squared maximum mean discrepancy; 0: alike."),
        Column("p", "p", P_VALUE),
        corrected_p(),
        Column("differ", "Differ"),
        Column("note", width=260),
    )
    return Table("drift", columns, told.tests, "Drift")


def farthest_table(told: ServiceDrift) -> Table:
    columns = (
        Column("question", width=340),
        Column("nearest", "Nearest question at publication", width=340),
        Column("similarity", format=MEAN, help="Cosine of the two."),
        Column("asked", format=DAY_TIME, width=110),
    )
    return Table("farthest_questions", columns, told.farthest, "Questions farthest from those at publication")


def _different(answers: Sequence[ServedAnswer]) -> list[ServedAnswer]:
    """One answer a question, that for which passages were searched first, in the order of time."""
    by_question: dict[str, ServedAnswer] = {}
    for each in sorted(answers, key=lambda answer: answer.score is None):
        by_question.setdefault(" ".join(each.question.split()), each)
    return sorted(by_question.values(), key=lambda answer: answer.start_s)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _test(what: str, against: str, before: np.ndarray, now: np.ndarray) -> dict[str, Any]:
    before, now = (sample[~np.isnan(sample).any(axis=1)] for sample in (before, now))
    row: dict[str, Any] = {"what": what, "against": against, "before": len(before), "now": len(now)}
    medians = [float(np.median(sample)) if what == "scores" and len(sample) else None for sample in (before, now)]
    row |= dict(zip(("median_before", "median_now"), medians, strict=True))
    if min(len(before), len(now)) < FEWEST:
        unscored = what == "scores" and against == PUBLISHED and not len(before)
        note = "published before scores were noted: publish it again" if unscored else f"{FEWEST} on either side are needed"
        return row | {"mmd": None, "p": None, "note": note}
    return row | kernel_two_sample(before, now)._asdict() | {"note": ""}


def _farthest(asked: Sequence[ServedAnswer], new: np.ndarray, before: Sequence[Any], own: np.ndarray) -> list[dict[str, Any]]:
    if not (len(asked) and len(before)):
        return []
    similar = new @ own.T
    nearest, best = similar.argmax(axis=1), similar.max(axis=1)
    return [
        {
            "question": asked[row].question,
            "nearest": before[nearest[row]]["question"],
            "similarity": float(best[row]),
            "asked": datetime.fromtimestamp(asked[row].start_s, UTC),
        }
        for row in np.argsort(best, kind="stable")[:FARTHEST].tolist()
    ]
