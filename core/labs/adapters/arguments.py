"""Arguments of an adapter's training under a name: one YAML file each, which the page fills its form from and the command line takes.

    verb: train-adapter
    settings: {source: corpus, rank: 8, max_steps: 400}

Settings that are not named are the usual ones. The recipe, the name of the adapter and a file of examples are no part of it.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from core import files
from core.errors import WorkbenchError
from core.training.adapters.settings import AdapterTraining, LoraTraining, PreferenceTraining
from core.training.settings import changed
from core.workbench import Workbench

KINDS: dict[str, type[LoraTraining]] = {"train-adapter": AdapterTraining, "train-dpo": PreferenceTraining}
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


class Arguments(NamedTuple):
    """verb: train-adapter, or train-dpo for pairs; settings: those that differ from the usual ones."""

    verb: str
    settings: dict[str, Any]

    @property
    def of_pairs(self) -> bool:
        return self.verb == "train-dpo"

    def text(self) -> str:
        return yaml.safe_dump(self._asdict(), sort_keys=False, allow_unicode=True)


def arguments_of(settings: dict[str, Any], of_pairs: bool) -> Arguments:
    """Of the settings those that differ from the usual ones, checked."""
    verb = "train-dpo" if of_pairs else "train-adapter"
    return Arguments(verb, changed(KINDS[verb], settings))


def parsed(text: str, where: str) -> Arguments:
    """The arguments that a file says; raises with its name where it is none of these."""
    read = files.read_yaml(text, "The file of arguments", where=where)
    if not isinstance(read, dict) or read.keys() - {"verb", "settings"} or str(read.get("verb")) not in KINDS:
        todo = "Give a file with `verb: train-adapter` or `verb: train-dpo`, and `settings`, as the page saves it."
        raise WorkbenchError("This file holds no arguments of a training.", where=where, todo=todo)
    settings = read.get("settings") or {}
    if not isinstance(settings, dict):
        raise WorkbenchError("The settings are no list of names with values.", where=f"{where}: settings")
    try:
        return arguments_of(settings, read["verb"] == "train-dpo")
    except WorkbenchError as error:
        raise WorkbenchError(error.what, where=f"{where}: {error.where or 'settings'}", todo=error.todo) from None


def read_arguments(workbench: Workbench, source: Path, verb: str) -> dict[str, Any]:
    """The settings for this verb, of a file or of arguments that are saved under that name."""
    there = source.expanduser()
    saved = not there.exists() and str(source) in saved_arguments(workbench)
    read = (
        stored_arguments(workbench, str(source))
        if saved
        else parsed(files.read_text(there, "The file of arguments"), str(source))
    )
    if read.verb != verb:
        raise WorkbenchError(
            f"These are arguments of {read.verb}, not of {verb}.", where=str(source), todo=f"Use them with {read.verb}."
        )
    return read.settings


def save_arguments(workbench: Workbench, name: str, arguments: Arguments) -> Path:
    """Keeps them under this name, in place of those that had it."""
    if not re.fullmatch(NAME, name):
        raise WorkbenchError(
            f"'{name[:80]}' cannot be a name.", todo="Take letters, digits, points, hyphens and underscores, 64 at most."
        )
    path = _folder(workbench) / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_whole(path, arguments.text(), "The arguments")
    return path


def saved_arguments(workbench: Workbench) -> list[str]:
    """The names under which there are some, in order."""
    return sorted(path.stem for path in _folder(workbench).glob("*.yaml") if re.fullmatch(NAME, path.stem))


def stored_arguments(workbench: Workbench, name: str) -> Arguments:
    if name not in saved_arguments(workbench):
        raise WorkbenchError(
            f"There are no saved arguments '{name[:80]}'.", todo="`adapters arguments` lists those that there are."
        )
    path = _folder(workbench) / f"{name}.yaml"
    return parsed(files.read_text(path, "The file of arguments"), str(path))


def _folder(workbench: Workbench) -> Path:
    return workbench.home / "training_arguments"
