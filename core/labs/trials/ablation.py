"""Each part of a recipe switched off in turn: what the metric loses without it, question by question.

What can be switched off is read off the table of stages: every stage that decides the ranking and is not the plain default
goes back to it, one at a time, and a fusion of several retrievers is replaced by each of them alone. Verbs of the page Search,
live, and of `python -m core ablate`.
"""

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.config import TrialConfig, difference, with_settings
from core.errors import WorkbenchError
from core.pipeline.speed import Estimate
from core.pipeline.stages import Recipe, by_field, ranking_fields, unused
from core.progress import told_within
from core.records import Progress
from core.statistics.corrections import holm
from core.statistics.paired import Paired
from core.workbench import Workbench


class PartOff(NamedTuple):
    """One part off. settings: dotted, what turns the recipe into the one without it."""

    field: str
    title: str  # of its stage
    settings: dict[str, Any]
    recipe: TrialConfig


class Ablated(NamedTuple):
    """paired: the recipe without the part minus the recipe with it, so below zero the part helps."""

    off: PartOff
    mean: float | None  # of the metric without it
    paired: Paired
    p_holm: float | None  # corrected over all parts; None: not tested


class Ablation(NamedTuple):
    metric: str
    mean: float | None  # with all parts
    parts: list[Ablated]  # the largest loss first
    left_out: dict[str, str]  # part -> why it cannot be switched off by itself


class AblationPlan(NamedTuple):
    """What stands between the parts and their numbers. live: nothing that one waits for; what: of each that needs something."""

    live: bool
    what: list[str]
    seconds: Estimate | None


def switches(config: TrialConfig) -> tuple[list[PartOff], dict[str, str]]:
    """(what can be switched off, in the order of the stages; what cannot, with the reason)."""
    usual, offered, left_out = TrialConfig(), [], {}
    wanted = ranking_fields()
    for field, stage in by_field().items():
        own, plain = getattr(config, field), getattr(usual, field)
        if field not in wanted or field == "corpus" or field in unused(config):
            continue
        offs = [plain] if own != plain else []
        if field == "fusion":
            needs = set(own.needs())
            offs += [part() for part in registry.parts("fusion").values() if set(part().needs()) < needs]
        for off in offs:
            try:
                recipe = with_settings(config, {field: off.model_dump(mode="json")})
            except WorkbenchError as error:  # it does not go together with the rest
                left_out[stage.title] = error.what
                continue
            offered.append(PartOff(field, stage.title, difference(recipe, config), recipe))
    return offered, left_out


def plan(workbench: Workbench, recipe: Recipe) -> AblationPlan:
    """What measuring all of it takes; loads no model."""
    run = workbench.resolve(recipe)
    plans = [workbench.plan(run.of(off.recipe)) for off in switches(run.config)[0]]
    seconds = [each.seconds for each in plans if each.what]
    total = None if None in seconds or not seconds else Estimate(*map(sum, zip(*seconds, strict=True)))
    return AblationPlan(all(each.live for each in plans), list(dict.fromkeys(each.what for each in plans if each.what)), total)


def ablate(workbench: Workbench, recipe: Recipe, metric: str) -> Generator[Progress, None, Ablation]:
    """The metric without each part minus the metric with it, paired by question, Holm's correction over the parts."""
    run = yield from workbench.pipeline.resolve(recipe)
    offs, left_out = switches(run.config)
    current = yield from workbench.evaluating(run)
    measured = []
    for done, off in enumerate(offs):
        step = Progress(done, len(offs), f"Without {off.title.lower()}")
        yield step
        without = yield from told_within(workbench.evaluating(run.of(off.recipe)), step)
        paired = workbench.differences(without, current, [metric])[metric]
        measured.append(Ablated(off, without.intervals[metric].mean, paired, None))
    tested = [i for i, part in enumerate(measured) if part.paired.p is not None]
    for i, p in zip(tested, holm(np.array([measured[i].paired.p for i in tested])).tolist(), strict=True):
        measured[i] = measured[i]._replace(p_holm=p)
    measured.sort(key=lambda part: (part.paired.difference is None, part.paired.difference))
    return Ablation(metric, current.intervals[metric].mean, measured, left_out)


def told_apart(part: Ablated, confidence: float) -> bool:
    return part.p_holm is not None and part.p_holm < 1 - confidence


def verdict(part: Ablated, confidence: float) -> str:
    """What the difference says of the part, in a word."""
    if not told_apart(part, confidence):
        return "not told apart"
    return "helps" if part.paired.difference < 0 else "hurts"


def rows(ablation: Ablation, confidence: float) -> list[dict[str, Any]]:
    return [
        {
            "part": part.off.title,
            "switched off": ", ".join(f"{path}={value}" for path, value in part.off.settings.items()),
            ablation.metric: part.mean,
            "difference": part.paired.difference,
            "low": part.paired.low,
            "high": part.paired.high,
            "p (Holm)": part.p_holm,
            "better": part.paired.wins,
            "worse": part.paired.losses,
            "n": part.paired.n,
            "verdict": verdict(part, confidence),
        }
        for part in ablation.parts
    ]


def sentence(ablation: Ablation, confidence: float) -> str:
    """What the parts are worth, and which of them hurt."""

    def names(verdict_wanted: str) -> str:
        return ", ".join(dict.fromkeys(p.off.title.lower() for p in ablation.parts if verdict(p, confidence) == verdict_wanted))

    told: Sequence[str] = [f"{word}: {names(word)}" for word in ("helps", "hurts") if names(word)]
    rest = sum(not told_apart(part, confidence) for part in ablation.parts)
    others = f"{rest} of {len(ablation.parts)} not told apart from no difference"
    return "; ".join([*told, others] if rest else told)
