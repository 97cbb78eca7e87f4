"""Each part of a recipe switched off in turn: what the metric loses without it, question by question.

What can be switched off is read off the table of stages: every stage that decides the ranking and is not the plain default
goes back to it, one at a time, and a fusion of several retrievers is replaced by each of them alone. By the metric ANSWERED
also the stages that only decide the answer. Verbs of the page Search,
live, and of `python -m core recipe ablate`.
"""

import re
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.comparison.comparison import Difference, compared, rules_of
from core.config import LISTS, NOTHING, PART_KINDS, TrialConfig, difference, with_settings
from core.errors import WorkbenchError
from core.labs.answers.answering import AnswerCost, together
from core.labs.failures import rungs
from core.labs.failures.ladder import FINAL, standing
from core.pipeline.forecast import Phase, total
from core.pipeline.speed import Estimate
from core.pipeline.stages import Recipe, Resolved, by_field, found_by, ranking_fields, unused
from core.progress import counted_within
from core.records import Progress
from core.report.table import MEAN, SIGNED, Column, Table, corrected_p
from core.workbench import Workbench

WHOLE = -1  # the recipe with all its parts, before the places of those switched off
ANSWERED = "answered"  # beside the metrics of rankings: whether the ladder's judge accepts the recipe's answer


class PartOff(NamedTuple):
    """One part off. settings: dotted, what turns the recipe into the one without it."""

    field: str
    title: str  # of its stage
    settings: dict[str, Any]
    recipe: TrialConfig


class Ablated(NamedTuple):
    """change: the recipe without the part minus the recipe with it, so below zero the part helps; p corrected over all parts."""

    off: PartOff
    mean: float | None  # of the metric without it
    change: Difference

    def verdict(self, confidence: float) -> str:
        """What the difference says of the part, in a word."""
        return self.change.verdict(confidence, ("hurts", "helps")) or "not significant"


class Ablation(NamedTuple):
    metric: str
    mean: float | None  # with all parts
    parts: list[Ablated]  # the largest loss first
    left_out: dict[str, str]  # part -> why it cannot be switched off by itself


class AblationPlan(NamedTuple):
    """What stands between the parts and their numbers. live: nothing that one waits for; phases: of those that need something."""

    live: bool
    phases: tuple[Phase, ...]


def switches(config: TrialConfig, answers: bool = False) -> tuple[list[PartOff], dict[str, str]]:
    """(what can be switched off, in the order of the stages; what cannot, with the reason). answers: also what decides the
    answer and no ranking."""
    offered, left_out = [], {}
    wanted = {*ranking_fields(), *(field for field in by_field() if answers and field != "evaluation")} - {"corpus"}
    for field, stage in by_field().items():
        if field not in wanted - unused(config):
            continue
        for change in _offs(config, field):
            try:
                recipe = with_settings(config, change)
            except WorkbenchError as error:  # it does not go together with the rest
                left_out[stage.title] = error.what
                continue
            offered.append(PartOff(field, stage.title, difference(recipe, config), recipe))
    return offered, left_out


def _offs(config: TrialConfig, field: str) -> list[dict[str, Any]]:
    """Settings that switch a stage off: the whole of it, of one without parts also each setting, of a fusion each retriever, of
    other retrievers than the usual two each member."""
    if field in LISTS["retrievers"].names:
        members = found_by(config)
        several = len(members) > 1 and set(members) != set(LISTS["retrievers"].usual)
        return [{field: {"part": NOTHING}}] if several and field in members.values() else []
    own, plain = getattr(config, field), getattr(TrialConfig(), field)
    offs = [{field: plain.model_dump(mode="json")}] if own != plain else []
    if field not in PART_KINDS:
        names = [name for name in type(own).model_fields if getattr(own, name) != getattr(plain, name)]
        offs += [{f"{field}.{name}": getattr(plain, name)} for name in names if len(names) > 1]
    if field == "fusion":
        parts = (part() for part in registry.parts("fusion").values())
        there = tuple(found_by(config))
        offs += [{field: part.model_dump(mode="json")} for part in parts if set(part.needs(there)) < set(own.needs(there))]
    return offs


def plan(workbench: Workbench, recipe: Recipe, answers: bool = False) -> AblationPlan:
    """What measuring all of it takes; loads no model."""
    run = workbench.resolve(recipe)
    plans = [workbench.plan(run.of(off.recipe), answers) for off in switches(run.config, answers)[0]]
    return AblationPlan(all(each.live for each in plans), _together([phase for each in plans for phase in each.phases]))


