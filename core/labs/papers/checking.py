"""Whether what a paper showed when it was taken is what its commands answer now."""

from collections.abc import Generator
from typing import Any, NamedTuple

from core.errors import WorkbenchError
from core.labs.papers import derived, sources
from core.labs.papers import paper as papers
from core.labs.papers.differing import differences
from core.records import Progress
from core.report.colours import alike
from core.workbench import Workbench

OTHER_ROWS = "its command answered other rows than the page drew when it was taken"
AGAIN = "a chart of a page is removed, and added on its page again"


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
            result = recomputed(workbench, item, content)
            results.append(_moved_on(workbench, item, content, result) if result.holds else result)
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
        return _chart(workbench, item, content, what)
    try:
        now = sources.content(workbench, item)
    except WorkbenchError as error:
        return Checked(what, False, f"it cannot be computed: {error}")
    except Exception as error:  # records of others may be of any shape
        return Checked(what, False, f"it cannot be computed: {type(error).__name__}: {error}"[:300])
    changes = list(differences(content, now))
    return Checked(what, not changes, "; ".join(changes[:3]) + f"; {len(changes) - 3} more" * (len(changes) > 3))


def _chart(workbench: Workbench, item: papers.PaperFigure, content: Any, what: str) -> Checked:
    """A page's chart: what is drawn against its rows, its rows against what its command answers on its trials."""
    try:
        strange = list(derived.not_in_rows(content["figure"], content["data"]))
        told = content["data"]
        if item.of_rows and strange:
            return Checked(what, False, "; ".join(strange[:3]) + f"; {len(strange) - 3} more" * (len(strange) > 3))
        if not item.derived:
            why = derived.why_not(item.command) if not derived.able(item.command) else OTHER_ROWS
            command = f": {sources.shown(item.command)}" if item.command else ""
            return Checked(what, None, f"not computed: {why}{command}")
        now = derived.table_of(derived.derived(workbench, item.command, told, item.trials).tables, told)
    except WorkbenchError as error:
        return Checked(what, False, f"it cannot be computed: {error}")
    except Exception as error:  # items and records of others may be of any shape
        return Checked(what, False, f"it cannot be computed: {type(error).__name__}: {error}"[:300])
    changes = list(differences(told, now))
    if changes:
        return Checked(what, False, "; ".join(changes[:3]) + f"; {len(changes) - 3} more" * (len(changes) > 3))
    return Checked(what, True, "" if item.of_rows else "its rows; the drawing shows something else of them, as places on a scale")


def _moved_on(workbench: Workbench, item: papers.Item, content: Any, result: Checked) -> Checked:
    """What follows from the trials that its command found, yet it finds others by now."""
    chart = item.kind == "figure" and item.derived
    if not chart and not sources.selects(item.command):
        return result
    try:
        now = set(derived.derived(workbench, item.command, content["data"] if chart else []).trials)
    except WorkbenchError as error:  # as where its study has another base by now, of which nothing is measured
        return result._replace(holds=False, told=f"its command finds no such trials by now: {error.what}")
    if now == set(item.trials):
        return result
    new, gone = len(now - set(item.trials)), len(set(item.trials) - now)
    told = f"its command takes other trials by now: {new:,} new, {gone:,} no longer"
    return result._replace(holds=False, told=told + f"; {AGAIN}" * chart)
