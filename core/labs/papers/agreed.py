"""People's agreement in a paper: a study's labels as statistics take them, handed on without texts and names.

Where the study is stored its labels are read as they stand; on a bundle's records, those that were exported with it.
"""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from core import files
from core.agreement import sources, views
from core.agreement.coefficients import overview
from core.annotation import versions
from core.annotation.label_table import LabelTable
from core.config import StageConfig
from core.errors import WorkbenchError
from core.files.texts import MOST_DATA
from core.progress import drain
from core.workbench import Workbench

FOLDER = "labels-of-bundle"  # in the data folder that a bundle is opened in
MOST_CELLS = 20_000_000  # units times people

Names = tuple[Annotated[str, Field(max_length=200)], ...]


class LabelsOfPaper(StageConfig):
    """labels: (unit, annotator, value), both counted from 0. items: of each unit, what resamples draw it with."""

    level: Literal["nominal", "ordinal", "interval", "ratio"] = "nominal"
    categories: Names = ()
    items: tuple[int, ...] = Field(default=(), max_length=1_000_000)
    annotators: int = Field(default=1, ge=1, le=100_000)
    labels: tuple[tuple[int, int, float], ...] = Field(default=(), max_length=2_000_000)

    @model_validator(mode="after")
    def _fits(self) -> "LabelsOfPaper":
        units, most = len(self.items), len(self.categories) - 1 if self.categories else float("inf")
        if units * self.annotators > MOST_CELLS:
            raise ValueError("they are more than are read")
        for unit, annotator, value in self.labels:
            whole = not self.categories or value == int(value) >= 0
            if not (0 <= unit < units and 0 <= annotator < self.annotators and np.isfinite(value) and value <= most and whole):
                raise ValueError("a label is of no unit, annotator or category")
        return self

    @property
    def table(self) -> LabelTable:
        values = np.full((len(self.items), self.annotators), np.nan)
        for unit, annotator, value in self.labels:
            values[unit, annotator] = value
        units, people = (tuple(map(str, range(number))) for number in values.shape)
        drawn = tuple(f"{item:07}" for item in self.items)  # which sort as numbers do: resamples draw in that order
        return LabelTable(values, units, people, self.categories, self.level, drawn)


def answer(workbench: Workbench, study: str) -> dict[str, Any]:
    """As `annotate agreement STUDY` answers, without what needs more than the labels."""
    table = labels(workbench, study).table
    summary = drain(overview(table))
    return {
        "level": table.level,
        "units": summary.units,
        "annotators": summary.annotators,
        "labels": summary.labels,
        "categories": list(table.categories),
        "shares": dict(summary.shares),
        "measures": summary.measures,
    }


def labels(workbench: Workbench, study: str) -> LabelsOfPaper:
    """A stored study's, of its first part and last round; else those of the bundle that was opened."""
    if any(version.study.id == study for version in versions.studies(workbench)):
        return _of_study(workbench, study)
    path = workbench.home / FOLDER / f"{study}.json"
    if "/" in study or not path.is_file():
        raise WorkbenchError(f"There is no study '{study[:100]}' with labels.", todo="`python -m core annotate list` names them.")
    try:
        return LabelsOfPaper.model_validate(files.read_json(path, "The labels", of=dict, most=MOST_DATA))
    except ValidationError as error:
        raise WorkbenchError(f"These labels cannot be read: {' '.join(str(error).split())[:300]}.", where=path.name) from None


def _of_study(workbench: Workbench, study: str) -> LabelsOfPaper:
    table = views.read(sources.open_study(workbench, study), "", "", "", "", []).table
    number = {name: place for place, name in enumerate(sorted(set(table.item_ids)))}
    units, people = np.nonzero(~np.isnan(table.values))
    return LabelsOfPaper(
        level=table.level,
        categories=table.categories,
        items=tuple(number[name] for name in table.item_ids),
        annotators=len(table.annotators),
        labels=tuple(zip(units.tolist(), people.tolist(), table.values[units, people].tolist(), strict=True)),
    )
