"""Parts find their own way in: a file in the kind's folder, one decorator, nothing else to edit.

A part is a frozen pydantic config (its knobs) whose methods do the work; heavy imports stand inside the methods.
"""

import importlib
import pkgutil
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import NamedTuple

from core.errors import WorkbenchError

_parts: dict[str, dict[str, type]] = defaultdict(dict)
_searched: set[str] = set()  # folders whose modules have been imported


def part(kind: str):
    """Class decorator: registers a part under the default of its `part` field."""

    def register(cls):
        _parts[kind][cls.model_fields["part"].default] = cls
        return cls

    return register


class Kind(NamedTuple):
    folder: str
    about: str  # what its parts are


@cache
def kinds() -> dict[str, Kind]:
    """Every kind of part: a folder of core says in `KINDS` which it holds."""
    packages = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]) if module.ispkg]
    held = {folder: getattr(importlib.import_module(f"core.{folder}"), "KINDS", {}) for folder in packages}
    return {kind: Kind(folder, about) for folder, said in held.items() for kind, about in said.items()}


def parts(kind: str) -> dict[str, type]:
    """Name -> class of every part of a kind, in the order that they say, then by name. Importing a part's module loads no
    engine."""
    if kind not in kinds():
        raise WorkbenchError(f"There is no kind '{kind}'.", todo=f"Kinds: {', '.join(kinds())}.")
    folder = kinds()[kind].folder
    if folder not in _searched:
        for module in pkgutil.iter_modules([str(Path(__file__).parent / folder)]):
            importlib.import_module(f"core.{folder}.{module.name}")
        _searched.add(folder)
    return dict(sorted(_parts[kind].items(), key=lambda item: (item[1].order, item[0])))


def find(kind: str, name: str) -> type:
    by_name = parts(kind)
    if name not in by_name:
        raise WorkbenchError(f"There is no {kind} '{name}'.", todo=f"Choose one of: {', '.join(by_name)}.")
    return by_name[name]
