"""A process that makes calls that write, each through the notes of `core/agents/effects.py`, for the benchmark of agents to kill.

    python -m benchmarks._agent_effects HOME

The effect of call n is a line in HOME/effects.txt, on the disk before the call returns. It prints a line once it is about to begin, and at
its end the calls of which it does not know whether they were made.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from core.agents.effects import AgentEffects
from core.agents.tools import Tool, ToolDesk, ToolResult, use

CALLS = 12
FILE = "effects.txt"


def _write(desk: ToolDesk, arguments: dict[str, Any]) -> ToolResult:
    with open(Path(sys.argv[1]) / FILE, "a", encoding="utf-8") as file:
        file.write(f"{arguments['number']}\n")
        file.flush()
        os.fsync(file.fileno())
    return ToolResult("done")


def main(home: Path) -> None:
    tool = Tool("write", "", {}, 200, "write", _write, trusted=True)
    desk = ToolDesk(effects=AgentEffects(home, "the same question"))
    print("begins", flush=True)
    unknown = []
    for number in range(CALLS):
        before = len(desk.effects.unknown)
        use(tool, desk, {"number": number}, number + 1)
        unknown += [number] * (len(desk.effects.unknown) - before)
    print(json.dumps(unknown), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
