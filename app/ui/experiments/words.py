"""Studies in the words of the recipe's own forms: settings, values, designs, points."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from app.ui import forms
from core import registry
from core.config import FIELDS, PART_KINDS, TrialConfig
from core.errors import WorkbenchError
from core.files import read_json
from core.labs.experiments import results
from core.labs.experiments.experiment import Experiment, Factor, part_of
from core.labs.trials.comparison import Trial, labels

METHOD = "method"
NUMBERED = re.compile(r"^factor \d+(, \w+)*: ")


class DesignWords(NamedTuple):
    title: str
    about: str
    uses: tuple[str, ...] = ()  # the settings of a design that it has


DESIGNS = {
    "grid": DesignWords("Grid", "All combinations of the values."),
    "one_at_a_time": DesignWords(
        "One at a time", "Each setting alone over its values, the others as in the base: few trials, and no interactions."
    ),
    "random": DesignWords("Random", "The given number of points, each value drawn at random.", ("trials", "seed")),
    "latin": DesignWords(
        "Latin hypercube", "The given number of points, drawn so that each setting's range is covered evenly.", ("trials", "seed")
    ),
    "tpe": DesignWords(
        "TPE", "The given number of points, each drawn near the best so far by the first metric (Optuna).", ("trials", "seed")
    ),
    "nsga2": DesignWords(
        "NSGA-II",
        "The given number of points, drawn towards the frontier of two or more metrics and costs (Optuna).",
        ("trials", "seed"),
    ),
    "halving": DesignWords(
        "Halving",
        "All points on few questions, then the best of them on more, until the last ones answer all questions.",
        ("trials", "eta", "first_questions", "seed"),
    ),
}


def classes(setting_stage: str, recipe: TrialConfig, parts: Sequence[str] = ()) -> list[type]:
    """The configs that a stage may have in an experiment: of the base, then of the parts that it compares."""
    own = type(getattr(recipe, setting_stage))
    if setting_stage not in PART_KINDS:
        return [own]
    there = registry.parts(PART_KINDS[setting_stage])
    return list(dict.fromkeys([own, *(there[part] for part in parts if part in there)]))


def knob_of(setting: str, recipe: TrialConfig) -> forms.Knob | None:
    """What the form knows of a setting; None of a stage's parts, and of what there is not."""
    stage, _, name = setting.partition(".")
    if part_of(setting) or stage not in FIELDS or not name:
        return None
    everywhere = list(registry.parts(PART_KINDS[stage]).values()) if stage in PART_KINDS else []
    for model in (*classes(stage, recipe), *everywhere):
        for knob in forms.knobs(model):
            if knob.name == name:
                return knob
    return None


def setting_title(setting: str, recipe: TrialConfig) -> str:
    """ "Chunking: size", "Fusion: method"."""
    stage, _, name = setting.partition(".")
    if stage not in FIELDS:
        return setting
    if part_of(setting):
        return f"{forms.title(stage)}: {METHOD}"
    knob = knob_of(setting, recipe)
    return f"{forms.title(stage)}: {forms.lower(knob.label) if knob else forms.word(name)}"


def value_words(setting: str, value: Any, recipe: TrialConfig) -> str:
    """A value by itself: "256", "on", "sliding window, size 96"."""
    if isinstance(value, dict):
        stage = part_of(setting) or setting
        said = [with_name(f"{stage}.{name}", of, recipe) for name, of in value.items() if name != "part"]
        return ", ".join([forms.word(value.get("part", "")), *said])
    if part_of(setting) == "fusion" and (fusion := registry.parts("fusion").get(str(value))) and fusion.title:
        return fusion.title
    return plain_value(value)


def plain_value(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int | float):
        return forms.number(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(plain_value, value)) or "none"
    return forms.word(value) if value not in (None, "") else "none"


def with_name(setting: str, value: Any, recipe: TrialConfig) -> str:
    """A value with what it is of: "size 256", "Hybrid RRF", "stemming off"."""
    shown = value_words(setting, value, recipe)
    return shown if part_of(setting) else f"{setting_title(setting, recipe).partition(': ')[2]} {shown}"


