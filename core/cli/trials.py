"""Stored trials: listed, shown, named, compared."""

from typing import Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from core.cli.frame import subject, verb
from core.cli.options import Metric, Positive, Text
from core.cli.tables import rows_of, show_parts, show_table, show_value, show_whole

subject("trials", "Stored trials: listed, compared, tested.")


def show_trials(rows: list[dict[str, Any]]) -> None:
    """A line a trial; a measure of its answers is of no depth."""
    from core.evaluation.metric import metric_names

    named, of_rankings = any(row["name"] for row in rows), set(metric_names())
    heads = {
        metric: metric if (name := metric.partition("@")[0]) in of_rankings else name
        for row in rows
        for metric in row["metrics"] or {}
    }
    show_table(
        [
            {
                "id": row["id"],
                "created": row["created"],
                **({"name": row["name"]} if named else {}),
                "dataset": row["dataset"],
                "status": row["status"],
                "n": row["measured"],
                **dict.fromkeys(heads.values()),
                **{heads[metric]: mean for metric, mean in (row["metrics"] or {}).items()},
            }
            for row in rows
        ]
    )


def show_trial(record: dict[str, Any]) -> None:
    """What a run found: each metric with its interval, its costs, and by what it is found again."""
    from core.labs.trials.comparison import COSTS
    from core.report.tables import cost_digits

    if record["metrics"]:
        level = f"{100 * record['metrics'][0]['confidence']:g}% interval"
        noted = any(row["note"] for row in record["metrics"])
        show_table(
            [
                {
                    "metric": row["label"],
                    "mean": f"{row['mean']:.3f}" if row["n"] else "not measured",
                    level: "" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}",
                    "n": f"{row['n']:,}",
                    "of": f"{row['total']:,}",
                    **({"note": row["note"]} if noted else {}),
                }
                for row in record["metrics"]
            ]
        )
        print()
    for row in record["spread"]:
        (what, unit), digits = COSTS[row["cost"]], cost_digits(row["value"])
        spread = "" if row["low"] is None else f" ({row['low']:,.{digits}f} to {row['high']:,.{digits}f}; n {row['n']:,})"
        print(f"{what}: {row['value']:,.{digits if spread or digits > 1 else 0}f} {unit}{spread}")
    if record["metrics"] and not any(row["cost"] == "latency_ms" for row in record["spread"]):
        print(f"{COSTS['latency_ms'][0]}: unmeasured in this trial; `trials frontier` joins trials that do the same work")
    if before := record["repeat_of"]:
        print(f"The same recipe as trial {before[0]}: kept as repeat {len(before) + 1}.")
    print(f"Trial {record['id']}")
    if "command" in record:
        print(f"Again: {record['command']}")


def show_record(record: dict[str, Any]) -> None:
    """A trial, then what is stored of it."""
    shown = ("rankings", "chunks", "chunk_tokens", "latency_ms", "metrics", "spread", "repeat_of")
    show_trial(record)
    rest = {key: value for key, value in record.items() if key not in shown}
    show_value({**rest, "rankings": f"{len(record.get('rankings', {}))} questions; --json prints them"})


@verb("trials", show_trials)
def trials(
    workbench: Any,
    *,
    limit: Positive = 50,
    dataset: Annotated[str, Parameter(help="Only this corpus.")] = "",
    status: Annotated[Literal["", "ok", "failed", "interrupted"], Parameter(help="Only those that ended so.")] = "",
    sweep: Annotated[str, Parameter(help="Only of this experiment or sweep.")] = "",
    tag: Annotated[str, Parameter(help="Only with this tag.")] = "",
    find: Annotated[Text, Parameter(help="Words of a name, recipe, note, corpus or id.")] = "",
) -> Any:
    """Stored trials, newest first."""
    from core.labs.trials import listing

    if not any((dataset, status, sweep, tag, find)):
        return workbench.trials(limit)
    listing.check_corpus(workbench, dataset)
    return workbench.trials(limit, listing.everything(workbench).matching(dataset, status, sweep, find, tag).ids[:limit])


Sweep = Annotated[str, Parameter(help="Only of this experiment or sweep.")]
Dataset = Annotated[str, Parameter(help="Only this corpus.")]
Only = Annotated[tuple[str, ...], Parameter(consume_multiple=(1, 1_000), help="Only these trials.")]


def chosen(workbench: Any, sweep: str, dataset: str, only: tuple[str, ...], metric: str, part: str = "") -> Any:
    """Those among them that can be compared, by the rule of the pages; part: only on dev, or on test."""
    from core.labs.experiments import results

    return results.select(workbench, sweep, dataset, {workbench.trial_id(words) for words in only}, metric, part)


