"""Items drawn from stored answers: stratified, seeded, so that the same call draws the same list.

Stratified sampling with equal or proportional allocation (Cochran 1977, "Sampling techniques", sections 5.4 and 5.9);
proportions are rounded by largest remainders.
"""

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

import numpy as np

from core import files
from core.annotation.rubric import FOLDER
from core.annotation.sentences import sentences
from core.annotation.study import LATE, Item, Passage, Response, Study
from core.config import fingerprint
from core.context.citations import BRACKETS
from core.errors import WorkbenchError

KNOWN = ("supported", "not_in_context")  # labels of attention items made of the corpus
MOST_ATTENTION = 5  # of a round
TRIES = 50  # other questions whose passages are looked at
# a sentence that was meant as one: no heading, code, link or half of a list
PLAIN = re.compile(r"[^\W\d_a-z][^{}<>|=_*#\[\]`\\/]*[^\s:;,][.]")
# how a sentence starts that leans on the one before it
LEANS = frozenset(
    """this these that those it its he she they his her their there here then thus so but and or however therefore moreover
also such another other both each if see note for similarly instead otherwise furthermore finally again in""".split()
)


class Candidate(NamedTuple):
    """A stored answer that could be judged."""

    source: str  # id of its record
    system: str
    dataset: str
    question: str
    text: str
    passages: tuple[Passage, ...] = ()
    gold: tuple[str, ...] = ()
    recipe: str = ""  # its fingerprint
    citations: str = BRACKETS  # how the text cites


