"""What a model was asked for: answers, their scores, texts, likelihoods. A batch is one record of the journal, and each value is read
back by its key, so that nothing is asked twice.

A process has an index in memory, key -> record, made once and continued as records come, also those of other processes. Of two records
with the same key the one with the smaller id holds: what is computed side by side may differ by a word, and all go on with the same.
"""

import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from core import files
from core.errors import WorkbenchError
from core.store import rows
from core.store.journal import Entry, Journal

UNPACKED = 1024  # records whose values stay in memory


class BatchRecords:
    """Those of a data folder. Any number of processes and threads may keep and read at once."""

    def __init__(self, home: Path) -> None:
        self.journal = Journal(home / "journal")
        self._listing: dict[str, dict[str, Entry]] = {}  # kind -> the listing that its index is of
        self._indexed: dict[str, set[str]] = {}  # kind -> records
        self._record_of: dict[str, dict[str, str]] = {}  # kind -> key -> record
        self._own: dict[str, dict[str, Any]] = {}  # where nothing may be written: what serves this process
        self._values = lru_cache(UNPACKED)(self._unpacked)
        self._lock = threading.RLock()

    def read(self, kind: str, keys: Iterable[str]) -> dict[str, Any]:
        """Of the keys those that are recorded, each with its value as plain JSON."""
        with self._lock:
            index, own, keys = self._followed(kind), self._own.get(kind, {}), list(keys)
            by_key = {key: own[key] for key in keys if key in own}
            for key in keys:
                if key in index and key in (values := self._values(index[key])):
                    by_key[key] = values[key]
            return by_key

    def keep(self, kind: str, values: Mapping[str, Mapping[str, Any]], **about: Any) -> dict[str, Any]:
        """Records those that are not yet, for ever and all at once; returns what stands under the keys, where another process may
        have been first. about: what the values of the batch share. Both are columns of the table named as the kind."""
        before = self.read(kind, values) if values else {}
        fresh = {key: dict(value) for key, value in values.items() if key not in before}
        if not fresh:
            return before
        try:
            self.add(kind, fresh, about)
        except WorkbenchError as error:
            if not error.__cause__ or files.errno_of(error.__cause__) not in files.FORBIDDEN:
                raise
            files.tell(f"Nothing may be recorded, so what models write is not kept: {self.journal.folder}.")
            self._own.setdefault(kind, {}).update(fresh)
        return self.read(kind, values)

    def add(self, kind: str, values: Mapping[str, Any], about: Mapping[str, Any], checked: bool = True, after: str = "") -> None:
        """Records these in any case, all at once: for keys that are new each time, so that none is looked for among those recorded.
        after: a record whose id theirs has to follow. checked: whether the tables can hold them is asked first; what is made many times
        a second, and made so, need not pay for it."""
        created = datetime.now(UTC).isoformat(timespec="seconds")
        self.journal.add(kind, {"created": created, **about, "values": dict(values)}, after, rows.check if checked else None)

    def _followed(self, kind: str) -> dict[str, str]:
        """The index, with all that is recorded at this moment."""
        index, indexed = self._record_of.setdefault(kind, {}), self._indexed.setdefault(kind, set())
        listing = self.journal.listing()
        if listing is not self._listing.get(kind):
            for record_id in [name for name, entry in listing.items() if entry.kind == kind and name not in indexed]:
                for key in self._values(record_id):
                    if record_id < index.get(key, "~"):
                        index[key] = record_id
                indexed.add(record_id)
            self._listing[kind] = listing
        return index

    def _unpacked(self, record_id: str) -> dict[str, Any]:
        """Key -> value; {} where the record is damaged, which is told where it is folded."""
        entry = self.journal.listing().get(record_id)
        record = entry and self.journal.load(entry.path)
        values = record.payload.get("values") if record else None
        return values if isinstance(values, dict) else {}


_of_home: dict[Path, BatchRecords] = {}


def batches(home: Path) -> BatchRecords:
    """Those of this data folder, the same for all who ask in this process."""
    return _of_home.setdefault(home.absolute(), BatchRecords(home.absolute()))
