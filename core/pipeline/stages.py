"""The stages of a trial, each keyed by what it depends on, so that a slider recomputes its own stage and those below.

corpus > chunks > vectors > candidates of each retriever > pool > relevance. What a stage made is remembered in the
process, then on disk; only what is in neither is computed. The fusion and the metrics stand below and are never cached.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from core.chunking.chunk import chunk_documents
from core.chunking.tools import Remembered
from core.config import PartConfig, TransformConfig, TrialConfig, code_version, fingerprint
from core.corpus.library import Library, split
from core.embedding.speed import TIMED_TEXTS, Estimate, Run, estimate, noted, weights
from core.embedding.transform import Transform, identity_transform, principal
from core.embedding.transform import fit as fit_transform
from core.embedding.vectors import embed, encode_all, missing
from core.evaluation.judged import Relevance, relevance
from core.index.common import build_settings
from core.index.rescore import Rescored
from core.pipeline import index_build
from core.progress import drain
from core.records import Candidates, Chunks, Corpus, Progress
from core.retrieval.pool import Pool, checked, make_pool, tie_order
from core.store.cache import StageCache

LITTLE = 1 << 16  # a result so small is no reason to look for room
SAMPLED = 20  # items of a collection whose size is looked at
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
        self.cache = StageCache(home / "cache", cache_bytes)
        self.vectors_folder = home / "cache" / "vectors"
        self.library = Library(home, cache_bytes)
        self._text_keys: dict[tuple, tuple[float, str, str]] = {}
        self.last_ms: dict[str, float] = {}  # stage -> what computing it cost last
        self._memory: OrderedDict[tuple[str, str], Any] = OrderedDict()
        self._lock = threading.Lock()

    # Identity ----------------------------------------------------------------------------------------------------

    def key(self, stage: str, config: TrialConfig, corpus: Corpus) -> str:
        """Key of a stage's result: its own config, its code and everything above it."""
        text, query_prefix = self._text_key(config, corpus)
        if stage == "chunks":
            return text
        queries = self.queries_key(corpus)
        if stage == "sparse":
            return fingerprint(text, queries, config.sparse, config.retrieval.candidates, code_version(config.sparse, tie_order))
        if stage == "dense":
            return fingerprint(
                text,
                queries,
                query_prefix,
                config.transform,
                config.index,
                config.retrieval.candidates,
                code_version(config.embedding, embed, fit_transform, config.index, Rescored, tie_order),
            )
        if stage == "index":
            return fingerprint(text, _stored(config), build_settings(config.index), code_version(fit_transform, config.index))
        if stage == "relevance":
            return fingerprint(text, queries, config.evaluation.overlap)
        raise KeyError(stage)

    def _text_key(self, config: TrialConfig, corpus: Corpus) -> tuple[str, str]:
        """(key of the chunks and of how they are embedded, what is put before a question).

        Identity and prefixes of an encoder look at its files: once a second is often enough.
        """
        asked = (corpus.fingerprint, config.chunking, config.embedding)
        when, key, query_prefix = self._text_keys.get(asked, (-2.0, "", ""))
        if time.monotonic() - when > 1.0:
            key = fingerprint(*asked[:2], _encoder(config.embedding), code_version(config.chunking, chunk_documents))
            query_prefix = config.embedding.prefix(True)
            self._text_keys[asked] = time.monotonic(), key, query_prefix
        return key, query_prefix

    def queries_key(self, corpus: Corpus) -> str:
        return self.remember("queries", f"{id(corpus)}", lambda: (corpus, fingerprint(corpus.queries)))[1]

    # Stages ------------------------------------------------------------------------------------------------------

    def corpus(self, config: TrialConfig, trace: Trace | None = None) -> Generator[Progress, None, Corpus]:
        name, part = config.corpus.dataset, config.corpus.questions
        stamp = self.library.stamp(name)  # changes when the files behind the corpus change
        found = self._recall("corpus", f"{name}:{part}:{stamp}")
        if found is None:
            whole = self._recall("corpus", f"{name}:all:{stamp}")
            started = time.perf_counter()
            if whole is None:
                whole = yield from self.library.open(name)
                self._keep("corpus", f"{name}:all:{stamp}", whole)
            found = self._keep("corpus", f"{name}:{part}:{stamp}", split(whole, part))
            _note(trace, "corpus", started, False)
        else:
            _note(trace, "corpus", time.perf_counter(), True)
        return found

    def corpus_at_hand(self, config: TrialConfig) -> bool:
        """Whether the corpus has been read before, so that opening it takes no time."""
        name = config.corpus.dataset
        stamp = self.library.stamp(name)
        return self._recall("corpus", f"{name}:all:{stamp}") is not None or self.cache.has("corpus", stamp)

    def chunks(self, config: TrialConfig, corpus: Corpus, trace: Trace | None = None) -> Generator[Progress, None, Chunks]:
        def make() -> Generator[Progress, None, Chunks]:
            return chunk_documents(corpus.documents, config.chunking, self.tools(config, corpus))

        return (yield from self._stage("chunks", self.key("chunks", config, corpus), Chunks, make, trace))

    def tools(self, config: TrialConfig, corpus: Corpus) -> Remembered:
        """What chunkers ask of the encoder; each text is tokenised once for all chunkers tried."""
        key = fingerprint(corpus.fingerprint, _encoder(config.embedding))
        return self.remember("tools", key, lambda: Remembered(EncoderTools(config.embedding, self.vectors_folder)))

    def texts(self, config: TrialConfig, corpus: Corpus) -> Generator[Progress, None, list[str]]:
        chunks = yield from self.chunks(config, corpus)
        return self.remember("texts", self.key("chunks", config, corpus), lambda: chunks.texts(corpus.documents))

    def vectors(self, config: TrialConfig, corpus: Corpus, trace: Trace | None = None) -> Generator[Progress, None, np.ndarray]:
        """[num_chunks, dim] float32. Kept by text in the vector store, so only texts never seen are encoded."""
        key = self.key("chunks", config, corpus)
        started = time.perf_counter()
        found = self._recall("vectors", key)
        if found is None:
            texts = yield from self.texts(config, corpus)
            encoder = yield from self.encoder(config, corpus)
            unseen = missing(encoder, texts, self.vectors_folder)
            timed = partial(self._note_speed, config.embedding)
            found = self._keep("vectors", key, (yield from embed(encoder, texts, self.vectors_folder, timed=timed)))
            _note(trace, "vectors", started, not unseen)
        return found

    def encoder(self, config: TrialConfig, corpus: Corpus) -> Generator[Progress, None, Any]:
        """The encoder of the recipe; one that learns from the corpus, fitted to its chunks."""
        if not config.embedding.learns:
            return config.embedding
        key = self._fit_key(config, corpus)
        found = self._recall("encoder", key)
        if found is None:
            texts = yield from self.texts(config, corpus)
            found = self._keep("encoder", key, (yield from config.embedding.fit(texts, self._fitted(key))))
        return found

    def _fit_key(self, config: TrialConfig, corpus: Corpus) -> str:
        return fingerprint(self.key("chunks", config, corpus), config.embedding, code_version(config.embedding))

    def _fitted(self, key: str) -> Path:
        return self.cache.folder / "encoders" / key

    def transformed(self, config: TrialConfig, corpus: Corpus) -> Generator[Progress, None, Transform]:
        """The chunks' vectors as they are indexed, with what does the same to a question's."""
        vectors = yield from self.vectors(config, corpus)
        key = fingerprint(self.key("chunks", config, corpus), _stored(config))
        found = self._recall("transformed", key)
        if found is None:
            if not identity_transform(config.transform):
                yield Progress(0, 0, "Transforming the vectors")
            spans = config.transform.remove_top or config.transform.projection != "none"
            basis = self.remember("basis", self.key("chunks", config, corpus), lambda: principal(vectors)) if spans else None
            found = self._keep("transformed", key, fit_transform(config.transform, vectors, basis))
        return found

    def query_vectors(self, config: TrialConfig, corpus: Corpus) -> Generator[Progress, None, np.ndarray]:
        """The questions' vectors [num_queries, d] float32, transformed as the chunks' are."""
        encoder = yield from self.encoder(config, corpus)
        vectors = yield from embed(encoder, [q.text for q in corpus.queries], self.vectors_folder, query=True)
        return (yield from self.transformed(config, corpus)).queries(vectors)

    def encoding_speed(self, config: TrialConfig) -> float | None:
        """Texts a second that this encoder reached last on this machine; None before its first run."""
        record = self._speed(config.embedding)
        return record["texts_per_s"] if record else None

    def encoding_time(self, config: TrialConfig, texts: list[str]) -> Estimate | None:
        """What encoding these texts takes in a job, from this encoder's last runs on this machine; None before the first."""
        return estimate(self._speed(config.embedding), float(weights(texts, config.embedding.reads()).sum()))

    def _speed(self, part: PartConfig) -> dict[str, Any] | None:
        found = self.cache.load("speed", part.identity())
        return found[1] if found else None

    def _note_speed(self, part: PartConfig, run: Run) -> None:
        if run.texts >= TIMED_TEXTS:
            self.cache.save("speed", part.identity(), {}, noted(self._speed(part), run))

    def searcher(self, kind: str, config: TrialConfig, corpus: Corpus) -> Generator[Progress, None, Any]:
        """A loaded retriever ("sparse" or "dense") over the chunks, for questions typed in by hand."""
        base = self.key("chunks", config, corpus)
        if kind == "sparse":
            tokens = yield from self.tokens(config, corpus)
            return self.remember("searcher", fingerprint(base, config.sparse), lambda: config.sparse.build(tokens))
        stored = yield from self.transformed(config, corpus)
        key = self.key("index", config, corpus)
        found = self._recall("searcher", key)
        if found is None:
            folder = self._index_folder(key)
            there = _filled(folder)
            yield Progress(0, 0, f"{'Opening' if there else 'Building'} the index")
            made = yield from index_build.built(config.index, stored.chunks, folder, there)
            found = self._keep("searcher", key, made.searcher)
            if made.seconds is not None:
                self.cache.save("build", key, {}, {"seconds": made.seconds})
        times = config.transform.rescore
        return found if times == 1 else Rescored(found, stored.full, times, config.index.metric, stored.stored)

    def build_seconds(self, config: TrialConfig, corpus: Corpus) -> float | None:
        """What building the index took; None where it was not built on this machine."""
        found = self.cache.load("build", self.key("index", config, corpus))
        return found[1]["seconds"] if found else None

    def tokens(self, config: TrialConfig, corpus: Corpus) -> Generator[Progress, None, Any]:
        texts = yield from self.texts(config, corpus)
        key = fingerprint(self.key("chunks", config, corpus), config.sparse.part, config.sparse.text_key())
        return self.remember("tokens", key, lambda: config.sparse.tokenize(texts))

    def sparse(self, config: TrialConfig, corpus: Corpus, trace: Trace | None = None) -> Generator[Progress, None, Candidates]:
        def make() -> Generator[Progress, None, Candidates]:
            searcher = yield from self.searcher("sparse", config, corpus)
            yield Progress(0, len(corpus.queries), "Ranking with BM25")
            questions = self.remember(
                "tokens",
                fingerprint(self.queries_key(corpus), config.sparse.part, config.sparse.text_key()),
                lambda: config.sparse.tokenize([q.text for q in corpus.queries]),
            )
            ties = yield from self.tie_order(config, corpus)
            found = searcher.search(questions, config.retrieval.candidates, ties)
            return checked(found, "sparse retriever", config.sparse, len(corpus.queries), len(ties))

        return (yield from self._stage("sparse", self.key("sparse", config, corpus), Candidates, make, trace))

    def dense(self, config: TrialConfig, corpus: Corpus, trace: Trace | None = None) -> Generator[Progress, None, Candidates]:
        def make() -> Generator[Progress, None, Candidates]:
            yield from self.vectors(config, corpus, trace)
            questions = yield from self.query_vectors(config, corpus)
            searcher = yield from self.searcher("dense", config, corpus)
            yield Progress(0, len(corpus.queries), "Searching the vectors")
            ties = yield from self.tie_order(config, corpus)
            found = searcher.search(questions, config.retrieval.candidates, ties, settings=config.index)
            return checked(found, "index", config.index, len(corpus.queries), len(ties))

        return (yield from self._stage("dense", self.key("dense", config, corpus), Candidates, make, trace))

    def tie_order(self, config: TrialConfig, corpus: Corpus) -> Generator[Progress, None, np.ndarray]:
        """[num_chunks] int32: place of each chunk's id in ascending string order; trec_eval's rule among equal scores."""
        chunks = yield from self.chunks(config, corpus)
        return self.remember("ties", self.key("chunks", config, corpus), lambda: tie_order(corpus.documents, chunks))

    def pool(self, config: TrialConfig, corpus: Corpus, trace: Trace | None = None) -> Generator[Progress, None, Pool]:
        """Everything the fusion needs, for every question: the union of the candidates of the retrievers it uses."""
        needs = config.fusion.needs()
        stages = {"sparse": self.sparse, "dense": self.dense}
        found = {}
        for name in needs:
            found[name] = yield from stages[name](config, corpus, trace)
        ties = yield from self.tie_order(config, corpus)
        key = fingerprint([self.key(name, config, corpus) for name in needs])
        return self.remember("pool", key, lambda: make_pool(found, ties))

    def pool_of(
        self, config: TrialConfig, corpus: Corpus, question: str, steps: dict[str, float] | None = None
    ) -> Generator[Progress, None, Pool]:
        """The pool of one question typed in by hand (one row). Its vector is not kept. `steps` takes the milliseconds."""
        ties = yield from self.tie_order(config, corpus)
        found, steps = {}, {} if steps is None else steps
        for name in config.fusion.needs():
            searcher = yield from self.searcher(name, config, corpus)
            if name == "dense":
                encoder, stored = ((yield from self.encoder(config, corpus)), (yield from self.transformed(config, corpus)))
            started = time.perf_counter()
            if name == "sparse":
                sparse = searcher.search(config.sparse.tokenize([question]), config.retrieval.candidates, ties)
                found[name] = checked(sparse, "sparse retriever", config.sparse, 1, len(ties))
            else:
                vectors = encode_all(encoder, [question], query=True)
                steps["encode"] = (time.perf_counter() - started) * 1000
                asked = stored.queries(vectors)
                dense = searcher.search(asked, config.retrieval.candidates, ties, settings=config.index)
                found[name] = checked(dense, "index", config.index, 1, len(ties))
            steps[name] = (time.perf_counter() - started) * 1000 - (steps["encode"] if name == "dense" else 0.0)
        return make_pool(found, ties)

    def relevance(self, config: TrialConfig, corpus: Corpus) -> Generator[Progress, None, Relevance]:
        chunks = yield from self.chunks(config, corpus)
        return self.remember(
            "relevance", self.key("relevance", config, corpus), lambda: relevance(corpus, chunks, config.evaluation.overlap)
        )

    def to_encode(self, config: TrialConfig, corpus: Corpus) -> list[str]:
        """The texts (of chunks and questions) that the encoder has not seen yet. Loads no model."""
        if self.dense_at_hand(config, corpus):
            return []
        texts, encoder, asked = drain(self.texts(config, corpus)), config.embedding, [q.text for q in corpus.queries]
        if encoder.learns:
            if not self._fitted(self._fit_key(config, corpus)).exists():
                return texts + asked
            encoder = drain(self.encoder(config, corpus))
        return missing(encoder, texts, self.vectors_folder) + missing(encoder, asked, self.vectors_folder, query=True)

    def to_index(self, config: TrialConfig, corpus: Corpus) -> int:
        """How many vectors an index that takes its time has still to be built from."""
        part = config.index
        if not part.engine or part.quick or _filled(self._index_folder(self.key("index", config, corpus))):
            return 0
        return len(drain(self.chunks(config, corpus)))

    def dense_at_hand(self, config: TrialConfig, corpus: Corpus) -> bool:
        """Whether the dense candidates are kept on disk, or the fusion does not ask for them."""
        return "dense" not in config.fusion.needs() or self.cache.has("dense", self.key("dense", config, corpus))

    def _index_folder(self, key: str) -> Path:
        return self.cache.folder / "index" / key

    # Memory ------------------------------------------------------------------------------------------------------

    def remembers(self, stage: str, key: str) -> bool:
        with self._lock:
            return (stage, key) in self._memory

    def remember(self, stage: str, key: str, make: Callable[[], Any]) -> Any:
        found = self._recall(stage, key)
        return found if found is not None else self._keep(stage, key, make())

    def _recall(self, stage: str, key: str) -> Any:
        with self._lock:
            if (stage, key) in self._memory:
                self._memory.move_to_end((stage, key))
                return self._memory[stage, key]
        return None

    def _keep(self, stage: str, key: str, value: Any) -> Any:
        with self._lock:
            self._memory[stage, key] = value
            self._memory.move_to_end((stage, key))
            if _bytes(value) < LITTLE:
                return value
            # all anew: what was kept may have grown since, by what it remembers itself
            total = sum(map(_bytes, self._memory.values()))
            while total > REMEMBERED_BYTES and len(self._memory) > 1:
                total -= _bytes(self._memory.popitem(last=False)[1])
        return value

    def _stage(self, stage: str, key: str, record: type, make: Callable, trace: Trace | None) -> Generator[Progress, None, Any]:
        """From memory, else from disk, else made and written to both. `record` is a dataclass of arrays."""
        started = time.perf_counter()
        value = self._recall(stage, key)
        cached = value is not None
        if value is None and (found := self.cache.load(stage, key)):
            value, cached = self._keep(stage, key, record(**found[0])), True
        if value is None:
            value = self._keep(stage, key, (yield from make()))
            self.last_ms[stage] = (time.perf_counter() - started) * 1000
            self.cache.save(stage, key, vars(value))
        _note(trace, stage, started, cached)
        return value


def workers(config: TrialConfig) -> tuple[Any, ...]:
    """What works on the rankings of a recipe, for `code_version`."""
    chunked, dense = (config.chunking, chunk_documents), (config.embedding, embed, fit_transform, config.index, Rescored)
    return *chunked, *dense, config.sparse, config.fusion, make_pool


def _encoder(part: PartConfig) -> list[str]:
    """All that decides the vector of a chunk: a prefix is no part of the encoder's identity, it is part of the text."""
    return [part.identity(), part.prefix(False)]


def _filled(folder: Path) -> bool:
    """Whether an index is saved there; a build that was killed leaves none."""
    return any(folder.glob("*/ready.json"))


def _stored(config: TrialConfig) -> TransformConfig:
    """What of the transform decides the stored vectors: rescoring happens after the search."""
    return config.transform.model_copy(update={"rescore": 1})


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
        some = list({id(one): one for one in fields}.values())  # two names of one array are one array
        items = len(some)
    return 8 + sum(_bytes(one, depth - 1) for one in some if depth) * items // max(1, len(some))


def _note(trace: Trace | None, stage: str, started: float, cached: bool) -> None:
    if trace is not None:
        trace.ms[stage] = (time.perf_counter() - started) * 1000
        trace.cached[stage] = cached
