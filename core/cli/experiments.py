"""Experiments: what is varied over a recipe, run whole, and what it says."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from core.cli.frame import subject, verb
from core.cli.tables import show_parts, show_table

subject("experiment", "Experiments: a question and what is varied to answer it.")

FileOrId = Annotated[str, Parameter(help="A file of YAML as `experiment example` prints it, or the id of an experiment.")]
NUMBERS = ("measured", "reused", "missing", "workers", "seconds", "stopped", "settled")


@verb("study-example", print)
def study_example() -> str:
    """An experiment as YAML with a word on each line, to begin with."""
    from core.labs.experiments import example

    return example.TEXT.rstrip()


@verb("study-points", show_table)
def study_points(workbench: Any, experiment: FileOrId, /) -> list[dict[str, Any]]:
    """The points of an experiment, each with its repeats, and what is left out with the reason; of a design that learns
    those of its first round. Nothing is measured."""
    from core.labs.experiments import adaptive, designs

    plan = _read(workbench, experiment)
    made = designs.points(plan)
    wanted = [adaptive.Wanted(settings) for settings in made.settings]
    if plan.learns:
        wanted = adaptive.adaptive(plan, len(workbench.corpus(plan.recipe).queries)).ask()
    told = [(point, "") for point in wanted] + [(adaptive.Wanted(settings), why) for settings, why in made.left_out]
    return [
        {
            "point": ", ".join(f"{name} = {value}" for name, value in point.settings.items()) or "the base recipe",
            "questions": point.questions or "all",
            "left out": why,
            "settings": point.settings,
        }
        for point, why in told
    ]


def show_outlook(outlook: dict[str, Any]) -> None:
    """The stages, then all in a sentence."""
    if outlook["stages"]:
        show_table(
            [
                {key: row[key] for key in ("title", "stage", "distinct", "missing")}
                | {"seconds": "{low:.1f} to {high:.1f}".format(**row["seconds"]) if row["seconds"] else ""}
                for row in outlook["stages"]
            ]
        )
        print()
    print(outlook["words"])


@verb("study-estimate", show_outlook)
def study_estimate(workbench: Any, experiment: FileOrId, /) -> dict[str, Any]:
    """What an experiment takes before it starts: trials, those that are stored, the distinct work of each stage, seconds by one
    worker from measured costs, tokens of context. Nothing is measured."""
    from core.labs.experiments.estimate import estimate

    outlook = estimate(workbench, _read(workbench, experiment))
    return {**outlook._asdict(), "stages": [row._asdict() for row in outlook.stages]}


def show_outcome(outcome: dict[str, Any]) -> None:
    """The trials, best first, then what was not measured and why, then what the run was."""
    if rows := outcome["leaderboard"]:
        show_table([{name: value for name, value in row.items() if name not in ("trial", "n")} for row in rows])
        equals = sum(row["group"].startswith("best") for row in rows)
        print(f"\nNot significantly different from the best: {equals:,} of {len(rows):,}, the best among them.\n")
    for sentence in outcome["not_compared"]:
        print(f"Left out: {sentence}")
    for failure in outcome["failed"]:
        print(f"Failed: {failure['point']}: {failure['reason']}")
    for point in outcome["left_out"]:
        print(f"Left out: {point}")
    show_parts({name: outcome[name] for name in NUMBERS if outcome[name] not in (None, "")})
    if outcome["missing"]:
        print(f"Run it again to go on: python -m core experiment run {outcome['id']}")


@verb("study", show_outcome, healthy=lambda outcome: not outcome["failed"], job_keeps=lambda outcome: outcome["id"])
def study(
    workbench: Any,
    experiment: FileOrId,
    /,
    *,
    engine: Annotated[str, Parameter(help="What measures: local, or ray.")] = "local",
    address: Annotated[str, Parameter(help="Of a running Ray cluster (default: one is started on this machine).")] = "",
    workers: Annotated[
        int, Parameter(validator=Number(gte=0), help="Processes beside each other; 0: as processors and memory allow.")
    ] = 0,
) -> Any:
    """Measure what of an experiment is not measured yet; stopped or killed, it goes on where it was when run again."""
    from core.labs.experiments import driver

    plan = _read(workbench, experiment)
    outcome = yield from driver.run(workbench, plan, engine, workers, address)
    return {**outcome._asdict(), **_ranked(workbench, plan)}


def _read(workbench: Any, name: str) -> Any:
    """The experiment in a file, else the recorded one of that id."""
    from core.labs.experiments import book
    from core.labs.experiments.experiment import read

    path = Path(name)
    is_file = path.exists() and not path.is_dir()
    return read(path) if is_file or path.suffix or len(path.parts) > 1 else book.load(workbench, name)


def _ranked(workbench: Any, experiment: Any) -> dict[str, Any]:
    """The trials that the experiment is told by, as `trials leaderboard` has them, and what is left out."""
    from core.errors import WorkbenchError
    from core.labs.experiments import results
    from core.labs.trials import leaderboard

    metric = experiment.metrics[0]
    try:
        told = results.select(workbench, experiment.id, metric=metric)
        rows = leaderboard.rows(leaderboard.leaderboard(workbench, told.members, metric))
    except WorkbenchError:  # nothing is measured, or on one question
        return {"leaderboard": [], "not_compared": []}
    return {"leaderboard": rows, "not_compared": told.left_out}


def show_standing(standing: dict[str, Any]) -> None:
    """A line each, then the failures. When a phase began and counted is for the pace that pages tell."""
    for name in ("started", "finished"):
        standing[name] = standing[name] and datetime.fromtimestamp(standing[name]).strftime("%Y-%m-%d %H:%M:%S")
    counts = ", ".join(f"{number:,} {status}" for status, number in standing["trials"].items())
    failures = {"failures": standing["failures"]} if standing["failures"] else {}
    lines = {name: value for name, value in {**standing, "trials": counts}.items() if not name.startswith("phase_")}
    show_parts({name: value for name, value in lines.items() if value and name != "failures"} | failures)


@verb("study-status", show_standing)
def study_status(workbench: Any, experiment: str, /) -> Any:
    """How an experiment stands, wherever it was started: whether it runs, how far it is, what failed."""
    from core.labs.experiments.standing import standing

    return standing(workbench, experiment)


@verb("study-pause", show_standing)
def study_pause(workbench: Any, experiment: str, /) -> Any:
    """End the run of an experiment, wherever it was started; `experiment run` goes on with it."""
    from core.labs.experiments.standing import pause

    return pause(workbench, experiment)


@verb("study-results", show_table)
def study_results(
    workbench: Any, experiment: str, /, *, metric: Annotated[str, Parameter(help="Default: the experiment's first.")] = ""
) -> Any:
    """Each point of an experiment against its base, question by question, and which do not differ significantly from the best."""
    from core.labs.experiments import book, results

    return results.measured(workbench, book.load(workbench, experiment), metric)
