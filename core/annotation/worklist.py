"""Labels as they stand, and what of an annotator's list comes next."""

from core.annotation.assignment import assignment
from core.annotation.labels import Label, complete, from_record
from core.annotation.versions import Frozen
from core.errors import WorkbenchError
from core.workbench import Workbench


def labels(workbench: Workbench, study_id: str, round: str = "") -> list[Label]:
    """The labels as they stand, whole and begun ones; of one round, or of all."""
    found = workbench.store.labels.current(study_id)
    return [
        from_record(payload) for (place, _, _), payload in found.items() if round in ("", place) and not payload.get("withdrawn")
    ]


def completed(workbench: Workbench, frozen: Frozen) -> int:
    """How many labels of its round are complete."""
    return sum(complete(frozen.study, label) for label in labels(workbench, frozen.study.id, frozen.round))


def current(workbench: Workbench, frozen: Frozen, annotator: str, item: str) -> Label | None:
    """The label as it stands."""
    found = latest_label(workbench, frozen, annotator, item)
    return None if found is None or found.withdrawn else found


def latest_label(workbench: Workbench, frozen: Frozen, annotator: str, item: str) -> Label | None:
    payload = workbench.store.labels.one(frozen.study.id, frozen.round, item, annotator)
    return from_record(payload) if payload else None


def next_unlabelled(workbench: Workbench, frozen: Frozen, annotator: str, after: str = "") -> str | None:
    """The next item without a complete label, going on from `after` and round to the start; None: all are done."""
    mine = items_of(frozen, annotator)
    start, found = mine.index(after) + 1 if after in mine else 0, workbench.store.labels.current(frozen.study.id)
    places = ((frozen.round, item, annotator) for item in (*mine[start:], *mine[:start]))
    return next((place[1] for place in places if place not in found or not found[place]["complete"]), None)


def resume(workbench: Workbench, frozen: Frozen, annotator: str) -> str | None:
    """The item to go on with: the one begun last, if it is not complete, else the next that is open."""
    found = workbench.store.labels.current(frozen.study.id)
    mine = [one for (round, _, name), one in found.items() if (round, name) == (frozen.round, annotator)]
    latest = max(mine, key=lambda one: one["id"], default=None)
    if latest and not latest["complete"] and not latest.get("withdrawn") and latest["item"] in items_of(frozen, annotator):
        return latest["item"]
    return next_unlabelled(workbench, frozen, annotator, latest["item"] if latest else "")


def items_of(frozen: Frozen, annotator: str) -> tuple[str, ...]:
    mine = assignment(frozen.study, frozen.round).get(annotator)
    if mine is None:
        raise WorkbenchError(f"'{annotator}' is no annotator of the {frozen.round} round of '{frozen.study.id}'.")
    return mine
