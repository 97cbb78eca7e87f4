"""Labels as files: studies exported, labels imported from files or a Label Studio server, and any file read for agreement.

`core.annotation` knows the formats; here it is decided what of a file a study takes.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from core.annotation import studies as lab
from core.annotation.drawing import clean
from core.annotation.formats import alone, exchange, label_studio, qags
from core.annotation.formats.exchange import Problem
from core.annotation.labels import CONTENT, Label, Table, blank, complete, from_record, problems, standing, to_record
from core.annotation.study import FOLDER, ROUNDS, Study, assignment, design_hash
from core.config import valid
from core.errors import WorkbenchError
from core.store.tables import YEARS
from core.workbench import Workbench

FORMATS = ("jsonl", "csv", "label_studio", "dpo")
TIDY = "judgements.csv"  # what was judged beside who said what
LABEL_FILES = ("labels.jsonl", "labels.csv", "label_studio.json")  # of an export, the fullest first
BESIDE = ("manifest.json", "dpo.jsonl", "label_studio.xml")  # of an export, no labels
TOLD = 5  # problems of an import that its error names


class Manifest(NamedTuple):
    folder: str
    study: str
    hash: str
    created: str
    counts: dict[str, int]
    files: tuple[dict[str, Any], ...]  # name, sha256, bytes


class Imported(NamedTuple):
    added: int
    known: int  # already here, or taken from such a file before
    problems: tuple[Problem, ...]
    replaced: int = 0  # of those added: they took the place of a label that said otherwise
    completed: int = 0  # of those added: they say what the label in their place had left open
    changed: int = 0  # of those known: changed or taken back here since, and left so


class ImportProblems(WorkbenchError):
    """Nothing was taken of a file. `problems` has all that is wrong, by line. good: labels that could be imported; None where
    the file was only to be read."""

    def __init__(self, found: Sequence[Problem], good: int | None = None) -> None:
        self.problems = tuple(found)
        listed = "\n".join(f"{one.file}:{one.line}: {one.what} {one.todo}".rstrip() for one in found[:TOLD])
        more = f"\n… and {len(found) - TOLD} more." if len(found) > TOLD else ""
        number = f"{len(found):,} problem{'s' if len(found) > 1 else ''}"
        what = f"{number} in this file" if good is None else f"{number}, so nothing was imported"
        some = "one good label" if good == 1 else f"{good or 0:,} good labels"
        todo = f"Mend them, or keep the {some} alone (--keep-good)." if good else "Mend the file."
        super().__init__(f"{what}:\n{listed}{more}", where=f"{found[0].file}:{found[0].line}", todo=todo)


# Out -----------------------------------------------------------------------------------------------------------------


def export(
    workbench: Workbench, study_id: str, formats: Sequence[str] | None = None, folder: Path | str | None = None, round: str = ""
) -> Manifest:
    """Writes the labels as they stand, and the study, into annotations/<study>/ with a manifest. formats None: the usual ones."""
    frozen, found = lab.load(workbench, study_id), lab.labels(workbench, study_id, round)
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
        files["labels.jsonl"] = exchange.to_jsonl(found)
    if "csv" in formats:
        files["labels.csv"] = exchange.to_csv(found)
        files[TIDY] = exchange.to_tidy_csv(frozen.study, found)
    if "label_studio" in formats:
        files["label_studio.xml"] = label_studio.config_xml(frozen.study)
        tasks = label_studio.tasks(frozen.study, found, round)
        files["label_studio.json"] = json.dumps(tasks, ensure_ascii=False, indent=1)
    pairs = exchange.dpo_pairs(frozen.study, found)
    if "dpo" in formats:
        files["dpo.jsonl"] = "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs)
    counts = _counts(frozen.study, found, round) | {"pairs": len(pairs)}
    if lost := workbench.store.labels.damaged:
        counts["unreadable label records, of this study or others"] = len(lost)
    return _written(folder, files, frozen, counts)


def usual(study: Study) -> tuple[str, ...]:
    """The formats of an export that names none. Pairs for preference training only where people chose between answers: of
    ratings they rest on the stars alone."""
    return tuple(name for name in FORMATS if name != "dpo" or study.kind == "pairs")


def _counts(study: Study, found: Sequence[Label], round: str) -> dict[str, int]:
    """As the pages count: items are those drawn to be judged, a label is what one annotator said on one screen."""
    items = [item for item in (study.round_items(round) if round else study.items)]
    plain = {item.id for item in items if item.plain}
    sentences = sum(name is not None for one in found if one.item in plain for names in one.sentences for name in names)
    return {
        "items": len(plain),
        "repeats": sum(bool(item.duplicate_of) for item in items),
        "attention items": sum(item.attention for item in items),
        "labels": len(found),
        "complete": sum(complete(study, one) for one in found),
        "sentence labels": sentences,
        "annotators": len({one.annotator for one in found}),
    }


def push(workbench: Workbench, study_id: str, url: str = "", round: str = "") -> dict[str, Any]:
    """A new project on a Label Studio server, with the round's items and the labels there are: {"project", "url", "tasks"}."""
    from core.annotation.formats import label_studio_server

    frozen = lab.load(workbench, study_id)
    tasks = label_studio.tasks(frozen.study, lab.labels(workbench, study_id, round), round or frozen.round)
    return label_studio_server.call(
        "push", url, title=f"{study_id} {(frozen.hash or 'draft')[:8]}", config=label_studio.config_xml(frozen.study), tasks=tasks
    )


