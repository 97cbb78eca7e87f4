"""A study: what is asked, of which answers, by whom, and when it ends; frozen under a hash before the first label.

A frozen study is its own preregistration (Nosek et al. 2018, "The preregistration revolution", PNAS 115:2600): question,
hypothesis, measure, test, stop rule, rubric and the exact list of items are in the hash, so a report can prove that none
of them was changed once the labels were seen. Annotators see neither system nor source, in an order of their own.
"""

import hashlib
import json
import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import yaml
from pydantic import Field, field_validator, model_serializer, model_validator

from core.chunking.sentences import claim_starts
from core.config import StageConfig, knob, valid
from core.errors import WorkbenchError

FOLDER = Path(__file__).resolve().parents[2] / "annotations"
ROUNDS = ("pilot", "main", "adjudication")
CANNOT = "cannot_judge"
LATE = "attention, never first"  # source of attention items that open nobody's list; in older studies they may
WORD = re.compile(r"\S+")
FENCED = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1|\Z)", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^[ \t]*\|.*\|[ \t]*$", re.MULTILINE)  # of a table
NUMBER = re.compile(r"[\s*_(]*(\d{1,3}|[IVX]{2,5})[.)][\s*_]*")
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
            raise ValueError(f"judged examples use labels that are not in the rubric: {', '.join(sorted(stray))}")
        return self


