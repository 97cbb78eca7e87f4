"""What an encoder is worth: the small search while it is trained, and the test before and after."""

from collections.abc import Iterable

import numpy as np

from core.config import EvaluationConfig
from core.evaluation.judged import Relevance, judge, relevance
from core.evaluation.mrr import MRR
from core.evaluation.ndcg_linear import NDCGLinear
from core.evaluation.recall import Recall
from core.index.exact import Exact
from core.retrieval.bm25_fast import BM25S
from core.retrieval.pool import make_pool
from core.retrieval.top import tie_order
from core.statistics.paired import paired_difference
from core.training.encoders.splits import chunks_of, corpus_of

METRICS = {
    "ndcg": NDCGLinear(),
    "recall": Recall(),
    "mrr": MRR(),
}  # the names that every training.json has, which `watch` chooses of


class Validation:
    """A small search that stands for the whole: some validation questions over their evidence and distractors.

    Distractors are BM25's, and random: none is chosen by the start encoder, which would hold its own mistakes against it.
    """

    def __init__(self, config, corpus, chunks, texts, rows, relevant, evaluation) -> None:
        rng = np.random.default_rng([config.seed, 2 << 20])
        of_row = np.split(relevant.pair_chunk, np.cumsum(np.bincount(relevant.pair_row, minlength=len(corpus.queries)))[:-1])
        pool: set[int] = set()
        asked: list[int] = []
        for row in rng.permutation(rows)[: config.validation_questions]:
            if len(pool) + len(of_row[row]) <= config.validation_chunks // 2 or not asked:
                asked.append(row)
                pool.update(of_row[row].tolist())
        self.rows = np.array(sorted(asked))
        self._corpus = corpus_of(corpus, self.rows)
        self.questions = [query.text for query in self._corpus.queries]
        bm25 = BM25S()
        depth = max(1, config.validation_chunks // 4 // len(asked))
        lexical = bm25.build(bm25.tokenize(texts)).search(bm25.tokenize(self.questions), depth).chunk
        pool.update(lexical[lexical >= 0].tolist())
        others = np.setdiff1d(np.arange(len(chunks)), list(pool))
        fill = rng.permutation(others)[: max(0, config.validation_chunks - len(pool))]
        searched = np.sort(np.concatenate([np.array(list(pool), np.int64), fill]))
        self.texts = [texts[i] for i in searched]
        some = chunks_of(chunks, searched)
        self._relevance = relevance(self._corpus, some, evaluation.overlap)
        self._ties, self._k = tie_order(corpus.documents, some), evaluation.k

    def measure(self, questions: np.ndarray, vectors: np.ndarray) -> dict[str, float]:
        values = np.nanmean(measure(questions, vectors, self._relevance, self._ties, self._k), axis=0)
        return {name: round(float(value), 6) for name, value in zip(METRICS, values, strict=True)}


def measure(questions: np.ndarray, vectors: np.ndarray, relevance: Relevance, ties: np.ndarray, k: int) -> np.ndarray:
    """METRICS of each question [num_questions, 3] float64 by exact cosine search over all chunks."""
    candidates = Exact().build(vectors, None).search(questions, k, ties)
    pool = make_pool({"encoder": candidates}, ties)
    judged = judge(pool, np.nan_to_num(pool.score["encoder"], nan=-np.inf), relevance, k)
    return np.stack([metric.values(judged, k) for metric in METRICS.values()], axis=1)


def compared(
    before: np.ndarray, after: np.ndarray, evaluation: EvaluationConfig, seed: int, names: Iterable[str] = METRICS
) -> dict[str, dict]:
    """Name -> means and the paired difference after - before [num_questions, names] with interval and p."""
    paired = paired_difference(after, before, evaluation.resamples, evaluation.confidence, seed=seed)
    means = np.nanmean(before, axis=0), np.nanmean(after, axis=0)
    return {
        name: {"before": float(b), "after": float(a), **difference._asdict()}
        for name, b, a, difference in zip(names, *means, paired, strict=True)
    }
