"""Sampling: chains of steps from logits to a token, studied."""

from typing import Annotated, Any

from cyclopts import Parameter

from core.cli.frame import verb
from core.cli.options import USUAL, Positive, Recipe
from core.cli.tables import show_table


@verb("sample-study", show_table)
def sample_study(
    workbench: Any,
    *,
    recipe: Recipe = USUAL,
    chains: Annotated[
        tuple[str, ...],
        Parameter(
            name="--chain",
            required=True,
            allow_leading_hyphen=True,
            help="STEPS, such as 'top_k=40 temperature=0.8', 'greedy' or 'none'; repeatable.",
        ),
    ],
    samples: Annotated[Positive, Parameter(help="Answers a question and chain.")] = 5,
    questions: Annotated[Positive, Parameter(help="Questions, spread evenly over the corpus.")] = 20,
) -> Any:
    """Diversity against quality of sampled answers, by sampling chain, stored."""
    from core.labs.sampling import study

    return study.rows((yield from study.sample_study(workbench, recipe.read(), list(chains), samples, questions)))
