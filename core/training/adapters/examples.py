"""What an adapter learns from: questions with their passages as the prompt has them, and the answer; in parts that share no
document and no near copy, with a card that says what they are.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from core.config import ContextConfig, fingerprint
from core.context.citations import marks
from core.context.prompt import UNKNOWN, written
from core.corpus import library
from core.errors import WorkbenchError
from core.judging.claims import RULES
from core.records import Corpus, Document, Hit, Query
from core.training.adapters.near_copies import near_copies
from core.training.adapters.settings import AdapterTraining, LoraTraining

FEWEST = 2  # examples of a part: below, nothing can be said of it
SPARE, SPARE_AT_LEAST = 10, 200  # times as many as are wanted are looked at, and so many more
PARTS = ("train", "validation", "test")
TEST_SHARE, VALIDATION_SHARE = 0.2, 0.1  # of the groups of a file; a corpus is halved as everywhere

Message = dict[str, str]  # {"role", "content"}


class TrainingExample(NamedTuple):
    """group: examples with one are of one part. told: texts by which it is compared with examples of other parts. part: the one that a
    file names; "": none. beside: neighbours with the same one are drawn together; "": each by itself."""

    id: str
    messages: tuple[Message, ...]  # the prompt
    answer: str  # what is learnt
    references: tuple[str, ...]  # right answers, without citations
    group: str
    told: tuple[str, ...]
    part: str = ""
    beside: str = ""

    @property
    def question(self) -> str:
        return self.told[0]

    @property
    def seen(self) -> tuple[str, ...]:
        """What a model learns: the same once a part."""
        return self.messages[-1]["content"], self.answer


class PreferencePair(NamedTuple):
    """Two answers to a prompt of which the first is preferred; group, told and part as of an example. passages: what the prompt has
    beside the question, where that is known."""

    id: str
    messages: tuple[Message, ...]
    chosen: str
    rejected: str
    group: str
    told: tuple[str, ...]
    passages: str = ""
    part: str = ""

    @property
    def question(self) -> str:
        return self.told[0]

    @property
    def seen(self) -> tuple[str, ...]:
        return self.messages[-1]["content"], self.chosen, self.rejected


@dataclass(frozen=True)
class AdapterData:
    """The parts (examples, or pairs) and their card, which `python -m core adapter-data` and the page show."""

    train: tuple[Any, ...]
    validation: tuple[Any, ...]
    test: tuple[Any, ...]
    source: str
    spare: dict[str, tuple[Any, ...]] = field(default_factory=dict)  # part -> what takes the place of examples that are too long
    left_out: dict[str, int] = field(default_factory=dict)  # reason -> examples
    tokens: dict[str, dict[str, int]] = field(default_factory=dict)  # part -> of all its examples, the longest, of answers
    filters: tuple[dict[str, Any], ...] = ()  # what written texts went through, one after the other, with an example that failed

    def card(self) -> dict[str, Any]:
        parts = {name: getattr(self, name) for name in PARTS}
        return {
            "source": self.source,
            "examples": {name: len(part) for name, part in parts.items()},
            "groups": {name: len({example.group for example in part}) for name, part in parts.items()},
            "left_out": self.left_out,
            "tokens": self.tokens,
            "checksum": fingerprint({name: [contents(example) for example in part] for name, part in parts.items()}),
            **({"filters": list(self.filters)} if self.filters else {}),
        }


def contents(example: Any) -> list[Any]:
    """What is learnt, and not where it stands."""
    return [value for name, value in example._asdict().items() if name not in ("part", "beside")]


def part_of(seed: int, group: str, half: str = "") -> str:
    """Of a corpus' test half the test, so that an adapter can be measured there anywhere in the workbench; of its dev half never the
    test; of what is of neither a part by the group's name."""
    place = _share(seed, group)
    if half:
        return "test" if half == "test" else "validation" if place < VALIDATION_SHARE else "train"
    return "test" if place < TEST_SHARE else "validation" if place < TEST_SHARE + VALIDATION_SHARE else "train"


