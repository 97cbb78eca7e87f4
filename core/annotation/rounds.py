"""A study's way from draft to analysis: each step a new version. What labels rest on changes no more."""

from collections.abc import Sequence
from typing import Any

from core.annotation.assignment import HandOver, assignment, handed_over
from core.annotation.disputes import disputed
from core.annotation.latest import labels
from core.annotation.rubric import Rubric
from core.annotation.standing import progress
from core.annotation.study import Left, Study, altered, study_hash
from core.annotation.versions import Frozen, latest_version, load, planned, record_version
from core.annotation.worklist import items_of
from core.errors import WorkbenchError
from core.workbench import Workbench

OTHER = "Give the changed study another name."


def save(workbench: Workbench, study: Study) -> Frozen:
    """Records a draft. A study that was frozen stays as it is."""
    if (latest := latest_version(workbench, study.id)) and latest.round != "draft":
        raise WorkbenchError(f"The study '{study.id}' is frozen for its {latest.round} round.", todo=OTHER)
    return latest if latest and latest.study == study else record_version(workbench, study, "draft", "", latest)


def freeze(workbench: Workbench, study: Study, round_name: str) -> Frozen:
    """Records the study with its hash; from then on the round can be labelled. pilot, then main; or main at once."""
    latest = latest_version(workbench, study.id)
    before = latest.round if latest else "draft"
    if round_name not in ("pilot", "main") or before in ("main", "adjudication") or (before, round_name) == ("pilot", "pilot"):
        raise WorkbenchError(f"The study '{study.id}' cannot be frozen for round '{round_name}' after '{before}'.", todo=OTHER)
    if not study.round_items(round_name):
        raise WorkbenchError(f"There are no items for the {round_name} round.", where=f"study '{study.id}'", todo="Draw items.")
    if study.ask == ("sentences",) and (
        bare := next(
            (item.id for item in study.round_items(round_name) if not any(each.sentences for each in item.responses)), ""
        )
    ):
        raise WorkbenchError(
            f"Item {bare} has no sentence to label.",
            where=f"study '{study.id}'",
            todo="Leave it out, or ask how helpful the answers are.",
        )
    missing = [name for name in ("question", "measure") if not getattr(study, name).strip()]
    if missing:
        raise WorkbenchError(f"The study has no {' and no '.join(missing)}.", todo="Say it before the first label is seen.")
    if before == "pilot":
        _same_pilot(latest.study, study)
    assignment(study, round_name)
    return record_version(workbench, study, round_name, study_hash(study, round_name), latest)


def revise(workbench: Workbench, study_id: str, rubric: Rubric) -> Frozen:
    """A new version of the rubric while the pilot runs; the earlier ones stay in the study."""
    latest = load(workbench, study_id)
    if latest.round not in ("draft", "pilot"):
        raise WorkbenchError(f"The rubric of '{study_id}' is frozen: the {latest.round} round has begun.", todo=OTHER)
    if not rubric.changed.strip():
        raise WorkbenchError(
            "A new version of the rubric says what was changed.",
            where=f"the rubric of '{study_id}'",
            todo="Write it under `changed`.",
        )
    new = rubric.model_copy(update={"version": latest.study.rubric.version + 1})
    return _go_on(workbench, latest, {"rubrics": (*latest.study.rubrics, new)})


def plan(workbench: Workbench, study: Study) -> None:
    """Keeps changes for the main round that are made while the pilot is in use. Freezing the main round puts them in force;
    until then no label is given under them."""
    latest = load(workbench, study.id)
    if latest.round != "pilot":
        raise WorkbenchError(
            f"The study '{study.id}' is in round '{latest.round}': plans are made between pilot and main round.",
            where=f"study '{study.id}'",
            todo="Change the draft itself." if latest.round == "draft" else OTHER,
        )
    _same_pilot(latest.study, study)
    if study != (planned(workbench, study.id) or latest.study):
        record_version(workbench, study, "plan", "", latest)


