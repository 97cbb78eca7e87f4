"""What the stages of a resolved recipe make, up to the pool that is ranked. A slider recomputes its own stage and those below.

What a stage made is remembered in the process, then on disk; only what is in neither is computed.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from core import registry
from core.chunking.chunk import chunk_documents, chunk_texts
from core.chunking.tools import Remembered
from core.config import PartConfig, TrialConfig, fingerprint
from core.corpus.library import Library, split
from core.embedding.transform import Transform, identity_transform, principal
from core.embedding.transform import fit as fit_transform
from core.embedding.vectors import embed, encode_all, missing, weights
from core.evaluation.judged import Relevance, relevance
from core.generation.model_texts import TextTools
from core.index.rescore import Rescored
from core.pipeline import index_build, retrieving
from core.pipeline.forecast import total
from core.pipeline.speed import TIMED_TEXTS, Estimate, Run, Speeds
from core.pipeline.stages import STAGES, VECTOR_SEARCH, Resolved, Stage, found_by, pooled, rankers, storage
from core.progress import Unready, drain
from core.queries.protocol import Wording, as_it_stands
from core.records import Candidates, Chunks, Corpus, Progress, Query
from core.reranking.protocol import Pairs, RankTools
from core.retrieval.metadata import Filter, permitted
from core.retrieval.pool import Pool, make_pool
from core.retrieval.top import tie_order
from core.store.cache import StageCache
from core.store.looks import FOLDER, Looks

LITTLE = 1 << 16  # a result so small is no reason to look for room
SAMPLED = 20  # items of a collection whose size is looked at
Shared = dict[tuple[str, Any, str], tuple[Any, float]]  # (step, its key, question) -> what it gave, and its milliseconds
REMEMBERED_BYTES = 1 << 30  # stage results kept in the process; MedQuAD with 16,407 questions is to fit in 4 GB in all


@dataclass
class Trace:
    """What a computation cost: milliseconds by stage, and whether the stage came from memory or disk."""

    ms: dict[str, float] = field(default_factory=dict)
    cached: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class EncoderTools:
    """What chunkers may ask of the encoder in use."""

    part: PartConfig
    folder: Path

    def token_offsets(self, text: str) -> np.ndarray:
        return self.part.load().token_offsets([text])[0]

    def token_offsets_many(self, texts: list[str]) -> list[np.ndarray]:
        return self.part.load().token_offsets(texts)

    def embed(self, texts: list[str]) -> np.ndarray:
        return drain(embed(self.part, texts, self.folder))


class Pipeline:
    """Computes stages below `home`; one a process, shared by its threads."""

    def __init__(self, home: Path, cache_bytes: int) -> None:
        self.home = home
        self.cache = StageCache(home / "cache", cache_bytes)
        self.vectors_folder = home / "cache" / "vectors"
        self.speeds = Speeds(self.cache)
        self.library = Library(home, cache_bytes)
        self.looks = Looks(home / FOLDER)
        self.last_ms: dict[str, float] = {}  # stage -> what computing it cost last
        self._memory: OrderedDict[tuple[str, str], Any] = OrderedDict()
        self._total = self._since = 0  # bytes in memory when all was weighed last, and kept since
        self._lock = threading.Lock()

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

    def chunks(self, run: Resolved, trace: Trace | None = None) -> Generator[Progress, None, Chunks]:
        def make() -> Generator[Progress, None, Chunks]:
            return chunk_documents(run.corpus.documents, run.config.chunking, self.tools(run))

        return (yield from self.stage("chunks", run.key("chunks"), Chunks, make, trace))

    def tools(self, run: Resolved) -> Remembered:
        """What chunkers ask of the encoder; each text is tokenised once for all chunkers tried."""
        key = fingerprint(run.corpus.fingerprint, run.encoder)
        return self.remember("tools", key, lambda: Remembered(EncoderTools(run.config.embedding, self.vectors_folder)))

    def texts(self, run: Resolved) -> Generator[Progress, None, list[str]]:
        chunks = yield from self.chunks(run)
        return self.remember("texts", run.key("chunks"), lambda: chunk_texts(chunks, run.corpus.documents))

    def vectors(self, run: Resolved, trace: Trace | None = None) -> Generator[Progress, None, np.ndarray]:
        """[num_chunks, dim] float32. Kept by text in the vector store, so only texts never seen are encoded."""
        key = run.key("vectors")
        started = time.perf_counter()
        vectors = self.recall("vectors", key)
        if vectors is None:
            texts = yield from self.texts(run)
            encoder = yield from self.encoder(run)
            unseen = missing(encoder, texts, self.vectors_folder)
            timed = partial(self._note_speed, run.config.embedding)
            made = yield from embed(encoder, texts, self.vectors_folder, weigh=weights, timed=timed)
            vectors = self.keep("vectors", key, made)
            noted(trace, "vectors", started, not unseen)
        return vectors

    def encoder(self, run: Resolved) -> Generator[Progress, None, Any]:
        """The encoder of the recipe; one that learns from the corpus, fitted to its chunks."""
        if not run.config.embedding.learns:
            return run.config.embedding
        key = run.key("vectors")
        encoder = self.recall("encoder", key)
        if encoder is None:
            texts = yield from self.texts(run)
            there, began = self._fitted(key).exists(), time.perf_counter()
            encoder = self.keep("encoder", key, (yield from run.config.embedding.fit(texts, self._fitted(key))))
            if not there:
                took = Run(len(texts), float(weights(texts, None).sum()), time.perf_counter() - began, 0.0)
                self.speeds.note(f"{run.config.embedding.identity()}-fit", took)
        return encoder

    def _fitted(self, key: str) -> Path:
        return self.cache.folder / "encoders" / key

    def transformed(self, run: Resolved) -> Generator[Progress, None, Transform]:
        """The chunks' vectors as they are indexed, with what does the same to a question's."""
        vectors = yield from self.vectors(run)
        key = run.key("transformed")
        transform = self.recall("transformed", key)
        if transform is None:
            if not identity_transform(run.config.transform):
                yield Progress(0, 0, "Transforming the vectors")
            spans = run.config.transform.remove_top or run.config.transform.projection != "none"
            basis = self.remember("basis", run.key("chunks"), lambda: principal(vectors)) if spans else None
            transform = self.keep("transformed", key, fit_transform(run.config.transform, vectors, basis))
        return transform

    def queries(self, run: Resolved, most: int | None = None) -> Generator[Progress, None, list[Wording]]:
        """What is asked in place of each question. most: texts that a model may write for it now; more raise `Unready`."""
        value = self.recall("queries", run.key("queries"))
        if value is None:
            made = yield from self.wordings(run, run.corpus.queries, most)
            value = self.keep("queries", run.key("queries"), made)
        return value

    def wordings(self, run: Resolved, queries: Sequence[Query], most: int | None) -> Generator[Progress, None, list[Wording]]:
        """What is asked in place of these questions."""
        return (yield from run.config.query.texts(queries, self.query_tools(run.config, most)))

    def query_tools(self, config: TrialConfig, most: int | None = None) -> TextTools:
        """What a query transform may use."""
        return TextTools(config.generation, config.seed, self.home, most)

    def rank_tools(self, run: Resolved, most: int | None = None, timed: bool = False) -> Generator[Progress, None, RankTools]:
        """What rerankers may use. most: texts or pairs that may be encoded at once for them; more raise `Unready`. timed: what
        a question nobody asked before would cost is computed, though it is kept: questions and pairs, but no passages."""
        texts = yield from self.texts(run)
        encoder = yield from self.encoder(run)

        def embedded(part: Any, wanted: list[str], query: bool = False) -> Generator[Progress, None, np.ndarray]:
            if timed and (query or isinstance(part, Pairs)):
                return encode_all(part, wanted, query)
            if most is not None and len(absent := missing(part, wanted, self.vectors_folder, query)) > most:
                raise Unready(f"{len(absent):,} passages", self.reading_time(part, absent))
            speed = partial(self._note_speed, part)
            return (yield from embed(part, wanted, self.vectors_folder, query, weights, speed))

        folder, config = self.cache.folder / "ranked", run.config
        return RankTools(texts, encoder, embedded, folder, self.home, config.generation, config.seed, most)

    def asked_vectors(self, run: Resolved, wordings: Sequence[Wording]) -> Generator[Progress, None, np.ndarray]:
        """Vectors [n, d] float32 of what is asked, question after question, transformed as the chunks' are: a row a text, or
        one a question where the transform averages them."""
        if not wordings:
            return (yield from self.query_vectors(run))
        encoder, vectors = (yield from self.encoder(run)), {}
        questions = [text for each in wordings for text in each.dense]
        for query, texts in ((True, questions), (False, retrieving.passages(wordings))):
            if texts:
                matrix = yield from embed(encoder, texts, self.vectors_folder, query, weights)
                vectors |= {(query, text): row for text, row in zip(texts, matrix, strict=True)}
        return (yield from self.transformed(run)).queries(retrieving.stacked(run, wordings, vectors))

    def query_vectors(self, run: Resolved) -> Generator[Progress, None, np.ndarray]:
        """The questions' vectors [num_queries, d] float32 as they stand, transformed as the chunks' are."""
        encoder = yield from self.encoder(run)
        vectors = yield from embed(encoder, [q.text for q in run.corpus.queries], self.vectors_folder, True, weights)
        return (yield from self.transformed(run)).queries(vectors)

    def encoding_speed(self, config: TrialConfig) -> float | None:
        """Texts a second that this encoder reached last on this machine; None before its first run."""
        return self.reading_speed(config.embedding)

    def reading_speed(self, part: PartConfig) -> float | None:
        """The same of anything that reads texts, or pairs of them, and keeps what it made of them."""
        record = self.speeds.record(part.identity())
        return record["texts_per_s"] if record else None

    def encoding_time(self, config: TrialConfig, texts: list[str]) -> Estimate | None:
        """What encoding these texts takes in a job, from this encoder's last runs on this machine; None before the first."""
        part, seconds = config.embedding, self.reading_time(config.embedding, texts)
        if not (part.learns and seconds):
            return seconds
        fit = self.speeds.time(float(weights(texts, None).sum()), f"{part.identity()}-fit")
        return fit and total((fit, seconds))

    def reading_time(self, part: Any, texts: Sequence[str]) -> Estimate | None:
        """The same of anything that reads texts, or pairs of them; before its first run by an encoder that is as fast."""
        alike = [registry.find("encoder", part.alike)().identity()] if isinstance(part, Pairs) and part.alike else []
        return self.speeds.time(float(weights(texts, part.reads()).sum()), part.identity(), *alike)

    def _note_speed(self, part: PartConfig, *run: float) -> None:
        if (last := Run(*run)).texts >= TIMED_TEXTS:
            self.speeds.note(part.identity(), last)

    def index(self, run: Resolved) -> Generator[Progress, None, Any]:
        """The loaded index over the chunks."""
        stored = yield from self.transformed(run)
        key = run.key("index")
        searcher = self.recall("searcher", key)
        if searcher is None:
            folder = self._index_folder(key)
            there = _filled(folder)
            yield Progress(0, 0, f"{'Opening' if there else 'Building'} the index")
            made = yield from index_build.built(run.config.index, stored.chunks, folder, there)
            searcher = self.keep("searcher", key, made.searcher)
            if made.seconds is not None:
                self.cache.save("build", key, {}, {"seconds": made.seconds})
                vectors = len(stored.chunks)
                self.speeds.note(index_build.speed_name(run.config.index), Run(vectors, vectors, made.seconds, 0.0))
        times = run.config.transform.rescore
        return searcher if times == 1 else Rescored(searcher, stored.full, times, run.config.index.metric, stored.stored)

    def build_seconds(self, run: Resolved) -> float | None:
        """What building the index took; None where it was not built on this machine."""
        entry = self.cache.load("build", run.key("index"))
        return entry[1]["seconds"] if entry else None

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

    def tie_order(self, run: Resolved) -> Generator[Progress, None, np.ndarray]:
        """[num_chunks] int32: place of each chunk's id in ascending string order; trec_eval's rule among equal scores."""
        chunks = yield from self.chunks(run)
        return self.remember("ties", run.key("chunks"), lambda: tie_order(run.corpus.documents, chunks))

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

    def allowed(self, run: Resolved, queries: Sequence[Query]) -> Generator[Progress, None, Filter | None]:
        """The chunks that each question may find; None: all."""
        if not run.config.retrieval.documents.strip():
            return None
        documents, chunks = (
            permitted(run.config.retrieval.documents, run.corpus.documents, queries),
            (yield from self.chunks(run)),
        )
        return documents._replace(masks=documents.masks[:, chunks.document])

    def relevance(self, run: Resolved) -> Generator[Progress, None, Relevance]:
        chunks = yield from self.chunks(run)
        return self.remember(
            "relevance", run.key("relevance"), lambda: relevance(run.corpus, chunks, run.config.evaluation.overlap)
        )

    def to_encode(self, run: Resolved) -> list[str]:
        """The texts (of chunks and questions) that the encoder has not seen yet. Loads no model."""
        if self.dense_at_hand(run):
            return []
        texts, encoder = drain(self.texts(run)), run.config.embedding
        try:
            queries = drain(self.queries(run, 0))
        except Unready:  # nobody knows yet what will be asked
            queries = [as_it_stands(query) for query in run.corpus.queries]
        questions, passages = [text for each in queries for text in each.dense], retrieving.passages(queries)
        if encoder.learns:
            if not self._fitted(run.key("vectors")).exists():
                return texts + passages + questions
            encoder = drain(self.encoder(run))
        return missing(encoder, texts + passages, self.vectors_folder) + missing(
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
        if not part.engine or part.quick or _filled(self._index_folder(run.key("index"))):
            return 0
        return len(drain(self.chunks(run)))

    def dense_at_hand(self, run: Resolved) -> bool:
        """Whether the dense candidates are kept on disk, or the fusion does not ask for them."""
        return VECTOR_SEARCH not in pooled(run.config) or self.cache.has(VECTOR_SEARCH, run.vector_search_key())

    def _index_folder(self, key: str) -> Path:
        return self.cache.folder / "index" / key

    # Memory ------------------------------------------------------------------------------------------------------

    def remembers(self, stage: str, key: str) -> bool:
        with self._lock:
            return (stage, key) in self._memory

    def remember(self, stage: str, key: str, make: Callable[[], Any]) -> Any:
        value = self.recall(stage, key)
        return value if value is not None else self.keep(stage, key, make())

    def recall(self, stage: str, key: str) -> Any:
        with self._lock:
            if (stage, key) in self._memory:
                self._memory.move_to_end((stage, key))
                return self._memory[stage, key]
        return None

    def keep(self, stage: str, key: str, value: Any) -> Any:
        with self._lock:
            self._memory[stage, key] = value
            self._memory.move_to_end((stage, key))
            if (size := _bytes(value)) < LITTLE:
                return value
            self._since += size
            if 2 * self._since < REMEMBERED_BYTES - self._total:
                return value
            # all anew: what was kept may have grown since, by what it remembers itself; the other half of the room is for that
            total = sum(map(_bytes, self._memory.values()))
            while total > REMEMBERED_BYTES and len(self._memory) > 1:
                total -= _bytes(self._memory.popitem(last=False)[1])
            self._total, self._since = total, 0
        return value

    def stage(self, stage: str, key: str, record: type, make: Callable, trace: Trace | None) -> Generator[Progress, None, Any]:
        """From memory, else from disk, else made and kept where the stage's row says. `record` is a dataclass of arrays."""
        started, disk = time.perf_counter(), storage(stage) == "disk"
        value = self.recall(stage, key)
        cached = value is not None
        if value is None and disk and (entry := self.cache.load(stage, key)):
            value, cached = self.keep(stage, key, record(**entry[0])), True
        if value is None:
            value = self.keep(stage, key, (yield from make()))
            self.last_ms[stage] = (time.perf_counter() - started) * 1000
            if disk:
                self.cache.save(stage, key, vars(value))
        noted(trace, stage, started, cached)
        return value


def _filled(folder: Path) -> bool:
    """Whether an index is saved there; a build that was killed leaves none."""
    return any(folder.glob("*/ready.json"))


def _bytes(value: Any, depth: int = 4) -> int:
    """Memory of a stage result, about: of many texts or arrays the first few stand for all."""
    if hasattr(value, "nbytes"):
        return value.nbytes
    if isinstance(value, str):
        return 50 + len(value)
    if isinstance(value, dict):
        items, some = len(value), list(islice(value.values(), SAMPLED))
    elif isinstance(value, (list, tuple)):
        items, some = len(value), value[:SAMPLED]
    else:  # an engine's own objects may refer to each other without end
        fields = vars(value).values() if depth and hasattr(value, "__dict__") else []
        some = list({id(part): part for part in fields}.values())  # two names of one array are one array
        items = len(some)
    return 8 + sum(_bytes(part, depth - 1) for part in some if depth) * items // max(1, len(some))


def noted(trace: Trace | None, stage: str, started: float, cached: bool) -> None:
    if trace is not None:
        trace.ms[stage] = (time.perf_counter() - started) * 1000
        trace.cached[stage] = cached
