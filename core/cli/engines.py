"""Engines: model files made faster, the speed of an engine here, and what remote ones cost."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from core import files
from core.cli.frame import subject, verb
from core.cli.options import USUAL, RecipeOptions
from core.cli.tables import show_table

subject("engines", "Engines: speed, conversion, and what remote answers cost.")


@verb("convert-model")
def convert_model(workbench: Any, *, recipe: RecipeOptions = USUAL) -> Any:
    """A faster copy of the recipe's model file, measured and kept."""
    return workbench.convert_model(recipe.read())


@verb("measure-engine")
def measure_engine(
    workbench: Any,
    *,
    stored: Annotated[bool, Parameter(help="Only tell what was measured last.")] = False,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Speed of the recipe's engine here: batches, passages kept in memory, formats of the weights."""
    from core.labs.engines import speed as engines

    if stored:
        return engines.stored(workbench, recipe.read())
    return engines.measure(workbench, recipe.read())


@verb("prices list", show_table)
def prices_stored() -> list[dict[str, Any]]:
    """USD per million tokens, by model, and the table that it stands in."""
    from core.generation import prices

    own = prices.own_table()
    return [
        {"model": model, **price.model_dump(), "table": "own" if model in own else "shipped"}
        for model, price in prices.table().items()
    ]


@verb("prices save")
def save_prices(file: Path, /) -> str:
    """Make a YAML file your own table; an empty one removes it."""
    from core.generation import prices

    prices.save(files.read_text(file, "The price table"))
    return f"Saved the prices of {len(prices.own_table()):,} models."
