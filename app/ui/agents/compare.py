"""The view Compare: agents beside plain answers, under attack, step by step, and asked again and again."""

from app.ui import cards
from app.ui.agents import attacking, comparing, mattering, repeating, settings
from app.ui.search import results
from core.labs.answers import arms

VIEWS = {"Ways": comparing.draw, "Attacks": attacking.draw, "Steps": mattering.draw, "Repeats": repeating.draw}


def draw() -> None:
    recipe, right = settings.chosen()
    with right:
        if evaluation := results.asked(recipe, "Agents and plain answers"):
            cards.tabs(VIEWS, "agents_compare", recipe, len(arms.drawn(evaluation, len(evaluation.corpus.queries))))