def _same_pilot(before: Study, after: Study) -> None:
    """What the pilot's labels rest on cannot change any more."""
    same = ("id", "kind", "seed", "left")
    if any(getattr(before, name) != getattr(after, name) for name in same) or (
        before.round_items("pilot") != after.round_items("pilot")  # attention items, which belong to both rounds, among them
    ):
        raise WorkbenchError(
            "The pilot round was labelled with other items, kind or seed.",
            where=f"study '{after.id}'",
            todo="Keep them, or give the changed study another name.",
        )
    if after.rubrics[: len(before.rubrics)] != before.rubrics:
        raise WorkbenchError("The history of the rubric was changed.", todo="Add a new version of the rubric instead.")


def open_adjudication(workbench: Workbench, study_id: str, adjudicators: Sequence[str]) -> Frozen:
    """The last round: one person decides each item of the main round on which the annotators differ."""
    latest = load(workbench, study_id)
    if latest.round != "main":
        raise WorkbenchError(f"Adjudication follows the main round; '{study_id}' is in round '{latest.round}'.")
    if not adjudicators:
        raise WorkbenchError("Adjudication needs at least one person.", todo="Name an adjudicator.")
    items = disputed(latest.study, labels(workbench, study_id, "main"))
    if not items:
        raise WorkbenchError("The annotators agree on every item, so there is nothing to adjudicate.")
    study = altered(latest.study, {"adjudicators": tuple(adjudicators), "disputed": tuple(items)})
    return record_version(workbench, study, "adjudication", study_hash(study, "adjudication"), latest)


def handing_over(workbench: Workbench, study_id: str, annotator: str) -> HandOver:
    """What would become of an annotator's items; nothing is recorded."""
    latest = load(workbench, study_id)
    return handed_over(latest.study, _leaver(workbench, latest, annotator))


def hand_over(workbench: Workbench, study_id: str, annotator: str) -> Frozen:
    """An annotator leaves the round that is in use: what they labelled stays, the rest goes to those with least to do.
    Nothing else of the study changes; after a pilot they are not in the plan of the main round either."""
    latest = load(workbench, study_id)
    return _go_on(workbench, latest, {"left": (*latest.study.left, _leaver(workbench, latest, annotator))})


def close(workbench: Workbench, study_id: str) -> Frozen:
    """Ends a round although items are open: everybody stops here, and nobody takes over."""
    latest = load(workbench, study_id)
    if not latest.hash or all(person.done >= person.assigned for person in progress(workbench, latest)):
        raise WorkbenchError(f"No item is open in the round '{latest.round}' of '{study_id}'.")
    everybody = [_left(workbench, latest, name) for name in latest.study.at_work(latest.round)]
    return _go_on(workbench, latest, {"left": (*latest.study.left, *everybody)}, stay=True)


def _go_on(workbench: Workbench, latest: Frozen, changed: dict[str, Any], stay: bool = False) -> Frozen:
    """A new version of the same round; a plan of the main round goes along. stay: those who left now are in it all the same."""
    ahead = planned(workbench, latest.study.id)
    study = altered(latest.study, changed)
    new = record_version(workbench, study, latest.round, study_hash(study, latest.round) if latest.hash else "", latest)
    if latest.round == "pilot":
        gone = set() if stay else {leaver.annotator for leaver in study.left[len(latest.study.left) :]}
        people = [name for name in (ahead or study).annotators if name not in gone]
        plan(workbench, altered(ahead or study, {**changed, "annotators": people}))
    return new


def _left(workbench: Workbench, frozen: Frozen, annotator: str) -> Left:
    """The record of an annotator stopping now."""
    records = workbench.store.labels.current(frozen.study.id)
    labelled = tuple(
        item_id for item_id in items_of(frozen, annotator) if records.get((frozen.round, item_id, annotator), {}).get("complete")
    )
    return Left(annotator=annotator, round=frozen.round, kept=labelled)


def _leaver(workbench: Workbench, frozen: Frozen, annotator: str) -> Left:
    """The same of one who has something to hand over."""
    here = frozen.study.at_work(frozen.round) if frozen.hash else ()
    if annotator not in here:
        raise WorkbenchError(
            f"'{annotator}' labels nothing in the round '{frozen.round}' of '{frozen.study.id}'.",
            todo=f"Who does: {', '.join(here) or 'nobody'}.",
        )
    left = _left(workbench, frozen, annotator)
    if len(left.kept) == len(items_of(frozen, annotator)):
        raise WorkbenchError(f"'{annotator}' has labelled everything, so there is nothing to hand over.")
    return left
