"""Answers as they are stored, with where they come from."""

from typing import Any

from core.config import PLACES
from core.errors import WorkbenchError
from core.pipeline.stages import STAGES
from core.workbench import Workbench

STEPS = {  # of the time that an answer took, in words; stages that rank are called as their forms are
    "opening": "Opening what is searched",
    "transform": "Query transform",
    "encode": "Encoding the question",
    "loading": "Loading the model",
    "context": "Making the prompt",
    "first_token": "Reading it, to the first token",
    "writing": "Writing the answer",
    "rest": "All else",
}


def stored(workbench: Workbench, answer_id: str) -> dict[str, Any]:
    """The record of an answer. Fields of which it was not noted when it was made are None, as the provenance of old ones."""
    record = workbench.store.journal.read(answer_id)
    if record.kind != "answer":
        raise WorkbenchError(
            f"The record is of the kind '{record.kind}', not an answer.",
            where=answer_id,
            todo="`ask --json` tells the id of an answer, and `sql 'SELECT id, question FROM answers'` those of all.",
        )
    return {"notes": [], "provenance": None, **record.payload, "id": answer_id}


def step_title(name: str) -> str:
    """A step of an answer's time in words."""
    searches = any(stage.name == name == stage.retriever for stage in STAGES)
    return STEPS.get(name) or (f"{stage_title(name)} search" if searches else stage_title(name))


def stage_title(name: str) -> str:
    """A retriever or a stage that ranks in words."""
    named = (stage for stage in STAGES if stage.ranks or stage.field in PLACES)
    return next((stage.title for stage in named if stage.name == name), name.capitalize())
