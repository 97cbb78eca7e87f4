"""Faithfulness models trained here."""

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

from core.config import valid
from core.errors import WorkbenchError
from core.files import path_of
from core.models.hub import faithfulness_home
from core.records import Progress
from core.workbench import Workbench


def train_faithfulness(
    workbench: Workbench, name: str, data: Path | None, settings: dict[str, Any]
) -> Generator[Progress, None, Any]:
    """Trains a faithfulness model on the data sets of the folder; from then on it judges under that name."""
    from core.training.faithfulness.settings import FaithfulnessTraining
    from core.training.faithfulness.training import TEXTS, train

    training = valid(FaithfulnessTraining, settings)
    folder = data_folder(data)
    library, corpora = workbench.library, []
    present = {status.name for status in library.available() if status.present}
    for corpus in TEXTS:
        if corpus in present and training.texts and training.made:
            corpora.append((yield from library.open(corpus)))
    return (yield from train(training, folder, corpora, faithfulness_home() / name))


def data_folder(data: Path | None) -> Path:
    """That of the data sets: the one that is named, or that of GROUNDWORK_DATASETS."""
    named = data or os.environ.get("GROUNDWORK_DATASETS")
    if not named:
        todo = "Name it with --data, or in the environment variable GROUNDWORK_DATASETS."
        raise WorkbenchError("It is not said which folder has the data sets.", where="data", todo=todo)
    return path_of(named, "data")
