"""Labels taken into a study from files or a Label Studio server: what of a file fits, what is new, and what it would replace."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from core.annotation.assignment import assignment
from core.annotation.formats import exchange, qags
from core.annotation.formats.exchange import Problem
from core.annotation.label_files import ImportProblems, existing, parsed_labels, read_text
from core.annotation.labels import CONTENT, Label, blank, from_record, problems, to_record
from core.annotation.latest import labels
from core.annotation.rounds import freeze
from core.annotation.study import ROUNDS, Study
from core.annotation.versions import Frozen, history, load
from core.errors import WorkbenchError
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

    found = label_studio_server.call("pull", url, project=project)
    text = json.dumps(found["tasks"], indent=1)
    return _take(workbench, load(workbench, study_id), text, f"project {project}", keep_good, names or {}, replace)


def import_qags(workbench: Workbench, path: Path | str, study_id: str = "qags") -> Frozen:
    """A file of QAGS as a study with its labels. A second time nothing is added."""
    study, given, wrong = qags.read(existing(Path(path)), study_id)
    if wrong or not given:
        raise ImportProblems(wrong or [Problem(str(path), 1, "The file is empty.")], len(given))
    there = history(workbench, study_id)
    if there and there[-1].study != study:
        raise WorkbenchError(f"There is another study '{study_id}'.", todo="Give this one another name.")
    frozen = there[-1] if there else freeze(workbench, study, "main")
    known = {(one.item, one.annotator) for one in labels(workbench, study_id)}
    fresh = [
        _stamped(one.model_copy(update={"hash": frozen.hash, "origin": Path(path).name}))
        for one in given
        if (one.item, one.annotator) not in known
    ]
    if fresh:
        workbench.store.labels.add([to_record(study, one) for one in fresh])
    return frozen


def _take(
    workbench: Workbench, frozen: Frozen, text: str, file: str, keep_good: bool, names: dict[str, str], replace: bool
) -> Imported:
    round = frozen.round if frozen.round in ROUNDS else "main"
    parsed = parsed_labels(frozen.study, text, file, round)
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


def _sound(
    workbench: Workbench, frozen: Frozen, parsed: exchange.Parsed, file: str, names: dict[str, str]
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


def _misfit(workbench: Workbench, frozen: Frozen, one: Label) -> tuple[str, str]:
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
        or (one.hash and one.hash in [version.hash for version in history(workbench, study.id)])
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


def _fresh(workbench: Workbench, frozen: Frozen, good: list[tuple[int, Label]], file: str, revive: bool) -> _Found:
    """What is not in the store yet. A label without an id of ours speaks only of what it answers: the rest stays as it is.
    What was taken from a file before is known, also if the annotator has changed it here since. revive: what was taken back
    here comes again."""
    store, found, taken = workbench.store.labels, _Found(0, 0, [], [], []), None
    here, known, changed = store.present(one.id for _, one in good if one.id), 0, 0
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
    record = workbench.store.labels.latest_label(study_id, *key)
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
