"""An encoder trained through what the generator makes of the passages it finds."""

from collections.abc import Generator
from typing import Any

from core.config import TrialConfig, valid, with_settings
from core.labs.adapters.training import base_of
from core.models.hub import encoders_home
from core.records import Progress
from core.workbench import Workbench


def train_rag(workbench: Workbench, config: TrialConfig, name: str, settings: dict[str, Any]) -> Generator[Progress, None, Any]:
    """Trains on the questions of the recipe's corpus; from then on the encoder is `trained` with that name."""
    from core.training.encoders import rag_training
    from core.training.encoders.rag_settings import RagTraining

    training, pipeline = valid(RagTraining, settings), workbench.pipeline
    run = yield from pipeline.resolve(with_settings(config, {"corpus.questions": "all"}))
    chunks = yield from pipeline.chunks(run)
    texts = yield from pipeline.texts(run)
    return (
        yield from rag_training.train_rag(
            training,
            run.corpus,
            chunks,
            texts,
            encoders_home() / name,
            generation=base_of(config),
            context=config.context,
            evaluation=config.evaluation,
            home=pipeline.home,
            vectors=pipeline.vectors_folder,
        )
    )
