"""Indexes, sparse retrievers, fusions and metrics that break their contracts."""

from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from core.config import knob
from core.evaluation.judged import Judged
from core.evaluation.metric import Metric
from core.index.exact import Exact, ExactSearcher
from core.index.protocol import Searcher
from core.records import Candidates
from core.retrieval.bm25_fast import BM25S, BM25Searcher
from core.retrieval.fusion import Fusion
from core.retrieval.pool import Pool
from core.retrieval.retriever import Finder, Retriever
from tests.support.broken.breach import breach, breaking

# Retrievers -----------------------------------------------------------------------------------------------------------


class Finds(Retriever):
    def build(self, tools):
        yield from ()
        return np.array([[len(set(text) & set(letter)) for letter in "abcdefgh"] for text in tools.texts], np.float32)

    def scores(self, built, questions, tools):
        yield from ()
        asked = np.array([[len(set(text) & set(letter)) for letter in "abcdefgh"] for text in questions], np.float32)
        return self.changed(asked.reshape(len(questions), 8) @ built.T)

    def changed(self, scores):
        return scores


breach(
    "retriever",
    "give float32, a row a question and a column a chunk",
    Finds,
    "wide_retriever",
    changed=lambda self, scores: scores.astype(np.float64),
)
breach(
    "retriever",
    "change with the questions beside it",
    Finds,
    "looks_aside",
    changed=lambda self, scores: scores + np.float32(len(scores)),
)
breach("retriever", "derive NamesNoRow from Retriever, or name a row of STAGES", Finder, "names_no_row")

# Fusions --------------------------------------------------------------------------------------------------------------


def summed(pool: Pool) -> np.ndarray:
    return np.nan_to_num(pool.score["dense"]) + np.nan_to_num(pool.score["sparse"])


class Sums(Fusion):
    """Both scores of a candidate added up."""

    def fuse(self, pool):
        return pool.ranked(summed(pool))


def fusion(words: str, name: str, fuse, **members: Any) -> type:
    return breach("fusion", words, Fusion, name, fuse=fuse, **members)


def doubled(self, pool):
    pool.score["dense"] *= 2
    return pool.ranked(summed(pool))


def as_one_knob(self, pool):
    return pool.once("weighted", lambda: pool.ranked(self.weight * summed(pool)))


WEIGHT = {"weight": knob(0.5, "A weight.", ge=0.0, le=1.0), "__annotations__": {"weight": float}}
PadsAreRanked = fusion(
    "return `pool.ranked(fused)`, or put -inf where `pool.chunk` is -1", "pads_are_ranked", lambda self, pool: summed(pool)
)
fusion("which makes it float32", "wide_scores", lambda self, pool: pool.ranked(summed(pool)).astype(np.float64))
fusion("give a score for each cell", "other_shape", lambda self, pool: pool.ranked(summed(pool)).T)
fusion("so fill it first", "leaves_nan", lambda self, pool: pool.ranked(pool.score["dense"] + pool.score["sparse"]))
fusion("writes into the pool's arrays of dense", "writes_into_the_pool", doubled)
fusion("draw nothing at random", "drawn_scores", lambda self, pool: pool.ranked(np.random.default_rng().random(pool.chunk.shape)))
fusion(
    "along axis 1 only", "across_questions", lambda self, pool: pool.ranked(summed(pool) / max(summed(pool).max(initial=0), 1))
)
fusion("into the key of `pool.once`", "forgets_the_key", as_one_knob, **WEIGHT)
fusion("the knob `weight` has no description", "silent_knob", Sums.fuse, weight=0.5, __annotations__={"weight": float})
fusion("add it to needs()", "reads_more_than_it_needs", Sums.fuse, needs=lambda self, there=(): ("sparse",))
fusion(
    "Give `initial` to `min` and `max`",
    "maximum_of_nothing",
    lambda self, pool: pool.ranked(summed(pool) - summed(pool).max(axis=1, keepdims=True)),
)
breach("fusion", "derive it from core.retrieval.fusion.Fusion", Exact, "no_fusion")


@breaking("fusion", 'write `part: Literal["nameless"]')
class Nameless(Sums):
    part: str = "nameless"


# Sparse retrievers ----------------------------------------------------------------------------------------------------


class Found(BM25Searcher):
    """BM25 whose results a breach changes."""

    def __init__(self, tokens, searcher: BM25Searcher, change) -> None:
        vars(self).update(vars(searcher))
        self._change, self._tokens = change, tokens

    def search(self, queries, depth, tie_order=None):
        return self._change(super().search(queries, depth, tie_order), depth)


class ChangedBM25(BM25S):
    def build(self, tokens):
        return Found(tokens, super().build(tokens), self.change)

    def change(self, found: Candidates, depth: int) -> Candidates:
        return found


def sparse(words: str, name: str, change) -> None:
    breach("sparse", words, ChangedBM25, name, change=lambda self, found, depth: change(found))


def filled(found: Candidates) -> Candidates:
    some = np.arange(found.chunk.shape[1], dtype=np.int32)[None]
    chunk = np.where((found.chunk < 0).all(axis=1, keepdims=True), some, found.chunk)
    return Candidates(chunk, np.where((chunk >= 0) & np.isnan(found.score), np.float32(0), found.score))


def searching(search):
    """A `build` whose searcher searches in this way."""

    def build(self, tokens):
        inside = BM25S.build(self, tokens)
        return SimpleNamespace(scores=inside.scores, search=lambda queries, depth, ties=None: search(inside, queries, depth))

    return build


def trebled(self, tokens):
    tokens.postings.count[:] *= 3
    return BM25S.build(self, tokens)


