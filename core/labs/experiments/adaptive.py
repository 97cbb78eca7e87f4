"""Designs whose next points depend on what was measured: TPE and NSGA-II by optuna, successive halving over questions.

Points come in batches: a batch is measured whole before the next is chosen, and what chooses is seeded anew for each. So the
points hang on the document and the measured values alone, not on how many workers there were, who was first, or whether the
study was killed: told what is stored, a new object asks for what is missing.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from core.config import fingerprint, with_settings
from core.errors import WorkbenchError
from core.labs.experiments.designs import Settings, Space, candidates, rounded
from core.labs.experiments.experiment import Experiment, Factor
from core.labs.experiments.settled import settled
from core.labs.trials.comparison import ALPHA, COSTS, direction
from core.pipeline.recipe_words import setting_words
from core.statistics.corrections import correct_defined
from core.statistics.paired import sign_flip_p

GENERATIONS = 5  # of nsga2 at least, where the trials allow it
LARGEST = 50  # points of a generation; as NSGA-II is usually run
REDRAWN = 50  # so many points in a row that are no recipe, or measured already, end the search
DIGITS = 12  # of means: what differs by less is equal
BEGINNING = 10  # points that tpe draws before it learns; optuna's and hyperopt's usual number, fewer in small studies


class Wanted(NamedTuple):
    """A point to be measured. questions: on so many of the corpus'; 0: all."""

    settings: Settings
    questions: int = 0


