"""The contract suites against parts that break them: each breach fails in words that name the next step."""

import re
from collections.abc import Generator, Iterator
from importlib import import_module
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Literal
from zlib import crc32

import numpy as np
import pytest

from core import registry
from core.chunking.protocol import Chunker
from core.chunking.tools import Tools
from core.config import knob
from core.corpus.assemble import assemble
from core.corpus.protocol import Loader
from core.corpus.reading import Notes
from core.embedding.protocol import Encoder
from core.evaluation.judged import Judged
from core.evaluation.metric import Metric
from core.index.exact import Exact, ExactSearcher
from core.records import Candidates, Corpus, Document, Gold, Query
from core.retrieval.bm25_fast import BM25S, BM25Searcher
from core.retrieval.fusion import Fusion
from core.retrieval.pool import Pool
from tests.support.parts import verdicts

SUITES = {
    "loader": "loaders", "chunker": "chunkers", "encoder": "encoders", "index": "indexes", "sparse": "sparse", "fusion": "fusions",
    "metric": "metrics",
}  # fmt: skip
BREACHES: list[tuple[str, type, str]] = []  # kind, part, words of the message


def breach(kind: str, words: str):
    """Class decorator: a part that has to fail the suite of its kind with these words."""

    def listed(cls: type) -> type:
        cls.__doc__ = "Choose it nowhere."
        BREACHES.append((kind, cls, words))
        return cls

    return listed


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

    def needs(self):
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


# Encoders -------------------------------------------------------------------------------------------------------------


class Bag(Encoder):
    """Counts of hashed words; what a breach changes of the vectors, or of how they are handed over."""

    dimensions: int = knob(64, "Numbers of a vector.", ge=32, le=128)

    def identity(self) -> str:
        return f"{self.part}-{self.dimensions}"

    def load(self) -> Any:
        offsets = [np.empty((0, 2), np.int32)]
        return SimpleNamespace(
            name=self.part,
            dtype="float32",
            dim=self.dimensions,
            max_tokens=1 << 20,
            encode=self.encode,
            token_offsets=lambda texts: (
                [np.array([m.span() for m in re.finditer(r"\S", t)], np.int32).reshape(-1, 2) for t in texts] or offsets
            ),
        )

    def encode(self, texts: list[str], query: bool = False) -> Generator[tuple[np.ndarray, np.ndarray], None, None]:
        for start in range(0, len(texts), 16):
            some = texts[start : start + 16]
            yield np.arange(start, start + len(some)), self.vectors(some, query)

    def vectors(self, texts: list[str], query: bool) -> np.ndarray:
        found = np.full((len(texts), self.dimensions), 1e-3, np.float32)
        for row, text in enumerate(texts):
            for word in text.split():
                found[row, crc32(word.encode("utf-8", "replace")) % self.dimensions] += 1
        return found


@breach("encoder", "make them float32")
class WideVectors(Bag):
    part: Literal["wide_vectors"] = "wide_vectors"

    def vectors(self, texts, query):
        return super().vectors(texts, query).astype(np.float64)


@breach("encoder", "give [16, dim = 64]")
class OtherDimension(Bag):
    part: Literal["other_dimension"] = "other_dimension"

    def vectors(self, texts, query):
        return super().vectors(texts, query)[:, :-1]


@breach("encoder", "yield the place of each text beside its vector")
class LosesTexts(Bag):
    part: Literal["loses_texts"] = "loses_texts"

    def encode(self, texts, query=False):
        return super().encode(texts[:-1], query)


@breach("encoder", "is yielded twice")
class PlacesInTheBatch(Bag):
    part: Literal["places_in_the_batch"] = "places_in_the_batch"

    def encode(self, texts, query=False):
        for indices, vectors in super().encode(texts, query):
            yield indices - indices[0], vectors


@breach("encoder", "let no mean or padding reach across")
class CentredInTheBatch(Bag):
    part: Literal["centred_in_the_batch"] = "centred_in_the_batch"

    def vectors(self, texts, query):
        found = super().vectors(texts, query)
        return found - found.mean(axis=0)


@breach("encoder", "draw nothing at random, or from a seed")
class DrawnVectors(Bag):
    part: Literal["drawn_vectors"] = "drawn_vectors"

    def vectors(self, texts, query):
        return super().vectors(texts, query) + np.random.default_rng().random(self.dimensions).astype(np.float32)


@breach("encoder", "into identity()")
class OneIdentity(Bag):
    part: Literal["one_identity"] = "one_identity"

    def identity(self):
        return self.part


@breach("encoder", "it names a folder")
class SlashInIdentity(Bag):
    part: Literal["slash_in_identity"] = "slash_in_identity"

    def identity(self):
        return f"models/{self.dimensions}"


@breach("encoder", "tell them apart by `prefix`")
class QuestionsByThemselves(Bag):
    part: Literal["questions_by_themselves"] = "questions_by_themselves"

    def vectors(self, texts, query):
        return np.roll(super().vectors(texts, query), 7 if query else 0, axis=1)


@breach("encoder", "what is divided by 0?")
class EmptyTextIsNaN(Bag):
    part: Literal["empty_text_is_nan"] = "empty_text_is_nan"

    def vectors(self, texts, query):
        found = super().vectors(texts, query) - np.float32(1e-3)
        with np.errstate(invalid="ignore"):
            return found / np.linalg.norm(found, axis=1, keepdims=True)


@breach("encoder", "sort a copy")
class SortsTheTexts(Bag):
    part: Literal["sorts_the_texts"] = "sorts_the_texts"

    def encode(self, texts, query=False):
        texts.sort(key=len)
        return super().encode(texts, query)


