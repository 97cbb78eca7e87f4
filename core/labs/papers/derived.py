"""Charts and tables of pages, held against stored trials: the rows behind them are computed again by the verb that the command
names, and what is drawn is looked for in the rows.

A chart is drawn by its page; its rows are a table of the library. So the rows are derived from the trials as at the first
time, and each point of the drawing has to stand in a row, with its whiskers and the name that the row says. Only parallel
coordinates show something else, places on scaled axes, and that is told. A chart whose command does not give it is taken
without a command: so a command that is there can be held to, whatever else an item says of itself.
"""

import html
import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import permutations
from typing import Any, NamedTuple

from core.errors import WorkbenchError
from core.evaluation.metric import MAIN
from core.jobs.verbs import as_recorded, words_and_options
from core.labs.experiments import book, results
from core.labs.papers import drawings, looked, results_table
from core.labs.papers.differing import differences
from core.labs.papers.looked import ComparedRecipes
from core.labs.trials import comparison, effects, importance, leaderboard, left_out, membership, side_by_side, values
from core.labs.trials.comparison import Trial
from core.labs.trials.costs import alike, lent, spreads, unbeaten
from core.records import plain
from core.workbench import Workbench

Rows = list[dict[str, Any]]
Looks = Sequence[ComparedRecipes]
FLAGS, SEVERAL = ("settings", "questions"), ("only", "cells")
NEAR = 1e-9  # of what is drawn to what a row says: ends of whiskers are sums

INSIDE = "it shows a model's inside, and no model is in a bundle"
WHY_NOT = {  # beginning of a verb -> why its charts and tables are not computed from a bundle
    "runs": "it rests on files of rankings, which are in no bundle",
    "sql": "its query may read all that is stored, and says not on which trials it rests",
    "index": "it rests on measurements of an index on one machine, which are no trials and in no bundle",
    "agreement": "of people's labels a bundle holds what tables and numbers of `annotate agreement` need, no groups, times or texts",
    "power": "it is a calculation from the words of its command, and rests on no result",
    "annotate": "it is a plan of a study of labels, and rests on no result",
    "memory": "it rests on a simulated life, or on facts that may be forgotten, and on no trial",
    **dict.fromkeys(("inside", "tokenizers", "train"), INSIDE),
    **dict.fromkeys(("sample", "ask"), "it shows what a model wrote, and no model is in a bundle"),
}
LIVE = (
    "it was computed on the page from the corpus' texts and models, which are in no bundle; what a study measured is recomputed"
)


class Derived(NamedTuple):
    trials: list[str]  # all that the rows rest on
    tables: list[Rows]  # what charts and tables of this command show


def able(command: Sequence[str]) -> bool:
    return bool(command) and as_recorded(command)[0] in VERBS


def why_not(command: Sequence[str]) -> str:
    """Why what a page showed by another command is not computed."""
    return next((why for start, why in WHY_NOT.items() if command and as_recorded(command)[0].startswith(start)), LIVE)


def of_places(command: Sequence[str]) -> bool:
    """Whether its chart shows places on scales instead of what its rows say."""
    return as_recorded(command)[:1] == ["leaderboard"] and "--settings" in command


def derived(workbench: Workbench, command: Sequence[str], told: Rows, only: Sequence[str] = (), looks: Looks = ()) -> Derived:
    """What the command answers. only: the trials that it rests on, whatever others its words would mean by now; looks: how many
    recipes had been looked at, else as many as by now."""
    if not able(command):
        raise WorkbenchError(why_not(command))
    verb, *said = as_recorded(command)
    words, options = words_and_options(said, FLAGS, SEVERAL)
    named = {workbench.trial_id(word) for word in options.get("only", ())}
    trials, tables = VERBS[verb](workbench, words, options, told, set(only) or named, looks)
    return Derived(sorted(set(trials)), [json.loads(json.dumps(plain(table), default=str)) for table in tables])


def table_of(tables: Iterable[Rows], told: Rows) -> Rows:
    """The one among the tables that has the columns of these rows, its rows in their order where trials name them; of several
    the one that differs least."""
    alike = []
    for table in tables:
        if table and told and table[0].keys() == told[0].keys():
            place = {row.get("trial"): number for number, row in enumerate(told)}
            named = "trial" in told[0] and len(place) == len(told) and place.keys() == {row["trial"] for row in table}
            alike.append(sorted(table, key=lambda row: place[row["trial"]]) if named else table)
    if not alike:
        raise WorkbenchError("its command answers no such rows")
    return min(alike, key=lambda table: len(list(differences(told, table)))) if len(alike) > 1 else alike[0]


