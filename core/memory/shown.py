"""Facts as tables: what a page and a terminal say of them."""

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from core.memory.facts import Fact, FactHit
from core.memory.policy import ADD_ALL, Policy, PolicyOutcome
from core.memory.store import FactStore
from core.report.table import COUNT, MEAN, ONE, TWO, Column, Table, between
from core.workbench import command_line

COLUMNS = (
    Column("text", "Fact", width=360),
    Column("subject", width=120),
    Column("attribute", width=110),
    Column("since", "Holds since", "D MMM YYYY, HH:mm", width=140),
    Column("state", "State", help="Current, stale (what it was derived from has changed), ended, or later.", width=90),
    Column("uses", "Used", COUNT, "How often it was among what a question was answered from."),
    Column("said", "Told", COUNT, "How often it was told."),
    Column("confidence", format=TWO),
    Column("importance", format=TWO),
    Column("source", width=110),
    Column("place", "Read in", width=180),
)


def fact_row(fact: Fact) -> dict[str, Any]:
    waits = fact.time > time.time() and fact.ended == fact.time  # as `later.py` keeps it; what was called off ended before
    state = "later" if waits else "ended" if not fact.current else "stale" if fact.stale else "current"
    since = datetime.fromtimestamp(fact.time, UTC) if abs(fact.time) < 2e11 else None  # beyond it there is no date
    return {**fact._asdict(), "since": since, "state": state, "place": place_of(fact)}


def place_of(fact: Fact) -> str:
    """Where it was read; "" where nobody said."""
    return fact.document and f"{fact.document} [{fact.start}, {fact.end}) of {fact.corpus or 'an unknown corpus'}"


def facts_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Of rows as `fact_row` makes them. Without a command: facts may be forgotten, and a paper may not."""
    return Table("memory_facts", COLUMNS, list(rows), "Facts")


def hit_rows(store: FactStore, hits: Iterable[FactHit]) -> list[dict[str, Any]]:
    return [
        fact_row(hit.fact)
        | {"score": hit.score, "relevance": hit.relevance, "recency": hit.recency, "importance_part": hit.importance}
        | {"because": store.because(hit.fact), "now": hit.now}
        for hit in hits
    ]


def hits_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    columns = (
        *COLUMNS[:1],
        Column("score", format=MEAN),
        Column("relevance", format=MEAN, help="Weighted, like the next two: the score is their sum."),
        Column("recency", format=MEAN),
        Column("importance_part", "Importance", MEAN),
        Column("because", "May hold no more", width=260),
        Column("now", "By what is behind it today", width=160),
    )
    return Table("memory_hits", columns, list(rows), "What memory gives for a question")


def audit_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    columns = (
        Column("when", "When (UTC)", width=150),
        Column("who", width=120),
        Column("why", width=220),
        Column("facts", format=COUNT),
        Column("stale", "Stale by it", COUNT),
        Column("before", "Met before", COUNT, "Facts whose text the search of all bytes met before."),
        Column("after", "Met after", COUNT, "Texts and vectors that it met after.", direction=-1),
        Column("files", format=COUNT),
        Column("megabytes", "Read (MB)", ONE),
        Column("proven", help="Nothing was met after, and both controls were as they should be."),
    )
    drawn = [{**row, "when": row["forgotten"][:16].replace("T", " "), "megabytes": row["bytes"] / 1e6} for row in rows]
    return Table("forgettings", columns, drawn, "Forgettings", "Controls as in the guide", command_line("memory", "forgettings"))


def policy_rows(outcomes: Mapping[str, PolicyOutcome]) -> list[dict[str, Any]]:
    """A row a policy, over all questions of the life."""
    return [
        {
            "policy": name,
            "recall": outcome.overall.mean,
            "recall_between": between(outcome.overall.low, outcome.overall.high, MEAN),
            "stale": outcome.overall_stale.mean,
            "stale_between": between(outcome.overall_stale.low, outcome.overall_stale.high, MEAN),
            "size": int(outcome.size[-1]),
        }
        for name, outcome in outcomes.items()
    ]


def policy_table(rows: Iterable[Mapping[str, Any]], command: str = "") -> Table:
    columns = (
        Column("policy", width=180),
        Column(
            "recall",
            "Recall@5",
            MEAN,
            "Share of questions for which one of the five best facts states the current value.",
            direction=1,
        ),
        Column("recall_between", "95% interval", width=130),
        Column(
            "stale", "Stale", MEAN, "Share of questions for which the first relevant fact states another value.", direction=-1
        ),
        Column("stale_between", "95% interval of it", width=130),
        Column("size", "Facts at the end", COUNT, direction=-1),
    )
    note = "Wilson intervals over the questions of all weeks"
    return Table("memory_policies", columns, list(rows), "Policies over a recorded life", note, command)


def policy_words(policy: Policy) -> list[str]:
    """The command that tries it."""
    if policy == ADD_ALL:
        return ["memory", "policy", "--add-all"]
    words = ["memory", "policy", "--half-life", f"{policy.half_life_days:g}", "--novelty", f"{policy.novelty:g}"]
    return [*words, "--budget", str(policy.budget), *([] if policy.supersedes else ["--adds-only"])]
