"""Facts from a file, a JSON object a line."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from core.errors import WorkbenchError
from core.files import read_json, regular
from core.memory.facts import FactDraft, read_draft
from core.memory.store import FactStore
from core.records import Progress

LONGEST_LINE = 1 << 16  # bytes
MOST_TOLD = 100  # broken lines that are told by themselves


def import_lines(store: FactStore, path: Path) -> Generator[Progress, None, dict[str, Any]]:
    """Writes the facts of all whole lines, batch by batch, whatever their number. Broken ones are counted, and told by line and reason."""
    path = regular(path, "Give a file of JSON lines.")
    broken: list[str] = []
    count = [0]

    def drafts() -> Iterator[FactDraft]:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(LONGEST_LINE + 1):
                number += 1
                try:
                    if len(line) > LONGEST_LINE:
                        while line and not line.endswith(b"\n"):  # the rest of it
                            line = file.readline(LONGEST_LINE)
                        raise WorkbenchError(f"It is longer than {LONGEST_LINE:,} bytes.")
                    if line.strip():
                        draft = read_draft(read_json(line, "The line", of=dict))
                        for parent in draft.derived_from:
                            store.fact(parent)  # one that is not there breaks this line, not the whole import
                        yield draft
                except WorkbenchError as error:
                    count[0] += 1
                    if len(broken) < MOST_TOLD:
                        broken.append(f"line {number}: {error.what}")

    outcomes = yield from store.write_many(drafts())
    if not outcomes:
        raise WorkbenchError(
            f"No line of it is a fact; {broken[0]}" if broken else "There is no fact in it.",
            where=str(path),
            todo="Give a JSON object a line: text, or subject, attribute and value, and what else a fact has.",
        )
    return {"written": sum(outcomes.values()), "outcomes": outcomes, "broken": count[0], "broken lines": broken}
