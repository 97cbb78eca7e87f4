"""A study: what is asked, of which answers, by whom, and when it ends; frozen under a hash before the first label.

A frozen study is its own preregistration (Nosek et al. 2018, "The preregistration revolution", PNAS 115:2600): question,
hypothesis, measure, test, stop rule, rubric and the exact list of items are in the hash, so a report can prove that none
of them was changed once the labels were seen. Annotators see neither system nor source, in an order of their own.
"""

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, field_validator, model_serializer, model_validator

from core.annotation.rubric import SLUG, Rubric
from core.config import StageConfig, knob, valid
from core.errors import WorkbenchError

ROUNDS = ("pilot", "main", "adjudication")
CANNOT = "cannot_judge"
LATE = "attention, never first"  # source of attention items that open nobody's list; in older studies they may


class Passage(StageConfig):
    """Evidence: characters [start, end) of a document."""

    document_id: str
    title: str = ""
    start: int = 0
    end: int = 0
    text: str


class Response(StageConfig):
    """One answer with the evidence it was written from. source and system are hidden from annotators."""

    source: str
    system: str
    text: str
    sentences: tuple[tuple[int, int], ...]  # characters [start, end) of the text
    passages: tuple[Passage, ...] = ()

    @model_validator(mode="after")
    def _inside(self):
        last = 0
        for start, end in self.sentences:
            if not last <= start < end <= len(self.text):
                raise ValueError("sentences have to lie in the text, one after the other")
            last = end
        return self


class Item(StageConfig):
    """What stands on one screen: a question and one answer, or two to choose between."""

    id: str = Field(min_length=1)
    question: str
    responses: tuple[Response, ...] = Field(min_length=1, max_length=2)
    stratum: str = ""
    round: Literal["pilot", "main", ""] = ""  # "": both, as attention items are
    duplicate_of: str = ""
    expected: tuple[str, ...] = ()  # of an attention item: the right label of each sentence of its first answer
    gold: tuple[str, ...] = ()  # accepted answers; hidden

    @property
    def attention(self) -> bool:
        return bool(self.expected)

    @property
    def plain(self) -> bool:
        """Drawn to be judged: neither an attention item nor a repeat."""
        return not self.attention and not self.duplicate_of


class StopRule(StageConfig):
    """When labelling ends."""

    kind: Literal["all_labelled", "alpha", "half_width"] = knob(
        "all_labelled", "All assigned items labelled; or earlier, when alpha or its interval's half-width reaches the value."
    )
    value: float = knob(0.0, "The alpha, or the half-width, to reach.", ge=0.0, le=1.0, step=0.01)


class Left(StageConfig):
    """Somebody who stopped labelling before a round was done."""

    annotator: str
    round: Literal["pilot", "main", "adjudication"]
    kept: tuple[str, ...] = ()  # items that they had labelled; the others are handed over