class SplitPlace(NamedTuple):
    """Where a document, or a question, of a corpus stands: examples of one group are of one part. half: "" is of neither."""

    group: str
    half: str = ""


def parts_of(places: Sequence[SplitPlace], seed: int) -> dict[str, str]:
    """Group -> part. places: one an example. Of few groups chance may leave a part without any: it gets the next ones, as long as
    enough are left to learn from, and none of a dev half becomes a test."""
    counts, halves = Counter(place.group for place in places), dict(places)
    parts = {group: part_of(seed, group, half) for group, half in halves.items()}

    def size(part: str) -> int:
        return sum(counts[group] for group in parts if parts[group] == part)

    for part, share in (("validation", VALIDATION_SHARE), ("test", TEST_SHARE)):
        least = max(FEWEST, round(len(places) * share / 2))
        for group in sorted(parts, key=lambda group: _share(seed, group)):
            free = parts[group] == "train" and (part == "validation" or not halves[group])
            if free and size(part) < least and size("train") - counts[group] >= FEWEST:
                parts[group] = part
    return parts


def places_of_documents(corpus: Corpus) -> dict[str, SplitPlace]:
    """Documents of one title are of one group; where evidence of the test half is in one of them, all are."""
    first: dict[str, str] = {}
    groups = {d.id: first.setdefault(d.title, d.id) if d.title else d.id for d in corpus.documents}
    halves = {}
    for half in ("dev", "test"):
        golds = (gold for query in library.split(corpus, half).queries for gold in query.relevant)
        halves |= {groups[gold.document_id]: half for gold in golds if gold.document_id in groups}
    return {document: SplitPlace(group, halves.get(group, "")) for document, group in groups.items()}


def places_of_questions(corpus: Corpus) -> dict[str, SplitPlace]:
    """By their text."""
    anchors = library.articles(corpus)
    halves = ((half, query) for half in ("dev", "test") for query in library.split(corpus, half).queries)
    return {query.text: SplitPlace(anchors[query.id], half) for half, query in halves}


def from_corpus(corpus: Corpus, config: AdapterTraining, ranked: Mapping[str, Sequence[Hit]] | None = None) -> AdapterData:
    """Of each question with evidence an example. Its documents are of the dev half, or of the test half, of `corpus.questions`:
    on the test half the adapter can be measured anywhere in the workbench. ranked: question -> passages without its evidence, best
    first, from which distractors are taken instead of by chance."""
    documents = {document.id: document for document in corpus.documents}
    anchors = library.articles(corpus)
    every = [
        (query, SplitPlace(anchors[query.id], half)) for half in ("dev", "test") for query in library.split(corpus, half).queries
    ]
    able = [each for each in every if any(gold.document_id in documents for gold in each[0].relevant)]
    left_out = {"no evidence or no answer": len(every) - len(able)}
    part_of_group = parts_of([place for _, place in able], config.seed)
    parts: dict[str, list[tuple[Query, str]]] = {name: [] for name in PARTS}
    for query, place in able:
        parts[part_of_group[place.group]].append((query, place.group))
    asked = {name: candidates(config, name, pairs) for name, pairs in parts.items()}
    made: dict[str, list[TrainingExample]] = {}
    for name, pairs in asked.items():
        elsewhere = {gold.document_id for part in PARTS if part != name for query, _ in parts[part] for gold in query.gold}
        judged = {
            gold.document_id for query, _ in pairs for gold in query.gold
        }  # of grade 0 too, which may be evidence elsewhere
        others = sorted((judged & documents.keys()) - elsewhere)
        made[name] = []
        for query, group in pairs:
            beside = [hit for hit in (ranked or {}).get(query.id, ()) if hit.document_id not in elsewhere]
            example = _of_query(
                query, group, documents, others, beside, config, share=0.0 if name == "test" else config.without_gold
            )
            if example:
                made[name].append(example)
            else:
                left_out["no evidence or no answer"] += 1
    return parted(made, f"{corpus.name} {corpus.fingerprint}", config, left_out)


