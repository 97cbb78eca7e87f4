"""Labels with what is known of them: of a stored study, a file, or files from a browser.

Nothing here changes a label; every result is frozen and belongs to the source's digest, under which a page may keep it.
Adjudicated labels never count as annotators: they only decide the consensus.

Units are what is labelled: sentences, answers, pairs. Items are what was drawn into the study, one on a screen. Sentences of one
answer depend on each other, so every interval draws items, with all units of each (`groups`).
"""

import hashlib
import json
import os
import re
import shlex
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.annotation import label_table, latest
from core.annotation.label_files import read_file
from core.annotation.label_table import LabelTable
from core.annotation.labels import Label
from core.annotation.rubric import FOLDER
from core.annotation.stored_answers import corpus_of_answers
from core.annotation.study import Study
from core.annotation.versions import load
from core.errors import WorkbenchError
from core.files import read_json
from core.statistics.agreement.alpha import MOST_VALUES
from core.statistics.bootstrap import numbered
from core.workbench import Workbench

PARTS = {"sentences": "Sentences", "helpful": "Helpful", "preference": "Preference"}
QAGS = Path("qags") / "mturk_cnndm.jsonl"
CATEGORIES = 20  # different numbers that can be taken as ordered categories


class LabelSource(NamedTuple):
    """Labels of one study or file. digest: identity of just these labels."""

    name: str
    digest: str
    study: Study | None
    labels: tuple[Label, ...] = ()
    plain: LabelTable | None = None  # of a file without a study
    command: str = ""  # that computes the agreement of these labels
    datasets: dict[str, str] = {}  # of items, where known

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(part for part in PARTS if part in self.study.ask) if self.study else ("sentences",)

    @property
    def rounds(self) -> tuple[str, ...]:
        """Rounds with labels in which annotators label side by side, the last one first."""
        there = {label.round for label in self.labels}
        return tuple(name for name in ("main", "pilot") if name in there)

    @property
    def ruled(self) -> bool:
        """Has somebody decided what annotators differed in?"""
        return any(label.round == "adjudication" for label in self.labels)


def known_files() -> dict[str, Path]:
    """Name -> file or folder with labels: exports in annotations/, and QAGS among the local data sets."""
    files = {f"annotations/{path.parent.name}": path.parent for path in sorted(FOLDER.glob("*/study.json"))}
    if (folder := os.environ.get("GROUNDWORK_DATASETS", "")) and (Path(folder) / QAGS).is_file():
        files[QAGS.as_posix()] = Path(folder) / QAGS
    return files


def digest_of(workbench: Workbench, study_id: str) -> str:
    """Identity of a stored study's labels, without reading them."""
    here = workbench.store.labels.current(study_id).values()
    return _digest([load(workbench, study_id).id, *sorted(row["id"] for row in here)])


def open_study(workbench: Workbench, study_id: str) -> LabelSource:
    frozen = load(workbench, study_id)
    labels = tuple(latest.labels(workbench, study_id))
    name = shlex.quote(study_id)
    command = f"python -m core annotate agreement {name}"
    by_answer = corpus_of_answers(workbench, frozen.study)
    datasets = {item.id: by_answer.get(item.responses[0].source, "") for item in frozen.study.items}
    return LabelSource(
        frozen.study.title or study_id, digest_of(workbench, study_id), frozen.study, labels, None, command, datasets
    )


def open_file(path: Path | str, name: str = "") -> LabelSource:
    """Labels of a file that `read_file` reads."""
    content = read_file(path)
    command = f"python -m core annotate agreement {shlex.quote(str(path))}"
    name = name or Path(path).name
    if isinstance(content, LabelTable):
        identity = content.values.tobytes() + json.dumps([content.items, content.annotators, content.categories]).encode()
        return LabelSource(name, hashlib.sha256(identity).hexdigest(), None, plain=content, command=command)
    study, labels = content
    digest = _digest([study.model_dump_json(), *(label.model_dump_json() for label in labels)])
    systems = {response.system for item in study.items for response in item.responses}
    datasets = {item.id: item.stratum for item in study.items if item.stratum not in systems}
    return LabelSource(name, digest, study, tuple(labels), None, command, datasets)


