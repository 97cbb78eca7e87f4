"""Encoders: trained."""

from typing import Any

from core.cli.frame import verb
from core.cli.options import USUAL, Recipe, Training, read_settings


@verb("train-encoder")
def train_encoder(workbench: Any, name: str, /, *, train: Training = (), recipe: Recipe = USUAL) -> Any:
    """A dual encoder, trained on the questions of a corpus."""
    return workbench.train_encoder(recipe.read(), name, read_settings(train))
