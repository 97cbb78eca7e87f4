"""What a search needs before it is made: chunks, vectors, the index, and what is asked in place of each question."""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from core import registry
from core.chunking.chunk import chunk_documents, chunk_texts
from core.chunking.tools import Remembered
from core.config import PartConfig, TrialConfig, code_version, fingerprint
from core.embedding.transform import Transform, identity_transform, principal
from core.embedding.transform import fit as fit_transform
from core.embedding.vectors import characters, embed, encode_all, missing, weights, weights_of
from core.generation.model_texts import TextTools, untaught
from core.index.rescore import Rescored
from core.pipeline import index_build
from core.pipeline.forecast import total
from core.pipeline.memory import MAPPED_ROWS, StageMemory, Trace, noted
from core.pipeline.speed import TIMED_TEXTS, Estimate, Rough, Run, Speeds, rough
from core.pipeline.stages import Resolved, Stage
from core.pipeline.usual import reading_time, writing_time
from core.progress import Unready, drain
from core.queries.protocol import Wording
from core.records import Chunks, Progress, Query
from core.reranking.protocol import Pairs, Pairwise, RankTools, Reranker
from core.retrieval.metadata import Filter, permitted
from core.retrieval.tokens import Tokens
from core.retrieval.top import tie_order

USUAL = (
    (1.0, 20_000.0),
    (6.0, 2_500.0),
)  # seconds to load MiniLM and weights a second: two cores with bf16 units, two without and busy
RANKED_S = 0.005, 2.0  # a question, of a reranker that never ran here
CUT_A_SECOND, PIECE = (5e6, 2e5), 800  # characters of a corpus, and of a usual chunk
# what MiniLM takes, times more or less: another reranker; of encoders that are quick less, of large ones more
RERANKS, QUICK, SLOWER = 5.0, 50.0, 20.0
MATRIX = "matrix"  # entry of the cache: all vectors of many chunks, besides the shards that keep each by its text


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


