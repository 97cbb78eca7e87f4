"""How labels are read: which part and round, at which level, and what counts as yes."""

import shlex
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.agreement.sources import LabelSource, table_of
from core.annotation.label_table import LabelTable
from core.errors import WorkbenchError
from core.statistics.dawid_skene import TWO, identified

METHODS = {"mean": "Mean", "majority": "Majority", "adjudicated": "Adjudicated", "dawid_skene": "Dawid and Skene"}
NO_DAWID_SKENE, OTHER = f"Dawid and Skene's model has no estimate: {TWO}.", "Choose another consensus."


def methods(source: LabelSource, found: LabelTable) -> list[str]:
    """Ways to a consensus that these labels allow, the usual one first: what was decided counts as soon as it is there."""
    ruled = {one.item for one in source.labels if one.round == "adjudication"}
    decided = ["adjudicated"] if ruled & set(found.item_ids) else []
    if not found.categories:
        return [*decided, "mean"]
    return [*decided, "majority", *(["dawid_skene"] if identified(found.values) else [])]


def usual_positive(found: LabelTable) -> tuple[str, ...]:
    """What counts as yes unless the reader says otherwise: of numbers 4 and more, or the largest."""
    if not found.categories:
        known = found.values[~np.isnan(found.values)]
        return (f"{min(4.0, known.max(initial=-np.inf)) if len(known) else 4.0:g}",)
    try:
        numbers = {name: float(name) for name in found.categories}
    except ValueError:
        named = [name for name in found.categories if name.lower() in ("supported", "yes", "true")]
        return tuple(named[:1]) or found.categories[:1]
    return tuple(name for name, value in numbers.items() if value >= min(4.0, max(numbers.values())))


class View(NamedTuple):
    """Labels, and how they are read."""

    source: LabelSource
    part: str
    round: str
    found: LabelTable
    method: str  # of the consensus
    positive: tuple[str, ...]  # labels that count as yes
    level: str = ""  # of measurement, where it is not the usual one

    @property
    def units(self) -> str:
        """What is labelled, in words."""
        return {"sentences": "sentences" if self.found.texts else "items", "helpful": "answers", "preference": "pairs"}[self.part]

    def command(self, *options: str) -> str:
        """The command line that computes the same; options: of what beside the coefficients."""
        source = self.source
        chosen = {
            "--part": [self.part] if self.part != source.parts[0] else [],
            "--round": [self.round] if len(source.rounds) > 1 else [],
            "--level": [self.level] if self.level else [],
            "--consensus": [self.method] if self.method != methods(source, self.found)[0] else [],
            "--yes": self.positive if self.part != "preference" and self.positive != usual_positive(self.found) else [],
        }
        told = [f"{name} {shlex.quote(value)}" for name, values in chosen.items() for value in values]
        return " ".join([source.command, *told, *options])


def read(
    source: LabelSource, part: str = "", round: str = "", level: str = "", method: str = "", positive: Sequence[str] = ()
) -> View:
    """The labels as they are asked for, or as the page shows them at first."""
    part, rounds = chosen("part", part, source.parts), source.rounds
    if source.study is not None and not rounds:
        raise WorkbenchError("Nobody has labelled anything in this study yet.", where=source.name)
    round = chosen("round", round, (*rounds, *(["adjudication"] if source.ruled else [])) or ("",))
    found = table_of(source, part, round, level)
    if method == "dawid_skene" and found.categories and not identified(found.values):
        raise WorkbenchError(NO_DAWID_SKENE, todo=OTHER)
    method = chosen("consensus", method, methods(source, found))
    for name in positive:
        chosen("label", name, found.categories or (name,))
    try:
        [float(name) for name in positive if not found.categories]
    except ValueError:
        raise WorkbenchError(f"'{positive[0]}' is no number, and these labels are numbers.") from None
    return View(source, part, round, found, method, tuple(positive) or usual_positive(found), level)


def chosen(what: str, asked: str, there: Sequence[str]) -> str:
    if asked and asked not in there:
        raise WorkbenchError(
            f"The labels have no {what} '{asked}'.", todo=f"There is {', '.join(filter(None, there)) or 'none'}."
        )
    return asked or there[0]
