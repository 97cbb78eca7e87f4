"""Rerankers trained here."""

from collections.abc import Generator
from typing import Any

from core.config import TrialConfig, valid, with_settings
from core.models.hub import rerankers_home
from core.records import Progress
from core.workbench import Workbench


def train_reranker(
    workbench: Workbench, config: TrialConfig, name: str, settings: dict[str, Any]
) -> Generator[Progress, None, Any]:
    """Trains a cross-encoder on the questions of the recipe's corpus; from then on it is a `cross_encoder` of that name."""
    from core.training.rerankers.settings import RerankerTraining
    from core.training.rerankers.training import train

    training, pipeline = valid(RerankerTraining, settings), workbench.pipeline
    run = yield from pipeline.resolve(with_settings(config, {"corpus.questions": "all"}))
    chunks = yield from pipeline.chunks(run)
    texts = yield from pipeline.texts(run)
    folder, store = rerankers_home() / name, pipeline.vectors_folder
    return (yield from train(training, run.corpus, chunks, texts, folder, evaluation=config.evaluation, vectors=store))
