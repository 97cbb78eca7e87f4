"""A switch of encoder without a moment in which nothing answers.

`Serving` holds what answers now: an encoder and the index of its vectors, always the two together. `switch` embeds all
texts with a new encoder and builds its index (the shadow) while the old one serves, catches up with what was inserted
and deleted meanwhile, and replaces the pair by one assignment. Closing the generator leaves the old one serving.
Vectors go with the name of the encoder that made them, their generation: a row of another one is never an answer, however
near its numbers are to the question's. A switch may plant such rows, and tells how often searches met them.
Source: the blue-green deployment of Humble and Farley 2010, "Continuous Delivery", chapter 10.
"""

import threading
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.config import TrialConfig, code_version, fingerprint
from core.embedding.vectors import embed
from core.errors import WorkbenchError
from core.index.exact import Exact
from core.labs.index.life import LIFE_QUERIES
from core.labs.index.reference import drawn_of
from core.models import probes
from core.progress import drain, told_within
from core.records import Candidates, Progress
from core.workbench import Workbench

SWITCH_TEXTS = 300  # documents of the encoder switch
PLANTED = 20  # questions whose numbers are planted: searches look so much deeper
FOREIGN = -2  # in the place of a document: a row of another generation

# embed(encoder part, texts, query) -> generator of Progress returning vectors [n, dim] float32
Embed = Callable[[Any, list[str], bool], Generator[Progress, None, np.ndarray]]
_CATCH_UP = 3  # rounds of catching up beside the old index before writers wait for the last one


class Embedded(NamedTuple):
    """Vectors [n, dim] float32 and their generation: the encoder that made them."""

    vectors: np.ndarray
    by: str


class Pair:
    """An encoder, the index of its vectors, and the document that each row of the index stands for."""

    def __init__(self, encoder: Any, searcher: Any, documents: np.ndarray) -> None:
        self.encoder, self.searcher = encoder, searcher
        self.name = encoder.identity()
        self.documents = documents  # [rows] int64, FOREIGN for those of another generation; replaced, never changed in place
        self.foreign = 0  # rows of another generation in the index
        self.row = dict(zip(documents.tolist(), range(len(documents)), strict=True))

    def add(self, documents: list[int], embedded: Embedded) -> None:
        own = embedded.by == self.name
        self.foreign += 0 if own else len(embedded.vectors)  # before a search can meet them
        rows = np.asarray(self.searcher.add(embedded.vectors), np.int64)
        grown = np.full(max(len(self.documents), int(rows.max()) + 1), -1, np.int64)
        grown[: len(self.documents)] = self.documents
        grown[rows] = documents if own else FOREIGN
        self.documents = grown
        self.row.update(zip(documents, rows.tolist(), strict=True) if own else ())

    def remove(self, documents: list[int]) -> None:
        self.searcher.remove(np.array([self.row.pop(d) for d in documents], np.int64))

    def uproot(self) -> None:
        """Removes the rows of another generation."""
        if self.foreign:
            self.searcher.remove(np.flatnonzero(self.documents == FOREIGN))
            self.documents, self.foreign = np.where(self.documents == FOREIGN, -1, self.documents), 0


class ServedCandidates(NamedTuple):
    """candidates.chunk are document ids; `encoder` embedded the question and belongs to the index that was searched. met: rows of
    another generation that were as near, and are no answer."""

    candidates: Candidates
    encoder: str
    met: int = 0


class SwitchReport(NamedTuple):
    """What a switch did. Searches are those answered from its start to its end, by either pair."""

    switched: bool
    reason: str  # why not, where it was not
    old: str
    new: str
    documents: int
    inserted: int  # documents that were inserted meanwhile and are in the new index
    deleted: int  # documents that were deleted meanwhile and are not
    overlap: np.ndarray | None  # [questions] share of the old k results that the new pair finds too
    searches: int
    by_old: int
    by_new: int
    without_results: int
    failed: int
    planted: int  # rows of the other generation in the two indexes, with the numbers of questions
    met: int  # how often searches met one among the nearest
    wrong: int  # searches that answered with one
    p50_ms: float | None
    longest_ms: float | None
    embed_s: float
    build_s: float
    writers_waited_ms: float  # inserts and deletes stood still for so long; searches never do


