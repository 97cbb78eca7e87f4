"""Experiments: a question and what is varied to answer it; saved in versions, searched, handed on as a file."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from core.cli.frame import verb
from core.cli.options import Positive, Text
from core.cli.tables import show_table, show_value
from core.records import plain

Question = Annotated[Text | None, Parameter(help="What it is to find out.")]
Note = Annotated[Text | None, Parameter(help="What people write about it.")]
Tags = Annotated[str | None, Parameter(help="A,B: all its tags, in place of those it had.")]


@verb("experiment list", show_table)
def experiments_stored(
    workbench: Any, *, archived: Annotated[bool, Parameter(help="Those that are out of the list.")] = False
) -> list[dict[str, Any]]:
    """The experiments with their trials, the one worked on last first."""
    from core.labs.experiments import book

    return [
        {
            "experiment": row.experiment.id,
            "title": row.experiment.title,
            "version": row.version,
            "trials": sum(row.trials.values()),
            **{status: row.trials.get(status, 0) for status in ("ok", "failed", "interrupted")},
            "last_run": row.last_run and row.last_run.isoformat(timespec="seconds"),
            "tags": ", ".join(row.experiment.tags),
            "question": row.experiment.question,
        }
        for row in book.experiments(workbench, archived)
    ]


@verb("experiment show")
def experiment_shown(
    workbench: Any, experiment: str, /, *, version: Annotated[Positive | None, Parameter(help="From 1; the last.")] = None
) -> dict[str, Any]:
    """An experiment as YAML that `experiment save` takes."""
    from core.labs.experiments import book

    return book.load(workbench, experiment, version).model_dump(mode="json", exclude_defaults=True)


@verb("experiment create")
def experiment_created(
    workbench: Any, title: Text, /, *, question: Question = None, note: Note = None, tags: Tags = None
) -> dict[str, Any]:
    """A new experiment that varies nothing yet: trials are put into it by hand."""
    from core.labs.experiments import book

    return {"experiment": book.create(workbench, title, **_said(question, note, tags)).id, "version": 1}


@verb("experiment save")
def experiment_saved(workbench: Any, file: Path, /) -> dict[str, Any]:
    """A version of an experiment from a YAML file; what is as the last one is no new version."""
    from core.labs.experiments import book, experiment

    read = experiment.read(file)
    return {"experiment": read.id, "version": book.save(workbench, read)}


@verb("experiment describe")
def experiment_described(
    workbench: Any,
    experiment: str,
    /,
    *,
    title: Annotated[Text | None, Parameter(help="What people call it.")] = None,
    question: Question = None,
    note: Note = None,
    tags: Tags = None,
) -> dict[str, Any]:
    """Name an experiment, say its question, add a note, tag it."""
    from core.labs.experiments import book

    said = _said(question, note, tags) | ({} if title is None else {"title": title})
    return {"experiment": experiment, "version": book.describe(workbench, experiment, **said)}


@verb("experiment archive")
def experiment_archived(workbench: Any, experiment: str, /) -> dict[str, Any]:
    """Take an experiment out of the list; its trials stay."""
    from core.labs.experiments import book

    return {"experiment": experiment, "version": book.archive(workbench, experiment)}


@verb("experiment restore")
def experiment_restored(workbench: Any, experiment: str, /) -> dict[str, Any]:
    """Put an archived experiment back into the list."""
    from core.labs.experiments import book

    return {"experiment": experiment, "version": book.restore(workbench, experiment)}


@verb("experiment baseline")
def experiment_baseline(workbench: Any, experiment: str, trial: str = "", /) -> dict[str, Any]:
    """Make a trial the one that the others are compared with; without one it is that of the base recipe."""
    from core.labs.experiments import book

    version = book.baseline(workbench, experiment, trial)
    return {"experiment": experiment, "version": version, "baseline": book.load(workbench, experiment).baseline}


@verb("experiment versions", show_table)
def experiment_versions(workbench: Any, experiment: str, /) -> list[dict[str, Any]]:
    """The versions of an experiment, the oldest first, with what each changed."""
    from core.labs.experiments import book

    versions = book.versions(workbench, experiment)
    before = [None, *(version.experiment for version in versions)]
    return [
        {
            "version": version.number,
            "created": version.created,
            "id": version.id,
            "changes": "; ".join(map(str, book.changes(previous, version.experiment))) if previous else "",
        }
        for previous, version in zip(before, versions, strict=False)
    ]


@verb("experiment export", job_keeps=str)
def experiment_exported(workbench: Any, experiment: str, file: Path, /) -> Any:
    """An experiment as one file, with its trials and their questions, for another workbench to open."""
    from core.labs.experiments import exchange

    return exchange.export(workbench, experiment, file)


def show_contents(told: dict[str, Any]) -> None:
    """What was verified, and what is new here."""
    print(
        f"Experiment {told['experiment']}: {told['versions']} versions, {told['trials']} trials, {told['question_sets']} sets of "
        f"questions. Every checksum holds; {told['means']:,} means were derived again from the raw rankings and are the same."
    )
    for line in told["unverified"]:
        print(f"Not verified: {line}")
    if told["diverged"]:
        print(f"Here are {told['diverged']} versions of it that the file does not have; the latest of all counts.")
    print(f"New here: {told['added']:,} records; here before: {told['present']:,}.")


@verb("experiment open", show_contents, unchecked=lambda told: bool(told["unverified"]), job_keeps=plain)
def experiment_opened(
    workbench: Any, file: Path, /, *, only_verify: Annotated[bool, Parameter(help="Add nothing.")] = False
) -> Any:
    """Verify an experiment's file, derive its metrics again, and add its records; exit code 3 where something could not be
    verified."""
    from core.labs.experiments import exchange

    return plain((yield from exchange.open_file(workbench, file, add=not only_verify)))


def show_matches(record: dict[str, Any]) -> None:
    """A line a match, then how many there are of each kind."""
    show_table([{**row, "where": ", ".join(row["where"])} for row in record["rows"]])
    if record["totals"]:
        show_value(", ".join(f"{kind}: {total:,}" for kind, total in record["totals"].items()))


@verb("find", show_matches)
def find(
    workbench: Any,
    words: Annotated[tuple[str, ...], Parameter(consume_multiple=(1, 1_000), allow_leading_hyphen=True)],
    /,
    *,
    most: Annotated[Positive, Parameter(help="Rows of each kind.")] = 20,
) -> dict[str, Any]:
    """Search experiments, trials, studies of people, questions and answers for words."""
    from core.labs.experiments import search

    return plain(search.find(workbench, " ".join(words), most))


def _said(question: str | None, note: str | None, tags: str | None) -> dict[str, Any]:
    listed = None if tags is None else list(dict.fromkeys(filter(None, (tag.strip() for tag in tags.split(",")))))
    return {name: value for name, value in (("question", question), ("note", note), ("tags", listed)) if value is not None}
