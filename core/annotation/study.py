"""A study: what is asked, of which answers, by whom, and when it ends; frozen under a hash before the first label.

A frozen study is its own preregistration (Nosek et al. 2018, "The preregistration revolution", PNAS 115:2600): question,
hypothesis, measure, test, stop rule, rubric and the exact list of items are in the hash, so a report can prove that none
of them was changed once the labels were seen. Annotators see neither system nor source, in an order of their own.
"""

import hashlib
import json
import re
from collections import Counter
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import yaml
from pydantic import Field, field_validator, model_validator

from core.config import StageConfig, knob
from core.errors import WorkbenchError
from core.generation.support import SENTENCE

FOLDER = Path(__file__).resolve().parents[2] / "annotations"
ROUNDS = ("pilot", "main", "adjudication")
CANNOT = "cannot_judge"
WORD = re.compile(r"\S+")
SLUG = r"^[a-z0-9][a-z0-9_-]{0,63}$"


class Category(StageConfig):
    """One label of a sentence."""

    name: str = Field(pattern=SLUG)
    title: str
    key: str = ""  # the key that gives it, unless the annotator chose another
    meaning: str = ""


class Example(StageConfig):
    """A judged sentence that the guidelines show."""

    question: str
    passage: str
    sentence: str
    label: str
    why: str


class Rubric(StageConfig):
    """What the labels mean. A revision is a new version that says what changed; the old ones stay in the study."""

    version: int = 1
    changed: str = ""
    labels: tuple[Category, ...]
    guidelines: str = ""
    examples: tuple[Example, ...] = ()

    @model_validator(mode="after")
    def _distinct(self):
        names = [label.name for label in self.labels]
        keys = [label.key for label in self.labels if label.key]
        if not names or len(set(names)) < len(names) or len(set(keys)) < len(keys):
            raise ValueError("a rubric needs labels of different names and keys")
        if stray := {example.label for example in self.examples} - set(names):
            raise ValueError(f"examples use labels that are not in the rubric: {', '.join(sorted(stray))}")
        return self


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


class StopRule(StageConfig):
    """When labelling ends."""

    kind: Literal["all_labelled", "alpha", "half_width"] = knob(
        "all_labelled",
        "All assigned items labelled; or earlier, when alpha or its interval's half-width reaches the value.",
    )
    value: float = knob(0.0, "The alpha, or the half-width, to reach.", ge=0.0, le=1.0, step=0.01)


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
    seed: int = knob(0, "Seeds assignment and order.", ge=0, le=2**31 - 1)
    items: tuple[Item, ...] = ()
    adjudicators: tuple[str, ...] = ()
    disputed: tuple[str, ...] = ()  # items that the adjudicators judge

    @field_validator("annotators", "adjudicators")
    @classmethod
    def _names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len({name.strip().casefold() for name in names}) < len(names):
            raise ValueError("two annotators have the same name")
        if any(not name.strip() or name != name.strip() for name in names):
            raise ValueError("an annotator needs a name without space around it")
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
        if wrong := next((item.id for item in self.items if len(item.responses) != (2 if self.kind == "pairs" else 1)
                          and not item.attention), None):  # fmt: skip
            raise ValueError(f"item {wrong} has another number of answers than a study of {self.kind} shows")
        for item in self.items:
            if item.attention and (
                len(item.expected) != len(item.responses[0].sentences)
                or "sentences" not in self.ask
                or not set(item.expected) <= set(self.names)
            ):
                raise ValueError(
                    f"attention item {item.id} needs a label of the rubric for each sentence, and that sentences "
                    "are asked for"
                )
        if stray := ({item.duplicate_of for item in self.items} - {""} | set(self.disputed)) - ids:
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

    def item(self, id: str) -> Item:
        if id not in self.by_id:
            raise WorkbenchError(f"There is no item '{id}' in the study '{self.id}'.")
        return self.by_id[id]

    def has(self, id: str) -> bool:
        return id in self.by_id

    def round_items(self, round: str) -> tuple[Item, ...]:
        """Items of a round; a draft shows them all."""
        if round == "adjudication":
            return tuple(self.item(id) for id in self.disputed)
        return tuple(item for item in self.items if round not in ROUNDS or item.round in (round, ""))

    def people(self, round: str) -> tuple[str, ...]:
        return self.adjudicators if round == "adjudication" else self.annotators


class ShownResponse(NamedTuple):
    text: str
    sentences: tuple[tuple[int, int], ...]
    passages: tuple[Passage, ...]


class Shown(NamedTuple):
    """What an annotator sees of an item. order[place on the screen] = its place in item.responses."""

    item: str
    question: str
    responses: tuple[ShownResponse, ...]
    order: tuple[int, ...]
    hash: str


