"""How large a study has to be: power, or the width of an interval, over the number of items."""

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from core.errors import WorkbenchError
from core.records import Progress

GOALS = {
    "difference": "A difference between two shares",
    "means": "A difference between two means",
    "rate": "The interval of a share",
    "alpha": "The interval of alpha",
}
ASSUMED = {  # goal -> values to start from
    "difference": {"rate": 0.7, "difference": 0.15, "discordant": 0.35, "accuracy": 0.9, "level": 0.05, "target": 0.8},
    "means": {"difference": 0.4, "sd_items": 1.0, "sd_label": 0.8, "level": 0.05, "target": 0.8},
    "rate": {"rate": 0.7, "alpha": 0.6, "target": 0.07},
    "alpha": {"alpha": 0.6, "frequent": 0.6, "categories": 4, "target": 0.1},
}
SHARE, SPREAD = (0.0, 1.0), (0.0, 1000.0)
BOUNDS = {  # of what is assumed; labels worse than chance would count differences the wrong way round
    "rate": SHARE,
    "discordant": SHARE,
    "accuracy": (0.5, 1.0),
    "alpha": SHARE,
    "frequent": SHARE,
    "level": SHARE,
    "target": SHARE,
    "sd_items": SPREAD,
    "sd_label": SPREAD,
    "categories": (2, 100),
}


class PowerCurves(NamedTuple):
    """Power, or half-width of an interval, over the number of items."""

    items: list[int]
    by_annotators: dict[int, list[float | None]]  # annotators an item -> by formula, as `predictors` says
    simulated: list[tuple[int, float]]  # (items, value) of simulated studies, of the chosen number of annotators
    at: float | None  # of the chosen design, by formula
    needed: dict[int, int | None]  # annotators an item -> items for the target; None: more than 100,000


def discordant_bounds(rate: float, difference: float) -> tuple[float, float]:
    """What share of questions can differ, given both rates."""
    return abs(difference), min(2 * rate + difference, 2 - 2 * rate - difference)


def fitted(goal: str, values: dict[str, float], wanted: float) -> dict[str, float]:
    """A pilot's values; it says nothing of the difference that is wanted, and the shares have to fit that."""
    if goal != "difference":
        return values
    rate = min(values["rate"], 1 - wanted)
    low, high = discordant_bounds(rate, wanted)
    return values | {"rate": rate, "discordant": min(max(values["discordant"], low), high)}


def curves(
    goal: str, values: dict[str, float], items: int, annotators: int, studies: int = 2000, seed: int = 0
) -> Generator[Progress, None, PowerCurves]:
    """The curves of one goal for 1, 2, 3, 5 and the chosen number of annotators, with the chosen design simulated beside."""
    several = sorted({1, 2, 3, 5, annotators} - ({1} if goal == "alpha" else set()))
    makers, needed = {k: predictors(goal, values, k) for k in several}, {}
    for number, k in enumerate(several):
        yield Progress(number, 2 * len(several) + 6, f"{k} annotators an item")
        needed[k] = items_for(goal, values, k)
    most = max(1.4 * items, 1.25 * min(needed.get(annotators) or 400, 20_000), 60)
    places = sorted({max(4, round(most * step / 63)) for step in range(1, 64)})
    predicted = {}
    for number, k in enumerate(several):
        yield Progress(len(several) + number, 2 * len(several) + 6, f"{k} annotators an item")
        predicted[k] = [makers[k][0](n) for n in places]
    simulated, every = [], [max(5, round(most * step / 6)) for step in range(1, 7)]
    for number, n in enumerate(every):
        yield Progress(2 * len(several) + number, 2 * len(several) + 6, f"{n:,} items simulated")
        if annotators in makers and (value := makers[annotators][1](n, studies, seed)) is not None:
            simulated.append((n, value))
    at = makers[annotators][0](items) if annotators in makers and items > 1 else None
    return PowerCurves(places, predicted, simulated, at, needed)


def curve_rows(curves: PowerCurves, annotators: int) -> list[dict[str, Any]]:
    """A row a number of annotators and items, by formula; then the simulated studies of the chosen number of annotators."""
    rows = [
        {"annotators": number, "items": items, "value": value, "by": "formula"}
        for number, line in curves.by_annotators.items()
        for items, value in zip(curves.items, line, strict=True)
    ]
    return rows + [{"annotators": annotators, "items": n, "value": value, "by": "simulation"} for n, value in curves.simulated]


def items_for(goal: str, values: dict[str, float], annotators: int) -> int | None:
    """Items that the target of a goal takes, by formula; None: more than 100,000."""
    from core.statistics.power_difference import items_needed

    sign, formula = (1 if goal in ("difference", "means") else -1), predictors(goal, values, annotators)[0]
    return items_needed(lambda n: -1e9 if (value := formula(n)) is None else sign * value, sign * values["target"])


def predictors(goal: str, values: dict[str, float], k: int) -> tuple[Callable, Callable]:
    """What a study of k annotators an item reaches: (by formula, by simulation), functions of the number of items."""
    from core.statistics import power_difference as difference
    from core.statistics import power_width as width

    if goal == "difference":
        proportions = difference.Proportions(
            values["rate"] + values["difference"], values["rate"], values["discordant"], values["accuracy"], k
        )
        return (
            lambda n: difference.proportions_power(proportions, n, values["level"]),
            lambda n, studies, seed: difference.proportions_simulated(proportions, n, values["level"], studies, seed),
        )
    if goal == "means":
        means = difference.Means(values["difference"], values["sd_items"], values["sd_label"], k)
        return (
            lambda n: difference.means_power(means, n, values["level"]),
            lambda n, studies, seed: difference.means_simulated(means, n, values["level"], studies, seed),
        )
    if goal == "rate":
        rate, alpha = values["rate"], values["alpha"]
        return (
            lambda n: width.rate_half_width(rate, n, k, alpha),
            lambda n, studies, seed: width.rate_simulated(rate, n, k, alpha, studies=studies, seed=seed)[0],
        )
    others = int(values["categories"]) - 1
    shares = [values["frequent"], *[(1 - values["frequent"]) / others] * others]
    profile = width.assumed_profile(values["alpha"], shares, max(k, 2))
    return (
        width.alpha_planned(profile, 1 - max(shares)),
        lambda n, studies, seed: width.alpha_simulated(profile, n, studies=studies, seed=seed),
    )


def check_values(goal: str, values: dict[str, float]) -> None:
    """Raises a WorkbenchError where a value cannot be, or values contradict each other."""
    for name, (low, high) in BOUNDS.items():
        if name in values and not low <= values[name] <= high:  # NaN included
            raise WorkbenchError(f"{name} is {values[name]!s:.20}.", todo=f"Give a number from {low:g} to {high:g}.")
    if goal != "difference":
        return
    low, high = discordant_bounds(values["rate"], values["difference"])
    if not 0 <= values["rate"] + values["difference"] <= 1:
        raise WorkbenchError("The share and the difference add up to more than 1.", todo="Lower one of them.")
    if not low - 1e-9 <= values["discordant"] <= high + 1e-9:
        raise WorkbenchError(
            f"With these shares {low:.0%} to {high:.0%} of the questions can have one right answer.",
            todo="Move that share into this range.",
        )
