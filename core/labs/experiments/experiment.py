"""An experiment: a question, a base recipe, and what is varied to answer it, as one document.

It is written as YAML by people, made by the page, and recorded as it stood when it ran; a change is a new version. Without
factors it is a folder that trials are put into by hand.
"""

import re
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, model_validator

from core.config import StageConfig, TrialConfig, build, knob, valid, with_settings
from core.errors import WorkbenchError
from core.evaluation.metric import MAIN, metric_names

ADAPTIVE = ("tpe", "nsga2", "halving")  # designs whose next points depend on what was measured
MOST_POINTS = 100_000
MOST_CHARACTERS = 1_000_000  # of a file


class Factor(StageConfig):
    """One setting that is varied: over values, or over a range. A factor of a stage's part names parts."""

    setting: str = knob(..., "The setting as `--set` takes it, or a stage whose parts are compared.", min_length=1)
    values: tuple[Any, ...] = knob((), "The values, in the order in which they are shown.")
    low: float | None = knob(None, "The low end of a range, for designs that draw from it.")
    high: float | None = knob(None, "The high end of it.")
    whole: bool = knob(False, "Whether only whole numbers of the range are meant.")
    log: bool = knob(False, "Whether the range is even in its logarithm.")
    when: dict[str, tuple[Any, ...]] = knob(
        {}, "Other settings with the values under which this one is varied; else it stays as in the base."
    )

    @model_validator(mode="after")
    def _values_or_range(self) -> Self:
        if bool(self.values) == (self.low is not None and self.high is not None):
            raise ValueError(f"the factor {self.setting} needs either values or a range from low to high")
        if not self.values and not self.low < self.high:
            raise ValueError(f"the range of {self.setting} ends before it begins")
        if self.log and not self.values and self.low <= 0:
            raise ValueError(f"the range of {self.setting} cannot be even in its logarithm, it begins at {self.low:g}")
        return self


class Design(StageConfig):
    """How points are chosen from the factors."""

    kind: Literal["grid", "random", "latin", "one_at_a_time", "tpe", "nsga2", "halving"] = knob(
        "grid", "grid: all combinations; one_at_a_time: each factor alone, from the base; the others draw or learn."
    )
    trials: int = knob(20, "Points that random, latin, tpe and nsga2 draw; 0 of halving: all combinations.", ge=0, le=MOST_POINTS)
    eta: int = knob(3, "Halving: of so many points one goes on to the next round, with so many times the questions.", ge=2, le=10)
    first_questions: int = knob(50, "Halving: questions of the first round.", unit="questions", ge=5, le=100_000)
    seed: int = knob(0, "Seeds what is drawn.", ge=0, le=2**31 - 1)


class Budget(StageConfig):
    """What the study may use; 0 is no limit. What was measured when it is used up stays."""

    seconds: float = knob(0.0, "Time of the whole study.", unit="s", ge=0.0)
    usd: float = knob(0.0, "Money, by the price table.", unit="USD", ge=0.0)


Word = Annotated[str, Field(min_length=1, max_length=60)]


class Experiment(StageConfig):
    """All of a study. `id` names it in files, trials (their `sweep`) and addresses."""

    id: str = knob(
        ..., "Its name in files and addresses: small letters, digits and hyphens.", pattern=r"^[a-z0-9][a-z0-9-]{0,79}$"
    )
    title: str = knob("", "What people call it.", max_length=200)
    question: str = knob("", "What it is to find out.", max_length=2_000)
    note: str = knob("", "What people write about it.", max_length=20_000)
    tags: tuple[Word, ...] = knob((), "Words to find it by.", max_length=50)
    archived: bool = knob(False, "Whether it is out of the lists.")
    baseline: str = knob("", "The trial that others are compared with; empty: the one of the base recipe.")
    base: dict[str, Any] = knob({}, "The recipe that is varied, as far as it differs from the defaults.")
    factors: tuple[Factor, ...] = ()
    design: Design = Field(default_factory=Design)
    metrics: tuple[str, ...] = knob(
        (MAIN,), "What is optimised and compared, the first above all; nsga2 also takes costs.", min_length=1
    )
    repeats: int = knob(1, "Times that each point is measured, each with the next seed.", ge=1, le=100)
    choose_on: Literal["all", "dev"] = knob("all", "Questions on which points are compared and the winner is chosen.")
    report_on: Literal["", "test"] = knob("", "Questions on which the winner and the base are measured once more, at the end.")
    settled: bool = knob(False, "Ends the study as soon as one point is told apart from all others, or all are equal.")
    budget: Budget = Field(default_factory=Budget)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        recipe = build(self.base)
        settings = [factor.setting for factor in self.factors]
        if twice := {name for name in settings if settings.count(name) > 1}:
            raise ValueError(f"two factors vary {sorted(twice)[0]}")
        for name in self.metrics[:1]:
            if name not in metric_names():
                raise ValueError(f"there is no metric {name}; there are {', '.join(metric_names())}")
        for factor in self.factors:
            if factor.setting.startswith("corpus.questions"):
                raise ValueError("the questions are no factor: choose_on and report_on say which are used")
            _exists(recipe, factor)
        if self.report_on and self.choose_on == "all":
            raise ValueError("to report on the test questions, choose on dev: a choice made on them too would flatter itself")
        return self

    @property
    def recipe(self) -> TrialConfig:
        """The base recipe, on the questions on which points are compared."""
        return with_settings(build(self.base), {"corpus.questions": self.choose_on})


def _exists(recipe: TrialConfig, factor: Factor) -> None:
    """Whether the base has that setting; a value out of bounds is told with its point."""
    stage, _, name = factor.setting.partition(".")
    if stage not in TrialConfig.model_fields:
        raise ValueError(f"there is no stage '{stage}' ({factor.setting})")
    if not factor.when and name and name != "part" and not hasattr(getattr(recipe, stage), name):
        raise ValueError(f"'{stage}' has no setting '{name}' in the base recipe; say `when` under which part it is varied")


def read(text: str, where: str = "") -> Experiment:
    """The experiment in a YAML text; WorkbenchError names what is wrong with it."""
    if len(text) > MOST_CHARACTERS:
        raise WorkbenchError("The study is longer than a million characters.", where=where)
    try:
        mapping = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise WorkbenchError(f"The study is no YAML: {' '.join(str(error).split())[:300]}.", where=where) from None
    if not isinstance(mapping, dict):
        raise WorkbenchError(
            "The study is no mapping of names to values.", where=where, todo="`python -m core study-example` prints one."
        )
    return made(mapping)


def made(mapping: dict[str, Any]) -> Experiment:
    """An experiment from plain values; one without an id gets it from its title."""
    return valid(Experiment, {"id": slug(str(mapping.get("title") or "study")), **mapping})


def written(experiment: Experiment) -> str:
    """As YAML that `read` takes, without what is at its default."""
    return yaml.safe_dump(experiment.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True)


def slug(words: str) -> str:
    """Small letters, digits and hyphens: "Chunk sizes on XQuAD" is chunk-sizes-on-xquad."""
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:80].strip("-") or "study"