def _written(folder: Path, files: dict[str, str], frozen: lab.Frozen, counts: dict[str, int]) -> Manifest:
    files = {name: clean(text) for name, text in files.items()}
    listed = tuple({"name": name, "sha256": _sha256(text.encode()), "bytes": len(text.encode())} for name, text in files.items())
    manifest = Manifest(str(folder), frozen.study.id, frozen.hash, datetime.now(UTC).isoformat(), counts, listed)
    told = {key: value for key, value in manifest._asdict().items() if key != "folder"}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, sha256 in _listed(folder).items():  # what an earlier export wrote here and nobody has touched since
            stale, ours = folder / name, name in (*LABEL_FILES, TIDY, "label_studio.xml", "dpo.jsonl")
            if ours and name not in files and stale.is_file() and _sha256(stale.read_bytes()) == sha256:
                stale.unlink()
        for name, text in {**files, "manifest.json": json.dumps(told, indent=1)}.items():
            fresh = folder / f".{name}.{os.getpid()}.tmp"
            fresh.write_bytes(text.encode())
            fresh.replace(folder / name)
    except OSError as error:
        for stray in folder.glob(f".*.{os.getpid()}.tmp"):
            stray.unlink(missing_ok=True)
        raise WorkbenchError(
            f"The labels could not be written: {error.strerror}.", where=str(folder), todo="Choose another folder."
        ) from error
    return manifest


