"""What each step of a training is shown: questions, their evidence and hard negatives."""

from typing import NamedTuple

import numpy as np

from core.evaluation.judged import Relevance, relevance
from core.training.encoders import negatives
from core.training.encoders.splits import evidence_documents


class TrainingBatch(NamedTuple):
    """questions [B]; passages [P]: the evidence of each question in their order, then hard negatives.

    masked [B, P] bool: passages that are evidence of a question but not its own positive: no negatives of it.
    row [B], chunk [P]: where they come from.
    """

    questions: list[str]
    passages: list[str]
    masked: np.ndarray
    row: np.ndarray
    chunk: np.ndarray


class Batches:
    """What each step is shown. The same step of the same settings is always the same batch."""

    def __init__(self, config, corpus, chunks, texts, splits, relevant, question_vectors, chunk_vectors) -> None:
        held_out = evidence_documents(corpus, splits.validation) | evidence_documents(corpus, splits.test)
        apart = np.array([document.id in held_out for document in corpus.documents], bool)
        self.held_out = apart[chunks.document]
        self._free = np.flatnonzero(~self.held_out)
        touching = relevance(corpus, chunks, 1e-9)
        self._evidence = negatives.evidence(texts, touching.pair_row, touching.pair_chunk)
        self._config, self._corpus, self._texts, self._rows = config, corpus, texts, splits.train
        self._positive = nearest(relevant, splits.train, question_vectors, chunk_vectors)
        mined = negatives.mine(
            corpus.queries,
            splits.train,
            texts,
            ~self.held_out,
            self._evidence,
            question_vectors[splits.train],
            chunk_vectors,
            self._positive,
            config.negatives_depth,
            config.negatives_limit,
        )
        self._negatives, self.dropped = mined
        self.mined = int((self._negatives >= 0).sum())
        self.size = min(config.batch_size, len(self._rows))
        self.steps = min(config.max_steps, config.epochs * (len(self._rows) // self.size))

    def batch(self, step: int) -> TrainingBatch:
        """Of step 0, 1, …"""
        epoch, place = divmod(step, len(self._rows) // self.size)
        order = np.random.default_rng([self._config.seed, epoch]).permutation(len(self._rows))
        some = order[place * self.size : (place + 1) * self.size]
        rng = np.random.default_rng([self._config.seed, 1 << 20, step])
        chunk = np.concatenate([self._positive[some], *(self._hard(i, rng) for i in some)])
        masked = self._evidence.touched(self._rows[some][:, None], chunk[None, :])
        np.fill_diagonal(masked, False)
        questions = [self._corpus.queries[row].text for row in self._rows[some]]
        return TrainingBatch(questions, [self._texts[i] for i in chunk], masked, self._rows[some], chunk)

    def _hard(self, i: int, rng: np.random.Generator) -> np.ndarray:
        """Mined negatives of one question; random chunks where none was found."""
        mined = self._negatives[i][self._negatives[i] >= 0]
        return rng.choice(mined if len(mined) else self._free, self._config.hard_negatives)


def nearest(relevance: Relevance, rows: np.ndarray, questions: np.ndarray, chunk_vectors: np.ndarray) -> np.ndarray:
    """For each of these questions the chunk, of those that cover its evidence, that the start encoder finds nearest."""
    similarity = np.einsum("nd,nd->n", questions[relevance.pair_row], chunk_vectors[relevance.pair_chunk])
    order = np.lexsort((-similarity, relevance.pair_row))
    return relevance.pair_chunk[order][np.searchsorted(relevance.pair_row[order], rows)]
