"""What a set of chunks does to the gold evidence and to the encoder."""

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from core.chunking.chunk import count_tokens
from core.chunking.packing import trim
from core.chunking.tools import Tools
from core.config import PartConfig
from core.errors import WorkbenchError
from core.pipeline.memory import Trace
from core.pipeline.stages import Recipe
from core.records import Chunks, Corpus, Document, Progress, Query
from core.statistics.bootstrap import Interval
from core.statistics.mcnemar import exact_p
from core.statistics.proportion import wilson
from core.workbench import LIVE_CHARACTERS, Workbench


def spans_of(chunks: Chunks, document: int) -> list[tuple[int, int]]:
    """The chunks of one document."""
    first, last = np.searchsorted(chunks.document, [document, document + 1])
    return list(zip(chunks.start[first:last].tolist(), chunks.end[first:last].tolist(), strict=True))


class GoldSpans(NamedTuple):
    """Distinct relevant parts of documents, without white space at their ends: document, start, end [num_spans] int64.

    whole_documents: gold that is a whole document (as BEIR and TREC judge) and is not among them.
    """

    document: np.ndarray
    start: np.ndarray
    end: np.ndarray
    whole_documents: int


def gold_spans(documents: Sequence[Document], queries: Sequence[Query]) -> GoldSpans:
    """A span counts once, however many questions share it."""
    number = {document.id: i for i, document in enumerate(documents)}
    gold = {(number[g.document_id], g.start, g.end) for query in queries for g in query.relevant if g.document_id in number}
    # a chunk never has white space at its ends, so gold is compared without it
    tight = {(d, *trim(documents[d].text, start, end)) for d, start, end in gold}
    parts = [(d, s, e) for d, s, e in tight if s < e and (s, e) != trim(documents[d].text, 0, len(documents[d].text))]
    columns = np.array(sorted(parts), np.int64).reshape(-1, 3).T
    return GoldSpans(*columns, len(tight) - len(parts))


def cut_spans(chunks: Chunks, gold: GoldSpans) -> np.ndarray:
    """Which gold spans a boundary cuts: no single chunk holds them whole. [num_spans] bool"""
    return ~contained(chunks, gold.document, gold.start, gold.end)


class CutDifference(NamedTuple):
    """Gold spans that only one of two chunkers cuts, and McNemar's exact p."""

    only_one: int
    only_other: int
    p: float


def compare_cuts(chunks: Chunks, other: Chunks, gold: GoldSpans) -> CutDifference:
    a, b = cut_spans(chunks, gold), cut_spans(other, gold)
    only_one, only_other = int((a & ~b).sum()), int((b & ~a).sum())
    return CutDifference(only_one, only_other, exact_p(only_one, only_other))


