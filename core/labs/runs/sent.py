"""Runs and judgements that people send as files: read from their bytes, under the names that they gave them."""

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from core.config import fingerprint
from core.errors import WorkbenchError
from core.labs.runs.measuring import Measure, fuse, report
from core.labs.runs.trec import Ties, TrecRun, read_judgements, read_run
from core.records import Query
from core.retrieval.fusion import Fusion
from core.workbench import Workbench

LONGEST = 80  # characters of a file's name


class SentFile(NamedTuple):
    """name: as the browser says it, which may be anything."""

    name: str
    data: bytes

    @property
    def safe(self) -> str:
        """The last part of its name, as a file of this machine and a word of a command may be called."""
        last = PurePosixPath(self.name.replace("\\", "/")).name
        return re.sub(r"[^\w.-]", "_", last)[-LONGEST:].lstrip(".-") or "run"

    @property
    def digest(self) -> str:
        return sha256(self.data).hexdigest()


def sent_run(workbench: Workbench, file: SentFile, ties: Ties) -> TrecRun:
    """The run of a file; what is wrong with it is told with its name and line."""
    key = fingerprint(file.safe, file.digest, ties)
    return workbench.pipeline.remember("sent run", key, lambda: _read(file, lambda path: read_run(path, ties)))


def sent_judgements(workbench: Workbench, file: SentFile) -> tuple[tuple[Query, ...], tuple[str, ...]]:
    """As `read_judgements`."""
    key = fingerprint(file.safe, file.digest)
    return workbench.pipeline.remember("sent judgements", key, lambda: _read(file, read_judgements))


def _read(file: SentFile, read: Callable[[Path], Any]) -> Any:
    with tempfile.TemporaryDirectory(prefix="groundwork-") as folder:
        path = Path(folder) / file.safe
        path.write_bytes(file.data)
        try:
            return read(path)
        except WorkbenchError as error:
            what, where = (text.replace(f"{folder}/", "") for text in (error.what, error.where))
            raise WorkbenchError(what, where=where, todo=error.todo) from error


def kept_report(
    workbench: Workbench,
    runs: Sequence[TrecRun],
    fusion: Fusion | None,
    questions: Sequence[Query],
    measures: Sequence[Measure],
    against: int,
    contents: Any,
) -> tuple[TrecRun | None, dict[str, Any]]:
    """(the fused run, `report`), made once. contents: what says which runs and judgements these are."""

    def made() -> tuple[TrecRun | None, dict[str, Any]]:
        fused = fuse(runs, fusion) if fusion else None
        return fused, report(runs, fused, questions, measures, against)

    key = fingerprint(contents, [run.name for run in runs], [tuple(measure) for measure in measures], fusion, against)
    return workbench.pipeline.remember("runs report", key, made)


def named_apart(runs: Sequence[TrecRun]) -> list[TrecRun]:
    """The same runs, those of one name with a number behind it."""
    seen: Counter[str] = Counter()
    made = []
    for run in runs:
        seen[run.name] += 1
        made.append(run._replace(name=f"{run.name} ({seen[run.name]})") if seen[run.name] > 1 else run)
    return made
