"""Several wordings."""

from typing import ClassVar, Literal

from core.config import knob
from core.generation.model_texts import ModelText
from core.queries.by_model import ByModel, questions_in
from core.queries.protocol import Wording, as_it_stands
from core.records import Query
from core.registry import part

EXAMPLES = (
    ("Why is the sky blue?", "What makes the sky look blue?", "What is the cause of the sky's blue colour?",
     "How does sunlight turn the sky blue?", "Why does the sky have a blue colour?", "How is the blue of the sky explained?"),
    ("Who wrote the opera Carmen?", "Who is the composer of Carmen?", "By whom was the opera Carmen written?",
     "Which composer made the opera Carmen?", "Whose opera is Carmen?", "What is the name of Carmen's composer?"),
)  # fmt: skip


@part("query")
class MultiQuery(ByModel):
    """The question and other wordings of it by the model, each searched, the rankings fused by reciprocal ranks.

    Choose it over `rewrite` where the question must not get lost: it is always one of those that are searched.

    Rackauckas 2024, "RAG-Fusion: a New Take on Retrieval-Augmented Generation", section 2; the fusion is Cormack et al. 2009.
    """

    part: Literal["multi_query"] = "multi_query"
    order: ClassVar[int] = 30
    fuses: ClassVar[bool] = True
    wordings: int = knob(3, "Other wordings beside the question. More take longer to write and to search.", ge=1, le=5)
    max_tokens: int = knob(
        80, "The wordings are cut here; those that are whole are asked. More takes longer.", unit="tokens", ge=4, le=512
    )

    @property
    def task(self) -> str:
        number = "one other way" if self.wordings == 1 else f"{self.wordings} other ways, one a line"
        return f"Write the question in {number}."

    @property
    def examples(self) -> tuple[tuple[str, str], ...]:
        return tuple((asked, "\n".join(others[: self.wordings])) for asked, *others in EXAMPLES)

    def asking(self, query: Query, text: ModelText) -> Wording:
        others, note = questions_in(query, text, self.wordings)
        asked = (query.text, *others)
        return as_it_stands(query, note) if note else Wording(asked, asked)