@breach("encoder", "`fit` and `learns` do not agree")
class LearnsInSecret(Bag):
    part: Literal["learns_in_secret"] = "learns_in_secret"

    def fit(self, texts, folder):
        return self
        yield


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


# Metrics --------------------------------------------------------------------------------------------------------------


class Share(Metric):
    """Whether something relevant stands among the first k."""

    label: ClassVar[str] = "Share@{k}"
    source: ClassVar[str] = "here"

    def values(self, judged: Judged, k: int) -> np.ndarray:
        return np.where(judged.measured, judged.first_rank <= k, np.nan)


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


# Chunkers -------------------------------------------------------------------------------------------------------------


class Lines(Chunker):
    """A chunk a line."""

    def split(self, text: str, tools: Tools) -> list[tuple[int, int]]:
        return [match.span() for match in re.finditer(r"\S(?:[^\n]*\S)?", text)]


@breach("chunker", "stay within the text")
class BeyondTheText(Lines):
    part: Literal["beyond_the_text"] = "beyond_the_text"

    def split(self, text, tools):
        return [(a, b + 1) for a, b in super().split(text, tools)]


@breach("chunker", "a position is no plain int")
class NumpyPositions(Lines):
    part: Literal["numpy_positions"] = "numpy_positions"

    def split(self, text, tools):
        return [(np.int64(a), np.int64(b)) for a, b in super().split(text, tools)]


@breach("chunker", "leave out white space only")
class LeavesOut(Lines):
    part: Literal["leaves_out"] = "leaves_out"

    def split(self, text, tools):
        return super().split(text, tools)[1:]


@breach("chunker", "pass it through `trim`")
class KeepsWhiteSpace(Lines):
    part: Literal["keeps_white_space"] = "keeps_white_space"

    def split(self, text, tools):
        return [(0, len(text))] if text else []


@breach("chunker", "none inside another")
class WithinEachOther(Lines):
    part: Literal["within_each_other"] = "within_each_other"

    def split(self, text, tools):
        spans = super().split(text, tools)
        return [*spans, *spans[:1]]


@breach("chunker", "`size_tokens` is")
class TooLarge(Lines):
    part: Literal["too_large"] = "too_large"
    size_tokens: int = knob(8, "Most tokens in a chunk.", ge=8, le=64)


@breach("chunker", "keep nothing between calls")
class OtherEachTime(Lines):
    part: Literal["other_each_time"] = "other_each_time"
    calls: ClassVar[Iterator[int]] = count()

    def split(self, text, tools):
        spans = super().split(text, tools)
        return [(spans[0][0], spans[-1][1])] if spans and next(self.calls) % 2 else spans


# Loaders --------------------------------------------------------------------------------------------------------------


class OneDocument(Loader):
    """The first file as a document."""

    def load(self, path: Path, name: str):
        yield from ()
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        return self.corpus(name, [Document(file.name, file.read_text("utf-8")) for file in files if file.is_file()])

    def corpus(self, name: str, documents: list[Document]) -> Corpus:
        return assemble(name, documents, (), Notes())


@breach("loader", "let `assemble` make the corpus")
class NoFingerprint(OneDocument):
    part: Literal["no_fingerprint"] = "no_fingerprint"

    def corpus(self, name, documents):
        return Corpus(name, tuple(documents))


@breach("loader", "count them in the text of the `Document`")
class GoldBeyond(OneDocument):
    part: Literal["gold_beyond"] = "gold_beyond"

    def corpus(self, name, documents):
        asked = Query("q", "?", tuple(Gold(document.id, 0, len(document.text) + 1) for document in documents))
        return Corpus(name, tuple(documents), (asked,), (), "x")


@breach("loader", "pass all through `assemble`")
class OneIdForAll(OneDocument):
    part: Literal["one_id_for_all"] = "one_id_for_all"

    def corpus(self, name, documents):
        return Corpus(name, tuple(2 * documents), (), (), "x")


@breach("loader", "read without unpacking")
class WritesBeside(OneDocument):
    part: Literal["writes_beside"] = "writes_beside"

    def load(self, path, name):
        (path if path.is_dir() else path.parent).joinpath("index.tmp").write_text("x")
        return (yield from super().load(path, name))


@breach("loader", "an empty folder ends in IndexError")
class FirstOfNothing(OneDocument):
    part: Literal["first_of_nothing"] = "first_of_nothing"

    def corpus(self, name, documents):
        return assemble(name, [documents[0]], (), Notes())


@breach("loader", "put a small one into tests/contract/samples/without_a_sample/")
class WithoutASample(OneDocument):
    part: Literal["without_a_sample"] = "without_a_sample"


# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, cls, words", BREACHES, ids=[cls.__name__ for _, cls, _ in BREACHES])
def test_a_breach_is_named_with_the_next_step(kind, cls, words, tmp_path, monkeypatch):
    name, suite = cls.model_fields["part"].default, import_module(f"tests.contract.test_{SUITES[kind]}")
    monkeypatch.setitem(registry._parts[kind], name, cls)
    if kind == "loader":
        monkeypatch.setattr(suite, "SAMPLES", tmp_path / "samples")
        (tmp_path / "samples" / ("" if cls is WithoutASample else name)).mkdir(parents=True)
        (tmp_path / "samples" / name / "a.txt").write_text("Tea is hot.") if cls is not WithoutASample else None
    said = verdicts(suite, name, tmp_path / "work")
    assert any(words in message for message in said), "\n".join(said)
