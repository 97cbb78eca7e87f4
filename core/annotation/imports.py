"""Labels taken into a study from files or a Label Studio server: what of a file fits, what is new, and what it would replace."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from core.annotation import latest
from core.annotation.assignment import assignment
from core.annotation.formats import exchange, qags
from core.annotation.formats.exchange import Problem
from core.annotation.label_files import ImportProblems, parsed_labels
from core.annotation.labels import CONTENT, Label, blank, from_record, problems, to_record
from core.annotation.rounds import freeze
from core.annotation.study import ROUNDS, Study
from core.annotation.versions import Frozen, history, load
from core.errors import WorkbenchError
from core.files import read_text
from core.store.rows import YEARS
from core.workbench import Workbench


class Imported(NamedTuple):
    added: int
    known: int  # already here, or taken from such a file before
    problems: tuple[Problem, ...]
    replaced: int = 0  # of those added: they took the place of a label that said otherwise
    completed: int = 0  # of those added: they say what the label in their place had left open
    changed: int = 0  # of those known: changed or taken back here since, and left so


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
    text = read_text(Path(path))
    return _take(workbench, load(workbench, study_id), text, Path(path).name, keep_good, names or {}, replace)


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

    tasks = label_studio_server.call("pull", url, project=project)["tasks"]
    text = json.dumps(tasks, indent=1)
    return _take(workbench, load(workbench, study_id), text, f"project {project}", keep_good, names or {}, replace)


def import_qags(workbench: Workbench, path: Path | str, study_id: str = "qags") -> Frozen:
    """A file of QAGS as a study with its labels. A second time nothing is added."""
    study, labels, wrong = qags.read(Path(path), study_id)
    if wrong or not labels:
        if not wrong:
            wrong.add(1, "The file is empty.")
        raise ImportProblems(wrong, len(labels))
    there = history(workbench, study_id)
    if there and there[-1].study != study:
        raise WorkbenchError(f"There is another study '{study_id}'.", todo="Give this one another name.")
    frozen = there[-1] if there else freeze(workbench, study, "main")
    seen = {(label.item, label.annotator) for label in latest.labels(workbench, study_id)}
    fresh = [
        _stamped(label.model_copy(update={"hash": frozen.hash, "origin": Path(path).name}))
        for label in labels
        if (label.item, label.annotator) not in seen
    ]
    if fresh:
        workbench.store.labels.add([to_record(study, label) for label in fresh])
    return frozen


def _take(
    workbench: Workbench, frozen: Frozen, text: str, file: str, keep_good: bool, names: dict[str, str], replace: bool
) -> Imported:
    round_name = frozen.round if frozen.round in ROUNDS else "main"
    parsed = parsed_labels(frozen.study, text, file, round_name)
    good, wrong = _sound(workbench, frozen, parsed, names)
    if not good and not wrong:
        wrong.empty()
    intake = _fresh(workbench, frozen, good, file, replace)
    if not replace:
        for line, label in intake.replacing:
            what = f"'{label.annotator}' has a different label of item {label.item} here: this would replace it."
            wrong.add(line, what, "Choose to replace labels (--replace), or leave it out.")
    wrong.sort(key=lambda problem: problem.line)
    taken = [*intake.new, *intake.completing, *(intake.replacing if replace else ())]
    if wrong and not keep_good:
        raise ImportProblems(wrong, len(taken) + intake.old)
    if taken:
        fresh = [_stamped(label) for _, label in taken]
        workbench.store.labels.add([to_record(frozen.study, label) for label in fresh], [label.id for label in fresh])
    return Imported(
        len(taken), intake.old, tuple(wrong), len(intake.replacing) if replace else 0, len(intake.completing), intake.changed
    )


def _sound(
    workbench: Workbench, frozen: Frozen, parsed: exchange.Parsed, names: dict[str, str]
) -> tuple[list[tuple[int, Label]], exchange.Problems]:
    """The labels that fit the study, each of one annotator and item once, with their lines."""
    good, wrong, seen, ids = [], parsed.problems, {}, {}
    for line, label in parsed.labels:
        label = _filled(frozen.study, label)
        label = label.model_copy(update={"annotator": names.get(label.annotator, label.annotator)})
        key, label_id = (label.round, label.item, label.annotator), label.id
        what, todo = _misfit(workbench, frozen, label)
        if not what and label_id and label_id in ids:
            what = f"The id '{label_id}' stands in line {ids[label_id]} already."
            todo = "Give each label an id of its own, or none."
        if what:
            wrong.add(line, what, todo)
        elif key in seen and not (label_id and seen[key][0]):
            wrong.twice(line, label.annotator, label.item, seen[key][1])
        else:
            seen[key], ids[label_id] = (label_id, line), line
            good.append((line, label))
    return sorted(good, key=lambda pair: pair[1].id), wrong


def _filled(study: Study, label: Label) -> Label:
    """With a place for every answer, also where the file leaves a part out."""
    if not study.has(label.item) or (label.sentences and label.helpful):
        return label
    empty = blank(study, label.round, study.item(label.item), label.annotator)
    return label.model_copy(update={"sentences": label.sentences or empty.sentences, "helpful": label.helpful or empty.helpful})


def _misfit(workbench: Workbench, frozen: Frozen, label: Label) -> tuple[str, str]:
    """What keeps a label out of the study, and what to do; "" if nothing does."""
    study, wrong = frozen.study, problems(frozen.study, label)
    if label.study != study.id:
        wrong = [f"it is a label of the study '{label.study}', not of '{study.id}'"]
    if label.rubric not in [rubric.version for rubric in study.rubrics]:
        wrong.append(f"there is no version {label.rubric} of the rubric")
    try:
        dated = datetime.fromisoformat(label.created or "2000-01-01").year in YEARS
    except ValueError:
        dated = False
    if not dated:
        wrong.append(f"'{label.created[:40]}' is no time (ISO 8601, {YEARS[0]} to {YEARS[-1]})")
    if wrong:
        return f"This label does not fit the study: {'; '.join(wrong)}.", "Mend or remove it."
    if not frozen.hash or (frozen.round, label.round) == ("pilot", "main"):  # a label that is seen before could shape the plan
        return f"The {label.round} round of '{study.id}' is not frozen yet.", "Freeze it, then import its labels."
    if label.annotator not in study.people(label.round):
        return (
            f"'{label.annotator}' is no annotator of the {label.round} round.",
            f"Say who of the study that is: --as '{label.annotator}=NAME'.",
        )
    if not label.id and _same(label, blank(study, label.round, study.item(label.item), label.annotator)):
        return f"This says nothing of item {label.item}.", "Give a label, or remove it."
    planned = (
        label.item in assignment(study, label.round)[label.annotator]
        or any((gone.round, gone.annotator) == (label.round, label.annotator) for gone in study.left)
        or (label.hash and label.hash in [version.hash for version in history(workbench, study.id)])
    )
    if planned:
        return "", ""
    what = f"Item {label.item} is not assigned to '{label.annotator}' in the {label.round} round."
    return what, "Remove it: labels from outside the design would count in the analysis."


class _Intake(NamedTuple):
    """What an import would do, each label with its line."""

    old: int
    changed: int
    new: list[tuple[int, Label]]
    completing: list[tuple[int, Label]]
    replacing: list[tuple[int, Label]]


def _fresh(workbench: Workbench, frozen: Frozen, good: list[tuple[int, Label]], file: str, revive: bool) -> _Intake:
    """What is not in the store yet. A label without an id of ours speaks only of what it answers: the rest stays as it is.
    What was taken from a file before is known, also if the annotator has changed it here since. revive: what was taken back
    here comes again."""
    store, intake, taken = workbench.store.labels, _Intake(0, 0, [], [], []), None
    here, old, changed = store.present(label.id for _, label in good if label.id), 0, 0
    own: dict[tuple[str, str, str], tuple[Label, list]] = {}  # what the file itself said before
    for line, label in good:
        key = label.round, label.item, label.annotator
        part = not label.id and not label.replaces and not label.withdrawn
        before, group = own.get(key) or (_here(workbench, frozen.study.id, key), None)
        if before and taken is None:
            taken = _taken(workbench, frozen.study.id)
        stands = before if before and not before.withdrawn else None
        last = [stands, *(taken.get((*key, origin)) for origin in (file, ""))] if before else []
        if label.id in here:
            stored = from_record(store.get(label.id))
            last.append(stored if (stored.round, stored.item, stored.annotator) == key else None)
            label = label.model_copy(update={"id": ""})  # it stays, or was edited since it was exported
        same = [earlier for earlier in last if earlier and _same(earlier, _laid(earlier, label) if part else label)]
        if same and (stands or not revive):
            old += 1
            changed += same[0] is not stands
            continue
        new = _laid(stands, label) if part and stands else label
        label_id = label.id if not before or "" < before.id < label.id else ""
        new = new.model_copy(
            update={
                "id": label_id,
                "origin": (label.origin if label_id else "") or file,
                "replaces": before.id or before.replaces if before else label.replaces,
            }
        )
        if group is None:
            group = intake.new if not stands else intake.completing if _keeps_all(stands, new) else intake.replacing
        group.append((line, new))
        own[key] = new, group
    return intake._replace(old=old, changed=changed)


def _here(workbench: Workbench, study_id: str, key: tuple[str, str, str]) -> Label | None:
    """The latest label of (round, item, annotator), whether or not it was withdrawn."""
    record = workbench.store.labels.latest_label(study_id, *key)
    return from_record(record) if record else None


def _same(label: Label, other: Label) -> bool:
    return all(getattr(label, name) == getattr(other, name) for name in CONTENT)


def _taken(workbench: Workbench, study_id: str) -> dict[tuple[str, str, str, str], Label]:
    """(round, item, annotator, origin) -> the label that was last imported there; origin "": of any."""
    last = {}
    for payload in workbench.store.labels.all(study_id):
        if payload.get("origin"):
            label = from_record(payload)
            for origin in ("", label.origin):
                last[label.round, label.item, label.annotator, origin] = label
    return last


def _laid(under: Label, over: Label) -> Label:
    """What the upper label says, and where it is silent, what the one under it said."""
    said = any(name is not None for name in (*sum(over.sentences, ()), *over.helpful, over.preference))
    under = _shaped(under, over)
    return over.model_copy(
        update={
            "sentences": tuple(
                tuple(new or old for new, old in zip(*pair, strict=True))
                for pair in zip(over.sentences, under.sentences, strict=True)
            ),
            "helpful": tuple(new or old for new, old in zip(over.helpful, under.helpful, strict=True)),
            "spans": over.spans or under.spans,
            "preference": over.preference or under.preference,
            "comment": over.comment or under.comment,
            "cannot_judge": over.cannot_judge or (under.cannot_judge and not said),
        }
    )


def _keeps_all(before: Label, new: Label) -> bool:
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


def _shaped(label: Label, like: Label) -> Label:
    """With a place for every answer."""
    return label.model_copy(
        update={
            "sentences": label.sentences or tuple((None,) * len(names) for names in like.sentences),
            "helpful": label.helpful or (None,) * len(like.helpful),
        }
    )


def _stamped(label: Label) -> Label:
    return label if label.created else label.model_copy(update={"created": datetime.now(UTC).isoformat()})
