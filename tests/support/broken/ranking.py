"""Indexes, sparse retrievers, fusions and metrics that break their contracts."""

from types import SimpleNamespace
from typing import Any, ClassVar, Literal

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
from tests.support.broken.breach import breach

# Retrievers -----------------------------------------------------------------------------------------------------------


class Finds(Retriever):
    def build(self, tools):
        yield from ()
        return np.array([[len(set(text) & set(letter)) for letter in "abcdefgh"] for text in tools.texts], np.float32)

    def scores(self, built, questions, tools):
        yield from ()
        asked = np.array([[len(set(text) & set(letter)) for letter in "abcdefgh"] for text in questions], np.float32)
        return asked.reshape(len(questions), 8) @ built.T


@breach("retriever", "give float32, a row a question and a column a chunk")
class WideRetriever(Finds):
    part: Literal["wide_retriever"] = "wide_retriever"

    def scores(self, built, questions, tools):
        return (yield from super().scores(built, questions, tools)).astype(np.float64)


@breach("retriever", "change with the questions beside it")
class LooksAside(Finds):
    part: Literal["looks_aside"] = "looks_aside"

    def scores(self, built, questions, tools):
        return (yield from super().scores(built, questions, tools)) + np.float32(len(questions))


@breach("retriever", "derive NamesNoRow from Retriever, or name a row of STAGES")
class NamesNoRow(Finder):
    part: Literal["names_no_row"] = "names_no_row"


# Fusions --------------------------------------------------------------------------------------------------------------


def summed(pool: Pool) -> np.ndarray:
    return np.nan_to_num(pool.score["dense"]) + np.nan_to_num(pool.score["sparse"])


@breach("fusion", "return `pool.ranked(fused)`, or put -inf where `pool.chunk` is -1")
class PadsAreRanked(Fusion):
    part: Literal["pads_are_ranked"] = "pads_are_ranked"

    def fuse(self, pool):
        return summed(pool)


@breach("fusion", "which makes it float32")
class WideScores(Fusion):
    part: Literal["wide_scores"] = "wide_scores"

    def fuse(self, pool):
        return pool.ranked(summed(pool)).astype(np.float64)


@breach("fusion", "give a score for each cell")
class OtherShape(Fusion):
    part: Literal["other_shape"] = "other_shape"

    def fuse(self, pool):
        return pool.ranked(summed(pool)).T


@breach("fusion", "so fill it first")
class LeavesNaN(Fusion):
    part: Literal["leaves_nan"] = "leaves_nan"

    def fuse(self, pool):
        return pool.ranked(pool.score["dense"] + pool.score["sparse"])


@breach("fusion", "writes into the pool's arrays of dense")
class WritesIntoThePool(Fusion):
    part: Literal["writes_into_the_pool"] = "writes_into_the_pool"

    def fuse(self, pool):
        pool.score["dense"] *= 2
        return pool.ranked(summed(pool))


@breach("fusion", "draw nothing at random")
class DrawnScores(Fusion):
    part: Literal["drawn_scores"] = "drawn_scores"

    def fuse(self, pool):
        return pool.ranked(np.random.default_rng().random(pool.chunk.shape))


@breach("fusion", "along axis 1 only")
class AcrossQuestions(Fusion):
    part: Literal["across_questions"] = "across_questions"

    def fuse(self, pool):
        fused = summed(pool)
        return pool.ranked(fused / max(fused.max(initial=0), 1))


@breach("fusion", "into the key of `pool.once`")
class ForgetsTheKey(Fusion):
    part: Literal["forgets_the_key"] = "forgets_the_key"
    weight: float = knob(0.5, "A weight.", ge=0.0, le=1.0)

    def fuse(self, pool):
        return pool.once("weighted", lambda: pool.ranked(self.weight * summed(pool)))


@breach("fusion", "the knob `weight` has no description")
class SilentKnob(Fusion):
    part: Literal["silent_knob"] = "silent_knob"
    weight: float = 0.5

    def fuse(self, pool):
        return pool.ranked(summed(pool))


@breach("fusion", "add it to needs()")
class ReadsMoreThanItNeeds(Fusion):
    part: Literal["reads_more_than_it_needs"] = "reads_more_than_it_needs"

    def needs(self, there=()):
        return ("sparse",)

    def fuse(self, pool):
        return pool.ranked(summed(pool))


