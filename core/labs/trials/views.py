"""Saved views of the trials' table: under a name its columns, filters, order and group, kept in the store with all else."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from core.config import fingerprint
from core.errors import WorkbenchError
from core.labs.trials.listing import Listing, everything
from core.labs.trials.own_columns import OwnColumn, order_of, read
from core.store.batches import batches
from core.store.journal import Record
from core.workbench import Workbench

KIND = "trial_views"
MOST_NAME = 60  # characters


@dataclass(frozen=True)
class TrialView:
    """Which trials are listed, and how. Texts that are empty say nothing."""

    columns: tuple[str, ...] = ()  # settings, metrics, costs; (): the usual ones
    dataset: str = ""
    status: str = ""
    sweep: str = ""
    tag: str = ""
    find: str = ""
    repeats: bool = False  # also older ones of equal recipes
    sort: str = ""  # a column, else the newest first
    ascending: bool = False
    group: str = ""  # a setting

    def listing(self, workbench: Workbench) -> Listing:
        """The trials that its filters leave."""
        matching = everything(workbench).matching(self.dataset, self.status, self.sweep, self.find, self.tag)
        return matching if self.repeats else matching.last_repeats().named()

    def checked(self, workbench: Workbench) -> "TrialView":
        """Itself; raises where a column, the order or the group is none that a trial has."""
        read(workbench, self.columns)
        order_of(workbench, self.sort)
        if self.group:
            grouping(workbench, self.group)
        return self

    def words(self) -> list[str]:
        """As the command line takes it."""
        named = {
            "dataset": self.dataset,
            "status": self.status,
            "sweep": self.sweep,
            "tag": self.tag,
            "find": self.find,
            "sort": self.sort,
        }
        texts = [word for name, value in named.items() if value for word in (f"--{name}", value)]
        flags = [f"--{name}" for name in ("repeats", "ascending") if getattr(self, name)]
        return [*(["--columns", *self.columns] if self.columns else []), *texts, *flags]


def grouping(workbench: Workbench, name: str) -> OwnColumn:
    """The setting that trials are grouped by."""
    [column] = read(workbench, [name])
    if column.kind != "setting":
        raise WorkbenchError(f"'{name}' is no setting.", todo="Group by a setting such as fusion.part or chunking.size_tokens.")
    return column


def views(workbench: Workbench) -> dict[str, TrialView]:
    """Name -> the view that was saved last under it, by name."""
    saved = sorted(_last(workbench).items())
    return {name: _view(json.loads(row["view"] or "{}")) for name, row in saved if not row["dropped"]}


def _last(workbench: Workbench) -> dict[str, dict[str, Any]]:
    """Name -> what was recorded last under it, also where that waits to be folded: who saved a view is offered it."""

    def row(record: Record) -> dict[str, Any]:
        [value] = record.payload["values"].values()
        return {"id": record.id, **value, "view": json.dumps(value["view"])}

    rows = workbench.store.stored(KIND, f"SELECT id, name, view, dropped FROM {KIND}", (), row)
    return {row["name"]: row for row in sorted(rows, key=lambda row: row["id"])}


def view(workbench: Workbench, name: str) -> TrialView:
    saved = views(workbench)
    if name not in saved:
        raise WorkbenchError(f"There is no view '{name:.60}'.", todo=f"Saved views: {', '.join(saved) or 'none'}.")
    return saved[name]


def save_view(workbench: Workbench, name: str, shown: TrialView) -> str:
    """Under this name from now on, in place of what had it; returns the name as it is kept."""
    name = " ".join(name.split())
    if not 0 < len(name) <= MOST_NAME:
        raise WorkbenchError(
            f"A view has a name of 1 to {MOST_NAME} characters; this has {len(name):,}.", todo="Give another name."
        )
    _record(workbench, name, shown.checked(workbench), dropped=False)
    return name


def drop_view(workbench: Workbench, name: str) -> None:
    """It is no longer offered; what it was stays in the store."""
    _record(workbench, name, view(workbench, name), dropped=True)


def _record(workbench: Workbench, name: str, shown: TrialView, dropped: bool) -> None:
    key = fingerprint(name, datetime.now(UTC).isoformat(), uuid4().hex)
    before = _last(workbench).get(name, {}).get("id", "")  # which the clock may have made in time to come
    batches(workbench.home).add(KIND, {key: {"name": name, "view": asdict(shown), "dropped": dropped}}, {}, after=before)


def _view(told: Mapping[str, Any]) -> TrialView:
    """What another version kept too is left out."""
    told_of = {field.name: told[field.name] for field in fields(TrialView) if field.name in told}
    return TrialView(**told_of | {"columns": tuple(told_of.get("columns", ()))})
