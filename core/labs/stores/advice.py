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
    short = list(filter(_short_by_default, rows))
    worst = max(short or rows, key=lambda row: (row["detail"]["wanted"], -row["below"]))
    words = f"at {worst['below'] / 10:g}% it returns {_by_default(worst):.1f} of {worst['detail']['wanted']} by default"
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
    columns = (Column("claim", "The note says"), Column("verdict", "Here", width=130), Column("why", "Because"))
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


class StoreChoice(NamedTuple):
    """What the measurements say to a need."""

    need: str
    title: str  # of the store; "": none
    number: str  # by which it is chosen; else what is lacking
    beside: str = ""  # how the others stand to it
    level: tuple[str, ...] = ()  # those that are not told from it
    more: str = ""  # in sentences

    @property
    def sentence(self) -> str:
        chosen = "; ".join(filter(None, (", ".join(filter(None, (self.title, self.number))), self.beside)))
        return " ".join(filter(None, (f"{self.need}: {chosen}.", self.more)))


class StoreQuestion(NamedTuple):
    """Of the decision tree: where the answer is yes the choice holds, where it is no the next one is asked."""

    question: str
    choice: StoreChoice


def advice(seen: StoreEvidence) -> list[str]:
    """A sentence a need, each with the numbers that decide it; a need without measurements says what would decide it."""
    size = max(sizes(seen.measured), default=0)
    choices = _share(seen.histories), _write(seen), _filter(seen.measured), _search(seen.measured, size)
    return [choice.sentence for choice in choices]


def tree(seen: StoreEvidence) -> list[StoreQuestion]:
    """The same choices as questions, in the order in which they are asked: what loses rows first, then what is slow."""
    measured, sized = seen.measured, sizes(seen.measured)
    beyond = StoreChoice("Searching alone, more rows", "", _untried("stores measure --sizes N"))
    return [
        StoreQuestion("Do agents share a memory?", _share(seen.histories)),
        StoreQuestion("Do several write, and must confirmed rows outlive a kill?", _write(seen)),
        StoreQuestion("Does a search have a narrow filter?", _filter(measured)),
        *(StoreQuestion(f"Are there at most {size:,} rows?", _search(measured, size)) for size in sized),
        StoreQuestion("Are there more rows?", beyond) if sized else StoreQuestion("Is it only searched?", _search(measured, 0)),
    ]


def tree_table(seen: StoreEvidence) -> Table:
    columns = (
        Column("question", "Asked in this order", help="The first that is answered with yes decides"),
        Column("title", "Store"),
        Column("number", "By"),
        Column("beside", "The others"),
        Column("more", "Besides"),
    )
    rows = [{"question": question, **choice._asdict()} for question, choice in tree(seen)]
    return Table("tree", columns, rows, "Which store for whom", "", command_line("stores", "show", "tree"))


def _untried(*verbs: str) -> str:
    return f"not measured; {' and '.join(command_line(*verb.split()) for verb in verbs)} would decide it"


class _Best(NamedTuple):
    row: Mapping[str, Any]
    level: tuple[str, ...]
    others: int

    def choice(self, need: str, number: str, more: str = "", setting: str = "") -> StoreChoice:
        alone = "all others are slower by more than the range of the repeats" if self.others else "the only one"
        beside = f"{', '.join(self.level)} not distinguishable from it" if self.level else alone
        return StoreChoice(need, self.row["title"] + setting, number, beside, self.level, more)


def _best(rows: Rows, direction: int) -> _Best:
    """direction: 1: more is better, -1: less is. Others whose range of the repeats meets its own are not told from it."""
    best = max(rows, key=lambda row: direction * row["value"])
    near, far = ("high", "low") if direction > 0 else ("low", "high")
    level = tuple(row["title"] for row in rows if row is not best and direction * (row[near] - best[far]) >= 0)
    return _Best(best, level, len(rows) - 1)


def _timed(measured: Rows, quantity: str, recall: str, size: int, below: int | None) -> list[Mapping[str, Any]]:
    """Times of the stores that find enough there."""
    where = {"size": size, "below": below}
    enough = {name for name, row in of_quantity(measured, recall, **where).items() if row["value"] >= RECALL}
    return [row for name, row in of_quantity(measured, quantity, **where).items() if name in enough]


def _search(measured: Rows, size: int) -> StoreChoice:
    if not size:
        return StoreChoice("Searching alone", "", _untried("stores measure"))
    need = f"Searching alone, {size:,} rows"
    if not (p50 := _timed(measured, "search_p50", "recall", size, None)):
        return StoreChoice(need, "", f"no store reached recall {RECALL}")
    best = _best(p50, -1)
    return best.choice(need, f"{written(best.row['value'], TWO)} ms at recall {RECALL}")


