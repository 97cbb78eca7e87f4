"""What many verbs take: a recipe, settings, grids, whole numbers from 1."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from core import config as recipes
from core import files
from core.errors import WorkbenchError

GRID = "STAGE.FIELD=A,B,C | START:STOP:STEP: each of these values in turn; repeatable."

Positive = Annotated[int, Parameter(validator=Number(gte=1))]
Text = Annotated[str, Parameter(allow_leading_hyphen=True)]
Metric = Annotated[str, Parameter(help="As `list metric` names them.")]
Grids = Annotated[tuple[str, ...], Parameter(name="--grid", help=GRID)]
ASK = ("--ask", "--count", "--questions")  # how many questions: the first is its name, the others have stood in commands
Asked = Annotated[Positive, Parameter(name=ASK, help="So many questions, drawn once; a larger sample contains the smaller.")]
Training = Annotated[tuple[str, ...], Parameter(help="FIELD=VALUE: how it is made and trained; repeatable.")]


@Parameter(name="*")
@dataclass(frozen=True)
class RecipeOptions:
    """The defaults, then a file, then the corpus, then single settings."""

    dataset: Annotated[str | None, Parameter(help="Name of the corpus, as `corpus list` lists it.")] = None
    config: Annotated[Path | None, Parameter(help="A recipe as YAML.")] = None
    settings: Annotated[tuple[str, ...], Parameter(name="--set", help="STAGE.FIELD=VALUE: change one setting; repeatable.")] = ()

    def read(self) -> recipes.TrialConfig:
        config = recipes.TrialConfig()
        if self.config:
            with placed(self.config):
                config = recipes.build(read_yaml(self.config))
        settings = {"corpus.dataset": self.dataset} if self.dataset else {}
        return recipes.with_settings(config, settings | read_settings(self.settings))


USUAL = RecipeOptions()


def keep_apart(out: Path | None, *read: Path | str | None) -> None:
    """Refuses, before any work, to write over a file that the same command reads or writes besides, by whatever name or link."""
    for path in filter(None, read) if out else ():
        if os.path.realpath(out) == os.path.realpath(path) or (out.exists() and os.path.exists(path) and out.samefile(path)):
            what = f"The same command uses this file as '{path}': it would be written over."
            raise WorkbenchError(what, where=str(out), todo="Name another file to write.")


@contextmanager
def placed(path: Path) -> Iterator[None]:
    """What is wrong with the settings of a file is told with the file."""
    try:
        yield
    except WorkbenchError as error:
        raise WorkbenchError(error.what, where=error.where or str(path), todo=error.todo) from error


def read_yaml(path: Path) -> dict[str, Any]:
    """A file of settings; an empty one has none."""
    return files.read_yaml(path, "The file of settings", of=dict | None, todo="Give a file of plain YAML.") or {}


def read_filled(path: Path) -> dict[str, Any]:
    """A file of at least one setting."""
    if not (settings := read_yaml(path)):
        raise WorkbenchError(
            "The file of settings is empty.", where=str(path), todo="Write one setting a line, as `title: Hours`."
        )
    return settings


def read_settings(texts: Sequence[str]) -> dict[str, Any]:
    """{"chunking.size_tokens": 128} from "chunking.size_tokens=128"."""
    settings = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals:
            raise WorkbenchError(f"'{text:.60}' has no =.", todo="For example --set chunking.size_tokens=128")
        settings[path] = files.read_value(value)
    return settings


def references(recipe: recipes.TrialConfig, texts: Sequence[str]) -> dict[str, recipes.TrialConfig]:
    """What the recipe is compared with, by its settings: a setting that is given again begins another recipe."""
    groups: list[dict[str, str]] = []
    for text in texts:
        path = text.partition("=")[0]
        if not groups or path in groups[-1]:
            groups.append({})
        groups[-1][path] = text
    return {" ".join(of.values()): recipes.with_settings(recipe, read_settings([*of.values()])) for of in groups}


def reference(recipe: recipes.TrialConfig, texts: Sequence[str]) -> recipes.TrialConfig:
    """The one recipe that these settings name."""
    named = references(recipe, texts)
    if len(named) > 1:
        raise WorkbenchError(
            f"{len(named)} recipes are named to compare with: {'; '.join(named)}.",
            where="--against",
            todo="Give each setting once; `evaluate` compares with several.",
        )
    return next(iter(named.values()))
