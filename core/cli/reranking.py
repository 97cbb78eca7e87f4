"""What reranking is worth."""

from typing import Any

from core.cli.frame import verb
from core.cli.options import USUAL, Metric, RecipeOptions
from core.cli.tables import show_parts
from core.evaluation.metric import MAIN
from core.records import plain


@verb("rerank-effect", show_parts)
def rerank_effect(workbench: Any, *, metric: Metric = MAIN, recipe: RecipeOptions = USUAL) -> Any:
    """The recipe beside itself without reranking: paired difference, and the questions that reranking lost."""
    from core.labs import reranking

    evaluation = yield from workbench.evaluating(recipe.read())
    return plain(reranking.record(workbench, evaluation, metric))
