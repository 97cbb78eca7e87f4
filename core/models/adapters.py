"""Adapters of generators (LoRA): the registry of those trained here, and what refuses one that does not belong to a model.

An adapter is a folder of peft's own files (adapter_config.json, adapter_model.safetensors) with training.json: its base and that
one's hash, the card of its data, settings, curves and measurements. One ships with the bundled model, which wears it unless told not to.
"""

import re
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from core import files
from core.config import knob
from core.errors import WorkbenchError
from core.models.hub import adapters_home
from core.models.identity import file_hash
from core.models.loading import check_sealed

WEIGHTS, SETTINGS, RECORD = "adapter_model.safetensors", "adapter_config.json", "training.json"
MOST = 2.0  # that an adapter may count
SHIPPED = "answerer"  # of the bundled model; its folder stands beside this file
NAME = re.compile(r"[\w.]+")  # of matrices; a pattern would be run as one
STARTS = (True, False, "gaussian", "eva", "orthogonal", "mica")  # of a training, that leave the model's own weights as they are
# of adapter_config.json what is read, and its values in plain LoRA, rsLoRA and DoRA
READ = {
    "peft_type": lambda value: value == "LORA",
    "r": lambda value: type(value) is int and value > 0,
    "lora_alpha": lambda value: type(value) in (int, float) and 0 < value < 1e6,
    "target_modules": lambda value: value == "all-linear" or isinstance(value, list) and bool(value) and _are_names(value),
    "use_rslora": lambda value: type(value) is bool,
    "use_dora": lambda value: type(value) is bool,
    "rank_pattern": lambda value: isinstance(value, dict) and _are_names(value) and all(map(READ["r"], value.values())),
    "alpha_pattern": lambda value: isinstance(value, dict) and _are_names(value) and all(map(READ["lora_alpha"], value.values())),
}
# what decides no answer once the weights are trained
IDLE = {
    *("auto_mapping", "base_model_name_or_path", "corda_config", "ensure_weight_tying", "eva_config", "fan_in_fan_out"),
    *("inference_mode", "loftq_config", "lora_dropout", "lora_ga_config", "megatron_core", "peft_version", "qalora_group_size"),
    *("revision", "task_type"),
}


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


Adapter = Annotated[str, AfterValidator(lambda text: written(weights_of(text)))]


def adapter_knob(default: str = "") -> Any:
    return knob(
        default,
        "Small matrices beside the model's weights that were trained for it; several each with a weight: a:0.7,b:0.3. `answerer` comes "
        "with the bundled model and answers from passages; empty: the model as it is.",
    )


def adapter_scale_knob() -> Any:
    return knob(
        1.0,
        "How much of the adapter counts, of several how much of all: 0 is the model as it is, 1 the adapter as it was trained.",
        ge=0.0,
        le=2.0,
        step=0.05,
    )


def counting(text: str, scale: float) -> dict[str, float]:
    """Those of `weights_of` that change anything, with what counts of each."""
    return {name: weight * scale for name, weight in weights_of(text).items() if weight * scale}


def wearing(text: str, scale: float, base: str) -> dict[str, float]:
    """Those of `counting` that a model wears whose files have this identity; WorkbenchError where one is missing or another model's. The
    one that ships is worn by its own model alone, and by none where it is damaged, which is told."""
    worn = counting(text, scale)
    if SHIPPED in worn and adapter_record(SHIPPED).get("base", {}).get("sha256") not in (None, base):
        del worn[SHIPPED]
    for name in list(worn):
        try:
            checked_adapter(name, base)
        except WorkbenchError as error:
            if name != SHIPPED:
                raise
            del worn[name]
            files.tell(f"The bundled model answers without the adapter that comes with it: {error.what}")
    return worn


def folder_of(name: str) -> Path:
    """Where an adapter of this name lies."""
    return Path(__file__).with_name(SHIPPED) if name == SHIPPED else adapters_home() / name


