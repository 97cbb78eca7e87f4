"""Loaders, chunkers and encoders that break their contracts."""

import re
from collections.abc import Generator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal
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


def encoder(words: str, name: str, **members: Any) -> None:
    breach("encoder", words, Bag, name, **members)


def numbered_in_the_batch(self, texts, query=False):
    for indices, vectors in Bag.encode(self, texts, query):
        yield indices - indices[0], vectors


def centred(self, texts, query):
    found = Bag.vectors(self, texts, query)
    return found - found.mean(axis=0)


def divided(self, texts, query):
    found = Bag.vectors(self, texts, query) - np.float32(1e-3)
    with np.errstate(invalid="ignore"):
        return found / np.linalg.norm(found, axis=1, keepdims=True)


def drawn(self, texts, query):
    return Bag.vectors(self, texts, query) + np.random.default_rng().random(self.dimensions).astype(np.float32)


def sorting(self, texts, query=False):
    texts.sort(key=len)
    return Bag.encode(self, texts, query)


def learnt(self, texts, folder):
    return self
    yield


encoder(
    "make them float32", "wide_vectors", vectors=lambda self, texts, query: Bag.vectors(self, texts, query).astype(np.float64)
)
encoder("give [16, dim = 64]", "other_dimension", vectors=lambda self, texts, query: Bag.vectors(self, texts, query)[:, :-1])
encoder(
    "yield the place of each text beside its vector",
    "loses_texts",
    encode=lambda self, texts, query=False: Bag.encode(self, texts[:-1], query),
)
encoder("is yielded twice", "places_in_the_batch", encode=numbered_in_the_batch)
encoder("let no mean or padding reach across", "centred_in_the_batch", vectors=centred)
encoder("draw nothing at random, or from a seed", "drawn_vectors", vectors=drawn)
encoder("into identity()", "one_identity", identity=lambda self: self.part)
encoder("it names a folder", "slash_in_identity", identity=lambda self: f"models/{self.dimensions}")
encoder(
    "tell them apart by `prefix`",
    "questions_by_themselves",
    vectors=lambda self, texts, query: np.roll(Bag.vectors(self, texts, query), 7 if query else 0, axis=1),
)
encoder("what is divided by 0?", "empty_text_is_nan", vectors=divided)
encoder("sort a copy", "sorts_the_texts", encode=sorting)
encoder("`fit` and `learns` do not agree", "learns_in_secret", fit=learnt)

# Chunkers -------------------------------------------------------------------------------------------------------------


class Lines(Chunker):
    """A chunk a line."""

    def split(self, text: str, tools: Tools) -> list[tuple[int, int]]:
        return [match.span() for match in re.finditer(r"\S(?:[^\n]*\S)?", text)]


def chunker(words: str, name: str, change: Any = None, **members: Any) -> None:
    """change: of the spans of the lines, and of the text."""
    if change:
        members["split"] = lambda self, text, tools: change(Lines.split(self, text, tools), text)
    breach("chunker", words, Lines, name, **members)


CALLS = count()
chunker("stay within the text", "beyond_the_text", lambda spans, text: [(a, b + 1) for a, b in spans])
chunker("a position is no plain int", "numpy_positions", lambda spans, text: [(np.int64(a), np.int64(b)) for a, b in spans])
chunker("leave out white space only", "leaves_out", lambda spans, text: spans[1:])
chunker("pass it through `trim`", "keeps_white_space", lambda spans, text: [(0, len(text))] if text else [])
chunker("none inside another", "within_each_other", lambda spans, text: [*spans, *spans[:1]])
chunker(
    "`size_tokens` is",
    "too_large",
    size_tokens=knob(8, "Most tokens in a chunk.", ge=8, le=64),
    __annotations__={"size_tokens": int},
)
chunker(
    "keep nothing between calls",
    "other_each_time",
    lambda spans, text: [(spans[0][0], spans[-1][1])] if spans and next(CALLS) % 2 else spans,
)
breach("chunker", "lacks split: write them as core.chunking.protocol.Chunker says", Chunker, "splits_nothing")


class KnobsOfManyTypes(Lines):
    """A chunk a line, whatever its knobs say. Choose it nowhere: it breaks nothing."""

    part: Literal["knobs_of_many_types"] = "knobs_of_many_types"
    pattern: str = knob("a", "A text.")
    above: int = knob(5, "A whole number.", gt=0, lt=9)
    open_end: float = knob(0.5, "A number.", gt=0.0)
    most: int = knob(5, "A whole number without a least.", le=9)


# Loaders --------------------------------------------------------------------------------------------------------------


class OneDocument(Loader):
    """The first file as a document."""

    def load(self, path: Path, name: str):
        yield from ()
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        return self.corpus(name, [Document(file.name, file.read_text("utf-8")) for file in files if file.is_file()])

    def corpus(self, name: str, documents: list[Document]) -> Corpus:
        return assemble(name, documents, (), Notes())


def loader(words: str, name: str, **members: Any) -> type:
    return breach("loader", words, OneDocument, name, **members)


def beyond(self, name, documents):
    asked = Query("q", "?", tuple(Gold(document.id, 0, len(document.text) + 1) for document in documents))
    return Corpus(name, tuple(documents), (asked,), (), "x")


def writes_beside(self, path, name):
    (path if path.is_dir() else path.parent).joinpath("index.tmp").write_text("x")
    return (yield from OneDocument.load(self, path, name))


loader("let `assemble` make the corpus", "no_fingerprint", corpus=lambda self, name, documents: Corpus(name, tuple(documents)))
loader("count them in the text of the `Document`", "gold_beyond", corpus=beyond)
loader(
    "pass all through `assemble`",
    "one_id_for_all",
    corpus=lambda self, name, documents: Corpus(name, tuple(2 * documents), (), (), "x"),
)
loader("read without unpacking", "writes_beside", load=writes_beside)
loader(
    "an empty folder ends in IndexError",
    "first_of_nothing",
    corpus=lambda self, name, documents: assemble(name, [documents[0]], (), Notes()),
)
WithoutASample = loader("put a small one into tests/contract/samples/without_a_sample/", "without_a_sample")
