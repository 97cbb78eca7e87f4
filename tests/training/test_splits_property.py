"""Whatever the evidence looks like: either training refuses, or no document is in two splits or shown out of its own."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.chunking.chunk import chunk_texts
from core.errors import WorkbenchError
from core.evaluation.judged import relevance
from core.records import Chunks, Corpus, Document, Gold, Query
from core.training.encoders.batches import Batches
from core.training.encoders.settings import TrainConfig
from core.training.encoders.splits import evidence_documents, split_rows

DOCUMENTS = tuple(Document(f"d{i:02}", f"text {i} of ten words or so") for i in range(80))
CHUNKS = Chunks(*(np.array(column, np.int32) for column in (range(80), [0] * 80, [10] * 80, [3] * 80)))
links = st.lists(st.tuples(st.integers(0, 79), st.integers(0, 79)), max_size=30)


@settings(max_examples=40)
@given(links, st.floats(0.15, 0.6), st.integers(0, 99))
def test_splits_share_no_document(links, share, seed):
    more = {}
    for i, j in links:
        more.setdefault(i, []).append(Gold(f"d{j:02}", 0, 9))
    queries = tuple(Query(f"q{i}", f"question {i}", (Gold(f"d{i:02}", 0, 9), *more.get(i, ()))) for i in range(80))
    corpus = Corpus("made", DOCUMENTS, queries)
    found = relevance(corpus, CHUNKS, 0.5)
    try:
        splits = split_rows(corpus, found, share, seed)
    except WorkbenchError:
        assume(False)
    documents = [evidence_documents(corpus, rows) for rows in splits]
    assert sum(map(len, documents)) == len(set.union(*documents))
    assert sorted(np.concatenate(splits)) == list(range(80))
    config = TrainConfig(batch_size=8, hard_negatives=2, seed=seed, validation_share=share)
    vectors = np.ones((80, 4), np.float32) / 2
    batches = Batches(config, corpus, CHUNKS, chunk_texts(CHUNKS, DOCUMENTS), splits, found, vectors, vectors)
    for step in range(3):
        batch = batches.batch(step)
        shown = {DOCUMENTS[chunk].id for chunk in batch.chunk}
        assert not shown & (documents[1] | documents[2])
        gold = [{g.document_id for g in queries[row].gold} for row in batch.row]
        own = np.eye(*batch.masked.shape, dtype=bool)
        expected = np.array([[DOCUMENTS[chunk].id in some for chunk in batch.chunk] for some in gold]) & ~own
        assert (batch.masked == expected).all()
