"""An experiment: a question, a base recipe, and what is varied to answer it, as one document.

It is written as YAML by people, made by the page, and recorded as it stood when it ran; a change is a new version. Without
factors it is a folder that trials are put into by hand.
"""

import json
import math
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from core import files, registry
from core.config import FIELDS, PART_KINDS, StageConfig, TrialConfig, knob, with_settings
from core.errors import WorkbenchError
from core.evaluation.metric import MAIN, judges, measures_among, metrics_and_measures
from core.files import ids
from core.files.texts import LONGEST_NAME
from core.labs.trials.comparison import COSTS, OF_ANSWERS
from core.pipeline.stages import answering_fields, asks_model

ADAPTIVE = ("tpe", "nsga2", "halving")  # designs whose next points depend on what was measured
MOST_FACTORS, MOST_VALUES, MOST_POINTS = 100, 1_000, 10_000  # of an experiment, of a factor, of an experiment with its repeats
DEEPEST = 20  # of lists in lists
ANSWERED_BY = "f1 or faithfulness"
APART = (
    "corpus",
    "evaluation",
)  # stages that say what is asked and how it is judged: trials that differ in them are not compared
EXAMPLE = "`python -m core experiment example` prints an experiment that is valid, with a word on each line."


def _plain(value: Any, depth: int = 0) -> Any:
    """What JSON and YAML both hold, and `files` reads, so that a document that was written reads as the same one."""
    match value:
        case None | bool():
            return value
        case int() if -(2**63) <= value < 2**63:
            return value
        case float() if math.isfinite(value):
            return value
        case str() if not re.search("[\ud800-\udfff]", value):  # halves of pairs, which no file holds
            return value
        case list() | tuple() if depth < DEEPEST:
            return [_plain(entry, depth + 1) for entry in value]
        case dict() if depth < DEEPEST and all(isinstance(name, str) and len(name) <= LONGEST_NAME for name in value):
            return {name: _plain(entry, depth + 1) for name, entry in value.items()}
    raise ValueError(f"{str(value)[:60]!r} ({type(value).__name__}) is neither a number, a word, true, false, nor a list of them")


Plain = Annotated[Any, AfterValidator(lambda value: _plain(value))]


class Factor(StageConfig):
    """One setting that is varied: over values, or over a range. A stage as setting compares parts, each with its settings.

    A setting that only some parts have is varied where they are in use, without a condition that says so.
    """

    setting: str = knob(..., "The setting as `--set` takes it, or a stage whose parts are compared.", min_length=1)
    values: tuple[Plain, ...] = knob((), "The values, in the order in which they are shown.", max_length=MOST_VALUES)
    low: float | None = knob(None, "The low end of a range, for designs that draw from it.", ge=-1e12, le=1e12)
    high: float | None = knob(None, "The high end of it.", ge=-1e12, le=1e12)
    whole: bool = knob(False, "Whether only whole numbers of the range are meant.")
    log: bool = knob(False, "Whether the range is even in its logarithm.")
    when: dict[str, tuple[Plain, ...]] = knob(
        {}, "Other settings with the values under which this one is varied; else it stays as in the base."
    )

    @model_validator(mode="after")
    def _values_or_range(self) -> Self:
        ends = (self.low is not None) + (self.high is not None)
        if bool(self.values) == (ends == 2) or ends == 1:
            raise ValueError(f"{self.setting} needs either values or a range from low to high")
        if ends and not self.low < self.high:
            raise ValueError(f"the range of {self.setting} ends before it begins")
        if ends and self.log and self.low <= 0:
            raise ValueError(f"the range of {self.setting} cannot be even in its logarithm, it begins at {self.low:g}")
        if ends and self.log and math.isinf(self.high / self.low):
            raise ValueError(f"the range of {self.setting} spans more than a number can say: begin it higher")
        if ends and self.whole and math.ceil(self.low) > math.floor(self.high):
            raise ValueError(f"there is no whole number in the range of {self.setting}")
        if len({json.dumps(value, sort_keys=True) for value in self.values}) < len(self.values):
            raise ValueError(f"{self.setting} names a value twice")
        return self

    @property
    def stage(self) -> str:
        return self.setting.partition(".")[0]

    @property
    def compares_parts(self) -> bool:
        """Whether its values are parts of a stage: their names, or mappings with `part` and settings."""
        return part_of(self.setting) is not None

    def parts(self) -> list[str]:
        """The parts that it compares."""
        return [part_named(value) for value in self.values] if self.compares_parts else []


