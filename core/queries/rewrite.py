"""Rewriting."""

from typing import ClassVar, Literal

from core.generation.model_texts import ModelText
from core.queries.by_model import ByModel, line_in
from core.queries.protocol import Wording, as_it_stands
from core.records import Query
from core.registry import part


@part("query")
class Rewrite(ByModel):
    """One search query in the question's place, written by the model: the words that a passage would have, and no others.

    Choose it over `multi_query` for questions that are long and talk around their subject; a small model drops what matters.

    Ma et al. 2023, "Query Rewriting for Retrieval-Augmented Large Language Models", section 3.1.
    """

    part: Literal["rewrite"] = "rewrite"
    order: ClassVar[int] = 20
    task: ClassVar[str] = "Write a search query."
    examples: ClassVar[tuple[tuple[str, str], ...]] = (
        ("Why is the sky blue?", "cause of the blue colour of the sky, scattering of sunlight"),
        ("Who wrote the opera Carmen?", "composer of the opera Carmen"),
        ("How long can you keep eggs in the fridge before they go bad?", "storage time of eggs in the refrigerator"),
    )

    def asking(self, query: Query, text: ModelText) -> Wording:
        new, note = line_in(query, text)
        return as_it_stands(query, note) if note else Wording((new,), (new,))
