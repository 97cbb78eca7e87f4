"""Query transforms: the texts that a model writes for a recipe's questions, and rewritings beside people's."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from core.cli.frame import subject, verb
from core.cli.options import ASK, USUAL, Positive, RecipeOptions
from core.cli.tables import show_parts

subject("queries", "Query transforms.")


@verb(
    "transform-queries", show_parts, job_keeps=lambda record: {name: value for name, value in record.items() if name != "asked"}
)
def transform_queries(workbench: Any, *, recipe: RecipeOptions = USUAL) -> Any:
    """What is asked in place of each question, written by the model once and kept, with its cost and its gain."""
    from core.labs.queries import effect as queries

    return queries.transformed(workbench, recipe.read())


@verb("rewrites", show_parts)
def rewrites(
    workbench: Any,
    file: Path,
    /,
    *,
    ask: Annotated[
        Positive | None, Parameter(name=ASK, help="So many questions, spread evenly over the file (default: all).")
    ] = None,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Rewritings of follow-up questions beside people's, from a file of CANARD: token F1, and that of copying the question."""
    from core.labs.queries import effect as queries

    return queries.rewrites(workbench, recipe.read(), file, ask)
