"""Memory as tools of an agent: functions of plain values, each with its schema (JSON Schema, 2020-12)."""

from typing import Any

from core.errors import WorkbenchError
from core.memory.facts import LONGEST, MOST_PARENTS, read_draft
from core.memory.store import FactStore

MOST_READ = 10  # facts of one call
READ_MEMORY = {
    "name": "read_memory",
    "description": "What is remembered that may help with a question: facts with their ids, since when they hold, and whether they may "
    "hold no more.",
    "parameters": {
        "type": "object",
        "properties": {
            "query": {"type": "string", "minLength": 1, "maxLength": LONGEST["text"], "description": "What one wants to know."},
            "k": {"type": "integer", "minimum": 1, "maximum": MOST_READ, "default": 5, "description": "How many facts."},
        },
        "required": ["query"],
        "additionalProperties": False,
    },
}
WRITE_MEMORY = {
    "name": "write_memory",
    "description": "Remembers a fact. A new value of a subject's attribute takes the place of the old one. Name the facts it follows "
    "from by their ids, in the order of the argument, so that it is marked when one of them changes.",
    "parameters": {
        "type": "object",
        "properties": {
            "text": {
                "type": "string",
                "maxLength": LONGEST["text"],
                "description": "The fact as a sentence; may be left out where the next three say it.",
            },
            "subject": {"type": "string", "maxLength": LONGEST["subject"], "description": "What it is about."},
            "attribute": {
                "type": "string",
                "maxLength": LONGEST["attribute"],
                "description": "What of it, as firmware, address.",
            },
            "value": {"type": "string", "maxLength": LONGEST["value"], "description": "What that is."},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1, "default": 1.0, "description": "That it is true."},
            "importance": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "default": 0.5,
                "description": "How much it would be missed.",
            },
            "derived_from": {
                "type": "array",
                "items": {"type": "string"},
                "maxItems": MOST_PARENTS,
                "description": "Ids of facts that `read_memory` gave.",
            },
        },
        "additionalProperties": False,
    },
}
SCHEMAS = (READ_MEMORY, WRITE_MEMORY)


def read_memory(store: FactStore, query: str, k: int = 5) -> list[dict[str, Any]]:
    """The k best facts as plain values: id, text, said, and of a stale one why and what it would be today."""
    if not isinstance(query, str) or not query.strip() or len(query) > LONGEST["text"]:
        raise WorkbenchError(f"A query of read_memory is a text of 1 to {LONGEST['text']} characters.")
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= MOST_READ:
        raise WorkbenchError(f"k of read_memory is a whole number from 1 to {MOST_READ}.")
    rows = []
    for hit in store.read(query, k):
        row: dict[str, Any] = {
            "id": hit.fact.id,
            "text": hit.fact.text,
            "since": hit.fact.time,
            "confidence": hit.fact.confidence,
        }
        if hit.fact.stale:
            row |= {"stale": store.because(hit.fact), "now": hit.now or None}
        rows.append(row)
    return rows


def write_memory(store: FactStore, source: str = "agent", **fields: Any) -> dict[str, Any]:
    """Remembers what the fields of `WRITE_MEMORY` say. source: who says it, which is not the model's to choose."""
    if unknown := set(fields) - set(WRITE_MEMORY["parameters"]["properties"]):
        raise WorkbenchError(f"write_memory has no field {', '.join(sorted(unknown))[:80]}.")
    written = store.write(read_draft({**fields, "source": source}, "write_memory"))
    return {"id": written.id, "outcome": written.outcome, "superseded": written.superseded or None, "stale": list(written.stale)}