def _listed(folder: Path) -> dict[str, str]:
    """File -> SHA-256, by the folder's manifest; nothing where there is none."""
    try:
        return {one["name"]: one["sha256"] for one in json.loads(_read_text(folder / "manifest.json"))["files"]}
    except (WorkbenchError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# In ------------------------------------------------------------------------------------------------------------------


def import_labels(
    workbench: Workbench,
    study_id: str,
    path: Path | str,
    keep_good: bool = False,
    names: dict[str, str] | None = None,
    replace: bool = False,
) -> Imported:
    """Labels from a file of ours or of Label Studio: JSONL, CSV or JSON. Nothing is taken of a file with problems, unless
    the good labels alone are asked for. A label that would take the place of one that says otherwise is a problem, unless
    `replace` is asked for. names: annotator in the file -> annotator of the study."""
    text = _read_text(Path(path))
    return _take(workbench, lab.load(workbench, study_id), text, Path(path).name, keep_good, names or {}, replace)


def pull(
    workbench: Workbench,
    study_id: str,
    project: int,
    url: str = "",
    keep_good: bool = False,
    names: dict[str, str] | None = None,
    replace: bool = False,
) -> Imported:
    """The annotations of a Label Studio project, as `import_labels` takes them."""
    from core.annotation.formats import label_studio_server

    found = label_studio_server.call("pull", url, project=project)
    text = json.dumps(found["tasks"], indent=1)
    return _take(workbench, lab.load(workbench, study_id), text, f"project {project}", keep_good, names or {}, replace)


def import_qags(workbench: Workbench, path: Path | str, study_id: str = "qags") -> lab.Frozen:
    """A file of QAGS as a study with its labels. A second time nothing is added."""
    study, given, wrong = qags.read(_file(Path(path)), study_id)
    if wrong or not given:
        raise ImportProblems(wrong or [Problem(str(path), 1, "The file is empty.")], len(given))
    there = lab.history(workbench, study_id)
    if there and there[-1].study != study:
        raise WorkbenchError(f"There is another study '{study_id}'.", todo="Give this one another name.")
    frozen = there[-1] if there else lab.freeze(workbench, study, "main")
    known = {(one.item, one.annotator) for one in lab.labels(workbench, study_id)}
    fresh = [
        _stamped(one.model_copy(update={"hash": frozen.hash, "origin": Path(path).name}))
        for one in given
        if (one.item, one.annotator) not in known
    ]
    if fresh:
        workbench.store.labels.add([to_record(study, one) for one in fresh])
    return frozen


def _take(
    workbench: Workbench, frozen: lab.Frozen, text: str, file: str, keep_good: bool, names: dict[str, str], replace: bool
) -> Imported:
    round = frozen.round if frozen.round in ROUNDS else "main"
    parsed = _parsed(frozen.study, text, file, round)
    good, wrong = _sound(workbench, frozen, parsed, file, names)
    if not good and not wrong:
        wrong = [exchange.empty(file)]
    found = _fresh(workbench, frozen, good, file, replace)
    if not replace:
        wrong += [
            Problem(
                file,
                line,
                f"'{one.annotator}' said otherwise of item {one.item} here: this would replace it.",
                "Choose to replace labels (--replace), or leave it out.",
            )
            for line, one in found.replacing
        ]
    taken = [*found.new, *found.completing, *(found.replacing if replace else ())]
    if wrong and not keep_good:
        raise ImportProblems(sorted(wrong, key=lambda one: one.line), len(taken) + found.known)
    if taken:
        fresh = [_stamped(one) for _, one in taken]
        workbench.store.labels.add([to_record(frozen.study, one) for one in fresh], [one.id for one in fresh])
    wrong = tuple(sorted(wrong, key=lambda one: one.line))
    return Imported(len(taken), found.known, wrong, len(found.replacing) if replace else 0, len(found.completing), found.changed)


def _parsed(study: Study, text: str, file: str, round: str) -> exchange.Parsed:
    """Read as what it looks like: a JSON list, JSON lines, or CSV."""
    first = text.lstrip()[:1]
    read = label_studio.from_tasks if first == "[" else exchange.from_jsonl if first == "{" else exchange.from_csv
    return read(text, file, study, round)


def _sound(
    workbench: Workbench, frozen: lab.Frozen, parsed: exchange.Parsed, file: str, names: dict[str, str]
) -> tuple[list[tuple[int, Label]], list[Problem]]:
    """The labels that fit the study, each of one annotator and item once, with their lines."""
    good, wrong, seen, ids = [], list(parsed.problems), {}, {}
    for line, one in parsed.labels:
        one = _filled(frozen.study, one)
        one = one.model_copy(update={"annotator": names.get(one.annotator, one.annotator)})
        key, id = (one.round, one.item, one.annotator), one.id
        what, todo = _misfit(workbench, frozen, one)
        if not what and id and id in ids:
            what, todo = (f"The id '{id}' stands in line {ids[id]} already.", "Give each label an id of its own, or none.")
        elif not what and key in seen and not (id and seen[key][0]):
            what, todo = exchange.twice(file, line, one.annotator, one.item, seen[key][1])[2:]
        if what:
            wrong.append(Problem(file, line, what, todo))
        else:
            seen[key], ids[id] = (id, line), line
            good.append((line, one))
    return sorted(good, key=lambda pair: pair[1].id), wrong


def _filled(study: Study, one: Label) -> Label:
    """With a place for every answer, also where the file leaves a part out."""
    if not study.has(one.item) or (one.sentences and one.helpful):
        return one
    empty = blank(study, one.round, study.item(one.item), one.annotator)
    return one.model_copy(update={"sentences": one.sentences or empty.sentences, "helpful": one.helpful or empty.helpful})


def _misfit(workbench: Workbench, frozen: lab.Frozen, one: Label) -> tuple[str, str]:
    """What keeps a label out of the study, and what to do; "" if nothing does."""
    study, found = frozen.study, problems(frozen.study, one)
    if one.study != study.id:
        found = [f"it is a label of the study '{one.study}', not of '{study.id}'"]
    if one.rubric not in [rubric.version for rubric in study.rubrics]:
        found.append(f"there is no version {one.rubric} of the rubric")
    try:
        known = datetime.fromisoformat(one.created or "2000-01-01").year in YEARS
    except ValueError:
        known = False
    if not known:
        found.append(f"'{one.created[:40]}' is no time (ISO 8601, {YEARS[0]} to {YEARS[-1]})")
    if found:
        return f"This label does not fit the study: {'; '.join(found)}.", "Mend or remove it."
    if one.annotator not in study.people(one.round):
        return (
            f"'{one.annotator}' is no annotator of the {one.round} round.",
            f"Say who of the study that is: --as '{one.annotator}=NAME'.",
        )
    if not one.id and _same(one, blank(study, one.round, study.item(one.item), one.annotator)):
        return f"This says nothing of item {one.item}.", "Give a label, or remove it."
    planned = (
        one.item in assignment(study, one.round)[one.annotator]
        or any((gone.round, gone.annotator) == (one.round, one.annotator) for gone in study.left)
        or (one.hash and one.hash in [version.hash for version in lab.history(workbench, study.id)])
    )
    return (
        ("", "")
        if planned
        else (
            f"Item {one.item} is not assigned to '{one.annotator}' in the {one.round} round.",
            "Remove it: labels from outside the design would count in the analysis.",
        )
    )


class _Found(NamedTuple):
    """What an import would do, each label with its line."""

    known: int
    changed: int
    new: list[tuple[int, Label]]
    completing: list[tuple[int, Label]]
    replacing: list[tuple[int, Label]]


def _fresh(workbench: Workbench, frozen: lab.Frozen, good: list[tuple[int, Label]], file: str, revive: bool) -> _Found:
    """What is not in the store yet. A label without an id of ours speaks only of what it answers: the rest stays as it is.
    What was taken from a file before is known, also if the annotator has changed it here since. revive: what was taken back
    here comes again."""
    store, found, taken = workbench.store.labels, _Found(0, 0, [], [], []), None
    here, known, changed = store.known(one.id for _, one in good if one.id), 0, 0
    own: dict[tuple[str, str, str], tuple[Label, list]] = {}  # what the file itself said before
    for line, given in good:
        key = given.round, given.item, given.annotator
        one, part = given, not given.id and not given.replaces and not given.withdrawn
        before, group = own.get(key) or (_here(workbench, frozen.study.id, key), None)
        if before and taken is None:
            taken = _taken(workbench, frozen.study.id)
        stands = before if before and not before.withdrawn else None
        last = [stands, *(taken.get((*key, origin)) for origin in (file, ""))] if before else []
        if one.id in here:
            stored = from_record(store.get(one.id))
            last.append(stored if (stored.round, stored.item, stored.annotator) == key else None)
            one = one.model_copy(update={"id": ""})  # it stays, or was edited since it was exported
        same = [old for old in last if old and _same(old, _laid(old, one) if part else one)]
        if same and (stands or not revive):
            known += 1
            changed += same[0] is not stands
            continue
        new = _laid(stands, one) if part and stands else one
        kept = one.id if not before or "" < before.id < one.id else ""
        new = new.model_copy(
            update={
                "id": kept,
                "origin": (one.origin if kept else "") or file,
                "replaces": before.id or before.replaces if before else one.replaces,
            }
        )
        if group is None:
            group = found.new if not stands else found.completing if _kept(stands, new) else found.replacing
        group.append((line, new))
        own[key] = new, group
    return found._replace(known=known, changed=changed)


def _here(workbench: Workbench, study_id: str, key: tuple[str, str, str]) -> Label | None:
    """The latest label of (round, item, annotator), whether or not it was withdrawn."""
    record = workbench.store.labels.one(study_id, *key)
    return from_record(record) if record else None


def _same(one: Label, other: Label) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in CONTENT)


