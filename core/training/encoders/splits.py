"""Questions of train, validation and test, apart by document."""

from typing import NamedTuple

import numpy as np

from core.config import fingerprint
from core.corpus import library
from core.errors import WorkbenchError
from core.evaluation.judged import Relevance
from core.records import Chunks, Corpus

FEWEST = 10  # questions of a split: below, neither training nor a test says anything


class Splits(NamedTuple):
    """Rows of corpus.queries [n] int64 each; no document is evidence in two of them."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_rows(corpus: Corpus, relevance: Relevance, validation_share: float, seed: int) -> Splits:
    """Train and validation from the dev half, test from the test half: questions whose evidence some chunk holds."""
    has_chunk = np.zeros(len(corpus.queries), bool)
    has_chunk[relevance.pair_row] = True
    row_of = {query.id: row for row, query in enumerate(corpus.queries)}
    halves = {
        half: [row_of[q.id] for q in library.split(corpus, half).queries if has_chunk[row_of[q.id]]] for half in ("dev", "test")
    }
    anchors = library.articles(corpus_of(corpus, np.array(halves["dev"], np.int64)))
    by_anchor: dict[str, list[int]] = {}
    for row in halves["dev"]:
        by_anchor.setdefault(anchors[corpus.queries[row].id], []).append(row)
    train, validation = [], []
    for anchor in sorted(by_anchor, key=lambda anchor: fingerprint(seed, anchor)):
        fits = len(validation) + len(by_anchor[anchor]) <= validation_share * len(halves["dev"])
        (validation if fits else train).extend(by_anchor[anchor])
    splits = Splits(*(np.array(sorted(rows), np.int64) for rows in (train, validation, halves["test"])))
    a, b, c = (evidence_documents(corpus, rows) for rows in splits)
    if a & b or a & c or b & c:
        raise WorkbenchError(
            "The questions share so much evidence that no division keeps documents apart: what the "
            "encoder learnt could not be told from what it remembers.",
            where=corpus.name,
            todo="Take a corpus whose questions have evidence of their own.",
        )
    for name, rows in splits._asdict().items():
        if len(rows) < FEWEST:
            raise WorkbenchError(
                f"Only {len(rows)} questions with evidence for {name}, at least {FEWEST} are needed.",
                where=corpus.name,
                todo="Take a corpus with more questions, or write some.",
            )
    return splits


def evidence_documents(corpus: Corpus, rows: np.ndarray) -> set[str]:
    """Documents that hold evidence of these questions, alternatives included."""
    return {gold.document_id for row in rows for gold in corpus.queries[row].relevant}


def corpus_of(corpus: Corpus, rows: np.ndarray) -> Corpus:
    return Corpus(corpus.name, corpus.documents, tuple(corpus.queries[row] for row in rows))


def chunks_of(chunks: Chunks, rows: np.ndarray) -> Chunks:
    return Chunks(*(column[rows] for column in (chunks.document, chunks.start, chunks.end, chunks.tokens)))
