"""A study and its labels written as files, with a manifest, or sent to a Label Studio server."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from core.annotation import latest
from core.annotation.drawing import clean
from core.annotation.formats import exchange, label_studio
from core.annotation.label_files import LABEL_FILES, TIDY, checksum, manifest_files
from core.annotation.labels import Label, complete
from core.annotation.rubric import FOLDER
from core.annotation.study import Study
from core.annotation.versions import Frozen, load
from core.errors import WorkbenchError
from core.files import DiskError, disk_reported, write_whole
from core.workbench import Workbench

FORMATS = ("jsonl", "csv", "label_studio", "dpo")


class Manifest(NamedTuple):
    folder: str
    study: str
    hash: str
    created: str
    counts: dict[str, int]
    files: tuple[dict[str, Any], ...]  # name, sha256, bytes


def export(
    workbench: Workbench,
    study_id: str,
    formats: Sequence[str] | None = None,
    folder: Path | str | None = None,
    round_name: str = "",
) -> Manifest:
    """Writes the labels as they stand, and the study, into annotations/<study>/ with a manifest. formats None: the usual ones."""
    frozen, labels = load(workbench, study_id), latest.labels(workbench, study_id, round_name)
    formats = usual(frozen.study) if formats is None else formats
    if unknown := set(formats) - set(FORMATS):
        raise WorkbenchError(f"There is no format '{min(unknown)}'.", todo=f"Formats: {', '.join(FORMATS)}.")
    folder = Path(folder) if folder else FOLDER / study_id
    files = {
        "study.json": json.dumps(
            {
                "study": study_id,
                "version": frozen.version,
                "round": frozen.round,
                "hash": frozen.hash,
                "created": frozen.created,
                "design": frozen.study.model_dump(mode="json"),
            },
            ensure_ascii=False,
            indent=1,
        )
    }
    if "jsonl" in formats:
        files["labels.jsonl"] = exchange.to_jsonl(labels)
    if "csv" in formats:
        files["labels.csv"] = exchange.to_csv(labels)
        files[TIDY] = exchange.to_tidy_csv(frozen.study, labels)
    if "label_studio" in formats:
        files["label_studio.xml"] = label_studio.config_xml(frozen.study)
        tasks = label_studio.tasks(frozen.study, labels, round_name)
        files["label_studio.json"] = json.dumps(tasks, ensure_ascii=False, indent=1)
    pairs = exchange.dpo_pairs(frozen.study, labels)
    if "dpo" in formats:
        files["dpo.jsonl"] = "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs)
    counts = _counts(frozen.study, labels, round_name) | {"pairs": len(pairs)}
    if lost := workbench.store.labels.damaged:
        counts["unreadable label records, of this study or others"] = len(lost)
    return _written(folder, files, frozen, counts)


def usual(study: Study) -> tuple[str, ...]:
    """The formats of an export that names none. Pairs for preference training only where people chose between answers: of
    ratings they rest on the stars alone."""
    return tuple(name for name in FORMATS if name != "dpo" or study.kind == "pairs")


def _counts(study: Study, labels: Sequence[Label], round_name: str) -> dict[str, int]:
    """As the pages count: items are those drawn to be judged, a label is what one annotator said on one screen."""
    items = [item for item in (study.round_items(round_name) if round_name else study.items)]
    plain = {item.id for item in items if item.plain}
    judged = [label for label in labels if label.item in plain and label.judges]
    sentences = sum(name is not None for label in judged for names in label.sentences for name in names)
    return {
        "items": len(plain),
        "repeats": sum(bool(item.duplicate_of) for item in items),
        "attention items": sum(item.attention for item in items),
        "labels": len(labels),
        "complete": sum(complete(study, label) for label in labels),
        "sentence labels": sentences,
        "annotators": len({label.annotator for label in labels}),
    }


def push(workbench: Workbench, study_id: str, url: str = "", round_name: str = "") -> dict[str, Any]:
    """A new project on a Label Studio server, with the round's items and the labels there are: {"project", "url", "tasks"}."""
    from core.annotation.formats import label_studio_server

    frozen = load(workbench, study_id)
    if not frozen.hash:  # labels that are seen before could shape the plan
        raise WorkbenchError(f"The study '{study_id}' is a draft.", todo="Freeze it, then send it to be labelled.")
    tasks = label_studio.tasks(frozen.study, latest.labels(workbench, study_id, round_name), round_name or frozen.round)
    return label_studio_server.call(
        "push", url, title=f"{study_id} {frozen.hash[:8]}", config=label_studio.config_xml(frozen.study), tasks=tasks
    )


def _written(folder: Path, files: dict[str, str], frozen: Frozen, counts: dict[str, int]) -> Manifest:
    files = {name: clean(text) for name, text in files.items()}
    listed = tuple({"name": name, "sha256": checksum(text.encode()), "bytes": len(text.encode())} for name, text in files.items())
    manifest = Manifest(str(folder), frozen.study.id, frozen.hash, datetime.now(UTC).isoformat(), counts, listed)
    told = {key: value for key, value in manifest._asdict().items() if key != "folder"}
    try:
        with disk_reported("The labels", folder):
            folder.mkdir(parents=True, exist_ok=True)
            for name, sha256 in manifest_files(folder).items():  # what an earlier export wrote here and nobody has touched since
                stale, ours = folder / name, name in (*LABEL_FILES, TIDY, "label_studio.xml", "dpo.jsonl")
                if ours and name not in files and stale.is_file() and checksum(stale.read_bytes()) == sha256:
                    stale.unlink()
            for name, text in {**files, "manifest.json": json.dumps(told, indent=1)}.items():
                write_whole(folder / name, text)
    except DiskError as error:
        raise WorkbenchError(error.what, where=str(folder), todo="Choose another folder.") from error
    return manifest
