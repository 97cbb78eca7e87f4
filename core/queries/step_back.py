"""Step-back."""

from typing import ClassVar, Literal

from core.generation.model_texts import ModelText
from core.queries.by_model import ByModel, questions_in
from core.queries.protocol import Wording, as_it_stands
from core.records import Query
from core.registry import part


@part("query")
class StepBack(ByModel):
    """The question and a more general one by the model, both searched, the rankings fused by reciprocal ranks.

    Choose it over `decompose` for questions of a detail that passages tell only within the larger subject.

    Zheng et al. 2023, "Take a Step Back: Evoking Reasoning via Abstraction in Large Language Models", section 2; the first example
    is the paper's.
    """

    part: Literal["step_back"] = "step_back"
    order: ClassVar[int] = 50
    fuses: ClassVar[bool] = True
    task: ClassVar[str] = "Write a more general question that helps to answer the question."
    examples: ClassVar[tuple[tuple[str, str], ...]] = (
        ("Which team did Thierry Audel play for from 2007 to 2008?", "Which teams did Thierry Audel play for in his career?"),
        ("Could the members of The Police perform lawful arrests?", "What can the members of The Police do?"),
        ("What happens to the pressure of a gas if its temperature is doubled?", "What decides the pressure of a gas?"),
    )

    def asking(self, query: Query, text: ModelText) -> Wording:
        general, note = questions_in(query, text, 1)
        asked = (query.text, *general)
        return as_it_stands(query, note) if note else Wording(asked, asked)