def changes(workbench: Workbench, command: Sequence[str], content: Any, only: Sequence[str] = (), looks: Looks = ()) -> list[str]:
    """Where a chart or table is not what its command gives: in its rows, and in what is drawn of them."""
    told, now = rows_now(workbench, command, content, only, looks)
    drawn = () if of_places(command) or "figure" not in content else not_in_rows(content["figure"], content["data"])
    return [*differences(told, now), *drawn]


def rows_now(
    workbench: Workbench, command: Sequence[str], content: Any, only: Sequence[str] = (), looks: Looks = ()
) -> tuple[Rows, Rows]:
    """(the rows that the page showed, the same as its command answers), without what the item does not allow to compute."""
    unknown = unrecorded(content["data"], looks)
    told, tables = without(content["data"], unknown), derived(workbench, command, content["data"], only, looks).tables
    return told, table_of([without(table, unknown) for table in tables], told)


def unrecorded(rows: Rows, looks: Looks) -> tuple[str, ...]:
    """The columns that hang on how many recipes were looked at, where the item does not say it."""
    return tuple(name for name in comparison.OF_LOOKS if not looks and rows and name in rows[0])


def without(rows: Rows, names: Collection[str]) -> Rows:
    return [{name: value for name, value in row.items() if name not in names} for row in rows] if names else rows


def not_in_rows(figure: Any, rows: Rows) -> Iterator[str]:
    """What a drawing shows that no row says, in words."""
    whole = (figure.get("layout", {}).get("meta") or {}).get("whole", {})
    said = [(_numbers(row), _texts(row)) for row in rows]
    for trace in figure.get("data", ()):
        xs, ys = ([*(trace.get(axis) or ())] for axis in "xy")
        for place, point in enumerate(zip(xs, ys, strict=False)):
            if None in point:  # a gap
                continue
            numbers = [value for value in point if isinstance(value, int | float)] + list(_ends(trace, point, place))
            names = [html.unescape(str(whole.get(name, name))) for name in point if isinstance(name, str)]
            if not any(_in(numbers, own) and all(name in texts for name in names) for own, texts in said):
                yield f"{', '.join(map(str, point))} is drawn, and no row says it"[:200]
        if len(xs) != len(ys):
            yield "a line has more places than values"


def _ends(trace: Any, point: Sequence[Any], place: int) -> Iterator[float]:
    for value, axis in zip(point, "xy", strict=True):
        error = trace.get(f"error_{axis}") or {}
        for name, sign in (("array", 1), ("arrayminus", -1)):
            length = [*(error.get(name) or ())][place : place + 1]
            if length and length[0] and isinstance(value, int | float):
                yield value + sign * length[0]


def _in(numbers: Sequence[float], own: Sequence[float]) -> bool:
    return all(any(math.isclose(number, each, rel_tol=NEAR, abs_tol=1e-12) for each in own) for number in numbers)


def _numbers(row: dict[str, Any]) -> list[float]:
    """Of a row; and none, the difference of a baseline to itself."""
    return [0.0, *(value for value in row.values() if isinstance(value, int | float) and not isinstance(value, bool))]


def _texts(row: dict[str, Any]) -> set[str]:
    """The names that a row says, alone and as "setting: level"."""
    words = [value for value in row.values() if isinstance(value, str)]
    return {*words, *(f"{first}: {second}" for first, second in permutations(words, 2))}


def _metric(options: dict[str, list[str]], name: str = "metric", usual: str = MAIN) -> str:
    return (options.get(name) or [usual])[0]


def _members(workbench: Workbench, words: list[str], options: dict[str, list[str]], only: set[str]) -> list[Trial]:
    """The trials that count, each recipe with its repeats."""
    sweep, dataset = ("", "") if only else ((words or [""])[0], _metric(options, "dataset", ""))
    members = results.select(workbench, sweep, dataset, only, metric := _metric(options)).members
    counted = {trial.id for of in values.scores(workbench, members, metric).repeats for trial in of}
    return [trial for trial in members if trial.id in counted]


def _leaderboard(workbench: Workbench, words: list[str], options: dict, told: Rows, only: set[str], looks: Looks) -> Derived:
    members = _members(workbench, words, options, only)
    board = leaderboard.leaderboard(workbench, members, _metric(options))
    return Derived([trial.id for trial in members], [leaderboard.rows(board, "settings" in options)])


def _effects(workbench: Workbench, words: list[str], options: dict, told: Rows, only: set[str], looks: Looks) -> Derived:
    members, metric = _members(workbench, words, options, only), _metric(options)
    result = effects.effects(workbench, members, metric)
    tables = [effects.rows(result), effects.interaction_rows(result)]
    if cells := options.get("cells"):
        tables.append(effects.cells(workbench, members, metric, *cells[:2]))
    return Derived([trial.id for trial in members], tables)


