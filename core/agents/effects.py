"""Calls that write, each made once: noted before and after, so that a run that was killed and is asked for again neither repeats what was
done nor takes for done what was not.

Between the two notes nobody knows: the call may have been made, or not. It is then not made again, and a person says which it was
(`agents settle`). Exactly once needs a receiver that says what it has done; a note made ahead alone gives at most once, with the gap told.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from core.config import fingerprint
from core.files import hold
from core.store.batches import batches

KIND = "agent_effects"  # of the records
AFTER = "/after"  # in a key, of the note behind a call
UNKNOWN = (
    "It is not known whether this was done: it was begun before, and its end was not noted. It is not done again before a person has said. "
    "Go on without it, and tell that in the answer."
)
WAIT_S = 30.0

Result = tuple[str, bool, bool]  # text, whether it failed, whether it is trusted


class AgentEffects:
    """Those of one run. about: what is asked, of which recipe: a run of it that was interrupted goes on as the same run when it is asked
    for again; one that has ended does not. unknown: keys of calls of which nobody knows whether they were made."""

    def __init__(self, home: Path, about: str) -> None:
        self.unknown: list[str] = []
        self._records, self._lock, self._about = batches(home), home / "locks" / "effects", about
        self._run = ""

    def once(self, step: int, tool: str, arguments: Mapping[str, Any], act: Callable[[], Result]) -> Result:
        """What the call returns, or returned when it was made. act: makes it; whatever it raises, nobody knows whether it did.

        A run makes no call twice, so the step is noted and not part of the key: where the limits of a run that is asked for again let it
        come to the same call a step later, it is the same call.
        """
        with hold(self._lock, purpose="noting an effect", seconds=WAIT_S, what="list of effects"):
            key, before = self._looked_up(tool, arguments)
            if before is not None:
                return before
            told = {"run": self._run, "step": step, "tool": tool, "arguments": dict(arguments)}
            self._note({self._run: {**told, "what": "run"}, key: {**told, "what": "begun"}})
        try:
            text, failed, trusted = act()
        except Exception:
            return self._not_known(key)
        self._note({key + AFTER: {**told, "what": "done", "result": text, "failed": failed, "trusted": trusted}})
        return text, failed, trusted

    def end(self) -> None:
        """The run has answered: who asks the same again means another one. Not where a person has still to say what was done."""
        self._run = self._run or self._open()
        if not self.unknown and self._run in self._records.read(KIND, [self._run]):
            self._note({f"{self._run}/end": {"run": self._run, "what": "end"}})

    def _looked_up(self, tool: str, arguments: Mapping[str, Any]) -> tuple[str, Result | None]:
        """(the key of the call, what is known of it; None: it may be made)."""
        self._run = self._run or self._open()
        tries = 0
        while True:
            key = fingerprint(self._run, tool, dict(arguments), tries)
            noted = self._records.read(KIND, [key, key + AFTER])
            if key not in noted:
                return key, None
            after = noted.get(key + AFTER)
            if after is None:
                return key, self._not_known(key)
            if after["what"] == "done":
                return key, (after["result"], after["failed"], after["trusted"])
            tries += 1  # a person has said that it was not done

    def _open(self) -> str:
        """The run of this that has not ended."""
        ended = 0
        while f"{(run := fingerprint(self._about, ended))}/end" in self._records.read(KIND, [f"{run}/end"]):
            ended += 1
        return run

    def _not_known(self, key: str) -> Result:
        self.unknown.append(key)
        return UNKNOWN, True, True

    def _note(self, values: dict[str, dict[str, Any]]) -> None:
        """On the disk before this returns; where nothing can be recorded, that is an error, and the call is not made."""
        self._records.add(KIND, values, {})
