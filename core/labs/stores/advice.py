"""Which store for whom, and whether what a well-known note says of stores holds: from what was measured here, and from nothing else.

The note: one machine, 106 chunks, one run, without recall or intervals: single writer, four writers, similarity and filtered similarity in
Chroma, PostgreSQL with pgvector's IVFFlat, and CockroachDB.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from core.labs.stores.bench import STORES
from core.labs.stores.measure import RECALL
from core.labs.stores.tables import KINDS, Rows, newest, of_quantity, sizes
from core.report.table import TWO, Column, Table, between, written
from core.workbench import Workbench, command_line

NOTE = {  # store -> rows/s by one and by four writers, p50 and p99 in ms of a search and of a filtered one
    "chroma": (1258, 1155, 0.5, 0.7, 0.6, 0.8),
    "postgres_ivfflat": (717, 666, 3.7, 7.7, 7.5, 12.0),
    "cockroach": (383, 640, 3.7, 4.3, 3.5, 4.4),
}
NOTE_ROWS = 106
HOLDS, FAILS, UNTRIED, OPEN = "holds", "fails", "could not be tried", "not decided"


class NoteClaim(NamedTuple):
    claim: str
    verdict: str
    why: str


class StoreEvidence(NamedTuple):
    """The newest runs."""

    measured: Rows
    histories: Rows
    kills: Rows


def evidence(workbench: Workbench) -> StoreEvidence:
    return StoreEvidence(*(newest(workbench, kind) for kind in KINDS))


def claims(measured: Rows) -> list[NoteClaim]:
    """Each claim of the note with its verdict."""
    return [NoteClaim(words, *judge(measured)) for words, judge in CLAIMS.items()]


def _faster_with_four(store: str, more: bool) -> Callable[[Rows], tuple[str, str]]:
    """Whether four writers are faster than one, or not, by the interval of the speed-up with the durable setting."""

    def judge(measured: Rows) -> tuple[str, str]:
        if not (row := _durably(measured, store, "speed_up", 4)):
            return UNTRIED, "no run with four writers"
        words = f"{written(row['value'], TWO)} times ({between(row['low'], row['high'], TWO)})"
        if row["low"] > 1 or row["high"] < 1:
            return (HOLDS if (row["low"] > 1) == more else FAILS), words
        return OPEN, words + ", which holds 1"

    return judge


def _filters_afterwards(measured: Rows) -> tuple[str, str]:
    rows = [row for row in measured if row["quantity"] == "rows_returned" and row["store"] == "chroma"]
    if not rows:
        return UNTRIED, "Chroma was not searched under a filter"
    short = [row for row in rows if row["value"] < row["detail"]["wanted"]]
    worst = max(short or rows, key=lambda row: (row["detail"]["wanted"], -row["below"]))
    words = f"at {worst['below'] / 10:g}% it returns {worst['value']:.1f} of {worst['detail']['wanted']}"
    return (HOLDS if short else FAILS), words + ("" if short else ", so it filters before it ranks")


def _lists_hurt(measured: Rows) -> tuple[str, str]:
    recall = of_quantity(measured, "recall", size=NOTE_ROWS)
    if not {"postgres_ivfflat", "postgres_hnsw"} <= recall.keys():
        return UNTRIED, f"no run with {NOTE_ROWS} rows"
    lists, graph = (recall[name]["detail"]["by_default"] for name in ("postgres_ivfflat", "postgres_hnsw"))
    words = f"recall@10 by default {lists:.3f}, by HNSW {graph:.3f}"
    return (HOLDS if lists < min(RECALL, graph) else FAILS), words


def _chroma_is_faster(measured: Rows) -> tuple[str, str]:
    p50 = {
        row["store"]: row
        for row in measured
        if row["quantity"] == "search_p50" and row["size"] == NOTE_ROWS and row.get("below") is None
    }
    if not {"chroma", "postgres_ivfflat"} <= p50.keys():
        return UNTRIED, f"no run with {NOTE_ROWS} rows"
    chroma, postgres = p50["chroma"], p50["postgres_ivfflat"]
    words = f"p50 {written(chroma['value'], TWO)} ms against {written(postgres['value'], TWO)} ms at the same recall"
    if chroma["high"] < postgres["low"]:
        return HOLDS, words
    return (FAILS if chroma["low"] > postgres["high"] else OPEN), words


CLAIMS: dict[str, Callable[[Rows], tuple[str, str]]] = {
    "Chroma filters afterwards, in Python": _filters_afterwards,
    "IVFFlat hurts at 106 rows": _lists_hurt,
    "Chroma searches faster than PostgreSQL": _chroma_is_faster,
    "Chroma is not faster with four writers": _faster_with_four("chroma", more=False),
    "PostgreSQL is not faster with four writers": _faster_with_four("postgres_hnsw", more=False),
    "CockroachDB is faster with four writers": _faster_with_four("cockroach", more=True),
}


def claims_table(measured: Rows) -> Table:
    columns = (Column("claim", "The note says"), Column("verdict", "Here"), Column("why", "Because"))
    rows = [claim._asdict() for claim in claims(measured)] if measured else []
    return Table("claims", columns, rows, "What the note says of stores", "", command_line("stores", "show", "claims"))


def note_table(measured: Rows) -> Table:
    """The note's own table, with what was measured here at as many rows beside it."""
    names = ("1 writer, rows/s", "4 writers, rows/s", "p50, ms", "p99, ms", "filtered p50, ms", "filtered p99, ms")
    columns = [
        Column("title", "Store"),
        *(column for name in names for column in (Column(name, name, "%g"), Column(f"{name} here", f"{name} here"))),
    ]
    rows = []
    for store, numbers in NOTE.items():
        values = [
            *(_durably(measured, _writes_as(store), "writes", writers) for writers in (1, 4)),
            *(_first(measured, store, name, size=NOTE_ROWS, below=None) for name in ("search_p50", "search_p99")),
            *(_first(measured, store, name, size=NOTE_ROWS, below=500) for name in ("search_p50", "search_p99")),
        ]
        cells = {}
        for name, number, row in zip(names, numbers, values, strict=True):
            cells |= {name: number, f"{name} here": f"{row['value']:.4g} ({row['low']:.4g} to {row['high']:.4g})" if row else ""}
        rows.append(
            {"title": {"chroma": "Chroma", "postgres_ivfflat": "PostgreSQL IVFFlat", "cockroach": "CockroachDB"}[store], **cells}
        )
    note = (
        "The note: one run on another machine, without recall. Here: a filter of 50%, durable writes, the index for writing HNSW"
    )
    return Table(
        "note", columns, rows if measured else [], "The note's table, repeated", note, command_line("stores", "show", "note")
    )


