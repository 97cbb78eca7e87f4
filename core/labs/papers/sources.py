"""What an item of a paper may be computed by: verbs that read stored trials and nothing else.

The words are those of the command line, and the answers the same; a bundle of other people names such words too, so there is
no way from them to any other verb, and each value is checked.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from core.errors import WorkbenchError
from core.evaluation.metric import MAIN, judges, metrics_and_measures
from core.jobs.verbs import as_recorded, as_typed, words_and_options
from core.labs.experiments import results
from core.labs.papers import agreed, derived, drawings, results_table
from core.labs.trials import comparison, leaderboard
from core.labs.trials.comparison import MOST
from core.labs.trials.costs import lent
from core.records import plain
from core.report.table import Column, Table
from core.workbench import Workbench

MOST_DEPTH = 1_000


class PaperSource(NamedTuple):
    answer: Callable[..., Any]  # (workbench, words, options) -> what the verb answers
    options: dict[str, type]  # --name -> type of its value, a tuple where it may be said again
    words: tuple[int, int]  # how many stand alone, at least and at most
    of_trials: bool = True  # whether they name trials
    of_labels: bool = False  # whether they name a study of people's labels, and rest on no trial
    selects: bool = False  # whether they rest on the trials that they find: these are kept, whatever they would find later


class PaperCommand(NamedTuple):
    source: PaperSource
    words: list[str]
    options: dict[str, Any]


def computable(command: Sequence[str]) -> bool:
    """Whether the words name a source at all; a chart of a page may come from any verb."""
    return bool(command) and as_recorded(command)[0] in SOURCES


def computed(item: Any) -> bool:
    """Whether an item is computed from stored records: all but the charts and tables of pages, whatever their command."""
    return computable(item.command) and not item.taken_from_page


def parsed(command: Sequence[str]) -> PaperCommand:
    """The source that the words name, and what it is given."""
    if not computable(command):
        able = ", ".join(" ".join(as_typed([name])) for name in SOURCES)
        told = " ".join(as_typed(as_recorded(command)[:1]))
        raise WorkbenchError(f"A paper cannot be computed by '{told}'.", todo=f"What can: {able}.")
    name, *rest = as_recorded(command)
    source, options = SOURCES[name], {}
    words, values_of = words_and_options(rest, several=("only",))
    for option, values in values_of.items():
        kind = source.options.get(option)
        if kind is None or not values:
            raise WorkbenchError(
                f"'{name}' takes no --{option} here, or it has no value.",
                todo=f"Its options: {', '.join(f'--{option}' for option in source.options) or 'none'}.",
            )
        value = values[-1]
        if kind is int and not (re.fullmatch("[0-9]{1,9}", value) and 1 <= int(value) <= MOST_DEPTH):
            raise WorkbenchError(f"--{option} takes a whole number from 1 to {MOST_DEPTH:,}.", where=value[:100])
        options[option] = tuple(values) if kind is tuple else kind(value)
    least, most = source.words
    if not least <= len(words) <= most:
        raise WorkbenchError(f"'{name}' takes {least} to {most} words, and here are {len(words)}.")
    return PaperCommand(source, words, options)


def studies(commands: Iterable[Sequence[str]]) -> list[str]:
    """The studies of people's labels that commands name."""
    asked = [parsed(command) for command in commands if computable(command)]
    return sorted({word for each in asked if each.source.of_labels for word in each.words})


def split(text: str) -> tuple[str, ...]:
    """The words of a command as it is typed, with or without its beginning."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise WorkbenchError(f"The command cannot be read: {error}.", where=text[:200]) from None
    words = words[3:] if words[1:3] == ["-m", "core"] else words
    return tuple(word for word in as_typed(words) if word != "--json")


def shown(command: Sequence[str]) -> str:
    """As it is typed."""
    return f"python -m core {shlex.join(command)} --json" if command else ""


def exact(workbench: Workbench, command: Sequence[str], trials: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The same words with whole ids for trials, and the ids: names and endings may mean another trial tomorrow."""
    asked = parsed(command)
    if asked.source.selects:
        ids = {word: workbench.trial_id(word) for word in asked.options.get("only", ())}
        words = [
            *(ids.get(word, word) for word in as_typed(command)),
            *(["--metric", MAIN] if "metric" not in asked.options else []),
        ]
        return tuple(words), tuple(derived.derived(workbench, words, []).trials)
    ids = {word: workbench.trial_id(word) for word in (asked.words if asked.source.of_trials else ())}
    if reference := asked.options.get("reference"):
        ids[reference] = workbench.trial_id(reference)
    more = [record_id(workbench, word) for word in trials]
    if costs := asked.options.get("cost"):
        more += lent(workbench, comparison.some(workbench, [*ids.values()]), costs)
    every = tuple(dict.fromkeys([*ids.values(), *more]))
    if not every and not asked.source.of_labels:
        raise WorkbenchError("It is not said on which trials this rests.", todo="Name them with --trials.")
    words = [*as_typed(as_recorded(command)[:1]), *(ids.get(word, word) for word in asked.words)]
    for option, value in asked.options.items():
        for each in value if isinstance(value, tuple) else (value,):
            words += [f"--{option}", ids.get(each, each) if option == "reference" else str(each)]
    return tuple(words), every


def record_id(workbench: Workbench, word: str) -> str:
    """Of a record that an item rests on: a trial by any of its names, what a lab recorded by its whole id."""
    return word if word in workbench.store.journal.listing() else workbench.trial_id(word)


