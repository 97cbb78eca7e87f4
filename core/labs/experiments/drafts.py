"""A change of an experiment that is not recorded yet, kept beside the journal: a reload, a restart and a night lose nothing.

A draft is no science: it may be no valid experiment, the last one counts, and it is gone once a new version is recorded.
"""

import json
from pathlib import Path
from typing import Any

from core import files
from core.errors import WorkbenchError
from core.workbench import Workbench


def keep_draft(workbench: Workbench, name: str, record: str, mapping: dict[str, Any]) -> None:
    """record: the version that it changes."""
    path = _file(workbench, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_whole(path, json.dumps({"record": record, "draft": mapping}), "The draft of the experiment", sync=False)


def read_draft(workbench: Workbench, name: str, record: str) -> dict[str, Any] | None:
    """The change of that version; None: there is none, or it was of another, or cannot be read."""
    try:
        read = files.read_json(_file(workbench, name), of=dict)
        return read["draft"] if read["record"] == record and isinstance(read["draft"], dict) else None
    except (WorkbenchError, KeyError):
        return None


def drop_draft(workbench: Workbench, name: str) -> None:
    _file(workbench, name).unlink(missing_ok=True)


def _file(workbench: Workbench, name: str) -> Path:
    return workbench.home / "drafts" / f"study-{name}.json"