def _together(phases: Sequence[Phase]) -> tuple[Phase, ...]:
    """Work of one kind is told once: "reranking 10 passages" and "reranking 5 passages" are 15."""
    counts: dict[tuple[str, str], int] = {}
    times: dict[tuple[str, str], list[Estimate | None]] = {}
    for phase in phases:
        before, number, after = re.fullmatch(r"(\D*)([\d,]*)(.*)", phase.what, re.DOTALL).groups()
        counts[before, after] = counts.get((before, after), 0) + int(number.replace(",", "") or 0)
        times.setdefault((before, after), []).append(phase.seconds)
    return tuple(
        Phase(f"{before}{number:,}{after}" if number else before + after, None if None in some else total(some))
        for ((before, after), number), some in zip(counts.items(), times.values(), strict=True)
    )


def answers_to_write(workbench: Workbench, recipe: Recipe, count: int) -> Generator[Progress, None, AnswerCost]:
    """Those that are not known yet of the recipe and of it without each part."""
    run, costs = (yield from workbench.pipeline.resolve(recipe)), []
    for each in (run, *(run.of(off.recipe) for off in switches(run.config, True)[0])):
        costs.append(rungs.cost(workbench, (yield from standing(workbench, each)), count, (FINAL,)))
    return together(costs)


def ablate(workbench: Workbench, recipe: Recipe, metric: str, count: int = rungs.FIRST) -> Generator[Progress, None, Ablation]:
    """The metric without each part minus the metric with it, paired by question, Holm's correction over the parts.

    Of the metric ANSWERED so many questions are asked, and what is known is not asked again.
    """
    run = yield from workbench.pipeline.resolve(recipe)
    offs, left_out = switches(run.config, metric == ANSWERED)
    values: dict[int, dict[str, np.ndarray]] = {WHOLE: {metric: (yield from _values(workbench, run, metric, count))}}
    for done, off in enumerate(offs):
        step = Progress(done, len(offs), f"Without {off.title.lower()}")
        yield step
        values[done] = {metric: (yield from counted_within(_values(workbench, run.of(off.recipe), metric, count), step))}
    made = compared(values, rules_of(run.config), WHOLE, unbounded=[metric])
    parts = [Ablated(off, _mean(values[place][metric]), made.of(place, metric)) for place, off in enumerate(offs)]
    parts.sort(key=lambda part: (part.change.paired.difference is None, part.change.paired.difference))
    return Ablation(metric, _mean(values[WHOLE][metric]), parts, left_out)


def _values(workbench: Workbench, run: Resolved, metric: str, count: int) -> Generator[Progress, None, np.ndarray]:
    """Of each question, in an order that all recipes on these questions share."""
    if metric != ANSWERED:
        return (yield from workbench.evaluating(run)).values[metric]
    return rungs.verdicts(workbench, (yield from rungs.climb(workbench, run, count, (FINAL,))), count)


def _mean(values: np.ndarray) -> float | None:
    measured = values[~np.isnan(values)]
    return float(measured.mean()) if len(measured) else None


def rows(ablation: Ablation, confidence: float) -> list[dict[str, Any]]:
    return [
        {
            "part": part.off.title,
            "switched off": ", ".join(f"{path}={value}" for path, value in part.off.settings.items()),
            ablation.metric: part.mean,
            **dict(zip(("difference", "low", "high"), part.change.paired[:3], strict=True)),
            "p (Holm)": part.change.p_holm,
            "better": part.change.paired.wins,
            "worse": part.change.paired.losses,
            "n": part.change.paired.n,
            "verdict": part.verdict(confidence),
        }
        for part in ablation.parts
    ]


def table(ablation: Ablation, title: str, words: Sequence[str], confidence: float, command: str = "") -> Table:
    """title: of the metric; words: each part and what stands in its place."""
    made = [
        row | {"off": off, "won : lost": f"{row['better']:,} : {row['worse']:,}"}
        for row, off in zip(rows(ablation, confidence), words, strict=True)
    ]
    columns = (
        Column("off", "Switched off", help="The part, and after the arrow its replacement."),
        Column("verdict", "The part"),
        Column(ablation.metric, title, MEAN),
        *(Column(name, "", SIGNED) for name in ("difference", "low", "high")),
        corrected_p(),
        Column("won : lost", help="Questions on which the recipe without the part is better, and on which it is worse."),
    )
    return Table("ablation_table", columns, made, "Each part switched off", method(ablation, confidence), command)


def method(ablation: Ablation, confidence: float) -> str:
    return (
        f"Paired bootstrap intervals ({100 * confidence:g}%); sign-flip test, Holm's correction over {len(ablation.parts)} parts"
    )


def sentence(ablation: Ablation, confidence: float) -> str:
    """What the parts are worth, and which of them hurt."""

    def names(verdict_wanted: str) -> str:
        return ", ".join(dict.fromkeys(p.off.title.lower() for p in ablation.parts if p.verdict(confidence) == verdict_wanted))

    told: Sequence[str] = [f"{word}: {names(word)}" for word in ("helps", "hurts") if names(word)]
    rest = sum(not part.change.significant(confidence) for part in ablation.parts)
    others = f"{rest} of {len(ablation.parts)} without a significant difference"
    return "; ".join([*told, others] if rest else told)
