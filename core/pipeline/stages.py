"""The stages of a recipe as data: STAGES is the one list from which keys, traces, plans, forms and docs follow.

corpus > chunks > vectors > index > candidates of each retriever > pool > final ranking > metrics, and > prompt > answer >
scores. To add a stage is: a field of `TrialConfig`, a row here, a folder of parts, its room in `docs/rooms.py`, its docs. What
ranks is kept where its row says; where it also costs and is kept on disk, a job computes it before a page shows it. What a
model wrote or judged is a record, and its row names the kind: the cache never drops it, and it is in SQL and backups.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.answering.answer import answer
from core.chunking.chunk import chunk_documents
from core.config import LISTS, NOTHING, PART_KINDS, PLACES, PartConfig, TrialConfig, code_version, fingerprint
from core.context.prompt import build
from core.embedding.transform import fit
from core.embedding.vectors import embed
from core.evaluation.judged import relevance
from core.generation.model_texts import MUTE, untaught
from core.index.common import build_settings
from core.index.rescore import Rescored
from core.pipeline.confidence import writer
from core.queries.joining import joined
from core.records import Corpus, Progress
from core.reranking.protocol import Asked
from core.retrieval.dense_search import DenseSearch
from core.retrieval.fusion import fused
from core.retrieval.metadata import searched
from core.retrieval.pool import make_pool
from core.retrieval.sparse_search import SparseSearch

Ranks = Callable[[PartConfig, Asked], Generator[Progress, None, np.ndarray]]

NUMBERS = ("first", "second", "third", "fourth", "fifth")
VECTOR_SEARCH = DenseSearch.row  # the row whose candidates the index finds
WORD_SEARCH = SparseSearch.row
RETRIEVED = "retrieved"  # row of the first place for a retriever
SILENT = MUTE - {"context_tokens", "logprobs"}  # knobs of a generator that change neither text nor prompt


class Stage(NamedTuple):
    """One row. What a stage makes is known by its name: in keys, traces, the cache and a trial's fingerprints."""

    name: str
    field: str  # of the recipe
    title: str  # of its form
    above: tuple[str, ...] = ()  # the stages that it is made from
    settings: Callable[["Resolved"], Any] | None = None  # what of the recipe decides it; None: its field
    workers: tuple[Any, ...] = ()  # whose code decides it, beside its part
    retriever: str = ""  # that it serves: a fusion that does not ask for it does without the stage
    costs: bool = False  # a change means work that one waits for: it is applied on a button
    ranks: Ranks | None = None  # makes the scores of the final ranking, from those of the stage above
    storage: str = ""  # of its result: "disk", "memory", "journal" for records, "" for what is computed anew each time
    records: str = ""  # kind of those in the journal
    after: str = ""  # the field that must do something before the form of this one is shown
    passes: bool = False  # doing nothing it hands on the key of the stage above, as if it were not there

    @property
    def cached(self) -> bool:
        """Whether its result is remembered, and may be dropped and computed again."""
        return self.storage in ("disk", "memory")


def first_ranking(part: PartConfig, asked: Asked) -> Generator[Progress, None, np.ndarray]:
    """The first ranking."""
    yield from ()
    return fused(part, asked.pool)


def ranked_again(part: PartConfig, asked: Asked) -> Generator[Progress, None, np.ndarray]:
    """What a reranker makes of the ranking so far."""
    return (yield from part.rerank(asked))


def _queries(run: "Resolved") -> Any:
    part = run.config.query
    return run.questions, part, _generator(run, part.writer(run.config.generation)) if part.asks_model else ()


def _retriever(field: str) -> Callable[["Resolved"], Any]:
    def settings(run: "Resolved") -> Any:
        part = getattr(run.config, field)
        reads = (run.encoder, run.config.embedding.prefix(True)) if part.encodes else ()
        return run.questions, part, part.identity(), reads, run.config.retrieval.candidates, _filter(run)

    return settings


def _reranker(field: str) -> Callable[["Resolved"], Any]:
    def settings(run: "Resolved") -> Any:
        part = getattr(run.config, field)
        # what the encoder reads of a chunk is in the key of the chunks
        writer = _generator(run, untaught(run.config.generation)) if part.asks_model else ()
        return part, part.identity(), writer, run.config.embedding.prefix(True) if part.encodes else ""

    return settings


