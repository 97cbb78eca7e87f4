"""An experiment to begin with: the settings of a recipe that are tuned most, each over some values around the one in use."""

from math import inf
from typing import Any

from app import session
from app.ui import forms
from app.ui.experiments import words
from core.config import TrialConfig, difference, with_settings
from core.labs.corpus.chunks import readable_tokens
from core.labs.experiments.experiment import Experiment, made, slug

PREFERRED = ("chunking.size_tokens", "fusion.weight", "fusion.k", "sparse.k1", "retrieval.candidates", "sparse.b")
SUGGESTED, POINTS, REACH = 2, 4, 0.2  # settings, values of each, share of its range to either side


def suggestion(recipe: TrialConfig) -> Experiment:
    """An experiment of the settings of a recipe that are tuned most."""
    chosen = suggested_settings(recipe)
    titles = [words.setting_title(setting, recipe).replace(": ", " ").lower() for setting in chosen]
    title = f"{' and '.join(titles)}, {recipe.corpus.dataset}"
    base = with_settings(recipe, {"corpus.questions": "all"})
    return made(
        {
            "id": slug(title),
            "title": title[:1].upper() + title[1:],
            "question": f"Which {' and which '.join(titles)} finds the evidence best?",
            "base": difference(base),
            "factors": [{"setting": setting, "values": suggested_values(setting, recipe)} for setting in chosen],
            **halves(recipe),
        }
    )


def halves(recipe: TrialConfig) -> dict[str, str]:
    """On which questions a new study chooses and reports, whichever the pages use: the winner of dev is measured on test, where both
    halves have questions with evidence."""
    asked = [with_settings(recipe, {"corpus.questions": half}) for half in ("dev", "test")]
    both = all(session.workbench().corpus(of).measurable for of in asked)
    return {"choose_on": "dev", "report_on": "test"} if both else {}


def suggested_settings(recipe: TrialConfig) -> list[str]:
    workbench = session.workbench()
    idle = workbench.unused(recipe)
    there = {
        f"{stage}.{knob.name}"
        for stage in workbench.ranking_fields()
        if stage not in idle
        for knob in forms.knobs(type(getattr(recipe, stage)))
        if knob.kind in ("slider", "grid")
    }
    return [setting for setting in PREFERRED if setting in there][:SUGGESTED]


def suggested_values(setting: str, recipe: TrialConfig) -> list[Any]:
    """Some values of a setting, the one in use among them."""
    stage, _, name = setting.partition(".")
    knob, now = words.knob_of(setting, recipe), getattr(recipe, stage).model_dump().get(name)
    if knob.kind == "grid" and now:  # over orders of magnitude
        values = {round(now * times) if knob.whole else now * times for times in (0.25, 0.5, 1, 2)}
        most = max(now, min(knob.high, readable(recipe))) if setting == "chunking.size_tokens" else knob.high
        return sorted(value for value in values if knob.low <= value <= most)[-3:]
    if knob.kind != "slider" or now is None:
        return forms.points(knob, now, most=POINTS)
    step = REACH * (knob.high - knob.low)
    values = {round(round((now + times * step) / knob.step) * knob.step, 10) for times in (-1, 0, 1)}
    return sorted(round(value) if knob.whole else value for value in values if knob.low <= value <= knob.high)


def readable(recipe: TrialConfig) -> float:
    """Tokens of a chunk that are read: of a longer one the encoder never sees the end."""
    limit = None if "embedding" in session.workbench().unused(recipe) else readable_tokens(recipe.embedding)
    return limit or inf
