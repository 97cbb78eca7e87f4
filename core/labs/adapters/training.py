"""Adapters of generators, trained here: their data, training and what they are worth."""

import hashlib
from collections.abc import Generator, Iterable
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from core import files
from core.config import TrialConfig, fingerprint, valid
from core.errors import WorkbenchError
from core.files import path_of
from core.generation.llama_engine import LlamaCpp
from core.generation.torch_lm import Transformers
from core.labs.adapters import sources as adapter_sources
from core.labs.adapters.speed import timed
from core.models.adapters import adapter_names, adapter_record, is_plain
from core.models.hub import adapters_home
from core.models.identity import file_hash
from core.progress import Unready
from core.records import Progress
from core.statistics.paired import Paired
from core.training.adapters.examples import PARTS, AdapterData, PreferencePair, from_examples
from core.training.adapters.settings import AdapterTraining, PreferenceTraining
from core.training.settings import changed, options
from core.workbench import Workbench


def base_of(config: TrialConfig) -> Transformers:
    """The generator whose model an adapter is trained for: the recipe's, where torch computes it, else the bundled one."""
    return config.generation if isinstance(config.generation, Transformers) else Transformers()


def wearer(config: TrialConfig, names: Iterable[str]) -> LlamaCpp | Transformers:
    """The generator that answers with these adapters: the recipe's own where llama.cpp reads the bundled model, which is faster."""
    part = config.generation
    return part if isinstance(part, LlamaCpp) and part.model == "bundled" and all(map(is_plain, names)) else base_of(config)


def base_name(config: TrialConfig) -> str:
    """Its model as people call it."""
    model = base_of(config).model
    return "SmolLM2-135M-Instruct, the bundled model" if model == "bundled" else Path(model).name


def adapter_data(
    workbench: Workbench, config: TrialConfig, settings: dict[str, Any], file: Path | None = None, most: int | None = None
) -> Generator[Progress, None, AdapterData]:
    """What an adapter would learn from and be tested on: of the recipe's corpus as `source` says, or of a file in TRL's forms. Lengths
    are checked when training begins, by the model's own tokens. most: texts that the engine may write now; more raise `Unready`."""
    training = valid(AdapterTraining, settings)
    if file is not None:
        from core.training.adapters.trl_files import read_examples

        yield Progress(0, 0, "Reading the examples")
        examples, source = read_examples(path_of(file, "file"))
        return from_examples(examples, source, training)
    return (yield from adapter_sources.examples(workbench, config, training, most))


def preference_data(
    workbench: Workbench, config: TrialConfig, settings: dict[str, Any], file: Path | None = None
) -> Generator[Progress, None, AdapterData]:
    """The same for pairs of answers of which one is preferred; a file also as `adapters train-dpo` takes it."""
    training = valid(PreferenceTraining, settings)
    if file is None:
        return (yield from adapter_sources.pairs(workbench, config, training))
    yield Progress(0, 0, f"Reading {file.name}")
    rows, notes = _compared(file)
    made = [
        PreferencePair(
            str(number), ({"role": "user", "content": p.prompt},), p.chosen, p.rejected, p.group, (p.prompt,), part=part
        )
        for number, (part, p) in enumerate(rows)
    ]
    return from_examples(made, "; ".join(notes), training)


def _compared(path: Path) -> tuple[list[Any], list[str]]:
    """Pairs of a file, or of a folder as adapter-data writes it; its names and checksums, and what was skipped."""
    from core.training.adapters.trl_files import files_of
    from core.training.heads.examples import compared

    there = files_of(path_of(path, "file"))
    rows, notes = zip(*map(compared, there), strict=True)
    return list(chain(*rows)), [*(f"{file.name} {file_hash(file)[:20]}" for file in there), *chain(*notes)]


def data_at_hand(
    workbench: Workbench, config: TrialConfig, settings: dict[str, Any], file: Path | None, of_pairs: bool
) -> Generator[Progress, None, AdapterData | str]:
    """The data, or what the engine has to write for it first, which `data_arguments` does as a job."""
    try:
        if of_pairs:
            return (yield from preference_data(workbench, config, settings, file))
        return (yield from adapter_data(workbench, config, settings, file, most=0))
    except Unready as waiting:
        return waiting.what


def as_lines(data: AdapterData, of_pairs: bool) -> str:
    """All parts as one file of JSON lines in TRL's form; each line names its part."""
    from core.training.adapters.trl_files import lines

    return "".join(lines(getattr(data, part), "preference" if of_pairs else "messages", part) for part in PARTS)


def train_adapter(
    workbench: Workbench, config: TrialConfig, name: str, settings: dict[str, Any], file: Path | None = None
) -> Generator[Progress, None, Any]:
    """Trains an adapter; from then on the generator takes it under that name."""
    from core.training.adapters.training import new_adapter, train

    training = valid(AdapterTraining, settings)
    folder = new_adapter(name, training)
    data = yield from adapter_data(workbench, config, settings, file)
    command = training_arguments(workbench, config, name, settings, file)
    with timed(workbench, base_of(config).model, name, training):
        return (yield from train(training, data, base_of(config), folder, command))