sparse(
    "put NaN into `score` where `chunk` is -1",
    "pads_have_scores",
    lambda found: Candidates(found.chunk, np.nan_to_num(found.score)),
)
sparse("give int32 and float32", "wide_numbers", lambda found: Candidates(found.chunk.astype(np.int64), found.score))
sparse("put the -1s at the end", "worst_first", lambda found: Candidates(found.chunk[:, ::-1], found.score[:, ::-1]))
sparse("leave out those without a positive score", "finds_what_it_does_not_know", filled)
breach(
    "sparse",
    "keep to `depth`",
    BM25S,
    "ignores_depth",
    build=searching(lambda inside, queries, depth: inside.search(queries, 10)),
)
breach(
    "sparse",
    "hand it on to `best`",
    BM25S,
    "ignores_ties",
    build=searching(lambda inside, queries, depth: inside.search(queries, depth)),
)
breach("sparse", "write into no array of the tokens", BM25S, "writes_into_tokens", build=trebled)
breach("sparse", "put the setting into text_key()", BM25S, "one_text_key", text_key=lambda self: ("bm25s",))

# Indexes --------------------------------------------------------------------------------------------------------------


class Changed(ExactSearcher):
    """Exact search whose results a breach changes."""

    def search(self, queries, depth, tie_order=None, *, settings=None, among=None):
        return self.change(super().search(queries, depth, tie_order, settings=settings, among=among))

    change: Any = staticmethod(lambda found: found)


def built(change):
    """A `build` whose searcher changes what it finds."""
    searcher = type("Searching", (Changed,), {"change": staticmethod(change)})
    return lambda self, vectors, folder: searcher(vectors, self.metric)


def index(words: str, name: str, change) -> None:
    breach("index", words, Exact, name, build=built(change))


def searched(search):
    """A `build` whose searcher searches in this way."""

    class Searching(ExactSearcher):
        def search(self, queries, depth, tie_order=None, *, settings=None, among=None):
            return search(super(), queries, depth, tie_order, settings)

    return lambda self, vectors, folder: Searching(vectors, self.metric)


def enlarged(self, vectors, folder):
    vectors *= 1.5
    return Exact.build(self, vectors, folder)


def no_searcher(self, vectors, folder):
    return SimpleNamespace(search=Exact.build(self, vectors, folder).search, memory_bytes=1, disk_bytes=0)


index(
    "put NaN into `score` where `chunk` is -1", "zero_at_pads", lambda found: Candidates(found.chunk, np.nan_to_num(found.score))
)
index("give int32 and float32", "wide_results", lambda found: Candidates(found.chunk, found.score.astype(np.float64)))
index(
    "pass them through `ordered`", "unsorted", lambda found: Candidates(found.chunk[:, ::-1].copy(), found.score[:, ::-1].copy())
)
index("by `score_of`", "distances_for_scores", lambda found: Candidates(found.chunk, found.score - 1))
breach(
    "index",
    "leave them out before ranking",
    Exact,
    "ignores_the_filter",
    build=searched(lambda exact, queries, depth, ties, settings: exact.search(queries, depth, ties)),
)
breach("index", "copy before writing", Exact, "writes_into_the_vectors", build=enlarged)
breach("index", "derive what it gives from core.index.protocol.Searcher", Exact, "no_searcher", build=no_searcher)
breach(
    "index",
    "which are no knobs",
    Exact,
    "unknown_query_setting",
    query_settings=("nprobe",),
    __annotations__={"query_settings": ClassVar[tuple[str, ...]]},
)
breach(
    "index",
    "use the part's own settings where `settings` is None",
    Exact,
    "needs_settings",
    build=searched(lambda exact, queries, depth, ties, settings: exact.search(queries, depth * len(settings.metric), ties)),
)
breach(
    "index",
    "as core/index/protocol.py says: Can't instantiate abstract class Searching",
    Exact,
    "half_a_searcher",
    build=lambda self, vectors, folder: type("Searching", (Searcher,), {"search": ExactSearcher.search})(),
)

# Metrics --------------------------------------------------------------------------------------------------------------


class Share(Metric):
    """Whether something relevant stands among the first k."""

    label: ClassVar[str] = "Share@{k}"
    source: ClassVar[str] = "here"

    def values(self, judged: Judged, k: int) -> np.ndarray:
        return np.where(judged.measured, judged.first_rank <= k, np.nan)


def metric(words: str, name: str, values, base: type = Share) -> None:
    breach("metric", words, base, name, values=values)


def overwritten(self, judged, k):
    judged.first_rank[:] = np.minimum(judged.first_rank, k + 1)
    return Share.values(self, judged, k)


metric("it has no label: write `label", "without_a_label", Share.values, Metric)
breach("metric", "lacks values: write them as", Metric, "measures_nothing")
metric("give a number for each, no mean", "one_mean", lambda self, judged, k: np.nanmean(Share.values(self, judged, k)))
metric("would be left out of the mean", "missed_is_nan", lambda self, judged, k: np.where(judged.first_rank <= k, 1.0, np.nan))
metric(
    "put NaN where `judged.measured` is False",
    "no_gold_is_zero",
    lambda self, judged, k: (judged.first_rank <= k).astype(np.float64),
)
metric("count only ranks <= k", "ignores_k", lambda self, judged, k: Share.values(self, judged, 10_000))
metric("state the true range", "percent", lambda self, judged, k: 100 * Share.values(self, judged, k))
metric("set `direction` to -1", "less_is_better", lambda self, judged, k: 1 - Share.values(self, judged, k))
metric("make it float64", "narrow_values", lambda self, judged, k: Share.values(self, judged, k).astype(np.float32))
metric("writes into `first_rank`", "writes_into_the_ranks", overwritten)