class _Search(NamedTuple):
    by: Pair
    empty: bool
    failed: bool
    met: int
    wrong: bool
    ms: float


class Serving:
    """What answers now. Searches, inserts, deletes and one switch may run in different threads.

    The documents are those of `texts`, numbered from 0; inserted ones get the next numbers, none is used twice.
    """

    def __init__(self, encoder: Any, searcher: Any, texts: list[str], embed: Embed) -> None:
        self._pair = Pair(encoder, searcher, np.arange(len(texts)))
        self._embed = embed
        self._texts = dict(enumerate(texts))
        self._next = len(texts)
        self._changing = threading.RLock()  # held by writers; a search only meets it when it saw a row before its writer was done
        self._journal: set[int] | None = None  # documents inserted or deleted since a switch began
        self._log: list[_Search] | None = None

    @property
    def encoder(self) -> str:
        return self._pair.name

    @property
    def documents(self) -> dict[int, str]:
        with self._changing:
            return dict(self._texts)

    def search(self, questions: list[str], depth: int) -> ServedCandidates:
        """The `depth` nearest documents of each question, by one encoder and its own index."""
        began = time.perf_counter()
        pair = self._pair  # the one read: everything below is of this pair
        answer = None
        try:
            answer = self._ask(pair, questions, depth)
            return answer
        finally:
            log = self._log
            if log is not None:
                empty = answer is not None and bool((answer.candidates.chunk < 0).all(axis=1).any()) and bool(self._texts)
                met, wrong = (answer.met, bool((answer.candidates.chunk == FOREIGN).any())) if answer else (0, False)
                log.append(_Search(pair, empty, answer is None, met, wrong, (time.perf_counter() - began) * 1000))

    def insert(self, texts: list[str]) -> list[int]:
        """Numbers of the new documents, which searches find from now on."""
        with self._changing:
            if not texts:
                return []
            self._pair.add(new := list(range(self._next, self._next + len(texts))), self._vectors(self._pair, texts))
            self._next += len(texts)
            self._texts.update(zip(new, texts, strict=True))
            if self._journal is not None:
                self._journal.update(new)
            return new

    def delete(self, documents: list[int]) -> None:
        with self._changing:
            unknown = [d for d in documents if d not in self._texts]
            if unknown:
                raise WorkbenchError(f"There is no document {unknown[0]}.", todo="It may have been deleted before.")
            self._pair.remove(list(dict.fromkeys(documents)))
            for document in dict.fromkeys(documents):
                del self._texts[document]
            if self._journal is not None:
                self._journal.update(documents)

    def _ask(self, pair: Pair, questions: list[str], depth: int) -> ServedCandidates:
        asked = self._vectors(pair, questions, query=True)
        candidates = pair.searcher.search(asked.vectors, depth + pair.foreign)
        documents = pair.documents
        if candidates.chunk.size and candidates.chunk.max() >= len(documents):
            with self._changing:
                documents = pair.documents
        chunk = np.where(candidates.chunk >= 0, documents[candidates.chunk], -1) if len(documents) else candidates.chunk
        own, met = _own_generation(Candidates(chunk.astype(np.int32), candidates.score), depth)
        return ServedCandidates(own, asked.by, met)

    def _vectors(self, pair: Pair, texts: list[str], query: bool = False) -> Embedded:
        return Embedded(drain(self._embed(pair.encoder, texts, query)), pair.name)

    def _plant(self, pair: Pair, questions: list[str], by: str) -> int:
        """Puts rows of another generation into the index, with the very numbers that these questions have there. Returns how many."""
        numbers = self._vectors(pair, questions, query=True).vectors
        numbers = numbers[numbers.any(axis=1)]  # cosine has no angle to a question without a known word
        with self._changing:
            if len(numbers):
                pair.add([], Embedded(numbers, by))
        return len(numbers)


