"""How many recipes a person compared on a question set, stored as trials or not, and what is left of p values when all count."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from core.statistics.corrections import benjamini_hochberg, correct_defined, holm
from core.workbench import Workbench

STORED = """SELECT DISTINCT recipe_fingerprint AS recipe, dataset, config->>'$.corpus.questions' AS part FROM trials
  WHERE measured > 0 AND questions_fingerprint = ?"""
QUESTIONS = {"all": "these questions", "dev": "the dev questions", "test": "the test questions"}
ASKED = "SELECT DISTINCT questions_fingerprint AS questions FROM trials WHERE measured > 0"


class Counted(NamedTuple):
    """One question set. looked: different recipes that were compared on it: in use on Search, live or pinned there, asked for by a
    command, or stored as trials, those of studies among them."""

    questions: str  # fingerprint
    dataset: str
    part: str  # all, dev or test
    looked: int
    stored: int  # of them as trials, whose values are kept
    first: str  # ISO 8601, UTC; "" where only stored trials are known
    last: str
    unread: int = 0  # damaged lines of the record: so many more looks, perhaps


def counted(workbench: Workbench, questions: str) -> Counted:
    """Of the question set with this fingerprint."""
    looked, stored = workbench.pipeline.looks.of(questions), _stored(workbench, questions)
    recipes, first = {row["recipe"] for row in stored}, next(iter(stored), {"dataset": "", "part": ""})
    return Counted(
        questions,
        looked.dataset or first["dataset"],
        looked.part or first["part"] or "all",
        len(looked.rankings) + len(recipes - looked.recipes),
        len(recipes),
        looked.first,
        looked.last,
        looked.unread,
    )


def identities(workbench: Workbench, questions: str) -> list[str]:
    """Of the recipes that `counted` counts as looked at."""
    looked = workbench.pipeline.looks.of(questions)
    return sorted(looked.rankings | ({row["recipe"] for row in _stored(workbench, questions)} - looked.recipes))


def _stored(workbench: Workbench, questions: str) -> list[dict[str, Any]]:
    # a page that waits for each move of a slider asks the store once
    key = f"{questions}/{workbench.store.journal.mark()}"
    return workbench.pipeline.remember("stored recipes", key, lambda: workbench.store.query(STORED, [questions]))


def every(workbench: Workbench) -> list[Counted]:
    """Of every question set on which recipes were compared, or of which trials are stored; the one used last first."""
    looked = [each.questions for each in workbench.pipeline.looks.all()]
    asked = [row["questions"] for row in workbench.store.query(ASKED)]
    return [counted(workbench, questions) for questions in dict.fromkeys([*looked, *sorted(asked)])]


def corrected(p: Sequence[float | None], looked: int) -> tuple[list[float | None], list[float | None]]:
    """(Holm's, Benjamini and Hochberg's) p of comparisons with one reference, where so many recipes were compared, the reference
    among them. None stays."""
    of = max(looked - 1, sum(value is not None for value in p))
    return correct_defined(p, holm, of), correct_defined(p, benjamini_hochberg, of)


def sentence(counts: Counted, p: float | None, metric: str) -> str:
    """What the number of recipes compared means for the p value of a metric's difference; the metric in words. "": nothing yet."""
    if counts.looked < 2:
        return ""
    compared = f"You have compared {counts.looked:,} recipes on {QUESTIONS.get(counts.part, 'these questions')}"
    if p is None or counts.looked < 3:
        return f"{compared}."
    [[left], _] = corrected([p], counts.looked)
    verdict = "still significant" if left < 0.05 else "no longer significant" if p < 0.05 else "not significant"
    return f"{compared}. Corrected for all of them, the difference in {metric} has {_p(left)} ({_p(p)} by itself): {verdict}."


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def warning(counts: Counted) -> str:
    """What is to be said of the test questions; "" where they were asked of no more than a choice and what it is compared with."""
    if counts.part != "test" or counts.looked <= 2:
        return ""
    since = f", the first on {counts.first[:10]}" if counts.first else ""
    return (
        f"{counts.looked:,} recipes were compared on these test questions{since}. A recipe chosen by them can no longer be tested on "
        "them: choose on dev, and report the choice on test."
    )


def rows(counts: Sequence[Counted]) -> list[dict[str, Any]]:
    """As a table of one row a question set."""
    return [
        {
            "dataset": each.dataset,
            "questions": each.part,
            "compared": each.looked,
            "stored": each.stored,
            "first": each.first,
            "last": each.last,
            "p below 5% (Holm)": 0.05 / max(each.looked - 1, 1),
            "warning": warning(each),
            **({"damaged lines": each.unread} if each.unread else {}),
            "fingerprint": each.questions,
        }
        for each in counts
    ]
