"""CACM by Anserini's settings: its published MAP, and nearly the documents of its published run."""

import numpy as np
import pytest

from core.corpus.trec import Trec
from core.labs.runs import measuring, trec
from core.progress import drain
from core.records import Chunks
from core.retrieval.bm25_fast import BM25S
from core.retrieval.top import tie_order


@pytest.mark.slow
def test_cacm_by_anserinis_settings_has_its_published_map(datasets_root):
    folder = datasets_root / "cacm"
    if not folder.is_dir():
        pytest.skip(f"no CACM at {folder}")
    corpus = drain(Trec(documents="cacm.tar.gz").load(folder, "cacm"))
    part = BM25S(k1=0.9, b=0.4, words="lucene", stemming="porter")
    tokens, asked = (part.tokenize([each.text for each in texts]) for texts in (corpus.documents, corpus.queries))
    ends = np.array([len(document.text) for document in corpus.documents], np.int32)
    chunks = Chunks(np.arange(len(ends), dtype=np.int32), np.zeros(len(ends), np.int32), ends, ends)
    found = part.build(tokens).search(asked, 1000, tie_order(corpus.documents, chunks))
    rows = zip(corpus.queries, found.chunk, found.score, strict=True)
    ids = [document.id for document in corpus.documents]
    run = trec.TrecRun("ours", {q.id: [(ids[c], float(s)) for c, s in zip(cs, ss, strict=True) if c >= 0] for q, cs, ss in rows})
    questions, _ = trec.read_judgements(folder / "qrels.cacm.txt")  # as trec_eval reads them, 55 ids without their zeros
    values = measuring.values(run, questions, [measuring.Measure("map", 1000), measuring.Measure("precision", 30)]).mean(axis=0)
    assert values == pytest.approx([0.3123, 0.1942], abs=0.002)
    published = trec.read_run(folder / "cacm-bm25.txt")
    first = ({document for document, _ in each.ranked[q.id][:10]} for q in questions for each in (run, published))
    assert np.mean([len(ours & theirs) / 10 for ours, theirs in zip(first, first, strict=True)]) > 0.97
