"""The tab Frontier: quality against cost of the study's points."""

from app import session
from app.ui import cards
from app.ui.experiments.desk import StudyDesk
from app.ui.trials import cost_chart
from core.labs.trials import comparison


def draw(here: StudyDesk) -> None:
    measured = [trial for trial in here.trials if trial.metrics]
    if len(measured) < 2:
        return cards.empty("Quality against cost", "It takes two measured trials to show a trade-off.")
    cost_chart.draw(measured, comparison.trials(session.workbench()), [], {}, lambda trial: {})
