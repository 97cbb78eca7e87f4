"""Rerankers trained here."""

from collections.abc import Generator
from typing import Any

from core.config import TrialConfig, valid
from core.labs.encoders.training import learnt_from_all
from core.models.hub import rerankers_home
from core.records import Progress
from core.workbench import Workbench


def train_reranker(
    workbench: Workbench, config: TrialConfig, name: str, settings: dict[str, Any]
) -> Generator[Progress, None, Any]:
    """Trains a cross-encoder on the questions of the recipe's corpus; from then on it is a `cross_encoder` of that name."""
    from core.reranking.cross_encoder import EMBEDDED
    from core.training.log import new_folder
    from core.training.rerankers.settings import RerankerTraining
    from core.training.rerankers.training import train

    training = valid(RerankerTraining, settings)
    folder = new_folder(rerankers_home(), name, "a reranker", ships=EMBEDDED)
    read = yield from learnt_from_all(workbench, config)
    return (yield from train(training, *read, folder, evaluation=config.evaluation, vectors=workbench.pipeline.vectors_folder))
