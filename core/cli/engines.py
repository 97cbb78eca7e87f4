"""Engines: model files made faster, and the speed of an engine here."""

from typing import Annotated, Any

from cyclopts import Parameter

from core.cli.frame import verb
from core.cli.options import USUAL, RecipeOptions


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
    from core.labs import engines

    if stored:
        return engines.stored(workbench, recipe.read())
    return engines.measure(workbench, recipe.read())
