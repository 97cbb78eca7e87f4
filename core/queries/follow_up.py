"""Follow-up questions."""

from typing import ClassVar, Literal

from core.config import knob
from core.generation.model_texts import ModelText, Request
from core.queries.by_model import ByModel, line_in, plain, words
from core.queries.protocol import Wording, as_it_stands
from core.records import Query
from core.registry import part

SHORT = 160  # characters of an utterance that the model reads
FIRST = "no conversation goes before it"
LOST = "the rewriting lost words of the question"
# words of a question that another may rightly stand for
LOOSE = frozenset(
    "a an and did do does he her hers him his i it its she that the their theirs them then there these they this those".split()
)


@part("query")
class FollowUp(ByModel):
    """The question as it would be asked by itself, written by the model from the conversation before it.

    Choose it for questions that come with their conversation and say "he" or "there"; a question without one stands as it is.

    Elgohary et al. 2019, "Can You Unpack That? Learning to Rewrite Questions-in-Context", section 2, here by few examples.
    """

    part: Literal["follow_up"] = "follow_up"
    order: ClassVar[int] = 60
    taught: ClassVar[bool] = True
    task: ClassVar[str] = "Rewrite the last question so that it is understood without the conversation."
    stop: ClassVar[tuple[str, ...]] = ("\n",)
    examples: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            "Marie Curie\nHer life\nWhere was Marie Curie born?\nShe was born in Warsaw.\nQuestion: When did she leave?",
            "When did Marie Curie leave Warsaw?",
        ),
        (
            "The Beatles\nLast years\nWhy did they break up?\nThere were quarrels about money.\nQuestion: Did they play again after that?",
            "Did The Beatles play again after they broke up?",
        ),
        ("Miles Davis\nEarly career\nQuestion: What was his first album?", "What was Miles Davis's first album?"),
    )
    utterances: int = knob(
        2,
        "Of the conversation the model reads the first and the last so many. More tell more, and confuse a small model.",
        ge=1,
        le=40,
    )

    keeps: float = knob(
        0.9,
        "Share of the question's own words, pronouns aside, that a rewriting must keep; else the question stands. 0 takes any.",
        ge=0.0,
        le=1.0,
        step=0.05,
    )

    def requests(self, query: Query) -> list[Request]:
        return super().requests(query) if query.history else []

    def told(self, query: Query) -> str:
        before = query.history[:1] + query.history[1:][-self.utterances :]
        said = [line if len(line) <= SHORT else line[:SHORT].rsplit(" ", 1)[0] + " …" for line in map(plain, before)]
        return "\n".join([*said, f"Question: {plain(query.text)}"])

    def shown(self) -> tuple[tuple[str, str], ...]:
        return self.examples

    def read(self, query: Query, texts: list[ModelText]) -> Wording:
        return super().read(query, texts) if query.history else as_it_stands(query, FIRST)

    def asking(self, query: Query, text: ModelText) -> Wording:
        new, note = line_in(query, text)
        own = set(words(query.text)) - LOOSE
        if not note and own and len(own & set(words(new))) < self.keeps * len(own):
            note = LOST
        return as_it_stands(query, note) if note else Wording((new,), (new,))
