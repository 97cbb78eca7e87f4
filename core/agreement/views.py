"""How labels are read: which part and round, at which level, and what counts as yes."""

import shlex
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.agreement.sources import LabelSource, table_of
from core.annotation.label_table import LabelTable, usual_yes
from core.errors import WorkbenchError
from core.statistics.dawid_skene import TWO, identified

METHODS = {"mean": "Mean", "majority": "Majority", "adjudicated": "Adjudicated", "dawid_skene": "Dawid and Skene"}
NO_DAWID_SKENE, OTHER = f"Dawid and Skene's model has no estimate: {TWO}.", "Choose another consensus."


def methods(source: LabelSource, table: LabelTable) -> list[str]:
    """Ways to a consensus that these labels allow, the usual one first: what was decided counts as soon as it is there."""
    ruled = {label.item for label in source.labels if label.round == "adjudication"}
    decided = ["adjudicated"] if ruled & set(table.item_ids) else []
    if not table.categories:
        return [*decided, "mean"]
    return [*decided, "majority", *(["dawid_skene"] if identified(table.values) else [])]


def usual_positive(table: LabelTable) -> tuple[str, ...]:
    """What counts as yes unless the reader says otherwise: of numbers 4 and more, or the largest."""
    if not table.categories:
        values = table.values[~np.isnan(table.values)]
        return (f"{min(4.0, values.max(initial=-np.inf)) if len(values) else 4.0:g}",)
    try:
        numbers = {name: float(name) for name in table.categories}
    except ValueError:
        return (usual_yes(table.categories),)
    return tuple(name for name, value in numbers.items() if value >= min(4.0, max(numbers.values())))


class View(NamedTuple):
    """Labels, and how they are read."""

    source: LabelSource
    part: str
    round: str
    table: LabelTable
    method: str  # of the consensus
    positive: tuple[str, ...]  # labels that count as yes
    level: str = ""  # of measurement, where it is not the usual one

    @property
    def units(self) -> str:
        """What is labelled, in words."""
        return {"sentences": "sentences" if self.table.texts else "items", "helpful": "answers", "preference": "pairs"}[self.part]

    def command(self, *options: str) -> str:
        """The command line that computes the same; options: of what beside the coefficients."""
        source = self.source
        chosen = {
            "--part": [self.part] if self.part != source.parts[0] else [],
            "--round": [self.round] if len(source.rounds) > 1 else [],
            "--level": [self.level] if self.level else [],
            "--consensus": [self.method] if self.method != methods(source, self.table)[0] else [],
            "--yes": self.positive if self.part != "preference" and self.positive != usual_positive(self.table) else [],
        }
        told = [f"{name} {shlex.quote(value)}" for name, values in chosen.items() for value in values]
        return " ".join([source.command, *told, *options])


def read(
    source: LabelSource, part: str = "", round_name: str = "", level: str = "", method: str = "", positive: Sequence[str] = ()
) -> View:
    """The labels as they are asked for, or as the page shows them at first."""
    part, rounds = chosen("part", part, source.parts), source.rounds
    if source.study is not None and not rounds:
        raise WorkbenchError("Nobody has labelled anything in this study yet.", where=source.name)
    round_name = chosen("round", round_name, (*rounds, *(["adjudication"] if source.ruled else [])) or ("",))
    table = table_of(source, part, round_name, level)
    if method == "dawid_skene" and table.categories and not identified(table.values):
        raise WorkbenchError(NO_DAWID_SKENE, todo=OTHER)
    method = chosen("consensus", method, methods(source, table))
    for name in positive:
        chosen("label", name, table.categories or (name,))
    try:
        [float(name) for name in positive if not table.categories]
    except ValueError:
        raise WorkbenchError(f"'{positive[0]}' is not a number, and these labels are numbers.") from None
    return View(source, part, round_name, table, method, tuple(positive) or usual_positive(table), level)


def chosen(what: str, asked: str, there: Sequence[str]) -> str:
    if asked and asked not in there:
        raise WorkbenchError(
            f"The labels have no {what} '{asked}'.", todo=f"There is {', '.join(filter(None, there)) or 'none'}."
        )
    return asked or there[0]