def _taken(workbench: Workbench, study_id: str) -> dict[tuple[str, str, str, str], Label]:
    """(round, item, annotator, origin) -> the label that was last imported there; origin "": of any."""
    found = {}
    for payload in workbench.store.labels.all(study_id):
        if payload.get("origin"):
            label = from_record(payload)
            for origin in ("", label.origin):
                found[label.round, label.item, label.annotator, origin] = label
    return found


def _laid(under: Label, one: Label) -> Label:
    """What one says, and where it is silent, what the other said."""
    said = any(name is not None for name in (*sum(one.sentences, ()), *one.helpful, one.preference))
    under = _shaped(under, one)
    return one.model_copy(
        update={
            "sentences": tuple(
                tuple(new or old for new, old in zip(*pair, strict=True))
                for pair in zip(one.sentences, under.sentences, strict=True)
            ),
            "helpful": tuple(new or old for new, old in zip(one.helpful, under.helpful, strict=True)),
            "spans": one.spans or under.spans,
            "preference": one.preference or under.preference,
            "comment": one.comment or under.comment,
            "cannot_judge": one.cannot_judge or (under.cannot_judge and not said),
        }
    )


def _kept(before: Label, new: Label) -> bool:
    """Is all that was said before still said?"""
    before = _shaped(before, new)
    pairs = [
        *zip(sum(before.sentences, ()), sum(new.sentences, ()), strict=True),
        *zip(before.helpful, new.helpful, strict=True),
        (before.preference, new.preference),
        (before.comment or None, new.comment),
    ]
    same = all(old in (None, now) for old, now in pairs) and set(before.spans) <= set(new.spans)
    return same and not new.withdrawn and before.cannot_judge == new.cannot_judge