def selects(command: Sequence[str]) -> bool:
    return computable(command) and SOURCES[as_recorded(command)[0]].selects


def answer(workbench: Workbench, command: Sequence[str], trials: Sequence[str] = ()) -> Any:
    """What the command answers, as plain values. trials: of one that finds its trials, those that it found."""
    asked = parsed(command)
    if asked.source.selects and trials:
        asked.options["only"] = tuple(trials)
    if metric := asked.options.get("metric"):
        for name in metric if isinstance(metric, tuple) else (metric,):
            if not judges(name):
                raise WorkbenchError(
                    f"There is no metric '{name[:100]}'.", todo=f"There are {', '.join(metrics_and_measures())}."
                )
    return plain(asked.source.answer(workbench, asked.words, asked.options))


def content(workbench: Workbench, item: Any) -> Any:
    """What an item shows: of a number the value at its place in the answer, else the answer."""
    result = answer(workbench, item.command, item.trials)
    if item.kind != "number" and isinstance(result, dict) and "leaderboard" in result:
        result = results_table.ranked(result, parsed(item.command).options.get("metric", MAIN))
    if item.kind == "table" and as_recorded(item.command)[0] == "sql" and result:
        return Table(item.name, [Column(name) for name in result[0]], result).content()
    if item.kind == "table" and not (isinstance(result, dict) and "columns" in result):
        raise WorkbenchError(
            "This command answers no table.",
            where=shown(item.command),
            todo="`trials table`, `trials leaderboard` and `sql` with rows do.",
        )
    if item.kind == "figure":
        way = item.drawing or "means"
        made = drawings.drawn(way, result)
        if not made["data"]:
            todo = "Name trials that measured it; differences are those of the others from the first."
            raise WorkbenchError(f"There are no {way} to draw.", where=shown(item.command), todo=todo)
        return made
    return look_up(result, item.value) if item.kind == "number" else result


def look_up(result: Any, path: str) -> float | int | str | None:
    """The value at a path: names and places with points between them; a row is also named by its metric, cost or trial."""
    value = result
    for step in path.split(".") if path else ():
        if isinstance(value, dict):
            rows = [value[step]] if step in value else []
        elif isinstance(value, list):
            rows = [value[int(step)]] if re.fullmatch("[0-9]{1,9}", step) and int(step) < len(value) else []
            rows = rows or [row for row in value if isinstance(row, dict) and step in (row.get(key) for key in ROW_NAMES)]
        else:
            rows = []
        if len(rows) != 1:
            there = list(value) if isinstance(value, dict) else f"{len(value)} rows" if isinstance(value, list) else value
            raise WorkbenchError(
                f"'{step}' names nothing in what the command answers.", where=path, todo=f"There: {there}."[:500]
            )
        value = rows[0]
    if isinstance(value, dict | list):
        there = list(value) if isinstance(value, dict) else f"{len(value)} rows"
        raise WorkbenchError(
            "This is no single value.", where=path or "the whole answer", todo=f"Go on with one of {there}."[:500]
        )
    return value


ROW_NAMES = ("metric", "cost", "trial", "Trial", "name")  # fields by which a row of an answer is named


def _measured(workbench: Workbench, words: list[str], options: dict[str, Any]) -> dict[str, Any]:
    return workbench.measured(words[0])


def _compared(workbench: Workbench, words: list[str], options: dict[str, Any]) -> dict[str, Any]:
    return comparison.pair(workbench, *words, options.get("metric", MAIN), options.get("k"))


def _results(workbench: Workbench, words: list[str], options: dict[str, Any]) -> dict[str, Any]:
    return results_table.table(workbench, words, options.get("metric", ()), options.get("cost", ()), options.get("reference", ""))


def _ranked(workbench: Workbench, words: list[str], options: dict[str, Any]) -> dict[str, Any]:
    metric, only = options.get("metric", MAIN), {workbench.trial_id(word) for word in options.get("only", ())}
    sweep, dataset = ("", "") if only else ((words or [""])[0], options.get("dataset", ""))
    name, members, left_out = results.select(workbench, sweep, dataset, only, metric)
    return leaderboard.record(leaderboard.leaderboard(workbench, members, metric), name, left_out, first=options.get("first"))


def _agreed(workbench: Workbench, words: list[str], options: dict[str, Any]) -> dict[str, Any]:
    return agreed.answer(workbench, words[0])


def _selected(workbench: Workbench, words: list[str], options: dict[str, Any]) -> list[dict[str, Any]]:
    result = workbench.sql(words[0])
    return [dict(zip(result.columns, map(_worded, row), strict=True)) for row in result.rows]


def _worded(value: Any) -> Any:
    """A time and what else JSON has no value for as text, as the command line prints it."""
    if isinstance(value, dict):
        return {str(name): _worded(own) for name, own in value.items()}
    if isinstance(value, list | tuple):
        return list(map(_worded, value))
    return value if value is None or isinstance(value, str | int | float) else str(value)


SOURCES = {
    "show": PaperSource(_measured, {}, (1, 1)),
    "compare": PaperSource(_compared, {"metric": str, "k": int}, (2, 2)),
    "trials-table": PaperSource(_results, {"metric": tuple, "cost": tuple, "reference": str}, (1, MOST)),
    "leaderboard": PaperSource(
        _ranked, {"metric": str, "first": int, "dataset": str, "only": tuple}, (0, 1), of_trials=False, selects=True
    ),
    "agreement": PaperSource(_agreed, {}, (1, 1), of_trials=False, of_labels=True),
    "sql": PaperSource(_selected, {}, (1, 1), of_trials=False),
}
