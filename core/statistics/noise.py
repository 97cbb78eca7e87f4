"""Noise budget: how much of a measure's variance comes from the questions, the seed, the judge, or whatever was repeated.

Every factor is taken as drawn at random from more of its kind, and all are crossed: each judge may judge each seed's answer to
each question. Cells may be missing, and hold several values. Two values differ by what they do not share; so the half mean square of
the differences of all pairs that share exactly these factors is the sum of the variances of all others. That is a system of
equations, solved for the variances; with no cell missing they are those of the analysis of variance, and unbiased in any case.
Source: Searle, Casella and McCulloch 1992, "Variance components", sections 4.3 and 5.3; for retrieval Bodoff and Li 2007, "Test theory
for assessing IR test collections", section 3; Koch 1967, "A general approach to the estimation of variance components".
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from core.statistics.bootstrap import numbered

_DRAWS = 400  # simulated tables behind an interval
_BLOCK = 4_000_000  # numbers drawn at a time: 32 MB
_STEPS = 24  # halvings of an interval's bound
REST = "rest"  # what no factor explains: values of one cell differ by it
MOST_FACTORS = 4


class Component(NamedTuple):
    """A share of the variance. factors: what it belongs to; several: how the effect of one depends on the others."""

    name: str
    factors: tuple[str, ...]  # () for the rest
    variance: float  # at least 0
    low: float
    high: float

    @property
    def deviation(self) -> float:
        """Standard deviation: how far one level is from another's, in the unit of the measure (but for the root of 2)."""
        return float(np.sqrt(self.variance))


class NoiseBudget(NamedTuple):
    components: list[Component]
    mean: float
    n: int  # values
    total: int  # rows, those unmeasured too
    levels: dict[str, int]  # of each factor
    cells: int  # that hold a value
    possible: int  # were all levels crossed
    notes: list[str]  # what could not be told apart, and from what

    def of(self, name: str) -> Component | None:
        return next((component for component in self.components if component.name == name), None)


def noise_budget(
    values: np.ndarray, factors: dict[str, Sequence | np.ndarray], confidence: float = 0.95, seed: int = 0, draws: int = _DRAWS
) -> NoiseBudget:
    """Variance components of values [n] float64, NaN = unmeasured; factors: name -> level of each row [n], the questions first.

    Interval of a variance: those at which what was estimated is not among the extreme 5% of estimates from simulated
    tables of the same shape, with normal effects and the other variances as estimated (a parametric bootstrap test, inverted: Davison
    and Hinkley 1997, section 5.4). So it is rough where effects are far from normal, and wide for factors of few levels.
    """
    if not 1 <= len(factors) <= MOST_FACTORS:
        raise ValueError(f"there have to be one to {MOST_FACTORS} factors, not {len(factors)}")
    values = np.asarray(values, np.float64)
    measured = ~np.isnan(values)
    y = values[measured]
    codes = {name: numbered(np.asarray(levels)[measured]) if len(y) else np.zeros(0, int) for name, levels in factors.items()}
    levels = {name: int(code.max()) + 1 if len(code) else 0 for name, code in codes.items()}
    notes = [f"{name} has {number} level: it is left out" for name, number in levels.items() if number == 1]
    design = _Design({name: code for name, code in codes.items() if levels[name] > 1}, len(y))
    cells, possible = design.cells, int(np.prod([max(1, number) for number in levels.values()]))
    if len(y) < 3 or not design.names:
        return NoiseBudget([], float(y.mean()) if len(y) else np.nan, len(y), len(values), levels, cells, possible, [*notes, FEW])
    own = design.estimated(design.pairs((y - y.mean())[:, None, None]))[0, :, 0, 0]
    bounds = _bounds(design, own, (1 - confidence) / 2, seed, draws)
    components = [
        Component(" × ".join(subset) or REST, subset, max(0.0, float(variance)), *map(float, bound))
        for subset, variance, bound in zip(design.components, own, bounds, strict=True)
    ]
    return NoiseBudget(components, float(y.mean()), len(y), len(values), levels, cells, possible, [*notes, *design.notes])


FEW = "too few values, or nothing was repeated"


