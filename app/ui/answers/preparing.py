"""What stands above the question: what it is asked of, or what has to be done before it can be asked."""

from app.ui import cards, jobs
from app.ui.answers import engines
from core.config import TrialConfig
from core.labs.answers.answering import asks_model
from core.models import own_process
from core.records import Corpus
from core.workbench import Plan


def draw(config: TrialConfig, plan: Plan) -> None:
    """The corpus is not ready: the button that prepares it."""
    cards.empty("Answers from this corpus", "This corpus has to be prepared once. After that a search takes milliseconds.")
    jobs.prepare_button(config, plan)


def status(recipes: list[TrialConfig], corpus: Corpus) -> None:
    recipe = recipes[0]
    model = (
        engines.model_of(recipe, engines.named(str(recipe.generation.model))) if asks_model(recipe) else recipe.answering.model
    )
    cards.status_strip(
        [
            f"{corpus.name}, {cards.count(len(corpus.documents), 'document')}",
            cards.count(len(corpus.queries), "question"),
            model if len(recipes) == 1 else f"{len(recipes)} engines",
            "" if engines.destination(recipes) else "on this machine; no data leaves it",
        ]
    )


def models(recipes: list[TrialConfig]) -> None:
    """Their processes start now: they are ready when the question is typed."""
    for recipe in filter(asks_model, recipes):
        own_process.start(recipe.generation)
