"""Whether what a paper showed when it was taken is what its commands answer now."""

import math
from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

from core.errors import WorkbenchError
from core.labs.papers import paper as papers
from core.labs.papers import sources
from core.records import Progress
from core.report.colours import alike
from core.workbench import Workbench

SAME = 1e-9  # other builds of numpy differ in the last digits


class Checked(NamedTuple):
    """What became of one thing that was looked at. holds None: it cannot be computed from stored trials, for the reason told."""

    what: str
    holds: bool | None
    told: str = ""


def check(workbench: Workbench, paper_id: str) -> Generator[Progress, None, list[Checked]]:
    """Every item of a paper against its command run again: the stale check."""
    paper, results = papers.load(workbench, paper_id), []
    for done, item in enumerate(paper.items):
        yield Progress(done, len(paper.items), f"Computing {item.name}")
        try:
            content = papers.taken(workbench, paper_id, item.name).content
        except WorkbenchError as error:
            results.append(Checked(f"{item.kind} {item.name}", False, str(error)))
        else:
            results.append(recomputed(workbench, item, content))
            results += told_apart(item, content)
    return results


def told_apart(item: papers.Item, content: Any) -> list[Checked]:
    """The lines of a figure that some readers cannot tell apart."""
    pairs = alike(content["figure"]) if item.kind == "figure" else []
    return [
        Checked(f"figure {item.name}", None, f"{pair.first} and {pair.second} look alike ({pair.seen}): vary dash or marker")
        for pair in pairs
    ]


def recomputed(workbench: Workbench, item: papers.Item, content: Any) -> Checked:
    """An item's content against what its command answers."""
    what = f"{item.kind} {item.name}"
    if not sources.computed(item):
        command = f": {sources.shown(item.command)}" if item.command else ""
        return Checked(what, None, f"its data come from a page, and are not computed from stored trials alone{command}")
    try:
        now = sources.content(workbench, item)
    except WorkbenchError as error:
        return Checked(what, False, f"it cannot be computed: {error}")
    except Exception as error:  # records of others may be of any shape
        return Checked(what, False, f"it cannot be computed: {type(error).__name__}: {error}"[:300])
    changes = list(differences(content, now))
    return Checked(what, not changes, "; ".join(changes[:3]) + f"; {len(changes) - 3} more" * (len(changes) > 3))


def differences(told: Any, now: Any, place: str = "") -> Iterator[str]:
    """Where two plain values differ, in words; numbers that agree to nine digits are the same."""
    at = f"{place}: " if place else ""
    if isinstance(told, dict) and isinstance(now, dict):
        for name in dict.fromkeys([*told, *now]):
            if name not in told or name not in now:
                yield f"{at}{str(name)[:60]} is {'gone' if name in told else 'new'}"
            else:
                yield from differences(told[name], now[name], f"{place}.{name}".strip(".")[:120])
    elif isinstance(told, list) and isinstance(now, list):
        if len(told) != len(now):
            yield f"{at}{len(told)} rows told, {len(now)} computed"
            return
        for row, (before, after) in enumerate(zip(told, now, strict=True)):
            yield from differences(before, after, f"{place}.{row}".strip(".")[:120])
    elif not _same(told, now):
        yield f"{at}{str(told)[:80]} told, {str(now)[:80]} computed"


def _same(told: Any, now: Any) -> bool:
    if isinstance(told, bool) or isinstance(now, bool) or not all(isinstance(value, int | float) for value in (told, now)):
        return type(told) is type(now) and told == now
    try:
        return math.isclose(told, now, rel_tol=SAME, abs_tol=1e-12)
    except OverflowError:  # a whole number beyond all floats
        return told == now
