"""Calls that write, each through the notes of `core/agents/effects.py`, in processes that are ended by SIGKILL at a random moment.

    python -m benchmarks._agent_effects HOME KILLS

The effect of call n is a line in a file, on the disk before the call returns. Each process that was killed is begun again in its folder, as
the same run, and comes to its end. Processes are forked from this one, which has loaded what they need and started no thread: a start takes
no second. Prints how many calls were made once, twice, not at all, or are asked about.
"""

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from core.agents.effects import AgentEffects
from core.agents.tools import Tool, ToolDesk, ToolResult, use

CALLS = 4


def run(home: Path) -> None:
    """All calls of a run; what is not known of them is written down at its end."""

    def write(desk: ToolDesk, arguments: dict[str, Any]) -> ToolResult:
        with open(home / "effects.txt", "a", encoding="utf-8") as file:
            file.write(f"{arguments['number']}\n")
            file.flush()
            os.fsync(file.fileno())
        return ToolResult("done")

    tool = Tool("write", "", {}, 200, "write", write, trusted=True)
    desk, unknown = ToolDesk(effects=AgentEffects(home, "the same question")), []
    for number in range(CALLS):
        before = len(desk.effects.unknown)
        use(tool, desk, {"number": number}, number + 1)
        unknown += [number] * (len(desk.effects.unknown) - before)
    (home / "unknown.json").write_text(json.dumps(unknown), "utf-8")


def forked(home: Path) -> int:
    if process := os.fork():
        return process
    try:
        run(home)
    finally:
        os._exit(0)


def main(home: Path, kills: int) -> dict[str, int]:
    draw, longest = random.Random(0), 0.5
    counted = Counter(dict.fromkeys(("killed before its end", "once", "asked about", "wrong", "twice"), 0))
    for number in range(kills):
        folder = home / f"kill-{number}"
        folder.mkdir(parents=True)
        process = forked(folder)
        time.sleep(draw.uniform(0, longest))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        counted["killed before its end"] += not (folder / "unknown.json").exists()
        began = time.perf_counter()
        os.waitpid(forked(folder), 0)
        longest = time.perf_counter() - began
        unknown = json.loads((folder / "unknown.json").read_text("utf-8"))
        lines = Counter(map(int, (folder / "effects.txt").read_text("utf-8").split()))
        for call in range(CALLS):
            once = "asked about" if call in unknown else "once" if lines[call] else "wrong"
            counted["twice" if lines[call] > 1 else once] += 1
    return {"kills": kills, "calls": kills * CALLS, **counted}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
