"""Encoders trained here: the training started as a job, its log, and what it was worth."""

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

from core.config import TrialConfig, valid, with_settings
from core.errors import WorkbenchError
from core.files import read_json
from core.labs.encoders.comparison import EncoderResult
from core.models.hub import encoders_home, trained_encoders
from core.records import Chunks, Corpus, Progress
from core.statistics.paired import Paired
from core.workbench import Workbench

# what a training of ours says of itself, and is read here and on the page; other programs have a training.json too
TOLD = {"best_step", "comparison", "config", "corpus", "evaluation", "seconds", "sizes", "steps", "stopped"}


class TrainedEncoder(NamedTuple):
    """An encoder trained here, with what is known of its training."""

    name: str
    record: dict[str, Any]  # training.json; {} where it has none, or one that says nothing of a training of ours

    @property
    def verdict(self) -> str:
        """better, worse, equal (it is its start), or not distinguishable, by the metric that training watched."""
        if not self.record:
            return "unknown"
        return self.change(self.record["config"]["watch"]) if self.record["best_step"] else "equal"

    def change(self, metric: str) -> str:
        paired = self.paired(metric)
        if paired.p is None or paired.p >= 1 - self.record["evaluation"]["confidence"]:
            return "not distinguishable"
        return "better" if paired.difference > 0 else "worse"

    def paired(self, metric: str) -> Paired:
        """After minus before on the test questions."""
        row = self.record["comparison"][metric]
        return Paired(**{name: row[name] for name in Paired._fields})


def trained() -> list[TrainedEncoder]:
    """The trained encoders, newest first."""
    encoders = []
    for name in trained_encoders():
        file = encoders_home() / name / "training.json"
        try:
            record = read_json(file, of=dict)
        except WorkbenchError:
            record = {}
        encoders.append(TrainedEncoder(name, record if record.keys() >= TOLD else {}))
    return sorted(encoders, key=lambda encoder: encoder.record.get("created", ""), reverse=True)


def training_arguments(workbench: Workbench, config: TrialConfig, name: str, settings: dict[str, Any]) -> list[str]:
    """The verb train-encoder as a job takes it: what differs from the defaults. Raises where a setting is not valid."""
    from core.training.encoders.settings import TrainConfig
    from core.training.settings import changed, options

    recipe = TrialConfig(
        corpus=config.corpus, chunking=config.chunking, embedding=config.embedding, evaluation=config.evaluation, seed=config.seed
    )
    recipe = with_settings(recipe, {"corpus.questions": "all"})  # it makes its own splits
    return ["train-encoder", name, *options(changed(TrainConfig, settings)), *workbench.arguments(recipe)]


def training_log(name: str, since: float = 0.0) -> list[dict[str, Any]]:
    """since: [] of a training that was neither begun nor gone on with from then on."""
    from core.training.log import read_log

    return read_log(encoders_home() / name, since)


def is_taken(name: str) -> bool:
    """Whether there is a trained encoder of this name already."""
    return (encoders_home() / name).exists()


def learnt_from(row: EncoderResult, encoders: Sequence[TrainedEncoder]) -> bool:
    """Whether this encoder, or a trained one that it started from, learnt from questions that it is now asked."""
    records, corpora = {encoder.name: encoder.record for encoder in encoders}, set()
    record = records.pop(row.offer.part.name if row.offer.part.part == "trained" else "", None)
    while record:
        corpora.add(record["corpus"]["name"])
        record = records.pop(record["config"]["base"], None)
    return row.config.corpus.dataset in corpora and row.config.corpus.questions != "test"


def learnt_from_all(workbench: Workbench, config: TrialConfig) -> Generator[Progress, None, tuple[Corpus, Chunks, list[str]]]:
    """What a training reads, which makes its own splits: the recipe's corpus with all questions, its chunks and their texts."""
    run = yield from workbench.pipeline.resolve(with_settings(config, {"corpus.questions": "all"}))
    chunks = yield from workbench.pipeline.chunks(run)
    return run.corpus, chunks, (yield from workbench.pipeline.texts(run))


def train_encoder(
    workbench: Workbench, config: TrialConfig, name: str, settings: dict[str, Any]
) -> Generator[Progress, None, Any]:
    """Trains an encoder on the questions of the recipe's corpus; from then on it is `trained` with that name."""
    from core.training.encoders.settings import TrainConfig
    from core.training.encoders.training import train
    from core.training.log import new_folder

    training = valid(TrainConfig, settings)
    folder = new_folder(encoders_home(), name, "an encoder")
    read = yield from learnt_from_all(workbench, config)
    return (yield from train(training, *read, folder, evaluation=config.evaluation, vectors=workbench.pipeline.vectors_folder))


def train_rag(workbench: Workbench, config: TrialConfig, name: str, settings: dict[str, Any]) -> Generator[Progress, None, Any]:
    """Trains an encoder through what the generator makes of the passages it finds, on the questions of the recipe's corpus; from then on
    it is `trained` with that name."""
    from core.labs.adapters.training import base_of
    from core.training.encoders import rag_training
    from core.training.encoders.rag_settings import RagTraining
    from core.training.log import new_folder

    training = valid(RagTraining, settings)
    folder = new_folder(encoders_home(), name, "an encoder")
    read = yield from learnt_from_all(workbench, config)
    models = {"generation": base_of(config), "context": config.context, "evaluation": config.evaluation}
    stores = {"home": workbench.pipeline.home, "vectors": workbench.pipeline.vectors_folder}
    return (yield from rag_training.train_rag(training, *read, folder, **models, **stores))