def from_examples(
    examples: Sequence[Any],
    source: str,
    config: Any,
    left_out: Mapping[str, int] | None = None,
    halves: Mapping[str, str] | None = None,
) -> AdapterData:
    """Of examples, or pairs, by the parts that they name: a group is of the last one that any of it names. The other groups are divided
    by their names. halves: group -> the half of a corpus that it is of."""
    halves, named = halves or {}, {}
    for example in examples:
        if example.part:
            named[example.group] = max(example.part, named.get(example.group, PARTS[0]), key=PARTS.index)
    unnamed = [SplitPlace(example.group, halves.get(example.group, "")) for example in examples if example.group not in named]
    parts, made = parts_of(unnamed, config.seed) | named, {name: [] for name in PARTS}
    for example in examples:
        made[parts[example.group]].append(example)
    return parted({name: candidates(config, name, part) for name, part in made.items()}, source, config, dict(left_out or {}))


def parted(made: dict[str, list[Any]], source: str, config: Any, left_out: dict[str, int]) -> AdapterData:
    """Without copies: the same question and answer once a part, and none to learn from that resembles one to test on. Of what is
    left so many as the settings allow, the first of those drawn."""
    left_out = dict(left_out)
    for name in PARTS:
        first = {example.seen: example for example in reversed(made[name])}
        single = [example for example in made[name] if first[example.seen] is example]
        left_out["the same example again"] = left_out.get("the same example again", 0) + len(made[name]) - len(single)
        made[name] = single
    for name, against in (("train", ("validation", "test")), ("validation", ("test",))):
        others = [example for other in against for example in made[other]]
        near: set[int] = set()
        for kind in range(max((len(example.told) for example in (*made[name], *others)), default=0)):
            texts, there = (
                [example.told[kind] if kind < len(example.told) else "" for example in part] for part in (made[name], others)
            )
            near |= near_copies(texts, there, config.alike).keys()
        reason = f"{name}: near copy of an example of {' or '.join(against)}"
        left_out[reason] = len(near)
        made[name] = [example for place, example in enumerate(made[name]) if place not in near]
    most = {name: getattr(config, f"{name}_examples") or len(made[name]) for name in PARTS}
    spare = {name: tuple(made[name][most[name] :]) for name in PARTS}
    left_out = {why: n for why, n in left_out.items() if n}
    data = AdapterData(*(tuple(made[name][: most[name]]) for name in PARTS), source, spare, left_out)
    check(data)
    return data


REMEDIES = {  # by a word of the reasons for which examples were left out
    "tokens": "Raise max_tokens or answer_tokens",
    "near copy": "raise alike",
}
FURTHER = "Take more documents with questions: examples of one document, or of one title, are of one part"


def check(data: AdapterData) -> None:
    """Raises where a part has too few examples."""
    for name in PARTS:
        if len(getattr(data, name)) < FEWEST:
            told = "; ".join(f"{number:,} {reason}" for reason, number in data.left_out.items())
            raise WorkbenchError(
                f"Only {len(getattr(data, name))} examples for {name}, at least {FEWEST} are needed."
                + (f" Left out: {told}." if told else ""),
                where=data.source,
                todo=f"{' or '.join(way for why, way in REMEDIES.items() if why in told) or FURTHER}.",
            )


def _share(seed: int, group: str) -> float:
    """[0, 1) by the group's name."""
    return int(fingerprint("adapter", seed, group), 16) / 16**20


def candidates(config: LoraTraining, part: str, rows: list[Any]) -> list[Any]:
    """Of a part those of which so many are taken as the settings allow, in the order drawn: some may yet be left out."""
    most = getattr(config, f"{part}_examples")
    if not most or len(rows) <= most:
        return rows
    return random.Random(f"{config.seed} {part}").sample(rows, len(rows))[: max(SPARE * most, SPARE_AT_LEAST)]


