"""What the stages of a resolved recipe make, up to the pool that is ranked. A slider recomputes its own stage and those below.

What searches need is made in `preparing.py`, what is remembered of it stands in `memory.py`, and each retriever's way is in
`retrieving.py`.
"""

import time
from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from core.config import TrialConfig, fingerprint
from core.corpus.library import Library, split
from core.embedding.vectors import missing
from core.evaluation.judged import Relevance, relevance
from core.pipeline import retrieving
from core.pipeline.memory import Trace, noted
from core.pipeline.preparing import Preparation, passages
from core.pipeline.stages import STAGES, VECTOR_SEARCH, Resolved, Stage, found_by, pooled, rankers
from core.progress import Unready, drain
from core.queries.protocol import as_it_stands
from core.records import Candidates, Corpus, Progress, Query
from core.retrieval.pool import Pool, make_pool
from core.store.looks import FOLDER, Looks

Shared = dict[tuple[str, Any, str], tuple[Any, float]]  # (step, its key, question) -> what it gave, and its milliseconds


class Pipeline(Preparation):
    """Computes stages below `home`; one a process, shared by its threads."""

    def __init__(self, home: Path, cache_bytes: int) -> None:
        super().__init__(home, cache_bytes)
        self.library = Library(home, cache_bytes)
        self.looks = Looks(home / FOLDER)

    # Resolving ---------------------------------------------------------------------------------------------------

    def resolve(self, recipe: TrialConfig | Resolved, trace: Trace | None = None) -> Generator[Progress, None, Resolved]:
        """The recipe with its corpus; one that is resolved already is handed on."""
        if isinstance(recipe, Resolved):
            noted(trace, "corpus", time.perf_counter(), True)
            return recipe
        return (yield from self._opened(recipe, self.library.stamp(recipe.corpus.dataset), trace))

    def at_hand(self, recipe: TrialConfig | Resolved) -> Resolved | None:
        """The recipe with its corpus; None where the corpus was not read before, so that opening it may take its time."""
        if isinstance(recipe, Resolved):
            return recipe
        name = recipe.corpus.dataset
        stamp = self.library.stamp(name)
        if self.recall("corpus", f"{name}:all:{stamp}") is None and not self.cache.has("corpus", stamp):
            return None
        return drain(self._opened(recipe, stamp))

    def _opened(self, recipe: TrialConfig, stamp: str, trace: Trace | None = None) -> Generator[Progress, None, Resolved]:
        started, name, part = time.perf_counter(), recipe.corpus.dataset, recipe.corpus.questions
        corpus = self.recall("corpus", f"{name}:{part}:{stamp}")
        cached = corpus is not None
        if corpus is None:
            whole = self.recall("corpus", f"{name}:all:{stamp}")
            if whole is None:
                whole = self.keep("corpus", f"{name}:all:{stamp}", (yield from self.library.open(name)))
            corpus = self.keep("corpus", f"{name}:{part}:{stamp}", split(whole, part))
        noted(trace, "corpus", started, cached)
        return Resolved(recipe, corpus, stamp, self.questions_key(corpus))

    def questions_key(self, corpus: Corpus) -> str:
        def key() -> str:
            # a question that follows nothing is known as before questions had a history: stored trials name them so
            return fingerprint([query if query.history else query[:-1] for query in corpus.queries])

        return self.remember("questions", f"{id(corpus)}", lambda: (corpus, key()))[1]

    # Stages ------------------------------------------------------------------------------------------------------

    def candidates(self, name: str, run: Resolved, trace: Trace | None = None) -> Generator[Progress, None, Candidates]:
        """What a retriever of the recipe, by the name of its row, finds for every question."""
        route = retrieving.route(self, run, name)

        def make() -> Generator[Progress, None, Candidates]:
            yield from route.load(trace)
            wordings = yield from self.queries(run)
            questions = yield from route.questions(wordings)
            yield Progress(0, len(run.corpus.queries), route.doing)
            ties, allowed = (yield from self.tie_order(run)), (yield from self.allowed(run, run.corpus.queries))
            return (yield from route.search(questions, wordings, ties, allowed))

        return (yield from self.stage(name, run.key(name), Candidates, make, trace))

    def dense(self, run: Resolved, trace: Trace | None = None) -> Generator[Progress, None, Candidates]:
        """What the index finds."""
        return (yield from self.candidates(VECTOR_SEARCH, run, trace))

    def pool(self, run: Resolved, trace: Trace | None = None) -> Generator[Progress, None, Pool]:
        """Everything the fusion needs, for every question: the union of the candidates of the retrievers it uses."""
        candidates = {}
        for name in pooled(run.config):
            candidates[name] = yield from self.candidates(name, run, trace)
        ties = yield from self.tie_order(run)
        return self.remember("pool", run.key("pool"), lambda: make_pool(candidates, ties))

    def pool_at_hand(self, run: Resolved) -> Pool | None:
        return self.recall("pool", run.key("pool"))

    def pool_of(
        self, run: Resolved, question: str, steps: dict[str, float] | None = None, shared: Shared | None = None
    ) -> Generator[Progress, None, Pool]:
        """The pool of one question typed in by hand (one row). Its vector is not kept. `steps` takes the milliseconds.
        shared: what each step gave and took before: one that recipes share is done and timed once a question."""
        ties = yield from self.tie_order(run)
        candidates, steps, shared = {}, {} if steps is None else steps, {} if shared is None else shared
        transform, typed = run.config.query, [Query("", question)]

        def timed(step: str, key: Any, make: Callable[[], Any]) -> Any:
            if (entry := (step, key, question)) not in shared:
                started = time.perf_counter()
                shared[entry] = make(), (time.perf_counter() - started) * 1000
            made, steps[step] = shared[entry]
            return made

        started = time.perf_counter()
        wordings, allowed = (yield from self.wordings(run, typed, None)), (yield from self.allowed(run, typed))
        if not transform.idle:
            steps["transform"] = (time.perf_counter() - started) * 1000
        for name in pooled(run.config):
            route, find = retrieving.route(self, run, name), None
            encoding = yield from route.encoding(wordings)
            vectors = timed("encode", *encoding) if encoding else None
            if (name, run.key(name), question) not in shared:
                yield from route.load(None)
                find = partial(drain, route.typed(vectors, wordings, ties, allowed))
            candidates[name] = timed(name, run.key(name), find)
        return make_pool(candidates, ties)

    def encode_together(
        self, run: Resolved, questions: Sequence[str], shared: Sequence[Shared]
    ) -> Generator[Progress, None, None]:
        """Reads questions typed in by hand side by side, for what the search of each shares (see `pool_of`). Where other texts are asked
        in their place each search reads its own."""
        if not run.config.query.idle:
            return
        for name in pooled(run.config):
            route, wordings = (
                retrieving.route(self, run, name),
                (yield from self.wordings(run, [Query("", q) for q in questions], None)),
            )
            if (encoding := (yield from route.encoding(wordings))) is None:
                continue
            entries = [("encode", encoding[0], question) for question in questions]
            absent = [number for number, entry in enumerate(entries) if entry not in shared[number]]
            if len(absent) > 1:
                started, (_, encode) = time.perf_counter(), (yield from route.encoding([wordings[number] for number in absent]))
                vectors = encode()
                ms = (time.perf_counter() - started) * 1000 / len(absent)
                for number, vector in zip(absent, vectors, strict=True):
                    shared[number][entries[number]] = vector[None], ms

    def relevance(self, run: Resolved) -> Generator[Progress, None, Relevance]:
        chunks = yield from self.chunks(run)
        return self.remember(
            "relevance", run.key("relevance"), lambda: relevance(run.corpus, chunks, run.config.evaluation.overlap)
        )

    def to_encode(self, run: Resolved) -> list[str]:
        """The texts (of chunks and questions) that the encoder has not seen yet. Loads no model."""
        if self.dense_at_hand(run):
            return []
        texts, encoder = [] if self.matrix_saved(run) else drain(self.texts(run)), run.config.embedding
        try:
            queries = drain(self.queries(run, 0))
        except Unready:  # nobody knows yet what will be asked
            queries = [as_it_stands(query) for query in run.corpus.queries]
        questions, hypothetical = [text for each in queries for text in each.dense], passages(queries)
        if encoder.learns:
            if not self._fitted(run.key("vectors")).exists():
                return texts + hypothetical + questions
            encoder = drain(self.encoder(run))
        return missing(encoder, texts + hypothetical, self.vectors_folder) + missing(
            encoder, questions, self.vectors_folder, query=True
        )

    def to_rank(self, run: Resolved) -> list[Stage]:
        """The stages that take their time to find or rank passages for the corpus' questions, and are not on disk yet."""
        places = found_by(run.config)
        finding = [row for row in STAGES if row.field == places.get(row.name) and row.name in pooled(run.config)]
        slow = [row for row in finding if not getattr(run.config, row.field).quick]
        slow += [row for row in rankers(run.config) if row.costs and row.storage == "disk"]
        return [row for row in slow if run.corpus.queries and not self.cache.has(row.name, run.key(row.name))]

    def to_index(self, run: Resolved) -> int:
        """How many vectors an index that takes its time has still to be built from."""
        part = run.config.index
        if not part.engine or part.quick or self.index_saved(run):
            return 0
        return len(drain(self.chunks(run)))

    def dense_at_hand(self, run: Resolved) -> bool:
        """Whether the dense candidates are kept on disk, or the fusion does not ask for them."""
        return VECTOR_SEARCH not in pooled(run.config) or self.cache.has(VECTOR_SEARCH, run.vector_search_key())
