"""A cascade of rerankers chosen by cross-validation: what it is worth on questions that had no part in the choice."""

from collections.abc import Generator, Mapping, Sequence
from itertools import product
from typing import Any

from core.config import LISTS, TrialConfig, with_settings
from core.labs.reranking.effect import without
from core.labs.trials import curve
from core.labs.trials.weights import By, alone, held_out
from core.progress import within
from core.records import Progress
from core.workbench import Workbench, as_options

SHARES = (0.25, 0.5, 0.75, 1.0)  # of a reranker's score
BOTH = (0.5, 1.0)  # of two rerankers, one behind the other
NONE = "no reranking"


def cascades(depth: int, last: int, shares: Sequence[float] = SHARES) -> list[dict[str, Any]]:
    """Settings of each: none, MaxSim of the best `depth`, the cross-encoder of the best `last`, and the one behind the other."""
    first = [steps(("maxsim", depth, share)) for share in shares]
    second = [steps(("cross_encoder", last, share)) for share in shares]
    behind = [steps(("maxsim", depth, a), ("cross_encoder", last, b)) for a, b in product(BOTH, BOTH)]
    return [{}, *first, *second, *behind]


def steps(*rerankers: tuple[str, int, float]) -> dict[str, Any]:
    """Settings of rerankers (part, depth, weight), one behind the other."""
    return {
        f"{stage}.{name}": value
        for stage, step in zip(LISTS["rerankers"].names, rerankers, strict=False)
        for name, value in zip(("part", "depth", "weight"), step, strict=True)
    }


def in_words(settings: Mapping[str, Any]) -> str:
    """A cascade as people say it: "maxsim 30 × 0.5, then cross_encoder 3 × 1"."""
    stages = [stage for stage in LISTS["rerankers"].names if f"{stage}.part" in settings]
    said = (tuple(settings[f"{stage}.{name}"] for name in ("part", "depth", "weight")) for stage in stages)
    return ", then ".join(f"{part} {depth} × {weight:g}" for part, depth, weight in said) or NONE


def learn(
    workbench: Workbench, recipe: TrialConfig, tried: Sequence[Mapping[str, Any]], metric: str, folds: int, by: By
) -> Generator[Progress, None, dict[str, Any]]:
    """The best of these cascades behind the recipe's fusion; changes and stores nothing."""
    plain = without(recipe)
    run, points = (yield from workbench.pipeline.resolve(plain)), []
    for done, settings in enumerate(tried):
        variant = run.of(with_settings(plain, dict(settings)))
        yield from within(workbench.evaluating(variant), Progress(done, len(tried), in_words(settings)))
        points.append(curve.point_of(workbench, variant))
    others = alone(plain) | {NONE: plain} | ({"the recipe as set": recipe} if recipe != plain else {})
    told, held = yield from held_out(workbench, run, points, range(len(tried)), others, metric, folds, by)
    best = tried[int(held.weight)]
    return told | {
        "best over all questions": in_words(best),
        "to use it": " ".join(as_options("--set", dict(best))),
        "folds": [
            {"fold": number, **{name: value for name, value in fold._asdict().items() if name != "weight"}}
            | {"chosen": in_words(tried[int(fold.weight)])}
            for number, fold in enumerate(held.folds, 1)
        ],
    }
