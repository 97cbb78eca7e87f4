"""Runs in TREC's format."""

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from core import registry
from core.cli.frame import subject, verb
from core.cli.options import Positive, keep_apart, read_settings
from core.cli.tables import between, show_parts
from core.config import valid
from core.errors import WorkbenchError
from core.records import Progress

subject("runs", "Runs in TREC's format.")

USUAL_DEPTH = 1000


def show_runs(record: dict[str, Any]) -> None:
    """Each metric with its interval in one cell."""

    def cells(row: dict[str, Any]) -> dict[str, Any]:
        names = [name for name in row if f"{name} low" in row]
        bounds = {f"{name} {side}" for name in names for side in ("low", "high")}
        folded = {name: between({"value": row[name], "low": row[f"{name} low"], "high": row[f"{name} high"]}) for name in names}
        return {name: folded.get(name, value) for name, value in row.items() if name not in bounds}

    show_parts(record | {name: [cells(row) for row in record[name]] for name in ("runs", "compared")})


@verb("runs", show_runs)
def runs(
    workbench: Any,
    files: Annotated[
        tuple[str, ...], Parameter(consume_multiple=(1, 100), help="Runs in TREC's format, plain or .gz, or stored trials.")
    ],
    /,
    *,
    qrels: Annotated[Path, Parameter(help="Judgements in TREC's format, plain or .gz.")],
    fuse: Annotated[str, Parameter(help="Also the fusion of all runs by this part, as `list fusion` names it.")] = "",
    settings: Annotated[tuple[str, ...], Parameter(name="--set", help="FIELD=VALUE: of the fusion; repeatable.")] = (),
    metric: Annotated[tuple[str, ...], Parameter(help="NAME@DEPTH, as `list metric` names them; repeatable.")] = (),
    against: Annotated[Positive, Parameter(help="Number of the run that the others are compared with.")] = 1,
    ties: Annotated[
        Literal["id", "file"], Parameter(help="Equal scores: larger ids first, as trec_eval has it, or the order of the file.")
    ] = "id",
    out: Annotated[Path | None, Parameter(help="File for the fused run; .gz packs it.")] = None,
    depth: Annotated[Positive, Parameter(help="Documents of a question in that file.")] = USUAL_DEPTH,
) -> Any:
    """Measure runs in TREC's format against judgements, compare them by paired tests, and fuse them."""
    from core.labs.runs import measuring, trec
    from core.labs.runs.trials import run_of

    if out and not fuse:
        raise WorkbenchError("There is nothing to write.", where="--out", todo="Say with --fuse how the runs are fused.")
    keep_apart(out, *files, qrels)
    if against > len(files):
        raise WorkbenchError(f"There is no run {against}.", where="--against", todo=f"Count from 1 to {len(files)}.")
    measures = [measuring.measure_of(words) for words in metric or measuring.METRICS]
    read = []
    for done, words in enumerate(files):
        yield Progress(done, len(files), f"Reading {words}")
        read.append(trec.read_run(Path(words), ties) if _is_file(workbench, words) else run_of(workbench, words)[0])
    questions, skipped = trec.read_judgements(qrels)
    fused = measuring.fuse(read, valid(registry.find("fusion", fuse), read_settings(settings))) if fuse else None
    record = measuring.report(read, fused, questions, measures, against - 1)
    record["notes"] = " ".join([*skipped, record["notes"]]).strip()
    if out:
        trec.write_run(fused, out, depth)
        record["written"] = str(out)
    return record


def _is_file(workbench: Any, words: str) -> bool:
    """Whether a run is named by its file: a trial's name may look like one that is missing."""
    if Path(words).exists() or not {"/", "."} & {*words}:
        return Path(words).exists()
    try:
        return not workbench.trial_id(words)
    except WorkbenchError:
        return True


@verb("run-file")
def run_file(
    workbench: Any,
    trial: str,
    out: Path,
    /,
    *,
    qrels: Annotated[Path | None, Parameter(help="Also its questions' evidence as judgements, in this file.")] = None,
    depth: Annotated[Positive, Parameter(help="Documents of a question.")] = USUAL_DEPTH,
) -> dict[str, Any]:
    """A stored trial's rankings as a run in TREC's format: its documents, each with the score of its best chunk."""
    from core.labs.runs import trec
    from core.labs.runs.trials import run_of

    keep_apart(qrels, out)
    run, questions = run_of(workbench, trial)
    trec.write_run(run, out, depth)
    if qrels:
        trec.write_judgements(questions, qrels)
    return {"trial": run.name, "questions": len(run.ranked), "run": str(out), "judgements": str(qrels or "")}