@verb("leaderboard", show_parts)
def leaderboard(
    workbench: Any,
    sweep: Sweep = "",
    /,
    *,
    metric: Metric = "ndcg_linear",
    settings: Annotated[bool, Parameter(help="Also the settings in which the recipes differ.")] = False,
    first: Annotated[Positive | None, Parameter(help="Only so many rows; all are ranked and tested.")] = None,
    dataset: Dataset = "",
    only: Only = (),
) -> Any:
    """Trials on the same questions by rank, and which do not differ significantly from the best."""
    from core.labs.trials import leaderboard as lab

    name, members, left_out = chosen(workbench, sweep, dataset, only, metric)
    return lab.record(lab.leaderboard(workbench, members, metric), name, left_out, settings, first)


@verb("choice", show_parts)
def choice(
    workbench: Any,
    sweep: Sweep = "",
    /,
    *,
    metric: Metric = "ndcg_linear",
    base: Annotated[
        str,
        Parameter(
            help="The trial that the winner is compared with (default: the base of their experiment, else the first measured)."
        ),
    ] = "",
    dataset: Dataset = "",
    only: Only = (),
) -> Any:
    """The winner of the dev questions, reported on the test questions, and how far the choice was luck."""
    from core.labs.experiments.results import baseline_of
    from core.labs.trials import choice as lab

    _, members, left_out = chosen(workbench, sweep, dataset, only, metric, "dev")
    base = workbench.trial_id(base) if base else baseline_of(workbench, members)
    return lab.record(workbench, lab.choice(workbench, members, metric, base)) | {"left out": " ".join(left_out)}


@verb("effects", show_parts)
def effects(
    workbench: Any,
    sweep: Sweep = "",
    /,
    *,
    metric: Metric = "ndcg_linear",
    cells: Annotated[tuple[str, ...], Parameter(consume_multiple=2, help="Also the means of these two settings' pairs.")] = (),
    dataset: Dataset = "",
    only: Only = (),
) -> Any:
    """What each setting does to a metric over the trials of an experiment: main effects, and interactions of two settings."""
    from core.labs.trials import comparison
    from core.labs.trials import effects as lab

    name, members, left_out = chosen(workbench, sweep, dataset, only, metric)
    result = lab.effects(workbench, members, metric)
    return {
        "questions": name,
        "metric": comparison.label(metric, result.k),
        "recipes": result.recipes,
        "n": result.n,
        "left out": " ".join(left_out),
        "main effects": lab.rows(result),
        "interactions": lab.interaction_rows(result),
    } | ({"cells": lab.cells(workbench, members, metric, *cells)} if cells else {})


@verb("importance", show_parts)
def importance(
    workbench: Any, sweep: Sweep = "", /, *, metric: Metric = "ndcg_linear", dataset: Dataset = "", only: Only = ()
) -> Any:
    """How much of the trials' differences each setting accounts for: functional ANOVA over a random forest."""
    from core.labs.trials import comparison
    from core.labs.trials import importance as lab

    name, members, left_out = chosen(workbench, sweep, dataset, only, metric)
    result = lab.importance(workbench, members, metric)
    return {
        "questions": name,
        "metric": comparison.label(metric, result.k),
        "recipes": result.recipes,
        "explained, of recipes not seen": result.explained,
        "note": result.note,
        "left out": " ".join(left_out),
        "importance": lab.rows(result),
    }


@verb("side-by-side", show_parts)
def side_by_side(
    workbench: Any,
    trials: Annotated[tuple[str, ...], Parameter(consume_multiple=(2, 5))],
    /,
    *,
    metric: Metric = "ndcg_linear",
    questions: Annotated[bool, Parameter(help="Also the metric of each question.")] = False,
) -> Any:
    """Two to five trials on shared questions: settings that differ, questions won and lost, and the trace of each."""
    from core.labs.trials import comparison
    from core.labs.trials import side_by_side as lab

    result = lab.side_by_side(workbench, comparison.named(workbench, trials), metric)
    return lab.record(result) | ({"by question": lab.by_question(result)} if questions else {})


@verb("question-matrix", show_whole)
def question_matrix(
    workbench: Any,
    trials: Annotated[tuple[str, ...], Parameter(consume_multiple=(2, 8))],
    /,
    *,
    metric: Metric = "ndcg_linear",
    different: Annotated[bool, Parameter(help="Only questions on which values or answers differ.")] = False,
    by: Annotated[float, Parameter(help="Values differ where they are further apart than this.", validator=Number(gte=0))] = 0.0,
    find: Annotated[Text, Parameter(help="Words of a question or an answer.")] = "",
) -> Any:
    """Two to eight trials by question: the recorded answer, else the rank of the first gold passage, each with the metric."""
    from core.labs.trials import comparison
    from core.labs.trials import question_matrix as lab

    chosen = comparison.named(workbench, trials)
    return lab.table(lab.question_matrix(workbench, chosen, metric, different=different, by=by, words=find))