def old_titles(rubric: Rubric, before: Iterable[Rubric], known: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """Titles that the guidelines still use of labels that were renamed since -> what each is called now. known: more such
    titles, (name of the label, title)."""
    now = {label.name: label.title for label in rubric.labels}
    were = [*((label.name, label.title) for one in before for label in one.labels), *known]
    old = {title: now[name] for name, title in were if name in now and title.strip() and title not in now.values()}
    return {title: new for title, new in old.items() if with_titles(rubric, {title: new}) != rubric.guidelines}


def with_titles(rubric: Rubric, old: dict[str, str]) -> str:
    """The guidelines with today's titles in place of old ones, inside a sentence too; never inside another label's title."""
    now = [label.title for label in rubric.labels]
    small = {title.lower(): new.lower() for title, new in old.items() if " " in title}  # one word may be prose
    new = {**{title.lower(): title.lower() for title in now}, **small, **{title: title for title in now}, **old}
    found = "|".join(re.escape(title) for title in sorted(new, key=len, reverse=True) if title)
    return re.sub(rf"(?<!\w)(?:{found})(?!\w)", lambda match: new[match[0]], rubric.guidelines)


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
    seed: int = knob(0, "Seeds assignment and order.", ge=0, le=2**31 - 1)
    items: tuple[Item, ...] = ()
    adjudicators: tuple[str, ...] = ()
    disputed: tuple[str, ...] = ()  # items that the adjudicators judge
    left: tuple[Left, ...] = ()  # in the order in which they left

    @model_serializer(mode="wrap")
    def _plain(self, dump):
        """Without what was added later and is not in use, so that an old study keeps its hash."""
        return {name: value for name, value in dump(self).items() if name != "left" or value}

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
        kept = {id for one in self.left for id in one.kept}
        if stray := ({item.duplicate_of for item in self.items} - {""} | set(self.disputed) | kept) - ids:
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
        """Who labels, or labelled, in the round."""
        return self.adjudicators if round == "adjudication" else self.annotators

    def at_work(self, round: str) -> tuple[str, ...]:
        """Who may still label in the round."""
        gone = {one.annotator for one in self.left if one.round == round}
        return tuple(name for name in self.people(round) if name not in gone)


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


def looks(name: str) -> str:
    """Names that look the same are the same: composed or not, in capitals or not, with or without what is not seen."""
    seen = "".join(letter for letter in unicodedata.normalize("NFKC", name) if unicodedata.category(letter) not in ("Cf", "Cc"))
    return seen.strip().casefold()


def altered(study: Study, settings: dict[str, Any]) -> Study:
    """The study with these settings in place of its own, checked as a whole; the others are not read anew."""
    return valid(Study, {name: getattr(study, name) for name in Study.model_fields} | settings)


@lru_cache(1)
def default_rubric() -> Rubric:
    """The rubric in use, from annotations/."""
    given = yaml.safe_load((FOLDER / "rubric.yaml").read_text("utf-8"))
    return Rubric.model_validate({**given, "guidelines": (FOLDER / "guidelines.md").read_text("utf-8")})


def sentences(text: str) -> tuple[tuple[int, int], ...]:
    """Characters [start, end) of each sentence, list item, row of a table or block of code that claims something: a list's
    number alone does not, nor does what has neither letter nor digit."""
    fenced = [match.span() for match in FENCED.finditer(text)]
    inside = _inside(fenced)
    rows = [match.span() for match in ROW.finditer(text) if not inside(match.start() + 1)]
    inside = _inside(sorted([*fenced, *rows]))
    ends = {b for _, b in fenced} | {place for row in rows for place in row}
    starts = {start for start in (*claim_starts(text), *ends) if not inside(start)}
    found = []
    for a, b in pairwise([0, *sorted(starts - {0, len(text)}), len(text)]):
        piece = text[a:b]
        if re.search(r"\w", piece) and (piece.strip() == text.strip() or not NUMBER.fullmatch(piece)):
            found.append((a + len(piece) - len(piece.lstrip()), a + len(piece.rstrip())))
    return tuple(found)


def _inside(blocks: list[tuple[int, int]]) -> Callable[[int], bool]:
    """Whether a place is in one of these, behind its first character; they come one after the other."""
    firsts = [a for a, _ in blocks]

    def found(place: int) -> bool:
        at = bisect_left(firsts, place) - 1
        return at >= 0 and place < blocks[at][1]

    return found


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
    after it. In adjudication one person decides an item. What somebody who left had not labelled goes to others, after
    all that these had before.
    """
    if round not in study.assigned:
        study.assigned[round] = _assignment(study, round)
    return study.assigned[round]


def _assignment(study: Study, round: str) -> dict[str, tuple[str, ...]]:
    people, items = study.people(round), study.round_items(round)
    each = 1 if round == "adjudication" else study.per_item
    if not people or each > len(people):
        raise WorkbenchError(
            f"{each} annotators an item are asked for, and there are {len(people)}.",
            where=f"study '{study.id}'",
            todo="Add annotators, or ask for fewer an item.",
        )
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
    late = {item.id for item in items if item.attention and item.responses[0].source == LATE}
    found = {name: _begun(_ordered(study.seed, round, name, [*mine, *attention], twins), late) for name, mine in given.items()}
    gone: set[str] = set()
    for one in study.left:
        if one.round == round and one.annotator in found:
            gone.add(one.annotator)
            _hand_over(study, one, found, gone, twins)
    return found


def _begun(mine: tuple[str, ...], late: set[str]) -> tuple[str, ...]:
    """The first of the others changes places with the one that opens the list, if that is one of the late ones."""
    place = next((at for at, id in enumerate(mine) if id not in late), 0)
    return (mine[place], *mine[1:place], mine[0], *mine[place + 1 :]) if place else mine


def _hand_over(study: Study, one: Left, given: dict[str, tuple[str, ...]], gone: set[str], twins: dict[str, str]) -> None:
    """Each open item goes, with its duplicate, to whoever has least to do among those who do not have it; to nobody where
    all have it. Duplicates of labelled items and attention items end with the one who left."""
    mine, kept, late = given[one.annotator], set(one.kept), set(twins.values())
    given[one.annotator] = tuple(id for id in mine if id in kept)
    taken: dict[str, list[str]] = {name: [] for name in given if name not in gone}
    has = {name: set(given[name]) for name in taken}
    rng = _rng(study.seed, one.round, "left", one.annotator)
    for id in mine:
        if id in kept or id in late or study.item(id).attention:
            continue
        if able := {name: rng.random() for name in taken if id not in has[name]}:
            best = min(able, key=lambda name: (len(given[name]) + len(taken[name]), able[name]))
            taken[best] += [id, twins[id]] if id in twins else [id]
    for name, new in taken.items():
        given[name] += _ordered(study.seed, f"{one.round} after {one.annotator}", name, new, twins)


class HandOver(NamedTuple):
    """What becomes of the items of somebody who leaves a round; repeats and attention items are not counted."""

    annotator: str
    kept: int  # items that they labelled
    given: dict[str, int]  # who takes over -> items
    short: int  # items that nobody else can take: they are left with a label fewer


def handed_over(study: Study, one: Left) -> HandOver:
    """What changes when this person leaves as well."""
    after = study.model_copy(update={"left": (*study.left, one)})
    before, now = (_assignment(study, one.round), _assignment(after, one.round))  # copies share what `assignment` remembers

    def plain(ids: set[str]) -> int:
        return sum(study.item(id).plain for id in ids)

    more = {name: plain(set(ids) - set(before[name])) for name, ids in now.items()}
    given = {name: number for name, number in more.items() if number}
    kept = plain(set(now[one.annotator]))
    return HandOver(one.annotator, kept, given, plain(set(before[one.annotator])) - kept - sum(given.values()))


def _ordered(seed: int, round: str, name: str, items: list[str], twins: dict[str, str]) -> tuple[str, ...]:
    """A random order. Duplicates come late and as their originals came, at least a third of the list after them."""
    rng, number = _rng(seed, round, name), len(items)
    mixed = [items[place] for place in rng.permutation(number)]
    twice = [id for id in mixed if id in twins and twins[id] in items]
    both = {*twice, *(twins[id] for id in twice)}
    first = max(min(number // 3 + len(twice) // 2, number // 2), len(twice))  # slots for originals; as many for duplicates
    slots = sorted(rng.permutation(first)[: len(twice)]), sorted(rng.permutation(first)[: len(twice)])
    at = {int(slot): id for slot, id in zip(slots[0], twice, strict=True)}
    at |= {number - first + int(slot): twins[id] for slot, id in zip(slots[1], twice, strict=True)}
    others = iter(id for id in mixed if id not in both)
    return tuple(at[place] if place in at else next(others) for place in range(number))


def shown(study: Study, item: Item, annotator: str) -> Shown:
    """The item as this annotator sees it: answers in random order, no word of where they come from."""
    order = (1, 0) if len(item.responses) == 2 and _turned(study, item, annotator) else tuple(range(len(item.responses)))
    seen = tuple(ShownResponse(*(getattr(item.responses[i], name) for name in ShownResponse._fields)) for i in order)
    plain = [[one.text, one.sentences, [passage.text for passage in one.passages]] for one in seen]
    return Shown(item.id, item.question, seen, order, _sha256([item.question, plain, study.rubric.version]))


def _turned(study: Study, item: Item, annotator: str) -> bool:
    """Does the second answer stand first? It does on one of every two screens of an annotator, whichever of the two."""
    for round in (item.round or "main", *(("adjudication",) if item.id in study.disputed else ())):
        enough = round == "adjudication" or study.per_item <= len(study.people(round))
        mine = assignment(study, round).get(annotator, ()) if enough else ()
        if item.id in mine:
            place = [id for id in mine if len(study.item(id).responses) == 2].index(item.id)
            return bool(_rng(study.seed, round, annotator, str(place // 2)).integers(2)) ^ bool(place % 2)
    return bool(_rng(study.seed, item.id, annotator).integers(2))


def _rng(seed: int, *parts: str) -> np.random.Generator:
    return np.random.default_rng([seed, int(_sha256(parts)[:16], 16)])


def _sha256(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
