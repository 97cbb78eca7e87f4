from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from core.config import knob
from core.corpus.assemble import WHOLE, assemble
from core.corpus.protocol import Loader
from core.corpus.reading import Notes, Source, text_of
from core.errors import WorkbenchError
from core.records import Corpus, Document, Gold, Progress, Query
from core.registry import part

LAYOUT = "The folder needs corpus.jsonl, queries.jsonl and qrels/*.tsv."
MOST_GRADE = 1_000  # the gain 2^grade is still a number


@part("loader")
class Beir(Loader):
    """Document-level judgements in BEIR's layout: corpus.jsonl, queries.jsonl, qrels/*.tsv; a folder or its zip.

    The text of a document is its title, an empty line and its text, as the benchmark's own baselines read it. Only
    questions judged in the chosen qrels file are taken. Choose it for BEIR, MTEB's exports and their like.
    Source: Thakur et al. 2021, BEIR: A Heterogeneous Benchmark for Zero-shot Evaluation.
    """

    part: Literal["beir"] = "beir"
    qrels: str = knob("test", "Which judgements to use: the name of a file in qrels/, without its ending.")

    def load(self, path: Path, name: str) -> Generator[Progress, None, Corpus]:
        source = Source(path, Notes())
        documents = []
        for member in source.needed("corpus.jsonl", "corpus.jsonl.gz", todo=LAYOUT)[:1]:
            for number, row in enumerate(source.json_lines(member)):
                if number % 2000 == 0:
                    yield Progress(row.position, row.size, f"Reading {PurePosixPath(member).name}")
                title, text = text_of(row.fields, "title").strip(), text_of(row.fields, "text")
                identity = text_of(row.fields, "_id", "id") or row.where
                documents.append(Document(identity, f"{title}\n\n{text}" if title else text, title, member))
        return assemble(name, documents, queries(source, self.qrels), source.notes)


def queries(source: Source, split: str, known_as: Callable[[str], str] = str) -> list[Query]:
    """Questions judged in that split ("" for the only one); `known_as` turns a document's name into its id."""
    files = source.find(f"qrels/{split}.tsv") if split else source.find("qrels/*.tsv")
    if len(files) != 1:
        have = ", ".join(PurePosixPath(file).stem for file in source.find("qrels/*.tsv"))
        raise WorkbenchError(
            f"There is no file of judgements '{split or 'qrels'}'." if not files else "There are several files of judgements.",
            where=str(source.path),
            todo=f"Choose qrels: {have or 'none here'}."
            if split or not files
            else f"Give the file that is meant in place of the folder: {', '.join(files)}.",
        )
    judged = judgements(source, files, known_as)
    questions, first = [], {}
    for row in source.json_lines(source.needed("queries.jsonl", "queries.jsonl.gz", todo=LAYOUT)[0]):
        identity = text_of(row.fields, "_id", "id")
        if identity in first:
            source.notes.add("Question with the id of another left out", f"{identity}: {first[identity]}, {row.where}")
        elif identity in judged:
            first[identity] = row.where
            questions.append(Query(identity, text_of(row.fields, "text"), tuple(judged[identity])))
    for identity in (identity for identity in judged if identity not in first):
        source.notes.add("Judgements of an unknown question left out", identity)
    return questions


def judgements(
    source: Source, names: Sequence[str], known_as: Callable[[str], str] = str, asked_as: Callable[[str], str] = str
) -> dict[str, list[Gold]]:
    """Query id -> judged documents, of files with BEIR's three columns or TREC's four; a document is a unit of its own."""
    grades: dict[str, dict[str, int]] = defaultdict(dict)  # judged twice: the last one holds
    for name in names:
        for number, line, _ in source.lines(name):
            fields = line.decode("utf-8", "replace").split("\t" if b"\t" in line else None)
            where = f"{PurePosixPath(name).name}:{number}"
            try:
                query, document, grade = fields[0], fields[-2], float(fields[-1])
                if not grade <= MOST_GRADE:
                    raise ValueError
            except (ValueError, IndexError):
                if number > 1 and line.strip():  # the first line may be a header
                    source.notes.add("Judgement that cannot be read, skipped", where)
                continue
            if grade % 1:
                source.notes.add("Judgement whose grade is no whole number, skipped", where)
            else:  # below 0 is TREC's mark for spam: judged, not relevant
                grades[asked_as(query.strip())][known_as(document.strip())] = max(int(grade), 0)
    return {
        query: [Gold(document, 0, WHOLE, grade, unit) for unit, (document, grade) in enumerate(judged.items())]
        for query, judged in grades.items()
    }