@verb("left-out", show_parts)
def left_out(
    workbench: Any,
    reference: str,
    trial: str,
    /,
    *,
    metric: Metric = "ndcg_linear",
    by: Annotated[str, Parameter(help="article: the document of the evidence; group: the group of the question.")] = "article",
) -> Any:
    """A trial minus a reference with each article left out in turn, and the interval with the article as unit."""
    from core.labs.trials import comparison
    from core.labs.trials import left_out as lab

    return lab.record(lab.left_out(workbench, *comparison.named(workbench, (reference, trial)), metric, by))


@verb("show", show_record)
def show(workbench: Any, trial: str, /) -> Any:
    """One trial: metrics with intervals, config and raw rankings."""
    return workbench.measured(trial)


@verb("describe")
def describe(
    workbench: Any,
    trial: str,
    /,
    *,
    name: Text | None = None,
    note: Text | None = None,
    tags: Annotated[str | None, Parameter(help="A,B: all its tags, in place of those it had.")] = None,
) -> Any:
    """Name a trial, add a note, tag it; says what it is called where nothing is given."""
    return workbench.describe(trial, name, note, None if tags is None else tags.split(","))


@verb("compare")
def compare(
    workbench: Any,
    a: str,
    b: str,
    /,
    *,
    metric: Metric = "ndcg_linear",
    k: Annotated[Positive | None, Parameter(help="Depth (default: that of trial A).")] = None,
) -> Any:
    """Trial B minus trial A, paired by question."""
    from core.labs.trials import comparison

    return comparison.pair(workbench, a, b, metric, k)


@verb("frontier", show_table)
def frontier(
    workbench: Any,
    *,
    metric: Metric = "ndcg_linear",
    cost: Annotated[
        str,
        Parameter(help="context_at_k, latency_ms, chunks, tokens_indexed, context_tokens, total_ms, answer_s or answer_tokens."),
    ] = "context_at_k",
    third: Annotated[str, Parameter(help="A third measure of the frontier: another metric or cost.")] = "",
    dataset: Annotated[str, Parameter(help="Only this corpus.")] = "",
    only: Annotated[
        tuple[str, ...], Parameter(consume_multiple=(1, 1_000), help="Only these trials (default: of equal ones the newest).")
    ] = (),
) -> Any:
    """Quality against cost of stored trials: which no other beats, and how sure a place on the frontier is."""
    from core.labs.trials import membership

    return membership.frontier(workbench, metric, cost, dataset, {workbench.trial_id(words) for words in only}, third)


@verb("trials-compare", show_parts)
def trials_compare(
    workbench: Any,
    reference: str,
    others: Annotated[tuple[str, ...], Parameter(consume_multiple=(1, 1_000))],
    /,
    *,
    metric: Metric = "ndcg_linear",
    questions: Annotated[bool, Parameter(help="Also the metric of each question.")] = False,
) -> Any:
    """Several trials minus a reference, with p corrected over them all, and the settings in which they differ."""
    from core.labs.trials import comparison

    chosen = comparison.named(workbench, (reference, *others))
    names = dict(zip((trial.id for trial in chosen), comparison.labels(chosen), strict=True))
    result = comparison.compare(workbench, chosen[0], chosen[1:], metric)
    settings = comparison.differing(chosen).items()
    record = {
        "metric": comparison.label(metric, result.k),
        "reference": names[chosen[0].id],
        "recipes compared on these questions": result.tried,
        "caution": " ".join(f"{names[row.trial.id]}: {row.note}." for row in result.rows if row.note),
        "tests": comparison.rows(result, names),
        "settings": [{"setting": name, **dict(zip(names.values(), values, strict=True))} for name, values in settings],
    }
    for trial in chosen[1:] if questions else ():
        record[names[trial.id]] = rows_of(comparison.by_question(workbench, chosen[0], trial, metric))
    return record


@verb("every-test", show_parts)
def every_test(
    workbench: Any,
    reference: str,
    trial: str,
    /,
    *,
    metric: Metric = "ndcg_linear",
    margin: Annotated[float, Parameter(help="Of the equivalence test.", validator=Number(gt=0))] = 0.01,
) -> Any:
    """One trial minus another by every interval, test and effect size: whether what is said of them hangs on the method."""
    from core.labs.trials import comparison
    from core.labs.trials import every_test as lab

    return lab.every_test(workbench, *comparison.named(workbench, (reference, trial)), metric, margin)


@verb("looks", show_table)
def looks(workbench: Any, *, dataset: Dataset = "") -> Any:
    """How many recipes were compared on each question set, stored or not, and which p is then below 5%."""
    from core.labs.trials import listing
    from core.labs.trials import looks as lab

    listing.check_corpus(workbench, dataset)
    return lab.rows([each for each in lab.every(workbench) if dataset in ("", each.dataset)])