def open_upload(files: Sequence[tuple[str, bytes]]) -> LabelSource:
    """The same from a browser: one file of labels, with the study.json of its export if it has one."""
    with tempfile.TemporaryDirectory() as folder:
        labels = []
        for number, (name, data) in enumerate(files):
            safe = re.sub(r"[^\w.-]", "_", Path(name).name).lstrip(".")[-80:] or f"labels-{number}"
            if _is_design(data):
                safe = "study.json"
            else:
                labels.append(safe)
            (Path(folder) / safe).write_bytes(data)
        if len(labels) != 1:
            raise WorkbenchError(
                f"There are {len(labels)} files of labels among these.",
                todo="Give one file of labels, and beside it the study.json that was exported with it.",
            )
        try:
            return open_file(Path(folder) / labels[0])._replace(
                command=f"python -m core annotate agreement {shlex.quote(labels[0])}"
            )
        except WorkbenchError as error:  # nobody knows the folder
            what, where = (text.replace(f"{folder}/", "") for text in (error.what, error.where))
            raise WorkbenchError(what, where=where, todo=error.todo) from None


def _is_design(data: bytes) -> bool:
    try:
        return "design" in read_json(data, of=dict)
    except WorkbenchError:
        return False


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()


def levels(table: LabelTable) -> tuple[str, ...]:
    """Levels of measurement that the labels can be read at, the usual one first."""
    if table.categories:
        return (table.level,) if table.level == "nominal" else (table.level, "nominal")
    distinct = np.unique(table.values[~np.isnan(table.values)])
    ratio = ("ratio",) if len(distinct) <= MOST_VALUES and (distinct >= 0).all() else ()
    return ("interval", *ratio, *(("ordinal", "nominal") if len(distinct) <= CATEGORIES else ()))


def table_of(source: LabelSource, part: str, round_name: str, level: str = "", duplicates: bool = False) -> LabelTable:
    """The labels of one part and round as statistics take them, read at a level of measurement."""
    if source.study is None:
        table = source.plain
    else:
        labels = [label for label in source.labels if label.round == round_name]
        table = label_table.table(source.study, labels, part, duplicates=duplicates)
    if level in ("", table.level):
        return table
    if level not in levels(table):
        raise WorkbenchError(f"These labels cannot be read at the level '{level}'.", todo=f"Levels: {', '.join(levels(table))}.")
    if table.categories or level == "ratio":
        return table._replace(level=level)
    distinct = np.unique(table.values[~np.isnan(table.values)])
    if part == "helpful":
        distinct = np.arange(1.0, 6.0)  # what the rubric offers, used or not
    elif level == "ordinal" and (distinct == np.floor(distinct)).all() and np.ptp(distinct) < CATEGORIES:
        distinct = np.arange(distinct[0], distinct[-1] + 1)  # a step that nobody used is a step still
    codes = np.where(np.isnan(table.values), np.nan, np.searchsorted(distinct, table.values))
    return table._replace(values=codes, categories=tuple(f"{value:g}" for value in distinct), level=level)


def groups(table: LabelTable) -> np.ndarray:
    """[units]: the number of each unit's item. Without items each unit is one."""
    return numbered(table.item_ids or range(len(table.items)))


def drawn(study: Study | None, number: int) -> str:
    """What a resample draws, in words."""
    what = "item" if study is None else "answer" if study.kind == "rating" else "pair"
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def named(table: LabelTable, value: float) -> str:
    """A value in words; of a tie or a unit without labels nothing."""
    if np.isnan(value):
        return ""
    return table.categories[int(value)] if table.categories else f"{value:g}"
