"""What a service bears."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from core.cli.frame import verb
from core.cli.options import USUAL, Grids, Positive, RecipeOptions, read_settings
from core.cli.tables import show_columns
from core.files.grids import read_grid, read_numbers
from core.report.table import Table
from core.serving.arrivals import Arrivals
from core.serving.asking import ADDRESS

Seed = Annotated[int, Parameter(validator=Number(gte=0))]


def _show(record: Mapping[str, Any]) -> None:
    from core.serving import load as lab

    _draw(lab.table(record["points"]), record)


def _show_frontier(record: Mapping[str, Any]) -> None:
    from core.serving.frontier import table

    _draw(table(record["rows"]), record)


def _draw(drawn: Table, record: Mapping[str, Any]) -> None:
    show_columns(drawn)
    print("\n".join(record["told"]))


@verb("serving load", _show, healthy=lambda record: not any(row["limit"] for row in record["points"]), job_keeps=dict)
def load(
    workbench: Any,
    *,
    questions: Annotated[str, Parameter(help="A corpus, a CSV or JSONL file with a column question, or a file with one a line.")],
    url: str = ADDRESS,
    path: str = "/search",
    field: Annotated[tuple[str, ...], Parameter(help="NAME=VALUE: sent beside each question; repeatable.")] = (),
    rate: Annotated[
        str, Parameter(help="Requests a second, A,B,C or START:STOP:STEP in turn (default: 10; of a replay as recorded).")
    ] = "",
    seconds: float = 30.0,
    arrivals: Arrivals = "poisson",
    burstiness: Annotated[float, Parameter(help="Of bursts: below 1 the gaps vary more than Poisson's.")] = 0.25,
    times: Annotated[Path | None, Parameter(help="Of a replay: a file with a number of seconds a line.")] = None,
    seed: Seed = 0,
    timeout: Annotated[float, Parameter(help="Seconds after which a client goes away.")] = 30.0,
    retries: Annotated[int, Parameter(help="How often a client tries again after 429, 503 or no answer.")] = 0,
    ignore_retry_after: Annotated[bool, Parameter(help="It tries again at once, whatever the reply asks for.")] = False,
    slo_ms: Annotated[float, Parameter(help="Latency that the service is held to.")] = 500.0,
    slo_share: Annotated[float, Parameter(help="Share of all requests that are to be answered in it.")] = 0.99,
    anywhere: Annotated[bool, Parameter(help="Also another machine, whose owner agrees.")] = False,
) -> Any:
    """Load a service with questions that do not wait for its answers, rate by rate: latencies, errors, capacity."""
    from core.serving import load as lab

    replays = arrivals == "replay"
    plan = lab.LoadPlan(
        url=url.rstrip("/") + path,
        questions=questions,
        rates=lab.rates_of(rate) if rate else (0.0 if replays else 10.0,),
        seconds=seconds,
        arrivals=arrivals,
        burstiness=burstiness,
        recorded=lab.read_moments(times) if times else (),
        seed=seed,
        timeout_s=timeout,
        retries=retries,
        honours=not ignore_retry_after,
        slo_ms=slo_ms,
        slo_share=slo_share,
        fields=read_settings(field),
        anywhere=anywhere,
    )
    return lab.load(workbench, plan)


@verb("serving compare", _show_frontier, job_keeps=dict)
def compare(
    workbench: Any,
    *,
    grid: Grids = (),
    batch: Annotated[str, Parameter(help="Answers written side by side, A,B,C.")] = "8",
    rate: Annotated[str, Parameter(help="Requests a second, A,B,C or START:STOP:STEP.")] = "1",
    seconds: float = 30.0,
    ask: Annotated[Positive, Parameter(help="Questions, at least as many as requests of a rate.")] = 200,
    measure: Annotated[str, Parameter(help="Of answers, from 0 to 1, as `list measure` names it.")] = "f1",
    slo_ms: Annotated[float, Parameter(help="An answer that comes later counts 0.")] = 5000.0,
    hour_usd: Annotated[float, Parameter(help="What the machine costs an hour.")] = 0.0,
    seed: Seed = 0,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Serve recipes of a grid, or batch sizes, one after the other under the same load: quality in time, p95, cost, and which to take."""
    from core.serving.frontier import arms, frontier

    sizes = [int(size) for size in read_numbers(batch, "--batch")]
    served = arms(recipe.read(), read_grid(grid), sizes)
    return frontier(workbench, served, read_numbers(rate, "--rate"), seconds, ask, measure, slo_ms, hour_usd, seed)