def _filter(measured: Rows) -> StoreChoice:
    need, size = "With a narrow filter", max(sizes(measured), default=0)
    rows = [row for row in measured if row["quantity"] == "rows_returned" and row["size"] == size and row["detail"]["wanted"]]
    if not rows:
        return StoreChoice(need, "", _untried("stores measure"))
    below = min(row["below"] for row in rows)
    at = f"at recall {RECALL} where {below / 10:g}% of {size:,} rows are left"
    short = sorted(filter(_short_by_default, rows), key=lambda row: -_by_default(row) / row["detail"]["wanted"])
    told = ", ".join(
        f"{row['title']} ({_by_default(row):.1f} of {row['detail']['wanted']} at {row['below'] / 10:g}%)"
        for row in {row["store"]: row for row in short}.values()
    )
    more = f"Too few rows by their own defaults: {told}." if told else "By their own defaults none returns too few rows."
    if not (p99 := _timed(measured, "search_p99", "filtered_recall", size, below)):
        return StoreChoice(need, "", f"no store was timed {at}", more=more)
    best = _best(p99, -1)
    return best.choice(need, f"p99 {written(best.row['value'], TWO)} ms {at}", more)


def _by_default(row: Mapping[str, Any]) -> float:
    """Rows that a store returns by its own default; older records have no other setting."""
    return row["detail"].get("by_default", row["value"])


def _short_by_default(row: Mapping[str, Any]) -> bool:
    return _by_default(row) < 0.999 * row["detail"]["wanted"]


def _write(seen: StoreEvidence) -> StoreChoice:
    need = "Several writers whose confirmed rows outlive a kill"
    lasting = {row["store"]: row["setting"] for row in reversed(seen.kills) if not row["missing"] and not row["unreadable"]}
    written_to = [row for row in seen.measured if row["quantity"] == "writes" and row.get("writers") == 4]
    lossy = [
        f"{row['title']} with {row['setting']} ({row['missing']:,} of {row['acknowledged']:,})"
        for row in seen.kills
        if row["missing"]
    ]
    more = f"A kill loses confirmed rows of {', '.join(lossy)}." if lossy else ""
    if lacking := [verb for verb, there in (("stores measure", written_to), ("stores kill", seen.kills)) if not there]:
        return StoreChoice(need, "", _untried(*lacking), more=more)
    if not (rows := [row for row in written_to if lasting.get(row["store"]) == row["setting"]]):
        return StoreChoice(need, "", "none of those tried kept every confirmed row", more=more)
    best = _best(rows, 1)
    speed = f"{best.row['value']:.0f} rows/s by four ({between(best.row['low'], best.row['high'], '%.0f')})"
    return best.choice(need, speed, more, f" with {best.row['setting']}")


def _share(histories: Rows) -> StoreChoice:
    need, wrong = "Agents that share a memory", ("lost", "duplicated", "stale", "skewed")
    if not histories:
        return StoreChoice(need, "", _untried("stores contention"))
    naive = {row["title"]: row for row in histories if row["arm"] == "naive" and row["workload"] == "counter"}
    lost = ", ".join(f"{row['lost']} of {row['acknowledged']} in {title}" for title, row in naive.items())
    right = [row for row in histories if row["arm"] == "right"]
    bad = sorted({row["title"] for row in right if any(row[name] for name in wrong)})
    ours = [title for title in naive if not title.startswith(("PostgreSQL", "Cockroach"))]
    apart = (
        f"kept apart, {sum(row['acknowledged'] for row in right):,} confirmed operations lose nothing"
        if not bad
        else f"kept apart, {', '.join(bad)} still err"
    )
    lock = f"; that takes a lock of one's own around {', '.join(ours)}" if ours else ""
    more = f"Read, then write loses {lost}, without an error; {apart}{lock}."
    clean = [row for row in right if row["workload"] == "counter" and row["title"] not in bad]
    if not clean:
        return StoreChoice(need, "", "none kept its agents apart", more=more)
    best = max(clean, key=_rate)
    how = STORES[best["store"]].exclusive_setting
    return StoreChoice(need, best["title"], f"{_rate(best):,.0f} updates/s of one counter by {how}", "one run each", more=more)


def _rate(row: Mapping[str, Any]) -> float:
    return row["acknowledged"] / row["seconds"]


TABLES: Mapping[str, Callable[[Rows], Table]] = {"claims": claims_table, "note": note_table}


def sentences(workbench: Workbench) -> Sequence[str]:
    return advice(evidence(workbench))