def _own_generation(candidates: Candidates, depth: int) -> tuple[Candidates, int]:
    """The first `depth` that stand for documents, and how many others stood among them."""
    foreign = candidates.chunk == FOREIGN
    met = int(foreign[:, :depth].sum())
    if foreign.any():
        order = np.argsort(foreign, axis=1, kind="stable")
        chunk, score, late = (np.take_along_axis(each, order, axis=1) for each in (candidates.chunk, candidates.score, foreign))
        candidates = Candidates(np.where(late, -1, chunk).astype(np.int32), np.where(late, np.float32(np.nan), score))
    return Candidates(candidates.chunk[:, :depth], candidates.score[:, :depth]), met


def switch(
    serving: Serving,
    encoder: Any,
    build: Callable[[np.ndarray], Any],
    *,
    questions: list[str] | None = None,
    k: int = 10,
    least_overlap: float = 0.0,
    plants: Sequence[str] = (),
) -> Generator[Progress, None, SwitchReport]:
    """Replaces what `serving` answers with by `encoder` and the index that build(vectors [n, dim]) makes of its vectors.

    questions: asked of old and new before the switch; below a mean overlap@k of `least_overlap` the old one stays. plants: questions
    whose numbers stand in each index as rows of the other generation, until the switch is over.
    """
    with serving._changing:
        if serving._journal is not None:
            raise WorkbenchError("A switch of encoder is under way already.", todo="Wait for it or cancel it.")
        serving._journal, serving._log = set(), []
        texts = dict(serving._texts)
    old, log = serving._pair, serving._log
    try:
        planted = serving._plant(old, list(plants), encoder.identity()) if plants else 0
        began = time.perf_counter()
        yield Progress(0, 4, f"embedding {len(texts):,} documents with {encoder.identity()}")
        vectors = yield from told_within(serving._embed(encoder, list(texts.values()), False), Progress(0, 4, "embedding"))
        embed_s, began = time.perf_counter() - began, time.perf_counter()
        yield Progress(1, 4, f"building the index of {len(vectors):,} new vectors, the old one serves")
        shadow = Pair(encoder, build(vectors), np.fromiter(texts, np.int64, len(texts)))
        build_s = time.perf_counter() - began
        planted += serving._plant(shadow, list(plants), old.name) if plants else 0
        counts = np.zeros(2, int)
        for _ in range(_CATCH_UP):
            with serving._changing:
                changed, serving._journal = serving._journal, set()
                now = {d: serving._texts[d] for d in changed if d in serving._texts}
            if not changed:
                break
            yield Progress(2, 4, f"catching up with {len(changed):,} changed documents")
            counts += _catch_up(serving, shadow, changed, now)
        overlap = None
        if questions:
            yield Progress(3, 4, f"asking {len(questions):,} questions of both")
            overlap = _overlap(*(serving._ask(pair, questions, k).candidates.chunk for pair in (old, shadow)))
        switched = overlap is None or float(overlap.mean()) >= least_overlap
        yield Progress(3, 4, "switching" if switched else "staying")
        began = time.perf_counter()
        if switched:
            with serving._changing:
                counts += _catch_up(serving, shadow, serving._journal, serving._texts)
                serving._pair = shadow
        waited_ms = (time.perf_counter() - began) * 1000
        for question in plants if switched else ():  # of the new pair, as those before were of the old one
            serving.search([question], k)
        reason = "" if switched else f"overlap@{k} {overlap.mean():.2f} is below {least_overlap:g}"
        # one that began before the switch before may be answered by neither
        answered = [search for search in list(log) if search.by in (old, shadow)]
        ms = [search.ms for search in answered]
        return SwitchReport(
            switched,
            reason,
            old.name,
            shadow.name,
            len(serving.documents),
            *counts.tolist(),
            overlap,
            len(answered),
            sum(search.by is old for search in answered),
            sum(search.by is shadow for search in answered),
            sum(search.empty for search in answered),
            sum(search.failed for search in answered),
            planted,
            sum(search.met for search in answered),
            sum(search.wrong for search in answered),
            float(np.median(ms)) if ms else None,
            max(ms, default=None),
            embed_s,
            build_s,
            waited_ms if switched else 0.0,
        )
    finally:
        with serving._changing:
            serving._journal, serving._log = None, None
            serving._pair.uproot()