def asks_model(config: TrialConfig) -> bool:
    """Whether the recipe's generator is asked for the ranking itself."""
    return any(part.asks_model for part in (config.query, *config.rerankers))


def _generator(run: "Resolved", part: PartConfig) -> Any:
    """Of a generator that writes texts for a recipe what decides their words."""
    return part, part.identity(), run.config.seed


def _answer(run: "Resolved") -> Any:
    """What decides the words of an answer to a given prompt."""
    part = writer(run.config)
    return [part.identity(), part.model_dump(mode="json", exclude=SILENT), run.config.seed]


def _scores(run: "Resolved") -> Any:
    """What measures may ask of the recipe."""
    return run.encoder, _generator(run, untaught(run.config.generation))


def _index_built(run: "Resolved") -> Any:
    return build_settings(run.config.index)


def _stored_vectors(run: "Resolved") -> Any:
    """What of the transform decides the stored vectors: rescoring happens after the search."""
    return run.config.transform.model_copy(update={"rescore": 1})


def _dense(run: "Resolved") -> Any:
    config = run.config
    rescored = config.transform.rescore
    return run.questions, config.embedding.prefix(True), config.index, rescored, config.retrieval.candidates, _filter(run)


def _sparse(run: "Resolved") -> Any:
    return run.questions, run.config.sparse, run.config.retrieval.candidates, _filter(run)


def _filter(run: "Resolved") -> Any:
    """Which documents may be found: titles and sources are in the stamp of the corpus' files, not in its fingerprint."""
    return (run.config.retrieval.documents, run.stamp) if run.config.retrieval.documents else ()


def _of(retriever: str, *rows: Stage) -> tuple[Stage, ...]:
    """The stages that serve a retriever and no other."""
    return tuple(row._replace(retriever=retriever) for row in rows)


def _row_of(place: str) -> str:
    return place.replace("retriever", RETRIEVED)


def _members() -> tuple[Stage, ...]:
    """A row for each place of a retriever that brings no stages of its own."""
    rows, before = [], ""
    for number, place in zip(NUMBERS, LISTS["retrievers"].names, strict=True):
        row = Stage(_row_of(place), place, f"{number.capitalize()} retriever", ("chunks", "queries"), _retriever(place))
        rows.append(row._replace(retriever=row.name, costs=True, storage="disk", after=before))
        before = place
    return tuple(rows)


def _rerankers() -> tuple[Stage, ...]:
    """A row for each place of a reranker, made from the one before."""
    rows, above, before = [], "fused", ""
    for number, place in zip(NUMBERS, LISTS["rerankers"].names, strict=True):
        title = f"Reranking, {number} step" if before else "Reranking"
        row = Stage(place.replace("rerank", "reranked"), place, title, (above,), _reranker(place), ranks=ranked_again)
        rows.append(row._replace(storage="memory", after=before, passes=len(rows) >= LISTS["rerankers"].told))
        above, before = row.name, place
    return tuple(rows)


