"""The nouns that the stages hand to each other. All frozen, none with behaviour beyond reading itself.

Gold evidence is a character span of the source document, never a chunk id, so that retrieval metrics stay comparable
while the chunker changes. Invariant: `chunk text == document.text[start:end]`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Progress(NamedTuple):
    """What a long verb yields. `done` of `total` steps (total 0: unknown), `message` names what is being done."""

    done: int
    total: int
    message: str


class Up(Progress):
    """What a verb yields that has no end of its own: from now on it is up until somebody stops it."""


class Document(NamedTuple):
    """One source text. `pages` holds the character offset at which each page starts (empty: not paged)."""

    id: str
    text: str
    title: str = ""
    source: str = ""  # file name, URL or collection it came from
    pages: tuple[int, ...] = ()


class Gold(NamedTuple):
    """One piece of gold evidence: characters [start, end) of a document.

    Spans that are alternatives of each other (the same sentence in two documents) share a `unit`: finding one is
    finding the unit. `grade` is the relevance grade, 0 = judged not relevant.
    """

    document_id: str
    start: int
    end: int
    grade: int = 1
    unit: int = 0


class Query(NamedTuple):
    """A question. No gold and `answerable=False`: it cannot be answered from the corpus (not counted in retrieval)."""

    id: str
    text: str
    gold: tuple[Gold, ...] = ()
    answers: tuple[str, ...] = ()
    answerable: bool = True
    group: str = ""  # type, difficulty or domain, for breakdowns
    history: tuple[str, ...] = ()  # what was said before it, oldest first

    @property
    def relevant(self) -> tuple[Gold, ...]:
        """Its evidence: what is judged relevant. Without any retrieval cannot be measured."""
        return tuple(gold for gold in self.gold if gold.grade > 0)


@dataclass(frozen=True)
class Corpus:
    """Documents with the questions asked of them. `notes` are for people: what was skipped or reported while loading."""

    name: str
    documents: tuple[Document, ...]
    queries: tuple[Query, ...] = ()
    notes: tuple[str, ...] = ()
    fingerprint: str = ""

    @cached_property
    def measurable(self) -> int:
        """How many of its questions have evidence."""
        return sum(bool(query.relevant) for query in self.queries)


@dataclass(frozen=True)
class Chunks:
    """All chunks of a corpus as columns; chunk i is characters [start[i], end[i]) of documents[document[i]].

    document, start, end, tokens: [num_chunks] int32; tokens counts the encoder's tokens, specials left out.
    """

    document: np.ndarray
    start: np.ndarray
    end: np.ndarray
    tokens: np.ndarray

    def __len__(self) -> int:
        return len(self.document)


@dataclass(frozen=True)
class Candidates:
    """The best chunks of one retriever for each query, best first.

    chunk: [num_queries, depth] int32, -1 where there are fewer; score: [num_queries, depth] float32, NaN at the -1s.
    """

    chunk: np.ndarray
    score: np.ndarray


@dataclass(frozen=True)
class Hit:
    """One retrieved chunk for a person to read."""

    rank: int
    score: float
    document_id: str
    title: str
    start: int
    end: int
    text: str
    page: int | None = None  # 1-based page of the chunk's first character
    scores: dict[str, float] = field(default_factory=dict)  # per retriever, where it retrieved the chunk
    excerpts: tuple[tuple[int, int], ...] = ()  # characters [start, end) of the document that a model reads; (): all of it
    longer: dict[str, str] = field(default_factory=dict)  # stage that reads less at once -> how it read the text
    last_page: int | None = None  # of the chunk's last character

    @property
    def pages(self) -> str:
        """The pages that it stands on, for a person to read; "" where there are none."""
        several = self.last_page and self.last_page != self.page
        return f"pages {self.page} to {self.last_page}" if several else f"page {self.page}" if self.page else ""

    @property
    def shown(self) -> str:
        """The text as a model reads it."""
        return as_read({"text": self.text, "start": self.start, "excerpts": self.excerpts})


def as_read(hit: Mapping[str, Any]) -> str:
    """The text of a hit as a model read it. hit: its fields, as they are stored; those of old records have no excerpts."""
    text, start = hit["text"], hit["start"]
    return " … ".join(text[a - start : b - start] for a, b in hit.get("excerpts") or ()) or text


class Token(NamedTuple):
    """One token of an answer. Log-probabilities are natural ones of the model itself, before any sampling filter."""

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()  # (text, logprob) of the likeliest tokens here, best first


def read_token(value: dict[str, Any]) -> Token:
    """A token from the plain values that `plain` made of it."""
    top = tuple((other, _number(each)) for other, each in value["top"])
    return Token(value["text"], _number(value["logprob"]), top)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


class Receipt(NamedTuple):
    """What an answer was made with. "" and None: not known of this engine, as of a remote one."""

    engine: str  # the part's name
    build: str  # package with version, and what the build uses of the processor
    machine: str
    identity: str  # of the model, by the part itself
    model: str
    model_sha256: str  # of the file that was loaded
    threads: int | None
    batch_tokens: int | None  # prompt tokens evaluated together: the rounding depends on it
    seed: int
    settings: dict[str, Any]  # the part's knobs: sampling, limits, grammar
    prompt_sha256: str
    text_sha256: str
    finish_reason: str


class StageRank(NamedTuple):
    """Where a stage of the retrieval put a chunk."""

    rank: int  # from 1
    score: float
    longer: str = ""  # how it read the chunk; "": whole, or not at all


class ChunkOrigin(NamedTuple):
    """A chunk of the ranking that an answer was made from. stages: name -> its place there, in the order of the stages; a
    retriever that did not find it is left out."""

    passage: int | None  # number of the passage that holds it; None: it was not given
    chunk: int  # number among the corpus' chunks, from 0
    document_id: str
    start: int
    end: int
    page: int | None
    stages: dict[str, StageRank]


class TimedStep(NamedTuple):
    """A part of the time that an answer took; one begins where the one before ends."""

    name: str
    ms: float


class Provenance(NamedTuple):
    """Where an answer's passages come from, and where its time went."""

    corpus: str
    corpus_checksum: str
    origins: tuple[ChunkOrigin, ...]  # in the order of the final ranking
    steps: tuple[TimedStep, ...]