def _of_query(
    query: Query,
    group: str,
    documents: dict[str, Document],
    others: list[str],
    beside: Sequence[Hit],
    config: AdapterTraining,
    share: float,
) -> TrainingExample | None:
    """None: it has no answer. beside: hits from which distractors are taken before `others`. share: of the examples that lack the right
    passage."""
    gold = next(gold for gold in query.relevant if gold.document_id in documents)
    document = documents[gold.document_id]
    evidence = document.text[gold.start : gold.end].strip()
    references = tuple(answer.strip() for answer in query.answers if answer.strip()) or ((evidence,) if evidence else ())
    if not references or not query.text.strip():
        return None
    draw = random.Random(f"{config.seed} {query.id}")
    own = {each.document_id for each in query.gold}
    right = passage(document, gold.start, gold.end, config.passage_characters)
    wrong = distractors(draw, right, [other for other in others if other not in own], beside, references, documents, config)
    return example(query.id, query.text, references, right, wrong, group, config, draw, share)


def distractors(
    draw: random.Random,
    right: Hit,
    others: Sequence[str],
    beside: Sequence[Hit],
    references: Sequence[str],
    documents: dict[str, Document],
    config: AdapterTraining,
) -> list[Hit]:
    """Of these hits the best that hold no reference answer and nothing of the right passage or of each other; where they are too few,
    beginnings of other documents."""
    wrong: list[Hit] = []
    for hit in (cut(documents[hit.document_id], hit.start, hit.end, config.passage_characters) for hit in beside):
        if len(wrong) == config.distractors:
            return wrong
        if not any(stands_in(each, hit.text) for each in references) and all(_apart(hit, each) for each in (right, *wrong)):
            wrong.append(hit)
    left = [other for other in others if other not in {hit.document_id for hit in wrong}]
    for other in draw.sample(left, min(config.distractors - len(wrong), len(left))):
        wrong.append(cut(documents[other], 0, len(documents[other].text), config.passage_characters))
    return wrong


def _apart(hit: Hit, other: Hit) -> bool:
    return hit.document_id != other.document_id or hit.end <= other.start or other.end <= hit.start


def example(
    name: str,
    question: str,
    references: tuple[str, ...],
    right: Hit,
    wrong: Sequence[Hit],
    group: str,
    config: AdapterTraining,
    draw: random.Random,
    share: float = 0.0,
) -> TrainingExample:
    """A question over the right passage among wrong ones, in any order. Of a share of the examples the right one is missing, and the
    answer is that it is not known: Zhang et al. 2024, "RAFT", arXiv:2403.10131, section 3, where the answer stays, to be known by
    heart."""
    context, hits = ContextConfig(), [right, *wrong]
    draw.shuffle(hits)
    answer = references[0]
    if wrong and share and draw.random() < share:
        hits.remove(right)
        answer, references = UNKNOWN, (UNKNOWN,)
    elif config.cite:
        answer += " " + marks(context.citations, hits)[hits.index(right)]
    messages = tuple(written(question, hits, context))
    return TrainingExample(name, messages, answer, references, group, (question, right.text))


def stands_in(answer: str, text: str) -> bool:
    """Whether a text holds an answer in whole words, by TriviaQA's rule."""
    normalise = RULES["triviaqa"]
    return bool(words := normalise(answer)) and f" {words} " in f" {normalise(text)} "


def cut(document: Document, start: int, end: int, characters: int) -> Hit:
    """Characters [start, end) of a document, or so many of them, cut between words."""
    text, end = document.text, min(end, len(document.text))
    last = min(end, start + characters)
    while start < last < end and not text[last].isspace():
        last -= 1
    return Hit(1, 0.0, document.id, document.title, start, last, text[start:last])


def passage(document: Document, first: int, last: int, characters: int) -> Hit:
    """The document, or of a longer one what stands around the evidence, characters [first, last), cut between words."""
    text = document.text
    spare = max(0, characters - (last - first)) // 2
    start, end = max(0, first - spare), min(len(text), max(last + spare, first + characters))
    start = max(0, min(start, end - characters))
    while 0 < start < first and not text[start - 1].isspace():
        start += 1
    while last < end < len(text) and not text[end].isspace():
        end -= 1
    return Hit(1, 0.0, document.id, document.title, start, end, text[start:end])