@lru_cache(1)
def default_rubric() -> Rubric:
    """The rubric in use, from annotations/."""
    given = yaml.safe_load((FOLDER / "rubric.yaml").read_text("utf-8"))
    return Rubric.model_validate({**given, "guidelines": (FOLDER / "guidelines.md").read_text("utf-8")})


def sentences(text: str) -> tuple[tuple[int, int], ...]:
    """Characters [start, end) of each sentence that has a letter or digit; the rest of the text is no claim."""
    found = ((match.start(), match.start() + len(match.group().rstrip())) for match in SENTENCE.finditer(text))
    return tuple((start, end) for start, end in found if re.search(r"\w", text[start:end]))


def words(text: str) -> tuple[tuple[int, int], ...]:
    """Characters [start, end) of each word, by white space: error spans are ranges of these."""
    return tuple(match.span() for match in WORD.finditer(text))


def study_hash(study: Study, round: str) -> str:
    """What a study is frozen under."""
    return design_hash(study.model_dump(mode="json"), round)


def design_hash(design: dict, round: str) -> str:
    """SHA-256 over a design as it was recorded and its round, as canonical JSON: later versions of this program may know
    more settings, and must still find an old study unchanged."""
    return _sha256({"round": round, "design": design})


def assignment(study: Study, round: str) -> dict[str, tuple[str, ...]]:
    """Annotator -> the items to judge, in an order of their own.

    Each item goes to `per_item` annotators with the least to do so far, among these to the ones who have met least; so
    loads differ by at most one. Attention items go to all. A duplicate goes to those who have the original, and comes
    after it. In adjudication one person decides an item.
    """
    if round not in study.assigned:
        study.assigned[round] = _assignment(study, round)
    return study.assigned[round]


def _assignment(study: Study, round: str) -> dict[str, tuple[str, ...]]:
    people, items = study.people(round), study.round_items(round)
    each = 1 if round == "adjudication" else study.per_item
    if not people or each > len(people):
        raise WorkbenchError(f"{each} annotators an item are asked for, and there are {len(people)}.",
                             where=f"study '{study.id}'", todo="Add annotators, or ask for fewer an item.")  # fmt: skip
    twins = {item.duplicate_of: item.id for item in items if item.duplicate_of and round != "adjudication"}
    single = [item for item in items if item.id not in twins.values() and not item.attention]
    rng = np.random.default_rng([study.seed, len(round), *round.encode()])
    single = [single[place] for place in rng.permutation(len(single))]
    single.sort(key=lambda item: item.id not in twins)  # the heavier ones first, so that the others even it out
    loads, met, given = Counter(), Counter(), {name: [] for name in people}
    for item in single:
        chosen: list[str] = []
        for _ in range(each):
            left = [name for name in people if name not in chosen]
            dice = dict(zip(left, rng.random(len(left)), strict=True))
            best = min(left, key=lambda name: (loads[name], sum(met[name, other] for other in chosen), dice[name]))
            for other in chosen:
                met[best, other] += 1
                met[other, best] += 1
            chosen.append(best)
        for name in chosen:
            loads[name] += 1 + (item.id in twins)
            given[name] += [item.id, twins[item.id]] if item.id in twins else [item.id]
    attention = [item.id for item in items if item.attention]
    return {name: _ordered(study.seed, round, name, [*mine, *attention], twins) for name, mine in given.items()}


def _ordered(seed: int, round: str, name: str, items: list[str], twins: dict[str, str]) -> tuple[str, ...]:
    """A random order in which originals stand in the first part and their duplicates in the last."""
    rng, late = _rng(seed, round, name), set(twins.values())
    places = rng.random(len(items))
    place = {id: 0.4 * u if id in twins else 0.6 + 0.4 * u if id in late else u
             for id, u in zip(items, places, strict=True)}  # fmt: skip
    return tuple(sorted(items, key=place.__getitem__))


def shown(study: Study, item: Item, annotator: str) -> Shown:
    """The item as this annotator sees it: answers in random order, no word of where they come from."""
    order = tuple(int(place) for place in _rng(study.seed, item.id, annotator).permutation(len(item.responses)))
    seen = tuple(ShownResponse(*(getattr(item.responses[i], name) for name in ShownResponse._fields)) for i in order)
    plain = [[one.text, one.sentences, [passage.text for passage in one.passages]] for one in seen]
    return Shown(item.id, item.question, seen, order, _sha256([item.question, plain, study.rubric.version]))


def _rng(seed: int, *parts: str) -> np.random.Generator:
    return np.random.default_rng([seed, int(_sha256(parts)[:16], 16)])


def _sha256(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
