"""The memory as the tools `read_memory` and `write_memory` of agents have it (`core/agents/tools.py`)."""

from collections.abc import Mapping
from typing import Any

from core.agents.tools import READ_MEMORY, RememberedFact
from core.memory.facts import FactHit, read_draft
from core.memory.store import FactStore

TRUSTED = "agent"  # source of a fact: who says it, which is not the model's to choose
READ = "agent that had read texts of others"


class AgentMemory:
    """What was read in a document, or written by who had read one, is text of others whenever it is read again: an
    instruction cannot be laid down in memory to be trusted later."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    def read(self, query: str, k: int) -> list[RememberedFact]:
        return [RememberedFact(self._line(hit), _trusted(hit)) for hit in self._store.read(query, k)]

    def write(self, fields: Mapping[str, Any], trusted: bool) -> str:
        made = self._store.write(read_draft({**fields, "source": TRUSTED if trusted else READ}, "write_memory"))
        told = [f"{made.outcome}: {made.id}"]
        told += [f"in place of {made.superseded}"] * bool(made.superseded)
        told += [f"stale by it: {', '.join(made.stale)}"] * bool(made.stale)
        return "; ".join(told)

    def _line(self, hit: FactHit) -> str:
        stale = f" (may hold no more: {self._store.because(hit.fact)})" if hit.fact.stale else ""
        said, now = f"{hit.fact.id}: {hit.fact.text}", f" (today: {hit.now})" if hit.now else ""
        whole = f"{said}{stale}{now}"
        return whole if len(whole) <= READ_MEMORY.most else f"{said} (may hold no more){now}"


def _trusted(hit: FactHit) -> bool:
    """Not of a stale one: beside it stands what took the place of a fact behind it, whoever wrote that."""
    return not hit.fact.document and hit.fact.source != READ and not hit.fact.stale
