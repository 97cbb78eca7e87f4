"""Indexes: their settings measured, and what these cost the answer."""

from typing import Annotated, Any

from cyclopts import Parameter

from core.cli.frame import verb
from core.cli.options import USUAL, Grids, Recipe, read_grid
from core.cli.tables import cell, show_table


@verb("index-sweep", show_table)
def index_sweep(
    workbench: Any,
    *,
    recipe: Recipe = USUAL,
    grids: Annotated[Grids, Parameter(required=True)],
    again: Annotated[bool, Parameter(help="Measure also what is stored already.")] = False,
) -> Any:
    """Recall, speed and size of index settings, stored."""
    from core.labs.index import measuring, points

    return points.rows((yield from measuring.sweep(workbench, recipe.read(), read_grid(grids), again=again)))


@verb("index-points", show_table)
def index_points(workbench: Any, *, recipe: Recipe = USUAL) -> Any:
    """What was measured of the indexes of these vectors."""
    from core.labs.index import points

    return points.rows((yield from points.stored(workbench, recipe.read())))


def show_cost(rows: list[dict[str, Any]]) -> None:
    """A setting's recall, then its sentences whole: they are what the verb is for. --json has every number."""
    for setting in dict.fromkeys(row["setting"] for row in rows):
        some = [row for row in rows if row["setting"] == setting]
        print(f"{setting}: recall {cell(some[0]['recall'])} against exact search, n {some[0]['n']:,}")
        for row in some:
            print(f"  {row['fusion']}: {row['sentence'].removeprefix(setting).strip()}")


@verb("index-cost", show_cost)
def index_cost(
    workbench: Any,
    *,
    recipe: Recipe = USUAL,
    grids: Grids = (),
    margin: Annotated[float, Parameter(help="Points (hundredths) within which two means are equal.")] = 1.0,
) -> Any:
    """What an index setting costs ranking quality, with a test of equivalence."""
    from core.labs.index import cost

    return cost.cost_rows((yield from cost.cost_curve(workbench, recipe.read(), read_grid(grids), margin)))