def _shaped(one: Label, like: Label) -> Label:
    """With a place for every answer."""
    return one.model_copy(
        update={
            "sentences": one.sentences or tuple((None,) * len(names) for names in like.sentences),
            "helpful": one.helpful or (None,) * len(like.helpful),
        }
    )


def _stamped(label: Label) -> Label:
    return label if label.created else label.model_copy(update={"created": datetime.now(UTC).isoformat()})


# Any file, for agreement ---------------------------------------------------------------------------------------------


def read_file(path: Path | str) -> tuple[Study, list[Label]] | Table:
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
    text = _read_text(path)
    if '"summary_sentences"' in text[:1_000_000]:
        study, found, wrong = qags.read(path)
        if wrong:
            raise ImportProblems(wrong)
        return study, found
    if ours := alone.of_study(text, path.name):
        return ours[0], _standing(ours[1], path.name)
    made, wrong = alone.plain_table(text, path.name)
    if wrong:
        raise ImportProblems(wrong)
    return made


def _exported(folder: Path, file: Path | None) -> tuple[Study, list[Label]]:
    """file None: what the folder's manifest lists."""
    try:
        given = json.loads(_read_text(folder / "study.json"))
        design, round, hash = given["design"], given["round"], given.get("hash")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise WorkbenchError(
            "This is no study.json of ours.",
            where=str(folder / "study.json"),
            todo="Put back the one of the export, or move the labels to another folder.",
        ) from None
    study, written = valid(Study, design), _listed(folder)
    if hash and design_hash(design, round) != hash:
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
    text = _read_text(file)
    if written.get(file.name, sha256 := _sha256(text.encode())) != sha256:
        raise WorkbenchError(
            f"{file.name} is not what was exported: its checksum differs from the one in manifest.json.",
            where=str(file),
            todo="Export it again; or take manifest.json away to read it as it is.",
        )
    return study, _standing(_parsed(study, text, file.name, round if round in ROUNDS else "main"), file.name)


def _standing(parsed: exchange.Parsed, file: str) -> list[Label]:
    """The labels of a file as they stand; a second one of the same annotator and item has to have an id, as our own have."""
    wrong, first = list(parsed.problems), {}
    for line, one in parsed.labels:
        before = first.setdefault((one.round, one.item, one.annotator), (line, one.id))
        if before[0] != line and not (one.id and before[1]):
            wrong.append(exchange.twice(file, line, one.annotator, one.item, before[0]))
    if not parsed.labels and not wrong:
        wrong.append(exchange.empty(file))
    if wrong:
        raise ImportProblems(sorted(wrong, key=lambda one: one.line))
    return standing(one for _, one in parsed.labels)


def _file(path: Path) -> Path:
    if not path.is_file():
        raise WorkbenchError("There is no such file.", where=str(path))
    return path


def _read_text(path: Path) -> str:
    try:
        return _file(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise WorkbenchError("The file is not UTF-8.", where=f"{path}:{line}", todo="Save it as UTF-8.") from None
    except OSError as error:
        raise WorkbenchError(f"The file cannot be read: {error.strerror}.", where=str(path)) from None
