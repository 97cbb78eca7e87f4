"""Loaders, chunkers and encoders that break their contracts."""

import re
from collections.abc import Generator, Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Literal
from zlib import crc32

import numpy as np

from core.chunking.protocol import Chunker
from core.chunking.tools import Tools
from core.config import knob
from core.corpus.assemble import assemble
from core.corpus.protocol import Loader
from core.corpus.reading import Notes
from core.embedding.protocol import Encoder
from core.records import Corpus, Document, Gold, Query
from tests.support.broken.breach import breach

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


class KnobsOfManyTypes(Lines):
    """A chunk a line, whatever its knobs say. Choose it nowhere: it breaks nothing."""

    part: Literal["knobs_of_many_types"] = "knobs_of_many_types"
    pattern: str = knob("a", "A text.")
    above: int = knob(5, "A whole number.", gt=0, lt=9)
    open_end: float = knob(0.5, "A number.", gt=0.0)
    most: int = knob(5, "A whole number without a least.", le=9)


@breach("chunker", "lacks split: write them as core.chunking.protocol.Chunker says")
class SplitsNothing(Chunker):
    part: Literal["splits_nothing"] = "splits_nothing"


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
