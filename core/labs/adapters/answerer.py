"""The adapter that ships with the bundled model, trained again by one command."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

from core.config import valid
from core.generation.torch_lm import Transformers
from core.labs.adapters.speed import timed
from core.labs.scores.faithfulness_models import data_folder
from core.records import Progress
from core.workbench import Workbench


def train_answerer(
    workbench: Workbench, name: str, data: Path | None, settings: dict[str, Any]
) -> Generator[Progress, None, Any]:
    """Trains it on the data sets of the folder; from then on the generators take it under that name."""
    from core.training.adapters.answerer import AnswererTraining, answerer_data
    from core.training.adapters.training import new_adapter, train
    from core.training.settings import options

    training, folder = valid(AnswererTraining, settings), data_folder(data)
    made = new_adapter(name, training)
    lessons = yield from answerer_data(folder, training, workbench.pipeline.vectors_folder)
    command = ["train-answerer", name, "--data", str(folder), *options(settings)]
    with timed(workbench, Transformers().model, name, training):
        return (yield from train(training, lessons, Transformers(), made, command))
