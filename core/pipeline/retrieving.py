"""How the retrievers of a recipe find candidates: what is loaded for each, how it reads what is asked, its search."""

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

import numpy as np

from core.config import fingerprint
from core.embedding.vectors import encode_all
from core.pipeline.memory import Trace
from core.pipeline.preparing import Preparation, passages, stacked
from core.pipeline.stages import VECTOR_SEARCH, WORD_SEARCH, Resolved, found_by, pooled
from core.queries.joining import joined
from core.queries.protocol import QueryTransform, Wording
from core.records import Candidates, Progress, Query
from core.retrieval.metadata import Filter, Within, searched
from core.retrieval.pool import checked
from core.retrieval.retriever import RetrieverTools, search

Found = Generator[Progress, None, Candidates]
Encoding = tuple[Any, Callable[[], np.ndarray]]  # its key, and what makes it


class Route:
    """The way to the candidates of one retriever in one recipe. Wordings: what is asked in place of each question."""

    doing = "Searching the chunks"

    def __init__(self, pipeline: Preparation, run: Resolved, row: str) -> None:
        self.pipeline, self.run, self.row, self.depth = pipeline, run, row, run.config.retrieval.candidates

    def load(self, trace: Trace | None) -> Generator[Progress, None, None]:
        """What every search needs, made or opened."""
        raise NotImplementedError

    def questions(self, wordings: Sequence[Wording]) -> Generator[Progress, None, Any]:
        """The corpus' questions as `search` reads them."""
        yield from ()
        return wordings

    def encoding(self, wordings: Sequence[Wording]) -> Generator[Progress, None, Encoding | None]:
        """Of questions typed in by hand the step that is timed by itself; None: there is none."""
        yield from ()
        return None

    def typed(self, encoded: Any, wordings: Sequence[Wording], ties: np.ndarray, allowed: Filter | None) -> Found:
        """`search` for questions typed in by hand."""
        return (yield from self.search(wordings, wordings, ties, allowed))

    def search(self, questions: Any, wordings: Sequence[Wording], ties: np.ndarray, allowed: Filter | None) -> Found:
        """The candidates of each question. allowed: the chunks that it may find."""
        raise NotImplementedError


class WordSearch(Route):
    """By the words that question and chunk share."""

    doing = "Ranking with BM25"

    def load(self, trace: Trace | None) -> Generator[Progress, None, None]:
        part, self.chunks = self.run.config.sparse, (yield from self.pipeline.tokens(self.run))
        key = fingerprint(self.run.key("chunks"), part)
        self.searcher = self.pipeline.remember("searcher", key, lambda: part.build(self.chunks))

    def questions(self, wordings: Sequence[Wording]) -> Generator[Progress, None, Any]:
        yield from ()
        part = self.run.config.sparse
        key = fingerprint(self.run.key("queries"), part.part, part.text_key())
        return self.pipeline.remember("tokens", key, lambda: _tokens(part, wordings))

    def typed(self, encoded: Any, wordings: Sequence[Wording], ties: np.ndarray, allowed: Filter | None) -> Found:
        return (yield from self.search(_tokens(self.run.config.sparse, wordings), wordings, ties, allowed))

    def search(self, questions: Any, wordings: Sequence[Wording], ties: np.ndarray, allowed: Filter | None) -> Found:
        yield from ()
        texts, config = [len(each.sparse) for each in wordings], self.run.config

        def ask(searcher: Any, questions: Any) -> Candidates:
            return config.query.search_sparse(searcher, questions, self.chunks, self.depth, ties)

        ranked = searched(ask, self.searcher, questions, allowed, texts, self.depth)
        return joined(checked(ranked, "sparse retriever", config.sparse, sum(texts), len(ties)), texts, self.depth, ties)


class VectorSearch(Route):
    """By vectors, in the recipe's index."""

    doing = "Searching the vectors"

    def load(self, trace: Trace | None) -> Generator[Progress, None, None]:
        yield from self.pipeline.vectors(self.run, trace)
        self.searcher = yield from self.pipeline.index(self.run)
        self.stored = yield from self.pipeline.transformed(self.run)

    def questions(self, wordings: Sequence[Wording]) -> Generator[Progress, None, np.ndarray]:
        return (yield from self.pipeline.asked_vectors(self.run, wordings))

    def encoding(self, wordings: Sequence[Wording]) -> Generator[Progress, None, Encoding | None]:
        encoder, part = (yield from self.pipeline.encoder(self.run)), self.run.config.embedding
        key = self.run.encoder, part.prefix(True), part.learns and self.run.key("vectors"), self.run.config.query
        return key, partial(_encoded, self.run, encoder, wordings)

    def typed(self, encoded: Any, wordings: Sequence[Wording], ties: np.ndarray, allowed: Filter | None) -> Found:
        return (yield from self.search(self.stored.queries(encoded), wordings, ties, allowed))

    def search(self, questions: Any, wordings: Sequence[Wording], ties: np.ndarray, allowed: Filter | None) -> Found:
        yield from ()
        config = self.run.config
        texts = [1 if config.query.averages() else len(each.dense) + len(each.passages) for each in wordings]

        def ask(searcher: Any, questions: np.ndarray) -> Candidates:
            return config.query.search_dense(searcher, questions, self.stored.chunks, self.depth, ties, config.index)

        ranked = searched(ask, self.searcher, questions, allowed, texts, self.depth)
        return joined(checked(ranked, "index", config.index, sum(texts), len(ties)), texts, self.depth, ties)


