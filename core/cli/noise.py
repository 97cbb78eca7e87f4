"""How much of a number is noise, and what would settle a gain."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from core.cli.frame import verb
from core.cli.options import Metric
from core.cli.tables import show_parts
from core.cli.trials import Dataset, Only, Sweep


@verb("noise-budget", show_parts, job_keeps=dict)
def noise_budget(
    workbench: Any,
    file: Path | None = None,
    /,
    *,
    value: Annotated[str, Parameter(help="The file's column of values.")] = "value",
    factors: Annotated[
        str, Parameter(help="A,B: its columns of what was repeated, the questions first (default: all others).")
    ] = "",
    trials: Annotated[
        bool, Parameter(help="In place of a file: the stored recipe with the most repeats under other seeds.")
    ] = False,
    samples: Annotated[bool, Parameter(help="In place of a file: stored samples of answers, by token F1.")] = False,
    gain: Annotated[
        float | None, Parameter(help="A difference of two means: is it above the noise, and what would settle it?")
    ] = None,
    planned: Annotated[
        tuple[str, ...], Parameter(consume_multiple=(1, 10), help="FACTOR=LEVELS of the measurement (default: as in the table).")
    ] = (),
    shared: Annotated[
        tuple[str, ...], Parameter(consume_multiple=(1, 10), help="Factors that both systems share, as one judge.")
    ] = (),
    differences: Annotated[bool, Parameter(help="The values are differences of two systems already.")] = False,
    metric: Metric = "ndcg_linear",
    sweep: Sweep = "",
    dataset: Dataset = "",
    only: Only = (),
) -> Any:
    """How much of a measure's variance comes from questions, seeds, judges, and whether a gain is above that noise."""
    from core.errors import WorkbenchError
    from core.labs.trials import noise as lab

    if (file is not None) + trials + samples != 1:
        raise WorkbenchError("One table is read.", todo="Give a CSV file, --trials or --samples.")
    if trials:
        table = lab.of_trials(workbench, sweep, dataset, only, metric)
    elif samples:
        table = lab.of_samples(workbench, dataset)
    else:
        table = lab.of_file(file, value, [name.strip() for name in factors.split(",") if name.strip()])
    return lab.budget(table, gain, planned, shared, differences)
