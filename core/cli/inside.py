"""Inside a model: a mixture of experts, trained to be looked into."""

from typing import Annotated, Any

from cyclopts import Parameter

from core import config
from core.cli.frame import verb
from core.cli.options import USUAL, Recipe, Training, read_settings
from core.cli.tables import show_table


@verb("train-moe", show_table)
def train_moe(
    workbench: Any,
    *,
    train: Training = (),
    both: Annotated[bool, Parameter(help="Also without the balancing loss, to compare.")] = False,
    recipe: Recipe = USUAL,
) -> Any:
    """A small mixture of experts, trained on the texts of a corpus."""
    from core.labs.inside import experts
    from core.training.experts import MoeConfig

    training = config.valid(MoeConfig, read_settings(train))
    return [experts.moe_row(run) for run in (yield from experts.train_moe(workbench, recipe.read(), training, both))]