class Adaptive(ABC):
    """Asked for points and told what was measured, until it is `done`."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment, self.space = experiment, Space(experiment)
        self.left_out: list[tuple[Settings, str]] = []
        self.settled = ""  # why the question is settled, once it is
        self._told: dict[str, Mapping[str, float] | None] = {}
        self._by_question: dict[str, np.ndarray] = {}
        self._batch: list[Wanted] = []
        self._handed: set[str] = set()
        self._ended = False

    @property
    def done(self) -> bool:
        """Whether no point is wanted any more."""
        self._go_on()
        return self._ended

    def ask(self, most: int = 0) -> list[Wanted]:
        """Up to so many points (0: all there are) that are neither measured nor handed out. None, and not done: what is
        under way has to be told first."""
        self._go_on()
        keys = {self._key(wanted): wanted for wanted in self._batch}
        waiting = [key for key in keys if key not in self._told and key not in self._handed][: most or None]
        self._handed.update(waiting)
        return [keys[key] for key in waiting]

    def tell(self, wanted: Wanted, values: Mapping[str, float | None] | None, by_question: np.ndarray | None = None) -> None:
        """The mean of each metric and cost of a point, None: it failed. by_question: the first metric of each question, in an
        order that all points share. What was stored by an earlier run is told in any order, before the first asking."""
        measured = values is not None and all(_number(values.get(name)) for name in self._measures)
        # the last digits hang on who took the mean: measured now, or read from the store
        told = {name: round(value, DIGITS) if _number(value) else value for name, value in (values or {}).items()}
        self._told[self._key(wanted)] = told if measured else None
        if by_question is not None:
            self._by_question[self._key(wanted)] = np.asarray(by_question, np.float64)

    @abstractmethod
    def _next(self) -> list[Settings]:
        """The points of the next batch, without repeats; none: it is over."""

    @property
    @abstractmethod
    def _measures(self) -> tuple[str, ...]:
        """Metrics and costs without which a point counts as failed."""

    _questions = 0  # of the batch

    def _go_on(self) -> None:
        while not self._ended and all(self._key(wanted) in self._told for wanted in self._batch):
            points = self._next()
            again = (Wanted(own, self._questions) for settings in points for own in self.space.repeated(settings))
            self._batch, self._ended = list(again), not points

    def _key(self, wanted: Wanted) -> str:
        return f"{self._identity(wanted.settings)}/{wanted.questions}"

    def _identity(self, settings: Settings) -> str:
        return fingerprint(with_settings(self.space.recipe, settings))

    def _values(self, settings: Settings) -> list[float] | None:
        """Of a point the mean of each measure over those of its repeats that were measured."""
        told = [self._told[self._key(Wanted(own, self._questions))] for own in self.space.repeated(settings)]
        rows = [[values[name] for name in self._measures] for values in told if values is not None]
        return np.mean(rows, axis=0).round(DIGITS).tolist() if rows else None


class Learning(Adaptive):
    """TPE: what the good points have in common, against the others, is drawn more often (Bergstra et al. 2011). NSGA-II: the
    points that no other beats in all measures are crossed and changed (Deb et al. 2002)."""

    def __init__(self, experiment: Experiment) -> None:
        super().__init__(experiment)
        self._asked: dict[str, tuple[Any, Settings]] = {}  # optuna's trials of the batch, by recipe
        self._seen: dict[str, Settings] = {}  # all points, by recipe
        self._number = 0  # of the batch

    @property
    def _measures(self) -> tuple[str, ...]:
        return self.experiment.metrics if self.experiment.design.kind == "nsga2" else self.experiment.metrics[:1]

    @property
    def _size(self) -> int:
        """Points of a batch: of nsga2 a generation."""
        design = self.experiment.design
        if design.kind == "tpe":
            return design.batch
        return max(2, design.batch, min(LARGEST, design.trials // GENERATIONS))

    @cached_property
    def _study(self) -> Any:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        ways = ["minimize" if name in COSTS or direction(name) < 0 else "maximize" for name in self._measures]
        return optuna.create_study(directions=ways)

    def _sampler(self) -> Any:
        """Seeded by the number of the batch: what a stopped run drew does not count."""
        from optuna.samplers import NSGAIISampler, TPESampler

        design = self.experiment.design
        seed = int(np.random.default_rng([design.seed, self._number]).integers(2**31))
        if design.kind == "nsga2":
            return NSGAIISampler(population_size=self._size, seed=seed)
        return TPESampler(n_startup_trials=min(BEGINNING, max(self._size, design.trials // 4)), seed=seed)

    def _next(self) -> list[Settings]:
        from optuna.trial import TrialState

        if not self._seen:  # the base is measured in any case, and is no trial of the search
            self._seen[self._identity({})] = {}
            return [{}]
        for trial, settings in self._asked.values():
            self._learn(trial, settings)
        self._asked, self._number = {}, self._number + 1
        design, before, drawn = self.experiment.design, len(self._seen), 0
        self._study.sampler = self._sampler()
        while self.experiment.factors and len(self._asked) < min(self._size, design.trials + 1 - before) and drawn < REDRAWN:
            drawn += 1
            trial = self._study.ask()
            settings = self._suggested(trial)
            try:
                identity = self._identity(settings)
            except WorkbenchError:
                self._failed(trial)
                self.left_out += [pair for pair in self.space.distinct([settings]).left_out if pair not in self.left_out]
                continue
            if identity in self._asked:
                self._study.tell(trial, state=TrialState.FAIL)  # of this batch already: it says nothing
            elif identity in self._seen:
                self._learn(trial, self._seen[identity])
            else:
                drawn, self._asked[identity] = 0, (trial, settings)
                self._seen[identity] = settings
        return [settings for _, settings in self._asked.values()]

    def _learn(self, trial: Any, settings: Settings) -> None:
        if values := self._values(settings):
            self._study.tell(trial, values)
        else:
            self._failed(trial)

    def _failed(self, trial: Any) -> None:
        """tpe counts pruned points as the worst, and draws elsewhere; with several measures there are none."""
        from optuna.trial import TrialState

        self._study.tell(trial, state=TrialState.FAIL if len(self._measures) > 1 else TrialState.PRUNED)

    def _suggested(self, trial: Any) -> Settings:
        settings: Settings = {}
        for factor in self.space.ordered:
            if self.space.varied(factor, settings):
                settings[factor.setting] = _suggestion(trial, factor)
        return self.space.holding(settings)


def _suggestion(trial: Any, factor: Factor) -> Any:
    name = factor.setting
    if factor.values:
        places = range(len(factor.values))
        if _rising(factor.values):
            return factor.values[trial.suggest_int(name, 0, places[-1])]
        return factor.values[trial.suggest_categorical(name, list(places))]
    if factor.whole:
        return trial.suggest_int(name, math.ceil(factor.low), math.floor(factor.high), log=factor.log)
    return rounded(factor, trial.suggest_float(name, factor.low, factor.high, log=factor.log))


def _rising(values: tuple[Any, ...]) -> bool:
    """Whether values are numbers in order, whose neighbours are alike."""
    return all(_number(value) and not isinstance(value, bool) for value in values) and list(values) == sorted(values)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


class Rung(NamedTuple):
    """A round of halving. questions: 0 for all."""

    points: int
    questions: int


class Selection(NamedTuple):
    """What a round decided. tied: of those that left it the ones that a paired test, corrected by Holm's method over all that
    left, does not tell from the last that stayed."""

    questions: int
    stayed: list[Settings]
    left: list[Settings]
    tied: list[Settings]


def rungs(experiment: Experiment, points: int, questions: int) -> list[Rung]:
    """The rounds of halving: of so many points a part goes on, with so many times the questions. Where a round would
    ask more than half of all questions it asks all, and is the last. Of other designs, that stop when settled, all go on."""
    design, ladder = experiment.design, []
    asked = design.first_questions
    while asked * 2 <= questions and points > 1:
        ladder.append(Rung(points, asked))
        points = math.ceil(points / design.eta) if design.kind == "halving" else points
        asked *= design.eta
    return [*ladder, Rung(points, 0)]


class Halving(Adaptive):
    """Successive halving over questions (Jamieson and Talwalkar 2016; Li et al. 2018, the inner loop of algorithm 1): all points
    answer few questions, the best part of them more, the last of them all. The base goes through all rounds beside them. Where
    the experiment is to stop when it is settled, and a round settles it, only the best goes on, to the last round."""

    def __init__(self, experiment: Experiment, questions: int) -> None:
        super().__init__(experiment)
        made = self.space.distinct([{}, *candidates(experiment, self.space)])
        self.left_out = made.left_out
        self.selections: list[Selection] = []
        self._base, *self._running = made.settings
        self._rungs = rungs(experiment, len(self._running), questions)
        self._round = 0

    @property
    def _measures(self) -> tuple[str, ...]:
        return self.experiment.metrics[:1]

    def _next(self) -> list[Settings]:
        if self._batch:
            self._cut()
        if self._round == len(self._rungs) or not self._running and self._round:
            return []
        self._questions, self._round = self._rungs[self._round].questions, self._round + 1
        return [self._base, *self._running]

    def _cut(self) -> None:
        """Keeps the best; of equal ones those that stand first. A failed point is out."""
        if self._round == len(self._rungs):
            return
        sign = direction(self._measures[0])
        means = [self._values(settings) for settings in self._running]
        ranked = sorted((-sign * mean[0], place) for place, mean in enumerate(means) if mean)
        places = [place for _, place in ranked]
        if self.experiment.settled and places:
            self.settled = self._settled(places)
        most = self._rungs[self._round].points
        if self.settled:
            most, self._round = 1, len(self._rungs) - 1
        stayed, left = ([self._running[place] for place in part] for part in (places[:most], places[most:]))
        self.selections.append(Selection(self._questions, stayed, left, self._tied(stayed[-1], left) if stayed else []))
        self._running = [self._running[place] for place in sorted(places[:most])]

    def _settled(self, places: list[int]) -> str:
        """Why, of the base and the points that were measured."""
        named = {
            _spoken(settings): self._each_question(settings) for settings in (self._base, *(self._running[p] for p in places))
        }
        if any(values is None for values in named.values()):
            return ""
        before = sum(len(selection.left) for selection in self.selections)
        return settled(named, looks=len(self._rungs) - 1, sign=direction(self._measures[0]), before=before)

    def _tied(self, last: Settings, left: list[Settings]) -> list[Settings]:
        tables = [self._each_question(settings) for settings in (last, *left)]
        if not left or any(table is None for table in tables):
            return []  # nobody told the questions
        reference, *others = tables
        p = [p for p, _ in sign_flip_p(np.column_stack([own - reference for own in others]), seed=self.experiment.design.seed)]
        return [settings for settings, p in zip(left, correct_defined(p), strict=True) if p is None or p >= ALPHA]

    def _each_question(self, settings: Settings) -> np.ndarray | None:
        keys = (self._key(Wanted(own, self._questions)) for own in self.space.repeated(settings))
        tables = [self._by_question[key] for key in keys if key in self._by_question]
        return np.mean(tables, axis=0) if tables else None


def _spoken(settings: Settings) -> str:
    return setting_words(settings) or "the base recipe"


def adaptive(experiment: Experiment, questions: int) -> Adaptive:
    """What an adaptive design asks for next. questions: how many the corpus has, on which points are compared."""
    return Halving(experiment, questions) if experiment.in_rounds else Learning(experiment)
