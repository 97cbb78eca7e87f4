"""The tab Experiment: the setting moved last, or any one or two, measured over some values as an experiment, in place."""

from app import session
from app.ui.experiments import factors, here
from app.ui.experiments.suggesting import suggested_settings
from core.config import TrialConfig
from core.labs.experiments.experiment import part_of


def draw(config: TrialConfig) -> None:
    moved, _ = session.moves()
    setting = part_of(moved) or moved
    if setting not in factors.offered(config, ()):
        setting = suggested_settings(config)[-1]
    here.draw(config, {setting: ()})
