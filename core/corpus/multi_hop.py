from collections.abc import Generator, Iterator
from hashlib import blake2b
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

from core.corpus.assemble import WHOLE, assemble
from core.corpus.protocol import Loader
from core.corpus.reading import Notes, Source, shape_reported, text_of
from core.errors import WorkbenchError
from core.records import Corpus, Document, Gold, Progress, Query
from core.registry import part


class Paragraph(NamedTuple):
    """evidence: characters [start, end) of its text that support the answer."""

    title: str
    text: str
    evidence: tuple[tuple[int, int], ...]


@part("loader")
class MultiHop(Loader):
    """Questions that need several paragraphs, each with its own candidates, in the JSON of HotpotQA, 2WikiMultiHopQA or MuSiQue.

    A document is a paragraph; those of all questions are one corpus, each once. Supporting sentences are the evidence where the set
    marks them, else supporting paragraphs; each is a unit of its own, for all of them are needed. Choose it for these sets and what
    is published in their form, such as IRCoT's samples of them.
    Source: Yang et al. 2018 (HotpotQA), Ho et al. 2020 (2WikiMultiHopQA), Trivedi et al. 2022 (MuSiQue), Trivedi et al. 2023 (IRCoT).
    """

    part: Literal["multi_hop"] = "multi_hop"

    def load(self, path: Path, name: str) -> Generator[Progress, None, Corpus]:
        notes = Notes()
        source = Source(path, notes)
        documents: dict[str, Document] = {}
        queries = []
        todo = "Give the JSON of HotpotQA, 2WikiMultiHopQA or MuSiQue."
        for member in source.needed("*.json", "*.json.gz", "*.jsonl", "*.jsonl.gz", todo=todo):
            for done, (where, row) in enumerate(_rows(source, member)):
                if done % 100 == 0:
                    yield Progress(done, 0, f"Reading {member}")
                with shape_reported(where, self.part):
                    queries.append(_question(row, documents, member))
        return assemble(name, documents.values(), queries, notes)


def _rows(source: Source, member: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, fields) of each question."""
    if ".jsonl" in member:
        for row in source.json_lines(member):
            yield row.where, row.fields
        return
    for number, row in enumerate(source.json(member, of=list), 1):
        place = f"{source.place(member)}, question {number}"
        if not isinstance(row, dict):
            raise WorkbenchError("The question is no JSON object.", where=place)
        yield place, row


def _question(row: dict[str, Any], documents: dict[str, Document], member: str) -> Query:
    """The question, whose paragraphs join the documents."""
    gold = []
    for each in _paragraphs(row):
        key = blake2b(f"{each.title}\n{each.text}".encode("utf-8", "replace"), digest_size=8).hexdigest()
        documents.setdefault(key, Document(key, each.text, each.title, member))
        gold += [(key, *span) for span in each.evidence]
    answers = [text_of(row, "answer"), *row.get("answer_aliases", ())]
    answers += [span for each in row.get("answers_objects", ()) for span in each["spans"]]
    identity, question = text_of(row, "_id", "id", "question_id"), text_of(row, "question", "question_text").strip()
    evidence = tuple(Gold(*place, unit=unit) for unit, place in enumerate(dict.fromkeys(gold)))
    texts = tuple(dict.fromkeys(text.strip() for text in answers if text.strip()))
    return Query(identity or question, question, evidence, texts, row.get("answerable", True), text_of(row, "type"))


def _paragraphs(row: dict[str, Any]) -> Iterator[Paragraph]:
    if "context" not in row:
        for each in row["paragraphs"] if "paragraphs" in row else row["contexts"]:
            yield Paragraph(each["title"], each["paragraph_text"], ((0, WHOLE),) if each["is_supporting"] else ())
        return
    named = {(title, number) for title, number in row.get("supporting_facts", ())}
    for title, lines in row["context"]:
        lines = [line if number == 0 or line[:1].isspace() else f" {line}" for number, line in enumerate(lines)]
        ends = list(pairwise(accumulate(map(len, lines), initial=0)))
        begins = [len(line) - len(line.lstrip()) for line in lines]
        marked = [number for number, line in enumerate(lines) if (title, number) in named and line.strip()]
        yield Paragraph(title, "".join(lines), tuple((ends[number][0] + begins[number], ends[number][1]) for number in marked))
