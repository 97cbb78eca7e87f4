"""What a service would need: cache, machines, and how fast its budget burns."""

import math
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from core.cli.frame import verb
from core.cli.options import Positive
from core.cli.tables import show_table
from core.errors import WorkbenchError
from core.files.grids import read_numbers

Run = Annotated[str, Parameter(help="Of `serving load`, as the table load_tests names it; empty: the newest.")]
Share = Annotated[float, Parameter(validator=Number(gte=0, lt=1), help="Of requests that are to be good.")]
Above = Annotated[float, Parameter(validator=Number(gt=0))]


@verb("serving cache-plan", show_table)
def cache_plan(
    workbench: Any,
    *,
    dataset: Annotated[str, Parameter(help="Questions of this corpus alone.")] = "",
    sizes: Annotated[str, Parameter(help="Answers that the cache holds: A,B,C or START:STOP:STEP.")] = "10,100,1000,10000",
    ages: Annotated[str, Parameter(help="Seconds after which an answer is too old, beside for ever.")] = "3600,86400",
    url: Annotated[str, Parameter(help="Of a service that is up, whose measured rate stands beside; empty: none.")] = "",
) -> Any:
    """Hit rate of an answer cache by size and age: the stored questions replayed, and by Zipf's law and Che's approximation."""
    from core.serving.asking import service_state
    from core.serving.planning import cache_curve

    numbers = [int(size) for size in read_numbers(sizes, "--sizes")]
    said = service_state(url) if url else None
    if said and not said.ready:
        raise WorkbenchError(
            f"No service is ready at {url}: {said.why}", where="--url", todo="Start it with `serve`, or leave --url out."
        )
    return cache_curve(workbench, dataset, numbers, [math.inf, *read_numbers(ages, "--ages")], said and said.caches.get("answer"))


@verb("serving capacity", show_table)
def capacity(
    workbench: Any,
    run: Run = "",
    /,
    *,
    rates: Annotated[str, Parameter(help="Requests a second; 11.6 are a million a day.")] = "1,2,5,11.6",
    servers: Annotated[Positive, Parameter(help="Requests that are served at once.")] = 1,
    slo_ms: Above = 500.0,
    hour_usd: Annotated[float, Parameter(validator=Number(gte=0), help="What a machine costs an hour.")] = 0.0,
) -> Any:
    """Latency by rate and the machines that hold it, simulated from a load test's service times, Erlang's formula beside it."""
    from core.serving.planning import capacity, points_of

    return capacity(points_of(workbench, run), read_numbers(rates, "--rates"), servers, slo_ms, hour_usd)


@verb("serving budget", show_table)
def budget(
    workbench: Any,
    run: Run = "",
    /,
    *,
    target: Share = 0.99,
    scale: Annotated[
        float, Parameter(validator=Number(gt=0), help="Of the windows of hours and days; 0.001 makes 3.6 s of an hour.")
    ] = 0.001,
) -> Any:
    """How fast a load test's requests burn the error budget, and which of the SRE workbook's alerts they raise when."""
    from core.serving.planning import budget, points_of

    return budget(points_of(workbench, run), target, scale)
