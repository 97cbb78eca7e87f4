"""Versions of studies as the journal has them: drafts, and rounds frozen under a hash."""

from datetime import UTC, datetime
from typing import NamedTuple

from core.annotation.study import Study
from core.config import valid
from core.errors import WorkbenchError
from core.files import hold
from core.workbench import Workbench


class Frozen(NamedTuple):
    """A version of a study as it is recorded. round: draft, or the round it was frozen for. hash: "" for a draft.

    Versions of the round "plan" are no versions of the study: see `plan`."""

    id: str
    study: Study
    round: str
    hash: str
    version: int
    created: str


def studies(workbench: Workbench) -> list[Frozen]:
    """The latest version of each study, newest first."""
    latest, versions = {row.study: row.id for row in workbench.store.studies() if row.round != "plan"}, []
    for version_id in sorted(latest.values(), reverse=True):
        try:
            versions.append(read_version(workbench, version_id))
        except WorkbenchError as error:  # the others are there
            workbench.store.note(f"A study was left out: {error}")
    return versions


def load(workbench: Workbench, study_id: str) -> Frozen:
    """The version in use."""
    versions = version_ids(workbench, study_id)
    if not versions:
        raise WorkbenchError(f"There is no study '{study_id}'.", todo="`python -m core annotate list` shows them.")
    return read_version(workbench, versions[-1])


def history(workbench: Workbench, study_id: str) -> list[Frozen]:
    """All versions, the oldest first."""
    return [read_version(workbench, version_id) for version_id in version_ids(workbench, study_id)]


def planned(workbench: Workbench, study_id: str) -> Study | None:
    """The study as it is planned for the main round; None: as it is frozen."""
    versions = [row for row in workbench.store.studies() if row.study == study_id]
    in_use = next((row.id for row in reversed(versions) if row.round != "plan"), "")
    if not in_use or versions[-1].id == in_use:
        return None
    study = read_version(workbench, versions[-1].id).study
    return None if study == read_version(workbench, in_use).study else study


def version_ids(workbench: Workbench, study_id: str) -> list[str]:
    return [row.id for row in workbench.store.studies() if row.study == study_id and row.round != "plan"]


def latest_version(workbench: Workbench, study_id: str) -> Frozen | None:
    versions = version_ids(workbench, study_id)
    return read_version(workbench, versions[-1]) if versions else None


def read_version(workbench: Workbench, version_id: str) -> Frozen:
    """A version by its record, which never changes, so it is remembered."""

    def read() -> Frozen:
        payload = workbench.store.journal.read(version_id).payload
        try:
            return Frozen(
                version_id, valid(Study, payload["design"]), *(payload[name] for name in ("round", "hash", "version", "created"))
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise WorkbenchError(
                f"Record {version_id} is no study: {type(error).__name__}: {error}.", todo="Copy the file back from a backup."
            ) from None

    return workbench.pipeline.remember("study", version_id, read)


def record_version(workbench: Workbench, study: Study, round_name: str, digest: str, before: Frozen | None) -> Frozen:
    """before: the version that this was decided on. Another that came meanwhile is not passed over."""
    with hold(workbench.home / "locks" / "studies", purpose="recording a study", seconds=10):
        versions = version_ids(workbench, study.id)
        if versions[-1:] != ([before.id] if before else []):
            raise WorkbenchError(
                f"The study '{study.id}' was changed just now, by somebody else or in another window.",
                todo="Look at it again, then repeat this.",
            )
        last = [row.id for row in workbench.store.studies() if row.study == study.id]
        created = datetime.now(UTC).isoformat()
        version_id = workbench.store.add(
            "study",
            {
                "study": study.id,
                "version": len(versions) + 1,
                "round": round_name,
                "hash": digest,
                "design": study.model_dump(mode="json"),
                "created": created,
            },
            after=last[-1] if last else "",
        )
    return Frozen(version_id, study, round_name, digest, len(versions) + 1, created)
