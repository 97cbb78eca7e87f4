"""An annotator's list: what of it is labelled, what comes next, and what is saved in it."""

from bisect import bisect_left, insort
from collections.abc import Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from typing import Any

from core.annotation import saving
from core.annotation.assignment import assignment
from core.annotation.labels import Label, blank, from_record
from core.annotation.steps import Step, answer_to, answered
from core.annotation.versions import Frozen, load
from core.errors import WorkbenchError
from core.workbench import Workbench


class Worklist:
    """An annotator's items in their order, with the latest label of each as of the last look at the store.

    A label saved here costs the same in a study of any size: the store says how many labels have come, and where there are
    no more than were saved here, nothing else is gone through."""

    def __init__(self, workbench: Workbench, frozen: Frozen, annotator: str) -> None:
        self.workbench, self.frozen, self.annotator = workbench, frozen, annotator
        self.items = items_of(frozen, annotator)
        self._place = {item: place for place, item in enumerate(self.items)}
        self.elsewhere: set[str] = set()  # items that changed otherwise than here
        self._clear()
        self.look()
        self.elsewhere.clear()

    def looking(self) -> AbstractContextManager[None]:
        """One look at the store for all that is done inside."""
        return self.workbench.store.labels.looking()

    def look(self) -> None:
        """Takes what was saved elsewhere."""
        own = self.workbench.store.labels.own(self.frozen.study.id, self.frozen.round, self.annotator)
        if own.arrived == self._arrived:
            return
        before = {item: record["id"] for item, record in self.records.items()}
        self._clear()
        self._arrived = own.arrived
        for item in self.items:
            if record := own.by_item.get(item):
                self._put(item, record)
        self.elsewhere |= {item for item, record in self.records.items() if record["id"] != before.get(item)}

    def label(self, item: str) -> Label | None:
        """The label as it stands; None: nothing is said, or it was taken back."""
        record = self.records.get(item)
        return from_record(record) if record and not record.get("withdrawn") else None

    def complete(self, item: str) -> bool:
        return bool(self.records.get(item, {}).get("complete"))

    def save(self, label: Label) -> Label:
        """The label as it was recorded."""
        with self.looking():
            self.look()
            return self._saved(saving.label(self.workbench, self.frozen, label))

    def save_together(self, answer: str, places: Sequence[tuple[str, Step]]) -> dict[str, str]:
        """Labels open sentences of several items alike: item -> id of its new label, which says that it was given in bulk. What was
        answered already stays."""
        saved, study = {}, self.frozen.study
        with self.looking():
            self.look()
            for item in dict.fromkeys(item for item, _ in places):
                before = self.label(item) or blank(study, self.frozen.round, study.item(item), self.annotator)
                after = before
                for step in [step for other, step in places if other == item and answer_to(before, step) is None]:
                    after = answered(after, step, answer, bulk=True)
                if after is not before and before.judges:
                    saved[item] = self._saved(saving.label(self.workbench, self.frozen, after)).id
        return saved

    def undo(self, item: str) -> Label:
        """What stands after the latest label of the item was taken back."""
        with self.looking():
            self.look()
            return self._saved(saving.undo(self.workbench, self.frozen, item, self.annotator))

    def before(self, label: Label) -> Label | None:
        """The state before the one that an undo brought back."""
        store = self.workbench.store.labels
        label_id = store.get(label.restores)["replaces"]
        return from_record(store.get(label_id)) if label_id else None

    def next_open(self, after: str = "") -> str | None:
        """The next item without a complete label, going on from `after` and round to the start; None: all are done."""
        start = self._place[after] + 1 if after in self._place else 0
        return next((item for item in (*self.items[start:], *self.items[:start]) if not self.complete(item)), None)

    def resume(self) -> str | None:
        """The item to go on with: the one begun last, if it is not complete, else the next that is open."""
        last = self.last_item()
        if last and not self.complete(last) and not self.records[last].get("withdrawn"):
            return last
        return self.next_open(last)

    def last_item(self, withdrawn: bool = True) -> str:
        """The item that was labelled last; "" where none was. withdrawn: labels that were taken back count as well."""
        there = {item: record for item, record in self.records.items() if withdrawn or not record.get("withdrawn")}
        return max(there, key=lambda item: there[item]["id"], default="")

    def median_seconds(self, fewest: int) -> float | None:
        """Seconds an item; None where fewer than that have a time."""
        times, half = self._times, len(self._times) // 2
        if len(times) < fewest:
            return None
        return times[half] if len(times) % 2 else (times[half - 1] + times[half]) / 2

    def votes(self, item: str) -> list[Label]:
        """In adjudication what the annotators said of an item, in an order that tells nobody who said it; else nothing."""
        if self.frozen.round != "adjudication":
            return []
        study, store = self.frozen.study, self.workbench.store.labels
        records = [store.latest_label(study.id, "main", item, name) for name in study.annotators]
        said = [from_record(record) for record in records if record and record["complete"] and not record.get("withdrawn")]
        return sorted(said, key=lambda label: sha256(f"{item}/{label.id}".encode()).digest())

    def outdated(self) -> bool:
        """Whether the study has a newer version."""
        return load(self.workbench, self.frozen.study.id).id != self.frozen.id

    def _clear(self) -> None:
        self.records: dict[str, dict[str, Any]] = {}  # item -> the latest record, also a withdrawn one
        self.done = 0
        self._times: list[float] = []  # of complete labels, in order
        self._arrived = 0

    def _put(self, item: str, record: dict[str, Any]) -> None:
        before = self.records.get(item)
        if before and before["complete"]:
            self.done -= 1
            if _timed(before):
                del self._times[bisect_left(self._times, before["seconds"])]
        self.records[item] = record
        if record["complete"]:
            self.done += 1
            if _timed(record):
                insort(self._times, record["seconds"])

    def _saved(self, label: Label) -> Label:
        record = self.workbench.store.labels.latest_label(label.study, label.round, label.item, label.annotator)
        self._put(label.item, record)
        self._arrived += 1
        return label


def _timed(record: dict[str, Any]) -> bool:
    """Whether its seconds say how long the item takes: not where sentences were labelled together with those of other screens."""
    return bool(record.get("seconds")) and not record.get("bulk")


def items_of(frozen: Frozen, annotator: str) -> tuple[str, ...]:
    """What an annotator labels in the round, in their order."""
    mine = assignment(frozen.study, frozen.round).get(annotator)
    if mine is None:
        raise WorkbenchError(f"'{annotator}' is no annotator of the {frozen.round} round of '{frozen.study.id}'.")
    return mine