POOLED = "pooled"  # above a row: what each retriever found
RANKING = "ranking"  # above a row: the last of the stages that rank
WRITTEN = ("prompt", "writing", "answer")  # the rows from a ranking to an answer
# in the order in which forms show them
_ROWS = (
    Stage("corpus", "corpus", "Corpus", settings=lambda run: run.corpus.fingerprint, storage="disk"),
    Stage("chunks", "chunking", "Chunking", ("corpus",), lambda run: (run.config.chunking, run.encoder),
          (chunk_documents,), costs=True, storage="disk"),
    *_of(
        VECTOR_SEARCH,
        Stage("vectors", "embedding", "Embedding", ("chunks",), lambda run: run.encoder, (embed,), costs=True, storage="disk"),
        Stage("transformed", "transform", "Vector transform", ("vectors",), _stored_vectors, (fit,), storage="memory"),
        Stage("index", "index", "Dense index", ("transformed",), _index_built, storage="disk"),
    ),
    Stage("queries", "query", "Query transform", (), _queries, (joined,), storage="memory"),
    *_of(VECTOR_SEARCH, Stage(VECTOR_SEARCH, "index", "Dense search", ("index", "queries"), _dense, (Rescored, searched),
                              storage="disk")),
    *_of(WORD_SEARCH, Stage(WORD_SEARCH, "sparse", "Sparse retrieval", ("chunks", "queries"), _sparse, (searched,), storage="disk")),
    *_members(),
    Stage("pool", "retrieval", "Retrieval", (POOLED,), lambda run: pooled(run.config), (make_pool,), storage="memory"),
    Stage("fused", "fusion", "Fusion", ("pool",), ranks=first_ranking),
    *_rerankers(),
    Stage("relevance", "evaluation", "Evaluation", ("chunks",), lambda run: (run.questions, run.config.evaluation.overlap),
          (relevance,), storage="memory"),
    Stage("prompt", "context", "Context", (RANKING,), workers=(build,)),
    Stage("writing", "answering", "Answering", ("prompt",), workers=(answer,)),
    Stage("answer", "generation", "Generation", ("writing",), _answer, storage="journal", records="set_answers"),
    Stage("scores", "evaluation", "Scores of answers", ("answer", "relevance"), _scores, storage="journal",
          records="answer_scores"),
)  # fmt: skip
_ABOVE = {
    POOLED: tuple(row.name for row in _ROWS if row.retriever == row.name),
    RANKING: tuple(row.name for row in _ROWS if row.ranks)[-1:],
}
STAGES = tuple(row._replace(above=tuple(name for above in row.above for name in _ABOVE.get(above, (above,)))) for row in _ROWS)
_BY_NAME = {stage.name: stage for stage in STAGES}


def storage(name: str) -> str:
    """Where a stage's result is kept."""
    return _BY_NAME[name].storage


def records(name: str) -> str:
    """Kind of the records of a stage that the journal keeps."""
    return _BY_NAME[name].records


def by_field() -> dict[str, Stage]:
    """Field of the recipe -> the first stage that it decides, in the order of the forms."""
    first: dict[str, Stage] = {}
    for stage in STAGES:
        first.setdefault(stage.field, stage)
    return first


def found_by(config: TrialConfig) -> dict[str, str]:
    """Row that finds candidates -> the place of its retriever in the recipe."""
    members = zip(LISTS["retrievers"].names, config.retrievers, strict=False)
    return {member.row or _row_of(place): place for place, member in members if not member.idle}


def pooled(config: TrialConfig) -> tuple[str, ...]:
    """The rows whose candidates the fusion reads."""
    return config.fusion.needs(tuple(found_by(config)))


def offers(field: str) -> bool:
    """Whether there is something to choose: for a place of a list more than its usual members."""
    places = LISTS[PLACES[field][0]] if field in PLACES else None
    return places is None or not registry.parts(places.kind).keys() <= {NOTHING, *places.usual}


def unused(config: TrialConfig) -> set[str]:
    """The fields of which the fusion asks nothing. (The encoder also counts the tokens of the chunks.)"""
    needs, own = ("", *pooled(config)), {place for row, place in found_by(config).items() if row == _row_of(place)}
    silent = set(LISTS["retrievers"].names) - own
    return {field for field, stage in by_field().items() if stage.retriever not in needs} - silent


def ranking_fields() -> tuple[str, ...]:
    """The fields that decide a ranking of given documents, in the order of their forms."""
    ahead, names = [stage.name for stage in STAGES if stage.ranks], set()
    while ahead:
        if (name := ahead.pop()) not in names:
            names.add(name)
            ahead += _BY_NAME[name].above
    fields = {_BY_NAME[name].field for name in names} - {"corpus"}
    return tuple(field for field in by_field() if field in fields)


def answering_fields() -> tuple[str, ...]:
    """The fields that decide the answer over a given ranking, in the order of their forms."""
    return tuple(field for field in by_field() if field not in {*ranking_fields(), "corpus", "evaluation"})


