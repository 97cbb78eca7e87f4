"""A file or folder of labels, read with its study: ours, Label Studio's, QAGS, or any table of item, annotator and value."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from core.annotation.formats import alone, exchange, label_studio, qags
from core.annotation.formats.exchange import Problem
from core.annotation.label_table import LabelTable
from core.annotation.labels import Label, standing
from core.annotation.study import ROUNDS, Study, design_hash
from core.config import valid
from core.errors import WorkbenchError
from core.files import read_json, read_text

TIDY = "judgements.csv"  # what was judged beside who said what
LABEL_FILES = ("labels.jsonl", "labels.csv", "label_studio.json")  # of an export, the fullest first
BESIDE = ("manifest.json", "dpo.jsonl", "label_studio.xml")  # of an export, no labels
TOLD = 5  # problems of an import that its error names


class ImportProblems(WorkbenchError):
    """Nothing was taken of a file. `problems` has all that is wrong, by line. good: labels that could be imported; None where
    the file was only to be read."""

    def __init__(self, problems: Sequence[Problem], good: int | None = None) -> None:
        self.problems = tuple(problems)
        listed = "\n".join(
            f"{problem.file}:{problem.line}: {problem.what} {problem.todo}".rstrip() for problem in problems[:TOLD]
        )
        more = f"\n… and {len(problems) - TOLD} more." if len(problems) > TOLD else ""
        number = f"{len(problems):,} problem{'s' if len(problems) > 1 else ''}"
        what = f"{number} in this file" if good is None else f"{number}, so nothing was imported"
        some = "one good label" if good == 1 else f"{good or 0:,} good labels"
        todo = f"Correct them, or keep the {some} alone (--keep-good)." if good else "Mend the file."
        super().__init__(f"{what}:\n{listed}{more}", where=f"{problems[0].file}:{problems[0].line}", todo=todo)


def read_file(path: Path | str) -> tuple[Study, list[Label]] | LabelTable:
    """The study and its labels: of our exports and Label Studio's (a folder, or a file; best beside its study.json), or of
    QAGS. Of another file of item, annotator and value the table that it is."""
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    whole = (folder / "study.json").is_file()
    if path.is_dir() and not whole:
        raise WorkbenchError(
            "This folder is no export of a study: it has no study.json.",
            where=str(path),
            todo="Name a file of labels, or the folder that `annotate export` wrote.",
        )
    if path.name in BESIDE and (whole or path.name == "manifest.json") and path.is_file():
        raise WorkbenchError(
            f"{path.name} holds no labels.",
            where=str(path),
            todo=f"Take the folder, or one of {', '.join((*LABEL_FILES, TIDY))}.",
        )
    if whole:
        return _exported(folder, path if path.is_file() and path.name != "study.json" else None)
    text = read_text(path)
    if '"summary_sentences"' in text[:1_000_000]:
        study, labels, wrong = qags.read(path)
        if wrong:
            raise ImportProblems(wrong)
        return study, labels
    if ours := alone.of_study(text, path.name):
        return ours[0], _standing(ours[1])
    made, wrong = alone.plain_table(text, path.name)
    if wrong:
        raise ImportProblems(wrong)
    return made


def _exported(folder: Path, file: Path | None) -> tuple[Study, list[Label]]:
    """file None: what the folder's manifest lists."""
    try:
        record = read_json(folder / "study.json", of=dict)
        design, round_name, digest = record["design"], record["round"], record.get("hash")
    except (WorkbenchError, KeyError):
        raise WorkbenchError(
            "This is no study.json of ours.",
            where=str(folder / "study.json"),
            todo="Put back the one of the export, or move the labels to another folder.",
        ) from None
    study, written = valid(Study, design), manifest_files(folder)
    if digest and design_hash(design, round_name) != digest:
        raise WorkbenchError(
            "The plan in study.json is not what was frozen: its hash does not fit.",
            where=str(folder / "study.json"),
            todo="Export the study again.",
        )
    if file is None:
        there = [name for name in LABEL_FILES if (folder / name).is_file() and (not written or name in written)]
        if not there:
            raise WorkbenchError("There are no labels in this folder.", where=str(folder), todo="Export them again.")
        file = folder / there[0]
    text = read_text(file)
    if written.get(file.name, sha256 := checksum(text.encode())) != sha256:
        raise WorkbenchError(
            f"{file.name} is not what was exported: its checksum differs from the one in manifest.json.",
            where=str(file),
            todo="Export it again; or take manifest.json away to read it as it is.",
        )
    return study, _standing(parsed_labels(study, text, file.name, round_name if round_name in ROUNDS else "main"))


def _standing(parsed: exchange.Parsed) -> list[Label]:
    """The labels of a file as they stand; a second one of the same annotator and item has to have an id, as our own have."""
    wrong, first = parsed.problems, {}
    for line, label in parsed.labels:
        before = first.setdefault((label.round, label.item, label.annotator), (line, label.id))
        if before[0] != line and not (label.id and before[1]):
            wrong.twice(line, label.annotator, label.item, before[0])
    if not parsed.labels and not wrong:
        wrong.empty()
    if wrong:
        raise ImportProblems(sorted(wrong, key=lambda problem: problem.line))
    return standing(label for _, label in parsed.labels)


def parsed_labels(study: Study, text: str, file: str, round_name: str) -> exchange.Parsed:
    """Read as what it looks like: a JSON list, JSON lines, or CSV."""
    first = text.lstrip()[:1]
    read = label_studio.from_tasks if first == "[" else exchange.from_jsonl if first == "{" else exchange.from_csv
    return read(text, file, study, round_name)


def manifest_files(folder: Path) -> dict[str, str]:
    """File -> SHA-256, by the folder's manifest; nothing where there is none."""
    try:
        return {entry["name"]: entry["sha256"] for entry in read_json(folder / "manifest.json")["files"]}
    except (WorkbenchError, KeyError, TypeError):
        return {}


def checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