class _Design:
    """Which rows share which factors, and which variances can be told apart by that."""

    def __init__(self, codes: dict[str, np.ndarray], n: int) -> None:
        self.names, self.codes, self.n = tuple(codes), codes, n
        self.subsets = [subset for size in range(len(codes) + 1) for subset in combinations(self.names, size)]
        self.groups = [self._grouped(subset) for subset in self.subsets]
        self.cells = int(self.groups[-1].max(initial=-1)) + 1
        # pairs that share a subset at least -> exactly: without those that share more
        places = {subset: i for i, subset in enumerate(self.subsets)}
        self._exactly = np.zeros((len(places), len(places)))
        for subset, i in places.items():
            for other, j in places.items():
                if set(subset) <= set(other):
                    self._exactly[i, j] = (-1.0) ** (len(other) - len(subset))
        counts = np.array([(m * (m - 1.0)).sum() / 2 for m in map(np.bincount, self.groups)])
        self._counts = np.round(self._exactly @ counts)
        self.components, self.notes = self._told_apart()

    def _grouped(self, subset: tuple[str, ...]) -> np.ndarray:
        place = np.zeros(self.n, np.int64)
        for name in subset:
            place = numbered(place * (int(self.codes[name].max(initial=0)) + 1) + self.codes[name])
        return place

    def _column(self, component: tuple[str, ...]) -> np.ndarray:
        """[patterns with pairs]: 1 where the two values of a pair have different draws of the component."""
        differ = [not component or not set(component) <= set(shared) for shared in self.subsets]
        return np.array(differ, np.float64)[self._counts > 0]

    def _told_apart(self) -> tuple[list[tuple[str, ...]], list[str]]:
        chosen, notes = [()], []
        for subset in self.subsets[1:]:
            table = np.column_stack([*map(self._column, chosen), self._column(subset)])
            if np.linalg.matrix_rank(table) == table.shape[1]:
                chosen.append(subset)
            elif len(subset) == 1:
                notes.append(f"{subset[0]} cannot be told apart from what varies with it, and is part of that")
            elif len(subset) == 2:
                notes.append(f"{' × '.join(subset)} cannot be told apart, and is part of the {REST}")
        table = np.column_stack([*map(self._column, chosen)])
        weight = np.sqrt(self._counts[self._counts > 0])
        self._solved = np.linalg.pinv(table * weight[:, None]) * weight
        return chosen, notes

    def pairs(self, table: np.ndarray) -> np.ndarray:
        """[draws, subsets, c, c] of a table [n, draws, c]: products of the differences of all pairs that share the subset at least."""
        _, draws, width = table.shape
        turned = np.ascontiguousarray(table.transpose(1, 0, 2))  # [draws, n, c]
        made = np.empty((draws, len(self.groups), width, width))
        for i, place in enumerate(self.groups):
            m = np.bincount(place)
            order = np.argsort(place, kind="stable")
            starts = np.concatenate([[0], np.cumsum(m)[:-1]])
            sums = np.add.reduceat(turned[:, order], starts, axis=1)  # [draws, groups, c]
            squares = turned.transpose(0, 2, 1) @ (turned * m[place][None, :, None])
            made[:, i] = squares - sums.transpose(0, 2, 1) @ sums
        return made

    def estimated(self, pairs: np.ndarray) -> np.ndarray:
        """[draws, components, c, c] from `pairs`: the variances, which are linear in the products."""
        exact = np.einsum("ij,djab->diab", self._exactly, pairs)[:, self._counts > 0]
        halves = exact / (2 * self._counts[self._counts > 0])[None, :, None, None]
        return np.einsum("ij,djab->diab", self._solved, halves)

    def drawn(self, rng: np.random.Generator, draws: int) -> np.ndarray:
        """[n, draws, components] standard normal effects as the rows have them."""
        table = np.empty((self.n, draws, len(self.components)))
        for i, component in enumerate(self.components):
            if not component:
                table[:, :, i] = rng.standard_normal((self.n, draws))
            else:
                place = self.groups[self.subsets.index(component)]
                table[:, :, i] = rng.standard_normal((place.max() + 1, draws))[place]
        return table


