"""Whether training pays: a dual encoder and Word2Vec against their starts, on questions held out from training.

The dual encoder learns from `python-api` (1,200 known-item questions, their documents and 800 others, all short), with
the defaults of training; Word2Vec from the chunks of `python-reference`, against its random start.
No data but what every installation has. `--medquad` trains on MedQuAD's topics instead (GROUNDWORK_DATASETS; longer).
"""

import json
import random
import sys
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks._options import options
from core.chunking.chunk import chunk_texts
from core.config import build, fingerprint
from core.progress import Running, drain
from core.records import Corpus
from core.training.encoders.settings import TrainConfig
from core.training.encoders.training import train
from core.workbench import Workbench

MOST_CHARACTERS = {"python-api": 1200, "medquad": 1500}


def sample(corpus: Corpus) -> Corpus:
    """A part of the corpus that is trained on in minutes; the same one every time."""
    short = {d.id for d in corpus.documents if len(d.text) <= MOST_CHARACTERS[corpus.name]}
    draw = random.Random(0)
    if corpus.name == "medquad":  # whole topics: questions of one topic differ in what they ask of it
        topics = defaultdict(list)
        for name in sorted(short):
            topics[name.rpartition("-")[0]].append(name)
        names, kept = sorted(t for t in topics if len(topics[t]) >= 3), set()
        draw.shuffle(names)
        while names and len(kept) < 1800:
            kept |= set(topics[names.pop()])
        first = {q.text: q for q in reversed(corpus.queries) if q.id in kept}
        queries = [q._replace(gold=tuple(g for g in q.gold if g.document_id in kept)) for q in first.values()]
    else:
        queries = [q for q in corpus.queries if q.gold and all(g.document_id in short for g in q.gold)]
        queries = draw.sample(queries, 1200)
        kept = {g.document_id for q in queries for g in q.gold}
        kept |= set(draw.sample(sorted(short - kept), 800))
    documents = tuple(d for d in corpus.documents if d.id in kept)
    return Corpus(f"{corpus.name}-part", documents, tuple(queries), (), fingerprint(corpus.name, sorted(kept)))


def dual_encoder(bench: Workbench, dataset: str) -> dict:
    config = build({"corpus": {"dataset": dataset}})
    corpus = sample(bench.corpus(config))
    run = replace(bench.resolve(config), corpus=corpus, _keys={})
    chunks = drain(bench.pipeline.chunks(run))
    work = train(
        TrainConfig(),
        corpus,
        chunks,
        chunk_texts(chunks, corpus.documents),
        bench.home / "encoders" / "bench",
        vectors=bench.pipeline.vectors_folder,
    )
    result = watched(work)
    return {
        "corpus": corpus.name,
        "documents": len(corpus.documents),
        "chunks": len(chunks),
        "questions": result.sizes,
        "best_step": result.best_step,
        "steps": result.steps,
        "stopped": result.stopped,
        "seconds": result.seconds,
        "all_documents": result.comparison,
        "documents_never_seen": result.unseen,
    }


def watched(work):
    for step in (running := Running(work)):
        print(f"\r{step.message[:100]:100}", end="", file=sys.stderr, flush=True)
    return running.result


def word2vec(bench: Workbench) -> dict:
    """nDCG@10 of the held-out half; training reads all chunks and no question."""
    recipe = {"corpus": {"dataset": "python-reference", "questions": "test"}, "fusion": {"part": "dense_only"}}
    trained, start = (
        bench.evaluate(build({**recipe, "embedding": {"part": "word2vec", **settings}})) for settings in ({}, {"epochs": 0})
    )
    found = bench.differences(trained, start, ["ndcg_linear"])["ndcg_linear"]
    before, after = (float(np.nanmean(one.values["ndcg_linear"])) for one in (start, trained))
    return {
        "corpus": "python-reference",
        "n": found.n,
        "before": before,
        "after": after,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "p": found.p,
    }


def main(medquad: bool) -> None:
    with tempfile.TemporaryDirectory() as home:
        bench = Workbench(Path(home))
        found = {"word2vec": word2vec(bench)}
        found["dual_encoder"] = dual_encoder(bench, "medquad" if medquad else "python-api")
    print(json.dumps(found, default=str))


if __name__ == "__main__":
    main(options(__doc__, "--medquad").medquad)
