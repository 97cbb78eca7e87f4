"""What a head learns from, out of files in the forms that such data is published in, and its division into parts.

Labelled texts: JSONL or CSV with `text` and `label`, or JSONL with a list `labels`; CLINC150's JSON (Larson et al. 2019). Tagged
words: CoNLL (a word, a tab or space, its tag; a blank line ends the sentence), or JSONL with `tokens` and `tags`. Questions with
answers: SQuAD's JSON. Preferences: JSONL with `prompt`, `chosen` and `rejected` as TRL has them (texts, or lists of messages, which
may begin with the prompt's), and QA-Feedback's JSON (Wu et al. 2023). `part` (train, validation, test) and `group` (document, article)
of a row are used where they are there.
"""

import re
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.config import fingerprint
from core.corpus.reading import Notes, Source, shape_reported, text_of
from core.corpus.tables import rows
from core.errors import WorkbenchError
from core.records import Corpus
from core.training.encoders.negatives import ranked_by_words

PARTS = ("train", "validation", "test")
SAID = {"": "", "train": "train", "training": "train", "validation": "validation", "val": "validation", "valid": "validation"}
SAID |= {"dev": "validation", "test": "test"}
RANKED, HARDEST = 8, 4  # passages of a ranking of BM25 that are looked at, and of which a wrong one is drawn
_TAG, TAG_FORM = re.compile(r"O|[BI]-\S+"), "O, B-…, I-…"
FEWEST = 5  # examples of a part: below, neither training nor a test says anything


class Labelled(NamedTuple):
    text: str
    labels: tuple[str, ...]
    group: str = ""

    @property
    def seen(self) -> Any:
        """What a model reads: one that learnt from it has seen it."""
        return self.text


class Tagged(NamedTuple):
    words: tuple[str, ...]
    tags: tuple[str, ...]
    group: str = ""

    @property
    def seen(self) -> Any:
        return self.words


class PassageQuestion(NamedTuple):
    """answers: (text, first character in the passage); (): the passage has none."""

    question: str
    passage: str
    answers: tuple[tuple[str, int], ...]
    group: str = ""

    @property
    def seen(self) -> Any:
        return self.question, self.passage


class Compared(NamedTuple):
    """Two answers of which people prefer the first; rejected "": an answer alone."""

    prompt: str
    chosen: str
    rejected: str
    group: str = ""

    @property
    def seen(self) -> Any:
        return self.prompt, self.chosen, self.rejected


class Divided(NamedTuple):
    """Examples by part; no group and no equal example stands in two."""

    train: list[Any]
    validation: list[Any]
    test: list[Any]
    notes: tuple[str, ...]


Part = tuple[str, Any]  # its name or "", example


def labelled(path: Path) -> tuple[list[Part], tuple[str, ...]]:
    """Of a file with labelled texts, and what was skipped."""
    source, (name,) = _single(path)
    if name.removesuffix(".gz").endswith(".json"):
        return _clinc(source, name), source.notes.lines()
    some = []
    for row in rows(source, name):
        with shape_reported(row.where, "labelled texts"):
            labels = row.fields.get("labels")
            labels = tuple(map(str, labels)) if isinstance(labels, list) else tuple(filter(None, [text_of(row.fields, "label")]))
            text = text_of(row.fields, "text", "sentence", "question").strip()
            if not text or (not labels and "labels" not in row.fields):
                source.notes.add("Row without text or label, skipped", row.where)
                continue
            group = text_of(row.fields, "group", "document") or text
            some.append((_part(text_of(row.fields, "part", "split"), row.where), Labelled(text, labels, group)))
    return _filled(some, path, '"text" and "label"'), source.notes.lines()


def _clinc(source: Source, name: str) -> list[Part]:
    with shape_reported(source.place(name), "CLINC150"):
        return [
            (_part(key.removeprefix("oos_"), key), Labelled(text, (label,), text))
            for key, pairs in source.json(name).items()
            for text, label in pairs
        ]


