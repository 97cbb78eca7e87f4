"""Which recipes had been compared when an item was taken. They are part of the item: what is compared later changes no number
that was seen, and a bundle carries them."""

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from core.config import StageConfig
from core.labs.trials import comparison, looks
from core.workbench import Workbench

MOST = 500_000  # recipes of a question set
Identity = Annotated[str, Field(max_length=64)]


class ComparedRecipes(StageConfig):
    """On one question set. recipes: the identity of each, as the data folder counted them."""

    questions: str = Field(max_length=200)  # fingerprint
    looked: int
    recipes: tuple[Identity, ...] = Field(max_length=MOST)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.looked != len({*self.recipes}):
            raise ValueError("the recipes compared are not as many as it says")
        return self


def at_hand(workbench: Workbench, trials: Sequence[str]) -> tuple[ComparedRecipes, ...]:
    """On the questions of these trials, at this moment."""
    sets = dict.fromkeys(trial.questions for trial in comparison.some(workbench, trials) if trial.questions)
    compared = {questions: looks.identities(workbench, questions) for questions in sets}
    return tuple(ComparedRecipes(questions=name, looked=len(of), recipes=of) for name, of in compared.items())


def number(looked: Sequence[ComparedRecipes], questions: str) -> int | None:
    """None where it is not recorded."""
    return next((each.looked for each in looked if each.questions == questions), None)
