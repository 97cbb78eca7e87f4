"""What stores showed, read back and as tables: the newest run of each kind."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from core.labs.stores.store import BUCKETS
from core.report.table import COUNT, MEAN, ONE, PERCENT, TWO, Column, Table, between
from core.statistics.proportion import wilson
from core.store.batches import batches
from core.workbench import Workbench, command_line

Rows = Sequence[Mapping[str, Any]]
KINDS = ("store_measurements", "store_histories", "store_kills")
SHARE = "Of those confirmed: Wilson's interval of 95%"
BENCHMARKS = ("measure", "contention", "kill")  # what records each of these kinds


def _run(kind: str) -> str:
    """SQL of the newest run that measured anything."""
    return f"SELECT max_by(run, id) AS run FROM {kind}" + (" WHERE quantity <> 'left_out'" if kind == KINDS[0] else "")


def newest(workbench: Workbench, kind: str) -> list[dict[str, Any]]:
    """Of the newest run that measured anything, in the order in which it was measured."""
    measured = "quantity <> 'left_out' AND" if kind == KINDS[0] else ""
    sql = f"SELECT key FROM {kind} WHERE {measured} run = ({_run(kind)}) ORDER BY id"
    keys = [row["key"] for row in workbench.store.query(sql)]
    return list(batches(workbench.home).read(kind, keys).values())


def left_out(workbench: Workbench) -> list[dict[str, str]]:
    """Stores that the newest run of each benchmark did not try, each with the reason and the command."""
    sql = "SELECT key FROM store_measurements WHERE quantity = 'left_out' ORDER BY id"
    rows = batches(workbench.home).read(KINDS[0], [row["key"] for row in workbench.store.query(sql)])
    last = {of: workbench.store.query(_run(kind))[0]["run"] or "" for of, kind in zip(BENCHMARKS, KINDS, strict=True)}
    for key, row in rows.items():  # a run that left out all it was asked for measured nothing
        last[row["detail"]["of"]] = max(last[row["detail"]["of"]], key.partition("/")[0])
    return [
        {"store": row["title"], **row["detail"]}
        for key, row in rows.items()
        if key.partition("/")[0] == last[row["detail"]["of"]]
    ]


def of_quantity(rows: Rows, quantity: str, **where: Any) -> dict[str, Mapping[str, Any]]:
    """Store -> its row of this quantity."""
    chosen = [row for row in rows if row["quantity"] == quantity and all(row.get(name) == value for name, value in where.items())]
    return {row["store"]: row for row in chosen}


def sizes(rows: Rows) -> list[int]:
    return sorted({row["size"] for row in rows if row["quantity"] == "recall"})


def _spread(row: Mapping[str, Any] | None, pattern: str) -> str:
    return between(row["low"], row["high"], pattern) if row else ""


def _value(row: Mapping[str, Any] | None) -> float | None:
    return row["value"] if row else None


def _setting(row: Mapping[str, Any]) -> str:
    """As in "ef_search 64"; "" of a record that does not say."""
    return f"{row['detail']['setting']} {row['detail']['effort']}" if "effort" in row["detail"] else ""


def recall_table(rows: Rows) -> Table:
    columns = (
        Column("size", "Rows", COUNT),
        Column("title", "Store"),
        Column("setting", "Query setting", help="The narrowest by which it finds 95% of the true first ten"),
        Column("recall", "Recall@10", MEAN, direction=1),
        Column("by_default", "By default", MEAN, "Recall@10 with the store's own default", direction=1),
        Column("p50", "p50", TWO, unit="ms", direction=-1),
        Column("p50 interval", "p50, range", "", "Smallest and largest median of the repeats"),
        Column("p99", "p99", TWO, unit="ms", direction=-1),
        Column("p99 interval", "p99, range"),
        Column("client", "Client", PERCENT, "Share of the time in which this process computes"),
        Column("load", "Load", TWO, "Rows and index", "s", -1),
        Column("reopen", "Reopen", MEAN, "Until the first answer by a new connection", "s", -1),
        Column("bytes", "Bytes a row", "%.0f", direction=-1),
        Column("plan", "Plan", help="By which way the store says it searches"),
    )
    made = []
    for size in sizes(rows):
        of = {
            name: of_quantity(rows, name, size=size)
            for name in ("search_p50", "search_p99", "client_share", "load", "reopen", "bytes")
        }
        p50, p99 = (
            {row["store"]: row for row in rows if row["quantity"] == name and row["size"] == size and row.get("below") is None}
            for name in ("search_p50", "search_p99")
        )
        for name, row in of_quantity(rows, "recall", size=size).items():
            made.append(
                {
                    "size": size,
                    "title": row["title"],
                    "setting": _setting(row),
                    "recall": row["value"],
                    "by_default": row["detail"]["by_default"],
                    "p50": _value(p50.get(name)),
                    "p50 interval": _spread(p50.get(name), TWO),
                    "p99": _value(p99.get(name)),
                    "p99 interval": _spread(p99.get(name), TWO),
                    "client": _value(of["client_share"].get(name)),
                    "load": _value(of["load"].get(name)),
                    "reopen": _value(of["reopen"].get(name)),
                    "bytes": _value(of["bytes"].get(name)),
                    "plan": p50[name]["detail"].get("plan", "") if name in p50 else "",
                }
            )
    return _table("recall", "Stores at the same recall", columns, made, _repeats(rows))


def filter_table(rows: Rows) -> Table:
    columns = (
        Column("size", "Rows", COUNT),
        Column("title", "Store"),
        Column("share", "Filter leaves", PERCENT),
        Column("setting", "Query setting", help="The narrowest by which it finds 95% of the true first ten under this filter"),
        Column("recall", "Recall@10", MEAN, direction=1),
        Column("returned", "Returned", ONE, "Of the ten, or of all that there are", direction=1),
        Column("by_default", "By default", ONE, "Returned with the store's own default", direction=1),
        Column("p50", "p50", TWO, unit="ms", direction=-1),
        Column("p99", "p99", TWO, unit="ms", direction=-1),
        Column("p99 interval", "p99, range"),
        Column("wanted", "Rows there are", COUNT, "Of the ten that were asked for"),
        Column("way", "Filters", help="By what it returns, not by what its documents say"),
        Column("plan", "Plan"),
    )
    made = []
    for row in (row for row in rows if row["quantity"] == "rows_returned"):
        where = {"size": row["size"], "below": row["below"]}
        [recall, p50, p99] = (
            of_quantity(rows, name, **where).get(row["store"]) for name in ("filtered_recall", "search_p50", "search_p99")
        )
        made.append(
            {
                "size": row["size"],
                "title": row["title"],
                "share": row["below"] / BUCKETS,
                "setting": _setting(row),
                "recall": _value(recall),
                "returned": row["value"],
                "by_default": row["detail"].get("by_default"),
                "wanted": row["detail"]["wanted"],
                "p50": _value(p50),
                "p99": _value(p99),
                "p99 interval": _spread(p99, TWO),
                "way": row["detail"]["way"],
                "plan": row["detail"]["plan"],
            }
        )
    made.sort(key=lambda row: (row["size"], -row["share"], row["title"]))
    return _table("filters", "Stores under a filter", columns, made, _repeats(rows))


_REFUSED = Column("refused", "Refused", COUNT, "Commits that the store did not take, of all repeats", direction=-1)


def writers_table(rows: Rows) -> Table:
    columns = (
        Column("title", "Store"),
        Column("setting", "Writes"),
        Column("writers", "Writers", COUNT),
        Column("speed", "Rows/s", ONE, direction=1),
        Column("speed interval", "Rows/s, range"),
        _REFUSED,
        Column("p50", "Commit p50", TWO, unit="ms", direction=-1),
        Column("p99", "Commit p99", TWO, unit="ms", direction=-1),
        Column("speed_up", "Speed-up", TWO, "Against one writer of the same repeat", "times", 1),
        Column("speed_up interval", "Speed-up, range"),
    )
    made = []
    for row in (row for row in rows if row["quantity"] == "writes"):
        where = {"setting": row["setting"], "writers": row["writers"]}
        [p50, p99, up] = (of_quantity(rows, name, **where).get(row["store"]) for name in ("commit_p50", "commit_p99", "speed_up"))
        made.append(
            {
                "title": row["title"],
                **where,
                "speed": row["value"],
                "speed interval": _spread(row, ONE),
                "refused": row["detail"].get("refused"),
                "p50": _value(p50),
                "p99": _value(p99),
                "speed_up": _value(up),
                "speed_up interval": _spread(up, TWO),
            }
        )
    made.sort(key=lambda row: (row["title"], row["setting"], row["writers"]))
    return _table("writers", "Rows written one a commit", columns, made, _repeats(rows))


def mixed_table(rows: Rows) -> Table:
    names = {"mixed_p50": "Search p50", "mixed_p99": "Search p99", "freshness_p50": "Fresh p50", "freshness_p99": "Fresh p99"}
    about = {"mixed_p50": "While four write", "freshness_p50": "From a row's confirmation until another connection finds it"}
    columns = [Column("title", "Store")]
    for name, label in names.items():
        columns += [Column(name, label, TWO, about.get(name, ""), "ms", -1), Column(f"{name} interval", f"{label}, range")]
    columns += [
        Column("mixed_found", "Found", PERCENT, "Searches while four write that find the row asked for", direction=1),
        _REFUSED,
    ]
    by_store: dict[str, dict[str, Any]] = {}
    for row in (row for row in rows if row["quantity"] in (*names, "mixed_found")):
        mine = by_store.setdefault(row["store"], {"title": row["title"]})
        mine |= {row["quantity"]: row["value"], f"{row['quantity']} interval": _spread(row, TWO)}
        mine |= {name: number for name, number in row["detail"].items() if name == "refused"}
    return _table("mixed", "Searched while four write", columns, list(by_store.values()), _repeats(rows))


def contention_table(rows: Rows) -> Table:
    columns = (
        Column("title", "Store"),
        Column("workload", "Agents"),
        Column("arm", "Arm", help="Naive: read, then write; right: as the store keeps agents apart"),
        Column("acknowledged", "Confirmed", COUNT),
        Column("lost", "Lost", COUNT, "Confirmed, and no trace is left", direction=-1),
        Column("lost share", "Lost, share", "", SHARE),
        Column("duplicated", "Twice", COUNT, direction=-1),
        Column("stale", "Stale reads", COUNT, "Miss what was confirmed before they began", direction=-1),
        Column("skewed", "Write skew", COUNT, "Pairs of which both were turned off", direction=-1),
        Column("retries", "Retries", COUNT, direction=-1),
        Column("failed", "Errors", COUNT, direction=-1),
        Column("p50_ms", "p50", TWO, unit="ms", direction=-1),
        Column("p99_ms", "p99", TWO, unit="ms", direction=-1),
        Column("how", "How"),
    )
    from core.labs.stores.bench import STORES
    from core.labs.stores.contention import ARMS, WORKLOADS

    made = [
        row
        | {
            "lost share": _share(row["lost"], row["acknowledged"]),
            "workload": WORKLOADS[row["workload"]],
            "how": ARMS["naive"] if row["arm"] == "naive" else STORES[row["store"]].exclusive_setting,
        }
        for row in rows
    ]
    return _table(
        "contention", "Four agents, one memory", columns, made, "Histories checked for what could not have happened one by one"
    )


def kill_table(rows: Rows) -> Table:
    columns = (
        Column("title", "Store"),
        Column("setting", "Writes"),
        Column("moments", "Kills", COUNT),
        Column("acknowledged", "Confirmed", COUNT),
        Column("missing", "Missing", COUNT, "Confirmed and not there afterwards", direction=-1),
        Column("missing share", "Missing, share", "", SHARE),
        Column("beyond", "Beyond", COUNT, "There, and not confirmed"),
        Column("unreadable", "Not opened again", COUNT, direction=-1),
        Column("reopen", "Reopen", TWO, "Median until it answered again", "s", -1),
        Column("killed", "Ended"),
    )
    made = [
        dict(row)
        | {
            "missing share": _share(row["missing"], row["acknowledged"]),
            "reopen": median(row["reopen_s"]) if row["reopen_s"] else None,
        }
        for row in rows
    ]
    return _table(
        "kill", "Ended in the middle of writing", columns, made, "A process ends, not the power: the system writes what it holds"
    )


def _share(number: int | None, of: int) -> str:
    """As in "0.0% to 0.4%"; "" where it was not looked for, or nothing was confirmed."""
    if number is None:
        return ""
    _, low, high, *_ = wilson(min(number, of), of)
    return between(low, high, PERCENT)


def _repeats(rows: Rows) -> str:
    repeats = max((len(row["repeats"]) for row in rows if row["quantity"].startswith("search")), default=0)
    if not repeats:
        return ""
    level = 100 * (1 - 0.5 ** (repeats - 1))
    return f"Medians of {repeats} interleaved repeats, and their range: an interval of {level:.3g}% for the median"


def _table(name: str, title: str, columns: Sequence[Column], rows: Rows, note: str) -> Table:
    return Table(name, columns, rows, title, note, command_line("stores", "show", name))


TABLES: dict[str, tuple[str, Callable[[Rows], Table]]] = {  # name -> the kind of records that it is made of, and how
    "recall": (KINDS[0], recall_table),
    "filters": (KINDS[0], filter_table),
    "writers": (KINDS[0], writers_table),
    "mixed": (KINDS[0], mixed_table),
    "contention": (KINDS[1], contention_table),
    "kill": (KINDS[2], kill_table),
}


def table(workbench: Workbench, name: str) -> Table:
    """One of TABLES, of the newest run; without rows where nothing was measured."""
    kind, make = TABLES[name]
    return make(newest(workbench, kind))
