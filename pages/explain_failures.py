"""Explain failures: for every question that goes wrong, where it was lost."""

from app import session
from app.ui import forms, jobs, recipe_strip, tables
from app.ui.failures import asking, bands, questions
from app.ui.failures.asking import Shown
from app.ui.halves import no_questions
from app.ui.search import results
from core.config import TrialConfig

NAVIGATION = {"section": "Compare", "order": 30, "title": "Explain failures", "icon": "stairs", "step": "compare", "press": True}


def page() -> None:
    question = "At which step was each failed question lost?"
    recipe_strip.page_title(NAVIGATION["title"], question, aside=forms.presets)
    workbench, config = session.workbench(), session.config()
    plan = workbench.plan(config)
    stages = ("context", "answering", "generation", "evaluation")
    forms.recipe_chips(stages, show_presets=False, costs=results.costs(config, plan))
    if not plan.live:
        return results.waiting(config, plan)
    row, shown = climbed(config, plan.run)
    if row is not None:
        with tables.opened():
            questions.opened(shown, row)


def climbed(config: TrialConfig, run) -> tuple[int | None, Shown | None]:
    """From the bands to the table of questions; returns the row of the one that was chosen."""
    corpus = jobs.drain(session.workbench().read_corpus(run or config), "Reading the corpus")
    if not corpus.queries:
        no_questions(config, ", so none can fail")
        return None, None
    shown = asking.ladders(run or config)
    bands.strip(shown)
    if shown.asked:
        bands.rungs(shown)
    bands.chart(shown)
    bands.pieces(shown)
    bands.moved(shown)
    return questions.table(shown), shown


page()