@breach("fusion", 'write `part: Literal["nameless"]')
class Nameless(Fusion):
    part: str = "nameless"

    def fuse(self, pool):
        return pool.ranked(summed(pool))


@breach("fusion", "Give `initial` to `min` and `max`")
class MaximumOfNothing(Fusion):
    part: Literal["maximum_of_nothing"] = "maximum_of_nothing"

    def fuse(self, pool):
        return pool.ranked(summed(pool) - summed(pool).max(axis=1, keepdims=True))


@breach("fusion", "derive it from core.retrieval.fusion.Fusion")
class NoFusion(Exact):
    part: Literal["no_fusion"] = "no_fusion"


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


@breach("sparse", "put NaN into `score` where `chunk` is -1")
class PadsHaveScores(ChangedBM25):
    part: Literal["pads_have_scores"] = "pads_have_scores"

    def change(self, found, depth):
        return Candidates(found.chunk, np.nan_to_num(found.score))


@breach("sparse", "give int32 and float32")
class WideNumbers(ChangedBM25):
    part: Literal["wide_numbers"] = "wide_numbers"

    def change(self, found, depth):
        return Candidates(found.chunk.astype(np.int64), found.score)


@breach("sparse", "put the -1s at the end")
class WorstFirst(ChangedBM25):
    part: Literal["worst_first"] = "worst_first"

    def change(self, found, depth):
        return Candidates(found.chunk[:, ::-1], found.score[:, ::-1])


@breach("sparse", "keep to `depth`")
class IgnoresDepth(BM25S):
    part: Literal["ignores_depth"] = "ignores_depth"

    def build(self, tokens):
        inside = super().build(tokens)
        return SimpleNamespace(scores=inside.scores, search=lambda queries, depth, ties=None: inside.search(queries, 10, ties))


@breach("sparse", "leave out those without a positive score")
class FindsWhatItDoesNotKnow(ChangedBM25):
    part: Literal["finds_what_it_does_not_know"] = "finds_what_it_does_not_know"

    def change(self, found, depth):
        some = np.arange(found.chunk.shape[1], dtype=np.int32)[None]
        chunk = np.where((found.chunk < 0).all(axis=1, keepdims=True), some, found.chunk)
        return Candidates(chunk, np.where((chunk >= 0) & np.isnan(found.score), np.float32(0), found.score))


@breach("sparse", "hand it on to `best`")
class IgnoresTies(BM25S):
    part: Literal["ignores_ties"] = "ignores_ties"

    def build(self, tokens):
        inside = super().build(tokens)
        return SimpleNamespace(scores=inside.scores, search=lambda queries, depth, ties=None: inside.search(queries, depth))


@breach("sparse", "write into no array of the tokens")
class WritesIntoTokens(BM25S):
    part: Literal["writes_into_tokens"] = "writes_into_tokens"

    def build(self, tokens):
        tokens.postings.count[:] *= 3
        return super().build(tokens)


@breach("sparse", "put the setting into text_key()")
class OneTextKey(BM25S):
    part: Literal["one_text_key"] = "one_text_key"

    def text_key(self):
        return ("bm25s",)


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


@breach("index", "put NaN into `score` where `chunk` is -1")
class ZeroAtPads(Exact):
    part: Literal["zero_at_pads"] = "zero_at_pads"
    build = built(lambda found: Candidates(found.chunk, np.nan_to_num(found.score)))


@breach("index", "give int32 and float32")
class WideResults(Exact):
    part: Literal["wide_results"] = "wide_results"
    build = built(lambda found: Candidates(found.chunk, found.score.astype(np.float64)))


@breach("index", "pass them through `ordered`")
class Unsorted(Exact):
    part: Literal["unsorted"] = "unsorted"
    build = built(lambda found: Candidates(found.chunk[:, ::-1].copy(), found.score[:, ::-1].copy()))


@breach("index", "by `score_of`")
class DistancesForScores(Exact):
    part: Literal["distances_for_scores"] = "distances_for_scores"
    build = built(lambda found: Candidates(found.chunk, found.score - 1))


