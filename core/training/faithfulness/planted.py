"""Another answer in the place of the right one: of its kind, so that the passage reads as well, and says something else."""

import calendar
import re
from collections.abc import Iterable

from core.judging.reference import accepts
from core.records import Hit, Query
from core.training.adapters.examples import stands_in

# the first that an answer matches is its kind: rough, so that what stands in its place reads as well
NUMBERS = "one two three four five six seven eight nine ten dozen hundred thousand million billion".split()
KINDS = {
    "year": re.compile(r"^(?:1\d{3}|20\d\d)$"),
    "date": re.compile(rf"\b(?:{'|'.join(calendar.month_name[1:])}|1\d{{3}}|20\d\d)\b"),
    "figure": re.compile(r"^[\d.,]+$"),
    "number": re.compile(rf"\d|\b(?:{'|'.join(NUMBERS)})\b", re.IGNORECASE),
    "name": re.compile(r"^(?:(?:the|a|an) )?[A-Z]"),
    "other": re.compile(""),
}


def kind(answer: str) -> str:
    return next(name for name, pattern in KINDS.items() if pattern.search(answer))


def fitting(query: Query, hit: Hit, answers: Iterable[str]) -> list[str]:
    """Answers that are no other words for the right one, and that neither question nor passage holds."""
    others = [new for new in sorted(answers) if not any(accepts(new, [old]) or accepts(old, [new]) for old in query.answers)]
    return [new for new in others if not stands_in(new, f"{query.text} {hit.text}")]


def with_answer(text: str, old: str, new: str) -> tuple[str, str] | None:
    """(text with the new answer wherever the old one stands, the new one); None where that is no whole words, or is still there."""
    changed, times = re.subn(rf"(?<!\w){re.escape(old)}(?!\w)", lambda _: new, text)
    return (changed, new) if times and not stands_in(old, changed) else None