def tagged(path: Path) -> tuple[list[Part], tuple[str, ...]]:
    """Of a file with tagged words, and what was skipped."""
    source, (name,) = _single(path)
    some: list[Part] = []
    if ".jsonl" in name:
        for row in rows(source, name):
            words, tags = row.fields.get("tokens"), row.fields.get("tags")
            if not (isinstance(words, list) and isinstance(tags, list) and len(words) == len(tags) > 0):
                source.notes.add("Row whose tokens and tags are not lists of one length, skipped", row.where)
                continue
            if not all(_TAG.fullmatch(str(tag)) for tag in tags):
                source.notes.add(f"Row with a tag of another form ({TAG_FORM}), skipped", row.where)
                continue
            group = text_of(row.fields, "group", "document") or " ".join(map(str, words))
            some.append(
                (_part(text_of(row.fields, "part", "split"), row.where), Tagged((*map(str, words),), (*map(str, tags),), group))
            )
        return _filled(some, path, f'"tokens" and "tags" ({TAG_FORM})'), source.notes.lines()
    words, tags = [], []
    for number, line in enumerate([*source.text(name).splitlines(), ""], 1):
        cells = re.split(r"[\t ]+", line.strip("\r\n \t"))
        if cells == [""]:
            if words:
                some.append(("", Tagged(tuple(words), tuple(tags), " ".join(words))))
            words, tags = [], []
        elif line.startswith("-DOCSTART-"):
            continue
        elif len(cells) < 2 or not _TAG.fullmatch(cells[-1]):
            source.notes.add(f"Line that is not a word and its tag ({TAG_FORM}), skipped", f"{name}:{number}")
        else:
            words.append(cells[0])
            tags.append(cells[-1])
    return _filled(some, path, "a word and its tag a line"), source.notes.lines()


def compared(path: Path) -> tuple[list[Part], tuple[str, ...]]:
    """Of a file with preferences, and what was skipped: ties say nothing of which answer is better."""
    source, (name,) = _single(path)
    if name.removesuffix(".gz").endswith(".json"):
        return _qa_feedback(source, name), source.notes.lines()
    some = []
    for row in rows(source, name):
        with shape_reported(row.where, "preferences"):
            prompt, chosen, rejected = map(said, _pair(*(row.fields.get(key) for key in ("prompt", "chosen", "rejected"))))
            if not chosen or not rejected or chosen == rejected:
                source.notes.add("Row without two different answers, skipped", row.where)
                continue
            group = text_of(row.fields, "group", "document") or prompt
            some.append((_part(text_of(row.fields, "part", "split"), row.where), Compared(prompt, chosen, rejected, group)))
    return _filled(some, path, '"prompt", "chosen" and "rejected"'), source.notes.lines()


def _pair(prompt: Any, chosen: Any, rejected: Any) -> tuple[Any, Any, Any]:
    """The same; where both answers are whole conversations, what they begin with alike is the prompt and no part of either."""
    if not (isinstance(chosen, list) and isinstance(rejected, list)):
        return prompt, chosen, rejected
    most = min(len(chosen), len(rejected)) - 1
    alike = next((place for place in range(most) if chosen[place] != rejected[place]), max(0, most))
    if not alike or isinstance(prompt, list) and chosen[: len(prompt)] != prompt:  # they go on behind the prompt that is given
        return prompt, chosen, rejected
    return chosen[:alike], chosen[alike:], rejected[alike:]


def said(value: Any) -> str:
    """A text, or what the messages of a conversation say."""
    if isinstance(value, list):
        return "\n\n".join(text_of(message, "content") for message in value).strip()
    return text_of({"value": value}, "value").strip()


def _qa_feedback(source: Source, name: str) -> list[Part]:
    """Of the six pairs of four answers; 1: the first is preferred, 2: the second, 0: neither."""
    some, entries = [], source.json(name, list)
    with shape_reported(source.place(name), "QA-Feedback"):
        for number, entry in enumerate(entries):
            prompt = "\n\n".join([entry["question"], *(" ".join(passage[1:]) for passage in entry["passages"])])
            for (a, b), preferred in zip(combinations(range(1, 5), 2), entry["preference"], strict=True):
                first, second = (entry[f"prediction {place}"].strip() for place in ((b, a) if preferred == 2 else (a, b)))
                if preferred == 0 or first == second:
                    source.notes.add("Pair without a preference, left out", f"{name}:{number}")
                elif not first or not second:
                    source.notes.add("Pair with an empty answer, left out", f"{name}:{number}")
                else:
                    some.append(("", Compared(prompt, first, second, entry["question"])))
    return some


