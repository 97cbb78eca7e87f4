"""A corpus as the cache keeps it."""

import json

import numpy as np

from core.records import Corpus, Document, Gold, Query


def pack(corpus: Corpus) -> np.ndarray:
    """As JSON bytes; equal gold lists once, for hundreds of questions may share one of hundreds of documents."""
    golds: dict[tuple[Gold, ...], int] = {}
    queries = [query._replace(gold=golds.setdefault(query.gold, len(golds))) for query in corpus.queries]
    fields = [corpus.name, corpus.documents, list(golds), queries, corpus.notes, corpus.fingerprint]
    return np.frombuffer(json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass"), np.uint8)


def unpack(data: np.ndarray) -> Corpus:
    name, documents, lists, queries, notes, mark = json.loads(data.tobytes().decode("utf-8", "surrogatepass"))
    golds = [tuple(Gold(*place) for place in gold) for gold in lists]
    return Corpus(
        name,
        tuple(Document(*fields, tuple(pages)) for *fields, pages in documents),
        tuple(
            Query(identity, text, golds[gold], tuple(answers), answerable, group, tuple(history))
            for identity, text, gold, answers, answerable, group, history in queries
        ),
        tuple(notes),
        mark,
    )
