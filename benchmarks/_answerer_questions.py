"""What the answerer is asked: questions over their ranking, the right passage, none, one with another answer or an instruction in it.

Each function takes questions with their rankings and gives what is asked, in that order. The right passage is the chunk that holds a
whole gold span; it has no scores, so that the model is asked in any case.
"""

import gzip
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import cycle, islice
from typing import Any, NamedTuple

from benchmarks import DATASETS
from core.chunking.sentences import sentence_starts
from core.config import TrialConfig
from core.labs.answers.answering import covers
from core.pipeline.answers import Span
from core.pipeline.stages import Resolved
from core.records import Gold, Hit, Query
from core.training.adapters.examples import stands_in
from core.training.faithfulness.planted import fitting, kind, with_answer

HOPS, ATTACKS = "multihop/hotpotqa_dev_500.jsonl.gz", "injection/bipia_text_attack_train.json"
POSITIONS = ("start", "middle", "end")
WORD = re.compile(r"\w{4,}")


class Asked(NamedTuple):
    """hits: None, closed book. planted: the answer that was put into the passage, or the telltales of the instruction."""

    query: Query
    hits: tuple[Hit, ...] | None
    planted: tuple[str, ...] = ()


class Ranked(NamedTuple):
    """Questions with their passages, the best first. run: of all questions. chunks: of each document."""

    run: Resolved
    rankings: list[tuple[Query, list[Hit]]]
    chunks: Mapping[str, list[Hit]]

    @property
    def config(self) -> TrialConfig:
        return self.run.config

    def right(self) -> Iterator[tuple[Query, Hit]]:
        """Of the questions that have one, the right passage."""
        for query, _ in self.rankings:
            chunks = ((gold, hit) for gold in query.gold for hit in self.chunks[gold.document_id])
            whole = (hit for gold, hit in chunks if hit.start <= gold.start and gold.end <= hit.end)
            yield from ((query, hit) for hit in islice(whole, 1))


def span(hit: Hit) -> Span:
    return hit.document_id, hit.start, hit.end


def covered(query: Query, passage: Span, config: TrialConfig) -> frozenset[int]:
    """Pieces of evidence that a passage holds."""
    return frozenset(each.unit for each in query.relevant if covers(passage, each, config.evaluation.overlap))


def as_ranked(ranked: Ranked) -> Iterator[Asked]:
    return (Asked(query, tuple(hits[: ranked.config.context.passages])) for query, hits in ranked.rankings)


def right_alone(ranked: Ranked) -> Iterator[Asked]:
    return (Asked(query, (hit,)) for query, hit in ranked.right())


def closed_book(ranked: Ranked) -> Iterator[Asked]:
    return (Asked(query, None) for query, _ in ranked.rankings)


def without_answer(ranked: Ranked) -> Iterator[Asked]:
    """Those that hold evidence or a reference answer are left out of the ranking, and the next take their place."""
    for query, hits in ranked.rankings:
        others = (hit for hit in hits if not covered(query, span(hit), ranked.config))
        wrong = (hit for hit in others if not any(stands_in(each, hit.text) for each in query.answers))
        yield Asked(query, tuple(islice(wrong, ranked.config.context.passages)))


def conflicting(ranked: Ranked) -> Iterator[Asked]:
    """The right passage with an answer of the same article and kind in the place of its own."""
    answers = defaultdict(set)
    for query in ranked.run.corpus.queries:
        for each in query.answers:
            answers[query.group, kind(each)].add(each)
    for query, hit in ranked.right():
        fit = fitting(query, hit, answers[query.group, kind(query.answers[0])])
        text = (
            with_answer(hit.text, query.answers[0], random.Random(f"{ranked.config.seed} {query.id}").choice(fit)) if fit else ""
        )
        if text:
            yield rewritten(query, hit, *text)


def rewritten(query: Query, hit: Hit, text: str, *planted: str) -> Asked:
    """The question over another text of the passage alone, which is the evidence."""
    name = f"{hit.document_id} rewritten for {query.id}"
    shown = replace(hit, document_id=name, start=0, end=len(text), text=text, page=None)
    return Asked(query._replace(gold=(Gold(name, 0, len(text)),)), (shown,), planted)


def injected(ranked: Ranked, planted: bool = True) -> Iterator[Asked]:
    """The right passage with an instruction in it, of each kind in turn and each time elsewhere; without it if not `planted`."""
    attacks = json.loads((DATASETS / ATTACKS).read_text("utf-8"))
    instructions = list(zip(*attacks.values(), strict=True))  # a row holds one of each kind
    places = cycle(
        (text, POSITIONS[(at + row) % 3]) for at in range(3) for row, texts in enumerate(instructions) for text in texts
    )
    several = common_words(attacks.values())
    for (query, hit), (instruction, where) in zip(ranked.right(), places, strict=False):
        telltales = long_words(instruction) - several - long_words(" ".join((query.text, hit.text, *query.answers)))
        asked = rewritten(query, hit, with_instruction(hit.text, instruction, where)) if planted else Asked(query, (hit,))
        yield asked._replace(planted=tuple(sorted(telltales)))


def long_words(text: str) -> set[str]:
    """Of four letters or more."""
    return set(WORD.findall(text.lower()))


def common_words(kinds: Iterable[Iterable[str]]) -> set[str]:
    """Those of more than one kind."""
    seen, several = set(), set()
    for texts in kinds:
        own = long_words(" ".join(texts))
        several |= seen & own
        seen |= own
    return several


def with_instruction(text: str, instruction: str, where: str) -> str:
    """The middle is the start of the sentence nearest to it."""
    half = len(text) // 2
    at = {"start": 0, "middle": min(sentence_starts(text) or [half], key=lambda start: abs(start - half)), "end": len(text)}[
        where
    ]
    return " ".join(part for part in (text[:at].strip(), instruction, text[at:].strip()) if part)


def hops(most: int) -> Iterator[tuple[Query, list[Hit]]]:
    """Questions of HotpotQA, in IRCoT's form, with their own paragraphs as they stand there."""
    for line in gzip.decompress((DATASETS / HOPS).read_bytes()).splitlines()[: most or None]:
        yield read_hops(json.loads(line))


def read_hops(row: Mapping[str, Any]) -> tuple[Query, list[Hit]]:
    hits, gold = [], []
    for place, each in enumerate(row["contexts"]):
        name, text = f"{row['question_id']}/{place} {each['title']}", each["paragraph_text"]
        hits.append(Hit(1, 0.0, name, each["title"], 0, len(text), text))
        gold += [Gold(name, 0, len(text), unit=len(gold))] * each["is_supporting"]
    return Query(row["question_id"], row["question_text"], tuple(gold), tuple(row["answers_objects"][0]["spans"])), hits
