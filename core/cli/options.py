"""What many verbs take: a recipe, settings, grids, whole numbers from 1."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from cyclopts import Parameter
from cyclopts.validators import Number

from core import config as recipes
from core.errors import WorkbenchError

MOST_VALUES = 100_000  # of one setting in a grid
GRID = "STAGE.FIELD=A,B,C | START:STOP:STEP: each of these values in turn; repeatable."

Positive = Annotated[int, Parameter(validator=Number(gte=1))]
Text = Annotated[str, Parameter(allow_leading_hyphen=True)]
Metric = Annotated[str, Parameter(help="As `list metric` names them.")]
Grids = Annotated[tuple[str, ...], Parameter(name="--grid", help=GRID)]
Asked = Annotated[Positive, Parameter(help="So many questions, drawn once; a larger number holds the smaller.")]
Training = Annotated[tuple[str, ...], Parameter(help="FIELD=VALUE: how it is made and trained; repeatable.")]


@Parameter(name="*")
@dataclass(frozen=True)
class RecipeOptions:
    """The defaults, then a file, then the corpus, then single settings."""

    dataset: Annotated[str | None, Parameter(help="Name of the corpus, as `datasets` lists it.")] = None
    config: Annotated[Path | None, Parameter(help="A recipe as YAML.")] = None
    settings: Annotated[tuple[str, ...], Parameter(name="--set", help="STAGE.FIELD=VALUE: change one setting; repeatable.")] = ()

    def read(self) -> recipes.TrialConfig:
        config = recipes.build(read_yaml(self.config) if self.config else {})
        settings = {"corpus.dataset": self.dataset} if self.dataset else {}
        return recipes.with_settings(config, settings | read_settings(self.settings))


USUAL = RecipeOptions()


def read_yaml(path: Path) -> dict[str, Any]:
    """A file of settings."""
    try:
        mapping = yaml.safe_load(path.read_text("utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise WorkbenchError(f"The settings cannot be read: {error}", where=str(path), todo="Give a YAML file.") from None
    if not isinstance(mapping, dict):
        raise WorkbenchError("The settings are not a mapping.", where=str(path), todo="See `show ID` for a recipe.")
    return mapping


def read_settings(texts: Sequence[str]) -> dict[str, Any]:
    """{"chunking.size_tokens": 128} from "chunking.size_tokens=128"."""
    settings = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals:
            raise WorkbenchError(f"'{text}' has no =.", todo="For example --set chunking.size_tokens=128")
        settings[path] = read_value(value)
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


def read_value(text: str) -> Any:
    """A value as YAML reads it; what is no YAML is a word."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def read_grid(texts: Sequence[str]) -> dict[str, list[Any]]:
    """{"fusion.weight": [0.0, 0.1, …]} from "fusion.weight=0:1:0.1" (both ends included) or "…=a,b,c"."""
    grid = {}
    for text in texts:
        path, _, values = text.partition("=")
        try:
            if values.count(":") == 2:
                start, stop, step = (float(v) for v in values.split(":"))
                count = round((stop - start) / step) + 1
                if count > MOST_VALUES:
                    raise ValueError("too many values")
                exact = [round(start + i * step, 10) for i in range(count)]
                grid[path] = [int(v) for v in exact] if all(v.is_integer() for v in (start, stop, step)) else exact
            else:
                grid[path] = [read_value(v) for v in values.split(",")]
        except (ValueError, ZeroDivisionError, OverflowError):
            grid[path] = []
        if not values or not grid[path]:
            raise WorkbenchError(f"'{text}' is no grid.", todo="For example --grid fusion.weight=0:1:0.1")
    return grid
