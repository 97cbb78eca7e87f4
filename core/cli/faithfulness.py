"""The faithfulness model, trained here."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from core.cli.frame import verb
from core.cli.options import Training, read_settings


@verb("train-faithfulness")
def train_faithfulness(
    workbench: Any,
    name: str,
    /,
    *,
    data: Annotated[Path | None, Parameter(help="Folder with the data sets (default: GROUNDWORK_DATASETS).")] = None,
    train: Training = (),
) -> Any:
    """A model of faithfulness: does a claim follow from its evidence, and which of its words are wrong."""
    from core.labs.faithfulness import train_faithfulness

    return train_faithfulness(workbench, name, data, read_settings(train))
