"""Whether what a paper showed when it was taken is what its commands answer now."""

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

from core.errors import WorkbenchError
from core.labs.papers import derived, numbers, sources
from core.labs.papers import paper as papers
from core.labs.papers.differing import differences
from core.labs.papers.paper import Item, Taken
from core.labs.trials import comparison, looks
from core.records import Progress
from core.report import tables
from core.report.colours import alike
from core.workbench import Workbench

AGAIN = "remove it, and add it again on its page"
WITHOUT_COMMAND = "not recomputed: no command gives exactly this chart or table"
ON_SCALES = "only its rows were recomputed: it shows places on scales, which no row states"
UNRECORDED = "not recomputed: its record does not say how many recipes had been compared"


class Checked(NamedTuple):
    """What became of one thing that was looked at. holds None: it could not be checked, for the reason told."""

    what: str
    holds: bool | None
    told: str = ""


def check(workbench: Workbench, paper_id: str) -> Generator[Progress, None, list[Checked]]:
    """Every item of a paper against its command run again: the stale check. An item holds as long as no number that it shows has
    changed; what has changed beside them, in columns that are not drawn or printed, is told."""
    paper, results = papers.load(workbench, paper_id), []
    every = papers.showed(workbench, paper)
    for done, item in enumerate(paper.items):
        yield Progress(done, len(paper.items), f"Recomputing {item.name}")
        try:
            showed = every[item.name]
        except WorkbenchError as error:
            results.append(Checked(name_of(item), False, str(error)))
            continue
        result = _still(workbench, item, showed)
        told = [result.told, _looked_since(workbench, showed) * bool(result.holds), *told_apart(item, showed.content)]
        results += [result._replace(told="; ".join(filter(None, told))), *unchecked(item, showed)]
    return results


def name_of(item: Item) -> str:
    return f"{item.kind} {item.name}"


def told_apart(item: Item, content: Any) -> list[str]:
    """The lines of a figure that some readers cannot tell apart."""
    pairs = alike(content["figure"]) if item.kind == "figure" else []
    return [f"{pair.first} and {pair.second} look alike ({pair.seen}): vary dash or marker" for pair in pairs]


def recomputed(workbench: Workbench, item: Item, showed: Taken) -> Checked:
    """All that an item holds, shown or not, against what its command answers on its trials."""
    if item.kind == "text":
        return Checked(
            name_of(item), True, "the numbers that it calls by name are those of the paper; its other words are the authors'"
        )
    try:
        if item.taken_from_page and not derived.able(item.command):
            return Checked(name_of(item), None, _why_not(item))
        if item.taken_from_page:
            changes = derived.changes(workbench, item.command, showed.content, item.trials, showed.looked)
        else:
            changes = list(differences(showed.content, sources.content(workbench, item)))
    except WorkbenchError as error:
        return Checked(name_of(item), False, f"it cannot be recomputed: {error}")
    except Exception as error:  # items and records of others may be of any shape
        return Checked(name_of(item), False, f"it cannot be recomputed: {type(error).__name__}: {error}"[:300])
    return Checked(name_of(item), not changes, _first(changes))


def unchecked(item: Item, showed: Taken) -> list[Checked]:
    """What of an item its records do not allow to recompute, though its command does."""
    if not item.taken_from_page or not derived.able(item.command):
        return []
    parts = [Checked(f"drawing of {item.name}", None, ON_SCALES)] if derived.of_places(item.command) else []
    rows = showed.content.get("data") if isinstance(showed.content, dict) else None
    names = derived.unrecorded(rows, showed.looked) if isinstance(rows, list) and rows and isinstance(rows[0], dict) else ()
    return parts + [Checked(f"{' and '.join(names)} of {item.name}", None, UNRECORDED)] * bool(names)


def _why_not(item: Item) -> str:
    return f"not recomputed: {derived.why_not(item.command)}: {sources.shown(item.command)}" if item.command else WITHOUT_COMMAND


def _still(workbench: Workbench, item: Item, showed: Taken) -> Checked:
    """Whether the numbers that an item shows are those of its command: on its trials, and on those that it finds by now."""
    result = recomputed(workbench, item, showed)
    if result.holds is False:
        try:
            return _compared(workbench, item, showed, item.trials)
        except Exception:  # which is what the result says
            return result
    if result.holds is None or not (item.taken_from_page or sources.selects(item.command)):
        return result
    try:
        now = set(derived.derived(workbench, item.command, showed.content["data"] if item.taken_from_page else []).trials)
        if now == (then := set(item.trials)):
            return result
        result = _compared(workbench, item, showed, ())
    except WorkbenchError as error:  # as where its study has another base by now, of which nothing is measured
        return Checked(name_of(item), False, f"its command now finds no such trials: {error.what}")
    told = f"its command now finds other trials: {len(now - then):,} new, {len(then - now):,} gone; "
    told += result.told or "what it shows is unchanged"
    return result._replace(told=told + f"; {AGAIN}" * (not result.holds and item.taken_from_page))


def _compared(workbench: Workbench, item: Item, showed: Taken, trials: Sequence[str]) -> Checked:
    """The numbers that an item shows, apart from those beside them. trials: (): those that its command finds by now."""
    told = showed.content
    if item.taken_from_page:
        rows, now = derived.rows_now(workbench, item.command, told, trials, showed.looked)
        changes = list(differences(rows, now))
        if item.kind == "table":
            moved = _printed(item, {**told, "data": rows}) != _printed(item, {**told, "data": now})
            shown = changes if moved else []
        else:
            moved = len(rows) != len(now) or derived.of_places(item.command)
            shown = changes if moved else list(derived.not_in_rows(told["figure"], now))
    else:
        now = sources.content(workbench, item.model_copy(update={"trials": tuple(trials)}))
        changes = list(differences(told, now))
        shown = changes if _printed(item, told) != _printed(item, now) else []
    if shown:
        return Checked(name_of(item), False, _first(shown))
    return Checked(
        name_of(item), True, f"what it shows is unchanged, what stands beside it is not: {_first(changes)}" if changes else ""
    )


def _printed(item: Item, content: Any) -> Any:
    if item.kind == "number":
        return numbers.written(item, content)
    return tables.html_table(content, item.digits) if item.kind == "table" else content["data"]


def _looked_since(workbench: Workbench, showed: Taken) -> str:
    """Of a comparison: how many recipes more were looked at since."""
    rows = showed.content.get("data") if isinstance(showed.content, dict) else None
    if not rows or not any(name in rows[0] for name in comparison.OF_LOOKS):
        return ""
    since = [(then.looked, looks.counted(workbench, then.questions).looked) for then in showed.looked]
    return "; ".join(
        f"{' and '.join(comparison.OF_LOOKS)} count the {then:,} recipes that had been compared when it was taken; now there are {now:,}"
        for then, now in since
        if now != then
    )


def _first(changes: Sequence[str]) -> str:
    return "; ".join(changes[:3]) + f"; {len(changes) - 3} more" * (len(changes) > 3)
