"""Whether records and labels are still what was preregistered."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from core.annotation.assignment import handed_over
from core.annotation.labels import Label, from_record, problems
from core.annotation.study import Study, design_hash
from core.annotation.versions import Frozen, history, load
from core.workbench import Workbench


class Check(NamedTuple):
    """Whether records and labels are still what was preregistered."""

    ok: bool
    hash: str
    labels: int
    findings: tuple[str, ...]
    notes: tuple[str, ...] = ()  # what was recorded on the way and is in order: who left, and who took over


def check(workbench: Workbench, study_id: str) -> Check:
    """Looks into every version and label of a study: are they what was frozen?"""
    last, versions, found = load(workbench, study_id), history(workbench, study_id), []
    for one in versions:
        if one.hash and design_hash(workbench.store.journal.read(one.id).payload["design"], one.round) != one.hash:
            found.append(f"Version {one.version} is not what its hash says.")
    main = next((one for one in versions if one.round == "main"), None)
    if main and _as_main(last.study, main.study) != _as_main(main.study, main.study):
        found.append("The study was changed after its main round was frozen.")
    hashes = {one.hash: one for one in versions if one.hash}
    given = [from_record(payload) for payload in workbench.store.labels.all(study_id)]
    if lost := workbench.store.labels.damaged:
        found.append(
            f"{len(lost):,} label records cannot be read, of this study or others, the first of them {min(lost)}: "
            f"{lost[min(lost)]}."
        )
    for where, what in {**workbench.store.labels.gaps, **workbench.store.labels.cut()}.items():
        found.append(f"{where}: {what}.")
    for what, ids in _label_findings(last.study, given, hashes, _leaving(versions)).items():
        found.append(f"{len(ids):,} labels {what}, the first of them {ids[0]}.")
    notes = _notes(versions)
    if taken := sum(bool(one.origin) for one in given):
        notes += (f"{taken:,} of {len(given):,} label records came from files or a server.",)
    return Check(not found, last.hash, len(given), tuple(found), notes)


def _leaving(versions: Sequence[Frozen]) -> dict[tuple[str, str], str]:
    """(round, annotator) -> when it was recorded that they left."""
    found: dict[tuple[str, str], str] = {}
    for version in versions:
        for one in version.study.left:
            found.setdefault((one.round, one.annotator), version.created)
    return found


def _notes(versions: Sequence[Frozen]) -> tuple[str, ...]:
    """Every hand-over in words."""
    notes, study = [], versions[0].study.model_copy(update={"left": ()})
    for version in versions:
        study = version.study.model_copy(update={"left": version.study.left[: len(study.left)]})
        when, found = f"{version.created[:16].replace('T', ' ')} UTC", []
        for one in version.study.left[len(study.left) :]:
            if one.annotator in study.people(one.round):
                found.append(handed_over(study, one))
            study = study.model_copy(update={"left": (*study.left, one)})
        if len(found) > 1:
            notes.append(f"The {one.round} round was closed on {when}; labels missing: {sum(each.short for each in found):,}.")
        elif found:
            others = ", ".join(f"{number:,} to {name}" for name, number in found[0].given.items())
            went = "; ".join(filter(None, [others, f"{found[0].short:,} to nobody" if found[0].short else ""]))
            notes.append(
                f"{found[0].annotator} left the {one.round} round on {when} with {found[0].kept:,} items labelled. "
                f"The open items went: {went or 'there were none'}."
            )
    return tuple(notes)


def _label_findings(
    study: Study, given: Iterable[Label], hashes: dict[str, Frozen], leaving: dict[tuple[str, str], str]
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for label in given:
        frozen = hashes.get(label.hash)
        if frozen is None and not label.origin:
            found["were given under a study that was never frozen"].append(label.id)
        elif frozen is not None and frozen.round != label.round:
            found["were given in another round than their study was frozen for"].append(label.id)
        elif frozen is not None and label.created and label.created < frozen.created:
            found["are older than the study they were given under"].append(label.id)
        elif not label.origin and label.created > leaving.get((label.round, label.annotator), "~"):
            found["were given by somebody who had left the round"].append(label.id)
        elif not label.withdrawn and problems(frozen.study if frozen else study, label):
            found["do not fit the items or the rubric"].append(label.id)
    return found


def _as_main(study: Study, main: Study) -> Study:
    """Without what may come after the main round was frozen."""
    return study.model_copy(update={"adjudicators": (), "disputed": (), "left": study.left[: len(main.left)]})