def train_dpo(
    workbench: Workbench, config: TrialConfig, name: str, settings: dict[str, Any], file: Path | None = None
) -> Generator[Progress, None, Any]:
    """Trains an adapter on pairs of answers of which people prefer one: of a file, or of what is stored, as `source` says."""
    from core.training.adapters.preferences import train_preferences
    from core.training.adapters.training import new_adapter
    from core.training.heads.examples import Compared, Divided

    training = valid(PreferenceTraining, settings)
    folder = new_adapter(name, training)
    data = yield from preference_data(workbench, config, settings, file)
    every = [(*getattr(data, part), *data.spare[part]) for part in PARTS]
    some = ([Compared(p.messages[-1]["content"], p.chosen, p.rejected, p.group) for p in part] for part in every)
    parts = Divided(*some, tuple(f"{number:,} {why}" for why, number in data.left_out.items()))
    command = training_arguments(workbench, config, name, settings, file, True)
    with timed(workbench, base_of(config).model, name, training):
        return (yield from train_preferences(training, parts, data.source, base_of(config), folder, command))


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


def has_learnt_from(name: str, corpus: str) -> bool:
    """Whether the adapter, or one that its training went on from, was trained on something of this corpus, as far as records say."""
    seen = set()
    while name and name not in seen:
        seen.add(name)
        record = adapter_record(name)
        source = str(record.get("data", {}).get("source", ""))
        if source.startswith(f"{corpus} ") or f" over {corpus} " in source:
            return True
        name = record.get("config", {}).get("begin_with", "")
    return False


def in_use(config: TrialConfig, entry: AdapterEntry) -> dict[str, Any]:
    """The settings with which a recipe answers with this adapter, as it was trained: of its own engine, where that can wear it."""
    model = entry.record["base"]["model"]
    own = model == "bundled" and isinstance(wearer(config, [entry.name]), LlamaCpp)
    base = {} if own else {"generation.part": "transformers", "generation.model": model}
    return base | {"generation.adapter": entry.name, "generation.adapter_scale": 1.0}


def data_key(config: TrialConfig, settings: dict[str, Any], file: Path | None) -> str:
    """Another one as soon as the data may be another."""
    return fingerprint(config, settings, str(file))


def received(data: bytes, suffix: str = ".jsonl") -> Path:
    """Keeps examples that were handed over, by their contents, so that a job finds them, also when it is resumed."""
    path = adapters_home() / ".files" / f"{hashlib.sha256(data).hexdigest()[:16]}{suffix}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_whole(path, data, "The examples")
    return path


def trained_adapters() -> list[AdapterEntry]:
    """Newest first."""
    entries = [AdapterEntry(name, adapter_record(name)) for name in adapter_names()]
    return sorted(entries, key=lambda entry: str(entry.record.get("created", "")), reverse=True)


def adapter_log(name: str, since: float = 0.0) -> list[dict[str, Any]]:
    """The training's log, running or finished. since: [] of a training that was neither begun nor gone on with from then on."""
    from core.training.log import read_log

    return read_log(adapters_home() / name, since)


def test_arguments(name: str) -> list[str]:
    """The command that goes on with the test of an adapter that is trained; [] where what it was trained with is gone."""
    from core.training.adapters.training import COMMAND
    from core.training.log import work_folder

    with suppress(WorkbenchError):
        command = files.read_json(work_folder(adapters_home() / name) / COMMAND, of=list)
        if command[:1] in (["train-adapter"], ["train-dpo"]) and command[1:2] == [name]:
            return command
    return []


def training_arguments(
    workbench: Workbench,
    config: TrialConfig,
    name: str,
    settings: dict[str, Any],
    file: Path | None = None,
    of_pairs: bool = False,
) -> list[str]:
    """The verb train-adapter, or train-dpo, as a job takes it. Raises where a setting is not valid."""
    return ["train-dpo" if of_pairs else "train-adapter", name, *_arguments(workbench, config, settings, file, of_pairs)]


def data_arguments(workbench: Workbench, config: TrialConfig, settings: dict[str, Any]) -> list[str]:
    """The verb adapter-data, which writes what the engine has not written yet."""
    return ["adapter-data", *_arguments(workbench, config, settings, None, False)]


def _arguments(
    workbench: Workbench, config: TrialConfig, settings: dict[str, Any], file: Path | None, of_pairs: bool
) -> list[str]:
    """What differs from the defaults; of the recipe what takes part."""
    kind = PreferenceTraining if of_pairs else AdapterTraining
    searches = valid(kind, settings).model_dump().get("distractors_by") == "retrieval"
    recipe = config if searches else TrialConfig(corpus=config.corpus, generation=config.generation)
    return [*(["--file", str(file)] if file else []), *options(changed(kind, settings)), *workbench.arguments(recipe)]


def is_taken(name: str) -> bool:
    """Whether there is an adapter of this name already."""
    return (adapters_home() / name).exists()