def rankers(config: TrialConfig | None = None) -> tuple[Stage, ...]:
    """The stages that rank the pool, one after the other: the fusion first. Of a recipe those that do something."""
    return tuple(stage for stage in STAGES if stage.ranks and not (config and idle(stage, config)))


def idle(stage: Stage, config: TrialConfig) -> bool:
    """Whether the recipe's part for it does nothing."""
    return stage.field in PART_KINDS and getattr(config, stage.field).idle


def workers(config: TrialConfig) -> list[Any]:
    """Whose code decides the ranking of a recipe, for `code_version`."""
    fields = _used(config)
    return [worker for stage in STAGES if stage.field in fields for worker in _workers(stage, config)]


def writers(config: TrialConfig) -> list[Any]:
    """Whose code decides the answer to a question over given passages."""
    return [worker for name in WRITTEN for worker in _workers(_BY_NAME[name], config)]


def parts(config: TrialConfig, answering: bool = False) -> list[PartConfig]:
    """The parts that a recipe's ranking needs, for answers too if `answering`."""
    fields = _used(config) | (by_field().keys() - ranking_fields() if answering else set())
    fields |= {"generation"} if asks_model(config) else set()
    return [getattr(config, field) for field in PART_KINDS if field in fields]


def _used(config: TrialConfig) -> set[str]:
    return set(ranking_fields()) - unused(config) | {"embedding"}


def _workers(stage: Stage, config: TrialConfig) -> tuple[Any, ...]:
    part = (getattr(config, stage.field),) if stage.field in PART_KINDS else ()
    return *part, *stage.workers


@dataclass(frozen=True, eq=False)
class Resolved:
    """A recipe with its corpus, looked up once and handed on: whatever asks for a stage of it has its key here."""

    config: TrialConfig
    corpus: Corpus
    stamp: str  # of the corpus' files
    questions: str  # fingerprint of the corpus' questions
    _keys: dict[str, str] = field(default_factory=dict, repr=False)

    @cached_property
    def encoder(self) -> tuple[str, str]:
        """All that decides the vector of a chunk: a prefix is no part of the encoder's identity, it is part of the text."""
        return self.config.embedding.identity(), self.config.embedding.prefix(False)

    def key(self, name: str) -> str:
        """Key of a stage's result: what of the recipe decides it, its code, and everything above it."""
        if name not in self._keys:
            stage = _BY_NAME[name]
            if stage.passes and idle(stage, self.config):
                self._keys[name] = self.key(stage.above[0])
                return self._keys[name]
            # a retriever that the fusion does not ask is no part of the pool, and a key of its own is still told
            above = stage.above
            if not stage.retriever and any(_BY_NAME[name].retriever for name in above):
                reads = ("", *pooled(self.config))
                above = tuple(name for name in above if _BY_NAME[name].retriever in reads)
            keys = [self.key(name) for name in above]
            self._keys[name] = fingerprint(keys, self.settings(name), code_version(*_workers(stage, self.config)))
        return self._keys[name]

    def settings(self, name: str) -> Any:
        """What of the recipe decides a stage's result, beside what it is made from."""
        stage = _BY_NAME[name]
        return stage.settings(self) if stage.settings else getattr(self.config, stage.field)

    def ranking_key(self) -> str:
        """Key of the final ranking, whichever stage makes it."""
        return self.key(rankers()[-1].name)

    def vector_search_key(self) -> str:
        """Key of what the index finds."""
        return self.key(VECTOR_SEARCH)

    def of(self, config: TrialConfig) -> "Resolved":
        """Another recipe on the same corpus: neither is opened or stamped again, and with the same encoder its files are not read."""
        if config == self.config:
            return self
        made = replace(self, config=config, _keys={})
        if config.embedding == self.config.embedding:
            made.__dict__["encoder"] = self.encoder  # it looks at files
        return made

    def asking(self, corpus: Corpus, questions: str) -> "Resolved":
        """The same recipe asked other questions of the same documents; questions: their fingerprint."""
        made = replace(self, corpus=corpus, questions=questions, _keys={})
        made.__dict__["encoder"] = self.encoder
        return made


Recipe = TrialConfig | Resolved  # what verbs take: a recipe, or one that was resolved before
