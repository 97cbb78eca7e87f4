"""What all transforms do alike whose texts a language model writes: few examples, few tokens, and a way back to the question."""

import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Generator, Sequence
from typing import ClassVar

from core.config import knob
from core.generation.model_texts import ModelText, Request, TextTools, written
from core.queries.protocol import QueryTransform, Wording, as_it_stands
from core.records import Progress, Query

LONGEST = 1000  # characters of a question that is put to a model
# why a question stands as it was
NOTHING = "the model wrote nothing that can be asked"
REPEATS = "the model repeated the question"
OVERRAN = "the text did not end within its tokens"
TOO_LONG = f"the question has more than {LONGEST:,} characters"
# a question mark: Latin, Chinese and Japanese, Arabic, Ethiopic, Greek, which is also written as a semicolon
_ASKS = re.compile("[?\uff1f\u061f\u1367\u037e]$|[\u0370-\u03ff\u1f00-\u1fff];$")
_LABEL = r"(?:sub-?|search |new |general |rewritten )?(?:question|query|passage|answer)(?: \d+)?:"
# before a digit they are no marks of a list: 3.5 mm, 10:30, -5 degrees
_MARKS = re.compile(rf"^(?:[-*•>]++(?!\d)|\(?\d{{1,2}}[.):](?!\d)|{_LABEL})\s*", re.IGNORECASE)


class ByModel(QueryTransform):
    """Base of the transforms that ask the recipe's generator. Its examples are few and short, for the bundled model is tiny."""

    asks_model: ClassVar[bool] = True
    task: ClassVar[str]  # what the model is told before each question
    examples: ClassVar[tuple[tuple[str, str], ...]]  # (question, what is to be written)
    stop: ClassVar[tuple[str, ...]] = ("\n\n",)
    max_tokens: int = knob(
        48, "A text is cut here, and the question asked as it stands. More takes longer.", unit="tokens", ge=4, le=512
    )

    def requests(self, query: Query) -> list[Request]:
        """What the model is asked for a question; nothing where the question cannot be put to it."""
        if len(query.text) > LONGEST:
            return []
        return [Request(self.messages(self.told(query)), self.max_tokens, self.stop)]

    def told(self, query: Query) -> str:
        """The question as the model reads it, behind the task."""
        return f"Question: {plain(query.text)}"

    def shown(self) -> tuple[tuple[str, str], ...]:
        """The examples, as the model reads them."""
        return tuple((f"Question: {asked}", text) for asked, text in self.examples)

    def messages(self, told: str) -> list[dict[str, str]]:
        """Task and examples first and the same for all, so that a model reads them once."""
        turns = []
        for asked, text in self.shown():
            turns += [{"role": "user", "content": f"{self.task}\n{asked}"}, {"role": "assistant", "content": text}]
        return [*turns, {"role": "user", "content": f"{self.task}\n{told}"}]

    def texts(self, queries: Sequence[Query], tools: TextTools) -> Generator[Progress, None, list[Wording]]:
        wanted = [self.requests(query) for query in queries]
        made = iter((yield from written(tools, [request for some in wanted for request in some])))
        return [self.read(query, [next(made) for _ in some]) for query, some in zip(queries, wanted, strict=True)]

    def read(self, query: Query, texts: list[ModelText]) -> Wording:
        """What is asked, from what the model wrote for `requests`: it may be anything."""
        return self.asking(query, texts[0]) if texts else as_it_stands(query, TOO_LONG)

    @abstractmethod
    def asking(self, query: Query, text: ModelText) -> Wording:
        """What is asked, from the one text that was written."""


def questions_in(query: Query, text: ModelText, most: int) -> tuple[list[str], str]:
    """(the first different questions of a text that has one a line, why there is none)."""
    rows = text.text.splitlines()
    cut = text.finish_reason == "length"
    rows = [clean(row) for row in (rows[:-1] if cut else rows)]
    rows = [row for row in rows if _ASKS.search(row) and words(row)]
    new = {tuple(words(row)): row for row in reversed(rows) if not same(row, query.text)}
    if new:
        return list(reversed(new.values()))[:most], ""
    return [], REPEATS if rows else OVERRAN if cut else NOTHING


def line_in(query: Query, text: ModelText) -> tuple[str, str]:
    """(the first line of a text, why it cannot be asked)."""
    row = next(filter(words, map(clean, text.text.splitlines())), "")
    if text.finish_reason == "length" and len(text.text.splitlines()) < 2:
        return "", OVERRAN
    return ("", NOTHING) if not row else ("", REPEATS) if same(row, query.text) else (row, "")


def clean(row: str) -> str:
    """A line without the number, mark or quotes that models put around it."""
    return _MARKS.sub("", row.strip()).strip().strip("\"“”'`*").strip()


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def same(text: str, other: str) -> bool:
    """Whether two texts have the same words, whatever their marks."""
    return words(text) == words(other)


def plain(text: str) -> str:
    """A text on one line, and nothing that a chat template would read as its own mark."""
    return " ".join(text.replace("<|", "< |").split())


def fell_back(wordings: Sequence[Wording]) -> dict[str, int]:
    """Why questions stand as they were, and how many, the most frequent first."""
    return dict(Counter(wording.note for wording in wordings if wording.note).most_common())
