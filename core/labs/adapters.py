"""Adapters of generators, trained here: their data, training and what they are worth."""

import hashlib
from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple

from core import files
from core.config import TrialConfig, fingerprint, valid
from core.generation.torch_lm import Transformers
from core.models.adapters import adapter_names, adapter_record
from core.models.hub import adapters_home
from core.records import Progress
from core.statistics.paired import Paired
from core.training.adapters.examples import TEST_SHARE, VALIDATION_SHARE, AdapterData, from_corpus, from_examples
from core.training.adapters.settings import AdapterTraining, PreferenceTraining
from core.workbench import Workbench


def base_of(config: TrialConfig) -> Transformers:
    """The generator whose model an adapter is trained for: the recipe's, where torch computes it, else the bundled one."""
    return config.generation if isinstance(config.generation, Transformers) else Transformers()


def adapter_data(
    workbench: Workbench, config: TrialConfig, settings: dict[str, Any], file: Path | None = None
) -> Generator[Progress, None, AdapterData]:
    """What an adapter would learn from and be tested on: of the recipe's corpus, or of a file in TRL's forms. Lengths are checked
    when training begins, by the model's own tokens."""
    training = valid(AdapterTraining, settings)
    if file is not None:
        from core.training.adapters.trl_files import read_examples

        yield Progress(0, 0, "Reading the examples")
        examples, source = read_examples(file.expanduser())
        return from_examples(examples, source, training)
    recipe = config.model_copy(update={"corpus": config.corpus.model_copy(update={"questions": "all"})})
    corpus = yield from workbench.read_corpus(recipe)
    yield Progress(0, 0, "Making examples")
    return from_corpus(corpus, training)


def train_adapter(
    workbench: Workbench, config: TrialConfig, name: str, settings: dict[str, Any], file: Path | None = None
) -> Generator[Progress, None, Any]:
    """Trains an adapter; from then on the generator takes it under that name."""
    from core.training.adapters.training import train

    data = yield from adapter_data(workbench, config, settings, file)
    return (yield from train(valid(AdapterTraining, settings), data, base_of(config), adapters_home() / name))


def train_dpo(
    workbench: Workbench, config: TrialConfig, name: str, settings: dict[str, Any], file: Path
) -> Generator[Progress, None, Any]:
    """Trains an adapter on pairs of answers of which people prefer one."""
    from core.training.adapters.preferences import train_preferences
    from core.training.heads.examples import compared, divided

    training = valid(PreferenceTraining, settings)
    yield Progress(0, 0, f"Reading {file.name}")
    pairs, notes = compared(file.expanduser())
    parts = divided(pairs, VALIDATION_SHARE, TEST_SHARE, training.seed, str(file), notes)
    return (yield from train_preferences(training, parts, file.name, base_of(config), adapters_home() / name))


class AdapterEntry(NamedTuple):
    """An adapter trained here, with what is known of its training."""

    name: str
    record: dict[str, Any]  # training.json; {} where it has none

    def paired(self, measure: str) -> Paired:
        """With the adapter minus without it, on the test part."""
        row = self.record["comparison"][measure]
        return Paired(**{name: row[name] for name in Paired._fields})

    def verdict(self, measure: str) -> str:
        """better, worse, or not distinguishable."""
        paired = self.paired(measure)
        if paired.p is None or paired.p >= 0.05:
            return "not distinguishable"
        return "better" if paired.difference > 0 else "worse"


def in_use(entry: AdapterEntry) -> dict[str, Any]:
    """The settings of a recipe that answers with this adapter, as it was trained."""
    base = {"generation.part": "transformers", "generation.model": entry.record["base"]["model"]}
    return base | {"generation.adapter": entry.name, "generation.adapter_scale": 1.0}


def data_key(config: TrialConfig, settings: dict[str, Any], file: Path | None) -> str:
    """Another one as soon as the data may be another."""
    return fingerprint(config.corpus, settings, str(file))


def received(data: bytes) -> Path:
    """Keeps examples that were handed over, by their contents, so that a job finds them, also when it is resumed."""
    path = adapters_home() / ".files" / f"{hashlib.sha256(data).hexdigest()[:16]}.jsonl"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_whole(path, data, "The examples")
    return path


def trained_adapters() -> list[AdapterEntry]:
    """Newest first."""
    entries = [AdapterEntry(name, adapter_record(name)) for name in adapter_names()]
    return sorted(entries, key=lambda entry: str(entry.record.get("created", "")), reverse=True)


def adapter_log(name: str) -> list[dict[str, Any]]:
    """The training's log, running or finished."""
    from core.training.log import read_log

    return read_log(adapters_home() / name)


def training_arguments(
    workbench: Workbench, config: TrialConfig, name: str, settings: dict[str, Any], file: Path | None = None
) -> list[str]:
    """The verb train-adapter as a job takes it: what differs from the defaults. Raises where a setting is not valid."""
    usual, wanted = AdapterTraining().model_dump(), valid(AdapterTraining, settings).model_dump()
    options = [word for field, value in wanted.items() if value != usual[field] for word in ("--train", f"{field}={value}")]
    recipe = TrialConfig(corpus=config.corpus, generation=base_of(config))
    source = ["--file", str(file)] if file else []
    return ["train-adapter", name, *source, *options, *workbench.arguments(recipe)]


def free_name(dataset: str) -> str:
    """A name for the next adapter trained on this corpus."""
    return next(name for n in range(1, 10_000) if not is_taken(name := f"{dataset}-{n}"))


def is_taken(name: str) -> bool:
    """Whether there is an adapter of this name already."""
    return (adapters_home() / name).exists()