class Study(StageConfig):
    """The whole design. Everything in it counts towards the hash."""

    id: str = knob("", "Name of the study: small letters, digits, - and _.", pattern=SLUG)
    title: str = ""
    question: str = knob("", "What the study is to find out.")
    hypothesis: str = knob("", "What is expected, before any label is seen.")
    measure: str = knob("share of supported sentences", "The primary measure.")
    test: str = knob("", "The test that decides, and its level.")
    stop: StopRule = StopRule()
    kind: Literal["rating", "pairs"] = knob("rating", "One answer a screen, or two of different systems (A/B).")
    ask: tuple[Literal["sentences", "helpful", "preference"], ...] = knob(
        ("sentences", "helpful"), "What has to be answered of each item."
    )
    rubrics: tuple[Rubric, ...] = Field(min_length=1)
    annotators: tuple[str, ...] = ()
    per_item: int = knob(2, "Annotators of each item.", unit="annotators", ge=1, le=50)
    tokens: bool = knob(False, "Each annotator needs a token to label under their name.")
    bulk: bool = knob(False, "Annotators see the sentences nearest to the one in question, and may label several together.")
    seed: int = knob(0, "Seeds assignment and order.", ge=0, le=2**31 - 1)
    items: tuple[Item, ...] = ()
    adjudicators: tuple[str, ...] = ()
    disputed: tuple[str, ...] = ()  # items that the adjudicators judge
    left: tuple[Left, ...] = ()  # in the order in which they left
    elsewhere: dict[str, tuple[str, ...]] = {}  # annotator -> their items of a main round that was labelled elsewhere

    @model_serializer(mode="wrap")
    def _plain(self, dump):
        """Without what was added later and is not in use, so that an old study keeps its hash."""
        return {name: value for name, value in dump(self).items() if name not in ("left", "bulk", "elsewhere") or value}

    @field_validator("annotators", "adjudicators")
    @classmethod
    def _names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len({looks(name) for name in names}) < len(names):
            raise ValueError("two annotators have the same name, or names that look the same")
        if any(not looks(name) or name != name.strip() or len(name.splitlines()) > 1 for name in names):
            raise ValueError("an annotator needs a name of one line, without space around it")
        return names

    @model_validator(mode="after")
    def _consistent(self):
        if ("preference" in self.ask) != (self.kind == "pairs"):
            raise ValueError("a preference is asked of pairs, and of pairs only")
        if not self.ask:
            raise ValueError("nothing is asked of the annotators")
        ids = {item.id for item in self.items}
        if len(ids) < len(self.items):
            raise ValueError("two items have the same id")
        if wrong := next(
            (item.id for item in self.items if len(item.responses) != (2 if self.kind == "pairs" else 1) and not item.attention),
            None,
        ):
            raise ValueError(f"item {wrong} has another number of answers than a study of {self.kind} shows")
        for item in self.items:
            if item.attention and (
                len(item.expected) != len(item.responses[0].sentences)
                or "sentences" not in self.ask
                or not set(item.expected) <= set(self.names)
            ):
                raise ValueError(
                    f"attention item {item.id} needs a label of the rubric for each sentence, and that sentences are asked for"
                )
        labelled = {item_id for leaver in self.left for item_id in leaver.kept}
        if stray := ({item.duplicate_of for item in self.items} - {""} | set(self.disputed) | labelled) - ids:
            raise ValueError(f"there is no item {min(stray)}")
        return self

    @property
    def rubric(self) -> Rubric:
        """The one in use: the latest."""
        return self.rubrics[-1]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.rubric.labels)

    @cached_property
    def by_id(self) -> dict[str, Item]:
        return {item.id: item for item in self.items}

    @cached_property
    def assigned(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Round -> its assignment, once it was made."""
        return {}

    def item(self, item_id: str) -> Item:
        if item_id not in self.by_id:
            raise WorkbenchError(f"There is no item '{item_id}' in the study '{self.id}'.")
        return self.by_id[item_id]

    def has(self, item_id: str) -> bool:
        return item_id in self.by_id

    def round_items(self, round_name: str) -> tuple[Item, ...]:
        """Items of a round; a draft shows them all."""
        if round_name == "adjudication":
            return tuple(self.item(item_id) for item_id in self.disputed)
        return tuple(item for item in self.items if round_name not in ROUNDS or item.round in (round_name, ""))

    def people(self, round_name: str) -> tuple[str, ...]:
        """Who labels, or labelled, in the round."""
        return self.adjudicators if round_name == "adjudication" else self.annotators

    def at_work(self, round_name: str) -> tuple[str, ...]:
        """Who may still label in the round."""
        gone = {leaver.annotator for leaver in self.left if leaver.round == round_name}
        return tuple(name for name in self.people(round_name) if name not in gone)


def looks(name: str) -> str:
    """Names that look the same are the same: composed or not, in capitals or not, with or without what is not seen."""
    seen = "".join(letter for letter in unicodedata.normalize("NFKC", name) if unicodedata.category(letter) not in ("Cf", "Cc"))
    return seen.strip().casefold()


def altered(study: Study, settings: dict[str, Any]) -> Study:
    """The study with these settings in place of its own, checked as a whole; the others are not read anew."""
    return valid(Study, {name: getattr(study, name) for name in Study.model_fields} | settings)


def plain(items: Sequence[Item], round_name: str = "") -> list[Item]:
    return [item for item in items if item.plain and round_name in ("", item.round)]


def systems_of(study: Study) -> dict[str, int]:
    """System -> items with an answer of it, without repeats and attention items."""
    return dict(Counter(response.system for item in plain(study.items) for response in item.responses).most_common())


def study_hash(study: Study, round_name: str) -> str:
    """What a study is frozen under."""
    return design_hash(study.model_dump(mode="json"), round_name)


def design_hash(design: dict, round_name: str) -> str:
    """SHA-256 over a design as it was recorded and its round, as canonical JSON: later versions of this program may know
    more settings, and must still find an old study unchanged."""
    return sha256({"round": round_name, "design": design})


def sha256(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
