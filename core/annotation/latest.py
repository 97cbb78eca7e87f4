"""Labels as they stand: of each round, item and annotator the latest, unless it was taken back."""

from core.annotation.labels import Label, from_record
from core.annotation.versions import Frozen
from core.workbench import Workbench


def labels(workbench: Workbench, study_id: str, round_name: str = "") -> list[Label]:
    """The labels as they stand, whole and begun ones; of one round, or of all."""
    records = workbench.store.labels.current(study_id)
    return [
        from_record(payload)
        for (place, _, _), payload in records.items()
        if round_name in ("", place) and not payload.get("withdrawn")
    ]


def labels_there(workbench: Workbench, study_id: str) -> bool:
    """Whether anybody has labelled anything in a study."""
    return bool(workbench.store.labels.current(study_id))


def current(workbench: Workbench, frozen: Frozen, annotator: str, item: str) -> Label | None:
    """The label as it stands."""
    label = latest_label(workbench, frozen, annotator, item)
    return None if label is None or label.withdrawn else label


def latest_label(workbench: Workbench, frozen: Frozen, annotator: str, item: str) -> Label | None:
    payload = workbench.store.labels.latest_label(frozen.study.id, frozen.round, item, annotator)
    return from_record(payload) if payload else None