def contained(chunks: Chunks, document: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Whether one chunk holds characters [start, end) of the document whole: [num_spans] bool."""
    if not len(chunks):
        return np.zeros(len(document), bool)
    room = np.int64(2**31)  # a document's number and a position in it as one ascending number
    reach = np.maximum.accumulate(chunks.document * room + chunks.end)  # the furthest end of the chunks so far
    before = np.searchsorted(chunks.document * room + chunks.start, document * room + start, side="right")
    return (before > 0) & (reach[np.maximum(before, 1) - 1] >= document * room + end)


def tokens_repeated(chunks: Chunks, documents: Sequence[Document], tools: Tools) -> int:
    """Tokens embedded once more because an earlier chunk holds them too."""
    again = np.flatnonzero((chunks.document[1:] == chunks.document[:-1]) & (chunks.start[1:] < chunks.end[:-1]))
    end = np.minimum(chunks.end[again], chunks.end[again + 1])
    return int(count_tokens(chunks.document[again + 1], chunks.start[again + 1], end, documents, tools).sum())


def readable_tokens(encoder: PartConfig) -> int | None:
    """Tokens of a chunk that the encoder reads: its limit less the two specials around every text and what is put before a chunk.
    None: unknown."""
    if (limit := encoder.reads()) is None:
        return None
    before = "" if encoder.absent() else encoder.prefix(False)
    return limit - 2 - (len(encoder.load().token_offsets([before])[0]) if before.strip() else 0)


def longer_than(chunks: Chunks, max_tokens: int) -> int:
    """Chunks of which an encoder that reads `max_tokens` tokens (specials left out) never sees the end."""
    return int((chunks.tokens > max_tokens).sum())


def size_bins(chunks: Sequence[Chunks], limit: int | None = None, bins: int = 40) -> np.ndarray:
    """Edges of a histogram of tokens that all of them share: one whole width, so that no bar holds more sizes. limit: of the encoder,
    where a bin ends, so that no bar has chunks of both sides."""
    largest = max((int(cutting.tokens.max(initial=0)) for cutting in chunks), default=0)
    width = -(-(largest + 1) // bins)
    return np.arange(-(-(limit + 1) % width) if limit else 0, largest + width + 1, width) - 0.5


def size_rows(chunkings: Sequence[tuple[str, Chunks]], limit: int | None) -> list[dict[str, Any]]:
    """A row a bin of `size_bins` and chunker, each with its name."""
    edges = size_bins([chunks for _, chunks in chunkings], limit)
    return [
        {"chunker": name, "from_tokens": max(0.0, low + 0.5), "to_tokens": high - 0.5, "chunks": int(count)}
        for name, chunks in chunkings
        for low, high, count in zip(edges[:-1], edges[1:], np.histogram(chunks.tokens, edges)[0], strict=True)
    ]


def document_rows(corpus: Corpus, chunkings: Sequence[tuple[str, Chunks]], document_id: str) -> list[dict[str, Any]]:
    """A row a chunk of one document and chunker, with its text."""
    place = next((place for place, document in enumerate(corpus.documents) if document.id == document_id), None)
    if place is None:
        raise WorkbenchError(f"There is no document '{document_id}'.", todo="`python -m core corpus documents` lists their ids.")
    text = corpus.documents[place].text
    return [
        {"chunker": name, "start": start, "end": end, "text": text[start:end]}
        for name, chunks in chunkings
        for start, end in spans_of(chunks, place)
    ]


class Summary(NamedTuple):
    """What a chunker made of a corpus. cut: share of gold spans cut; too_long None: the encoder's limit is unknown."""

    chunks: int
    tokens: int
    mean_tokens: float
    cut: Interval
    repeated: int
    too_long: int | None


def summarize(
    chunks: Chunks, gold: GoldSpans, documents: Sequence[Document], tools: Tools, max_tokens: int | None, confidence: float = 0.95
) -> Summary:
    tokens = int(chunks.tokens.sum())
    return Summary(
        len(chunks),
        tokens,
        tokens / max(1, len(chunks)),
        wilson(int(cut_spans(chunks, gold).sum()), len(gold.document), confidence),
        tokens_repeated(chunks, documents, tools),
        None if max_tokens is None else longer_than(chunks, max_tokens),
    )


class Cut(NamedTuple):
    """The corpus in chunks, what can be said of them, and what cutting cost."""

    chunks: Chunks
    summary: Summary
    ms: float
    cached: bool


def gold(workbench: Workbench, corpus: Corpus) -> GoldSpans:
    """The evidence of all questions, in the order of the documents."""
    key = workbench.corpus_key(corpus)
    return workbench.pipeline.remember("gold", key, lambda: gold_spans(corpus.documents, corpus.queries))


def embeds_first(workbench: Workbench, recipe: Recipe) -> bool:
    """Whether every sentence of a large corpus has to be embedded before the chunker can cut it."""
    run = workbench.resolve(recipe)
    large = sum(len(document.text) for document in run.corpus.documents) > LIVE_CHARACTERS
    return run.config.chunking.embeds and large and not workbench.pipeline.cache.has("chunks", run.key("chunks"))


def cut(workbench: Workbench, recipe: Recipe) -> Generator[Progress, None, Cut]:
    run, trace = (yield from workbench.pipeline.resolve(recipe)), Trace()
    chunks = yield from workbench.cut_chunks(run, trace)
    summary = summarize(
        chunks,
        gold(workbench, run.corpus),
        run.corpus.documents,
        workbench.pipeline.tools(run),
        readable_tokens(run.config.embedding),
        run.config.evaluation.confidence,
    )
    return Cut(chunks, summary, trace.ms["chunks"], trace.cached["chunks"])