class Design(StageConfig):
    """How points are chosen from the factors."""

    kind: Literal["grid", "random", "latin", "one_at_a_time", "tpe", "nsga2", "halving"] = knob(
        "grid", "grid: all combinations; one_at_a_time: each factor alone, from the base; the others draw or learn."
    )
    trials: int = knob(20, "Points that random, latin, tpe and nsga2 draw; 0 of halving: all combinations.", ge=0, le=MOST_POINTS)
    batch: int = knob(
        4,
        "tpe and nsga2: points measured before the next are chosen. Many keep many workers busy, and each learns from less.",
        ge=1,
        le=1_000,
    )
    eta: int = knob(3, "Halving: of so many points one goes on to the next round, with so many times the questions.", ge=2, le=10)
    first_questions: int = knob(50, "Halving: questions of the first round.", unit="questions", ge=5, le=100_000)
    seed: int = knob(0, "Seeds what is drawn.", ge=0, le=2**31 - 1)


class Budget(StageConfig):
    """What the experiment may use; 0 is no limit. What was measured when it is used up stays."""

    seconds: float = knob(0.0, "Time of one run.", unit="s", ge=0.0)
    usd: float = knob(0.0, "Money of all runs together, by the price table.", unit="USD", ge=0.0)


Word = Annotated[str, Field(min_length=1, max_length=60)]


