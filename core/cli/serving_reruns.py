"""Stored requests answered again with something changed, and what came of it."""

from collections.abc import Mapping
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from core.cli.frame import verb
from core.cli.options import Positive, read_settings
from core.cli.serving_traces import Trace
from core.cli.tables import show_columns, show_table
from core.config import TrialConfig, with_settings
from core.report.table import Table

Size = Annotated[float, Parameter(help="The difference to detect; of a count this share of its mean.", validator=Number(gt=0))]


def _show(record: Mapping[str, Any]) -> None:
    from core.serving import rerun_verdict as lab

    show_columns(Table("rerun", lab.columns(), record["measures"]))
    print("\n".join(record["told"]))
    print("".join(f"Left out, for {why}: {count:,}.\n" for why, count in record["left_out"].items()), end="")
    print(f"Recorded: {record['rerun']}")


@verb("serving rerun", _show, job_keeps=dict)
def rerun(
    workbench: Any,
    *traces: Trace,
    latest: Annotated[int, Parameter(help="And the newest others, until there are so many.", validator=Number(gte=0))] = 0,
    text: Annotated[str, Parameter(help="Of the newest only those with this in a name, a message or an attribute.")] = "",
    service: Annotated[str, Parameter(help="Of the newest only those that this program recorded.")] = "",
    settings: Annotated[tuple[str, ...], Parameter(name="--set", help="STAGE.FIELD=VALUE: what is changed; repeatable.")] = (),
    system: Annotated[str | None, Parameter(help="Of prompts of other programs: the system message in place of theirs.")] = None,
    seeds: Positive = 3,
    measure: Annotated[tuple[str, ...], Parameter(help="As `list measure` names it; repeatable.")] = (),
    difference: Size = 0.05,
    by: Annotated[
        tuple[str, ...], Parameter(help="STAGE.FIELD=VALUE: of the model that writes the prompts of other programs; repeatable.")
    ] = (),
) -> Any:
    """Answer stored requests again on their own passages, as they were and with a changed prompt or setting, and compare."""
    from core.serving import rerun as lab
    from core.serving import rerun_verdict
    from core.serving.rerun_plan import RerunChange, planned
    from core.serving.stored_spans import TraceSearch

    change, author = RerunChange(read_settings(settings), system), with_settings(TrialConfig(), read_settings(by))
    plan = planned(workbench, traces, change, seeds, latest, TraceSearch(text, service=service), author)
    made = yield from lab.rerun(workbench, plan, measure)
    return rerun_verdict.told(workbench, made, difference)


@verb("serving reruns", show_table)
def reruns(workbench: Any) -> list[dict[str, Any]]:
    """The reruns that are recorded, the newest first."""
    from core.serving import rerun as lab

    return [
        {"rerun": each.id, "started": each.started, "change": each.change.words, "traces": len(each.rows), "seeds": each.seeds}
        for each in lab.reruns(workbench)
    ]


@verb("serving show-rerun", _show)
def show_rerun(workbench: Any, rerun: str, /, *, difference: Size = 0.05) -> dict[str, Any]:
    """What a recorded rerun shows, by its id or the beginning of it."""
    from core.serving import rerun as lab
    from core.serving import rerun_verdict

    return rerun_verdict.told(workbench, lab.rerun_of(workbench, rerun), difference)
