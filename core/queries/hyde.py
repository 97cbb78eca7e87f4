"""HyDE."""

from typing import ClassVar, Literal

from core.config import knob
from core.generation.model_texts import ModelText, Request
from core.queries.by_model import NOTHING, TOO_LONG, ByModel, clean, same, words
from core.queries.protocol import Wording, as_it_stands
from core.records import Query
from core.registry import part


@part("query")
class Hyde(ByModel):
    """Passages that might answer the question, written by the model, whose mean vector is searched in the question's place.

    What they say may be wrong: they are to lie near the passages that are right. BM25 is asked the question itself. Choose it
    over the other transforms where questions and passages are worded differently and the model knows the subject.

    Gao et al. 2023, "Precise Zero-Shot Dense Retrieval without Relevance Labels", section 3.2, equation 8.
    """

    part: Literal["hyde"] = "hyde"
    order: ClassVar[int] = 10
    taught: ClassVar[bool] = True
    task: ClassVar[str] = "Write a short passage that answers the question."
    examples: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            "Why is the sky blue?",
            "Sunlight is scattered by the molecules of the air. Blue light has a short wavelength and is scattered most, so "
            "that blue light reaches the eye from every part of the sky.",
        ),
        (
            "Who wrote the opera Carmen?",
            "Carmen is an opera in four acts by the French composer Georges Bizet. It was first performed in Paris in 1875.",
        ),
    )
    documents: int = knob(
        1,
        "Passages a question, whose vectors are averaged. More even out what one gets wrong, and each takes as long.",
        ge=1,
        le=8,
    )
    with_question: bool = knob(True, "The question's own vector is averaged with those of the passages.")
    temperature: float = knob(
        0.7, "Of the passages behind the first, which is always the likeliest. Higher is more varied.", gt=0.0, le=2.0, step=0.05
    )
    max_tokens: int = knob(
        64, "A passage is cut here, and searched as far as it goes. More takes longer.", unit="tokens", ge=4, le=512
    )

    def averages(self) -> bool:
        return True

    def requests(self, query: Query) -> list[Request]:
        likeliest = super().requests(query)
        drawn = range(1, self.documents if likeliest else 1)
        return [*likeliest, *(likeliest[0]._replace(temperature=self.temperature, draw=number) for number in drawn)]

    def read(self, query: Query, texts: list[ModelText]) -> Wording:
        passages = [clean(text.text) for text in texts]
        passages = [text for text in passages if words(text) and not same(text, query.text)]  # drawn twice, twice in the mean
        if not passages:
            return as_it_stands(query, NOTHING if texts else TOO_LONG)
        return Wording((query.text,), (query.text,) if self.with_question else (), tuple(passages))

    def asking(self, query: Query, text: ModelText) -> Wording:
        return self.read(query, [text])
