"""What the points of an experiment are compared with where that is no point itself: a recipe that it names, or a stored trial."""

from core.config import TrialConfig, with_settings
from core.labs.experiments.designs import repeated
from core.labs.experiments.experiment import Experiment
from core.labs.trials.comparison import recipe, some
from core.workbench import Workbench


def beside(experiment: Experiment) -> list[TrialConfig]:
    """The recipe that it names, with each seed, on the questions on which points are compared."""
    own = experiment.compared_with
    return [with_settings(own, seeds) for seeds in repeated(experiment, {})] if own else []


def beside_on_report(workbench: Workbench, experiment: Experiment) -> list[TrialConfig]:
    """What is measured at the end beside winner and base, on the questions to report on: people compare with it there too."""
    if not experiment.report_on:
        return []
    dataset = experiment.recipe.corpus.dataset
    named = some(workbench, [experiment.baseline]) if experiment.baseline else []
    recipes = [*beside(experiment), *(recipe(trial) for trial in named if trial.dataset == dataset)]
    return [with_settings(own, {"corpus.questions": experiment.report_on}) for own in recipes]
