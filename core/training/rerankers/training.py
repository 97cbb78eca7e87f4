"""Trains a cross-encoder on a corpus with questions: an adapter of the bundled encoder's upper layers, and a head.

Each question comes with its evidence and passages that BM25 or the encoder takes for it, and learns to put the evidence
first: by itself (pointwise), before each other passage (pairwise), or first of the list (listwise). It starts from what
the encoder's token vectors say when question and passage are read as one sequence (`bert_pairs.judged`), so that the
first step is no worse than MaxSim. Source: Nogueira and Cho 2019, "Passage Re-ranking with BERT"; the losses in `list_loss`.

Splits are those of the encoders' training: the test half is measured once, at the end, and no chunk of a document that is
evidence in validation or test is learnt from. Files: the work stands in `<rerankers>/.training/<name>/` (log.jsonl,
checkpoint.pt), the finished one in `<rerankers>/<name>/`, where it appears whole by renaming. Closing the generator keeps
the checkpoint of the last evaluation: the same settings continue there, other settings start anew.
"""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.config import EvaluationConfig, code_version
from core.embedding.minilm import MiniLM
from core.embedding.vectors import embed, weights
from core.evaluation.judged import relevance
from core.models.hub import bundled_folder
from core.records import Chunks, Corpus, Progress
from core.reranking.bert_pairs import ADAPTER
from core.reranking.cross_encoder import SETTINGS
from core.statistics.paired import paired_difference
from core.training.encoders.splits import split_rows
from core.training.encoders.training import mark_of
from core.training.log import at_work, finish, write_line
from core.training.low_rank import write_low_rank
from core.training.record import PhaseSeconds, TrainingResult
from core.training.rerankers.lists import TrainingLists
from core.training.rerankers.loop import MEASURES, ListLoop, measure
from core.training.rerankers.settings import RerankerTraining


@dataclass(frozen=True)
class TrainedReranker(TrainingResult):
    """comparison: metric -> before (the first stage), after (the reranker's scores alone) and the
    paired difference on the test questions."""

    sizes: dict[str, int]
    comparison: dict[str, dict[str, Any]]


def train(
    config: RerankerTraining,
    corpus: Corpus,
    chunks: Chunks,
    texts: list[str],
    folder: Path,
    *,
    evaluation: EvaluationConfig | None = None,
    vectors: Path | None = None,
) -> Generator[Progress, None, TrainedReranker]:
    """Trains on the corpus' questions and writes the reranker to `folder`, whose name is its own."""
    with at_work(folder, "a reranker") as work:
        settings = evaluation or EvaluationConfig(), vectors or work / "vectors"
        return (yield from _train(config, corpus, chunks, texts, folder, work, *settings))


def _train(config, corpus, chunks, texts, folder, work, evaluation, store):
    seconds, base, part = PhaseSeconds(), bundled_folder(), MiniLM()
    relevant = relevance(corpus, chunks, evaluation.overlap)
    splits = split_rows(corpus, relevant, config.validation_share, config.seed)
    yield Progress(0, 0, "Vectors of the start encoder")
    chunk_vectors = yield from embed(part, texts, store, weigh=weights)
    questions = yield from embed(part, [query.text for query in corpus.queries], store, query=True)
    yield Progress(0, 0, "Mining negatives")
    lists = TrainingLists(config, corpus, chunks, texts, splits, relevant, questions, chunk_vectors)
    mark = mark_of(config, corpus, chunks, part.identity(), evaluation.overlap, code_version(train))
    loop = ListLoop(config, base, corpus, texts, lists, work, mark)
    seconds.end("preparing")
    yield from loop.run()
    seconds.end("training")

    yield Progress(0, 0, "Test: ranking the first passages of the test questions again")
    before = measure(lists.test, [-np.arange(len(some.chunk), dtype=float) for some in lists.test])
    after = measure(lists.test, loop.rank(lists.test))
    paired = paired_difference(after, before, evaluation.resamples, evaluation.confidence, seed=config.seed)
    comparison = {
        name: {"before": float(before[:, i].mean()), "after": float(after[:, i].mean()), **paired[i]._asdict()}
        for i, name in enumerate(MEASURES)
    }
    sizes = {
        **{name: len(rows) for name, rows in splits._asdict().items()},
        "validation_asked": len(lists.validation),
        "test_asked": len(lists.test),
        "test_within_depth": sum(bool(some.gold.any()) for some in lists.test),
        "chunks": len(chunks),
        "documents": len(corpus.documents),
    }
    seconds.end("testing")
    result = TrainedReranker.by(loop, folder, seconds, sizes=sizes, comparison=comparison)
    write_line(work, "end", best_step=loop.best_step, stopped=loop.stopped, comparison=comparison)
    made = work / "reranker"
    write_low_rank(made, (ADAPTER, SETTINGS), loop.model.trained, config.max_tokens, base)
    about = {
        "corpus": {"name": corpus.name, "fingerprint": corpus.fingerprint},
        "negatives": {"mined": lists.mined, "dropped": lists.dropped},
    }
    finish(work, made, folder, result.record(config, **about))
    return result
