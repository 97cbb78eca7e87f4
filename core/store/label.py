"""A label as it is stored: all of an annotator's judgement of one item, at one moment."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from core.config import StageConfig

Whole = Annotated[int, Field(ge=0, lt=2**31)]  # as the store's tables hold it


class Span(StageConfig):
    """An error: words [first, last) of one answer of the item, counted by white space."""

    response: int = Field(ge=0, le=1)
    first: Whole
    last: Whole = Field(ge=1)


class Label(StageConfig):
    """All of an annotator's judgement of an item. What is not answered yet is None."""

    id: str = ""
    study: str
    hash: str = ""  # of the frozen study it was given under
    round: Literal["pilot", "main", "adjudication"]
    item: str
    annotator: str = Field(min_length=1)
    sentences: tuple[tuple[str | None, ...], ...] = ()  # for each answer of the item, for each sentence
    spans: tuple[Span, ...] = ()
    helpful: tuple[Whole | None, ...] = ()  # for each answer, 1 to 5
    preference: Literal["a", "b", "tie"] | None = None  # a: the item's first answer, wherever it stood on the screen
    bulk: tuple[tuple[Whole, Whole], ...] = ()  # (answer, sentence) labelled together with another screen's, and not on their own
    cannot_judge: bool = False  # the item as a whole
    comment: str = ""
    seconds: float | None = Field(None, ge=0, allow_inf_nan=False)  # on the screen, breaks left out
    rubric: Whole = 1
    shown: str = ""  # hash of what stood on the screen
    order: tuple[Whole, ...] = ()  # which answer stood at each place of the screen
    replaces: str = ""
    restores: str = ""  # an undo brought back the state of this label
    withdrawn: bool = False  # takes a label back and puts none in its place
    origin: str = ""
    created: str = ""  # ISO 8601, UTC

    @property
    def judges(self) -> bool:
        """Whether it says anything of the answers: it is neither taken back nor "cannot judge"."""
        return not self.withdrawn and not self.cannot_judge

    @field_validator("annotator", "comment", "origin", "created")
    @classmethod
    def _writable(cls, text: str) -> str:
        """Half of a character, as a cut text of JavaScript ends with, can be written to no file."""
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    @field_validator("spans")
    @classmethod
    def _in_order(cls, spans: tuple[Span, ...]) -> tuple[Span, ...]:
        return tuple(sorted(set(spans), key=lambda span: (span.response, span.first, span.last)))


def from_record(payload: dict[str, Any]) -> Label:
    return Label.model_validate({key: value for key, value in payload.items() if key != "complete"})
