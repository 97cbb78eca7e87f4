"""Adapters of generators (LoRA): the registry of those trained here, and what refuses one that does not belong to a model.

An adapter is a folder of peft's own files (adapter_config.json, adapter_model.safetensors) with training.json: its base and that
one's hash, the card of its data, settings, curves and measurements.
"""

import json
from pathlib import Path
from typing import Any

from core import files
from core.errors import WorkbenchError
from core.models.hub import adapters_home
from core.models.identity import file_hash

WEIGHTS, SETTINGS, RECORD = "adapter_model.safetensors", "adapter_config.json", "training.json"
MOST = 2.0  # that an adapter may count


def weights_of(text: str) -> dict[str, float]:
    """Adapter -> how much of it counts, by name: of "a", or of "a:0.7,b:0.3" as llama.cpp's --lora-scaled has it.

    Several are a sum: the base's weights and each adapter's change of them, scaled (Ilharco et al. 2023, "Editing models with
    task arithmetic", arXiv:2212.04089, section 2).
    """
    weights: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, colon, number = part.strip().partition(":")
        try:
            weight = float(number) if colon else 1.0
        except ValueError:
            weight = -1.0
        if name in weights or not 0 <= weight <= MOST:
            twice = f"names '{name}' twice" if name in weights else f"gives '{name}' the weight '{number}'"
            todo = f"Write each once, with a weight of 0 to {MOST:g}: a:0.7,b:0.3."
            raise WorkbenchError(f"'{text}' {twice}.", where="generation.adapter", todo=todo)
        weights[name] = weight
    return dict(sorted(weights.items()))


def written(weights: dict[str, float]) -> str:
    """As `weights_of` reads it; one adapter that counts whole is its name."""
    names = sorted(weights)
    if [weights[name] for name in names] == [1.0]:
        return names[0]
    return ",".join(f"{name}:{weights[name]:g}" for name in names)


def counting(text: str, scale: float) -> dict[str, float]:
    """Those of `weights_of` that change anything, with what counts of each."""
    return {name: weight * scale for name, weight in weights_of(text).items() if weight * scale}


def adapter_names() -> list[str]:
    """Those that are complete, sorted."""
    folders = adapters_home().glob("[!.]*/")
    return sorted(f.name for f in folders if all((f / file).is_file() for file in (WEIGHTS, SETTINGS, RECORD)))


def adapter_record(name: str) -> dict[str, Any]:
    """What training.json holds; {} where it cannot be read."""
    try:
        record = json.loads((adapters_home() / name / RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def is_tested(name: str) -> bool:
    """Whether it was trained, and its test was not stopped."""
    return bool(adapter_record(name).get("comparison"))


def adapter_hash(name: str) -> str:
    """Identity of its contents."""
    folder = adapters_home() / name
    return "-".join(file_hash(folder / file)[:16] for file in (WEIGHTS, SETTINGS))


def checked_adapter(name: str, base: str) -> Path:
    """Its folder, where it is whole and was trained on the model whose files have this identity."""
    names, folder = adapter_names(), adapters_home() / name if name and Path(name).name == name else Path()  # a way is no name
    if name not in names:
        others = [file.name for file in folder.glob("adapter_model.*") if file.name != WEIGHTS] if folder.name else []
        if others:
            todo = f"Save it as {WEIGHTS}: other forms can run code when they are opened."
            raise WorkbenchError(f"The adapter '{name}' is no safetensors but {others[0]}.", where=str(folder), todo=todo)
        lacking = [file for file in (WEIGHTS, SETTINGS, RECORD) if not (folder / file).is_file()]
        what = f"There is no adapter '{name}'."
        if folder.name and folder.is_dir():
            what = f"The adapter '{name}' lacks {', '.join(lacking)}."
        todo = (
            f"Choose one of: {', '.join(names)}." if names else "None exists yet: `python -m core train-adapter NAME` trains one."
        )
        raise WorkbenchError(what, where="generation.adapter", todo=todo)
    if damaged := files.damage_in(folder):
        raise WorkbenchError(
            f"The adapter '{name}' is damaged: {damaged} is not as it was written.",
            where=str(folder),
            todo="Copy the folder back from a backup, or train it again.",
        )
    trained_on = adapter_record(name).get("base", {})
    if not isinstance(trained_on, dict) or trained_on.get("sha256") != base:
        told = trained_on.get("name") if isinstance(trained_on, dict) else ""
        raise WorkbenchError(
            f"The adapter '{name}' was trained on another model{f', {told}' if told else ''}: beside this one it would be noise.",
            where="generation.adapter",
            todo="Choose the model that it was trained on, or another adapter.",
        )
    return folder
