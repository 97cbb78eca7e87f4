"""Texts as counted terms: what every lexical retriever is built from."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Literal, NamedTuple

import numpy as np

from core.config import knob
from core.retrieval.sparse import SparseRetriever


class Postings(NamedTuple):
    """The same counts by term: term t occurs count[i] times in text[i], for start[t] <= i < start[t + 1]."""

    start: np.ndarray  # [num_terms + 1] int64
    text: np.ndarray  # [num_counts] int32
    count: np.ndarray  # [num_counts] int32


@dataclass(frozen=True, eq=False)
class Tokens:
    """Term counts of texts; text i holds term[j] count[j] times, for start[i] <= j < start[i + 1].

    start [num_texts + 1] int32; term, count [num_counts] int32; vocabulary: the terms, sorted.
    """

    start: np.ndarray
    term: np.ndarray
    count: np.ndarray
    vocabulary: list[str]

    def __len__(self) -> int:
        return len(self.start) - 1

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens in each text [num_texts] int64, repeats counted."""
        total = np.concatenate([[0], np.cumsum(self.count, dtype=np.int64)])
        return np.diff(total[self.start])

    @cached_property
    def postings(self) -> Postings:
        by_term = np.argsort(self.term, kind="stable")
        start = np.concatenate([[0], np.cumsum(np.bincount(self.term, minlength=len(self.vocabulary)))])
        text = np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.start))
        return Postings(start.astype(np.int64), text[by_term], self.count[by_term])

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it as arrays, the counts by term too: what `mapped` takes."""
        terms = np.frombuffer("\n".join(self.vocabulary).encode("utf-8", "surrogatepass"), np.uint8)
        by_term = {f"by_term_{name}": array for name, array in self.postings._asdict().items()}
        return {"start": self.start, "term": self.term, "count": self.count, "terms": terms, **by_term}

    @classmethod
    def mapped(cls, start: np.ndarray, term: np.ndarray, count: np.ndarray, terms: np.ndarray, **by_term: np.ndarray) -> "Tokens":
        """Of these arrays, which may lie in files."""
        vocabulary = terms.tobytes().decode("utf-8", "surrogatepass")
        tokens = cls(start, term, count, vocabulary.split("\n") if vocabulary else [])
        tokens.__dict__["postings"] = Postings(**{name.removeprefix("by_term_"): array for name, array in by_term.items()})
        return tokens

    @cached_property
    def term_number(self) -> dict[str, int]:
        return {term: number for number, term in enumerate(self.vocabulary)}

    def rows(self, texts: np.ndarray) -> "Tokens":
        """These texts alone, in this order."""
        sizes = np.diff(self.start)[texts]
        start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        cells = np.arange(start[-1]) + np.repeat(self.start[texts] - start[:-1], sizes)
        return Tokens(start, self.term[cells], self.count[cells], self.vocabulary)

    def words(self, text: int) -> list[str]:
        """The tokens of one text, repeats kept, in the order of the vocabulary."""
        part = slice(self.start[text], self.start[text + 1])
        return [self.vocabulary[t] for t in np.repeat(self.term[part], self.count[part])]


class Lexical(SparseRetriever):
    """The knobs that decide what a term is, shared by the lexical retrievers so that they can share tokens."""

    stopwords: Literal["english", "none"] = knob(
        "english", "Words too common to tell documents apart, left out of texts and questions."
    )
    stemming: Literal["none", "english", "porter"] = knob(
        "none",
        "Reduces words to their stem, so that 'running' finds 'runs': Snowball's English, or Porter 1980 as in Lucene. Finds "
        "more, less exactly.",
    )
    words: Literal["bm25s", "lucene"] = knob(
        "bm25s",
        "What a word is: two or more letters or digits, or as in Lucene's English analyzer also a single one, 3.14 and U.S.A as one, "
        "and no 's. With porter it reproduces Anserini.",
    )

    def text_key(self) -> tuple:
        return (self.words, self.stopwords, self.stemming)

    def tokenize(self, texts: list[str]) -> Tokens:
        """Lower-cased words without stop words, stemmed."""
        import bm25s

        stemmer = None
        if self.stemming != "none":
            import Stemmer

            stemmer = Stemmer.Stemmer(self.stemming)
        stopwords = "english" if self.stopwords == "english" else []
        if self.words == "lucene":
            from bm25s.stopwords import STOPWORDS_EN  # they are Lucene's 33

            return _lucene(texts, frozenset(STOPWORDS_EN if stopwords else ()), stemmer.stemWord if stemmer else str)
        split = bm25s.tokenize(texts, stopwords=stopwords, stemmer=stemmer, show_progress=False)
        return _counted(split.ids, split.vocab)


def _lucene(texts: list[str], stopwords: frozenset[str], stem: Callable[[str], str]) -> Tokens:
    """Words as Lucene's StandardTokenizer parts English text (Unicode TR29), without possessive 's; each stemmed once."""
    numbers: dict[str, int] = {}  # of stems
    of_word: dict[str, int] = {}  # word -> the number of its stem, -1 for a stop word
    ids = []
    for text in texts:
        row = []
        for word in _WORD.findall(text.lower()):
            if (number := of_word.get(word)) is None:
                bare = re.sub("['’]s$", "", word)
                number = of_word[word] = -1 if bare in stopwords else numbers.setdefault(stem(bare), len(numbers))
            if number >= 0:
                row.append(number)
        ids.append(row)
    return _counted(ids, numbers)


# a point or apostrophe within letters, a point or comma within digits, joins
_WORD = re.compile(r"\w+(?:(?:(?<=[^\W\d])[.'’](?=[^\W\d])|(?<=\d)[.,](?=\d))\w+)*")


def _counted(ids: list[list[int]], numbers: dict[str, int]) -> Tokens:
    # sorted, because stemming numbers the terms by a set's order: sums would differ in the last bit between processes
    vocabulary = sorted(numbers)
    renumber = np.zeros(len(vocabulary) + 1, np.int64)
    renumber[[numbers[term] for term in vocabulary]] = np.arange(len(vocabulary))
    lengths = np.fromiter(map(len, ids), np.int64, len(ids))
    flat = renumber[np.fromiter(chain.from_iterable(ids), np.int64, int(lengths.sum()))]
    width = max(len(vocabulary), 1)
    cell, count = np.unique(np.repeat(np.arange(len(ids)), lengths) * width + flat, return_counts=True)
    start = np.searchsorted(cell, np.arange(len(ids) + 1) * width)
    return Tokens(start.astype(np.int32), (cell % width).astype(np.int32), count.astype(np.int32), vocabulary)
