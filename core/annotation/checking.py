"""Whether records and labels are still what was preregistered."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import inf
from typing import NamedTuple

from core.annotation.assignment import handed_over
from core.annotation.label_table import seconds_since_1970
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
    last, versions, findings = load(workbench, study_id), history(workbench, study_id), []
    for version in versions:
        design = workbench.store.journal.read(version.id).payload["design"] if version.hash else {}
        if version.hash and design_hash(design, version.round) != version.hash:
            findings.append(f"Version {version.version} does not match its hash.")
    main = next((version for version in versions if version.round == "main"), None)
    if main and _as_main(last.study, main.study) != _as_main(main.study, main.study):
        findings.append("The study was changed after its main round was frozen.")
    hashes = {version.hash: version for version in versions if version.hash}
    labels = [from_record(payload) for payload in workbench.store.labels.all(study_id)]
    if lost := workbench.store.labels.damaged:
        findings.append(
            f"{len(lost):,} label records cannot be read, of this study or others, the first of them {min(lost)}: "
            f"{lost[min(lost)]}."
        )
    for where, what in {**workbench.store.labels.gaps, **workbench.store.labels.cut()}.items():
        findings.append(f"{where}: {what}.")
    for what, ids in _label_findings(last.study, labels, hashes, _begun(versions), _leaving(versions)).items():
        findings.append(f"{len(ids):,} labels {what}, the first of them {ids[0]}.")
    notes = _notes(versions)
    if taken := sum(bool(label.origin) for label in labels):
        notes += (f"{taken:,} of {len(labels):,} label records came from files or a server.",)
    return Check(not findings, last.hash, len(labels), tuple(findings), notes)


def _begun(versions: Sequence[Frozen]) -> dict[str, float]:
    """Round -> when it was frozen first, in seconds since 1970."""
    times: dict[str, float] = {}
    for version in versions:
        if version.hash:
            times.setdefault(version.round, seconds_since_1970(version.created))
    return times


def _leaving(versions: Sequence[Frozen]) -> dict[tuple[str, str], float]:
    """(round, annotator) -> when it was recorded that they left, in seconds since 1970."""
    times: dict[tuple[str, str], float] = {}
    for version in versions:
        for leaver in version.study.left:
            times.setdefault((leaver.round, leaver.annotator), seconds_since_1970(version.created))
    return times


def _notes(versions: Sequence[Frozen]) -> tuple[str, ...]:
    """Every hand-over in words."""
    notes, study = [], versions[0].study.model_copy(update={"left": ()})
    for version in versions:
        study = version.study.model_copy(update={"left": version.study.left[: len(study.left)]})
        when, hand_overs = f"{version.created[:16].replace('T', ' ')} UTC", []
        for leaver in version.study.left[len(study.left) :]:
            if leaver.annotator in study.people(leaver.round):
                hand_overs.append(handed_over(study, leaver))
            study = study.model_copy(update={"left": (*study.left, leaver)})
        if len(hand_overs) > 1:
            notes.append(
                f"The {leaver.round} round was closed on {when}; labels missing: {sum(each.short for each in hand_overs):,}."
            )
        elif hand_overs:
            others = ", ".join(f"{number:,} to {name}" for name, number in hand_overs[0].given.items())
            went = "; ".join(filter(None, [others, f"{hand_overs[0].short:,} to nobody" if hand_overs[0].short else ""]))
            notes.append(
                f"{hand_overs[0].annotator} left the {leaver.round} round on {when} with {hand_overs[0].kept:,} items labelled. "
                f"The open items went: {went or 'there were none'}."
            )
    return tuple(notes)


def _label_findings(
    study: Study,
    labels: Iterable[Label],
    hashes: dict[str, Frozen],
    begun: dict[str, float],
    leaving: dict[tuple[str, str], float],
) -> dict[str, list[str]]:
    """Times are compared as such: those of files may be of any zone."""
    findings: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        frozen, when = hashes.get(label.hash), seconds_since_1970(label.created)
        if frozen is None and not label.origin:
            findings["were given under a study that was never frozen"].append(label.id)
        elif frozen is not None and frozen.round != label.round:
            findings["were given in another round than their study was frozen for"].append(label.id)
        elif when < (seconds_since_1970(frozen.created) if frozen else begun.get(label.round, -inf)):
            findings["are older than the study they were given under"].append(label.id)
        elif not label.origin and when > leaving.get((label.round, label.annotator), inf):
            findings["were given by somebody who had left the round"].append(label.id)
        elif not label.withdrawn and problems(frozen.study if frozen else study, label):
            findings["do not fit the items or the rubric"].append(label.id)
    return findings


def _as_main(study: Study, main: Study) -> Study:
    """Without what may come after the main round was frozen."""
    return study.model_copy(update={"adjudicators": (), "disputed": (), "left": study.left[: len(main.left)]})
