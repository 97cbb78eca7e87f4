"""Decomposition."""

from typing import ClassVar, Literal

from core.config import knob
from core.generation.model_texts import ModelText
from core.queries.by_model import ByModel, questions_in
from core.queries.protocol import Wording, as_it_stands
from core.records import Query
from core.registry import part


@part("query")
class Decompose(ByModel):
    """The question and the simpler questions that the model splits it into, each searched, the rankings fused by reciprocal ranks.

    Choose it over `multi_query` for questions whose evidence stands in several places; of a simple question nothing is left to
    split.

    Press et al. 2023, "Measuring and Narrowing the Compositionality Gap in Language Models", section 3, without the answers.
    """

    part: Literal["decompose"] = "decompose"
    order: ClassVar[int] = 40
    fuses: ClassVar[bool] = True
    taught: ClassVar[bool] = True
    task: ClassVar[str] = "Split the question into simpler questions, one a line."
    examples: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            "Who is older, the director of Jaws or the director of Alien?",
            "Who directed Jaws?\nWho directed Alien?\nWhen was the director of Jaws born?\nWhen was the director of Alien born?",
        ),
        (
            "What is the capital of the country where the tango was born?",
            "In which country was the tango born?\nWhat is the capital of that country?",
        ),
    )
    questions: int = knob(3, "Simpler questions that are asked beside the question, the first ones written.", ge=1, le=5)
    max_tokens: int = knob(
        80, "The questions are cut here; those that are whole are asked. More takes longer.", unit="tokens", ge=4, le=512
    )

    def asking(self, query: Query, text: ModelText) -> Wording:
        simpler, note = questions_in(query, text, self.questions)
        asked = (query.text, *simpler)
        return as_it_stands(query, note) if note else Wording(asked, asked)