def _catch_up(serving: Serving, shadow: Pair, changed: set[int], now: dict[int, str]) -> tuple[int, int]:
    """Brings the changed documents of the shadow to what they are now. Returns how many were inserted and deleted."""
    gone = [d for d in sorted(changed) if d not in now and d in shadow.row]
    new = [d for d in sorted(changed) if d in now and d not in shadow.row]
    if gone:
        shadow.remove(gone)
    if new:
        shadow.add(new, serving._vectors(shadow, [now[d] for d in new]))
    return len(new), len(gone)


def _overlap(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Share of each row's results in old [n, k] that are in new [n, k] too."""
    there = old >= 0
    both = there & (old[:, :, None] == new[:, None, :]).any(axis=2)
    return both.sum(axis=1) / np.maximum(there.sum(axis=1), 1)


def switch_encoder(workbench: Workbench, config: TrialConfig, to: str) -> Generator[Progress, None, SwitchReport]:
    """Moves an index of some of the corpus's chunks to another encoder while questions keep coming."""
    from core.labs.index.measure import Asking

    pipeline = workbench.pipeline
    run = yield from pipeline.resolve(config)
    corpus = run.corpus
    texts = (yield from pipeline.texts(run))[:SWITCH_TEXTS]
    old = yield from pipeline.encoder(run)
    new = registry.find("encoder", to)()
    if new.learns:
        key = fingerprint("switch", texts, new, code_version(new))
        new = yield from new.fit(texts, pipeline.cache.folder / "encoders" / key)

    def vectors(encoder: Any, some: list[str], query: bool) -> Generator[Progress, None, np.ndarray]:
        return embed(encoder, some, pipeline.vectors_folder, query=query)

    yield Progress(0, 4, "Building the index that serves")
    probes.refuse(config.index.engine)  # it is built within the app, again and again
    part = Exact(metric=config.index.metric) if config.index.on_disk else config.index  # it is built in memory
    serving = Serving(old, part.build((yield from vectors(old, texts, False)), None), texts, vectors)
    rows = drawn_of(np.arange(len(corpus.queries)), LIFE_QUERIES).tolist()
    questions, k = [corpus.queries[row].text for row in rows], min(config.evaluation.k, len(texts))
    if not questions:
        return (yield from switch(serving, new, lambda rows: part.build(rows, None)))
    yield from vectors(old, questions, True)  # so that the questions meanwhile cost no encoding
    yield from vectors(new, questions, True)
    with Asking(lambda i: serving.search([questions[i % len(questions)]], k).candidates, pause_s=0.002):
        work = switch(serving, new, lambda rows: part.build(rows, None), questions=questions, k=k, plants=questions[:PLANTED])
        return (yield from work)


def switch_words(report: SwitchReport) -> list[str]:
    """A switch in sentences."""
    lost = "none without results" if not report.without_results else f"{report.without_results:,} without results"
    failed = "none failed" if not report.failed else f"{report.failed:,} failed"
    words = [
        f"{report.documents:,} chunks moved from one encoder to the other."
        if report.switched
        else f"The old encoder stayed: {report.reason}.",
        f"{report.searches:,} searches were answered meanwhile, {report.by_old:,} by the old encoder and "
        f"{report.by_new:,} by the new one: {lost}, {failed}.",
    ]
    if report.p50_ms is not None:
        words.append(f"Half of them took less than {report.p50_ms:.1f} ms, the longest {report.longest_ms:.0f} ms.")
    if report.planted:
        words.append(
            f"{report.planted:,} rows of the other encoder were planted in the two indexes, with the vectors of questions: "
            f"searches met them {report.met:,} times among the nearest, and {report.wrong or 'none'} answered with one."
        )
    words.append(
        f"Embedding took {report.embed_s:.1f} s and building {report.build_s:.1f} s beside the old index; "
        f"inserts and deletes waited {report.writers_waited_ms:.1f} ms."
    )
    if report.overlap is not None:
        words.append(
            f"Of the old encoder's first results the new one finds {report.overlap.mean():.0%} too: it ranks by another "
            "similarity, so this is a change of answers, not a loss."
        )
    return words