def _bounds(design: _Design, own: np.ndarray, tail: float, seed: int, draws: int) -> list[tuple[float, float]]:
    rng, width = np.random.default_rng([seed, design.n]), len(design.components)
    step = max(1, _BLOCK // (design.n * width))
    blocks = [design.estimated(design.pairs(design.drawn(rng, min(step, draws - i)))) for i in range(0, draws, step)]
    table = np.concatenate(blocks)  # [draws, components, c, c]: what effects of size 1 would make of each estimate
    sizes = np.sqrt(np.maximum(own, 0))
    made = []
    for j, variance in enumerate(own):
        others = np.where(np.arange(width) == j, 0.0, sizes)
        rest = np.einsum("dab,a,b->d", table[:, j], others, others)
        mixed = 2 * np.einsum("da,a->d", table[:, j, j], others)
        alone = table[:, j, j, j]

        def estimates(v: float) -> np.ndarray:
            return alone * v + mixed * np.sqrt(v) + rest  # noqa: B023

        def above(v: float) -> bool:
            return (estimates(v) >= variance).mean() >= tail  # noqa: B023

        def below(v: float) -> bool:
            return (estimates(v) <= variance).mean() < tail  # noqa: B023

        made.append((_from(above, own.clip(0).sum()), _from(below, own.clip(0).sum())))
    return made


def _from(holds, scale: float) -> float:
    """The least variance from which on it holds."""
    if scale <= 0 or holds(0.0):
        return 0.0
    high = scale
    while not holds(high) and high < scale * 1e6:
        high *= 4
    low = 0.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


class Settled(NamedTuple):
    """Whether a gain is above the noise of a difference, and what would bring it there. None: nothing of that kind would."""

    gain: float
    noise: float  # half width of the interval of a difference by noise alone
    source: str  # the factor that most of the noise depends on; "rest"
    share: float  # of the noise's variance
    questions: int | None  # so many, all else the same
    repeats: dict[str, int | None]  # of each factor that may be repeated, all else the same
    # by the ends of the components' intervals, together: (least, most) of noise, and by factor of what would settle it
    noise_range: tuple[float, float] = (0.0, 0.0)
    ranges: dict[str, tuple[int | None, int | None]] = {}

    @property
    def above(self) -> bool:
        return abs(self.gain) > self.noise


def settled(
    budget: NoiseBudget,
    gain: float,
    planned: dict[str, int] | None = None,
    shared: Sequence[str] = (),
    differences: bool = False,
    confidence: float = 0.95,
) -> Settled:
    """Is a gain of this size told from the noise of a difference of two means, and how many questions or repeats would tell it?

    planned: levels of each factor in the measurement; as in the budget where it says none, and one of a factor that had one. The first
    factor is the questions, which both systems answer: their own level cancels. shared: other factors of which that holds, as one
    judge for both; the rest of the noise is twice that of one system's mean. differences: the budget is of differences already, so
    that nothing cancels and nothing doubles. Both systems are assumed to vary alike; how differently questions take to them is
    no part of it unless the budget is of differences.
    """
    from scipy.special import ndtri

    question, *others = (name for name, number in budget.levels.items() if number > 1)
    common = set() if differences else {question, *shared}
    levels = {**budget.levels, **(planned or {})}
    inside = max(1.0, budget.n / max(1, budget.cells))  # values of a cell

    def parts_of(variances: Sequence[float]) -> dict[tuple[str, ...], float]:
        """What each component adds to the noise's variance."""
        parts = {}
        for component, variance in zip(budget.components, variances, strict=True):
            factors = component.factors
            if factors and set(factors) <= common:
                continue
            divisor = np.prod([levels[name] for name in factors or levels]) * (1 if factors else inside)
            parts[factors] = (1 if differences else 2) * variance / divisor
        if len(others) == inside == 1 and () in parts:  # nothing else was repeated: the rest is how it depends on the question
            parts[question, others[0]] = parts.pop(())
        return parts

    z = float(ndtri((1 + confidence) / 2))
    wanted = (gain / z) ** 2

    def needed(factor: str, parts: dict[tuple[str, ...], float]) -> int | None:
        falls = sum(part for factors, part in parts.items() if factor in factors or not factors)
        stays = sum(parts.values()) - falls
        return max(1, int(np.ceil(falls * levels[factor] / (wanted - stays) - 1e-9))) if wanted > stays else None

    parts = parts_of([each.variance for each in budget.components])
    # each of these grows with every variance: the ends of the intervals are its ends
    least, most = (parts_of([getattr(each, end) for each in budget.components]) for end in ("low", "high"))
    total, ends = sum(parts.values()), tuple(z * sum(some.values()) ** 0.5 for some in (least, most))
    largest = max(parts, key=parts.__getitem__, default=())
    source = next((name for name in largest if name != question), question if largest else REST)
    mine = sum(part for factors, part in parts.items() if source in factors or (source == REST and not factors))
    return Settled(
        gain,
        z * total**0.5,
        source,
        mine / total if total else 0.0,
        needed(question, parts),
        {name: needed(name, parts) for name in others},
        ends,
        {name: (needed(name, least), needed(name, most)) for name in (question, *others)},
    )


def _ways(outcome: Settled, question: str) -> list[str]:
    """Each number that would settle it, with its interval."""
    wanted = [(number, f"levels of {name}", name) for name, number in outcome.repeats.items()]
    ways = []
    for number, words, name in [*wanted, (outcome.questions, f"of {question}", question)]:
        if number is not None:
            low, high = outcome.ranges.get(name, (None, None))
            span = "" if low is None else f" ({low:,} to {high:,})" if high is not None else f" ({low:,} or more)"
            ways.append(f"{number:,}{span} {words}")
    return ways


def verdict(outcome: Settled, budget: NoiseBudget, digits: int = 3) -> str:
    """In words: "The gain of 0.030 is below the noise of a difference, 0.050 (0.041 to 0.083), 83% of it from judge: 4 (3 to 11) levels
    of judge or 180 (121 to 495) of question would settle it". The intervals follow from those of the components."""
    low, high = outcome.noise_range
    gain, noise = f"{outcome.gain:.{digits}f}", f"{outcome.noise:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
    whose = f"{outcome.share:.0%} of it from {'the rest' if outcome.source == REST else outcome.source}"
    if outcome.above:
        unsure = "" if abs(outcome.gain) > high else ", and not above all that this noise may be"
        return f"The gain of {gain} is above the noise of a difference, {noise}, {whose}{unsure}."
    ways = _ways(outcome, next(iter(budget.levels)))
    would = (
        f"{' or '.join(ways)} would settle it"
        if ways
        else "no number of questions, nor of repeats of one factor, would settle it"
    )
    return f"The gain of {gain} is below the noise of a difference, {noise}, {whose}: {would}."
