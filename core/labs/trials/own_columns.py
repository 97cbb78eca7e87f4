"""The columns that somebody chose for the trials' table: any setting, metric, measure of answers or cost."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from core.errors import WorkbenchError
from core.evaluation.metric import MAIN, judges, metric_names
from core.labs.trials.comparison import ABSENT, COSTS, direction, label, setting_name, setting_value
from core.labs.trials.listing import NEWEST, Listing, everything
from core.report.table import COUNT, DAY_TIME, MEAN, Column, Table
from core.workbench import Workbench, command_line

SETTING = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")  # as records name them
MOST = 30  # columns somebody chooses
PLAIN = {
    "created": "When",
    "title": "Trial",
    "corpus": "Corpus",
    "note": "Note",
}  # that the table has anyway -> what it calls them


class OwnColumn(NamedTuple):
    name: str  # fusion.weight, ndcg_linear, f1, latency_ms
    kind: Literal["setting", "metric", "cost"]

    def title(self, k: int | str = "k") -> str:
        if self.kind == "metric":
            return label(self.name, k)
        words = COSTS[self.name][0] if self.kind == "cost" else setting_name(self.name)
        return words[:1].upper() + words[1:]

    def drawn(self, k: int | str = "k") -> Column:
        """The column of a table."""
        if self.kind == "metric":
            return Column(self.name, self.title(k), MEAN, direction=direction(self.name), width=90)
        if self.kind == "cost":
            unit = COSTS[self.name][1]
            form = COUNT if unit in ("chunks", "tokens") else f"%.{2 if unit == 's' else 1}f {unit}"
            return Column(self.name, self.title(), form, direction=-1)
        return Column(self.name, self.title(), help=f"Setting {self.name}; {ABSENT}: the recipe does not have it.")


def offered(workbench: Workbench) -> dict[str, OwnColumn]:
    """All that any stored trial can show: metrics, measures of answers, costs, settings."""
    stamp = everything(workbench).stamp
    return workbench.pipeline.remember("columns of trials", stamp, lambda: _offered(workbench))


def _offered(workbench: Workbench) -> dict[str, OwnColumn]:
    measured = workbench.store.query(
        "SELECT DISTINCT split_part(metric, '@', 1) AS name FROM trial_metrics WHERE n > 0 ORDER BY ALL"
    )
    metrics = [*metric_names(), *(row["name"] for row in measured if row["name"] not in metric_names() and judges(row["name"]))]
    settings = workbench.store.query("SELECT DISTINCT setting FROM settings ORDER BY setting")
    made = [OwnColumn(name, "metric") for name in metrics] + [OwnColumn(name, "cost") for name in COSTS]
    made += [OwnColumn(row["setting"], "setting") for row in settings if SETTING.fullmatch(row["setting"])]
    return {column.name: column for column in made}


def read(workbench: Workbench, names: Sequence[str]) -> list[OwnColumn]:
    """Those of these names, each once; raises where one is none, or where they are too many."""
    every, names = offered(workbench), list(dict.fromkeys(names))
    if unknown := [name for name in names if name not in every]:
        raise WorkbenchError(
            f"There is no column '{unknown[0]:.60}'.",
            todo="Name a setting as fusion.weight, a metric as `list metric` names it, or a cost as latency_ms.",
        )
    if len(names) > MOST:
        raise WorkbenchError(f"{len(names)} columns are more than {MOST}.", todo="Leave some out.")
    return [every[name] for name in names]


def titles(columns: Iterable[OwnColumn]) -> dict[str, str]:
    """Name -> what a person reads; a setting whose words another column has too is called as commands call it."""
    columns = list(columns)
    times = Counter(column.title() for column in columns)
    return {column.name: column.title() if times[column.title()] == 1 else column.name for column in columns}


def metrics_of(workbench: Workbench, names: Sequence[str]) -> list[str]:
    """The metrics and measures among these columns; the main one where there is none."""
    return [column.name for column in read(workbench, names) if column.kind == "metric"] or [MAIN]


def order_of(workbench: Workbench, sort: str = "", ascending: bool = False) -> tuple[str, str, bool]:
    """What a listing is sorted by, as `Listing.table` takes it; "": the newest first."""
    if sort in ("", *PLAIN):
        return "plain", sort or "created", ascending
    [column] = read(workbench, [sort])
    return column.kind, column.name, ascending


def rows(
    listing: Listing,
    columns: Sequence[OwnColumn],
    order: tuple[str, str, bool] = NEWEST,
    start: int = 0,
    most: int | None = None,
    metrics: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """A row a trial with these columns, a missing value None; a setting that is a number is one, so that it is sorted by size.
    metrics: more of them."""
    named = {kind: [column.name for column in columns if column.kind == kind] for kind in ("metric", "setting")}
    told = listing.table(list(dict.fromkeys([*metrics, *named["metric"]])), start, most, named["setting"], order)
    return [row | {name: _value(name, row[name]) for name in named["setting"]} for row in told]


def _value(name: str, text: str | None) -> Any:
    try:
        return text if text is None else float(text) if not text.lstrip("-").isdigit() else int(text)
    except ValueError:
        return setting_value(name, text)


def table(listing: Listing, columns: Sequence[OwnColumn], order: tuple[str, str, bool], most: int, *words: str) -> Table:
    """What a command prints of them. words: of the command."""
    told = rows(listing, columns, order, most=most)
    depths = {row["k"] for row in told if row["n"]}
    k = next(iter(depths)) if len(depths) == 1 else "k"
    shown = [Column("title", "Trial"), Column("corpus"), *(column.drawn(k) for column in columns), Column("n", "n", COUNT)]
    shown += [Column("note")] * any(row["note"] for row in told) + [Column("created", "When", DAY_TIME), Column("id", "Id")]
    by = "newest first" if order == NEWEST else f"by {order[1]}, {'ascending' if order[2] else 'descending'}"
    note = f"{len(told):,} of {len(listing):,} trials, {by}"
    return Table("trials_table", shown, told, "Stored trials", note, command_line("trial-rows", *words))