class Experiment(StageConfig):
    """All of an experiment. `id` names it in files, trials (their `sweep`) and addresses."""

    id: str = knob(
        ..., "Its name in files and addresses: small letters, digits and hyphens.", pattern=r"^[a-z0-9][a-z0-9-]{0,79}$"
    )
    title: str = knob("", "What people call it.", max_length=200)
    question: str = knob("", "What it is to find out.", max_length=2_000)
    note: str = knob("", "What people write about it.", max_length=20_000)
    tags: tuple[Word, ...] = knob((), "Words to find it by.", max_length=50)
    archived: bool = knob(False, "Whether it is out of the lists.")
    baseline: str = knob("", "The trial that others are compared with; empty: the one of the base recipe.")
    against: dict[str, Plain] | None = knob(
        None,
        "A recipe that the others are compared with, as far as it differs from the defaults, on the experiment's own questions.",
    )
    base: dict[str, Plain] = knob({}, "The recipe that is varied, as far as it differs from the defaults.")
    factors: tuple[Factor, ...] = Field(default=(), max_length=MOST_FACTORS)
    design: Design = Field(default_factory=Design)
    metrics: tuple[str, ...] = knob(
        (MAIN,), "What is optimised and compared, the first above all; nsga2 also takes costs.", min_length=1
    )
    answers: int = knob(
        30,
        "Where a measure of answers is among the metrics: questions that each point answers, the same for all.",
        ge=2,
        le=100_000,
    )
    repeats: int = knob(1, "Times that each point is measured, each with the next seed.", ge=1, le=100)
    choose_on: Literal["all", "dev", "test"] = knob(
        "all",
        "Questions on which points are compared and the winner is chosen. Test: where an adapter has learnt from the dev half.",
    )
    report_on: Literal["", "test"] = knob("", "Questions on which the winner and the base are measured once more, at the end.")
    confirm: Literal["winner", "all"] = knob(
        "winner", "What is measured there: the winner beside the base, or every recipe, where the question is about each of them."
    )
    settled: bool = knob(
        False,
        "Ends the experiment as soon as one point differs significantly from all others, or all are equal; with halving, from "
        "all others of its round. Points answer few questions first, and more in each round.",
    )
    budget: Budget = Field(default_factory=Budget)

    @field_validator("metrics")
    @classmethod
    def _named(cls, metrics: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(MAIN if name == "ndcg" else name for name in metrics)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        try:
            recipe = self.recipe
        except WorkbenchError as error:
            raise ValueError(f"the base is no recipe: {error.what.rstrip('.')} ({error.where})") from None
        settings = [factor.setting for factor in self.factors]
        for place, name in enumerate(settings):
            if _same(name) in map(_same, settings[:place]):
                raise ValueError(f"two factors vary {name}")
        for factor in self.factors:
            _check(self, recipe, factor.setting)
            for name in factor.when:
                _check(self, recipe, name)
            if _same(factor.setting) in map(_same, factor.when):
                raise ValueError(f"whether {factor.setting} is varied cannot hang on itself")
        try:
            self.in_order()
        except CycleError as error:
            raise ValueError(f"the conditions wait for each other: {' > '.join(error.args[1])}") from None
        self._check_design()
        if self.baseline and self.against is not None:
            raise ValueError("baseline names a trial to compare with, and against a recipe: leave out one of the two")
        try:
            _ = self.compared_with
        except WorkbenchError as error:
            raise ValueError(f"against is no recipe: {error.what.rstrip('.')} ({error.where})") from None
        if self.report_on and self.choose_on != "dev":
            raise ValueError("to report on the test questions, choose on dev: a choice made on them too would flatter itself")
        return self

    def _check_design(self) -> None:
        kind = self.design.kind
        costs = COSTS if kind == "nsga2" else {}
        if unknown := [name for name in self.metrics if name not in costs and not judges(name)]:
            names = [*metrics_and_measures(), *costs]
            raise ValueError(f"{kind} knows no metric {unknown[0]}; there are {', '.join(names)}")
        if not self.measures and (of_answers := [name for name in self.metrics if name in OF_ANSWERS]):
            raise ValueError(f"{of_answers[0]} is a cost of answers: name a measure of answers too, such as f1")
        if self.metrics[0] in COSTS:
            raise ValueError(f"{self.metrics[0]} is a cost: name a metric first, and the costs behind it")
        if len(set(self.metrics)) < len(self.metrics):
            raise ValueError("a metric is named twice")
        if kind == "nsga2" and len(self.metrics) < 2:
            raise ValueError("nsga2 weighs two or more measures against each other: name a second metric or a cost")
        if self.settled and kind in ("tpe", "nsga2"):
            raise ValueError(f"an experiment by {kind} is never settled: the points that it did not ask for may be better")
        drawn = kind in ("random", "latin", "tpe", "nsga2") or kind == "halving" and self.design.trials
        if drawn and not self.design.trials:
            raise ValueError(f"{kind} draws points: say how many trials")
        for factor in self.factors:
            if not factor.values and not drawn:
                raise ValueError(f"{kind} takes values, and {factor.setting} has a range: name the values, or draw from it")

    @property
    def recipe(self) -> TrialConfig:
        """The base recipe, on the questions on which points are compared."""
        return with_settings(with_settings(TrialConfig(), self.base), {"corpus.questions": self.choose_on})

    @property
    def measures(self) -> tuple[str, ...]:
        """Those of its metrics that are measures of answers."""
        return tuple(measures_among(self.metrics))

    @property
    def compared_with(self) -> TrialConfig | None:
        """The recipe that `against` names, asked and judged as the base is; None: it is the base."""
        if self.against is None:
            return None
        own = self.recipe
        recipe = with_settings(TrialConfig(), self.against)
        recipe = recipe.model_copy(update={"corpus": own.corpus, "evaluation": own.evaluation, "seed": own.seed})
        return None if recipe == own else recipe

    @property
    def in_rounds(self) -> bool:
        """Whether points answer few questions first and more in each round: by halving, or to stop when it is settled."""
        return self.design.kind == "halving" or self.settled

    @property
    def learns(self) -> bool:
        """Whether what is measured next hangs on what was measured."""
        return self.design.kind in ADAPTIVE or self.settled

    def in_order(self) -> list[Factor]:
        """The factors, each behind those on which its condition hangs, and those of parts before those of their settings."""
        by_name = {factor.setting: factor for factor in self.factors}
        above = {}
        for name, factor in by_name.items():
            waits = {_same(wanted) for wanted in (*factor.when, *([] if factor.compares_parts else [factor.stage]))}
            names = {other for other in by_name if _same(other) in waits}
            above[name] = sorted(names - {name}, key=list(by_name).index)
        return [by_name[name] for name in TopologicalSorter(above).static_order()]


def check_seen(experiment: Experiment) -> None:
    """WorkbenchError names what is varied although its points could not be compared, and the easiest corpus or the mildest rule would
    win; or although no chosen metric can see it: all points would be equal by construction."""
    metrics = experiment.metrics
    if apart := [factor.setting for factor in experiment.factors if factor.stage in APART]:
        raise WorkbenchError(
            f"{' and '.join(apart)} cannot be varied: trials of other corpora, or judged by other rules, are not compared with each other.",
            where="factors",
            todo="Set it in the base, and make an experiment for each value; `recipe sweep` measures them side by side.",
        )
    if experiment.measures:
        return
    silent = set(answering_fields()) - ({"context"} if "context_tokens" in metrics else set())
    hidden = [factor.setting for factor in experiment.factors if factor.stage in silent]
    if hidden and all(name.startswith("generation") for name in hidden) and _model_ranks(experiment):
        return
    if hidden:
        raise WorkbenchError(
            f"{' and '.join(hidden)} cannot change {' or '.join(metrics)}: {'they decide' if hidden[1:] else 'it decides'} "
            "no ranking, only what is answered.",
            where="metrics",
            todo=f"Add a measure of answers, such as {ANSWERED_BY}, or vary what ranks.",
        )


def _model_ranks(experiment: Experiment) -> bool:
    """Whether a generator is asked for a ranking, in the base or with a part that is compared with its own."""
    recipe = experiment.recipe
    compared = [{factor.setting: part} for factor in experiment.factors for part in factor.parts()]
    return any(asks_model(with_settings(recipe, settings)) for settings in [{}, *compared])


def part_of(setting: str) -> str | None:
    """The stage whose part a setting names, `fusion` for both "fusion" and "fusion.part"; None: it names no part."""
    stage = setting.removesuffix(".part")
    return stage if stage in PART_KINDS else None


def _same(setting: str) -> str:
    """One word for "fusion" and "fusion.part"."""
    return part_of(setting) or setting


def part_named(value: Any) -> str:
    """The part that a value of a stage means: its name, or a mapping with `part`."""
    return str(value.get("part", "")) if isinstance(value, dict) else str(value)


def _check(experiment: Experiment, recipe: TrialConfig, setting: str) -> None:
    """Whether there is such a setting, in the base or in a part that the experiment compares; its parts too. A value out of
    bounds is told with its point."""
    stage, _, name = setting.partition(".")
    if stage not in FIELDS:
        raise ValueError(f"there is no stage '{stage}' ({setting}); stages: {', '.join(FIELDS)}")
    if setting.startswith("corpus.questions"):
        raise ValueError("the questions are no factor: choose_on and report_on say which are used")
    if stage == "seed":
        raise ValueError("the seed is no factor: repeats measure each point with the next seeds")
    if part_of(setting) is None and not name:
        first = next(iter(type(getattr(recipe, stage)).model_fields))
        raise ValueError(f"'{stage}' has no parts to compare: name a setting of it, such as {stage}.{first}")
    classes = {"": type(getattr(recipe, stage))}
    if stage in PART_KINDS:
        there = registry.parts(PART_KINDS[stage])
        conditions = [(name, values) for factor in experiment.factors for name, values in factor.when.items()]
        compared = [(factor.setting, factor.values) for factor in experiment.factors]
        named = [part_named(value) for name, values in conditions + compared if part_of(name) == stage for value in values]
        if unknown := [part for part in named if part not in there]:
            raise ValueError(f"there is no {PART_KINDS[stage]} '{unknown[0]}'; there are {', '.join(there)}")
        classes = {part: there[part] for part in dict.fromkeys([getattr(recipe, stage).part, *named])}
    if name and not any(name in cls.model_fields for cls in classes.values()):
        has = (
            "; ".join(f"{part} has {_names(cls)}".strip() for part, cls in classes.items())
            if stage in PART_KINDS
            else _names(*classes.values())
        )
        raise ValueError(f"'{stage}' has no setting '{name}' ({has})")


def _names(cls: type) -> str:
    return ", ".join(name for name in cls.model_fields if name != "part") or "no settings"


def read(source: Path | str, where: str = "") -> Experiment:
    """The experiment in a YAML file (a Path) or text; WorkbenchError names what is wrong with it."""
    where = where or (str(source) if isinstance(source, Path) else "")
    return made(files.read_yaml(source, "The experiment", of=dict, where=where, todo=EXAMPLE), where)


def made(mapping: dict[str, Any], where: str = "") -> Experiment:
    """An experiment from plain values; one without an id gets it from its title."""
    try:
        return Experiment.model_validate({"id": slug(str(mapping.get("title") or "study")), **mapping})
    except ValidationError as error:
        problems = "; ".join(f"{_place(e['loc'])}{e['msg'].removeprefix('Value error, ')}" for e in error.errors()[:5])
        raise WorkbenchError(f"The experiment is not valid: {problems}.", where=where, todo=EXAMPLE) from None


def _place(path: tuple[str | int, ...]) -> str:
    """ "factor 2, low: " for what stands there; numbers count from 1."""
    after = (*path[1:], "")
    words = [
        f"{str(name).removesuffix('s')} {number + 1}" if isinstance(number, int) else str(name)
        for name, number in zip(path, after, strict=False)
        if isinstance(name, str)
    ]
    return f"{', '.join(words)}: " if words else ""


def written(experiment: Experiment) -> str:
    """As YAML that `read` takes, without what is at its default."""
    mapping = experiment.model_dump(mode="json", exclude_defaults=True)
    readable = not re.search(
        "[\x85\u2028\u2029]", json.dumps(mapping, ensure_ascii=False)
    )  # of PyYAML these come back as other line ends
    return yaml.safe_dump(mapping, sort_keys=False, allow_unicode=readable)


def slug(words: str) -> str:
    """An experiment's id from its title: "Chunk sizes on XQuAD" is chunk-sizes-on-xquad."""
    return ids.slug(words, "study", 80)
