"""What is remembered between runs: facts with their sources, ages and derivations, and how they are forgotten."""

from typing import Any


def _memory(workbench: Any) -> Any:
    from core.memory.store import memory_of
    from core.memory.tools import AgentMemory

    return AgentMemory(memory_of(workbench))


DESK = {"memory": _memory}  # handed down to agents: name, and what is made of a workbench once it is asked for
RECORDS = {
    "forgotten_facts": (
        "One row a forgetting: who, when and why. What was forgotten stands nowhere.",
        {
            "key": ("VARCHAR", "Time-ordered name of the forgetting."),
            "who": ("VARCHAR", "Who asked for it."),
            "why": ("VARCHAR", "The reason that was told."),
            "forgotten": ("VARCHAR", "When, in UTC."),
            "facts": ("BIGINT", "Facts that went, with their earlier versions."),
            "stale": ("BIGINT", "Facts derived from them, which are stale since."),
            "files": ("BIGINT", "Files of the data folder that were read before and after."),
            "bytes": ("BIGINT", "Bytes of them, those that were packed counted unpacked."),
            "before": ("BIGINT", "Facts whose text was in these bytes before: the search is able to see it."),
            "after": ("BIGINT", "Facts whose text or vector was in them after."),
            "proven": ("BOOLEAN", "Nothing was there after, and both controls were as they should be."),
            "checks": ("JSON", "Place -> how often it was met after; control: 1 where what stays was met."),
            "cleaned": ("JSON", "Kind of file -> how many were emptied of it: cache, journal, jobs."),
            "remaining": ("JSON", "Files, and other facts, that hold something still, which a person has to see to."),
        },
    ),
    "memory_lives": (
        "One row an arm of a simulated life: what a memory knew at its end.",
        {
            "key": ("VARCHAR", "The life's seed and length, the time it was simulated, and the arm."),
            "life": ("VARCHAR", "Arms of the same life share it."),
            "arm": ("VARCHAR", "add-all, or selective."),
            "seed": ("BIGINT", "Seed of the life."),
            "weeks": ("BIGINT", "Its length."),
            "said": ("BIGINT", "Statements in it."),
            "stored": ("BIGINT", "Facts that the memory holds at its end."),
            "questions": ("BIGINT", "Questions on what holds at its end."),
            "current": ("DOUBLE", "Share whose five best facts state the current value."),
            "current_low": ("DOUBLE", "Lower bound of its 95% interval."),
            "current_high": ("DOUBLE", "Upper bound."),
            "stale": ("DOUBLE", "Share of which the first fact on the matter states an earlier value."),
            "stale_low": ("DOUBLE", "Lower bound of its 95% interval."),
            "stale_high": ("DOUBLE", "Upper bound."),
            "cascade": ("DOUBLE", "Share of derived facts answered with their new value after a fact behind them changed."),
            "cascade_low": ("DOUBLE", "Lower bound of its 95% interval."),
            "cascade_high": ("DOUBLE", "Upper bound."),
            "absence": ("DOUBLE", "Share said to be unknown after nothing is behind them any more."),
            "absence_low": ("DOUBLE", "Lower bound of its 95% interval."),
            "absence_high": ("DOUBLE", "Upper bound."),
            "unchanged": ("DOUBLE", "Share of derived facts with nothing changed behind them that are answered as before."),
            "equivalence": ("JSON", "Of the selective arm: its recall minus that of add-all against a margin."),
        },
    ),
}  # fmt: skip