def _writes_as(store: str) -> str:
    return "postgres_hnsw" if store.startswith("postgres") else store


def _durably(measured: Rows, store: str, quantity: str, writers: int) -> Mapping[str, Any] | None:
    return _first(measured, store, quantity, writers=writers, setting=STORES[store].durable_setting)


def _first(measured: Rows, store: str, quantity: str, **where: Any) -> Mapping[str, Any] | None:
    rows = (row for row in measured if row["store"] == store and row["quantity"] == quantity)
    return next((row for row in rows if all(row.get(name) == value for name, value in where.items())), None)


def advice(seen: StoreEvidence) -> list[str]:
    """A sentence a need, each with the numbers that decide it; a need without measurements says what would decide it."""
    return [_search(seen.measured), _filter(seen.measured), _write(seen), _share(seen.histories)]


def _search(measured: Rows) -> str:
    if not sizes(measured):
        return "Searching alone: not measured; stores measure decides it."
    size = sizes(measured)[-1]
    enough = {name for name, row in of_quantity(measured, "recall", size=size).items() if row["value"] >= RECALL}
    p50 = [
        row
        for row in measured
        if row["quantity"] == "search_p50" and row["size"] == size and row.get("below") is None and row["store"] in enough
    ]
    if not p50:
        return f"Searching alone: at {size:,} rows no store reached recall {RECALL}."
    best = min(p50, key=lambda row: row["value"])
    level = [row["title"] for row in p50 if row is not best and row["low"] <= best["high"]]
    others = "; all others are slower by more than the range of the repeats" if len(p50) > 1 else ", the only one"
    beside = f"; {', '.join(level)} not distinguishable from it" if level else others
    return f"Searching alone, {size:,} rows: {best['title']}, {written(best['value'], TWO)} ms at recall {RECALL}{beside}."