def _importance(workbench: Workbench, words: list[str], options: dict, told: Rows, only: set[str], looks: Looks) -> Derived:
    members = _members(workbench, words, options, only)
    rows = importance.rows(importance.importance(workbench, members, _metric(options)))
    return Derived([trial.id for trial in members], [rows])


def _frontier(workbench: Workbench, words: list[str], options: dict, told: Rows, only: set[str], looks: Looks) -> Derived:
    """Of the trials that are told; as the command is typed, of those that it finds on the same questions."""
    metric, cost, third = _metric(options), _metric(options, "cost", "context_at_k"), _metric(options, "third", "")
    shown = [str(row.get("trial")) for row in told]
    if not only:
        listed = membership.frontier(workbench, metric, cost, _metric(options, "dataset", ""), (), third)
        questions = {row["questions"] for row in listed if row["trial"] in shown}
        shown = [row["trial"] for row in listed if row["questions"] in questions]
    points = comparison.some(workbench, shown)
    costs = spreads(workbench, points, cost)
    front = unbeaten(workbench, points, costs, metric)
    members = membership.membership(workbench, points, [metric, cost, *filter(None, [third])])
    rows = membership.chart_rows(points, costs, front, members, metric, cost, third)
    return Derived([*shown, *alike(workbench, points, [name for name in (cost, third) if name])], [rows])


def _study(workbench: Workbench, words: list[str], options: dict, told: Rows, only: set[str], looks: Looks) -> Derived:
    """On the questions of the trials that are told."""
    experiment = book.load(workbench, words[0] if words else "")
    mine = [trial for trial in results.of_study(workbench, experiment) if not only or trial.id in only]
    sets, shown = results.question_sets(experiment, mine), {row.get("trial") for row in told}
    if not sets:
        raise WorkbenchError("its study has no measured trial")
    members = next((of for of in sets if shown & {trial.id for trial in of} - {experiment.baseline}), sets[0])
    result = results.results(workbench, experiment, members, _metric(options, usual=experiment.metrics[0]))
    base = [result.baseline.id] if result.baseline else []
    return Derived([*(trial.id for trial in members), *base], [results.rows(experiment, result)])


def _compared(workbench: Workbench, words: list[str], options: dict, told: Rows, only: set[str], looks: Looks) -> Derived:
    picked = _picked(workbench, words)
    names = dict(zip((trial.id for trial in picked), comparison.labels(picked), strict=True))
    result = comparison.compare(workbench, picked[0], picked[1:], _metric(options))
    then = looked.number(looks, picked[0].questions)
    return Derived([*names], [comparison.of_looks(comparison.rows(result, names), result.tried if then is None else then)])


def _drawn(workbench: Workbench, words: list[str], options: dict, told: Rows, only: set[str], looks: Looks) -> Derived:
    """A table of results as figures are drawn of it."""
    of = [options.get(name, []) for name in ("metric", "cost")]
    table = results_table.table(workbench, words, *of, _metric(options, "reference", ""))
    shown = [row["trial"] for row in table["rows"]]
    timed = lent(workbench, comparison.some(workbench, shown), of[1])
    return Derived([*shown, *timed], [drawings.drawn(way, table)["data"] for way in drawings.FIELDS])


def _sides(workbench: Workbench, words: list[str], options: dict, told: Rows, only: set[str], looks: Looks) -> Derived:
    picked = _picked(workbench, words)
    result = side_by_side.lettered(side_by_side.side_by_side(workbench, picked, _metric(options)))
    return Derived([trial.id for trial in picked], [side_by_side.pairs(result), side_by_side.traces(result)])


def _left_out(workbench: Workbench, words: list[str], options: dict, told: Rows, only: set[str], looks: Looks) -> Derived:
    picked = _picked(workbench, words[:2])
    result = left_out.left_out(workbench, *picked, _metric(options), _metric(options, "by", "article"))
    return Derived([trial.id for trial in picked], [left_out.rows(result)])


def _picked(workbench: Workbench, words: list[str]) -> list[Trial]:
    picked = comparison.named(workbench, words)
    if len({trial.id for trial in picked}) < 2:
        raise WorkbenchError("its command names fewer than two trials")
    return picked


VERBS: dict[str, Callable[..., Derived]] = {
    "leaderboard": _leaderboard,
    "effects": _effects,
    "importance": _importance,
    "frontier": _frontier,
    "study-results": _study,
    "trials-compare": _compared,
    "side-by-side": _sides,
    "left-out": _left_out,
    "trials-table": _drawn,
}