class Preparation(StageMemory):
    """The stages above the retrievers, and what these and rerankers may ask."""

    def __init__(self, home: Path, cache_bytes: int) -> None:
        super().__init__(home, cache_bytes)
        self.vectors_folder = home / "cache" / "vectors"
        self.speeds = Speeds(self.cache)

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

    def tokens(self, run: Resolved) -> Generator[Progress, None, Any]:
        """The chunks as the sparse retriever reads them; of many they are counted once and mapped from the disk."""
        part = run.config.sparse
        key = fingerprint(run.key("chunks"), part.part, part.text_key(), code_version(part.tokenize))
        tokens = self.recall("tokens", key)
        if tokens is None:
            tokens = self.mapped("tokens", key, Tokens.mapped)
            if tokens is None:
                texts = yield from self.texts(run)
                yield Progress(0, 0, "Counting words")
                tokens = part.tokenize(texts)
                if isinstance(tokens, Tokens) and len(tokens) >= MAPPED_ROWS:
                    tokens = self.mapped("tokens", key, Tokens.mapped, tokens.arrays()) or tokens
            self.keep("tokens", key, tokens)
        return tokens

    def vectors(self, run: Resolved, trace: Trace | None = None) -> Generator[Progress, None, np.ndarray]:
        """[num_chunks, dim] float32. Kept by text in the vector store, so only texts never seen are encoded."""
        key = run.key("vectors")
        started = time.perf_counter()
        vectors = self.recall("vectors", key)
        if vectors is None:
            vectors, unseen = self.mapped(MATRIX, key, _rows), []
            if vectors is None:
                texts = yield from self.texts(run)
                encoder = yield from self.encoder(run)
                unseen = missing(encoder, texts, self.vectors_folder)
                timed = partial(self._note_speed, run.config.embedding)
                vectors = yield from embed(encoder, texts, self.vectors_folder, weigh=weights, timed=timed)
                if len(vectors) >= MAPPED_ROWS:
                    in_files = self.mapped(MATRIX, key, _rows, {"vectors": vectors})
                    vectors = vectors if in_files is None else in_files
            self.keep("vectors", key, vectors)
            noted(trace, "vectors", started, not unseen)
        return vectors

    def matrix_saved(self, run: Resolved) -> bool:
        """Whether the vectors of all chunks are on disk, so that no text has to be looked up."""
        return self.cache.has(MATRIX, run.key("vectors"))

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
            self.cache.used(self._fitted(key))
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
        """What its query transform may use."""
        return self.text_tools(config, most)._replace(generator=config.query.writer(config.generation))

    def text_tools(self, config: TrialConfig, most: int | None = None) -> TextTools:
        """With what the recipe's generator writes texts."""
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
        return RankTools(texts, encoder, embedded, folder, self.home, untaught(config.generation), config.seed, most)

    def asked_vectors(self, run: Resolved, wordings: Sequence[Wording]) -> Generator[Progress, None, np.ndarray]:
        """Vectors [n, d] float32 of what is asked, question after question, transformed as the chunks' are: a row a text, or
        one a question where the transform averages them."""
        vectors = yield from self.encoded(run, wordings)
        return (yield from self.transformed(run)).queries(vectors)

    def encoded(self, run: Resolved, wordings: Sequence[Wording]) -> Generator[Progress, None, np.ndarray]:
        """The same [n, dim] float32 as the encoder makes them."""
        encoder, vectors = (yield from self.encoder(run)), {}
        if not wordings:
            return (yield from embed(encoder, [], self.vectors_folder, True))
        questions = [text for each in wordings for text in each.dense]
        for query, texts in ((True, questions), (False, passages(wordings))):
            if texts:
                matrix = yield from embed(encoder, texts, self.vectors_folder, query, weights)
                vectors |= {(query, text): row for text, row in zip(texts, matrix, strict=True)}
        return stacked(run, wordings, vectors)

    def query_vectors(self, run: Resolved) -> Generator[Progress, None, np.ndarray]:
        """The questions' vectors [num_queries, d] float32 as they stand, transformed as the chunks' are."""
        encoder = yield from self.encoder(run)
        vectors = yield from embed(encoder, [q.text for q in run.corpus.queries], self.vectors_folder, True, weights)
        return (yield from self.transformed(run)).queries(vectors)

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
            self.cache.used(folder)
            if made.seconds is not None:
                self.cache.save("build", key, {}, {"seconds": made.seconds})
                vectors = len(stored.chunks)
                self.speeds.note(index_build.speed_name(run.config.index), Run(vectors, vectors, made.seconds, 0.0))
        times = run.config.transform.rescore
        return searcher if times == 1 else Rescored(searcher, stored.full, times, run.config.index.metric, stored.stored)

    def index_saved(self, run: Resolved) -> bool:
        """Whether it is on disk."""
        return _filled(self._index_folder(run.key("index")))

    def _index_folder(self, key: str) -> Path:
        return self.cache.folder / "index" / key

    def build_seconds(self, run: Resolved) -> float | None:
        """What building the index took; None where it was not built on this machine."""
        entry = self.cache.load("build", run.key("index"))
        return entry[1]["seconds"] if entry else None

    def tie_order(self, run: Resolved) -> Generator[Progress, None, np.ndarray]:
        """[num_chunks] int32: place of each chunk's id in ascending string order; trec_eval's rule among equal scores."""
        chunks = yield from self.chunks(run)
        return self.remember("ties", run.key("chunks"), lambda: tie_order(run.corpus.documents, chunks))

    def allowed(self, run: Resolved, queries: Sequence[Query]) -> Generator[Progress, None, Filter | None]:
        """The chunks that each question may find; None: all."""
        documents = self.permitted(run, queries)
        if documents is None:
            return None
        chunks = yield from self.chunks(run)
        return documents._replace(masks=documents.masks[:, chunks.document])

    def permitted(self, run: Resolved, queries: Sequence[Query]) -> Filter | None:
        """The documents that each question may find; None: all."""
        text = run.config.retrieval.documents
        if not text.strip():
            return None
        asked = run.questions if queries is run.corpus.queries else [(query.id, query.group) for query in queries]
        key = fingerprint(text, run.stamp, asked)
        return self.remember("permitted", key, lambda: permitted(text, run.corpus.documents, queries))

    # What encoding takes ------------------------------------------------------------------------------------------

    def encoding_speed(self, config: TrialConfig) -> float | None:
        """Texts a second that this encoder reached last on this machine; None before its first run."""
        return self.reading_speed(config.embedding)

    def reading_speed(self, part: PartConfig) -> float | None:
        """The same of anything that reads texts, or pairs of them, and keeps what it made of them."""
        record = self.speeds.record(part.identity())
        return record["texts_per_s"] if record else None

    def encoding_time(self, config: TrialConfig, texts: list[str]) -> Estimate:
        """What encoding these texts takes in a job, from this encoder's last runs on this machine; before the first roughly."""
        return self._time_to_encode(config.embedding, characters(texts))

    def embedding_time(self, run: Resolved) -> Generator[Progress, None, Estimate]:
        """The same of all chunks."""
        chunks = yield from self.chunks(run)
        return self._time_to_encode(run.config.embedding, chunks.end - chunks.start)

    def _time_to_encode(self, part: PartConfig, lengths: np.ndarray) -> Estimate:
        seconds = self._time_to_read(part, lengths)
        if not part.learns:
            return seconds
        work = float(weights_of(lengths, None).sum())
        usual = reading_time(self.speeds, work)
        return total((self.speeds.time(work, f"{part.identity()}-fit") or Rough(usual.low / QUICK, usual.high), seconds))

    def reading_time(self, part: Any, texts: Sequence[str]) -> Estimate:
        """The same of anything that reads texts, or pairs of them; before its first run by an encoder that is as fast."""
        return self._time_to_read(part, characters(texts))

    def _time_to_read(self, part: Any, lengths: np.ndarray) -> Estimate:
        alike = [registry.find("encoder", part.alike)().identity()] if isinstance(part, Pairs) and part.alike else []
        work = float(weights_of(lengths, part.reads()).sum())
        if seconds := self.speeds.time(work, part.identity(), *alike):
            return seconds
        usual = reading_time(self.speeds, work)
        if isinstance(part, Pairs):
            return rough(usual, RERANKS)
        return Rough(usual.low / QUICK, usual.high) if part.quick else Rough(usual.low, usual.high * SLOWER)

    def ranking_time(self, run: Resolved, stage: Stage) -> Estimate:
        """What a stage that ranks takes to the corpus' questions."""
        part, questions = getattr(run.config, stage.field), len(run.corpus.queries)
        if seconds := self.speeds.time(questions, ranking_name(part)):
            return seconds
        if isinstance(part, Reranker) and part.asks_model:
            return writing_time(self.speeds, run.config.generation, questions)
        if isinstance(part, Pairwise):
            return self._time_to_read(Pairs(part), np.full(questions * part.depth, PIECE))
        return Rough(*(questions * each for each in RANKED_S))

    def long_ranking(self, run: Resolved, stage: Stage) -> bool:
        """Whether it takes its time, as far as is known: it did here, or a model reads each passage."""
        part = getattr(run.config, stage.field)
        reads = isinstance(part, Pairwise) or isinstance(part, Reranker) and part.asks_model
        return reads or self.speeds.record(ranking_name(part)) is not None

    def corpus_time(self, config: TrialConfig, characters: float, dense: bool) -> Rough:
        """What cutting so much text takes, and embedding it where that is done."""
        cut = Rough(*(characters / each for each in CUT_A_SECOND))
        pieces = np.full(1 + int(characters / PIECE), PIECE)
        return total((cut, self._time_to_encode(config.embedding, pieces))) if dense else cut

    def _note_speed(self, part: PartConfig, *run: float) -> None:
        if (last := Run(*run)).texts >= TIMED_TEXTS:
            self.speeds.note(part.identity(), last)


def ranking_name(part: PartConfig) -> str:
    """By which a reranker is timed."""
    return fingerprint("ranking", part)


def _rows(vectors: np.ndarray) -> np.ndarray:
    return vectors


def passages(wordings: Sequence[Wording]) -> list[str]:
    return [text for each in wordings for text in each.passages]


def stacked(run: Resolved, wordings: Sequence[Wording], vectors: dict[tuple[bool, str], np.ndarray]) -> np.ndarray:
    """[n, d] float32, question after question: a row a text, or one a question where the transform averages them."""
    rows = [[vectors[True, text] for text in each.dense] + [vectors[False, text] for text in each.passages] for each in wordings]
    if run.config.query.averages():
        rows = [[np.mean(some, axis=0)] for some in rows]
    return np.stack([row for some in rows for row in some]).astype(np.float32)


def _filled(folder: Path) -> bool:
    """Whether an index is saved there; a build that was killed leaves none."""
    return any(folder.glob("*/ready.json"))