def draw(
    candidates: Sequence[Candidate], count: int, by: str = "system", allocation: str = "equal", seed: int = 0, pilot: int = 0
) -> tuple[Item, ...]:
    """`count` answers, spread over the strata; the first `pilot` of them, spread likewise, are the pilot round.

    equal: each stratum as many, as far as it has them. proportional: each its share of the candidates.
    by question: whole questions of a corpus that all the systems answered, with one answer of each; both numbers are rounded
    down to whole questions, and the strata are corpora (systems where no corpus is known). A comparison of systems is then
    paired.
    """
    strata: dict[str, list[tuple[Candidate, ...]]] = defaultdict(list)  # answers that are drawn together
    each = 1
    if by == "question":
        each = max(len({candidate.system for candidate in candidates}), 1)
        for (dataset, _), answers in sorted(shared(candidates).items()):
            strata[dataset].append(tuple(answers[system] for system in sorted(answers)))
        if count < each:
            raise WorkbenchError(
                f"{count} items are asked for, and a question has {each}: an answer of each system.",
                todo="Ask for more, or for fewer systems.",
            )
    else:
        for candidate in sorted(candidates, key=lambda candidate: candidate.source):
            strata["" if by == "none" else getattr(candidate, by)].append((candidate,))
    rng, columns = np.random.default_rng(seed), []
    wanted = _allocated({name: len(those) for name, those in strata.items()}, count // each, allocation, each)
    for name in sorted(strata):
        some = [strata[name][place] for place in rng.permutation(len(strata[name]))[: wanted[name]]]
        columns += [((place + rng.random()) / len(some), name, together) for place, together in enumerate(some)]
    columns.sort(key=lambda column: column[:2])  # strata take turns, so that any first part is spread over them
    items = [
        _item(answer.question, (answer,), stratum or (answer.system if by == "question" else ""))
        for _, stratum, together in columns
        for answer in together
    ]
    return _in_rounds(items, pilot // each * each)


def shared(candidates: Sequence[Candidate], systems: Sequence[str] = ()) -> dict[tuple[str, str], dict[str, Candidate]]:
    """(corpus, question) -> system -> its latest answer, of the questions that all these systems answered; of none: all."""
    wanted = set(systems) or {candidate.system for candidate in candidates}
    answers: dict[tuple[str, str], dict[str, Candidate]] = defaultdict(dict)
    for candidate in sorted(candidates, key=lambda candidate: candidate.source):
        if candidate.system in wanted:
            answers[candidate.dataset, candidate.question][candidate.system] = candidate
    return {key: by for key, by in answers.items() if len(by) == len(wanted)}


def draw_pairs(candidates: Sequence[Candidate], a: str, b: str, count: int, seed: int = 0, pilot: int = 0) -> tuple[Item, ...]:
    """`count` questions of one corpus that both systems answered, with one answer of each."""
    answers = shared(candidates, (a, b))
    both = sorted(answers)
    if a == b or len(both) < count:
        raise WorkbenchError(
            f"{len(both) if a != b else 0} questions have an answer of both systems, {count} are asked for.",
            todo="Answer more questions with both, or request fewer.",
        )
    chosen = [both[place] for place in np.random.default_rng(seed).permutation(len(both))[:count]]
    return _in_rounds([_item(key[1], (answers[key][a], answers[key][b]), key[0]) for key in chosen], pilot)


def with_duplicates(items: Sequence[Item], count: int, seed: int = 0) -> tuple[Item, ...]:
    """The items and `count` of them a second time, of each round its share, under another id."""
    plain = [item for item in items if item.plain]
    if count > len(plain):
        raise WorkbenchError(f"{count} duplicates are asked for, of {len(plain)} items.", todo="Ask for fewer.")
    order = np.random.default_rng([seed, 1]).permutation(len(plain))
    chosen = [plain[place] for place in order[:count]]
    return (
        *items,
        *(item.model_copy(update={"id": fingerprint(item.id, "again")[:12], "duplicate_of": item.id}) for item in chosen),
    )


def with_attention(
    items: Sequence[Item],
    seed: int = 0,
    rounds: Sequence[str] = ("pilot", "main"),
    candidates: Sequence[Candidate] = (),
    labels: Sequence[str] = KNOWN,
) -> tuple[Item, ...]:
    """The items and attention items among them: a tenth of each of the rounds, at least one and at most five. No item comes in
    both rounds: whoever met it in the pilot knows it.

    They are made of the passages of the candidates, see `own_attention`; the built-in ones stand in where these give too few,
    or where a rubric has other labels.
    """
    numbers = [min(math.ceil(sum(item.round == name and item.plain for item in items) / 10), MOST_ATTENTION) for name in rounds]
    ids = {item.id for item in items}
    own = own_attention(candidates, items, sum(numbers), seed) if set(KNOWN) <= set(labels) else ()
    order = np.random.default_rng([seed, 2]).permutation(len(attention_items()))
    free = [item for item in (*own, *(attention_items()[place] for place in order)) if item.id not in ids]
    mixed = list(items)
    for round_name, number in zip(rounds, numbers, strict=True):
        mixed += [_late(item).model_copy(update={"round": round_name}) for item in free[:number]]
        free = free[number:]
    return tuple(mixed)


def _late(item: Item) -> Item:
    """Marked as one that no list begins with."""
    return item.model_copy(update={"responses": (item.responses[0].model_copy(update={"source": LATE}),)})


def own_attention(candidates: Sequence[Candidate], items: Sequence[Item], count: int, seed: int = 0) -> tuple[Item, ...]:
    """Items with known answers, made of the study's own corpus: a sentence of an answer's own passages, word for word, as the
    answer to its question. With these passages it is supported; with those of another question, of other documents that
    share no phrase and hardly a word with it, it is not in the context. By turns; questions that the items ask come last."""
    asked, met = {item.question for item in items}, {item.question for item in items if item.attention}
    there: dict[str, Candidate] = {}
    for answer in sorted((answer for answer in candidates if answer.passages), key=lambda answer: answer.source):
        there.setdefault(answer.question, answer)
    left = [answer for question, answer in there.items() if question not in met]
    pool = [left[place] for place in np.random.default_rng([seed, 3]).permutation(len(left))]
    pool.sort(key=lambda answer: answer.question in asked)
    attention: list[Item] = []
    for place, answer in enumerate(pool):
        if len(attention) == count:
            break
        said = _verbatim(answer)
        expected = KNOWN[len(attention) % len(KNOWN)]
        others = islice((pool[at % len(pool)] for at in range(place + 1, place + len(pool))), TRIES)
        shown = answer.passages if expected == KNOWN[0] else ()
        if said and not shown:
            shown = next((other.passages for other in others if _apart(answer, other, said)), ())
        if said and shown:
            attention.append(_attention(LATE, answer.question, said, shown, (expected,)))
    return tuple(attention)


def _verbatim(candidate: Candidate) -> str:
    """The whole sentence of its passages that says most of what the question asks; "" if none stands by itself."""
    asked, best = _content(candidate.question), (0.0, "")
    for passage in candidate.passages:
        spans = sentences(passage.text)
        for a, b in spans[1:]:  # a passage may begin in the middle of the first, and end in the middle of the last
            raw = passage.text[a:b]
            text = " ".join(raw.split())
            if (
                PLAIN.fullmatch(text)
                and not re.search(r"\n\s*[^\sa-z]", raw)
                and 7 <= len(text.split()) <= 40
                and len(sentences(text)) == 1
            ):
                first, content = text.split()[0].lower(), _content(text)
                if first not in LEANS and len(content) >= 4:
                    best = max(best, (len(content & asked) + 1 / len(content), text))
    return best[1]


def _apart(candidate: Candidate, other: Candidate, said: str) -> bool:
    """Are the other's passages of other documents, without a phrase and with hardly a word of what was said?"""
    if {passage.document_id for passage in candidate.passages} & {passage.document_id for passage in other.passages}:
        return False
    ours = re.findall(r"\w+", said.lower())
    phrases, content = set(zip(ours, ours[1:], ours[2:], strict=False)), _content(said)
    theirs = [re.findall(r"\w+", passage.text.lower()) for passage in other.passages]
    repeated = any(not phrases.isdisjoint(zip(row, row[1:], row[2:], strict=False)) for row in theirs)
    return not repeated and 4 * len(content & {word for row in theirs for word in row}) <= len(content)


def _content(text: str) -> set[str]:
    """Its words of four letters and more: most of the shorter ones say nothing of the subject."""
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 3}


def drawn_by(study: Study) -> str:
    """What the items were drawn by, as far as their strata tell: system, dataset, or "" for all alike."""
    items = [item for item in study.items if item.plain]
    strata, systems = {item.stratum for item in items}, {response.system for item in items for response in item.responses}
    return "" if strata <= {""} else "system" if strata <= systems else "dataset"


@lru_cache(1)
def attention_items() -> tuple[Item, ...]:
    """The items with known answers that come with the project, see annotations/attention.yaml."""
    entries = files.read_yaml(FOLDER / "attention.yaml")
    items = []
    for entry in entries:
        passages = tuple(
            Passage(document_id=fingerprint(text)[:12], title=title, text=text, end=len(text))
            for title, text in (passage.values() for passage in entry["passages"])
        )
        items.append(_attention("attention", entry["question"], entry["answer"], passages, tuple(entry["expected"])))
    return tuple(items)


def _attention(source: str, question: str, answer: str, passages: tuple[Passage, ...], expected: tuple[str, ...]) -> Item:
    item = _item(question, (Candidate(source, "attention", "", question, answer, passages),), "")
    return item.model_copy(update={"expected": expected})


def clean(text: str) -> str:
    """Text as it can be stored and hashed anywhere: half a surrogate pair, as broken files contain, becomes '?'."""
    return text.encode("utf-8", "replace").decode()


def _item(question: str, answers: tuple[Candidate, ...], stratum: str) -> Item:
    responses = tuple(
        Response(
            source=answer.source,
            system=answer.system,
            text=answer.text,
            sentences=sentences(answer.text),
            passages=answer.passages,
        )
        for answer in answers
    )
    name = fingerprint(question, [(answer.source, answer.text) for answer in answers])[:12]
    return Item(id=name, question=question, responses=responses, stratum=stratum, gold=answers[0].gold)


def _in_rounds(items: Sequence[Item], pilot: int) -> tuple[Item, ...]:
    return tuple(item.model_copy(update={"round": "pilot" if place < pilot else "main"}) for place, item in enumerate(items))


def _allocated(sizes: dict[str, int], count: int, allocation: str, each: int) -> dict[str, int]:
    """How many of each stratum."""
    if sum(sizes.values()) < count or count < 1:
        asked, there = f"{count * each} items are asked for", f"{sum(sizes.values())} stored answers"
        if each > 1:
            there = f"{sum(sizes.values())} questions that all {each} systems answered"
        raise WorkbenchError(f"{asked}, and there are {there}.", todo="Answer more questions, or request fewer items.")
    if allocation == "proportional":
        shares = {name: count * size / sum(sizes.values()) for name, size in sizes.items()}
        wanted = {name: int(share) for name, share in shares.items()}
        rest = sorted(sizes, key=lambda name: (wanted[name] - shares[name], name))[: count - sum(wanted.values())]
        return {name: wanted[name] + (name in rest) for name in sizes}
    wanted, names = dict.fromkeys(sizes, 0), sorted(sizes)
    while sum(wanted.values()) < count:
        for name in names:
            if wanted[name] < sizes[name] and sum(wanted.values()) < count:
                wanted[name] += 1
    return wanted
