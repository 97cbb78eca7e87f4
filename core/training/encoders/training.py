"""Trains a dual encoder on a corpus with questions, in the manner of DPR.

Each question is pulled towards a chunk that holds its evidence and pushed away from the other chunks of its batch: the
evidence of the other questions and hard negatives found by BM25 (InfoNCE). Questions and chunks share one encoder.
Source: Karpukhin et al. 2020, "Dense Passage Retrieval for Open-Domain Question Answering", section 3; the loss of van
den Oord et al. 2018, "Representation Learning with Contrastive Predictive Coding", equation 4; LoRA: Hu et al. 2022.

Splits are by document. The test half is `core.corpus.library.split`'s and is measured once, at the end; the dev half is
divided into train and validation. No chunk of a document that is evidence in validation or test is seen in training,
not even as a negative.

Files: the work stands in `<encoders>/.training/<name>/` (log.jsonl with a line for each step and evaluation,
checkpoint.pt), the finished encoder in `<encoders>/<name>/`, where it appears whole by renaming. Closing the generator
keeps the checkpoint of the last evaluation: the same settings continue there, other settings start anew.
"""

import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.config import EvaluationConfig, StageConfig, code_version, fingerprint
from core.embedding.vectors import embed, weights
from core.evaluation.judged import relevance
from core.records import Chunks, Corpus, Progress
from core.retrieval.top import tie_order
from core.training.encoders.batches import Batches
from core.training.encoders.loop import Loop
from core.training.encoders.settings import TrainConfig
from core.training.encoders.splits import chunks_of, corpus_of, split_rows
from core.training.encoders.start import BertFolder, most_tokens, start_encoder
from core.training.encoders.validation import Validation, compared, measure
from core.training.log import at_work, finish, write_line
from core.training.record import PhaseSeconds, TrainingResult, curve


@dataclass(frozen=True)
class TrainedDualEncoder(TrainingResult):
    """comparison: metric -> before, after and the paired difference on the test questions.

    unseen: the same searching only documents that training never saw, neither as evidence nor as a negative: there the
    encoder cannot have gained by remembering which documents answer other questions.
    """

    sizes: dict[str, int]
    comparison: dict[str, dict[str, Any]]
    unseen: dict[str, dict[str, Any]]


def train(
    config: TrainConfig,
    corpus: Corpus,
    chunks: Chunks,
    texts: list[str],
    folder: Path,
    *,
    evaluation: EvaluationConfig | None = None,
    vectors: Path | None = None,
) -> Generator[Progress, None, TrainedDualEncoder]:
    """Trains on the corpus' questions and writes the encoder to `folder`, whose name is the encoder's.

    texts: those of the chunks. evaluation: depth, overlap and intervals of the test. vectors: the vector store that
    holds, or takes, the start encoder's vectors.
    """
    with at_work(folder, "an encoder") as work:
        settings = evaluation or EvaluationConfig(), vectors or work / "vectors"
        return (yield from _train(config, corpus, chunks, texts, folder, work, *settings))


def _train(config, corpus, chunks, texts, folder, work, evaluation, store):
    seconds = PhaseSeconds()
    part, base = start_encoder(config.base, folder.parent)
    relevant = relevance(corpus, chunks, evaluation.overlap)
    splits = split_rows(corpus, relevant, config.validation_share, config.seed)
    yield Progress(0, 0, f"Vectors of the start encoder, {config.base}")
    chunk_vectors = yield from embed(part, texts, store, weigh=weights)
    question_vectors = yield from embed(part, [query.text for query in corpus.queries], store, query=True)
    yield Progress(0, 0, "Mining negatives")
    batches = Batches(config, corpus, chunks, texts, splits, relevant, question_vectors, chunk_vectors)
    validation = Validation(config, corpus, chunks, texts, splits.validation, relevant, evaluation)
    mark = mark_of(config, corpus, chunks, part.identity(), evaluation.overlap, evaluation.k, code_version(train))
    loop = Loop(config, base, batches, validation, work, mark)
    seconds.end("preparing")
    yield from loop.run()
    seconds.end("training")

    made = work / "encoder"
    loop.write(made)
    yield Progress(0, 0, "Test: encoding the whole corpus with the trained encoder")
    after_part = BertFolder(folder=made)
    asked = corpus_of(corpus, splits.test)
    start = end = question_vectors[splits.test], chunk_vectors
    if loop.best_step:
        questions = yield from embed(after_part, [query.text for query in asked.queries], work / "test", query=True)
        end = questions, (yield from embed(after_part, texts, work / "test", weigh=weights))
    values = searched(asked, chunks, batches.held_out, evaluation, start, end)
    comparison, unseen = (compared(*pair, evaluation, config.seed) for pair in values)
    seconds.end("testing")
    sizes = {
        "train": len(splits.train),
        "validation": len(splits.validation),
        "test": len(splits.test),
        "validation_asked": len(validation.rows),
        "validation_chunks": len(validation.texts),
        "unseen_chunks": int(batches.held_out.sum()),
        "chunks": len(chunks),
        "documents": len(corpus.documents),
    }
    result = TrainedDualEncoder.by(loop, folder, seconds, sizes=sizes, comparison=comparison, unseen=unseen)
    write_line(work, "end", best_step=loop.best_step, stopped=loop.stopped, comparison=comparison)
    rows = zip(asked.queries, *(side.tolist() for side in values[0]), strict=True)
    lines = [json.dumps({"question": q.id, "before": b, "after": a}, ensure_ascii=False) for q, b, a in rows]
    (made / "test.jsonl").write_text("\n".join(lines) + "\n", "utf-8", errors="surrogatepass")
    negatives = {"mined": batches.mined, "dropped": batches.dropped}
    finish(work, made, folder, encoder_record(made, result, config, corpus, evaluation, part, negatives=negatives))
    return result


def searched(asked: Corpus, chunks: Chunks, held_out: np.ndarray, evaluation: EvaluationConfig, *sides: tuple) -> list[list]:
    """METRICS of each side, (question vectors, chunk vectors), by question: over all chunks, and over those held out [num_chunks] bool."""
    values = []
    for rows in (np.arange(len(chunks)), np.flatnonzero(held_out)):
        some = chunks_of(chunks, rows)
        relevant, ties = relevance(asked, some, evaluation.overlap), tie_order(asked.documents, some)
        values.append([measure(questions, vectors[rows], relevant, ties, evaluation.k) for questions, vectors in sides])
    return values


def mark_of(config: StageConfig, corpus: Corpus, chunks: Chunks, *decides: Any) -> str:
    """Of a training: with another one its checkpoint is not gone on from. decides: what else it depends on."""
    columns = [column.tobytes().hex() for column in (chunks.document, chunks.start, chunks.end)]
    return fingerprint(config, corpus.fingerprint, columns, *decides)


def encoder_record(made: Path, result: TrainedDualEncoder, config, corpus, evaluation, part, **more: Any) -> dict[str, Any]:
    """training.json: everything about how the encoder was made and what it is worth."""
    return result.record(
        config,
        settings={"max_tokens": most_tokens(made), "pooling": "mean"},
        evaluation=evaluation.model_dump(),
        corpus={"name": corpus.name, "fingerprint": corpus.fingerprint},
        start=part.identity(),
        loss_curve=curve(result.folder, "step"),
        **more,
    )