def factor_words(factor: Factor, recipe: TrialConfig) -> str:
    """ "Chunking: size, 128, 256, 512"."""
    if factor.values:
        over = ", ".join(value_words(factor.setting, value, recipe) for value in factor.values)
    else:
        over = f"{forms.number(factor.low)} to {forms.number(factor.high)}"
    return f"{setting_title(factor.setting, recipe)} {over}"


def point_names(experiment: Experiment, members: Sequence[Trial]) -> dict[str, str]:
    """trial -> what it is called in this experiment: as everywhere, with the values of what is varied."""
    varied = [f"{name}.part" if (name := part_of(factor.setting)) else factor.setting for factor in experiment.factors]
    names = dict(zip((trial.id for trial in members), labels(members, varied), strict=True))
    beside = results.beside(experiment, members)
    return names | dict.fromkeys(beside, "baseline") if len(beside) == 1 else names


def coordinates(experiment: Experiment, members: Sequence[Trial]) -> dict[str, str]:
    """trial -> where it stands in this experiment, for the axes of charts: the values of what is varied; the rest is the same in all."""
    recipe, names = experiment.recipe, point_names(experiment, members)
    beside = results.beside(experiment, members)
    at = {
        trial.id: " · ".join(
            with_name(setting, value, recipe) for setting, value in results.settings_of(experiment, trial).items()
        )
        for trial in members
        if trial.id not in beside
    }
    times = Counter(at.values())  # of a folder of trials no setting is varied, and all have the same words
    return names | {trial_id: words for trial_id, words in at.items() if words and times[words] == 1}


def halves_words(experiment: Experiment) -> str:
    """On which questions its winner is chosen and reported, and what that means."""
    if experiment.report_on and experiment.confirm == "all":
        return "The winner is chosen on the dev half of the questions; every recipe is compared with the base on the test half."
    if experiment.report_on:
        return "The winner is chosen on the dev half of the questions and reported on the test half."
    if experiment.choose_on == "dev":
        return "The winner is chosen on the dev half of the questions. Its mean there is inflated by the selection."
    return "The winner is chosen and reported on the same questions: its mean is inflated by the selection."


def base_words(experiment: Experiment) -> str:
    """The base recipe in a line."""
    recipe = experiment.recipe
    return f"{recipe.corpus.dataset}, {forms.describe_recipe(recipe)}"


def as_token(value: Any) -> str:
    """A value as a box of values holds it."""
    return json.dumps(value, ensure_ascii=False)


def of_token(token: str, knob: forms.Knob | None) -> Any:
    """What was chosen, or typed by a person."""
    text = token.strip()
    try:
        value = read_json(text.replace(",", "") if knob and knob.kind in ("slider", "grid", "number") else text)
    except WorkbenchError:
        words = {"on": True, "off": False} if knob and knob.kind == "switch" else {}
        return words.get(text, text)
    if isinstance(value, float) and knob and knob.whole and value.is_integer():
        return int(value)
    return value


def token_words(setting: str, knob: forms.Knob | None, recipe: TrialConfig, token: str) -> str:
    """What a box of values says of one."""
    return value_words(setting, of_token(token, knob), recipe)


def why(error: WorkbenchError, settings: Iterable[str]) -> str:
    """What is wrong, without the words that every such message begins with. settings: those that are varied."""
    text = NUMBERED.sub("", error.what.removeprefix("The experiment is not valid: "))
    text = named(text, settings, TrialConfig())
    return f"{text[:1].upper()}{text[1:]}"


def named(text: str, settings: Iterable[str], recipe: TrialConfig) -> str:
    """With the names of settings as the form has them: "size = 16" for "chunking.size_tokens = 16"."""
    for setting in settings:
        if "." in setting:
            text = text.replace(setting, setting_title(setting, recipe).partition(": ")[2])
    return text
