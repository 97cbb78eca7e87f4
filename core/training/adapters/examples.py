"""What an adapter learns from: questions with their passages as the prompt has them, and the answer; in parts that share no
document and no near copy, with a card that says what they are.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from core.config import ContextConfig, fingerprint
from core.context.citations import marks
from core.context.prompt import written
from core.corpus import library
from core.errors import WorkbenchError
from core.records import Corpus, Document, Gold, Hit, Query
from core.training.adapters.near_copies import near_copies
from core.training.adapters.settings import AdapterTraining, LoraTraining

FEWEST = 2  # examples of a part: below, nothing can be said of it
PARTS = ("train", "validation", "test")
TEST_SHARE, VALIDATION_SHARE = 0.2, 0.1  # of the groups of a file; a corpus is halved as everywhere

Message = dict[str, str]  # {"role", "content"}


class TrainingExample(NamedTuple):
    """group: examples with one are of one part. told: texts by which it is compared with examples of other parts."""

    id: str
    messages: tuple[Message, ...]  # the prompt
    answer: str  # what is learnt
    references: tuple[str, ...]  # right answers, without citations
    group: str
    told: tuple[str, ...]

    @property
    def question(self) -> str:
        return self.told[0]


@dataclass(frozen=True)
class AdapterData:
    """The parts and their card, which `python -m core adapter-data` and the page show."""

    train: tuple[TrainingExample, ...]
    validation: tuple[TrainingExample, ...]
    test: tuple[TrainingExample, ...]
    source: str
    left_out: dict[str, int] = field(default_factory=dict)  # reason -> examples
    tokens: dict[str, dict[str, int]] = field(default_factory=dict)  # part -> of all its examples, the longest, of answers

    def card(self) -> dict[str, Any]:
        parts = {name: getattr(self, name) for name in PARTS}
        return {
            "source": self.source,
            "examples": {name: len(part) for name, part in parts.items()},
            "groups": {name: len({example.group for example in part}) for name, part in parts.items()},
            "left_out": self.left_out,
            "tokens": self.tokens,
            "checksum": fingerprint({name: [list(example) for example in part] for name, part in parts.items()}),
        }


def from_corpus(corpus: Corpus, config: AdapterTraining) -> AdapterData:
    """Of each question with evidence an example. Its documents are of the dev half, or of the test half, of `corpus.questions`:
    on the test half the adapter can be measured anywhere in the workbench."""
    documents = {document.id: document for document in corpus.documents}
    anchors = library.articles(corpus)
    left_out = {"no evidence or no answer": 0}
    parts: dict[str, list[tuple[Query, str]]] = {name: [] for name in PARTS}
    for half in ("dev", "test"):
        for query in library.split(corpus, half).queries:
            group = anchors[query.id]
            part = "test" if half == "test" else "validation" if _share(config.seed, group) < VALIDATION_SHARE else "train"
            if any(gold.grade > 0 and gold.document_id in documents for gold in query.gold):
                parts[part].append((query, group))
            else:
                left_out["no evidence or no answer"] += 1
    asked = {name: drawn(config, name, pairs) for name, pairs in parts.items()}
    made: dict[str, list[TrainingExample]] = {}
    for name, pairs in asked.items():
        others = sorted({gold.document_id for query, _ in pairs for gold in query.gold if gold.document_id in documents})
        made[name] = []
        for query, group in pairs:
            example = _example(query, group, documents, others, config)
            if example:
                made[name].append(example)
            else:
                left_out["no evidence or no answer"] += 1
    return parted(made, f"{corpus.name} {corpus.fingerprint}", config, left_out)


def from_examples(examples: Sequence[TrainingExample], source: str, config: AdapterTraining) -> AdapterData:
    """Of a file: its groups are divided by their names."""
    made: dict[str, list[TrainingExample]] = {name: [] for name in PARTS}
    for example in examples:
        place = _share(config.seed, example.group)
        made["test" if place < TEST_SHARE else "validation" if place < TEST_SHARE + VALIDATION_SHARE else "train"].append(example)
    return parted({name: drawn(config, name, part) for name, part in made.items()}, source, config, {})


def parted(made: dict[str, list[TrainingExample]], source: str, config: AdapterTraining, left_out: dict[str, int]) -> AdapterData:
    """Without copies: the same question and answer once a part, and none to learn from that resembles one to test on."""
    left_out = dict(left_out)
    for name in PARTS:
        first = {(example.messages[-1]["content"], example.answer): example for example in reversed(made[name])}
        single = [example for example in made[name] if first[example.messages[-1]["content"], example.answer] is example]
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
    data = AdapterData(*(tuple(made[name]) for name in PARTS), source, {why: n for why, n in left_out.items() if n})
    check(data)
    return data


def check(data: AdapterData) -> None:
    """Raises where a part has too few examples."""
    for name in PARTS:
        if len(getattr(data, name)) < FEWEST:
            reasons = "; ".join(f"{number:,} {reason}" for reason, number in data.left_out.items())
            raise WorkbenchError(
                f"Only {len(getattr(data, name))} examples for {name}, at least {FEWEST} are needed."
                + (f" Left out: {reasons}." if reasons else ""),
                where=data.source,
                todo="Take more questions, or raise max_tokens, answer_tokens or alike.",
            )


def _share(seed: int, group: str) -> float:
    """[0, 1) by the group's name."""
    return int(fingerprint("adapter", seed, group), 16) / 16**20


def drawn(config: LoraTraining, part: str, rows: list[Any]) -> list[Any]:
    """So many of a part as the settings allow, in their order."""
    most = getattr(config, f"{part}_examples")
    if not most or len(rows) <= most:
        return rows
    return [rows[i] for i in sorted(random.Random(f"{config.seed} {part}").sample(range(len(rows)), most))]


def _example(
    query: Query, group: str, documents: dict[str, Document], others: list[str], config: AdapterTraining
) -> TrainingExample | None:
    gold = next(gold for gold in query.gold if gold.grade > 0 and gold.document_id in documents)
    document = documents[gold.document_id]
    evidence = document.text[gold.start : gold.end].strip()
    references = tuple(answer.strip() for answer in query.answers if answer.strip()) or ((evidence,) if evidence else ())
    if not references or not query.text.strip():
        return None
    draw = random.Random(f"{config.seed} {query.id}")
    passage = _passage(document, gold, config.passage_characters)
    beside = [other for other in others if other not in {each.document_id for each in query.gold}]
    hits = [passage]
    for other in draw.sample(beside, min(config.distractors, len(beside))):
        hits.append(_passage(documents[other], Gold(other, 0, 0), config.passage_characters))
    draw.shuffle(hits)
    context = ContextConfig()
    answer = references[0]
    if config.cite:
        answer += " " + marks(context.citations, hits)[hits.index(passage)]
    messages = tuple(written(query.text, hits, context))
    return TrainingExample(query.id, messages, answer, references, group, (query.text, passage.text))


def _passage(document: Document, gold: Gold, characters: int) -> Hit:
    """The document, or of a longer one what stands around the evidence, cut between words."""
    text = document.text
    spare = max(0, characters - (gold.end - gold.start)) // 2
    start, end = max(0, gold.start - spare), min(len(text), max(gold.end + spare, gold.start + characters))
    start = max(0, min(start, end - characters))
    while 0 < start < gold.start and not text[start - 1].isspace():
        start += 1
    while gold.end < end < len(text) and not text[end].isspace():
        end -= 1
    return Hit(1, 0.0, document.id, document.title, start, end, text[start:end])