@dataclass(frozen=True)
class Answer:
    """A generated answer with what produced it.

    finish_reason: "stop", "length", "deadline", "abstained" or "failed: <why>" (then there is no text). None: unmeasured.
    """

    text: str
    hits: tuple[Hit, ...]
    cited: tuple[int, ...]  # 1-based numbers of the hits that the text cites
    finish_reason: str
    prompt: str = ""
    prompt_tokens: int | None = 0
    reused_tokens: int | None = 0  # of the prompt, still in a cache: they explain a fast first token
    answer_tokens: int | None = 0
    retrieval_ms: float = 0.0
    first_token_ms: float = 0.0
    generation_ms: float = 0.0
    model: str = ""
    model_sha256: str = ""  # of the loaded file, where it is known
    retries: int = 0  # of a remote endpoint, until it answered
    cost_usd: float | None = None
    tokens: tuple[Token, ...] = ()  # with log-probabilities, where they were asked for
    receipt: Receipt | None = None  # None where no model ran
    way: dict[str, Any] = field(default_factory=dict)  # the part that says how it was written, with its knobs
    detail: dict[str, Any] = field(default_factory=dict)  # what that part tells besides: quotes, weights, rounds
    citations: str = "brackets"  # how it was asked to cite, as context.citations names it
    notes: tuple[str, ...] = ()  # what of the ranking the model was not given, and why
    loading_ms: float = 0.0  # of the model, before the prompt was made
    context_ms: float = 0.0  # what making the prompt took
    provenance: Provenance | None = None  # None: answers stored before it was noted
    id: str = ""  # of its record; "": it is not stored
    withheld: str = ""  # what the model wrote, of which it was less sure than the recipe asks for; "": nothing is withheld


def plain(value: Any) -> Any:
    """Records as plain JSON values; NaN and infinity become None, for JSON knows none."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    elif hasattr(value, "__dataclass_fields__"):
        value = {name: getattr(value, name) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
