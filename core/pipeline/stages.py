"""The stages of a recipe as data: STAGES is the one list from which keys, traces, plans, forms and docs follow.

corpus > chunks > vectors > index > candidates of each retriever > pool > final ranking > metrics, and > prompt > answer. To
add a stage is: a field of `TrialConfig`, a row here, a folder of parts, its room in `docs/rooms.py`, its docs. What ranks is
kept where its row says; where it also costs and is kept on disk, a job computes it before a page shows it.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from core.chunking.chunk import chunk_documents
from core.config import PART_KINDS, PartConfig, TrialConfig, code_version, fingerprint
from core.context.prompt import build
from core.embedding.transform import fit
from core.evaluation.judged import relevance
from core.index.common import build_settings
from core.index.rescore import Rescored
from core.pipeline.vectors import embed
from core.queries.joining import joined
from core.records import Corpus, Progress
from core.reranking.protocol import Asked
from core.retrieval.fusion import fused
from core.retrieval.metadata import searched
from core.retrieval.pool import make_pool

Ranks = Callable[[PartConfig, Asked], Generator[Progress, None, np.ndarray]]


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
    storage: str = ""  # of its result: "disk", "memory", "" for what is computed anew each time
    after: str = ""  # the field that must do something before the form of this one is shown


def first_ranking(part: PartConfig, asked: Asked) -> Generator[Progress, None, np.ndarray]:
    """The first ranking."""
    yield from ()
    return fused(part, asked.pool)


def ranked_again(part: PartConfig, asked: Asked) -> Generator[Progress, None, np.ndarray]:
    """What a reranker makes of the ranking so far."""
    return (yield from part.rerank(asked))


def _queries(run: "Resolved") -> Any:
    return run.questions, run.config.query, _writer(run, run.config.query)


def _reranker(field: str) -> Callable[["Resolved"], Any]:
    def settings(run: "Resolved") -> Any:
        part = getattr(run.config, field)
        # what the encoder reads of a chunk is in the key of the chunks
        return part, part.identity(), _writer(run, part), run.config.embedding.prefix(True) if part.encodes else ""

    return settings


def asks_model(config: TrialConfig) -> bool:
    """Whether the recipe's generator is asked for the ranking itself."""
    return any(getattr(config, field).asks_model for field in ("query", "rerank", "rerank_2", "rerank_3"))


def _writer(run: "Resolved", part: Any) -> Any:
    """Of a part that asks the recipe's generator what decides its words."""
    generator = run.config.generation
    return (generator, generator.identity(), run.config.seed) if part.asks_model else ()


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


RANKING = "ranking"  # above a row: the last of the stages that rank
# in the order in which forms show them
_ROWS = (
    Stage("corpus", "corpus", "Corpus", settings=lambda run: run.corpus.fingerprint, storage="disk"),
    Stage("chunks", "chunking", "Chunking", ("corpus",), lambda run: (run.config.chunking, run.encoder),
          (chunk_documents,), costs=True, storage="disk"),
    Stage("vectors", "embedding", "Embedding", ("chunks",), lambda run: run.encoder, (embed,),
          retriever="dense", costs=True, storage="disk"),
    Stage("transformed", "transform", "Vector transform", ("vectors",), _stored_vectors, (fit,),
          retriever="dense", storage="memory"),
    Stage("index", "index", "Dense index", ("transformed",), _index_built, retriever="dense", storage="disk"),
    Stage("queries", "query", "Query transform", (), _queries, (joined,), storage="memory"),
    Stage("dense", "index", "Dense search", ("index", "queries"), _dense, (Rescored, searched), retriever="dense", storage="disk"),
    Stage("sparse", "sparse", "Sparse retrieval", ("chunks", "queries"),
          _sparse, (searched,), retriever="sparse", storage="disk"),
    Stage("pool", "retrieval", "Retrieval", ("dense", "sparse"), lambda run: run.config.fusion.needs(), (make_pool,),
          storage="memory"),
    Stage("fused", "fusion", "Fusion", ("pool",), ranks=first_ranking),
    Stage("reranked", "rerank", "Reranking", ("fused",), _reranker("rerank"), ranks=ranked_again, storage="memory"),
    Stage("reranked_2", "rerank_2", "Reranking, second step", ("reranked",), _reranker("rerank_2"), ranks=ranked_again,
          storage="memory", after="rerank"),
    Stage("reranked_3", "rerank_3", "Reranking, third step", ("reranked_2",), _reranker("rerank_3"), ranks=ranked_again,
          storage="memory", after="rerank_2"),
    Stage("relevance", "evaluation", "Evaluation", ("chunks",), lambda run: (run.questions, run.config.evaluation.overlap),
          (relevance,), storage="memory"),
    Stage("prompt", "context", "Context", (RANKING,), workers=(build,)),
    Stage("writing", "answering", "Answering", ("prompt",)),
    Stage("answer", "generation", "Generation", ("writing",)),
)  # fmt: skip
_LAST = [row.name for row in _ROWS if row.ranks][-1]
STAGES = tuple(row._replace(above=tuple(_LAST if name == RANKING else name for name in row.above)) for row in _ROWS)
_BY_NAME = {stage.name: stage for stage in STAGES}


def storage(name: str) -> str:
    """Where a stage's result is kept."""
    return _BY_NAME[name].storage


def by_field() -> dict[str, Stage]:
    """Field of the recipe -> the first stage that it decides, in the order of the forms."""
    return {field: next(stage for stage in STAGES if stage.field == field) for field in dict.fromkeys(s.field for s in STAGES)}


def unused(config: TrialConfig) -> set[str]:
    """The fields of which the fusion asks nothing. (The encoder also counts the tokens of the chunks.)"""
    needs = ("", *config.fusion.needs())
    return {field for field, stage in by_field().items() if stage.retriever not in needs}


def ranking_fields() -> tuple[str, ...]:
    """The fields that decide a ranking of given documents, in the order of their forms."""
    ahead, fields = [stage.name for stage in STAGES if stage.ranks], set()
    while ahead:
        stage = _BY_NAME[ahead.pop()]
        fields.add(stage.field)
        ahead += stage.above
    return tuple(dict.fromkeys(stage.field for stage in STAGES if stage.field in fields - {"corpus"}))


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
            # a retriever that the fusion does not ask is no part of the pool, and a key of its own is still told
            above = [name for name in stage.above if stage.retriever or not _BY_NAME[name].retriever or self._asks(name)]
            settings = stage.settings(self) if stage.settings else getattr(self.config, stage.field)
            keys = [self.key(name) for name in above]
            self._keys[name] = fingerprint(keys, settings, code_version(*_workers(stage, self.config)))
        return self._keys[name]

    def ranking_key(self) -> str:
        """Key of the final ranking, whichever stage makes it."""
        return self.key(rankers()[-1].name)

    def _asks(self, name: str) -> bool:
        return _BY_NAME[name].retriever in self.config.fusion.needs()

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