def adapter_names() -> list[str]:
    """Those trained here that are complete, sorted."""
    return sorted(f.name for f in adapters_home().glob("[!.]*/") if is_complete(f))


def at_hand() -> list[str]:
    """The same behind the one that ships."""
    return [*([SHIPPED] if is_complete(folder_of(SHIPPED)) else []), *adapter_names()]


def is_complete(folder: Path) -> bool:
    return all((folder / file).is_file() for file in (WEIGHTS, SETTINGS, RECORD))


def adapter_record(name: str) -> dict[str, Any]:
    """What training.json holds; {} where it cannot be read."""
    try:
        return files.read_json(folder_of(name) / RECORD, of=dict)
    except WorkbenchError:
        return {}


def is_plain(name: str) -> bool:
    """Whether llama.cpp can wear it: DoRA it cannot. What cannot be read is told where it is worn."""
    with suppress(WorkbenchError):
        return adds_up(lora_settings(folder_of(name)))
    return True


def adds_up(settings: dict[str, Any]) -> bool:
    """Whether an adapter of these settings changes each matrix by a product that is added to it."""
    return not (settings.get("use_dora") or settings.get("alpha_pattern"))


def lora_settings(folder: Path) -> dict[str, Any]:
    """Of adapter_config.json what `READ` names. Whatever else would change the model is refused, also what nobody knows yet."""
    settings = files.read_json(folder / SETTINGS, "The adapter's settings", of=dict, numbers="careless")
    where, start = str(folder / SETTINGS), settings.get("init_lora_weights", True)
    if start not in STARTS:
        raise WorkbenchError(
            f"The adapter's training began from changed weights of the model (init_lora_weights: {start!s:.40}): beside the "
            "unchanged ones it would say something else.",
            where=where,
            todo="Save it as plain LoRA where it was trained: peft's path_initial_model_for_weight_conversion.",
        )
    needed = {"peft_type", "r", "lora_alpha", "target_modules"}
    odd = [name for name, is_plain in READ.items() if name in {*needed, *settings} and not is_plain(settings.get(name))]
    others = settings.keys() - READ.keys() - IDLE - {"init_lora_weights"}
    odd += sorted(name for name in others if settings[name] not in (None, False, "none", [], {}))
    if odd:
        told = f"{odd[0]}: {settings[odd[0]]!s:.80}" if odd[0] in settings else f"{odd[0]} is missing"
        raise WorkbenchError(
            f"The adapter is no plain LoRA, rsLoRA or DoRA ({told}).",
            where=where,
            todo="Take one whose settings are rank, alpha and a list of matrices, or merge it where it was trained.",
        )
    return {name: settings[name] for name in READ if name in settings and name != "peft_type"}


def _are_names(values: Any) -> bool:
    return all(isinstance(value, str) and NAME.fullmatch(value) for value in values)


def is_tested(name: str) -> bool:
    """Whether it was trained, and its test was not stopped."""
    return bool(adapter_record(name).get("comparison"))


def adapter_hash(name: str) -> str:
    """Identity of its contents."""
    folder = folder_of(name)
    return "-".join(file_hash(folder / file)[:16] for file in (WEIGHTS, SETTINGS))


def checked_adapter(name: str, base: str) -> Path:
    """Its folder, where it is whole and was trained on the model whose files have this identity."""
    names, folder = at_hand(), folder_of(name) if name and Path(name).name == name else Path()  # a way is no name
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
    check_sealed(folder, f"The adapter '{name}'")
    trained_on = adapter_record(name).get("base", {})
    if not isinstance(trained_on, dict) or trained_on.get("sha256") != base:
        told = trained_on.get("name") if isinstance(trained_on, dict) else ""
        raise WorkbenchError(
            f"The adapter '{name}' was trained on another model{f', {told}' if told else ''}: beside this one it would be noise.",
            where="generation.adapter",
            todo="Choose the model that it was trained on, or another adapter.",
        )
    return folder