@breach("index", "leave them out before ranking")
class IgnoresTheFilter(Exact):
    part: Literal["ignores_the_filter"] = "ignores_the_filter"

    def build(self, vectors, folder):
        class Searching(ExactSearcher):
            def search(self, queries, depth, tie_order=None, *, settings=None, among=None):
                return super().search(queries, depth, tie_order)

        return Searching(vectors, self.metric)


@breach("index", "copy before writing")
class WritesIntoTheVectors(Exact):
    part: Literal["writes_into_the_vectors"] = "writes_into_the_vectors"

    def build(self, vectors, folder):
        vectors *= 1.5
        return super().build(vectors, folder)


@breach("index", "derive what it gives from core.index.protocol.Searcher")
class NoSearcher(Exact):
    part: Literal["no_searcher"] = "no_searcher"

    def build(self, vectors, folder):
        inside = super().build(vectors, folder)
        return SimpleNamespace(search=inside.search, memory_bytes=1, disk_bytes=0)


@breach("index", "which are no knobs")
class UnknownQuerySetting(Exact):
    part: Literal["unknown_query_setting"] = "unknown_query_setting"
    query_settings: ClassVar[tuple[str, ...]] = ("nprobe",)


@breach("index", "use the part's own settings where `settings` is None")
class NeedsSettings(Exact):
    part: Literal["needs_settings"] = "needs_settings"

    def build(self, vectors, folder):
        class Searching(ExactSearcher):
            def search(self, queries, depth, tie_order=None, *, settings=None, among=None):
                return super().search(queries, depth * len(settings.metric), tie_order)

        return Searching(vectors, self.metric)


@breach("index", "as core/index/protocol.py says: Can't instantiate abstract class Searching")
class HalfASearcher(Exact):
    part: Literal["half_a_searcher"] = "half_a_searcher"

    def build(self, vectors, folder):
        class Searching(Searcher):
            def search(self, queries, depth, tie_order=None, *, settings=None, among=None):
                return None

        return Searching()


# Metrics --------------------------------------------------------------------------------------------------------------


class Share(Metric):
    """Whether something relevant stands among the first k."""

    label: ClassVar[str] = "Share@{k}"
    source: ClassVar[str] = "here"

    def values(self, judged: Judged, k: int) -> np.ndarray:
        return np.where(judged.measured, judged.first_rank <= k, np.nan)


@breach("metric", "it has no label: write `label")
class WithoutALabel(Metric):
    part: Literal["without_a_label"] = "without_a_label"
    values = Share.values


@breach("metric", "lacks values: write them as")
class MeasuresNothing(Metric):
    part: Literal["measures_nothing"] = "measures_nothing"


@breach("metric", "give a number for each, no mean")
class OneMean(Share):
    part: Literal["one_mean"] = "one_mean"

    def values(self, judged, k):
        return np.nanmean(super().values(judged, k))


@breach("metric", "would be left out of the mean")
class MissedIsNaN(Share):
    part: Literal["missed_is_nan"] = "missed_is_nan"

    def values(self, judged, k):
        return np.where(judged.first_rank <= k, 1.0, np.nan)


@breach("metric", "put NaN where `judged.measured` is False")
class NoGoldIsZero(Share):
    part: Literal["no_gold_is_zero"] = "no_gold_is_zero"

    def values(self, judged, k):
        return (judged.first_rank <= k).astype(np.float64)


@breach("metric", "count only ranks <= k")
class IgnoresK(Share):
    part: Literal["ignores_k"] = "ignores_k"

    def values(self, judged, k):
        return super().values(judged, 10_000)


@breach("metric", "state the true range")
class Percent(Share):
    part: Literal["percent"] = "percent"

    def values(self, judged, k):
        return 100 * super().values(judged, k)


@breach("metric", "set `direction` to -1")
class LessIsBetter(Share):
    part: Literal["less_is_better"] = "less_is_better"

    def values(self, judged, k):
        return 1 - super().values(judged, k)


@breach("metric", "make it float64")
class NarrowValues(Share):
    part: Literal["narrow_values"] = "narrow_values"

    def values(self, judged, k):
        return super().values(judged, k).astype(np.float32)


@breach("metric", "writes into `first_rank`")
class WritesIntoTheRanks(Share):
    part: Literal["writes_into_the_ranks"] = "writes_into_the_ranks"

    def values(self, judged, k):
        judged.first_rank[:] = np.minimum(judged.first_rank, k + 1)
        return super().values(judged, k)
