"""Calls of agents that write: which were made, and of which nobody knows. Verbs of the page Agents; the notes are made by
`core/agents/effects.py`."""

from typing import Any

from core.agents.effects import AFTER, KIND
from core.errors import WorkbenchError
from core.store.batches import batches
from core.workbench import Workbench

MOST = 200
SETTLED = "A person said that this was done."
_NOTES = f"""
    SELECT begun.key, begun.created, begun.tool, begun.arguments, begun.step, coalesce(after.what, 'not known') AS state, after.result
    FROM agent_effects AS begun LEFT JOIN agent_effects AS after ON after.key = begun.key || '{AFTER}'
    WHERE begun.what = 'begun' ORDER BY after.what IS NOT NULL, begun.id DESC LIMIT {MOST}"""


def effects(workbench: Workbench) -> list[dict[str, Any]]:
    """Calls that write, those first of which it is not known whether they were made, then the latest first."""
    return workbench.store.query(_NOTES)


def settle(workbench: Workbench, key: str, done: bool) -> dict[str, Any]:
    """A person says whether the call was made: if not, the run makes it when it is asked for again."""
    noted = batches(workbench.home).read(KIND, [key, key + AFTER])
    if key not in noted or noted[key]["what"] != "begun":
        raise WorkbenchError("There is no such call.", where=key, todo="`agents effects` lists them.")
    if key + AFTER in noted:
        raise WorkbenchError("The outcome of this call is already known.", where=key, todo="`agents effects` tells it.")
    told = {name: noted[key][name] for name in ("run", "step", "tool", "arguments")}
    after = {**told, "what": "done" if done else "not done", "result": SETTLED if done else "", "failed": False, "trusted": True}
    batches(workbench.home).add(KIND, {key + AFTER: after}, {})
    return {"key": key, "state": after["what"]}
