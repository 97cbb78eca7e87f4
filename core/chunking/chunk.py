"""A corpus into chunks."""

from collections.abc import Generator, Sequence

import numpy as np

from core.chunking.tools import Remembered, Tools
from core.config import PartConfig
from core.errors import broken_part
from core.records import Chunks, Document, Progress

_GROUP = 512  # documents tokenised in one call
_GROUP_EMBEDDED = 32  # the same where sentences are embedded: some seconds, between which it can be cancelled


def chunk_documents(documents: Sequence[Document], chunker: PartConfig, tools: Tools) -> Generator[Progress, None, Chunks]:
    """Chunks of all documents in order. Hand in a `Remembered` to tokenise a corpus once for many chunkers."""
    remembered = tools if isinstance(tools, Remembered) else Remembered(tools)
    size = _GROUP_EMBEDDED if chunker.embeds else _GROUP
    columns = [np.empty((4, 0), np.int32)]
    for begin in range(0, len(documents), size):
        group = documents[begin : begin + size]
        yield Progress(begin, len(documents), "Chunking documents")
        texts = [document.text for document in group]
        remembered.tokenize_ahead(texts)
        remembered.embed_ahead([text for document in group for text in chunker.texts_to_embed(document.text, remembered)])
        rows = [
            (number, start, end)
            for number, document in enumerate(group, begin)
            for start, end in chunker.split(document.text, remembered)
        ]
        document, start, end = np.array(rows, np.int32).reshape(-1, 3).T
        lengths = np.array([len(text) for text in texts], np.int32)
        if ((start < 0) | (end <= start) | (end > lengths[document - begin])).any():
            raise broken_part("chunker", chunker.part, "gives chunks that are empty or lie outside of their document")
        columns.append(np.stack([document, start, end, count_tokens(document, start, end, documents, remembered)]))
    yield Progress(len(documents), len(documents), "Chunking documents")
    return Chunks(*np.concatenate(columns, axis=1))


def chunk_texts(chunks: Chunks, documents: Sequence[Document]) -> list[str]:
    """The text of each chunk, as it is encoded and indexed."""
    return [documents[d].text[s:e] for d, s, e in zip(chunks.document, chunks.start, chunks.end, strict=True)]


def count_tokens(
    document: np.ndarray, start: np.ndarray, end: np.ndarray, documents: Sequence[Document], tools: Tools
) -> np.ndarray:
    """Tokens that start in each span; spans stand in the order of their documents: [num_spans] int32."""
    counts = np.empty(len(document), np.int32)
    borders = np.flatnonzero(np.diff(document)) + 1
    for a, b in zip([0, *borders], [*borders, len(document)], strict=True):
        if a < b:
            starts = tools.token_offsets(documents[document[a]].text)[:, 0]
            counts[a:b] = np.searchsorted(starts, end[a:b]) - np.searchsorted(starts, start[a:b])
    return counts