def _filter(measured: Rows) -> str:
    rows = [row for row in measured if row["quantity"] == "rows_returned" and row["size"] == max(sizes(measured), default=0)]
    if not rows:
        return "With a narrow filter: not measured; stores measure decides it."
    below = min(row["below"] for row in rows if row["detail"]["wanted"])
    short = [row for row in rows if row["value"] < 0.999 * row["detail"]["wanted"]]
    bad = {row["store"] for row in short}
    p99 = [
        row
        for row in measured
        if (row["quantity"], row.get("below"), row["size"]) == ("search_p99", below, rows[0]["size"]) and row["store"] not in bad
    ]
    fewest = {row["store"]: row for row in sorted(short, key=lambda row: -row["value"] / row["detail"]["wanted"])}
    told = ", ".join(
        f"{row['title']} ({row['value']:.1f} of {row['detail']['wanted']} at {row['below'] / 10:g}%)" for row in fewest.values()
    )
    words = f" Too few rows: {told}." if told else " None returned too few rows."
    if not p99:
        return f"With a filter that leaves {below / 10:g}%: no store returned all rows.{words}"
    best = min(p99, key=lambda row: row["value"])
    return (
        f"With a filter that leaves {below / 10:g}%: {best['title']}, p99 {written(best['value'], TWO)} ms with all rows.{words}"
    )


def _write(seen: StoreEvidence) -> str:
    durable = {row["store"]: row["setting"] for row in reversed(seen.kills) if not row["missing"] and not row["unreadable"]}
    rows = [row for row in seen.measured if row["quantity"] == "writes" and row.get("writers") == 4]
    rows = [row for row in rows if durable.get(row["store"]) == row["setting"]]
    lossy = [
        f"{row['title']} with {row['setting']} ({row['missing']:,} of {row['acknowledged']:,})"
        for row in seen.kills
        if row["missing"]
    ]
    words = f" A kill loses confirmed rows of {', '.join(lossy)}." if lossy else ""
    if not rows:
        return f"Several writers: not measured; stores measure and stores kill decide it.{words}"
    best = max(rows, key=lambda row: row["value"])
    speed = f"{best['value']:.0f} rows/s by four ({between(best['low'], best['high'], '%.0f')})"
    return f"Several writers whose confirmed rows outlive a kill: {best['title']} with {best['setting']}, {speed}.{words}"


def _share(histories: Rows) -> str:
    if not histories:
        return "Agents that share a memory: not measured; stores contention decides it."
    wrong = ("lost", "duplicated", "stale", "skewed")
    naive = {row["title"]: row for row in histories if row["arm"] == "naive" and row["workload"] == "counter"}
    lost = ", ".join(f"{row['lost']} of {row['acknowledged']} in {title}" for title, row in naive.items())
    clean = [row for row in histories if row["arm"] == "right"]
    bad = sorted({row["title"] for row in clean if any(row[name] for name in wrong)})
    ours = [title for title in naive if not title.startswith(("PostgreSQL", "Cockroach"))]
    words = f"read, then write loses {lost}, without an error"
    right = (
        f"kept apart, {sum(row['acknowledged'] for row in clean):,} confirmed operations lose nothing"
        if not bad
        else f"kept apart, {', '.join(bad)} still err"
    )
    lock = f"; that takes a lock of one's own around {', '.join(ours)}" if ours else ""
    return f"Agents that share a memory: {words}; {right}{lock}."


TABLES: Mapping[str, Callable[[Rows], Table]] = {"claims": claims_table, "note": note_table}


def sentences(workbench: Workbench) -> Sequence[str]:
    return advice(evidence(workbench))
