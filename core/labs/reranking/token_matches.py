"""Which word of a question met which word of a passage: the cosines behind MaxSim, exact and by whole words.

A word's pieces are taken together: a cell is the mean, over the pieces of the question's word, of the largest cosine with a
piece of the passage's word. What a word adds to the score is the sum over its pieces of the largest cosine with any piece
of the passage (Khattab & Zaharia 2020, equation 3), so the words, with the punctuation, add up to the score.
"""

import re
from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from core.config import TrialConfig
from core.errors import WorkbenchError
from core.records import Hit, Progress
from core.reranking.maxsim import words
from core.reranking.token_vectors import TextTokens, token_encoder
from core.workbench import Workbench


class TokenMatches(NamedTuple):
    """asked, offered: words with letters or digits, of the question and the passage."""

    asked: tuple[str, ...]
    offered: tuple[str, ...]
    cosines: np.ndarray  # [asked, offered] float32
    best: np.ndarray  # [asked] int64: the word of the passage that each met
    adds: np.ndarray  # [asked] float32: to the score
    score: float  # MaxSim, with the punctuation


def of_rank(
    workbench: Workbench, config: TrialConfig, question: str, rank: int
) -> Generator[Progress, None, tuple[Hit, TokenMatches]]:
    """The passage at a rank of the recipe's ranking for a question, and where the two met."""
    yield Progress(0, 2, "Searching the passages")
    hits = workbench.search(config, question)
    if not 1 <= rank <= len(hits):
        raise WorkbenchError(f"The ranking has no rank {rank}.", where="--rank", todo=f"Choose 1 to {len(hits)}.")
    yield Progress(1, 2, "Reading both word by word")
    return hits[rank - 1], matches(config, question, hits[rank - 1].text)


def matches(config: TrialConfig, question: str, passage: str) -> TokenMatches:
    """Of any question and passage, read by the recipe's encoder."""
    asked, offered = (words(tokens) for _, tokens in sorted(token_encoder(config.embedding).read([question, passage])))
    cosines = asked.vectors @ offered.vectors.T
    rows, columns = by_word(question, asked), by_word(passage, offered)
    if not rows or not columns:
        raise WorkbenchError("The question or the passage has no word.", todo="Choose another passage.")
    nearest = np.stack([cosines[:, column].max(1) for _, column in columns], 1)  # [pieces asked, words offered]
    table, largest = np.stack([nearest[row].mean(0) for _, row in rows]), cosines.max(1)
    return TokenMatches(
        tuple(word for word, _ in rows),
        tuple(word for word, _ in columns),
        table,
        table.argmax(1),
        np.array([largest[row].sum() for _, row in rows], np.float32),
        float(largest.sum()),
    )


def by_word(text: str, tokens: TextTokens) -> list[tuple[str, np.ndarray]]:
    """The words of a text with the places of their pieces; words of which the encoder read nothing are left out."""
    begins = tokens.spans[:, 0]
    read = ((match[0], np.flatnonzero((begins >= match.start()) & (begins < match.end()))) for match in re.finditer(r"\w+", text))
    return [(word, pieces) for word, pieces in read if len(pieces)]


def windows(matched: TokenMatches, most: int) -> list[int]:
    """Places of at most so many words of the passage: those that the question's words met, which added most first, then
    their neighbours, then theirs, in the passage's order."""
    met = matched.best[np.argsort(-matched.adds, kind="stable")]
    chosen: set[int] = set()
    for distance in range(len(matched.offered)):
        near = [place for word in met.tolist() for place in (word - distance, word + distance)]
        for place in near:
            if 0 <= place < len(matched.offered) and len(chosen) < most:
                chosen.add(place)
        if len(chosen) == min(most, len(matched.offered)):
            break
    return sorted(chosen)


def rows(matched: TokenMatches) -> list[dict[str, Any]]:
    """A row a word of the question: which word it met, how like they are, and what it adds."""
    return [
        {"word": word, "met": matched.offered[place], "place": int(place), "cosine": float(cosines[place]), "adds": float(adds)}
        for word, place, cosines, adds in zip(matched.asked, matched.best, matched.cosines, matched.adds, strict=True)
    ]
