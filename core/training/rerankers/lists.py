"""What a cross-encoder is shown: for each question its evidence, then passages that BM25 or the encoder mistakes for it."""

from typing import NamedTuple

import numpy as np

from core.evaluation.judged import Relevance, relevance
from core.index.exact import Exact
from core.retrieval.convex import Convex
from core.retrieval.fusion import BOTH
from core.retrieval.pool import make_pool
from core.retrieval.top import tie_order
from core.training.encoders.batches import nearest
from core.training.encoders.negatives import evidence, filtered, ranked_by_words
from core.training.encoders.splits import Splits, evidence_documents


class List(NamedTuple):
    """A question and passages; in training the first is its evidence. gold: which passages touch its evidence [n] bool."""

    row: int
    chunk: np.ndarray
    gold: np.ndarray


class TrainingLists:
    """TrainingLists to learn from, and lists to be ranked again. The same step of the same settings is always the same lists.

    A training list holds no chunk of a document that is evidence of a validation or test question.
    """

    def __init__(self, config, corpus, chunks, texts, splits: Splits, relevant: Relevance, questions, vectors) -> None:
        self._config, self._rows = config, splits.train
        held_out = evidence_documents(corpus, splits.validation) | evidence_documents(corpus, splits.test)
        free = ~np.array([document.id in held_out for document in corpus.documents], bool)[chunks.document]
        touching = relevance(corpus, chunks, 1e-9)
        self._touching = evidence(texts, touching.pair_row, touching.pair_chunk)
        self._positive = nearest(relevant, splits.train, questions, vectors)
        self._free = np.flatnonzero(free)
        asked = [corpus.queries[row].text for row in splits.train]
        hits = _both(texts, self._free, asked, questions[splits.train], vectors, config.negatives_depth)
        hits = np.where(hits >= 0, self._free[hits], -1).astype(np.int32)
        mined = filtered(
            corpus.queries,
            splits.train,
            texts,
            hits,
            self._touching,
            questions[splits.train],
            vectors,
            self._positive,
            config.negatives_limit,
        )
        self._negatives, self.dropped = mined
        self.mined = int((self._negatives >= 0).sum())
        self.size = min(config.batch_size, len(splits.train))
        self.steps = min(config.max_steps, config.epochs * (len(splits.train) // self.size))
        draw = np.random.default_rng([config.seed, 2 << 20])
        check, test = (
            np.sort(draw.permutation(rows)[:count])
            for rows, count in ((splits.validation, config.validation_questions), (splits.test, config.test_questions))
        )
        every = np.concatenate([check, test])
        order = tie_order(corpus.documents, chunks)
        pool = make_pool(
            dict(
                zip(
                    BOTH,
                    _searched(texts, [corpus.queries[r].text for r in every], questions[every], vectors, 100, order),
                    strict=True,
                )
            ),
            order,
        )
        first = np.argsort(-Convex().fuse(pool), axis=1, kind="stable")[:, : config.depth]
        ranked = np.take_along_axis(pool.chunk, first, 1)
        self.validation, self.test = (
            [self._ranked(row, chunk) for row, chunk in zip(rows, some, strict=True)]
            for rows, some in ((check, ranked[: len(check)]), (test, ranked[len(check) :]))
        )

    def _ranked(self, row: int, chunk: np.ndarray) -> List:
        chunk = chunk[chunk >= 0]
        return List(int(row), chunk, self._touching.touched(np.full(len(chunk), row), chunk))

    def batch(self, step: int) -> list[List]:
        """Of step 0, 1, …"""
        epoch, place = divmod(step, len(self._rows) // self.size)
        order = np.random.default_rng([self._config.seed, epoch]).permutation(len(self._rows))
        draw = np.random.default_rng([self._config.seed, 1 << 20, step])
        return [self._list(i, draw) for i in order[place * self.size : (place + 1) * self.size]]

    def _list(self, i: int, draw: np.random.Generator) -> List:
        mined, count = self._negatives[i][self._negatives[i] >= 0], self._config.negatives
        hard = draw.choice(mined, min(count, len(mined)), replace=False)
        random = draw.choice(self._free, count - len(hard))  # where too few were found
        random = random[~self._touching.touched(np.full(len(random), self._rows[i]), random)]
        chunk = np.concatenate([[self._positive[i]], hard, random]).astype(np.int64)
        return List(int(self._rows[i]), chunk, np.arange(len(chunk)) == 0)


def _searched(texts, asked, questions, vectors, depth, ties=None):
    return (ranked_by_words(texts, asked, depth, ties), Exact().build(vectors, None).search(questions, depth, ties))


def _both(texts, free, asked, questions, vectors, depth: int) -> np.ndarray:
    """The first of BM25 and of the encoder in turn, each once [n, 2 * depth] int32 places in free, -1 behind."""
    hits = [side.chunk for side in _searched([texts[i] for i in free], asked, questions, vectors[free], depth)]
    turns = np.full((len(asked), 2 * depth), -1, np.int32)
    for row, (left, right) in enumerate(zip(*hits, strict=True)):
        some = dict.fromkeys(place for pair in zip(left.tolist(), right.tolist(), strict=True) for place in pair if place >= 0)
        turns[row, : len(some)] = list(some)
    return turns