def asked(corpus: Corpus) -> list[Any]:
    """Questions of a corpus with the document that holds their evidence, and where the answers stand in it."""
    texts = {document.id: document for document in corpus.documents}
    some = []
    for query in corpus.queries:
        if gold := query.relevant:
            document = texts[gold[0].document_id]
            spans = dict.fromkeys((g.start, g.end) for g in gold if g.document_id == document.id)
            answers = tuple((document.text[start:end], start) for start, end in spans)
            some.append(PassageQuestion(query.text, document.text, answers, document.title or document.id))
    return some


def with_wrong(some: Sequence[Part], share: float, seed: int) -> list[Part]:
    """Beside these a share of the questions once more, each over a passage of its own group and part that does not hold its answers: one of
    the four that BM25 ranks highest for it. So a reader learns that a passage, though near, may have no answer."""
    place_of = {example.passage: (part, example.group) for part, example in some}
    texts, draw, wrong = list(place_of), np.random.default_rng(seed), []
    ranked = ranked_by_words(texts, [example.question for _, example in some], RANKED).chunk
    for (part, example), row in zip(some, ranked, strict=True):
        if draw.random() >= share:
            continue
        near = [texts[number] for number in row[row >= 0] if place_of[texts[number]] == (part, example.group)]
        if near := [text for text in near if not any(answer.lower() in text.lower() for answer, _ in example.answers)]:
            wrong.append((part, example._replace(passage=near[int(draw.integers(min(HARDEST, len(near))))], answers=())))
    return [*some, *wrong]


def of_corpus(corpus: Corpus) -> list[Labelled]:
    """Questions of a corpus with their type as label, and the document of their evidence as group."""
    return [
        Labelled(query.text, (query.group,), next((gold.document_id for gold in query.relevant), query.id))
        for query in corpus.queries
        if query.group
    ]


def divided(some: Sequence[Part], validation: float, test: float, seed: int, where: str, notes: Sequence[str] = ()) -> Divided:
    """By the parts that are named; else the groups are drawn: `test` and `validation` are shares of them. What the test or the
    validation holds is not learnt from: neither equal examples nor others of its groups."""
    parts: dict[str, list[Any]] = {part: [] for part in PARTS}
    named = {part for part, _ in some if part}
    for part, example in some:
        place = int(fingerprint(seed, example.group)[:8], 16) / 16**8
        if not part and "test" not in named and place < test:
            part = "test"
        elif (not part or part == "train") and "validation" not in named and place >= 1 - validation:
            part = "validation"
        parts[part or "train"].append(example)
    told, held, groups = list(notes), set(), set()
    for part in reversed(PARTS):  # the test first, which nothing is taken from
        before = len(parts[part])
        parts[part] = [example for example in parts[part] if example.seen not in held and example.group not in groups]
        held |= {example.seen for example in parts[part]}
        groups |= {example.group for example in parts[part]} - {""}
        if dropped := before - len(parts[part]):
            told.append(f"{dropped:,} examples of the {part} part, or others of their group, are also in a later one: left out.")
    return enough(Divided(*parts.values(), tuple(told)), where)


def enough(parts: Divided, where: str) -> Divided:
    """The same; raises where a part has too few examples, with what was skipped."""
    for part in PARTS:
        if (number := len(getattr(parts, part))) < FEWEST:
            raise WorkbenchError(
                " ".join([f"Only {number} examples for {part}, at least {FEWEST} are needed.", *parts.notes]),
                where=where,
                todo="Give more examples, or name their parts in a column part (train, validation, test).",
            )
    return parts


def halved(parts: Divided, half: str, seed: int) -> Divided:
    """With half of the training part's groups; "both": all."""
    wanted = {"first": (0,), "second": (1,), "both": (0, 1)}[half]
    return parts._replace(train=[e for e in parts.train if int(fingerprint("half", seed, e.group)[:8], 16) % 2 in wanted])


def _single(path: Path) -> tuple[Source, list[str]]:
    source = Source(path, Notes())
    if path.is_dir() or len(source.sizes) != 1:
        raise WorkbenchError("One file is expected.", where=str(path), todo="Name the file itself.")
    return source, list(source.sizes)


def _part(said: str, where: str) -> str:
    if said.lower() not in SAID:
        raise WorkbenchError(f"'{said}' is no part.", where=where, todo="Parts are train, validation and test.")
    return SAID[said.lower()]


def _filled(some: list[Part], path: Path, form: str) -> list[Part]:
    if not some:
        raise WorkbenchError("The file has no example that could be read.", where=str(path), todo=f"It should hold {form}.")
    return some
