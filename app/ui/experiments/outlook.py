"""What a study is going to be: how many trials, how many of them are measured already, and what it takes."""

from typing import NamedTuple

from app.ui import cards
from app.ui.experiments import words
from app.ui.experiments.desk import StudyDesk
from core.config import fingerprint, with_settings
from core.labs.experiments.designs import points
from core.labs.experiments.experiment import ADAPTIVE, Experiment


class Told(NamedTuple):
    trials: int
    measured: int
    words: str
    left_out: tuple[tuple[str, str], ...]  # point, why


def told(here: StudyDesk, experiment: Experiment) -> Told:
    done = {trial.config_fingerprint for trial in here.trials if trial.status == "ok"}
    made = points(experiment)
    keys = [fingerprint(with_settings(experiment.recipe, settings)) for settings in made.settings]
    total, measured = len(keys), sum(key in done for key in keys)
    if experiment.design.kind in ADAPTIVE:
        total = max(total, experiment.design.trials)
    recipe = experiment.recipe
    left_out = tuple(
        (" · ".join(words.with_name(name, value, recipe) for name, value in settings.items()), why)
        for settings, why in made.left_out
    )
    said = [cards.count(total, "trial")]
    done_words = "" if not measured else "; all are measured" if measured == total else f"; {measured:,} measured already"
    return Told(total, measured, ", ".join(said) + done_words, left_out)
