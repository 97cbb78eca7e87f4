"""Which way a question goes: a classifier that was trained here says whether the corpus is asked, the model alone, or nobody."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from core.errors import WorkbenchError

CORPUS, CLOSED_BOOK, REFUSE = "corpus", "closed_book", "refuse"
ROUTES = (CORPUS, CLOSED_BOOK, REFUSE)
MEASURE, ENOUGH = "macro_f1", 0.88


class Router(NamedTuple):
    """classify: questions -> the label of each; one that is no route counts as the corpus. macro_f1: on the classifier's own test."""

    name: str
    classify: Callable[[Sequence[str]], list[str]]
    macro_f1: float | None = None

    def routes(self, questions: Sequence[str]) -> list[str]:
        return [label if label in ROUTES else CORPUS for label in self.classify(questions)]


def trained(name: str) -> Router:
    """The classifier of that name (`heads train-classifier`); WorkbenchError where its labels hold no route, or where its macro-F1 on its
    own test is not above ENOUGH."""
    from core.training.heads.examples import Labelled
    from core.training.heads.trained import HeadModel

    model = HeadModel(name)
    if not set(model.record["labels"]) & set(ROUTES):
        raise WorkbenchError(
            f"'{name}' tells no route.",
            where=name,
            todo=f"Train a classifier with the labels {', '.join(ROUTES)} (heads train-classifier).",
        )
    row = model.record["test"].get(MEASURE) or {}
    value = row.get("value", row.get("mean"))
    if value is None or value <= ENOUGH:
        told = "unmeasured" if value is None else f"{value:.3f}"
        raise WorkbenchError(
            f"Macro-F1 of '{name}' is {told}, not above {ENOUGH}.", where=name, todo="Train it with more questions of each label."
        )

    def classify(questions: Sequence[str]) -> list[str]:
        return [label for [label] in model.predict([Labelled(question, ()) for question in questions])]

    return Router(name, classify, value)
