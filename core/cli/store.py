"""What is stored, and the machine it is stored on."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from core.cli.frame import subject, verb
from core.cli.options import Text
from core.cli.tables import show_table, show_value, show_whole
from core.cli.terminal import tell

subject("store", "What is stored.")
subject("jobs", "Long work that pages have started.")


@verb("sql", show_table)
def sql(workbench: Any, statement: Text, /) -> list[dict[str, Any]]:
    """Read-only SQL over everything stored."""
    table = workbench.sql(statement)
    if table.truncated:
        tell(f"Only the first {len(table.rows):,} rows are here: aggregate, or add LIMIT.")
    if table.cut_cells:
        tell(f"Long cells are cut and end with an ellipsis: {table.cut_cells:,}.")
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


@verb("tables", show_table)
def tables() -> list[dict[str, str]]:
    """What `sql` can ask: each column of each table, in words."""
    from core.labs.store import query as store

    return [
        {"table": table.name, "column": name, "type": kind, "meaning": meaning}
        for table in store.tables_described()
        for name, kind, meaning in table.columns
    ]


@verb("verify", healthy=lambda report: report["ok"], unchecked=lambda report: bool(report["unchecked"]))
def verify(workbench: Any) -> Any:
    """Check journal and database; exit code 1 where something is wrong, 3 where something could not be checked."""
    return workbench.store.verify()


@verb("rebuild")
def rebuild(workbench: Any) -> Any:
    """Rebuild the database from the journal."""
    return workbench.store.rebuild()


@verb("backup")
def backup(workbench: Any, file: Path, /) -> Any:
    """Journal, database, papers and whatever else was written in one file; documents and trained models are not in it."""
    return workbench.store.backup(file)


def show_doctor(findings: list[dict[str, Any]]) -> None:
    """Each finding with its mark, and what to do about it."""
    marks = {True: "ok     ", False: "MISSING", None: "absent "}
    for finding in findings:
        print(f"{marks[finding['ok']]}  {finding['name']}: {finding['found']}")
        if finding["todo"]:
            print(f"         {finding['todo']}")


@verb("doctor", show_doctor, healthy=lambda findings: all(finding["ok"] is not False for finding in findings))
def doctor(
    workbench: Any,
    *,
    reuse: Annotated[
        bool, Parameter(name="--kept", help="What earlier trials of the engines found here counts; else each is tried anew.")
    ] = False,
) -> Any:
    """What this machine offers, and what to do about what is missing."""
    from core.labs.doctor.machine import checked

    return checked(workbench, reuse)


@verb("jobs list", show_table)
def jobs_stored(workbench: Any) -> list[dict[str, Any]]:
    """The jobs, newest first."""
    told = ("id", "label", "status", "done", "total", "message", "error")
    return [{name: getattr(job, name) for name in told} for job in workbench.jobs.list()]


@verb("jobs estimates", show_whole)
def job_estimates(workbench: Any) -> Any:
    """What finished jobs were estimated to take, compared with what they took."""
    from core.labs.store.estimates import estimates

    return estimates(workbench)


@verb("jobs show", show_value)
def job_shown(workbench: Any, job_id: str, /) -> dict[str, Any]:
    """A job with its command, and the last lines that it printed."""
    return {**vars(workbench.jobs.get(job_id)), "log": workbench.jobs.log_tail(job_id)}


@verb("jobs cancel", show_value)
def cancel_job(workbench: Any, job_id: str, /) -> dict[str, Any]:
    """Stop a job; what it had finished is kept."""
    return vars(workbench.jobs.cancel(job_id))


@verb("jobs resume")
def resume_job(workbench: Any, job_id: str, /) -> str:
    """Run a job's command again."""
    return workbench.jobs.resume(job_id)