class MemberSearch(Route):
    """By a part that stands in the recipe's list of retrievers, from texts alone."""

    def load(self, trace: Trace | None) -> Generator[Progress, None, None]:
        self.part = getattr(self.run.config, found_by(self.run.config)[self.row])
        self.tools = RetrieverTools(*(yield from self.pipeline.rank_tools(self.run))[:3])
        key = fingerprint(self.run.key("chunks"), self.part, self.part.identity(), self.run.encoder)
        self.built = self.pipeline.recall("searcher", key)
        if self.built is None:
            self.built = self.pipeline.keep("searcher", key, (yield from self.part.build(self.tools)))

    def typed(self, encoded: Any, wordings: Sequence[Wording], ties: np.ndarray, allowed: Filter | None) -> Found:
        self.tools = RetrieverTools(*(yield from self.pipeline.rank_tools(self.run, timed=True))[:3])
        return (yield from self.search(wordings, wordings, ties, allowed))

    def search(self, questions: Any, wordings: Sequence[Wording], ties: np.ndarray, allowed: Filter | None) -> Found:
        texts = [each.dense + each.passages for each in wordings]
        masks = None if allowed is None else [allowed.masks[w] for w, of in zip(allowed.which, texts, strict=True) for _ in of]
        every = [text for of in texts for text in of]
        ranked = yield from search(self.part, self.built, every, masks, self.depth, ties, self.tools)
        return joined(ranked, [len(of) for of in texts], self.depth, ties)


ROUTES: dict[str, type[Route]] = {WORD_SEARCH: WordSearch, VECTOR_SEARCH: VectorSearch}  # by row; others have what a part says


def route(pipeline: Preparation, run: Resolved, row: str) -> Route:
    """The way to the candidates of that row's retriever."""
    return ROUTES.get(row, MemberSearch)(pipeline, run, row)


def words_asked(
    pipeline: Preparation, run: Resolved, queries: Sequence[Query]
) -> Generator[Progress, None, list[tuple[set[str], dict[str, float]]]]:
    """Of each question its own words, and the words with weights that the sparse retriever is asked in their place; []
    where it is asked the question's own."""
    rows = [row for row in pooled(run.config) if ROUTES.get(row) is WordSearch]
    if not rows or type(run.config.query).expanded is QueryTransform.expanded:
        return []
    wordings, allowed = (yield from pipeline.wordings(run, queries, None)), (yield from pipeline.allowed(run, queries))
    words = WordSearch(pipeline, run, rows[0])
    yield from words.load(None)
    ties = yield from pipeline.tie_order(run)
    questions = run.config.sparse.tokenize([each.sparse[0] for each in wordings])
    made: list[dict[str, float]] = [{}] * len(queries)
    for number, mask in enumerate(allowed.masks if allowed else [None]):
        mine = np.flatnonzero(allowed.which == number) if allowed else np.arange(len(queries))
        within = Within(words.searcher, mask, False) if allowed else words.searcher
        expanded = run.config.query.expanded(within, questions.rows(mine), words.chunks, ties)
        for row, some in zip(mine.tolist(), expanded, strict=True):
            made[row] = some
    return [(set(questions.words(row)), some) for row, some in enumerate(made)]


def _encoded(run: Resolved, encoder: Any, wordings: Sequence[Wording]) -> np.ndarray:
    """Vectors of what is asked in place of typed questions: they are not kept."""
    pairs = [(True, text) for each in wordings for text in each.dense], [(False, text) for text in passages(wordings)]
    matrices = [encode_all(encoder, [text for _, text in some], query=some[0][0]) for some in pairs if some]
    return stacked(run, wordings, dict(zip([*pairs[0], *pairs[1]], np.concatenate(matrices), strict=True)))


def _tokens(part: Any, wordings: Sequence[Wording]) -> Any:
    return part.tokenize([text for each in wordings for text in each.sparse])
