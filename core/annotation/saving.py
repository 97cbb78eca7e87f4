"""Where a label is made safe: checked, stamped with what was on the screen, and on the disk to stay before it is acknowledged.

A label never changes: a later one replaces it and names it, and an undo is a new label too.
"""

from datetime import UTC, datetime

from core.annotation.assignment import assignment
from core.annotation.labels import CONTENT, Label, blank, from_record, problems, to_record
from core.annotation.latest import latest_label
from core.annotation.screen import shown
from core.annotation.study import Study
from core.annotation.versions import Frozen, read_version
from core.errors import WorkbenchError
from core.workbench import Workbench


def label(workbench: Workbench, frozen: Frozen, new: Label) -> Label:
    """Saves a label, whole or begun; returns it as recorded, once it is on disk to stay."""
    if not frozen.hash:
        raise WorkbenchError(f"The study '{frozen.study.id}' is a draft.", todo="Freeze it, then label.")
    _still_here(workbench, frozen, new.annotator)
    mine = assignment(frozen.study, frozen.round).get(new.annotator)
    if mine is None or new.item not in mine:
        raise WorkbenchError(f"Item '{new.item}' is not assigned to '{new.annotator}' in the {frozen.round} round.")
    if wrong := problems(frozen.study, new):
        raise WorkbenchError(f"This label does not fit the study: {'; '.join(wrong)}.")
    item = frozen.study.item(new.item)
    seen, empty = shown(frozen.study, item, new.annotator), blank(frozen.study, frozen.round, item, new.annotator)
    with workbench.store.labels.lock:  # of two tabs at once the later label replaces the earlier
        before = latest_label(workbench, frozen, new.annotator, new.item)
        return _saved(
            workbench,
            frozen.study,
            new.model_copy(
                update={
                    "study": frozen.study.id,
                    "round": frozen.round,
                    "hash": frozen.hash,
                    "rubric": frozen.study.rubric.version,
                    "sentences": new.sentences or empty.sentences,
                    "helpful": new.helpful or empty.helpful,
                    "shown": seen.hash,
                    "order": seen.order,
                    "replaces": before.id if before else "",
                    "restores": "",
                }
            ),
        )


def undo(workbench: Workbench, frozen: Frozen, item: str, annotator: str) -> Label:
    """Brings back the state before the latest label, as a new record. Nothing before it: the item is blank again."""
    _still_here(workbench, frozen, annotator)
    with workbench.store.labels.lock:
        latest = latest_label(workbench, frozen, annotator, item)
        if latest is None or (latest.withdrawn and not _before(workbench, latest)):
            raise WorkbenchError("There is nothing to undo here.")
        before = _before(workbench, latest)
        state = before or blank(frozen.study, frozen.round, frozen.study.item(item), annotator)
        seen = ("rubric", "shown", "order") if before else ()  # what was judged, by which version, comes back with the judgement
        return _saved(
            workbench,
            frozen.study,
            latest.model_copy(
                update={
                    **{name: getattr(state, name) for name in (*CONTENT, *seen)},
                    "withdrawn": before is None or before.withdrawn,
                    "replaces": latest.id,
                    "restores": before.id if before else "",
                    "seconds": state.seconds,
                }
            ),
        )


def _still_here(workbench: Workbench, frozen: Frozen, annotator: str) -> None:
    """Whoever left labels no more, nor does anybody in a round that is over, also not in a window that was open before."""
    study, round_name = frozen.study, frozen.round
    last = [version for version in workbench.store.studies() if version.study == study.id and version.round != "plan"][-1:]
    if last and last[0].id > frozen.id and last[0].round != round_name:
        raise WorkbenchError(
            f"The {round_name} round is over, so nothing more is saved in it: {last[0].round} has begun.",
            todo="Load the page anew.",
        )
    if last and last[0].id > frozen.id:
        study = read_version(workbench, last[0].id).study
    if annotator in study.people(round_name) and annotator not in study.at_work(round_name):
        raise WorkbenchError(
            f"'{annotator}' has left the {round_name} round, so nothing more is saved under this name.",
            todo="Ask whoever runs the study.",
        )


def _before(workbench: Workbench, label: Label) -> Label | None:
    """The state before this one; an undo stands for the state that it brought back."""
    store = workbench.store.labels
    if label.withdrawn and not label.restores:
        return None
    here = from_record(store.get(label.restores)) if label.restores else label
    if not here.replaces:
        return None
    before = from_record(store.get(here.replaces))
    if before.restores:
        return from_record(store.get(before.restores))
    return None if before.withdrawn else before


def _saved(workbench: Workbench, study: Study, label: Label) -> Label:
    label = Label.model_validate({**label.model_dump(), "created": datetime.now(UTC).isoformat(), "id": "", "origin": ""})
    label_id = workbench.store.add_label(to_record(study, label))
    return label.model_copy(update={"id": label_id})
