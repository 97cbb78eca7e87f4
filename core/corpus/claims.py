from collections.abc import Generator, Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from core.config import knob
from core.corpus.assemble import WHOLE, assemble
from core.corpus.protocol import Loader
from core.corpus.reading import Notes, Source, SourceRow, clean, shape_reported, text_of
from core.records import Corpus, Document, Gold, Progress, Query
from core.registry import part

Sentences = dict[str, list[tuple[int, int]]]  # document -> characters of each sentence


@part("loader")
class Claims(Loader):
    """Claims with the abstracts that they cite, in SciFact's form: corpus.jsonl and claims_SPLIT.jsonl, also as .gz.

    The claim is the question and its verdict the group, NEI where none was given. Evidence is each cited abstract, or the sentences
    that people marked in it. Choose it for SciFact, Citation Integrity and what is published in their form.
    Source: Wadden et al. 2020, Fact or Fiction: Verifying Scientific Claims; Sarol et al. 2024 (Citation Integrity).
    """

    part: Literal["claims"] = "claims"
    split: str = knob("train", "Which claims: the word after claims_ in the file's name.")
    evidence: Literal["document", "sentence"] = knob(
        "document",
        "What has to be retrieved: a cited abstract, or a marked sentence of it; claims without one have no evidence then.",
    )

    def load(self, path: Path, name: str) -> Generator[Progress, None, Corpus]:
        source = Source(path, Notes())
        documents: list[Document] = []
        sentences: Sentences = {}
        for number, row in enumerate(source.json_lines(_member(source, "corpus"))):
            if number % 2000 == 0:
                yield Progress(row.position, row.size, "Reading the abstracts")
            with shape_reported(row.where, self.part):
                document, sentences[document.id] = _abstract(row)
            documents.append(document)
        queries = []
        for row in source.json_lines(_member(source, f"claims_{self.split}")):
            with shape_reported(row.where, self.part):
                queries.append(self._claim(row, sentences, source.notes))
        return assemble(name, documents, queries, source.notes)

    def _claim(self, row: SourceRow, sentences: Sentences, notes: Notes) -> Query:
        identity, evidence = text_of(row.fields, "id") or row.where, row.fields.get("evidence") or {}
        labels = [text_of(entry, "label") for entries in evidence.values() for entry in entries]
        if self.evidence == "document":
            gold = [Gold(str(cited), 0, WHOLE, 1, unit) for unit, cited in enumerate(row.fields.get("cited_doc_ids") or evidence)]
        else:
            gold = [Gold(*span, 1, unit) for unit, span in enumerate(_marked(evidence, sentences, identity, notes))]
        return Query(identity, text_of(row.fields, "claim"), tuple(gold), group=labels[0] if labels else "NEI")


def _marked(evidence: dict, sentences: Sentences, identity: str, notes: Notes) -> Iterator[tuple[str, int, int]]:
    for document, entries in evidence.items():
        for number in sorted({number for entry in entries for number in entry["sentences"]}):
            if 0 <= number < len(spans := sentences.get(document, ())):
                yield document, *spans[number]
            else:
                notes.add("Marked sentence that its abstract does not have, left out", f"{identity} > {document}")


def _abstract(row: SourceRow) -> tuple[Document, list[tuple[int, int]]]:
    """The title, an empty line and the sentences, with the characters of each sentence."""
    title, spans = text_of(row.fields, "title").strip(), []
    text = f"{title}\n\n" if title else ""
    for sentence in row.fields["abstract"]:
        start = len(text)
        text += clean(str(sentence)).strip()
        spans.append((start, len(text)))
        text += " "
    return Document(text_of(row.fields, "doc_id") or row.where, text.rstrip() if spans else "", title), spans


def _member(source: Source, name: str) -> str:
    have = ", ".join(PurePosixPath(file).name for file in source.find("claims_*")) or "none here"
    todo = f"The folder needs corpus.jsonl and claims_SPLIT.jsonl; claims: {have}."
    return source.needed(f"{name}.jsonl", f"{name}.jsonl.gz", todo=todo)[0]
